//! A coin.

use ndarray::{Array1, Array2, ArrayRef1, array};

use super::{ExponentialFamily, numbers, observations, statistics_of};
use crate::numerics::{logistic, softplus};
use crate::{Error, Result};

/// p(x) = pˣ (1 − p)^(1 − x) for x = 0 or 1.
///
/// T(x) = x, η = log p/(1 − p), A = log(1 + e^η), ∇A = p, ∇²A = p (1 − p).
///
/// ```
/// use mlnotes::expfam::{Bernoulli, ExponentialFamily};
/// use ndarray::array;
///
/// let coin = Bernoulli::new(0.75)?;
/// assert!((coin.natural()[0] - 3.0_f64.ln()).abs() < 1e-15); // odds of 3 to 1
/// assert!((Bernoulli::new(0.5)?.entropy() - 2.0_f64.ln()).abs() < 1e-15); // one bit
/// assert_eq!(Bernoulli::maximum_likelihood(&array![1.0, 0.0, 1.0, 1.0])?.probability(), 0.75);
/// assert!(Bernoulli::maximum_likelihood(&array![1.0, 1.0]).is_err()); // p = 1 has no log odds
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bernoulli {
    probability: f64,
    // Kept beside p, which is 1 to the last digit from η = 37 on.
    log_odds: f64,
}

impl Bernoulli {
    /// From p, the probability of 1.
    ///
    /// # Errors
    /// Unless p lies between 0 and 1, both excluded.
    pub fn new(probability: f64) -> Result<Self> {
        if probability > 0.0 && probability < 1.0 {
            return Ok(Self { probability, log_odds: probability.ln() - (-probability).ln_1p() });
        }
        let allowed = "above 0 and below 1; with a few observations of one kind only, start from a prior (`Beta`)";
        Err(Error::domain("probability", probability, allowed))
    }

    /// p.
    pub fn probability(&self) -> f64 {
        self.probability
    }
}

pub(super) fn zeros_and_ones(x: &ArrayRef1<f64>) -> Result<()> {
    observations(x, |x| x == 0.0 || x == 1.0, "0 or 1")
}

impl ExponentialFamily for Bernoulli {
    type Sample = ArrayRef1<f64>;

    fn natural(&self) -> Array1<f64> {
        array![self.log_odds]
    }

    fn from_natural(eta: &ArrayRef1<f64>) -> Result<Self> {
        numbers("eta", eta, 1)?;
        Ok(Self { probability: logistic(eta[0]), log_odds: eta[0] })
    }

    fn statistics(x: &ArrayRef1<f64>) -> Result<Array2<f64>> {
        zeros_and_ones(x)?;
        Ok(statistics_of(x, &[|x| x]))
    }

    fn log_base(x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        zeros_and_ones(x)?;
        Ok(Array1::zeros(x.len()))
    }

    fn log_partition(&self) -> f64 {
        softplus(self.log_odds)
    }

    fn mean_parameters(&self) -> Array1<f64> {
        array![self.probability]
    }

    fn statistic_covariance(&self) -> Array2<f64> {
        array![[self.probability * logistic(-self.log_odds)]]
    }

    fn from_mean_parameters(mean: &ArrayRef1<f64>) -> Result<Self> {
        numbers("mean", mean, 1)?;
        Self::new(mean[0])
    }
}
