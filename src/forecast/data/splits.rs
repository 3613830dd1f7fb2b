//! Three parts of a table, one after the other in time.

use std::ops::Range;

use ndarray::{Axis, Slice};

use super::{Table, Windows};
use crate::data::Standardizer;
use crate::{Error, Result, validate};

/// Where a table is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// 12, 4 and 4 months of 30 days, whatever follows left out: the rule of the ETT sets.
    Months {
        /// Rows in an hour.
        per_hour: usize,
    },
    /// ⌊`train` n⌋ rows to learn from, the last ⌊`test` n⌋ to judge by, and those between to validate.
    Fractions {
        /// The share to learn from, 0.7 as published.
        train: f64,
        /// The share to judge by, 0.2 as published.
        test: f64,
    },
}

impl Rule {
    /// Seven tenths, one tenth, two tenths: the rule of the published programs for any other table.
    pub const PUBLISHED: Self = Self::Fractions { train: 0.7, test: 0.2 };

    /// The three parts of a table of so many rows.
    ///
    /// # Errors
    /// Fewer rows than the months need; shares that are not above 0 or leave nothing between them; a part without a row.
    ///
    /// # Numerics
    /// Products are cut as the published `int(len * 0.7)` cuts them, in f64: of 10 rows 0.7 makes 7 and 0.2 makes 2.
    ///
    /// # Source
    /// `Dataset_ETT_hour`, `Dataset_ETT_minute` and `Dataset_Custom` of the published programs.
    ///
    /// ```
    /// use mlnotes::forecast::data::Rule;
    ///
    /// let parts = Rule::Months { per_hour: 1 }.borders(17_420)?;
    /// assert_eq!((parts.train, parts.validation, parts.test), (0..8640, 8640..11_520, 11_520..14_400));
    /// let parts = Rule::PUBLISHED.borders(19)?; // 13.3 and 3.8
    /// assert_eq!((parts.train, parts.validation, parts.test), (0..13, 13..16, 16..19));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn borders(&self, rows: usize) -> Result<Borders> {
        match *self {
            Self::Months { per_hour } => {
                validate::at_least_one("per_hour", per_hour)?;
                let month = per_hour.saturating_mul(30 * 24);
                let needed = month.saturating_mul(20);
                if rows < needed {
                    return Err(Error::domain(
                        "rows",
                        rows,
                        format!("at least {needed}, 20 months of 30 days: cut by shares instead"),
                    ));
                }
                Ok(Borders { train: 0..12 * month, validation: 12 * month..16 * month, test: 16 * month..20 * month })
            }
            Self::Fractions { train, test } => {
                if !(train > 0.0 && test > 0.0 && train + test < 1.0) {
                    let allowed = "above 0 each and below 1 together, for instance 0.7 and 0.2";
                    return Err(Error::domain("train, test", format!("{train}, {test}"), allowed));
                }
                let (train, test) = ((rows as f64 * train) as usize, (rows as f64 * test) as usize);
                let borders = Borders { train: 0..train, validation: train..rows - test, test: rows - test..rows };
                borders.check(rows)?;
                Ok(borders)
            }
        }
    }
}

/// The rows of each part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borders {
    /// To learn from, and to take mean and deviation from.
    pub train: Range<usize>,
    /// To decide when to stop.
    pub validation: Range<usize>,
    /// To judge by.
    pub test: Range<usize>,
}

impl Borders {
    fn parts(&self) -> [(&'static str, &Range<usize>); 3] {
        [("train", &self.train), ("validation", &self.validation), ("test", &self.test)]
    }

    /// A row at least in each, none in two, one after the other, all in the table.
    fn check(&self, rows: usize) -> Result<()> {
        let mut from = 0;
        for (part, range) in self.parts() {
            if range.start < from || range.end <= range.start || range.end > rows {
                let allowed =
                    format!("at least one row of the {rows} that the table has, and behind the part before it");
                return Err(Error::domain(part, format!("{range:?}"), allowed));
            }
            from = range.end;
        }
        Ok(())
    }
}

/// A table made ready: three parts, standardised by the mean and the deviation of the training rows alone.
///
/// z = (x − μ) / σ. The windows of validation and test look back over their border, so that their first forecast is for
/// their first row. A part of n rows thus has n − H + 1 windows, and training, which has nothing behind it, n − L − H + 1.
///
/// ```
/// use mlnotes::forecast::data::{Clock, Rule, Splits, Table};
/// use ndarray::{Array2, array};
///
/// let dates: Vec<String> = (10..20).map(|day| format!("2016-07-{day}")).collect();
/// let table = Table::new("days", &dates, &["n"], Array2::from_shape_fn((10, 1), |(row, _)| row as f64), Clock::Even)?;
/// let parts = Rule::PUBLISHED.borders(10)?; // 7 rows, 1 and 2
/// let splits = Splits::new(&table, &parts, 2, 1)?;
/// assert_eq!([splits.train.len(), splits.validation.len(), splits.test.len()], [5, 1, 2]);
/// assert_eq!((splits.scaler.mean, splits.scaler.scale), (array![3.0], array![2.0])); // of 0 … 6
/// let (x, y) = splits.validation.batch(&[0])?;
/// assert_eq!((x.to_vec3::<f32>()?, y.to_vec3::<f32>()?), (vec![vec![vec![1.0], vec![1.5]]], vec![vec![vec![2.0]]]));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Splits {
    /// The windows to learn from.
    pub train: Windows,
    /// Those that decide when to stop.
    pub validation: Windows,
    /// Those that judge.
    pub test: Windows,
    /// μ and σ of the training rows, and the way back to the table's units.
    pub scaler: Standardizer,
    /// The names of the channels.
    pub columns: Vec<String>,
}

impl Splits {
    /// Cuts and scales `table`.
    ///
    /// # Errors
    /// A length of 0; borders that are not in the table or not in order; a part with too few rows for one window, with the
    /// number that it needs; a number too large for f32 once scaled.
    ///
    /// # Numerics
    /// Scaled in f64 and then rounded to f32. A column that is constant over the training rows is shifted but not scaled,
    /// as by scikit-learn: of a channel that never moves 0 is left.
    pub fn new(table: &Table, borders: &Borders, seq_len: usize, pred_len: usize) -> Result<Self> {
        validate::at_least_one("seq_len", seq_len)?;
        validate::at_least_one("pred_len", pred_len)?;
        let values = table.values();
        borders.check(values.nrows())?;
        for (part, range) in borders.parts() {
            // The part to learn from comes first, so the others have seq_len rows behind them.
            let reach = range.len() + if part == "train" { 0 } else { seq_len };
            let needed = seq_len.saturating_add(pred_len);
            if reach < needed {
                let allowed = format!(
                    "longer: with the rows that it may look back on it has {reach}, and one window takes {seq_len} + \
                     {pred_len}; take a longer table or a shorter seq_len or pred_len"
                );
                return Err(Error::domain(part, format!("{range:?}"), allowed));
            }
        }
        let rows = |range: Range<usize>| values.slice_axis(Axis(0), Slice::from(range));
        let scaler = Standardizer::fit(&rows(borders.train.clone()))?;
        let cut = |range: &Range<usize>, back: usize| {
            let scaled = scaler.transform(&rows(range.start - back..range.end))?;
            Windows::new(scaled.mapv(|value| value as f32), seq_len, pred_len)
        };
        Ok(Self {
            train: cut(&borders.train, 0)?,
            validation: cut(&borders.validation, seq_len)?,
            test: cut(&borders.test, seq_len)?,
            columns: table.columns().to_vec(),
            scaler,
        })
    }
}
