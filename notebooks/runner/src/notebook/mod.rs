//! What is in an `.ipynb` file, and how is it written so that git sees no change where there is none?
//!
//! A thin view of nbformat 4 over the file's JSON, which is kept whole: fields this program does not know survive.
//! It is written byte for byte as Jupyter writes it (sorted keys, one space of indentation, text split into lines),
//! so that a notebook saved here and then in JupyterLab differs only where somebody edited it.
//!
//! Format: <https://nbformat.readthedocs.io/en/latest/format_description.html>.

mod check;
mod file;
mod heading;
mod json;
mod output;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

pub use output::Output;
use output::{joined, split_in_place, split_lines};

/// A notebook: its file's JSON, checked to have the shape of nbformat 4.
#[derive(Clone, Debug, PartialEq)]
pub struct Notebook {
    path: PathBuf,
    json: Value,
}

/// What is wrong with a notebook file and what to do about it: one sentence that begins with the path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct NotebookError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and the remedy.
    pub reason: String,
}

impl NotebookError {
    fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Prose.
    Markdown,
    /// Something to execute.
    Code,
    /// Text for another program; neither executed nor shown.
    Raw,
}

/// One cell of a [`Notebook`].
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    json: &'a Value,
}

impl<'a> Cell<'a> {
    /// Prose, code or raw.
    pub fn kind(&self) -> Kind {
        match self.json["cell_type"].as_str() {
            Some("markdown") => Kind::Markdown,
            Some("code") => Kind::Code,
            _ => Kind::Raw,
        }
    }

    /// The text, its lines joined.
    pub fn source(&self) -> String {
        joined(&self.json["source"]).unwrap_or_default()
    }

    /// What executing the cell gave, as stored.
    pub fn outputs(&self) -> Vec<Output> {
        self.json["outputs"].as_array().into_iter().flatten().filter_map(Output::from_json).collect()
    }

    /// The number in the cell's brackets, if it has been executed.
    pub fn execution_count(&self) -> Option<u64> {
        self.json["execution_count"].as_u64()
    }

    /// The tags from the cell's metadata.
    pub fn tags(&self) -> Vec<&'a str> {
        self.json["metadata"]["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Whether the cell's outputs change from run to run (timings): tag `volatile`.
    pub fn is_volatile(&self) -> bool {
        self.tags().contains(&"volatile")
    }

    /// A file attached to the cell (`![](attachment:name)`), as its MIME type and base64 text.
    pub fn attachment(&self, name: &str) -> Option<(&'a str, String)> {
        let (mime, data) = self.json["attachments"].get(name)?.as_object()?.iter().next()?;
        Some((mime, joined(data)?))
    }
}

impl Notebook {
    /// Reads and checks a notebook file.
    ///
    /// # Errors
    /// The file is missing, a directory, not UTF-8, not JSON or cut short; it is of another nbformat than 4, holds no
    /// cells or a malformed one, or was written for another language than Rust.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, NotebookError> {
        let path = path.as_ref();
        Self::parse(path, &file::read(path)?)
    }

    /// The notebook in `text`; `path` is where it came from, for messages and [`Notebook::path`].
    ///
    /// # Errors
    /// As for [`Notebook::read`], but for those of the file itself.
    pub fn parse(path: impl AsRef<Path>, text: &str) -> Result<Self, NotebookError> {
        let path = path.as_ref();
        let json = check::parse(text).map_err(|reason| NotebookError::new(path, reason))?;
        Ok(Self { path: path.to_owned(), json })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All cells, in order.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        self.json["cells"].as_array().into_iter().flatten().map(|json| Cell { json })
    }

    /// The first heading of level one in the Markdown cells, as plain text.
    pub fn title(&self) -> Option<String> {
        heading::title(&self.markdown())
    }

    /// The first paragraph between the title and the next heading, as Markdown.
    pub fn subtitle(&self) -> Option<String> {
        heading::subtitle(&self.markdown())
    }

