//! What is known of the state from the observations up to it?

use ndarray::{Array2, Array3, ArrayRef2};

use super::Kalman;
use super::recursion::Recursion;
use crate::numerics::row_major;
use crate::{Error, Result};

/// What is known of each state from the observations up to it, and before the last of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Filtered {
    /// E\[z_t | y₁ … y_{t−1}\], shape (T, N).
    pub predicted_mean: Array2<f64>,
    /// Cov\[z_t | y₁ … y_{t−1}\], shape (T, N, N).
    pub predicted_covariance: Array3<f64>,
    /// E\[z_t | y₁ … y_t\], shape (T, N).
    pub mean: Array2<f64>,
    /// Cov\[z_t | y₁ … y_t\], shape (T, N, N).
    pub covariance: Array3<f64>,
    /// log p(y), natural logarithm.
    pub log_likelihood: f64,
}

impl Kalman {
    /// log p(y) = Σ_t log N(y_t | H a_t + d, H P_t Hᵀ + R), with a_t and P_t the mean and covariance of z_t given y₁ …
    /// y_{t−1}: the prediction-error decomposition, in O(T N³) time and no memory that grows with T.
    ///
    /// `y` is (T, M); NaN is what was not observed, and is left out exactly: log p of what was.
    ///
    /// # Numerics
    /// The covariance of what is known does not depend on y, and usually settles. Once no entry of P_t moves by more
    /// than 1e-14 √(P_ii P_jj) from one step to the next, gain and covariances are kept, at O(N² + N M) a step, until
    /// an observation misses an entry. (statsmodels does the same once the squared change is below 1e-19, in the units
    /// of the state.) [`filter_square_root`](Self::filter_square_root) never does.
    ///
    /// # Errors
    /// No row, another width than M, an infinity; [`Error::Singular`] where H P Hᵀ + R is not positive definite in f64;
    /// [`Error::Domain`] where the numbers leave f64, as those of an unstable F may.
    ///
    /// Source: Schweppe, *Evaluation of likelihood functions for Gaussian signals*, IEEE Transactions on Information
    /// Theory 11 (1965).
    pub fn log_likelihood(&self, y: &ArrayRef2<f64>) -> Result<f64> {
        self.run(y, |_, _| ())
    }

    /// p(z_t | y₁ … y_{t−1}) and p(z_t | y₁ … y_t) for each t.
    ///
    /// - update: K = P Hᵀ (H P Hᵀ + R)⁻¹, mean a + K (y − H a − d), covariance (I − K H) P (I − K H)ᵀ + K R Kᵀ;
    /// - prediction: mean F a + c, covariance F P Fᵀ + Q.
    ///
    /// `y` is (T, M); NaN is what was not observed: only the other entries update.
    ///
    /// # Numerics
    /// Joseph's form of the covariance stays symmetric and positive semi-definite where (I − K H) P does not. Where R
    /// is smaller than 1e-16 of H P Hᵀ it is lost all the same: use [`filter_square_root`](Self::filter_square_root).
    /// Gain and covariances are kept once they have settled, as in [`log_likelihood`](Self::log_likelihood).
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    ///
    /// ```
    /// use mlnotes::ssm::kalman::Kalman;
    /// use ndarray::array;
    ///
    /// let walk = Kalman::local_level(1.0, 2.0, 0.0, 2.0)?;
    /// let filtered = walk.filter(&array![[4.0], [f64::NAN]])?;
    /// assert_eq!(filtered.mean, array![[2.0], [2.0]]); // 0 + ½ (4 − 0), then nothing new
    /// assert_eq!(filtered.covariance[[0, 0, 0]], 1.0); // ½ · 2
    /// assert_eq!(filtered.covariance[[1, 0, 0]], 2.0); // 1 + 1
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: Kalman (1960); Särkkä and Svensson (2023), chapter 6; Joseph's form: Bucy and Joseph, *Filtering for
    /// Stochastic Processes* (1968).
    pub fn filter(&self, y: &ArrayRef2<f64>) -> Result<Filtered> {
        let (length, n) = (y.nrows(), self.state_dimension());
        let mut kept = Kept::new(length, n);
        let log_likelihood = self.run(y, |_, now| {
            kept.predicted_mean.extend_from_slice(&now.predicted_mean);
            kept.predicted_covariance.extend_from_slice(&now.predicted_covariance);
            kept.mean.extend_from_slice(&now.mean);
            kept.covariance.extend_from_slice(&now.covariance);
        })?;
        Ok(kept.shaped(length, n, log_likelihood))
    }

    /// Calls `each` after every observation; returns log p(y).
    pub(super) fn run(&self, y: &ArrayRef2<f64>, mut each: impl FnMut(usize, &Recursion)) -> Result<f64> {
        self.validate(y)?;
        let mut now = Recursion::new(self);
        let mut log_likelihood = 0.0;
        for (t, row) in row_major(y).chunks_exact(self.observation_dimension()).enumerate() {
            let log_density = now.condition(row).ok_or_else(|| {
                let what = format!("the covariance of observation {t} (counted from 0) given those before it");
                Error::Singular { what, remedy: LOST }
            })?;
            log_likelihood += log_density;
            if !is_finite(log_likelihood, &now.covariance, self.state_dimension()) {
                return Err(beyond(t));
            }
            each(t, &now);
            now.predict();
        }
        Ok(log_likelihood)
    }
}

const LOST: &str = "its noise is lost beside the state's spread, or the numbers leave f64; use `filter_square_root`, \
                    a larger `observation_noise`, or rescale";

/// Whether the density and the variances are.
pub(super) fn is_finite(log_likelihood: f64, covariance: &[f64], n: usize) -> bool {
    let trace: f64 = covariance.iter().step_by(n + 1).sum();
    (log_likelihood + trace).is_finite()
}

/// An error for numbers that are too large.
pub(super) fn beyond(t: usize) -> Error {
    let allowed =
        "within it: rescale the data, or look at `transition`, which may be unstable (an eigenvalue beyond 1)";
    Error::domain("the state", format!("beyond the range of f64 at time {t} (counted from 0)"), allowed)
}

/// A [`Filtered`] as it grows.
pub(super) struct Kept {
    pub(super) predicted_mean: Vec<f64>,
    pub(super) predicted_covariance: Vec<f64>,
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Vec<f64>,
}

impl Kept {
    pub(super) fn new(length: usize, n: usize) -> Self {
        let room = |width| Vec::with_capacity(length * width);
        Self { predicted_mean: room(n), predicted_covariance: room(n * n), mean: room(n), covariance: room(n * n) }
    }

    pub(super) fn shaped(self, length: usize, n: usize, log_likelihood: f64) -> Filtered {
        Filtered {
            predicted_mean: vectors(length, n, self.predicted_mean),
            predicted_covariance: matrices(length, n, self.predicted_covariance),
            mean: vectors(length, n, self.mean),
            covariance: matrices(length, n, self.covariance),
            log_likelihood,
        }
    }
}

/// As many vectors of n numbers.
pub(super) fn vectors(length: usize, n: usize, values: Vec<f64>) -> Array2<f64> {
    Array2::from_shape_vec((length, n), values).unwrap_or_default()
}

/// As many matrices (n, n).
pub(super) fn matrices(length: usize, n: usize, values: Vec<f64>) -> Array3<f64> {
    Array3::from_shape_vec((length, n, n), values).unwrap_or_default()
}
