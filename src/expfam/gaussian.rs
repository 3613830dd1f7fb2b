//! A number with noise.

use ndarray::{Array1, Array2, ArrayRef1, array};

use super::{ExponentialFamily, not_below_zero, numbers, observations, statistics_of};
use crate::{Error, Result, validate};

/// N(x | μ, σ²) = (2πσ²)^(−1/2) exp(−(x − μ)²/(2σ²)), both unknown.
///
/// T(x) = (x, x²), η = (μ/σ², −1/(2σ²)), A = μ²/(2σ²) + log σ, ∇A = (μ, μ² + σ²),
/// ∇²A = \[\[σ², 2μσ²\], \[2μσ², 2σ⁴ + 4μ²σ²\]\].
///
/// # Numerics
/// A and ∇A grow with (μ/σ)² and would cancel. So density, entropy, divergence and maximum likelihood, which do not change
/// with the origin of x, are computed about the mean, with the same result.
///
/// ```
/// use mlnotes::expfam::{ExponentialFamily, Gaussian};
/// use ndarray::array;
///
/// let p = Gaussian::new(2.0, 4.0)?;
/// assert_eq!(p.natural(), array![0.5, -0.125]);
/// assert_eq!(p.mean_parameters(), array![2.0, 8.0]); // E x² = 2² + 4
/// assert!((p.kl(&Gaussian::new(0.0, 4.0)?)? - 0.5).abs() < 1e-15); // Δ²/(2σ²)
/// assert_eq!(Gaussian::maximum_likelihood(&array![1.0, 3.0])?, Gaussian::new(2.0, 1.0)?);
/// assert!(Gaussian::maximum_likelihood(&array![3.0]).is_err()); // no spread
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian {
    mean: f64,
    variance: f64,
}

impl Gaussian {
    /// From μ and σ².
    ///
    /// # Errors
    /// Unless μ is finite, and σ² above 0 and finite.
    pub fn new(mean: f64, variance: f64) -> Result<Self> {
        if !mean.is_finite() {
            return Err(Error::domain("mean", mean, "finite"));
        }
        let example = "1: a spread needs at least two different values, or a prior (`NormalInverseGamma`)";
        validate::positive("variance", variance, example)?;
        Ok(Self { mean, variance })
    }

    /// μ.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// σ².
    pub fn variance(&self) -> f64 {
        self.variance
    }
}

/// −½ log 2π.
pub(super) const LOG_BASE: f64 = -0.918_938_533_204_672_7;

/// x̄ and Σ (x − x̄)², which is 0 and no rounding where all x are the same.
pub(super) fn mean_and_squares(x: &ArrayRef1<f64>) -> (f64, f64) {
    let mean = x[0] + x.iter().map(|value| value - x[0]).sum::<f64>() / x.len() as f64;
    (mean, x.iter().map(|x| (x - mean).powi(2)).sum())
}

pub(super) fn any_numbers(x: &ArrayRef1<f64>) -> Result<()> {
    observations(x, |_| true, "finite")
}

impl ExponentialFamily for Gaussian {
    type Sample = ArrayRef1<f64>;

    fn natural(&self) -> Array1<f64> {
        array![self.mean / self.variance, -0.5 / self.variance]
    }

    fn from_natural(eta: &ArrayRef1<f64>) -> Result<Self> {
        numbers("eta", eta, 2)?;
        if eta[1] >= 0.0 {
            return Err(Error::domain("eta", format!("{} at 1", eta[1]), "below 0: it is -1/(2 σ²)"));
        }
        let variance = -0.5 / eta[1];
        Self::new(eta[0] * variance, variance)
    }

    fn statistics(x: &ArrayRef1<f64>) -> Result<Array2<f64>> {
        any_numbers(x)?;
        Ok(statistics_of(x, &[|x| x, |x| x * x]))
    }

    fn log_base(x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        any_numbers(x)?;
        Ok(Array1::from_elem(x.len(), LOG_BASE))
    }

    fn log_partition(&self) -> f64 {
        0.5 * (self.mean * self.mean / self.variance + self.variance.ln())
    }

    fn mean_parameters(&self) -> Array1<f64> {
        array![self.mean, self.mean * self.mean + self.variance]
    }

    fn statistic_covariance(&self) -> Array2<f64> {
        let Self { mean, variance } = *self;
        let mixed = 2.0 * mean * variance;
        array![[variance, mixed], [mixed, 2.0 * variance * variance + 2.0 * mean * mixed]]
    }

    fn from_mean_parameters(mean: &ArrayRef1<f64>) -> Result<Self> {
        numbers("mean", mean, 2)?;
        Self::new(mean[0], mean[1] - mean[0] * mean[0])
    }

    fn expected_log_base(&self) -> f64 {
        LOG_BASE
    }

    fn log_density(&self, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        any_numbers(x)?;
        let constant = LOG_BASE - 0.5 * self.variance.ln();
        Ok(x.mapv(|x| constant - 0.5 * (x - self.mean).powi(2) / self.variance))
    }

    fn entropy(&self) -> f64 {
        0.5 * (1.0 + self.variance.ln()) - LOG_BASE
    }

    fn kl(&self, q: &Self) -> Result<f64> {
        let ratio = self.variance / q.variance;
        Ok(not_below_zero(0.5 * (ratio - 1.0 - ratio.ln() + (self.mean - q.mean).powi(2) / q.variance)))
    }

    fn maximum_likelihood(x: &ArrayRef1<f64>) -> Result<Self> {
        any_numbers(x)?;
        let (mean, squares) = mean_and_squares(x);
        Self::new(mean, squares / x.len() as f64)
    }
}
