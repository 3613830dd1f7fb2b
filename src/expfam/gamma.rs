//! A waiting time.

use ndarray::{Array1, Array2, ArrayRef1, array};

use super::{ExponentialFamily, ROUNDING, numbers, observations, statistics_of};
use crate::numerics::{digamma, ln_gamma, trigamma};
use crate::{Error, Result, validate};

/// p(x) = βᵏ x^(k − 1) e^(−βx) / Γ(k) for x > 0, with shape k and rate β (the scale is 1/β).
///
/// T(x) = (log x, x), η = (k − 1, −β), A = log Γ(k) − k log β, ∇A = (ψ(k) − log β, k/β),
/// ∇²A = \[\[ψ′(k), 1/β\], \[1/β, k/β²\]\], with ψ = (log Γ)′.
///
/// ∇A has no inverse in closed form: log k − ψ(k) = log E\[x\] − E\[log x\] is solved by Newton's method on 1/k, which takes
/// about four steps from anywhere.
///
/// # Numerics
/// The shape of a sample rests on log x̄ − mean(log x), of which rounding leaves less the narrower the sample: with a spread
/// of 1e-4 of the mean, the shape is good to about 1e-7.
///
/// Source: Minka, *Estimating a gamma distribution* (2002): start and step of its "generalized Newton" method.
///
/// ```
/// use mlnotes::expfam::{ExponentialFamily, Gamma};
/// use ndarray::array;
///
/// let wait = Gamma::new(1.0, 2.0)?; // k = 1: the exponential distribution
/// assert!((wait.log_density(&array![1.5])?[0] - (2.0_f64.ln() - 3.0)).abs() < 1e-14);
/// assert!((wait.entropy() - (1.0 - 2.0_f64.ln())).abs() < 1e-14);
/// let fit = Gamma::maximum_likelihood(&array![1.0, 2.0, 6.0])?;
/// assert!((fit.shape() / fit.rate() - 3.0).abs() < 1e-12); // the mean
/// assert!(Gamma::maximum_likelihood(&array![2.0, 2.0]).is_err()); // no spread
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gamma {
    shape: f64,
    rate: f64,
}

impl Gamma {
    /// From k and β.
    ///
    /// # Errors
    /// Unless both are above 0 and finite.
    pub fn new(shape: f64, rate: f64) -> Result<Self> {
        validate::positive("shape", shape, "1")?;
        validate::positive("rate", rate, "1")?;
        Ok(Self { shape, rate })
    }

    /// k.
    pub fn shape(&self) -> f64 {
        self.shape
    }

    /// β.
    pub fn rate(&self) -> f64 {
        self.rate
    }
}

fn above_zero(x: &ArrayRef1<f64>) -> Result<()> {
    observations(x, |x| x > 0.0, "above 0")
}

/// k with log k − ψ(k) = `gap`, for a gap above 0.
fn shape_with_gap(gap: f64) -> Result<f64> {
    const ITERATIONS: usize = 50;
    let mut k = (3.0 - gap + ((gap - 3.0).powi(2) + 24.0 * gap).sqrt()) / (12.0 * gap);
    let mut last = f64::INFINITY;
    for _ in 0..ITERATIONS {
        let next = 1.0 / (1.0 / k + (k.ln() - digamma(k) - gap) / (k - k * k * trigamma(k)));
        let step = (next / k - 1.0).abs();
        k = next;
        if super::settled(step, last) {
            return Ok(k);
        }
        last = step;
    }
    let method = "Newton's method for the shape of a gamma distribution";
    Err(Error::NotConverged { method, iterations: ITERATIONS, residual: last, tolerance: super::SETTLED })
}

impl ExponentialFamily for Gamma {
    type Sample = ArrayRef1<f64>;

    fn natural(&self) -> Array1<f64> {
        array![self.shape - 1.0, -self.rate]
    }

    fn from_natural(eta: &ArrayRef1<f64>) -> Result<Self> {
        numbers("eta", eta, 2)?;
        if eta[0] <= -1.0 || eta[1] >= 0.0 {
            return Err(Error::domain("eta", eta, "(above -1, below 0): it is (k - 1, -β)"));
        }
        Self::new(eta[0] + 1.0, -eta[1])
    }

    fn statistics(x: &ArrayRef1<f64>) -> Result<Array2<f64>> {
        above_zero(x)?;
        Ok(statistics_of(x, &[f64::ln, |x| x]))
    }

    fn log_base(x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        above_zero(x)?;
        Ok(Array1::zeros(x.len()))
    }

    fn log_partition(&self) -> f64 {
        ln_gamma(self.shape) - self.shape * self.rate.ln()
    }

    fn mean_parameters(&self) -> Array1<f64> {
        array![digamma(self.shape) - self.rate.ln(), self.shape / self.rate]
    }

    fn statistic_covariance(&self) -> Array2<f64> {
        let mixed = 1.0 / self.rate;
        array![[trigamma(self.shape), mixed], [mixed, self.shape / self.rate * mixed]]
    }

    fn from_mean_parameters(mean: &ArrayRef1<f64>) -> Result<Self> {
        numbers("mean", mean, 2)?;
        validate::positive("mean", mean[1], "the mean of x")?;
        let gap = mean[1].ln() - mean[0];
        if gap <= ROUNDING * (1.0 + mean[0].abs()) {
            let allowed = "above 0, as Jensen's inequality makes it unless all x are the same: give x that differ";
            return Err(Error::domain("log E[x] - E[log x]", gap, allowed));
        }
        let shape = shape_with_gap(gap)?;
        Self::new(shape, shape / mean[1])
    }
}
