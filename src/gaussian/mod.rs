//! How likely is a point under each of several Gaussians (高斯分布)? What a mixture's components and a hidden chain's states
//! have in common.
//!
//! N(x | μ, Σ) = (2π)^(−D/2) |Σ|^(−1/2) exp(−½ (x − μ)ᵀ Σ⁻¹ (x − μ))

mod batch;
mod covariance;
mod moments;

pub use covariance::{Covariance, Spread};
pub use moments::{Moments, Regular};

use ndarray::{Array1, Array2, ArrayRef2};

use crate::random::RandomState;
use crate::{Error, Result, validate};
use covariance::Whitening;

/// K Gaussians in D dimensions.
///
/// ```
/// use mlnotes::gaussian::{Covariance, Gaussians};
/// use ndarray::array;
///
/// let two = Gaussians::new(array![[0.0], [3.0]], Covariance::Diagonal(array![[1.0], [4.0]]))?;
/// let log_density = two.log_density(&array![[0.0]])?;
/// assert!((log_density[[0, 0]] + 0.5 * (2.0 * std::f64::consts::PI).ln()).abs() < 1e-15);
/// assert!((log_density[[0, 1]] - (log_density[[0, 0]] - 2.0_f64.ln() - 9.0 / 8.0)).abs() < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussians {
    mean: Array2<f64>,
    covariance: Covariance,
    whitenings: Vec<Whitening>,
}

impl Gaussians {
    /// From the means (K, D) and covariances of any kind.
    ///
    /// # Errors
    /// No component, no dimension, shapes that disagree, NaN; [`Error::Singular`] for a covariance that is not symmetric and
    /// positive definite.
    pub fn new(mean: Array2<f64>, covariance: Covariance) -> Result<Self> {
        if mean.is_empty() {
            return Err(Error::Empty { arg: "mean", remedy: "give one row per Gaussian, one column per dimension" });
        }
        validate::finite("mean", &mean)?;
        let whitenings = covariance.whitenings(mean.dim())?;
        Ok(Self { mean: mean.as_standard_layout().into_owned(), covariance, whitenings })
    }

    /// K.
    pub fn components(&self) -> usize {
        self.mean.nrows()
    }

    /// D.
    pub fn dimensions(&self) -> usize {
        self.mean.ncols()
    }

    /// μ_k, shape (K, D).
    pub fn mean(&self) -> &Array2<f64> {
        &self.mean
    }

    /// Σ_k.
    pub fn covariance(&self) -> &Covariance {
        &self.covariance
    }

    /// log N(x_n | μ_k, Σ_k), shape (N, K), for x of shape (N, D).
    ///
    /// # Numerics
    /// By the Cholesky factor Σ = L Lᵀ: (x − μ)ᵀ Σ⁻¹ (x − μ) = ‖L⁻¹ (x − μ)‖², a sum of squares.
    ///
    /// # Errors
    /// No row, NaN or an infinity, another width.
    pub fn log_density(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.dimensions())?;
        Ok(self.log_density_of_valid(x))
    }

    /// As [`log_density`](Self::log_density), of points that have been checked.
    pub(crate) fn log_density_of_valid(&self, x: &ArrayRef2<f64>) -> Array2<f64> {
        batch::log_density(&self.mean, &self.whitenings, x)
    }

    /// A point of component k: μ_k + L_k ε with standard normal ε.
    ///
    /// # Errors
    /// A component that does not exist.
    pub fn sample(&self, k: usize, random: &mut RandomState) -> Result<Array1<f64>> {
        if k >= self.components() {
            return Err(Error::domain("k", k, format!("below {}, the number of Gaussians", self.components())));
        }
        let noise: Vec<f64> = (0..self.dimensions()).map(|_| random.normal()).collect();
        Ok(&self.mean.row(k) + &self.whitenings[k].colour(&noise))
    }

    /// How many numbers can be chosen freely: means and covariances.
    pub fn parameters(&self) -> usize {
        self.mean.len() + self.covariance.parameters(self.dimensions())
    }

    /// log p(Σ) under the prior that `regular` stands for, −½ m Σ_k (log |Σ_k| + v tr Σ_k⁻¹), up to a constant.
    pub(crate) fn log_prior(&self, regular: &Regular) -> f64 {
        if regular.count == 0.0 {
            return 0.0;
        }
        let each = match self.covariance {
            Covariance::Tied(_) => &self.whitenings[..1],
            _ => &self.whitenings,
        };
        let log_prior = |whitening: &Whitening| {
            let trace_of_inverse: f64 = whitening.rows.iter().map(|entry| entry * entry).sum();
            // The constant is −½ (D log 2π + log |Σ|); what does not depend on Σ does not matter.
            regular.count * (whitening.log_constant - 0.5 * regular.variance * trace_of_inverse)
        };
        each.iter().map(log_prior).sum()
    }
}
