//! Where is what in the checkout?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::notebook::Notebook;
use crate::session::{dependencies, library};

/// The checkout this program was built from, set by `.cargo/config.toml`.
const BUILT_FROM: &str = env!("MLNOTES_CHECKOUT", "build this program inside its checkout, with `cargo notebooks`");

/// The checkout that the command works on.
pub struct Project {
    /// The folder with the library's Cargo.toml.
    pub root: PathBuf,
}

impl Project {
    /// The checkout around the current directory, else the one this program was built from.
    pub fn find() -> Self {
        let here = std::env::current_dir().unwrap_or_default();
        let is_root = |dir: &&Path| dir.join("notebooks/runner/Cargo.toml").exists();
        Self { root: here.ancestors().find(is_root).unwrap_or(Path::new(BUILT_FROM)).to_owned() }
    }

    /// The folder with the notebooks.
    pub fn notebooks(&self) -> PathBuf {
        self.root.join("notebooks")
    }

    /// The versions that every build here uses.
    pub fn cargo_lock(&self) -> PathBuf {
        self.root.join("Cargo.lock")
    }

    /// Where the book goes: `book` in the build's target folder.
    pub fn book(&self) -> PathBuf {
        crate::slot::target().unwrap_or_else(|| self.root.join("target")).join("book")
    }

    /// Makes sure that cells can be compiled: their crates must not look like forgotten members of our workspace.
    ///
    /// # Errors
    /// A sentence, if they lie in the checkout elsewhere than in `target`, which the workspace excludes.
    pub fn require_cells_apart(&self) -> Result<(), String> {
        let cells = std::path::absolute(crate::slot::home()).unwrap_or_default();
        if cells.starts_with(&self.root) && !cells.starts_with(self.root.join("target")) {
            let cells = cells.display();
            return Err(format!(
                "cells would be compiled in {cells}, where cargo takes them for crates of this workspace: set \
                 CARGO_TARGET_DIR to `target` or to a folder outside the checkout"
            ));
        }
        Ok(())
    }

    /// All notebooks, by name.
    ///
    /// # Errors
    /// A sentence, if there are none.
    pub fn all(&self) -> Result<Vec<PathBuf>, String> {
        let folder = self.notebooks();
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ipynb"))
            .collect();
        paths.sort();
        if paths.is_empty() { Err(format!("{}: no notebooks here", folder.display())) } else { Ok(paths) }
    }

    /// The notebooks that `names` mean: names with or without `.ipynb`, their beginnings (`01`), or paths. All, if none
    /// is given.
    ///
    /// # Errors
    /// A sentence with the choices, for a name that means nothing.
    pub fn select(&self, names: &[String]) -> Result<Vec<PathBuf>, String> {
        if names.is_empty() {
            return self.all();
        }
        names.iter().map(|wanted| self.find_notebook(wanted)).collect()
    }

    /// The ways in which these notebooks ask for the library, its default features first; a file that is no notebook asks
    /// for nothing.
    ///
    /// # Errors
    /// A sentence, if the library is not there.
    pub fn dependencies(&self, paths: &[PathBuf]) -> Result<BTreeSet<String>, String> {
        let asked = paths.iter().filter_map(|path| dependencies(&Notebook::read(path).ok()?, path.parent()?));
        Ok(std::iter::once(library(&self.root)?).chain(asked).collect())
    }

    fn find_notebook(&self, wanted: &str) -> Result<PathBuf, String> {
        let as_path = Path::new(wanted);
        if as_path.exists() || as_path.components().count() > 1 {
            // What is wrong with it is said when it is read.
            return std::path::absolute(as_path).map_err(|error| format!("{wanted}: {error}"));
        }
        let all = self.all()?;
        let stem = wanted.trim_end_matches(".ipynb");
        let exact = all.iter().find(|path| name(path) == stem);
        exact.or_else(|| all.iter().find(|path| name(path).starts_with(stem))).cloned().ok_or_else(|| {
            let choices: Vec<String> = all.iter().map(|path| name(path)).collect();
            format!("no notebook `{wanted}`: there are {}", choices.join(", "))
        })
    }
}

/// A notebook's name: its file's, without the ending.
pub fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
