//! A count.

use ndarray::{Array1, Array2, ArrayRef1, array};

use super::{ExponentialFamily, numbers, observations, statistics_of};
use crate::numerics::ln_gamma;
use crate::{Result, validate};

/// p(x) = λˣ e^(−λ) / x! for x = 0, 1, 2 …
///
/// T(x) = x, η = log λ, A = e^η = λ, ∇A = ∇²A = λ, h(x) = 1/x!.
///
/// ```
/// use mlnotes::expfam::{ExponentialFamily, Poisson};
/// use ndarray::array;
///
/// let calls = Poisson::new(2.0)?;
/// let log_density = calls.log_density(&array![0.0, 3.0])?;
/// assert!((log_density[0] + 2.0).abs() < 1e-15);
/// assert!((log_density[1].exp() - 8.0 * (-2.0_f64).exp() / 6.0).abs() < 1e-15);
/// assert!(calls.log_density(&array![-1.0]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Poisson {
    rate: f64,
}

impl Poisson {
    /// From λ, the mean count.
    ///
    /// # Errors
    /// Unless λ is above 0 and finite.
    pub fn new(rate: f64) -> Result<Self> {
        validate::positive("rate", rate, "the mean count; if that is 0, start from a prior (`Gamma`)")?;
        Ok(Self { rate })
    }

    /// λ.
    pub fn rate(&self) -> f64 {
        self.rate
    }
}

pub(super) fn counts(x: &ArrayRef1<f64>) -> Result<()> {
    observations(x, |x| x >= 0.0 && x.fract() == 0.0, "a count: 0, 1, 2 …")
}

impl ExponentialFamily for Poisson {
    type Sample = ArrayRef1<f64>;

    fn natural(&self) -> Array1<f64> {
        array![self.rate.ln()]
    }

    fn from_natural(eta: &ArrayRef1<f64>) -> Result<Self> {
        numbers("eta", eta, 1)?;
        Self::new(eta[0].exp())
    }

    fn statistics(x: &ArrayRef1<f64>) -> Result<Array2<f64>> {
        counts(x)?;
        Ok(statistics_of(x, &[|x| x]))
    }

    fn log_base(x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        counts(x)?;
        Ok(x.mapv(|x| -ln_gamma(x + 1.0)))
    }

    fn log_partition(&self) -> f64 {
        self.rate
    }

    fn mean_parameters(&self) -> Array1<f64> {
        array![self.rate]
    }

    fn statistic_covariance(&self) -> Array2<f64> {
        array![[self.rate]]
    }

    fn from_mean_parameters(mean: &ArrayRef1<f64>) -> Result<Self> {
        numbers("mean", mean, 1)?;
        Self::new(mean[0])
    }

    /// −E\[log x!\], which has no closed form: from the entropy, by A − ηᵀ∇A − E\[log h\].
    fn expected_log_base(&self) -> f64 {
        self.rate - self.rate * self.rate.ln() - self.entropy()
    }

    /// −Σ p(x) log p(x) over the counts within 13 standard deviations and 30 of λ; from λ = 1e4 on by the series
    /// ½ log 2πeλ − 1/(12λ) − 1/(24λ²), whose next term is below 1e-13.
    fn entropy(&self) -> f64 {
        let rate = self.rate;
        if rate >= 1e4 {
            let scale = std::f64::consts::TAU * std::f64::consts::E;
            return 0.5 * (scale * rate).ln() - (1.0 + 0.5 / rate) / (12.0 * rate);
        }
        let width = 13.0 * rate.sqrt() + 30.0;
        let (first, last) = ((rate - width).max(0.0) as u32, (rate + width) as u32);
        let log_density = |x: f64| x * rate.ln() - rate - ln_gamma(x + 1.0);
        -(first..=last).map(|x| log_density(f64::from(x))).map(|log_p| log_p.exp() * log_p).sum::<f64>()
    }
}
