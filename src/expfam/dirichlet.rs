//! A distribution drawn at random.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use super::{ExponentialFamily, ROUNDING, numbers, settled};
use crate::numerics::{digamma, inverse_digamma, ln_gamma, log_sum_exp, trigamma};
use crate::{Error, Result, validate};

/// p(x) = Γ(Σ α) ∏ x_k^(α_k − 1) / Γ(α_k) for shares x_k > 0 that sum to 1; the density is that of the first K − 1 of them.
///
/// T(x) = log x, η = α − 1, A = Σ log Γ(α_k) − log Γ(Σ α), ∇A = ψ(α_k) − ψ(Σ α), ∇²A = diag(ψ′(α_k)) − ψ′(Σ α).
///
/// ∇A has no inverse in closed form. A few of Minka's fixed points, ψ(α_k) ← ψ(Σ α) + E\[log x_k\], come near; then Newton's
/// method, whose matrix is a diagonal plus a constant and so takes O(K) to invert.
///
/// Source: Minka, *Estimating a Dirichlet distribution* (2000), section 1.
///
/// ```
/// use mlnotes::expfam::{Dirichlet, ExponentialFamily};
/// use ndarray::array;
///
/// let even = Dirichlet::new(array![1.0, 1.0, 1.0])?; // the same density on the whole triangle, whose area is 1/2
/// assert!((even.log_density(&array![[0.2, 0.3, 0.5]])?[0] - 2.0_f64.ln()).abs() < 1e-14);
/// let back = Dirichlet::from_mean_parameters(&even.mean_parameters())?;
/// assert!(back.concentration().iter().all(|alpha| (alpha - 1.0).abs() < 1e-12));
/// assert!(even.log_density(&array![[0.5, 0.5, 0.5]]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dirichlet {
    concentration: Array1<f64>,
}

impl Dirichlet {
    /// From α, shape (K).
    ///
    /// # Errors
    /// Fewer than two shares; unless each is above 0 and finite.
    pub fn new(concentration: Array1<f64>) -> Result<Self> {
        if concentration.len() < 2 {
            return Err(Error::shape("concentration", "(shares) with two shares or more", concentration.shape()));
        }
        concentration.iter().try_for_each(|&alpha| validate::positive("concentration", alpha, "1"))?;
        Ok(Self { concentration })
    }

    /// α, shape (K).
    pub fn concentration(&self) -> &Array1<f64> {
        &self.concentration
    }
}

/// Rows of shares.
fn shares(x: &ArrayRef2<f64>) -> Result<()> {
    validate::samples("x", x)?;
    for (n, row) in x.rows().into_iter().enumerate() {
        if row.iter().any(|&share| share <= 0.0) || (row.sum() - 1.0).abs() > 1e-8 {
            return Err(Error::domain("x", format!("{row} in row {n}"), "shares above 0 that sum to 1 within 1e-8"));
        }
    }
    Ok(())
}

/// The concave Σ_k α_k E\[log x_k\] − A that is to be maximised.
fn objective(alpha: &ArrayRef1<f64>, mean_logs: &ArrayRef1<f64>) -> f64 {
    alpha.dot(mean_logs) - log_partition(alpha)
}

fn log_partition(alpha: &ArrayRef1<f64>) -> f64 {
    alpha.iter().map(|&alpha| ln_gamma(alpha)).sum::<f64>() - ln_gamma(alpha.sum())
}

/// ∇A⁻¹: α with ψ(α_k) − ψ(Σ α) = E\[log x_k\].
pub(super) fn with_mean_logs(mean_logs: &ArrayRef1<f64>) -> Result<Array1<f64>> {
    const ITERATIONS: usize = 200;
    let total = log_sum_exp(mean_logs.iter().copied());
    let largest = mean_logs.iter().fold(1.0, |largest: f64, mean| largest.max(mean.abs()));
    if total >= -ROUNDING * largest {
        let allowed =
            "below 0, as Jensen's inequality makes it unless all observations are the same: give some that differ";
        return Err(Error::domain("log Σ exp E[log x]", total, allowed));
    }
    let mut alpha = fixed_points(mean_logs);
    let mut last = f64::INFINITY;
    for _ in 0..ITERATIONS {
        let next = newton(&alpha, mean_logs);
        let step = next.iter().zip(&alpha).fold(0.0, |s: f64, (next, alpha)| s.max((next / alpha - 1.0).abs()));
        alpha = next;
        if settled(step, last) {
            return Ok(alpha);
        }
        last = step;
    }
    let method = "Newton's method for the concentration of a Dirichlet distribution";
    Err(Error::NotConverged { method, iterations: ITERATIONS, residual: last, tolerance: super::SETTLED })
}

/// Ten of Minka's fixed points; each raises the likelihood.
fn fixed_points(mean_logs: &ArrayRef1<f64>) -> Array1<f64> {
    let mut alpha = Array1::ones(mean_logs.len());
    for _ in 0..10 {
        let total = digamma(alpha.sum());
        alpha = mean_logs.mapv(|mean_log| inverse_digamma(total + mean_log));
    }
    alpha
}

/// One step towards the maximum, halved until α stays above 0 and the objective does not fall by more than rounding.
fn newton(alpha: &Array1<f64>, mean_logs: &ArrayRef1<f64>) -> Array1<f64> {
    let total = alpha.sum();
    let gradient = mean_logs + digamma(total) - alpha.mapv(digamma);
    // The Hessian is z − diag(q).
    let (q, z) = (alpha.mapv(trigamma), trigamma(total));
    let shared = (&gradient / &q).sum() / (1.0 / z - q.mapv(f64::recip).sum());
    let mut step = (gradient + shared) / q;
    let lowest = objective(alpha, mean_logs) - 1e-14 * (1.0 + ln_gamma(total).abs() - alpha.dot(mean_logs));
    for _ in 0..60 {
        let next = alpha + &step;
        if next.iter().all(|&alpha| alpha > 0.0) && objective(&next, mean_logs) >= lowest {
            return next;
        }
        step *= 0.5;
    }
    alpha.clone()
}

impl ExponentialFamily for Dirichlet {
    type Sample = ArrayRef2<f64>;

    fn natural(&self) -> Array1<f64> {
        &self.concentration - 1.0
    }

    fn from_natural(eta: &ArrayRef1<f64>) -> Result<Self> {
        numbers("eta", eta, eta.len())?;
        if eta.iter().any(|&eta| eta <= -1.0) {
            return Err(Error::domain("eta", eta, "above -1: it is α - 1"));
        }
        Self::new(eta + 1.0)
    }

    fn statistics(x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        shares(x)?;
        Ok(x.ln())
    }

    fn log_base(x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        shares(x)?;
        Ok(Array1::zeros(x.nrows()))
    }

    fn log_partition(&self) -> f64 {
        log_partition(&self.concentration)
    }

    fn mean_parameters(&self) -> Array1<f64> {
        self.concentration.mapv(digamma) - digamma(self.concentration.sum())
    }

    fn statistic_covariance(&self) -> Array2<f64> {
        Array2::from_diag(&self.concentration.mapv(trigamma)) - trigamma(self.concentration.sum())
    }

    fn from_mean_parameters(mean: &ArrayRef1<f64>) -> Result<Self> {
        if mean.len() < 2 {
            return Err(Error::shape("mean", "(shares) with two shares or more", mean.shape()));
        }
        numbers("mean", mean, mean.len())?;
        Self::new(with_mean_logs(mean)?)
    }
}
