//! Readings that are missing, and readings that cannot be.

use ndarray::{Array2, ArrayRef2, Axis};

use crate::{Error, Result, validate};

/// What stands in for a reading that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The last reading before it: all that is known at that time.
    Previous,
    /// The straight line between the readings before and after it; the nearest one where there is none on one side. It knows the
    /// future: of test rows it makes something that nobody could have had.
    Linear,
}

/// `values`, (rows, V), with a number for every NaN, column by column; a row is a step of time.
///
/// # Errors
/// No row or column, an infinity, a column without any reading; for [`Fill::Previous`] a column that begins with a gap.
///
/// ```
/// use mlnotes::data::series::{Fill, fill};
/// use ndarray::array;
///
/// let gaps = array![[1.0], [f64::NAN], [f64::NAN], [4.0]];
/// assert_eq!(fill(&gaps, Fill::Previous)?, array![[1.0], [1.0], [1.0], [4.0]]);
/// assert_eq!(fill(&gaps, Fill::Linear)?, array![[1.0], [2.0], [3.0], [4.0]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn fill(values: &ArrayRef2<f64>, how: Fill) -> Result<Array2<f64>> {
    validate::samples("values", &values.mapv(|value| if value.is_nan() { 0.0 } else { value }))?;
    let mut filled = values.to_owned();
    for (j, mut column) in filled.columns_mut().into_iter().enumerate() {
        let known: Vec<usize> = (0..column.len()).filter(|&t| !column[t].is_nan()).collect();
        let (Some(&first), Some(&last)) = (known.first(), known.last()) else {
            return Err(Error::domain(
                "values",
                format!("without any reading in column {j}"),
                "filled: leave the column out",
            ));
        };
        if how == Fill::Previous && first > 0 {
            let allowed = format!("known from row 0 on: begin the series at row {first}, or fill by Linear");
            return Err(Error::domain(
                "values",
                format!("without a reading before row {first} of column {j}"),
                allowed,
            ));
        }
        let (start, end) = (column[first], column[last]);
        column.slice_mut(ndarray::s![..first]).fill(start);
        column.slice_mut(ndarray::s![last..]).fill(end);
        for pair in known.windows(2) {
            let (before, after) = (column[pair[0]], column[pair[1]]);
            for t in pair[0] + 1..pair[1] {
                let share = (t - pair[0]) as f64 / (pair[1] - pair[0]) as f64;
                column[t] = if how == Fill::Previous { before } else { before + share * (after - before) };
            }
        }
    }
    Ok(filled)
}

/// Hampel's identifier: a reading further from the median m of those around it than `threshold` of their spreads,
///
/// |x − m| > threshold · 1.4826 · median |xᵢ − m|.
///
/// The spread is the median absolute deviation, times what makes a standard deviation of it for normal numbers, 1 / Φ⁻¹(3/4).
/// Mean and standard deviation would not do: the spike that one looks for moves both. Where more than half of the readings around
/// are equal the spread is 0, and any other reading is flagged.
///
/// # Source
/// F. R. Hampel, *The influence curve and its role in robust estimation*, JASA 69 (1974); L. Davies, U. Gather, *The
/// identification of multiple outliers*, JASA 88 (1993).
///
/// ```
/// use mlnotes::data::series::Hampel;
/// use ndarray::array;
///
/// let x = array![[1.0], [2.0], [50.0], [4.0], [5.0]];
/// let hampel = Hampel::centred(2); // around the third: median 4, deviations 3 2 46 0 1, spread 2 · 1.4826
/// assert_eq!(hampel.flags(&x)?, array![[false], [false], [true], [false], [false]]);
/// assert_eq!(hampel.repair(&x)?, array![[1.0], [2.0], [4.0], [4.0], [5.0]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hampel {
    /// So many rows before a reading count as around it, fewer at the beginning.
    pub past: usize,
    /// So many after it, fewer at the end; 0 where the reading has to be judged as it comes.
    pub ahead: usize,
    /// So many spreads are allowed.
    pub threshold: f64,
}

impl Hampel {
    /// So many rows on either side, and three spreads.
    pub fn centred(half: usize) -> Self {
        Self { past: half, ahead: half, threshold: 3.0 }
    }

    /// So many rows before and none after, and three spreads.
    pub fn causal(past: usize) -> Self {
        Self { past, ahead: 0, threshold: 3.0 }
    }

    /// The median around each reading of `values`, (rows, V).
    ///
    /// # Errors
    /// No row or column, a number that is not finite, a threshold that is no number from 0 on.
    pub fn medians(&self, values: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.around(values, |near, _| median(near))
    }

    /// Which readings of `values` are far from their median.
    ///
    /// # Errors
    /// As [`medians`](Self::medians).
    pub fn flags(&self, values: &ArrayRef2<f64>) -> Result<Array2<bool>> {
        self.around(values, |near, x| self.judge(near, x).1)
    }

    /// `values` with the median in place of each reading that is flagged.
    ///
    /// # Errors
    /// As [`medians`](Self::medians).
    pub fn repair(&self, values: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.around(values, |near, x| match self.judge(near, x) {
            (centre, true) => centre,
            (_, false) => x,
        })
    }

    /// The median of those near, and whether x is far from it.
    fn judge(&self, near: &mut [f64], x: f64) -> (f64, bool) {
        const DEVIATION: f64 = 1.4826;
        let centre = median(near);
        near.iter_mut().for_each(|value| *value = (*value - centre).abs());
        (centre, (x - centre).abs() > self.threshold * DEVIATION * median(near))
    }

    /// `of` the readings around each, which it may overwrite, and of the reading itself.
    fn around<T>(&self, values: &ArrayRef2<f64>, of: impl Fn(&mut [f64], f64) -> T) -> Result<Array2<T>>
    where
        T: Clone + Default,
    {
        validate::samples("values", values)?;
        if self.threshold.is_nan() || self.threshold < 0.0 {
            return Err(Error::domain("threshold", self.threshold, "0 or more, for instance 3"));
        }
        let mut result = Array2::default(values.dim());
        for (column, mut result) in values.axis_iter(Axis(1)).zip(result.axis_iter_mut(Axis(1))) {
            for (t, result) in result.iter_mut().enumerate() {
                let (from, to) = (t.saturating_sub(self.past), t.saturating_add(self.ahead).min(column.len() - 1));
                let mut near: Vec<f64> = (from..=to).map(|t| column[t]).collect();
                *result = of(&mut near, column[t]);
            }
        }
        Ok(result)
    }
}

/// Of at least one number; sorts them.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { 0.5 * (values[half - 1] + values[half]) }
}
