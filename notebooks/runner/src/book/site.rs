//! The book's folder, replaced as a whole.

use std::fs;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

use super::BookError;

/// The line in `index.html` by which a folder is known to be a book.
pub const MARK: &str = "<meta name=\"generator\" content=\"mlnotes book\">";

/// A file of the book.
pub struct File {
    name: String,
    content: Content,
}

enum Content {
    Text(String),
    CopyOf(PathBuf),
}

impl File {
    /// A file with this text.
    pub fn text(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), content: Content::Text(text) }
    }

    /// A copy of another file.
    pub fn copy(name: &str, source: &Path) -> Self {
        Self { name: name.to_owned(), content: Content::CopyOf(source.to_owned()) }
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(&self.name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match &self.content {
            Content::Text(text) => fs::write(path, text),
            Content::CopyOf(source) => fs::copy(source, path).map(drop),
        }
    }
}

/// Writes the files into a new folder and puts it where `out` is.
pub fn publish(files: &[File], out: &Path) -> std::result::Result<(), BookError> {
    let fail = |error: Error| BookError::File { path: out.to_owned(), error };
    // Behind a link, the folder is replaced and not the link.
    let out = if out.is_symlink() { fs::canonicalize(out).map_err(fail)? } else { out.to_owned() };
    if !may_replace(&out).map_err(fail)? {
        return Err(BookError::NotABook(out));
    }
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(fail)?;
    // Dropped, this folder goes with what is left in it: the old book, or half of a new one.
    let aside = tempfile::Builder::new().prefix(".book-").tempdir_in(parent).map_err(fail)?;
    let (new, old) = (aside.path().join("new"), aside.path().join("old"));
    fs::create_dir(&new).map_err(fail)?;
    for file in files {
        file.write(&new).map_err(|error| BookError::File { path: out.join(&file.name), error })?;
    }
    swap(&new, &out, &old).map_err(fail)
}

fn swap(new: &Path, out: &Path, old: &Path) -> Result<()> {
    let had_old = out.exists();
    if had_old {
        fs::rename(out, old)?;
    }
    fs::rename(new, out).inspect_err(|_| {
        if had_old {
            let _ = fs::rename(old, out);
        }
    })
}

/// Nothing there, an empty folder, or a book.
fn may_replace(out: &Path) -> Result<bool> {
    if !out.exists() {
        return Ok(true);
    }
    if !out.is_dir() {
        return Ok(false);
    }
    let is_empty = fs::read_dir(out)?.next().is_none();
    Ok(is_empty || fs::read_to_string(out.join("index.html")).is_ok_and(|index| index.contains(MARK)))
}
