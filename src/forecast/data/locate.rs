//! Where on this machine is the file?

use std::path::{Path, PathBuf};

use super::{Clock, DataSet, Rule};
use crate::{Error, Result};

/// The folders in which data sets are looked for, in this order: the one that the environment variable `MLNOTES_DATA`
/// names, and `mlnotes` in the user's data directory (`$XDG_DATA_HOME` or `~/.local/share` on Linux). Downloads go to the
/// first.
///
/// # Errors
/// Neither is known, because the variable is not set and the user has no home.
pub fn folders() -> Result<Vec<PathBuf>> {
    let named = std::env::var_os("MLNOTES_DATA").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let own = dirs::data_dir().map(|folder| folder.join("mlnotes"));
    let folders: Vec<PathBuf> = named.into_iter().chain(own).collect();
    if folders.is_empty() {
        let remedy = "set the environment variable MLNOTES_DATA to a folder for data sets: no home directory is known";
        return Err(Error::Empty { arg: "MLNOTES_DATA", remedy });
    }
    Ok(folders)
}

/// A file that is there, and what is published about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The file.
    pub path: PathBuf,
    /// The published set that was asked for; none where a path was.
    pub set: Option<&'static DataSet>,
}

impl Located {
    /// Looks for a published set in the [`folders`], or for a file at a path.
    ///
    /// # Errors
    /// As [`among`](Self::among).
    pub fn find(data: &str) -> Result<Self> {
        // A path needs no folder.
        Self::among(data, &folders().unwrap_or_default())
    }

    /// Looks for a published set in these folders, there also in a folder of its own as in the published programs
    /// (`ETT-small/ETTh1.csv`), or for a file at a path, which is what has a separator in it or ends in `.csv`.
    ///
    /// # Errors
    /// A name that is none of the published sets; no such file, with what to do about it.
    ///
    /// ```
    /// use mlnotes::forecast::data::Located;
    ///
    /// let error = Located::among("ETTh1", &["nowhere".into()]).unwrap_err().to_string();
    /// assert!(error.contains("cargo forecast fetch ETTh1"));
    /// assert!(Located::among("ETTh3", &[]).unwrap_err().to_string().contains("one of ETTh1, ETTh2"));
    /// ```
    pub fn among(data: &str, folders: &[PathBuf]) -> Result<Self> {
        let path = Path::new(data);
        if data.contains(['/', std::path::MAIN_SEPARATOR]) || path.extension().is_some_and(|end| end == "csv") {
            if path.is_file() {
                return Ok(Self { path: path.to_owned(), set: None });
            }
            return Err(Error::file(
                path,
                "there is no such file: give the path of a CSV file or a published set's name",
            ));
        }
        let set = DataSet::named(data)?;
        let places = folders.iter().flat_map(|folder| [folder.join(set.file), folder.join(set.folder).join(set.file)]);
        if let Some(path) = places.into_iter().find(|path| path.is_file()) {
            return Ok(Self { path, set: Some(set) });
        }
        let Some(first) = folders.first() else {
            let remedy = "set the environment variable MLNOTES_DATA to the folder with the data sets";
            return Err(Error::Empty { arg: "MLNOTES_DATA", remedy });
        };
        let elsewhere: String =
            folders[1..].iter().map(|folder| format!(", nor is it in {}", folder.display())).collect();
        let reason = format!(
            "the file of {name} is not there{elsewhere}: `cargo forecast fetch {name}` downloads it; or set MLNOTES_DATA to \
             the folder that has it",
            name = set.name
        );
        Err(Error::file(first.join(set.file), reason))
    }

    /// The set's rule, or [`Rule::PUBLISHED`] for any other file.
    pub fn rule(&self) -> Rule {
        self.set.map_or(Rule::PUBLISHED, |set| set.rule)
    }

    /// The set's clock; of any other file an even one is expected.
    pub fn clock(&self) -> Clock {
        self.set.map_or(Clock::Even, |set| set.clock)
    }
}
