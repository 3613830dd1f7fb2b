//! Several series on one clock.

use std::collections::HashSet;
use std::fmt;

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime};
use ndarray::{Array2, Axis};

use crate::{Error, Result, validate};

/// What the dates of a table may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Every row comes one [`Step`] after the one above, so that all windows span the same time.
    Even,
    /// No row comes before the one above. Gaps and repeated dates stay as they are, and windows count rows.
    Uneven,
}

/// From one row of an even table to the next.
///
/// ```
/// use mlnotes::forecast::data::Step;
///
/// assert_eq!(Step::Seconds(900).to_string(), "15 min");
/// assert_eq!(Step::Seconds(172_800).to_string(), "2 d");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Seconds; a day has 86 400.
    Seconds(i64),
    /// Months of the calendar; a year has 12.
    Months(u32),
}

/// In the largest unit that divides it: `1 h`, `15 min`, `3 months`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Months(1) => write!(f, "1 month"),
            Self::Months(months) => write!(f, "{months} months"),
            Self::Seconds(seconds) => {
                let units = [("d", 86_400), ("h", 3600), ("min", 60)];
                let (unit, size) = units.into_iter().find(|(_, size)| seconds % size == 0).unwrap_or(("s", 1));
                write!(f, "{} {unit}", seconds / size)
            }
        }
    }
}

/// Series that share their dates: a row for each time, a column for each series.
///
/// ```
/// use mlnotes::forecast::data::{Clock, Step, Table};
/// use ndarray::array;
///
/// let dates = ["2016-07-01 00:00:00", "2016-07-01 01:00:00"];
/// let table = Table::new("two", &dates, &["load", "OT"], array![[5.0, 30.5], [6.0, 27.8]], Clock::Even)?;
/// assert_eq!(table.step(), Some(Step::Seconds(3600)));
/// assert_eq!(table.select(&["OT"])?.values(), array![[30.5], [27.8]]);
/// assert_eq!(format!("{table:?}"), "Table two: 2 rows, 2 columns (load, OT), from 2016-07-01 00:00:00, each after 1 h");
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Table {
    name: String,
    dates: Vec<NaiveDateTime>,
    step: Option<Step>,
    columns: Vec<String>,
    values: Array2<f64>,
}

impl Table {
    /// A table of `values`, (rows, V). A date is written `2016-07-01 00:00:00`; `T` may stand for the space and `/` for
    /// the hyphens, the seconds may be missing, and a day alone means its midnight.
    ///
    /// # Errors
    /// No row, no column, a number that is not finite; as many dates as rows and as many names as columns are needed. A
    /// name that is empty or there twice, a text that is no such date, dates that `clock` does not allow.
    pub fn new<D: AsRef<str>, C: AsRef<str>>(
        name: &str,
        dates: &[D],
        columns: &[C],
        values: Array2<f64>,
        clock: Clock,
    ) -> Result<Self> {
        validate::samples("values", &values)?;
        let columns: Vec<String> = columns.iter().map(|column| column.as_ref().to_owned()).collect();
        if columns.len() != values.ncols() {
            return Err(Error::shape("columns", format!("({}), a name per column,", values.ncols()), &[columns.len()]));
        }
        if dates.len() != values.nrows() {
            return Err(Error::shape("dates", format!("({}), a date per row,", values.nrows()), &[dates.len()]));
        }
        unique(&columns).map_err(|(column, allowed)| Error::domain("columns", format!("`{column}`"), allowed))?;
        let dates: Vec<&str> = dates.iter().map(AsRef::as_ref).collect();
        let (dates, step) = clocked(&dates, clock).map_err(|(row, fault)| {
            Error::domain("dates", format!("`{}` at {row}, which {}", dates[row], fault.what), fault.remedy)
        })?;
        Ok(Self { name: name.to_owned(), dates, step, columns, values })
    }

    /// What it is called in tables and figures.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One per row, none before the one above.
    pub fn dates(&self) -> &[NaiveDateTime] {
        &self.dates
    }

    /// From each row to the next; none where that differs or there is one row only.
    pub fn step(&self) -> Option<Step> {
        self.step
    }

    /// The names of the series.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// (rows, V), all finite.
    pub fn values(&self) -> &Array2<f64> {
        &self.values
    }

