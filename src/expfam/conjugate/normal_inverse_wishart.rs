//! What do vectors tell about their mean and covariance?

use std::f64::consts::{LN_2, PI};

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis};

use super::{Conjugate, log_student};
use crate::expfam::MultivariateGaussian;
use crate::expfam::multivariate::{covariance_factor, mean_and_scatter, squared_distance};
use crate::numerics::{Cholesky, digamma, ln_gamma_multivariate};
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

    /// The posterior after n observations, which need not be whole, with this mean and scatter S.
    pub(crate) fn after(&self, n: f64, mean: &ArrayRef1<f64>, scatter: &ArrayRef2<f64>) -> Result<Self> {
        let count = self.count + n;
        let shift = &mean.view() - &self.mean;
        let column = shift.view().insert_axis(Axis(1));
        let scale = &self.scale + &scatter.view() + column.dot(&column.t()) * (self.count * n / count);
        Self::new(&self.mean + shift * (n / count), count, self.degrees + n, scale)
    }

    /// E log |Σ⁻¹| = Σ_{j < D} ψ((ν − j)/2) + D log 2 − log |Ψ|.
    pub(crate) fn expected_log_precision(&self) -> f64 {
        let digammas: f64 = (0..self.mean.len()).map(|j| digamma(0.5 * (self.degrees - j as f64))).sum();
        digammas + self.mean.len() as f64 * LN_2 - self.log_scale()
    }

    /// log |Ψ|.
    pub(crate) fn log_scale(&self) -> f64 {
        self.cholesky.log_determinant()
    }

    /// E Σ_n log N(x_n | μ, Σ) of n observations with this mean and scatter.
    pub(crate) fn expected_log_likelihood(&self, n: f64, mean: &ArrayRef1<f64>, scatter: &ArrayRef2<f64>) -> f64 {
        let d = self.mean.len() as f64;
        let trace = (self.cholesky.inverse() * scatter).sum();
        let distance = squared_distance(&self.cholesky, mean, &self.mean);
        let each = self.expected_log_precision() - d / self.count - d * (2.0 * PI).ln() - self.degrees * distance;
        0.5 * (n * each - self.degrees * trace)
    }

    /// E_q log p(μ, Σ⁻¹), where p is this distribution, as a density of the mean and the precision. Of q = p it is minus the
    /// entropy.
    pub(crate) fn expected_log_density(&self, q: &Self) -> f64 {
        let d = self.mean.len() as f64;
        let log_precision = q.expected_log_precision();
        // L_q⁻¹ L_p, whose squares sum to tr Ψ_q⁻¹ Ψ_p.
        let whitened = q.cholesky.inverse_lower().dot(self.cholesky.lower());
        let trace: f64 = whitened.iter().map(|entry| entry * entry).sum();
        let distance = squared_distance(&q.cholesky, &self.mean, &q.mean);
        let of_mean = d * (self.count / (2.0 * PI)).ln() + log_precision
            - d * self.count / q.count
            - self.count * q.degrees * distance;
        let of_precision = (self.degrees - d - 1.0) * log_precision - q.degrees * trace;
        0.5 * (of_mean + of_precision) - self.log_normaliser_of_precision()
    }

    /// log of 2^(νD/2) Γ_D(ν/2) |Ψ|^(−ν/2).
    fn log_normaliser_of_precision(&self) -> f64 {
        let (d, half) = (self.mean.len(), 0.5 * self.degrees);
        half * (d as f64 * LN_2 - self.log_scale()) + ln_gamma_multivariate(d, half)
    }
}

impl Conjugate for NormalInverseWishart {
    type Likelihood = MultivariateGaussian;

    fn posterior(&self, x: &ArrayRef2<f64>) -> Result<Self> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.mean.len())?;
        let (mean, scatter) = mean_and_scatter(x);
        self.after(x.nrows() as f64, &mean, &scatter)
    }

    fn log_normaliser(&self) -> f64 {
        self.log_normaliser_of_precision() - 0.5 * self.mean.len() as f64 * self.count.ln()
    }

    fn log_predictive(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.mean.len())?;
        let d = self.mean.len();
        let degrees = self.degrees - d as f64 + 1.0;
        let factor = (self.count + 1.0) / (self.count * degrees);
        let log_determinant = self.log_scale() + d as f64 * factor.ln();
        let log_density = |x: ndarray::ArrayView1<'_, f64>| {
            log_student(degrees, d, squared_distance(&self.cholesky, &x, &self.mean) / factor, log_determinant)
        };
        Ok(x.rows().into_iter().map(log_density).collect())
    }
}