    /// Replaces the outputs of the code cell number `code_cell` (counted from 0 among code cells only).
    ///
    /// # Errors
    /// There are not so many code cells.
    pub fn set_outputs(
        &mut self,
        code_cell: usize,
        outputs: &[Output],
        execution_count: Option<u64>,
    ) -> Result<(), NotebookError> {
        let mut code = objects_mut(&mut self.json["cells"]).filter(|cell| is_code(cell));
        let Some(cell) = code.nth(code_cell) else {
            return Err(NotebookError::new(&self.path, format!("it has no code cell number {code_cell} (from 0)")));
        };
        let outputs = outputs.iter().map(|output| output.to_json(execution_count)).collect();
        cell.insert("outputs".into(), Value::Array(outputs));
        cell.insert("execution_count".into(), json!(execution_count));
        Ok(())
    }

    /// Makes everything that is not content the same in every notebook: kernel, format version, cell ids, text split
    /// into lines, and no trace of when and in which window it ran.
    pub fn normalise(&mut self) {
        let Some(notebook) = self.json.as_object_mut() else { return };
        let metadata = object_entry(notebook, "metadata");
        metadata.remove("execution");
        metadata.insert(
            "kernelspec".into(),
            json!({ "display_name": "Rust (mlnotes)", "language": "rust", "name": "mlnotes" }),
        );
        metadata.insert(
            "language_info".into(),
            json!({
                "codemirror_mode": "rust", "file_extension": ".rs", "mimetype": "text/x-rust", "name": "rust",
                "pygments_lexer": "rust", "version": "",
            }),
        );
        let minor = notebook.get("nbformat_minor").and_then(Value::as_u64).unwrap_or(0).max(5);
        notebook.insert("nbformat_minor".into(), json!(minor));
        objects_mut(&mut self.json["cells"]).for_each(normalise_cell);
        self.complete_ids();
    }

    /// The file's text, exactly as Jupyter would write it.
    pub fn to_json(&self) -> String {
        json::to_string(&self.json)
    }

    /// Writes the notebook to `path` so that a kill at any moment leaves the old file or the new one, never half of
    /// one, and says whether it had to: equal bytes are left alone. A link is followed; permissions stay.
    ///
    /// # Errors
    /// The folder or the file cannot be written; the old file is then untouched.
    pub fn write_atomically(&self, path: impl AsRef<Path>) -> Result<bool, NotebookError> {
        file::write_atomically(path.as_ref(), self.to_json().as_bytes())
    }

    fn markdown(&self) -> Vec<String> {
        self.cells().filter(|cell| cell.kind() == Kind::Markdown).map(|cell| cell.source()).collect()
    }

    /// Gives each cell without a valid id of its own one that depends only on its place.
    fn complete_ids(&mut self) {
        let is_valid = |id: &str| {
            (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let mut taken = BTreeSet::new();
        let mut lacking = Vec::new();
        for (index, cell) in objects_mut(&mut self.json["cells"]).enumerate() {
            match cell.get("id").and_then(Value::as_str) {
                Some(id) if is_valid(id) && taken.insert(id.to_owned()) => {}
                _ => lacking.push((index, cell)),
            }
        }
        for (index, cell) in lacking {
            let mut id = format!("cell-{index:02}");
            while !taken.insert(id.clone()) {
                id.push('x');
            }
            cell.insert("id".into(), id.into());
        }
    }
}

fn normalise_cell(cell: &mut Map<String, Value>) {
    let metadata = object_entry(cell, "metadata");
    for noise in ["execution", "collapsed", "scrolled"] {
        metadata.remove(noise);
    }
    if let Some(source) = cell.get_mut("source") {
        let text = joined(source).unwrap_or_default();
        *source = split_lines(&text);
    }
    if is_code(cell) {
        cell.entry("execution_count").or_insert(Value::Null);
        let outputs = cell.entry("outputs").or_insert_with(|| json!([]));
        objects_mut(outputs).for_each(split_in_place);
    }
}

fn is_code(cell: &Map<String, Value>) -> bool {
    cell.get("cell_type").is_some_and(|kind| kind == "code")
}

fn objects_mut(list: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The object at `key`, made (or made an object) where it is not one.
fn object_entry<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = parent.entry(key).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was just made one")
}
