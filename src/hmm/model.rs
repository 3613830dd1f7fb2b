//! A chain and what its states show.

use super::{Chain, Emission, Filtered, Path, Posterior};
use crate::{Error, Result};

/// A hidden Markov model: z₁ ~ π, z_{t+1} ~ a(z_t, ·), x_t ~ b(z_t).
///
/// ```
/// use mlnotes::hmm::{Categorical, Chain, Hmm};
/// use ndarray::array;
///
/// // Wet or dry weather, seen by whether people carry an umbrella (0) or not (1).
/// let weather = Chain::new(array![0.5, 0.5], array![[0.7, 0.3], [0.3, 0.7]])?;
/// let umbrella = Categorical::new(array![[0.9, 0.1], [0.2, 0.8]])?;
/// let model = Hmm::new(weather, umbrella)?;
/// // Two days with umbrellas: Russell and Norvig, Artificial Intelligence, section 14.2, have 0.818 and 0.883.
/// let filtered = model.filter(&array![0, 0])?;
/// assert!((filtered.states[[0, 0]] - 0.818).abs() < 5e-4);
/// assert!((filtered.states[[1, 0]] - 0.883).abs() < 5e-4);
/// assert_eq!(model.viterbi(&array![0, 0, 1, 0, 0])?.states, [0, 0, 1, 0, 0]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Hmm<E> {
    /// π and A.
    pub chain: Chain,
    /// b.
    pub emission: E,
}

impl<E: Emission> Hmm<E> {
    /// From both parts.
    ///
    /// # Errors
    /// Another number of states in one than in the other.
    pub fn new(chain: Chain, emission: E) -> Result<Self> {
        if chain.states() != emission.states() {
            let allowed = format!("{}, the number of states of the chain", chain.states());
            return Err(Error::domain("the number of states of the emission", emission.states(), allowed));
        }
        Ok(Self { chain, emission })
    }

    /// log p(x), natural logarithm: see [`Chain::log_likelihood`].
    ///
    /// # Errors
    /// An empty sequence, observations that the emission is not defined for, an impossible one.
    pub fn log_likelihood(&self, x: &E::Observations) -> Result<f64> {
        self.chain.log_likelihood_of(&self.emission.likelihoods(x)?)
    }

    /// p(z_t | x₁ … x_t): see [`Chain::filter`].
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    pub fn filter(&self, x: &E::Observations) -> Result<Filtered> {
        self.chain.filter_of(&self.emission.likelihoods(x)?)
    }

    /// p(z_t | x): see [`Chain::posterior`].
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    pub fn posterior(&self, x: &E::Observations) -> Result<Posterior> {
        self.chain.posterior_of(&self.emission.likelihoods(x)?)
    }

    /// argmax_z p(z | x): see [`Chain::viterbi`].
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    pub fn viterbi(&self, x: &E::Observations) -> Result<Path> {
        self.chain.viterbi_of(&self.emission.likelihoods(x)?)
    }

    /// How many numbers can be chosen freely, for [`aic`](crate::metrics::aic) and [`bic`](crate::metrics::bic). What is 0
    /// stays 0 in learning and is not counted; so count the model that learning starts from, since a number that ends at 0
    /// was free.
    pub fn parameters(&self) -> usize {
        self.chain.parameters() + self.emission.parameters()
    }
}
