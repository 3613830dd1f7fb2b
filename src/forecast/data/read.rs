//! What series are in this file, and if none can be read: at which line not?

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use polars::prelude::{CsvReadOptions, DataFrame, DataType, Field, PolarsResult, Schema, SerReader};

use super::table::{clocked, unique};
use super::{Clock, Located, Table};
use crate::{Error, Result};

const DATE: &str = "date";

/// The series of a CSV file: a header, a column `date`, and numbers in every other column.
///
/// Published files are like this, and are read as they are. The table has the file's name; how dates are written is told at
/// [`Table::new`]. A constant column is a series too: [`Splits`](super::Splits) makes 0 of it.
///
/// # Errors
/// No such file, no row, no column `date`, no other column, a column without a name or with that of another; a cell that
/// is empty or no finite number, a row that is shorter or longer than the header, a date that is none or that `clock` does
/// not allow. The message names the line, the header being line 1, and the column.
///
/// ```
/// use mlnotes::forecast::data::{Clock, read_csv};
///
/// let path = std::env::temp_dir().join(format!("mlnotes_doc_{}.csv", std::process::id()));
/// std::fs::write(&path, "date,OT\n2016-07-01 00:00:00,30.5\n2016-07-01 01:00:00,27.8\n")?;
/// assert_eq!(read_csv(&path, Clock::Even)?.values(), ndarray::array![[30.5], [27.8]]);
/// std::fs::write(&path, "date,OT\n2016-07-01 00:00:00,30.5\n2016-07-01 01:00:00,warm\n")?;
/// assert!(read_csv(&path, Clock::Even).unwrap_err().to_string().contains("line 3, column `OT`: `warm` is no finite number"));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_csv(path: &Path, clock: Clock) -> Result<Table> {
    let fail = |reason: String| Error::file(path, reason);
    let columns = header(path)?;
    let Some(date) = columns.iter().position(|column| column == DATE) else {
        let first = crate::data::listed(&columns);
        return Err(fail(format!("has no column `date` but these: {first}; call the column with the times `date`")));
    };
    unique(&columns).map_err(|(column, allowed)| fail(format!("the column `{column}` must be {allowed}")))?;
    if columns.len() == 1 {
        return Err(fail("has no column but `date`: each series needs one".to_owned()));
    }
    let frame = typed(path, &columns).map_err(|error| fault(path, &columns, &error.to_string()))?;
    let rows = frame.height();
    if rows == 0 {
        return Err(fail("has a header and no row below it: each time needs one".to_owned()));
    }
    let unread = |error: polars::prelude::PolarsError| fault(path, &columns, &error.to_string());
    let mut values = Array2::zeros((rows, columns.len() - 1));
    let series = columns.iter().filter(|column| *column != DATE);
    for (column, mut target) in series.clone().zip(values.columns_mut()) {
        let numbers = frame.column(column).and_then(|column| column.f64()).map_err(unread)?;
        for (number, place) in numbers.iter().zip(&mut target) {
            *place = number.unwrap_or(f64::NAN);
        }
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(fault(path, &columns, "a cell is empty or no finite number"));
    }
    let dates = frame.column(&columns[date]).and_then(|column| column.str()).map_err(unread)?;
    let dates: Vec<&str> = dates.iter().map(|date| date.unwrap_or_default()).collect();
    // The table says rows; a reader who is to mend the file needs its lines.
    clocked(&dates, clock).map_err(|(row, fault)| {
        let text = dates[row];
        fail(format!("line {}, column `date`: `{text}` {}, but it must be {}", row + 2, fault.what, fault.remedy))
    })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Table::new(&name, &dates, &series.collect::<Vec<_>>(), values, clock)
}

