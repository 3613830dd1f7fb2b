//! What does each state show?

mod categorical;
mod gaussian;
mod mixture;
mod poisson;

pub use categorical::Categorical;
pub use gaussian::Gaussian;
pub use mixture::Mixture;
pub use poisson::Poisson;

use ndarray::{Array2, ArrayRef1};

use super::Likelihoods;
use crate::Result;
use crate::random::RandomState;

/// The distributions b_j(x) of the observations in each state j.
///
/// An own one needs [`likelihoods`](Self::likelihoods) to be asked about states, and the rest to be learned or simulated.
pub trait Emission: Clone {
    /// A sequence of observations, T of them.
    type Observations: ?Sized;
    /// The same with an owner, as a simulation gives it.
    type Owned;

    /// S.
    fn states(&self) -> usize;

    /// b_j(x_t) for each step and state.
    ///
    /// # Errors
    /// An empty sequence; observations that the distribution is not defined for.
    fn likelihoods<'a>(&self, x: &'a Self::Observations) -> Result<Likelihoods<'a>>;

    /// The M step: the distributions that maximise Σ_t Σ_j γ_t(j) log b_j(x_t) over all sequences, plus the log prior.
    /// `gamma` holds one table (T, S) for each sequence.
    ///
    /// # Errors
    /// Where there is no maximum, for instance a singular covariance.
    fn estimate(&self, sequences: &[&Self::Observations], gamma: &[Array2<f64>]) -> Result<Self>;

    /// The log density of the parameters under their prior, up to a constant; 0 without one.
    fn log_prior(&self) -> f64 {
        0.0
    }

    /// How many numbers can be chosen freely.
    fn parameters(&self) -> usize;

    /// Another start for learning, of the same size, drawn with the data in view.
    ///
    /// # Errors
    /// As [`likelihoods`](Self::likelihoods).
    fn restart(&self, sequences: &[&Self::Observations], random: &mut RandomState) -> Result<Self>;

    /// One observation for each state of a path; the states are below S.
    ///
    /// # Errors
    /// Where an observation cannot be drawn.
    fn sample(&self, states: &[usize], random: &mut RandomState) -> Result<Self::Owned>;
}

/// (α − 1) Σ log p over the probabilities that are not 0.
pub(super) fn log_dirichlet(p: impl Iterator<Item = f64>, concentration: f64) -> f64 {
    if concentration == 1.0 {
        return 0.0;
    }
    p.filter(|p| *p > 0.0).map(f64::ln).sum::<f64>() * (concentration - 1.0)
}

/// Draws a distribution anew, uniformly from all that are 0 at the same places.
pub(super) fn redraw(p: &mut ArrayRef1<f64>, random: &mut RandomState) {
    // Independent exponential numbers, divided by their sum (Devroye 1986, section V.4.2); 1 − u is never 0.
    p.iter_mut().filter(|p| **p > 0.0).for_each(|p| *p = -(1.0 - random.uniform()).ln() + f64::MIN_POSITIVE);
    let sum = p.sum();
    p.mapv_inplace(|p| p / sum);
}
