//! What makes hidden data likely, and then what makes likely data of it? The EM algorithm (期望最大化).
//!
//! To maximise log p(x | θ) = log Σ_z p(x, z | θ), which has a sum inside the logarithm, EM takes turns at two steps:
//!
//! - E: Q(θ | θᵗ) = E_{z | x, θᵗ} log p(x, z | θ), for which a few expected statistics of z are enough;
//! - M: θᵗ⁺¹ = argmax_θ Q(θ | θᵗ).
//!
//! Since log p(x | θ) − Q(θ | θᵗ) is smallest at θ = θᵗ (Gibbs' inequality), no turn lowers log p(x | θ); with a prior, the
//! same holds of log p(x | θ) + log p(θ). It finds a local maximum, which depends on the start.
//!
//! Source: Dempster, Laird and Rubin, *Maximum likelihood from incomplete data via the EM algorithm*, JRSS B 39 (1977).

use crate::{Error, Result, validate};

/// The driver: a reader brings the E and the M step.
///
/// ```
/// use mlnotes::em::Em;
///
/// // Two coins, of which one is drawn for each experiment of ten throws (Do and Batzoglou 2008). Which is which is hidden.
/// let heads = [5.0, 9.0, 8.0, 4.0, 7.0_f64];
/// let likelihood = |p: f64, h: f64| p.powf(h) * (1.0 - p).powf(10.0 - h);
/// let fit = Em::new().tolerance(1e-6).run(
///     [0.6, 0.5],
///     |[a, b]| {
///         let total = |h| 0.5 * likelihood(*a, h) + 0.5 * likelihood(*b, h);
///         let first: Vec<f64> = heads.iter().map(|&h| 0.5 * likelihood(*a, h) / total(h)).collect();
///         Ok((first, heads.iter().map(|&h| total(h).ln()).sum()))
///     },
///     |_, first| {
///         let mean = |weights: &[f64]| {
///             let heads: f64 = weights.iter().zip(&heads).map(|(w, h)| w * h).sum();
///             heads / (10.0 * weights.iter().sum::<f64>())
///         };
///         let second: Vec<f64> = first.iter().map(|w| 1.0 - w).collect();
///         Ok([mean(&first), mean(&second)])
///     },
/// )?;
/// assert!((fit.model[0] - 0.80).abs() < 0.005 && (fit.model[1] - 0.52).abs() < 0.005);
/// assert!(fit.history.is_sorted());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Em {
    iterations: usize,
    tolerance: f64,
    approximate: bool,
}

/// What EM found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fit<M> {
    /// The model of the last M step.
    pub model: M,
    /// The objective of the start and after each iteration: it never decreases, but for rounding.
    pub history: Vec<f64>,
    /// Whether the last iteration gained less than the tolerance.
    pub converged: bool,
}

impl<M> Fit<M> {
    /// The objective of [`model`](Self::model).
    pub fn objective(&self) -> f64 {
        self.history[self.history.len() - 1]
    }
}

impl Default for Em {
    fn default() -> Self {
        Self { iterations: 100, tolerance: 1e-3, approximate: false }
    }
}

/// A decrease of this share of the objective is rounding.
const ROUNDING: f64 = 1e-9;

/// What an iteration gained, of an objective that may not fall unless `may_fall`.
pub(crate) fn gain(iteration: usize, before: f64, after: f64, may_fall: bool) -> Result<f64> {
    let gain = after - before;
    let fell = gain < -ROUNDING * before.abs().max(1.0);
    if gain.is_nan() || fell && !may_fall { Err(Error::Decreased { iteration, before, after }) } else { Ok(gain) }
}

impl Em {
    /// At most 100 iterations, until one gains less than 1e-3.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most this many iterations.
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// Ends when an iteration gains less than this much of the objective, in nats; below 0 never.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Allows an objective that falls, for an M step that does not quite maximise, such as one that adds a ridge to a
    /// covariance.
    pub fn approximate(self) -> Self {
        Self { approximate: true, ..self }
    }

    /// Takes turns at `e`, which gives the expected statistics and the objective of a model, and `m`, which makes the next
    /// model of them.
    ///
    /// # Errors
    /// Those of the steps; [`Error::Decreased`] where the objective falls, since then one of the steps is wrong;
    /// a tolerance or an objective that is NaN.
    pub fn run<M, S>(
        &self,
        start: M,
        mut e: impl FnMut(&M) -> Result<(S, f64)>,
        mut m: impl FnMut(&M, S) -> Result<M>,
    ) -> Result<Fit<M>> {
        validate::tolerance("tolerance", self.tolerance)?;
        let (mut statistics, objective) = e(&start)?;
        let mut fit = Fit { model: start, history: vec![objective], converged: false };
        for iteration in 1..=self.iterations {
            let last = fit.objective();
            fit.model = m(&fit.model, statistics)?;
            let objective;
            (statistics, objective) = e(&fit.model)?;
            let gain = gain(iteration, last, objective, self.approximate)?;
            fit.history.push(objective);
            if gain.abs() < self.tolerance {
                fit.converged = true;
                break;
            }
        }
        Ok(fit)
    }
}
