//! How wrong is the answer, in one number that can be differentiated?

use ndarray::{Array2, ArrayRef1, ArrayRef2};

use super::activation::Activation;
use crate::numerics::log_sum_exp;
use crate::{Error, Result, validate};

/// The number that training makes small; both are means, as torch defines them.
///
/// | | L | compares |
/// | --- | --- | --- |
/// | `MeanSquared` | Σ (a − t)² / (samples · outputs) | the network's outputs a with values t |
/// | `CrossEntropy` | −Σ t ln softmax(z) / samples | the sums z before the softmax with class probabilities t |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The mean squared error, for values.
    MeanSquared,
    /// The mean negative log-likelihood of the right class, for classes.
    CrossEntropy,
}

impl Loss {
    /// L.
    ///
    /// # Shapes
    /// - `outputs`, `targets`: (samples, outputs). For `CrossEntropy`, `outputs` are the sums before the softmax
    ///   (logits), and every row of `targets` is a distribution.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::Shape`] for arrays that do not fit; [`Error::Domain`] for
    /// `CrossEntropy` targets that are no distribution.
    ///
    /// ```
    /// use mlnotes::prelude::*;
    ///
    /// assert_eq!(Loss::MeanSquared.value(&array![[1.0, 2.0]], &array![[1.0, 4.0]])?, 2.0);
    /// let even = Loss::CrossEntropy.value(&array![[3.0, 3.0]], &array![[1.0, 0.0]])?;
    /// assert!((even - 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn value(self, outputs: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> Result<f64> {
        self.check(outputs, targets)?;
        Ok(self.value_unchecked(outputs, targets))
    }

    /// ∂L/∂`outputs`.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    ///
    /// ```
    /// use mlnotes::prelude::*;
    ///
    /// let gradient = Loss::CrossEntropy.gradient(&array![[3.0, 3.0]], &array![[1.0, 0.0]])?;
    /// assert_eq!(gradient, array![[-0.5, 0.5]]); // softmax(z) − t
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn gradient(self, outputs: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.check(outputs, targets)?;
        Ok(self.gradient_unchecked(outputs, targets))
    }

    pub(super) fn value_unchecked(self, outputs: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> f64 {
        match self {
            Self::MeanSquared => {
                let squares = outputs.iter().zip(targets).map(|(a, t)| (a - t) * (a - t));
                squares.sum::<f64>() / outputs.len() as f64
            }
            Self::CrossEntropy => {
                let rows = outputs.rows().into_iter().zip(targets.rows());
                let total: f64 = rows.map(|(z, t)| log_sum_exp(z.iter().copied()) * t.sum() - z.dot(&t)).sum();
                total / outputs.nrows() as f64
            }
        }
    }

    pub(super) fn gradient_unchecked(self, outputs: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> Array2<f64> {
        match self {
            Self::MeanSquared => (&outputs.view() - &targets.view()) * (2.0 / outputs.len() as f64),
            Self::CrossEntropy => (Activation::Softmax.apply(outputs) - targets.view()) / outputs.nrows() as f64,
        }
    }

    fn check(self, outputs: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> Result<()> {
        validate::samples("outputs", outputs)?;
        self.check_targets(targets, outputs.shape())
    }

    /// Targets of the outputs' shape, finite, and distributions where that is needed.
    pub(super) fn check_targets(self, targets: &ArrayRef2<f64>, shape: &[usize]) -> Result<()> {
        if targets.shape() != shape {
            return Err(Error::shape("targets", format!("{shape:?}, as the outputs,"), targets.shape()));
        }
        validate::finite("targets", targets)?;
        let distribution =
            |row: ndarray::ArrayView1<f64>| row.iter().all(|&share| share >= 0.0) && (row.sum() - 1.0).abs() <= 1e-9;
        match targets.rows().into_iter().position(|row| !distribution(row)) {
            Some(row) if self == Self::CrossEntropy => {
                let value = format!("{} in row {row}", targets.row(row));
                Err(Error::domain("targets", value, "a distribution in every row: make rows of classes with `one_hot`"))
            }
            _ => Ok(()),
        }
    }
}

/// One row per sample, 1 in the column of its class and 0 elsewhere.
///
/// # Errors
/// [`Error::Domain`] when a class is not below `width`.
///
/// ```
/// use mlnotes::prelude::*;
///
/// assert_eq!(one_hot(&array![2, 0], 3)?, array![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
/// assert!(one_hot(&array![3], 3).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn one_hot(classes: &ArrayRef1<usize>, width: usize) -> Result<Array2<f64>> {
    if let Some(class) = classes.iter().find(|&&class| class >= width) {
        return Err(Error::domain("class", class, format!("below {width}, the number of classes, counted from 0")));
    }
    let mut rows = Array2::zeros((classes.len(), width));
    for (mut row, &class) in rows.rows_mut().into_iter().zip(classes) {
        row[class] = 1.0;
    }
    Ok(rows)
}
