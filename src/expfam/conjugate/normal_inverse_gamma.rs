//! What do numbers tell about their mean and variance?

use ndarray::{Array1, ArrayRef1};

use super::{Conjugate, log_student};
use crate::expfam::Gaussian;
use crate::expfam::gaussian::{any_numbers, mean_and_squares};
use crate::numerics::ln_gamma;
use crate::{Error, Result, validate};

/// σ² ~ inverse gamma (a, b), μ | σ² ~ N(m, σ²/κ):
///
/// p(μ, σ²) ∝ (σ²)^(−a − 3/2) exp(−(2b + κ (μ − m)²)/(2σ²))
///
/// The prior knows as much of the mean as κ observations would, and of the variance as 2a would. With x̄ and
/// S = Σ (x − x̄)² of N observations, the posterior is
///
/// κ′ = κ + N, m′ = (κ m + N x̄)/κ′, a′ = a + N/2, b′ = b + S/2 + κ N (x̄ − m)²/(2κ′);
///
/// Z = Γ(a) b^(−a) (2π/κ)^(1/2); the next x follows Student's t with 2a degrees of freedom about m, with the squared scale
/// b (κ + 1)/(a κ).
///
/// Source: Murphy (2007), section 6; Gelman et al., section 3.3.
///
/// ```
/// use mlnotes::expfam::conjugate::{Conjugate, NormalInverseGamma};
/// use ndarray::array;
///
/// let prior = NormalInverseGamma::new(0.0, 1.0, 1.0, 1.0)?;
/// let posterior = prior.posterior(&array![2.0, 4.0])?;
/// // κ′ = 3, m′ = 6/3, a′ = 2, b′ = 1 + 2/2 + 1 · 2 · 9/(2 · 3) = 5
/// assert_eq!(posterior, NormalInverseGamma::new(2.0, 3.0, 2.0, 5.0)?);
/// // Two degrees of freedom: t(0) = 1/(2 √2), by the scale √2.
/// assert!((prior.log_predictive(&array![0.0])?[0] - 0.25_f64.ln()).abs() < 1e-14);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalInverseGamma {
    mean: f64,
    count: f64,
    shape: f64,
    scale: f64,
}

impl NormalInverseGamma {
    /// From m, κ, a and b.
    ///
    /// # Errors
    /// Unless m is finite and the others are above 0 and finite.
    pub fn new(mean: f64, count: f64, shape: f64, scale: f64) -> Result<Self> {
        if !mean.is_finite() {
            return Err(Error::domain("mean", mean, "finite"));
        }
        validate::positive("count", count, "1")?;
        validate::positive("shape", shape, "1")?;
        validate::positive("scale", scale, "1")?;
        Ok(Self { mean, count, shape, scale })
    }

    /// m, the expected μ.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// κ.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// a.
    pub fn shape(&self) -> f64 {
        self.shape
    }

    /// b: the expected σ² is b/(a − 1), for a above 1.
    pub fn scale(&self) -> f64 {
        self.scale
    }
}

impl Conjugate for NormalInverseGamma {
    type Likelihood = Gaussian;

    fn posterior(&self, x: &ArrayRef1<f64>) -> Result<Self> {
        any_numbers(x)?;
        let n = x.len() as f64;
        let (mean, squares) = mean_and_squares(x);
        let count = self.count + n;
        let shift = mean - self.mean;
        let scale = self.scale + 0.5 * (squares + self.count * n / count * shift * shift);
        Self::new(self.mean + n / count * shift, count, self.shape + 0.5 * n, scale)
    }

    fn log_normaliser(&self) -> f64 {
        ln_gamma(self.shape) - self.shape * self.scale.ln() - 0.5 * self.count.ln()
    }

    fn log_predictive(&self, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        any_numbers(x)?;
        let variance = self.scale * (self.count + 1.0) / (self.shape * self.count);
        let log_density = |x: f64| log_student(2.0 * self.shape, 1, (x - self.mean).powi(2) / variance, variance.ln());
        Ok(x.mapv(log_density))
    }
}
