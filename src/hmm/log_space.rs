//! Forward and backward as the textbooks write them, on logarithms. Slow, and right at every magnitude.

use ndarray::{Array2, ArrayRef2, Axis};

use super::{Chain, Likelihoods, Posterior};
pub use crate::numerics::log_sum_exp;
use crate::{Error, Result};

/// log α and what it sums to.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// log α_t(i) = log p(x₁ … x_t, z_t = i), shape (T, S).
    pub log_alpha: Array2<f64>,
    /// log p(x).
    pub log_likelihood: f64,
}

/// log α_t(j) = log b_j(x_t) + log Σ_i α_{t−1}(i) a_ij, for all t.
///
/// `log_emission` is log b(x_t | z_t = j), shape (T, S).
///
/// # Errors
/// A wrong shape, NaN or +∞; [`Error::Impossible`] at the first observation that makes p(x) = 0.
pub fn forward(chain: &Chain, log_emission: &ArrayRef2<f64>) -> Result<Forward> {
    validate(chain, log_emission)?;
    forward_of(chain, log_emission)
}

pub(super) fn forward_of(chain: &Chain, log_emission: &ArrayRef2<f64>) -> Result<Forward> {
    let log_a = chain.transition.ln();
    let mut log_alpha = log_emission.to_owned();
    for t in 0..log_alpha.nrows() {
        let log_a = log_a.index_axis(Axis(0), chain.matrix(t.saturating_sub(1)));
        for j in 0..chain.states() {
            log_alpha[[t, j]] += match t {
                0 => chain.initial[j].ln(),
                _ => log_sum_exp((0..chain.states()).map(|i| log_alpha[[t - 1, i]] + log_a[[i, j]])),
            };
        }
        if log_alpha.row(t).iter().all(|&log_alpha| log_alpha == f64::NEG_INFINITY) {
            return Err(Error::Impossible { position: t });
        }
    }
    let log_likelihood = log_sum_exp(log_alpha.row(log_alpha.nrows() - 1).iter().copied());
    Ok(Forward { log_alpha, log_likelihood })
}

/// log β_t(i) = log Σ_j a_ij b_j(x_{t+1}) β_{t+1}(j), with log β_T = 0; shape (T, S).
///
/// # Errors
/// A wrong shape, NaN or +∞.
pub fn backward(chain: &Chain, log_emission: &ArrayRef2<f64>) -> Result<Array2<f64>> {
    validate(chain, log_emission)?;
    Ok(backward_of(chain, log_emission))
}

fn backward_of(chain: &Chain, log_emission: &ArrayRef2<f64>) -> Array2<f64> {
    let log_a = chain.transition.ln();
    let mut log_beta = Array2::zeros(log_emission.raw_dim());
    for t in (0..log_emission.nrows() - 1).rev() {
        let log_a = log_a.index_axis(Axis(0), chain.matrix(t));
        for i in 0..chain.states() {
            let onwards = |j| log_a[[i, j]] + log_emission[[t + 1, j]] + log_beta[[t + 1, j]];
            log_beta[[t, i]] = log_sum_exp((0..chain.states()).map(onwards));
        }
    }
    log_beta
}

/// γ_t(i) = α_t(i) β_t(i) / p(x) and Σ_t ξ_t(i, j) = Σ_t α_t(i) a_ij b_j(x_{t+1}) β_{t+1}(j) / p(x).
///
/// # Errors
/// As [`forward`].
pub fn posterior(chain: &Chain, log_emission: &ArrayRef2<f64>) -> Result<Posterior> {
    validate(chain, log_emission)?;
    posterior_of(chain, log_emission)
}

pub(super) fn posterior_of(chain: &Chain, log_emission: &ArrayRef2<f64>) -> Result<Posterior> {
    let Forward { log_alpha, log_likelihood } = forward_of(chain, log_emission)?;
    let log_beta = backward_of(chain, log_emission);
    let log_a = chain.transition.ln();
    let mut transitions = Array2::zeros((chain.states(), chain.states()));
    for t in 0..log_emission.nrows() - 1 {
        let log_a = log_a.index_axis(Axis(0), chain.matrix(t));
        for ((i, j), moves) in transitions.indexed_iter_mut() {
            let log_xi = log_alpha[[t, i]] + log_a[[i, j]] + log_emission[[t + 1, j]] + log_beta[[t + 1, j]];
            *moves += (log_xi - log_likelihood).exp();
        }
    }
    let states = (log_alpha + log_beta).mapv(|log_gamma| (log_gamma - log_likelihood).exp());
    Ok(Posterior { states, transitions, log_likelihood })
}

fn validate(chain: &Chain, log_emission: &ArrayRef2<f64>) -> Result<()> {
    chain.validate(&Likelihoods::from_log(log_emission, chain.states())?)
}
