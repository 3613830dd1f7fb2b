//! What came out.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::checkpoint::replace;
use super::settings::Settings;
use crate::{Error, Result};

/// Errors over windows, steps and channels of standardised data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Σ (ŷ − y)² / n.
    pub mse: f64,
    /// Σ |ŷ − y| / n.
    pub mae: f64,
}

/// What came out of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// η.
    pub learning_rate: f64,
    /// The mean loss of its iterations, each before its step.
    pub train: f64,
    /// Over every validation window.
    pub validation: Scores,
    /// Over every test window. Nothing is decided by it.
    pub test: Scores,
    /// Validation and test included.
    pub seconds: f64,
}

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its name.
    pub model: String,
    /// Its name.
    pub data: String,
    /// L.
    pub seq_len: usize,
    /// H.
    pub pred_len: usize,
    /// V.
    pub channels: usize,
    /// How many there were for training, validation and test.
    pub windows: [usize; 3],
    /// How many numbers were learned.
    pub parameters: usize,
    /// How it was trained.
    pub settings: Settings,
    /// What else it depends on: [`Run::note`](super::Run::note).
    pub notes: BTreeMap<String, String>,
    /// The epoch whose weights were tested; none for a model that does not learn.
    pub best_epoch: Option<usize>,
    /// All epochs.
    pub epochs: Vec<Epoch>,
    /// Of the best epoch's weights.
    pub test: Scores,
    /// Of training, validation included, over all sessions.
    pub seconds: f64,
    /// The median in the last session; none if there was no iteration.
    pub seconds_per_iteration: Option<f64>,
    /// Bytes that the process held at most, where the system tells.
    pub peak_memory: Option<u64>,
}

/// A line of the table of results.
///
/// ```
/// use mlnotes::forecast::experiment::Line;
///
/// let path = std::env::temp_dir().join("mlnotes-doctest-results.csv");
/// # let _ = std::fs::remove_file(&path);
/// let line = Line { model: "LastValue".into(), data: "ETTh1".into(), pred_len: 96, mse: 1.3, mae: 0.71, ..Line::default() };
/// line.append(&path)?;
/// line.append(&path)?;
/// assert_eq!(Line::read(&path)?, [line.clone(), line]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What the caller calls it.
    pub model_id: String,
    /// Its name.
    pub model: String,
    /// Its name.
    pub data: String,
    /// L.
    pub seq_len: usize,
    /// H.
    pub pred_len: usize,
    /// Of training.
    pub seed: u32,
    /// Of the test.
    pub mse: f64,
    /// Of the test.
    pub mae: f64,
    /// 0 for a model that does not learn.
    pub best_epoch: usize,
    /// How many there were.
    pub epochs: usize,
    /// How many numbers were learned.
    pub parameters: usize,
    /// Of training.
    pub seconds: f64,
    /// The median, if there was one in this session.
    pub seconds_per_iteration: Option<f64>,
    /// 2²⁰ bytes.
    pub peak_mib: Option<u64>,
    /// At most so many.
    pub threads: usize,
    /// What else it depends on, `name=value` with spaces between.
    pub settings: String,
    /// What made it.
    pub command: String,
}

impl Line {
    /// The line of a report.
    pub fn new(report: &Report, model_id: &str, threads: usize, command: &str) -> Self {
        let Report { model, data, seq_len, pred_len, settings, test, .. } = report;
        let mut all = report.notes.clone();
        if let Ok(serde_json::Value::Object(settings)) = serde_json::to_value(settings) {
            all.extend(settings.into_iter().map(|(name, value)| (name, value.to_string())));
        }
        let all: Vec<String> = all.iter().map(|(name, value)| format!("{name}={}", value.trim_matches('"'))).collect();
        Self {
            model_id: model_id.to_owned(),
            model: model.clone(),
            data: data.clone(),
            seq_len: *seq_len,
            pred_len: *pred_len,
            seed: settings.seed,
            mse: test.mse,
            mae: test.mae,
            best_epoch: report.best_epoch.unwrap_or(0),
            epochs: report.epochs.len(),
            parameters: report.parameters,
            seconds: report.seconds,
            seconds_per_iteration: report.seconds_per_iteration,
            peak_mib: report.peak_memory.map(|bytes| bytes >> 20),
            threads,
            settings: all.join(" "),
            command: command.to_owned(),
        }
    }

    /// Adds it to a CSV file, below a header if the file is new; all of the line or none.
    ///
    /// # Errors
    /// A file with another header, or that cannot be written.
    pub fn append(&self, path: &Path) -> Result<()> {
        append(path, std::slice::from_ref(self))
    }

    /// All lines of a file.
    ///
    /// # Errors
    /// A file that cannot be read, or whose lines are none, with the first that is not.
    pub fn read(path: &Path) -> Result<Vec<Self>> {
        read(path)
    }
}

