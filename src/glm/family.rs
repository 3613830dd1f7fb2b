//! What y follows: link, variance, deviance, likelihood.

use ndarray::ArrayRef1;

use crate::numerics::{ln_gamma, logistic, softplus};
use crate::{Error, Result, validate};

/// What y follows, given its mean.
///
/// ```
/// use mlnotes::glm::Family;
///
/// assert_eq!(Family::Bernoulli.mean(0.0), 0.5);
/// assert_eq!(Family::Poisson.variance(3.0), 3.0);
/// assert_eq!(Family::Gamma.variance(3.0), 9.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// 0 or 1: logistic regression (逻辑回归).
    Bernoulli,
    /// Counts, whose rate multiplies: log-linear regression. The log of an exposure is an offset.
    Poisson,
    /// Numbers with noise of constant variance: linear regression.
    Gaussian,
    /// Numbers above 0 with a constant ratio of deviation to mean, whose mean multiplies.
    Gamma,
}

impl Family {
    /// μ = g⁻¹(η).
    pub fn mean(self, eta: f64) -> f64 {
        match self {
            Self::Bernoulli => logistic(eta),
            Self::Poisson | Self::Gamma => eta.exp(),
            Self::Gaussian => eta,
        }
    }

    /// V(μ).
    pub fn variance(self, mean: f64) -> f64 {
        match self {
            Self::Bernoulli => mean * (1.0 - mean),
            Self::Poisson => mean,
            Self::Gaussian => 1.0,
            Self::Gamma => mean * mean,
        }
    }

    /// Whether φ is estimated.
    pub(super) fn has_dispersion(self) -> bool {
        matches!(self, Self::Gaussian | Self::Gamma)
    }

    pub(super) fn validate(self, y: &ArrayRef1<f64>) -> Result<()> {
        validate::finite("y", y)?;
        let (inside, allowed): (fn(f64) -> bool, _) = match self {
            Self::Bernoulli => {
                (|y| y == 0.0 || y == 1.0, "0 or 1; for shares of n, give both values with their weights")
            }
            Self::Poisson => {
                (|y| y >= 0.0 && y.fract() == 0.0, "a count 0, 1, 2 …; put an exposure's log into the offset")
            }
            Self::Gaussian => (|_| true, "finite"),
            Self::Gamma => (|y| y > 0.0, "above 0"),
        };
        match y.indexed_iter().find(|(_, y)| !inside(**y)) {
            None => Ok(()),
            Some((i, y)) => Err(Error::domain("y", format!("{y} at {i}"), allowed)),
        }
    }

    /// η to start from, near g(y) but finite.
    pub(super) fn start(self, y: f64, mean: f64) -> f64 {
        match self {
            Self::Bernoulli => (2.0 * y - 1.0) * 3.0_f64.ln(),
            Self::Poisson | Self::Gamma => (0.5 * (y + mean)).max(f64::MIN_POSITIVE).ln(),
            Self::Gaussian => y,
        }
    }

    /// (dμ/dη)²/V(μ): Fisher's information of η.
    pub(super) fn information(self, eta: f64) -> f64 {
        match self {
            Self::Bernoulli => logistic(eta) * logistic(-eta),
            Self::Poisson => eta.exp(),
            Self::Gaussian | Self::Gamma => 1.0,
        }
    }

    /// (y − μ)²/V(μ).
    pub(super) fn pearson(self, y: f64, eta: f64) -> f64 {
        match self {
            Self::Gamma => (y * (-eta).exp() - 1.0).powi(2),
            _ => (y - self.mean(eta)).powi(2) / self.variance(self.mean(eta)),
        }
    }

    /// W/w = −d² log p/dη² and z − η = (d log p/dη)/W, neither by a difference that cancels. The second derivative is its
    /// expectation where the link is canonical; for `Gamma` the expectation, 1, is used far from the maximum, and y/μ near it.
    pub(super) fn working(self, y: f64, eta: f64, near: bool) -> (f64, f64) {
        match self {
            Self::Bernoulli => {
                let (p, q) = (logistic(eta), logistic(-eta));
                (p * q, if y == 1.0 { 1.0 / p } else { -1.0 / q })
            }
            Self::Poisson => (eta.exp(), y * (-eta).exp() - 1.0),
            Self::Gaussian => (1.0, y - eta),
            Self::Gamma if near => (y * (-eta).exp(), 1.0 - eta.exp() / y),
            Self::Gamma => (1.0, y * (-eta).exp() - 1.0),
        }
    }

    /// d(y, μ): twice what log p(y) falls short of its maximum over μ, for φ = w = 1.
    pub(super) fn deviance(self, y: f64, eta: f64) -> f64 {
        match self {
            Self::Bernoulli => 2.0 * softplus(if y == 1.0 { -eta } else { eta }),
            Self::Poisson if y == 0.0 => 2.0 * eta.exp(),
            Self::Poisson => 2.0 * (y * (y.ln() - eta) - y + eta.exp()),
            Self::Gaussian => (y - eta).powi(2),
            Self::Gamma => 2.0 * (eta - y.ln() + y * (-eta).exp() - 1.0),
        }
    }

    /// log p(y) with dispersion φ/w.
    pub(super) fn log_likelihood(self, y: f64, eta: f64, dispersion: f64, weight: f64) -> f64 {
        let deviance = self.deviance(y, eta);
        let spread = dispersion / weight;
        match self {
            Self::Bernoulli => -0.5 * weight * deviance,
            Self::Poisson => weight * (y * eta - eta.exp() - ln_gamma(y + 1.0)),
            Self::Gaussian => -0.5 * (deviance / spread + (std::f64::consts::TAU * spread).ln()),
            Self::Gamma => {
                let shape = 1.0 / spread;
                shape * (shape.ln() + y.ln() - eta - y * (-eta).exp()) - ln_gamma(shape) - y.ln()
            }
        }
    }
}
