//! What do we know of the parameters once data have come? Conjugate priors (共轭先验).
//!
//! For any exponential family, p(η) = exp(ηᵀχ − ν A(η)) / Z(χ, ν) is a prior whose posterior (后验) has the same form, since
//! the likelihood of N observations is exp(ηᵀ Σ T(x) − N A(η)) ∏ h(x):
//!
//! χ ← χ + Σ T(x), ν ← ν + N, p(x) = ∏ h(x) · Z(χ + Σ T(x), ν + N) / Z(χ, ν)
//!
//! So learning is adding, and the evidence (证据) p(x), in which the parameters are integrated out, is a ratio of two
//! normalisers. [`Conjugate`] says this once; in the usual parameters of each prior it reads
//!
//! | prior | observations | posterior | the next observation follows |
//! | --- | --- | --- | --- |
//! | [`Beta`](super::Beta) (a, b) | [`Bernoulli`](super::Bernoulli) | a + ones, b + zeros | a coin with p = a/(a + b) |
//! | [`Dirichlet`](super::Dirichlet) (α) | [`Categorical`](super::Categorical) | α_k + times k was seen | a die with p_k = α_k/Σ α |
//! | [`Gamma`](super::Gamma) (k, β) | [`Poisson`](super::Poisson) | k + Σ x, β + N | a negative binomial |
//! | [`NormalInverseGamma`] | [`Gaussian`](super::Gaussian) | see there | Student's t |
//! | [`NormalInverseWishart`] | [`MultivariateGaussian`](super::MultivariateGaussian) | see there | Student's t in D dimensions |
//!
//! Source: Diaconis and Ylvisaker, *Conjugate priors for exponential families*, Annals of Statistics 7 (1979); the formulas
//! in Murphy, *Conjugate Bayesian analysis of the Gaussian distribution* (2007), and Gelman et al., *Bayesian Data Analysis*,
//! third edition, chapters 2 and 3.

mod discrete;
mod normal_inverse_gamma;
mod normal_inverse_wishart;

use ndarray::Array1;

pub use normal_inverse_gamma::NormalInverseGamma;
pub use normal_inverse_wishart::NormalInverseWishart;

use super::ExponentialFamily;
use crate::Result;
use crate::numerics::ln_gamma;

/// A prior over the parameters of a [`Likelihood`](Self::Likelihood), and all posteriors that data make of it.
///
/// ```
/// use mlnotes::expfam::Beta;
/// use mlnotes::expfam::conjugate::Conjugate;
/// use ndarray::array;
///
/// let prior = Beta::new(1.0, 1.0)?; // any coin is as likely as any other
/// let throws = array![1.0, 1.0, 0.0];
/// assert_eq!(prior.posterior(&throws)?, Beta::new(3.0, 2.0)?);
/// assert!((prior.log_evidence(&throws)? - (1.0_f64 / 12.0).ln()).abs() < 1e-14); // ∫ p² (1 − p) dp
/// // The evidence is the product of the predictions made one after the other: 1/2 · 2/3 · 1/4.
/// let third = prior.posterior(&array![1.0, 1.0])?.log_predictive(&array![0.0])?;
/// assert!((third[0] - 0.25_f64.ln()).abs() < 1e-14);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub trait Conjugate: Sized {
    /// What the observations follow, given the parameters.
    type Likelihood: ExponentialFamily;

    /// p(parameters | x), of the same form as the prior.
    ///
    /// The order does not matter, and neither does whether the data come at once or in parts.
    ///
    /// # Errors
    /// No observation; NaN; one that the likelihood does not produce; vectors of another length.
    fn posterior(&self, x: &<Self::Likelihood as ExponentialFamily>::Sample) -> Result<Self>;

    /// log Z, up to a constant that only depends on the number of dimensions.
    fn log_normaliser(&self) -> f64;

    /// log p(x) of one further observation, for each in the sample by itself, shape (N): the parameters integrated out.
    ///
    /// # Errors
    /// As [`posterior`](Self::posterior).
    fn log_predictive(&self, x: &<Self::Likelihood as ExponentialFamily>::Sample) -> Result<Array1<f64>>;

    /// log p(x₁ … x_N), of all observations together: log Z after − log Z before + Σ log h(x).
    ///
    /// For discrete observations it is the probability of this very sequence, without a factor for its reorderings.
    ///
    /// # Errors
    /// As [`posterior`](Self::posterior).
    fn log_evidence(&self, x: &<Self::Likelihood as ExponentialFamily>::Sample) -> Result<f64> {
        let log_base = Self::Likelihood::log_base(x)?.sum();
        Ok(self.posterior(x)?.log_normaliser() - self.log_normaliser() + log_base)
    }
}

/// log t(x) of Student's t in D dimensions, for the squared distance (x − m)ᵀ S⁻¹ (x − m) and log det S.
fn log_student(degrees: f64, dimensions: usize, squared_distance: f64, log_determinant: f64) -> f64 {
    let d = dimensions as f64;
    ln_gamma(0.5 * (degrees + d))
        - ln_gamma(0.5 * degrees)
        - 0.5 * (d * (degrees * std::f64::consts::PI).ln() + log_determinant)
        - 0.5 * (degrees + d) * (squared_distance / degrees).ln_1p()
}
