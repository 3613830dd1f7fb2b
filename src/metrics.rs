//! How good are the answers?

use std::collections::BTreeSet;

use ndarray::{Array2, ArrayRef, ArrayRef1, Dimension};

use crate::{Error, Result, validate};

/// The share of answers that are right.
///
/// # Errors
/// [`Error::Empty`] without answers, [`Error::Shape`] when the lengths differ.
///
/// ```
/// use mlnotes::prelude::*;
///
/// assert_eq!(accuracy(&array![0, 1, 2, 2], &array![0, 1, 1, 2])?, 0.75);
/// assert!(accuracy(&array![0, 1], &array![0]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn accuracy<T: PartialEq>(truth: &ArrayRef1<T>, predicted: &ArrayRef1<T>) -> Result<f64> {
    check_lengths(truth, predicted)?;
    let right = truth.iter().zip(predicted).filter(|(truth, answer)| truth == answer).count();
    Ok(right as f64 / truth.len() as f64)
}

/// How often class i (row) was answered as class j (column); classes are counted from 0 to the largest that occurs.
///
/// # Errors
/// As [`accuracy`], and [`Error::Domain`] for a class number so large that classes are surely not counted from 0.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let counts = confusion_matrix(&array![0, 1, 1, 1], &array![0, 1, 0, 1])?;
/// assert_eq!(counts, array![[1, 0], [1, 2]]); // one of class 1 was taken for class 0
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn confusion_matrix(truth: &ArrayRef1<usize>, predicted: &ArrayRef1<usize>) -> Result<Array2<usize>> {
    check_lengths(truth, predicted)?;
    let seen: BTreeSet<usize> = truth.iter().chain(predicted).copied().collect();
    let largest = seen.last().copied().unwrap_or(0);
    if largest >= 1000.max(2 * truth.len()) {
        let allowed = "a class counted from 0: number the classes 0, 1, 2, … first";
        return Err(Error::domain("class", largest, allowed));
    }
    let mut counts = Array2::zeros((largest + 1, largest + 1));
    for (&truth, &answer) in truth.iter().zip(predicted) {
        counts[[truth, answer]] += 1;
    }
    Ok(counts)
}

/// The mean squared error Σ (y − ŷ)² / n, in the square of the data's unit; arrays of any shape, but the same.
///
/// # Errors
/// [`Error::Empty`] without numbers, [`Error::Shape`] when the shapes differ, [`Error::NonFinite`].
///
/// ```
/// use mlnotes::metrics::{mae, mse, rmse};
/// use ndarray::array;
///
/// let (truth, forecast) = (array![1.0, 2.0, 3.0], array![1.0, 4.0, 2.0]);
/// assert_eq!(mse(&truth, &forecast)?, 5.0 / 3.0);
/// assert_eq!(rmse(&truth, &forecast)?, (5.0f64 / 3.0).sqrt());
/// assert_eq!(mae(&truth, &forecast)?, 1.0);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn mse<D: Dimension>(truth: &ArrayRef<f64, D>, predicted: &ArrayRef<f64, D>) -> Result<f64> {
    mean_of(truth, predicted, |difference| difference * difference)
}

/// The root of the [mean squared error](mse), in the data's unit; never below the [mean absolute error](mae).
///
/// # Errors
/// As [`mse`].
pub fn rmse<D: Dimension>(truth: &ArrayRef<f64, D>, predicted: &ArrayRef<f64, D>) -> Result<f64> {
    mse(truth, predicted).map(f64::sqrt)
}

/// The mean absolute error Σ |y − ŷ| / n, in the data's unit.
///
/// # Errors
/// As [`mse`].
pub fn mae<D: Dimension>(truth: &ArrayRef<f64, D>, predicted: &ArrayRef<f64, D>) -> Result<f64> {
    mean_of(truth, predicted, f64::abs)
}

fn mean_of<D: Dimension>(
    truth: &ArrayRef<f64, D>,
    predicted: &ArrayRef<f64, D>,
    of: impl Fn(f64) -> f64,
) -> Result<f64> {
    if truth.is_empty() {
        return Err(Error::Empty { arg: "truth", remedy: "give at least one number" });
    }
    if truth.shape() != predicted.shape() {
        return Err(Error::shape("predicted", format!("{:?}, that of the truth,", truth.shape()), predicted.shape()));
    }
    validate::finite("truth", truth)?;
    validate::finite("predicted", predicted)?;
    let sum: f64 = truth.iter().zip(predicted).map(|(truth, predicted)| of(truth - predicted)).sum();
    Ok(sum / truth.len() as f64)
}

/// Akaike's criterion 2 k − 2 log L for k free parameters; less is better. The models must be fitted to the same data.
///
/// Source: Akaike, IEEE Transactions on Automatic Control 19 (1974).
///
/// ```
/// use mlnotes::metrics::aic;
///
/// assert_eq!(aic(-100.0, 3), 206.0);
/// ```
pub fn aic(log_likelihood: f64, parameters: usize) -> f64 {
    2.0 * parameters as f64 - 2.0 * log_likelihood
}

/// Schwarz's criterion k log n − 2 log L for k free parameters and n observations; less is better. It asks more of a
/// parameter than [`aic`] from 8 observations on.
///
/// Source: Schwarz, Annals of Statistics 6 (1978).
///
/// ```
/// use mlnotes::metrics::bic;
///
/// assert!((bic(-100.0, 3, 50) - (3.0 * 50.0_f64.ln() + 200.0)).abs() < 1e-12);
/// ```
pub fn bic(log_likelihood: f64, parameters: usize, observations: usize) -> f64 {
    parameters as f64 * (observations as f64).ln() - 2.0 * log_likelihood
}

fn check_lengths<T>(truth: &ArrayRef1<T>, predicted: &ArrayRef1<T>) -> Result<()> {
    if truth.is_empty() {
        return Err(Error::Empty { arg: "truth", remedy: "give at least one answer to judge" });
    }
    validate::one_per_row("predicted", predicted.shape(), truth.len())
}
