//! How do we make features of different units comparable?
//!
//! z = (x − μ) / σ per column, with μ and σ taken from the training rows: statistics that have seen the test rows would
//! let the test leak into the training.

use ndarray::{Array1, Array2, ArrayRef2, Axis};

use crate::{Result, validate};

/// Shifts and scales columns to mean 0 and standard deviation 1, as scikit-learn's `StandardScaler`.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let train = array![[1.0, 7.0], [3.0, 7.0]];
/// let scaler = Standardizer::fit(&train)?; // means 2 and 7, deviations 1 and 0
/// assert_eq!(scaler.transform(&train)?, array![[-1.0, 0.0], [1.0, 0.0]]);
/// assert_eq!(scaler.transform(&array![[5.0, 8.0]])?, array![[3.0, 1.0]]); // unseen rows, the same shift
/// assert!(scaler.transform(&array![[5.0]]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Standardizer {
    /// μ, the mean of each column.
    pub mean: Array1<f64>,
    /// σ, the standard deviation of each column (divided by n, not n − 1); 1 where the column is constant.
    pub scale: Array1<f64>,
}

impl Standardizer {
    /// Takes the statistics of the training rows.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) without rows or columns, [`Error::NonFinite`](crate::Error::NonFinite).
    ///
    /// # Numerics
    /// Two passes. A column counts as constant, as in scikit-learn, when its variance is no larger than the rounding
    /// error that its size can cause: var ≤ n ε var + (n ε μ)².
    pub fn fit(x: &ArrayRef2<f64>) -> Result<Self> {
        validate::samples("x", x)?;
        let n = x.nrows() as f64;
        let mean = x.sum_axis(Axis(0)) / n;
        let variance = (&x.view() - &mean).mapv(|deviation| deviation * deviation).sum_axis(Axis(0)) / n;
        validate::finite("the variance of x", &variance)?;
        let scale = ndarray::Zip::from(&variance).and(&mean).map_collect(|&variance, &mean| {
            let rounding = n * f64::EPSILON * variance + (n * f64::EPSILON * mean).powi(2);
            if variance <= rounding { 1.0 } else { variance.sqrt() }
        });
        Ok(Self { mean, scale })
    }

    /// (x − μ) / σ for rows of the training data's width.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for another width, [`Error::NonFinite`](crate::Error::NonFinite).
    pub fn transform(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        validate::columns("x", x, self.mean.len())?;
        validate::finite("x", x)?;
        Ok((&x.view() - &self.mean) / &self.scale)
    }

    /// z σ + μ: back to the units of the data.
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    pub fn inverse(&self, z: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        validate::columns("z", z, self.mean.len())?;
        validate::finite("z", z)?;
        Ok(&z.view() * &self.scale + &self.mean)
    }
}

impl std::fmt::Debug for Standardizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Standardizer: mean {:.4}, scale {:.4}", self.mean, self.scale)
    }
}