/// A line of the table of epochs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochLine {
    /// What the caller calls the run.
    pub model_id: String,
    /// Its name.
    pub model: String,
    /// Its name.
    pub data: String,
    /// H.
    pub pred_len: usize,
    /// Of training.
    pub seed: u32,
    /// Counted from 1.
    pub epoch: usize,
    /// η.
    pub learning_rate: f64,
    /// The mean loss of its iterations.
    pub train: f64,
    /// Over every validation window.
    pub validation_mse: f64,
    /// The same.
    pub validation_mae: f64,
    /// Over every test window.
    pub test_mse: f64,
    /// The same.
    pub test_mae: f64,
    /// Validation and test included.
    pub seconds: f64,
}

impl EpochLine {
    /// A report's epochs, one line each.
    pub fn all(report: &Report, model_id: &str) -> Vec<Self> {
        let line = |epoch: &Epoch| Self {
            model_id: model_id.to_owned(),
            model: report.model.clone(),
            data: report.data.clone(),
            pred_len: report.pred_len,
            seed: report.settings.seed,
            epoch: epoch.epoch,
            learning_rate: epoch.learning_rate,
            train: epoch.train,
            validation_mse: epoch.validation.mse,
            validation_mae: epoch.validation.mae,
            test_mse: epoch.test.mse,
            test_mae: epoch.test.mae,
            seconds: epoch.seconds,
        };
        report.epochs.iter().map(line).collect()
    }

    /// Adds lines to a CSV file, as [`Line::append`].
    ///
    /// # Errors
    /// As there.
    pub fn append(lines: &[Self], path: &Path) -> Result<()> {
        append(path, lines)
    }

    /// All lines of a file, as [`Line::read`].
    ///
    /// # Errors
    /// As there.
    pub fn read(path: &Path) -> Result<Vec<Self>> {
        read(path)
    }
}

fn rows<T: Serialize>(lines: &[T], header: bool) -> csv::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(header).from_writer(Vec::new());
    lines.iter().try_for_each(|line| writer.serialize(line))?;
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// Names of the columns, with the end of the line.
fn header<T: Serialize + Default>() -> csv::Result<Vec<u8>> {
    let line = [T::default()];
    let (mut all, alone) = (rows(&line, true)?, rows(&line, false)?.len());
    all.truncate(all.len() - alone);
    Ok(all)
}

fn append<T: Serialize + Default>(path: &Path, lines: &[T]) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::file(path, format!("the result cannot be added there ({error}): make room, or name another file"))
    };
    let (header, alone) = (header::<T>(), rows(lines, false));
    let (header, alone) = (header.map_err(|error| failed(&error))?, alone.map_err(|error| failed(&error))?);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    let open = OpenOptions::new().read(true).append(true).create(true).open(path);
    let mut file = open.map_err(|error| failed(&error))?;
    let end = file.seek(SeekFrom::End(0)).map_err(|error| failed(&error))?;
    if end > 0 {
        let (mut there, mut last) = (vec![0; header.len()], [0]);
        let same = (|| {
            file.rewind()?;
            file.read_exact(&mut there)?;
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)
        })();
        if same.is_err() || there != header || last != *b"\n" {
            let reason = "has another header than results have: move it away, or name another file";
            return Err(Error::file(path, reason));
        }
    }
    let text = if end == 0 { [header, alone].concat() } else { alone };
    if let Err(error) = file.write_all(&text).and_then(|()| file.sync_data()) {
        // Half a line would spoil the file.
        let _ = file.set_len(end);
        return Err(failed(&error));
    }
    Ok(())
}

fn read<T: Serialize + DeserializeOwned + Default>(path: &Path) -> Result<Vec<T>> {
    let file = File::open(path).map_err(|error| {
        Error::file(path, format!("the results cannot be read ({error}): train a model first, or name their file"))
    })?;
    let other = |what: &dyn std::fmt::Display| {
        Error::file(path, format!("is not a table of results ({what}): correct it, or name another file"))
    };
    let mut reader = csv::Reader::from_reader(file);
    let names = reader.byte_headers().map_err(|error| other(&error))?;
    let expected = header::<T>().map_err(|error| other(&error))?;
    if names.iter().ne(expected.trim_ascii_end().split(|byte| *byte == b',')) {
        return Err(other(&"its header is another"));
    }
    let lines: csv::Result<Vec<T>> = reader.deserialize().collect();
    lines.map_err(|error| other(&error))
}

impl Report {
    /// Writes it as JSON, whole or not at all.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::file(path, format!("the report cannot be written ({error}): make room, or choose another folder"))
        };
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| failed(&error))?;
        json.push(b'\n');
        replace(path, &json).map_err(|error| failed(&error))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// A file that is missing or is no report.
    pub fn load(path: &Path) -> Result<Self> {
        let json = std::fs::read(path).map_err(|error| Error::file(path, format!("cannot be read ({error})")))?;
        let report = serde_json::from_slice(&json);
        report.map_err(|error| Error::file(path, format!("is not a report ({error}): train again, or remove it")))
    }
}

/// VmHWM of Linux.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
