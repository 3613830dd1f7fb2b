//! A share.

use ndarray::{Array1, Array2, ArrayRef1, array};

use super::{ExponentialFamily, dirichlet, numbers, observations, statistics_of};
use crate::numerics::{digamma, ln_gamma, trigamma};
use crate::{Error, Result, validate};

/// p(x) = x^(a − 1) (1 − x)^(b − 1) / B(a, b) for 0 < x < 1: what a [`Dirichlet`](super::Dirichlet) says of one of two shares.
///
/// T(x) = (log x, log(1 − x)), η = (a − 1, b − 1), A = log B(a, b) = log Γ(a) + log Γ(b) − log Γ(a + b),
/// ∇A = (ψ(a), ψ(b)) − ψ(a + b), ∇²A = diag(ψ′(a), ψ′(b)) − ψ′(a + b). The inverse of ∇A is the Dirichlet's.
///
/// ```
/// use mlnotes::expfam::{Beta, ExponentialFamily};
/// use ndarray::array;
///
/// let even = Beta::new(1.0, 1.0)?; // the uniform distribution
/// assert!(even.entropy().abs() < 1e-15);
/// let mean = even.mean_parameters(); // ∫ log x dx = −1
/// assert!((mean[0] + 1.0).abs() < 1e-14 && (mean[1] + 1.0).abs() < 1e-14);
/// assert!(even.log_density(&array![1.0]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beta {
    a: f64,
    b: f64,
}

impl Beta {
    /// From a and b.
    ///
    /// # Errors
    /// Unless both are above 0 and finite.
    pub fn new(a: f64, b: f64) -> Result<Self> {
        validate::positive("a", a, "1")?;
        validate::positive("b", b, "1")?;
        Ok(Self { a, b })
    }

    /// a, which draws towards 1.
    pub fn a(&self) -> f64 {
        self.a
    }

    /// b, which draws towards 0.
    pub fn b(&self) -> f64 {
        self.b
    }
}

fn shares(x: &ArrayRef1<f64>) -> Result<()> {
    observations(x, |x| x > 0.0 && x < 1.0, "above 0 and below 1")
}

impl ExponentialFamily for Beta {
    type Sample = ArrayRef1<f64>;

    fn natural(&self) -> Array1<f64> {
        array![self.a - 1.0, self.b - 1.0]
    }

    fn from_natural(eta: &ArrayRef1<f64>) -> Result<Self> {
        numbers("eta", eta, 2)?;
        if eta.iter().any(|&eta| eta <= -1.0) {
            return Err(Error::domain("eta", eta, "above -1: it is (a - 1, b - 1)"));
        }
        Self::new(eta[0] + 1.0, eta[1] + 1.0)
    }

    fn statistics(x: &ArrayRef1<f64>) -> Result<Array2<f64>> {
        shares(x)?;
        Ok(statistics_of(x, &[f64::ln, |x| (-x).ln_1p()]))
    }

    fn log_base(x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        shares(x)?;
        Ok(Array1::zeros(x.len()))
    }

    fn log_partition(&self) -> f64 {
        ln_gamma(self.a) + ln_gamma(self.b) - ln_gamma(self.a + self.b)
    }

    fn mean_parameters(&self) -> Array1<f64> {
        array![digamma(self.a), digamma(self.b)] - digamma(self.a + self.b)
    }

    fn statistic_covariance(&self) -> Array2<f64> {
        array![[trigamma(self.a), 0.0], [0.0, trigamma(self.b)]] - trigamma(self.a + self.b)
    }

    fn from_mean_parameters(mean: &ArrayRef1<f64>) -> Result<Self> {
        numbers("mean", mean, 2)?;
        let concentration = dirichlet::with_mean_logs(mean)?;
        Self::new(concentration[0], concentration[1])
    }
}