impl Located {
    /// Reads the file. A published set has its name, and must have its rows and columns.
    ///
    /// # Errors
    /// As [`read_csv`]; a file that cannot be the published one.
    pub fn read(&self) -> Result<Table> {
        let table = read_csv(&self.path, self.clock())?;
        let Some(set) = self.set else { return Ok(table) };
        let (rows, channels) = table.values().dim();
        if (rows, channels) == (set.rows, set.channels) {
            return Ok(table);
        }
        let reason = format!(
            "has {rows} rows and {channels} series, but {} as published has {} and {}: fetch it anew, or give the path to use \
             this file as one of your own",
            set.name, set.rows, set.channels
        );
        Err(Error::file(&self.path, reason))
    }
}

/// The names in the first line, as they stand: polars would number one that is there twice.
fn header(path: &Path) -> Result<Vec<String>> {
    let Some(line) = lines(path)?.next() else {
        return Err(Error::file(path, "is empty: a header `date,…` and rows are needed"));
    };
    Ok(cells(&line?).iter().map(|cell| cell.trim().to_owned()).collect())
}

/// All rows: dates as text, the rest as numbers.
fn typed(path: &Path, columns: &[String]) -> PolarsResult<DataFrame> {
    let kind = |column: &str| if column == DATE { DataType::String } else { DataType::Float64 };
    let schema: Schema = columns.iter().map(|column| Field::new(column.as_str().into(), kind(column))).collect();
    let options =
        CsvReadOptions::default().with_has_header(true).with_schema(Some(Arc::new(schema))).with_rechunk(true);
    read(path, options)
}

fn read(path: &Path, options: CsvReadOptions) -> PolarsResult<DataFrame> {
    options.try_into_reader_with_file_path(Some(path.to_owned()))?.finish()
}

/// The first cell that is to blame, which polars does not name: the file once more, line by line.
fn fault(path: &Path, columns: &[String], otherwise: &str) -> Error {
    let fail = |reason: String| Error::file(path, reason);
    let lines = match lines(path) {
        Ok(lines) => lines,
        Err(error) => return error,
    };
    for (number, line) in (1..).zip(lines).skip(1) {
        let line = match line {
            Ok(line) => line,
            Err(error) => return error,
        };
        if line.trim().is_empty() {
            return fail(format!("line {number} is blank: remove it"));
        }
        if line.matches('"').count() % 2 == 1 {
            return fail(format!("line {number} has a quotation mark without its other half: remove it or add that"));
        }
        let cells = cells(&line);
        if cells.len() != columns.len() {
            let (has, needed) = (cells.len(), columns.len());
            let remedy = "give every row a cell for each column";
            return fail(format!("line {number} has {has} cells, but the header has {needed}: {remedy}"));
        }
        for (column, cell) in columns.iter().zip(cells).filter(|(column, _)| *column != DATE) {
            let what = match cell.parse::<f64>() {
                Ok(value) if value.is_finite() => continue,
                _ if cell.is_empty() => "is empty: fill it in, or remove the column".to_owned(),
                _ => format!("`{cell}` is no finite number: correct it, or remove the column"),
            };
            return fail(format!("line {number}, column `{column}`: {what}"));
        }
    }
    fail(format!("cannot be read ({}): is it a CSV file?", otherwise.lines().next().unwrap_or_default()))
}

/// The lines of a text file without their ends and without the mark with which some programs begin one.
fn lines(path: &Path) -> Result<impl Iterator<Item = Result<String>>> {
    let unread = move |error| Error::file(path, format!("cannot be read ({error}): is it a CSV file?"));
    let file = File::open(path).map_err(unread)?;
    Ok((1..).zip(BufReader::new(file).split(b'\n')).map(move |(number, line)| {
        let text = String::from_utf8(line.map_err(unread)?).map_err(|_| {
            Error::file(path, format!("line {number} is not text in UTF-8: save the file in that encoding"))
        })?;
        Ok(text.trim_start_matches('\u{feff}').trim_end_matches('\r').to_owned())
    }))
}

/// Cut at the commas that are not within quotes.
fn cells(line: &str) -> Vec<&str> {
    let mut quoted = false;
    let comma = |letter: char| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    };
    line.split(comma).map(|cell| cell.trim_matches('"')).collect()
}
