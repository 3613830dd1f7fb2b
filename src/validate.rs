//! The questions that every public function asks of its input.

use ndarray::{ArrayRef, ArrayRef1, ArrayRef2, Dimension};

use crate::{Error, Result};

/// No NaN, no infinity.
pub(crate) fn finite<D: Dimension>(arg: &'static str, array: &ArrayRef<f64, D>) -> Result<()> {
    // The common case first, since an iterator that knows its place takes several times longer.
    if array.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    match array.view().into_dyn().indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((index, &value)) => Err(Error::NonFinite { arg, index: index.as_array_view().to_vec(), value }),
    }
}

/// A matrix of finite numbers with at least one row and one column.
pub(crate) fn samples(arg: &'static str, x: &ArrayRef2<f64>) -> Result<()> {
    if x.nrows() == 0 {
        return Err(Error::Empty { arg, remedy: "give at least one row, one sample per row" });
    }
    if x.ncols() == 0 {
        return Err(Error::Empty { arg, remedy: "give at least one column, one feature per column" });
    }
    finite(arg, x)
}

/// As many columns as the model was made for.
pub(crate) fn columns(arg: &'static str, x: &ArrayRef2<f64>, needed: usize) -> Result<()> {
    if x.ncols() == needed {
        return Ok(());
    }
    Err(Error::shape(arg, format!("(samples, {needed}), the width of the training data,"), x.shape()))
}

/// One entry per row of the samples.
pub(crate) fn one_per_row(arg: &'static str, got: &[usize], rows: usize) -> Result<()> {
    if got.first() == Some(&rows) {
        return Ok(());
    }
    Err(Error::shape(arg, format!("{rows} along the first axis, one entry per sample,"), got))
}

/// Above 0 and finite.
pub(crate) fn positive(arg: &'static str, value: f64, example: &str) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::domain(arg, value, format!("above 0 and finite, for instance {example}")))
}

/// When an iteration ends: any number, below 0 never.
pub(crate) fn tolerance(arg: &'static str, value: f64) -> Result<()> {
    if value.is_nan() { Err(Error::domain(arg, value, "a number, for instance 1e-3")) } else { Ok(()) }
}

/// At least 1.
pub(crate) fn at_least_one(arg: &'static str, value: usize) -> Result<()> {
    if value > 0 {
        return Ok(());
    }
    Err(Error::domain(arg, value, "at least 1"))
}

/// How far from 1 a sum of probabilities may be: rounding of some thousand terms, not a forgotten one.
const ROUNDING: f64 = 1e-8;

/// Probabilities that sum to 1.
pub(crate) fn distribution(arg: &'static str, p: &ArrayRef1<f64>, place: impl Fn() -> String) -> Result<()> {
    if let Some((j, value)) = p.indexed_iter().find(|(_, value)| **value < 0.0) {
        return Err(Error::domain(arg, format!("{value} at {j}{}", place()), "a probability, 0 or more"));
    }
    let sum = p.sum();
    if (sum - 1.0).abs() > ROUNDING {
        let value = format!("a distribution that sums to {sum}{}", place());
        return Err(Error::domain(arg, value, "one that sums to 1: divide it by its sum"));
    }
    Ok(())
}