    /// These columns alone, in this order: `["OT"]` is what the published programs call `--features S --target OT`.
    ///
    /// # Errors
    /// No name; one that is not there, with those that are; one that is named twice.
    pub fn select<C: AsRef<str>>(&self, columns: &[C]) -> Result<Self> {
        if columns.is_empty() {
            return Err(Error::Empty { arg: "columns", remedy: "name at least one column of the table" });
        }
        let find = |column: &C| {
            let column = column.as_ref();
            self.columns.iter().position(|known| known == column).ok_or_else(|| {
                Error::domain("columns", format!("`{column}`"), format!("one of {}", self.columns.join(", ")))
            })
        };
        let places = columns.iter().map(find).collect::<Result<Vec<usize>>>()?;
        let columns: Vec<String> = places.iter().map(|&place| self.columns[place].clone()).collect();
        unique(&columns).map_err(|(column, allowed)| Error::domain("columns", format!("`{column}`"), allowed))?;
        Ok(Self { columns, values: self.values.select(Axis(1), &places), ..self.clone() })
    }
}

/// One line: the numbers themselves are a call away.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns) = self.values.dim();
        write!(f, "Table {}: {rows} rows, {columns} columns ({}), ", self.name, crate::data::listed(&self.columns))?;
        write!(f, "from {}", self.dates[0])?;
        self.step.map_or(Ok(()), |step| write!(f, ", each after {step}"))
    }
}

/// What is wrong with a row, and what to do.
pub(super) struct Fault {
    pub what: String,
    pub remedy: &'static str,
}

const FORMS: &str = "written as 2016-07-01 00:00:00, 2016-07-01T00:00, 2016/7/1 0:00 or 2016-07-01";

/// A name that is missing or there twice, and what is needed instead.
pub(super) fn unique(columns: &[String]) -> Result<(), (&str, &'static str)> {
    let mut known = HashSet::new();
    for column in columns {
        if column.trim().is_empty() {
            return Err((column, "a name: give every column one"));
        }
        if !known.insert(column) {
            return Err((column, "there once only: give every column a name of its own"));
        }
    }
    Ok(())
}

/// The dates and their step, or the first row at fault.
pub(super) fn clocked(texts: &[&str], clock: Clock) -> Result<(Vec<NaiveDateTime>, Option<Step>), (usize, Fault)> {
    let mut dates: Vec<NaiveDateTime> = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let fault = |what: &str, remedy| Err((row, Fault { what: what.to_owned(), remedy }));
        let Some(date) = parsed(text) else { return fault("is no date", FORMS) };
        match dates.last() {
            Some(above) if date < *above => {
                return fault("comes before the row above it", "in order: sort the rows by date");
            }
            Some(above) if date == *above && clock == Clock::Even => {
                return fault("is the date of the row above it, too", "there once: remove one of the two rows");
            }
            _ => dates.push(date),
        }
    }
    let step = even(&dates);
    match (step, clock) {
        (Ok(step), _) => Ok((dates, step)),
        (Err(_), Clock::Uneven) => Ok((dates, None)),
        (Err((row, step)), Clock::Even) => {
            let gap = Step::Seconds((dates[row] - dates[row - 1]).num_seconds());
            let what = format!("comes {gap} after the row above it, where those before have {step} between them");
            let remedy = "one such step later: fill in the rows that are missing, or read it with `Clock::Uneven`";
            Err((row, Fault { what, remedy }))
        }
    }
}

/// The step, or the first row that does not keep it. Months are tried where a number of seconds does not do.
fn even(dates: &[NaiveDateTime]) -> Result<Option<Step>, (usize, Step)> {
    let [first, second, ..] = dates else { return Ok(None) };
    let seconds = (*second - *first).num_seconds();
    if seconds == 0 {
        return Err((1, Step::Seconds(0)));
    }
    let by_seconds = dates.windows(2).position(|pair| (pair[1] - pair[0]).num_seconds() != seconds);
    let Some(by_seconds) = by_seconds else { return Ok(Some(Step::Seconds(seconds))) };
    let month = |date: &NaiveDateTime| i64::from(date.year()) * 12 + i64::from(date.month0());
    let months = u32::try_from(month(second) - month(first)).unwrap_or(0);
    // From the first row each time, since the 31st of January comes back after February.
    let at = |row: usize| first.checked_add_months(Months::new(months.saturating_mul(row as u32)));
    match (0..dates.len()).position(|row| at(row) != Some(dates[row])) {
        None => Ok(Some(Step::Months(months))),
        Some(row) if row > by_seconds + 1 => Err((row, Step::Months(months))),
        Some(_) => Err((by_seconds + 1, Step::Seconds(seconds))),
    }
}

/// By the published files' forms: exchange_rate.csv has `1990/1/1 0:00`.
fn parsed(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    let (day, time) = text.split_once([' ', 'T']).map_or((text, None), |(day, time)| (day, Some(time)));
    let day = ["%Y-%m-%d", "%Y/%m/%d"].iter().find_map(|form| NaiveDate::parse_from_str(day, form).ok())?;
    let time = match time {
        None => NaiveTime::MIN,
        Some(time) => ["%H:%M:%S", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(time, form).ok())?,
    };
    Some(day.and_time(time))
}
