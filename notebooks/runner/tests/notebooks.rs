//! Notebooks made for a test, and the program run on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The line that a notebook must end with.
pub const LEDGER: &str = r#"println!("CHECKS 1/1");"#;

/// A folder of notebooks.
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.ipynb"))
    }

    /// Writes any text as a notebook file.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A notebook with these code cells.
    pub fn notebook(&self, name: &str, cells: &[&str]) -> PathBuf {
        let cells: Vec<Value> = cells.iter().map(|source| code(source, &[])).collect();
        self.write(name, notebook(&cells).to_string())
    }

    /// A notebook with tagged code cells.
    pub fn tagged(&self, name: &str, cells: &[(&str, &[&str])]) -> PathBuf {
        let cells: Vec<Value> = cells.iter().map(|(source, tags)| code(source, tags)).collect();
        self.write(name, notebook(&cells).to_string())
    }
}

pub fn code(source: &str, tags: &[&str]) -> Value {
    let metadata = if tags.is_empty() { json!({}) } else { json!({ "tags": tags }) };
    json!({ "cell_type": "code", "execution_count": null, "metadata": metadata, "outputs": [], "source": source })
}

pub fn notebook(cells: &[Value]) -> Value {
    json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5 })
}

/// `cargo notebooks run` on these files, without the book.
pub fn command(paths: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notebooks-runner"));
    command.arg("run").args(paths);
    command
}

pub fn run(paths: &[&Path], options: &[&str]) -> Ran {
    Ran::from(command(paths).args(options).output().unwrap())
}

/// What the program said.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// The one line that says what is wrong with `name`.
    #[track_caller]
    pub fn complaint(&self, name: &str) -> &str {
        let lines: Vec<&str> = self.stderr.lines().filter(|line| line.contains(name) && line.contains(": ")).collect();
        assert_eq!(lines.len(), 1, "one line about {name} was wanted:\n{}", self.stderr);
        lines[0]
    }
}

/// The notebook file as JSON.
pub fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
