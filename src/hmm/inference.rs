//! Forward and backward, scaled so that each step sums to 1.

use ndarray::{Array1, Array2, ArrayRef2, Axis};

use super::recursion::{Smoothed, forward, log_likelihood, smooth, with_row};
use super::{Chain, Likelihoods, log_space};
use crate::Result;

/// What is known of each state from the observations up to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    /// p(z_t = i | x₁ … x_t), shape (T, S).
    pub states: Array2<f64>,
    /// log p(x), natural logarithm.
    pub log_likelihood: f64,
}

/// What is known of each state from all observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// γ_t(i) = p(z_t = i | x), shape (T, S).
    pub states: Array2<f64>,
    /// Σ_t ξ_t(i, j) = the expected number of moves from i to j, shape (S, S); it sums to T − 1.
    pub transitions: Array2<f64>,
    /// log p(x), natural logarithm.
    pub log_likelihood: f64,
}

impl Chain {
    /// log p(x) = log Σ_z p(x, z), by the forward recursion in O(T S²) time and O(S) memory.
    ///
    /// `log_emission` is log b(x_t | z_t = j), shape (T, S); a likelihood of 0 is −∞.
    ///
    /// # Errors
    /// A wrong shape, NaN or +∞; [`Error::Impossible`](crate::Error::Impossible) where p(x) = 0.
    ///
    /// # Numerics
    /// No underflow however long the sequence and however small the likelihoods: each step is divided by its sum, whose
    /// logarithms add up.
    pub fn log_likelihood(&self, log_emission: &ArrayRef2<f64>) -> Result<f64> {
        self.log_likelihood_of(&Likelihoods::from_log(log_emission, self.states())?)
    }

    pub(super) fn log_likelihood_of(&self, x: &Likelihoods<'_>) -> Result<f64> {
        self.validate(x)?;
        match with_row!(self.states(), log_likelihood(self, x)) {
            Some(log_likelihood) => Ok(log_likelihood),
            None => Ok(log_space::forward_of(self, &x.table())?.log_likelihood),
        }
    }

    /// p(z_t | x₁ … x_t) for each t: the forward recursion of [`log_likelihood`](Self::log_likelihood) with its steps
    /// kept.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    pub fn filter(&self, log_emission: &ArrayRef2<f64>) -> Result<Filtered> {
        self.filter_of(&Likelihoods::from_log(log_emission, self.states())?)
    }

    pub(super) fn filter_of(&self, x: &Likelihoods<'_>) -> Result<Filtered> {
        self.validate(x)?;
        let mut states = Array2::zeros((x.length(), self.states()));
        let mut keep = |t, alpha: &[f64]| states.row_mut(t).iter_mut().zip(alpha).for_each(|(kept, &p)| *kept = p);
        match with_row!(self.states(), forward(self, x, &mut keep)) {
            Some(log_likelihood) => Ok(Filtered { states, log_likelihood }),
            None => Ok(log_space::forward_of(self, &x.table())?.filtered()),
        }
    }

    /// γ_t(i) = p(z_t = i | x) and the expected numbers of moves, by the forward recursion and then
    ///
    /// γ_t(i) = α_t(i) Σ_j a_ij γ_{t+1}(j) / Σ_k α_t(k) a_kj,
    ///
    /// which needs no β and no emission: the smoother that Rauch, Tung and Striebel (1965) gave for Gaussians.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    ///
    /// # Numerics
    /// Where a quotient overflows, which takes a state below 1e-308 of its step's total, the answer comes from
    /// [`log_space::posterior`].
    pub fn posterior(&self, log_emission: &ArrayRef2<f64>) -> Result<Posterior> {
        self.posterior_of(&Likelihoods::from_log(log_emission, self.states())?)
    }

    pub(super) fn posterior_of(&self, x: &Likelihoods<'_>) -> Result<Posterior> {
        self.validate(x)?;
        let (length, states) = (x.length(), self.states());
        let Some(Smoothed { states: gamma, moves, log_likelihood }) = with_row!(states, smooth(self, x)) else {
            return log_space::posterior_of(self, &x.table());
        };
        let shaped = |shape, values| Array2::from_shape_vec(shape, values).unwrap_or_default();
        Ok(Posterior {
            states: shaped((length, states), gamma),
            transitions: shaped((states, states), moves),
            log_likelihood,
        })
    }
}

impl log_space::Forward {
    /// The same scaled to sum to 1 at each step.
    fn filtered(self) -> Filtered {
        let mut states = self.log_alpha;
        for mut row in states.rows_mut() {
            let total = log_space::log_sum_exp(row.iter().copied());
            row.mapv_inplace(|log_alpha| (log_alpha - total).exp());
        }
        Filtered { states, log_likelihood: self.log_likelihood }
    }
}

impl Posterior {
    /// The expected number of visits to each state, Σ_t γ_t(i), shape (S); it sums to T.
    pub fn visits(&self) -> Array1<f64> {
        self.states.sum_axis(Axis(0))
    }
}
