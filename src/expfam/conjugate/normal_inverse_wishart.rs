//! What do vectors tell about their mean and covariance?

use ndarray::{Array1, Array2, ArrayRef2, Axis};

use super::{Conjugate, log_student};
use crate::expfam::MultivariateGaussian;
use crate::expfam::multivariate::{covariance_factor, mean_and_scatter, squared_distance};
use crate::numerics::{Cholesky, ln_gamma_multivariate};
use crate::{Error, Result, validate};

/// Σ ~ inverse Wishart (ν, Ψ), μ | Σ ~ N(m, Σ/κ):
///
/// p(μ, Σ) ∝ |Σ|^(−(ν + D)/2 − 1) exp(−½ tr ΨΣ⁻¹ − ½ κ (μ − m)ᵀ Σ⁻¹ (μ − m))
///
/// With x̄ and S = Σ (x − x̄)(x − x̄)ᵀ of N observations, the posterior is
///
/// κ′ = κ + N, m′ = (κ m + N x̄)/κ′, ν′ = ν + N, Ψ′ = Ψ + S + κ N/κ′ (x̄ − m)(x̄ − m)ᵀ;
///
/// Z = 2^(νD/2) Γ_D(ν/2) |Ψ|^(−ν/2) (2π/κ)^(D/2); the next x follows Student's t with ν − D + 1 degrees of freedom about m,
/// with the scale matrix Ψ (κ + 1)/(κ (ν − D + 1)). For D = 1 it is [`NormalInverseGamma`](super::NormalInverseGamma)
/// with a = ν/2 and b = Ψ/2.
///
/// Source: Murphy (2007), section 9; Gelman et al., section 3.6.
///
/// ```
/// use mlnotes::expfam::conjugate::{Conjugate, NormalInverseWishart};
/// use ndarray::array;
///
/// let prior = NormalInverseWishart::new(array![0.0, 0.0], 1.0, 3.0, array![[1.0, 0.0], [0.0, 1.0]])?;
/// let posterior = prior.posterior(&array![[2.0, 0.0]])?;
/// assert_eq!(posterior.mean(), array![1.0, 0.0]); // halfway between m and the one observation
/// assert_eq!(posterior.scale(), array![[3.0, 0.0], [0.0, 1.0]]); // 1 + ½ · 2²
/// assert!(NormalInverseWishart::new(array![0.0, 0.0], 1.0, 1.0, array![[1.0, 0.0], [0.0, 1.0]]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NormalInverseWishart {
    mean: Array1<f64>,
    count: f64,
    degrees: f64,
    scale: Array2<f64>,
    cholesky: Cholesky,
}

impl NormalInverseWishart {
    /// From m, shape (D); κ; ν; Ψ, shape (D, D).
    ///
    /// # Errors
    /// No dimension; shapes that disagree; NaN; [`Error::Singular`] unless Ψ is symmetric and positive definite; unless κ is
    /// above 0 and ν above D − 1.
    pub fn new(mean: Array1<f64>, count: f64, degrees: f64, scale: Array2<f64>) -> Result<Self> {
        let cholesky = covariance_factor("the scale Ψ", &mean, &scale)?;
        validate::positive("count", count, "1")?;
        let least = mean.len() as f64 - 1.0;
        if !(degrees > least && degrees.is_finite()) {
            let allowed = format!("above {least}, the number of dimensions less 1, and finite");
            return Err(Error::domain("degrees", degrees, allowed));
        }
        Ok(Self { mean, count, degrees, scale, cholesky })
    }

    /// m, the expected μ, shape (D).
    pub fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// κ.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// ν.
    pub fn degrees(&self) -> f64 {
        self.degrees
    }

    /// Ψ, shape (D, D): the expected Σ is Ψ/(ν − D − 1), for ν above D + 1.
    pub fn scale(&self) -> &Array2<f64> {
        &self.scale
    }
}

impl Conjugate for NormalInverseWishart {
    type Likelihood = MultivariateGaussian;

    fn posterior(&self, x: &ArrayRef2<f64>) -> Result<Self> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.mean.len())?;
        let n = x.nrows() as f64;
        let (mean, scatter) = mean_and_scatter(x);
        let count = self.count + n;
        let shift = &mean - &self.mean;
        let column = shift.view().insert_axis(Axis(1));
        let scale = &self.scale + scatter + column.dot(&column.t()) * (self.count * n / count);
        Self::new(&self.mean + shift * (n / count), count, self.degrees + n, scale)
    }

    fn log_normaliser(&self) -> f64 {
        let (d, half) = (self.mean.len(), 0.5 * self.degrees);
        half * (d as f64 * std::f64::consts::LN_2 - self.cholesky.log_determinant()) + ln_gamma_multivariate(d, half)
            - 0.5 * d as f64 * self.count.ln()
    }

    fn log_predictive(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.mean.len())?;
        let d = self.mean.len();
        let degrees = self.degrees - d as f64 + 1.0;
        let factor = (self.count + 1.0) / (self.count * degrees);
        let log_determinant = self.cholesky.log_determinant() + d as f64 * factor.ln();
        let log_density = |x: ndarray::ArrayView1<'_, f64>| {
            log_student(degrees, d, squared_distance(&self.cholesky, &x, &self.mean) / factor, log_determinant)
        };
        Ok(x.rows().into_iter().map(log_density).collect())
    }
}
