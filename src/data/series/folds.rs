//! Cross-validation that never looks ahead.

use std::ops::Range;

use crate::{Error, Result, validate};

/// Rolling-origin validation: the last rows are tested in so many parts of equal length, one after the other, and each part is
/// forecast by who learned from rows before it only.
///
/// Of n rows, part j = 1 … m is the T rows from n − (m − j + 1) T on; g rows before it are left out, and all before those, or the
/// last M of them, are there to learn from.
///
/// A plain cross-validation would learn from the rows after those it tests, too. Where readings depend on their neighbours in
/// time, that is to have seen half the answer.
///
/// # Source
/// L. J. Tashman, *Out-of-sample tests of forecasting accuracy*, International Journal of Forecasting 16 (2000); scikit-learn's
/// `TimeSeriesSplit` makes the same folds.
///
/// ```
/// use mlnotes::data::series::RollingOrigin;
///
/// let folds = RollingOrigin::new(3, 2).split(10)?; // the last 6 rows in three parts
/// assert_eq!(folds.iter().map(|fold| fold.train.clone()).collect::<Vec<_>>(), [0..4, 0..6, 0..8]);
/// assert_eq!(folds.iter().map(|fold| fold.test.clone()).collect::<Vec<_>>(), [4..6, 6..8, 8..10]);
/// let sliding = RollingOrigin { gap: 1, most: Some(3), ..RollingOrigin::new(3, 2) };
/// assert_eq!(sliding.split(10)?[2].train, 4..7);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollingOrigin {
    /// m, how many parts are tested.
    pub folds: usize,
    /// T, the rows of each.
    pub test: usize,
    /// g, rows that are left out before each: as many as a target lies beyond the next row, so that no target of training is in
    /// the test.
    pub gap: usize,
    /// M, at most so many rows to learn from: a window that slides. None: one that grows.
    pub most: Option<usize>,
}

/// The rows to learn from and the rows to judge by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Before the test, with the gap between.
    pub train: Range<usize>,
    /// After all of `train`.
    pub test: Range<usize>,
}

impl RollingOrigin {
    /// So many parts of so many rows, without a gap, learning from all that was.
    pub fn new(folds: usize, test: usize) -> Self {
        Self { folds, test, gap: 0, most: None }
    }

    /// The folds of a series of so many rows.
    ///
    /// # Errors
    /// No fold, parts or training windows without a row; fewer rows than leave one to learn from for the first part.
    pub fn split(&self, rows: usize) -> Result<Vec<Fold>> {
        let Self { folds, test, gap, most } = *self;
        validate::at_least_one("folds", folds)?;
        validate::at_least_one("test", test)?;
        validate::at_least_one("most", most.unwrap_or(1))?;
        let tested = folds.saturating_mul(test);
        let needed = tested.saturating_add(gap);
        if rows <= needed {
            let allowed =
                format!("more than {needed}, {folds} x {test} to test and {gap} between: take fewer or shorter parts");
            return Err(Error::domain("rows", rows, allowed));
        }
        Ok((rows - tested..rows)
            .step_by(test)
            .map(|start| {
                let end = start - gap;
                Fold { train: end.saturating_sub(most.unwrap_or(end))..end, test: start..start + test }
            })
            .collect())
    }
}
