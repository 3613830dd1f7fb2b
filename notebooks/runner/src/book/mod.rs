//! How do notebooks become a book that a browser shows without a server, a script or a network?
//!
//! Each notebook becomes a page: Markdown by pulldown-cmark, formulas as MathML by pulldown-latex, code coloured by
//! syntect, outputs as the notebook stores them. What a notebook holds is data: whatever HTML comes out of it passes
//! through `clean` last, so no page can run a script or fetch anything.
//!
//! ```text
//! notebook ─┬─ Markdown cell ── markdown ── math, code ──┐
//!           └─ code cell ────── cell ────── highlight ───┴── clean ── page ── site (written aside, swapped in)
//! ```

mod cell;
mod clean;
mod code;
mod css;
mod html;
mod image;
mod markdown;
mod math;
mod page;
mod site;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::notebook::{Kind, Notebook};
use code::Highlighter;
use image::Images;
use page::Page;

/// A notebook and the name of its page.
#[derive(Clone, Debug)]
pub struct Source {
    /// The page's name, which is the notebook's file name without its ending: `01_perceptron`.
    pub name: String,
    /// What the page shows.
    pub notebook: Notebook,
}

/// Why there is no new book, or what is wrong in it.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// There is nothing to show.
    #[error("a book needs at least one notebook: put one (`NN_topic.ipynb`) into the notebooks' folder")]
    Empty,
    /// A name that cannot be a page's, or occurs twice.
    #[error("no page can be named {0:?}: give each notebook a name of its own, of letters, digits, `_`, `-` and `.`")]
    Name(String),
    /// The folder holds something else, which is not ours to replace.
    #[error("{}: this folder is not a book, so it is left alone: name another, or empty it first", .0.display())]
    NotABook(PathBuf),
    /// A file could not be written.
    #[error("{}: the book cannot be written ({error}); the old one is as it was", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The book has been written, but parts of it are marked as faulty: the list says which.
    #[error("the book has {} fault{}:{}", .0.len(), if .0.len() == 1 { "" } else { "s" }, list(.0))]
    Faults(Vec<Fault>),
}

/// Something in a notebook that cannot be shown as it was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The notebook's name.
    pub notebook: String,
    /// The cell, counted from 1 as all cells are in Jupyter.
    pub cell: usize,
    /// What is wrong and what to do.
    pub what: String,
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|f| format!("\n  {}, cell {}: {}", f.notebook, f.cell, f.what)).collect()
}

/// Renders the notebooks, in the order given, into a static site at `out`: `index.html`, a page per notebook,
/// `style.css`, and the image files that the notebooks refer to.
///
/// The site is written beside `out` and then put in its place, so that a failure leaves the old book whole and no page
/// of it stays behind.
///
/// # Errors
/// No notebook, an unusable name, a folder that holds something else than a book, or a file that cannot be written: all
/// these leave `out` as it was. [`BookError::Faults`] (a formula that cannot be read, an image that is missing) comes
/// after the new book is in place, where each fault is visible.
pub fn render(notebooks: &[Source], out: &Path) -> Result<(), BookError> {
    check_names(notebooks)?;
    let names: BTreeSet<&str> = notebooks.iter().map(|source| source.name.as_str()).collect();
    let highlighter = Highlighter::new();
    let pages: Vec<Page> = notebooks.iter().map(|source| render_page(source, &names, &highlighter)).collect();

    let mut files = vec![site::File::text("style.css", format!("{}{}", include_str!("style.css"), code::style()))];
    files.push(site::File::text("index.html", page::index(&pages)));
    for (index, page) in pages.iter().enumerate() {
        let previous = index.checked_sub(1).and_then(|i| pages.get(i));
        files.push(site::File::text(&page.file(), page::page(page, previous, pages.get(index + 1))));
        files.extend(page.images.iter().map(|(source, name)| site::File::copy(name, source)));
    }
    site::publish(&files, out)?;

    let faults: Vec<Fault> = pages.into_iter().flat_map(|page| page.faults).collect();
    if faults.is_empty() { Ok(()) } else { Err(BookError::Faults(faults)) }
}

fn check_names(notebooks: &[Source]) -> Result<(), BookError> {
    if notebooks.is_empty() {
        return Err(BookError::Empty);
    }
    let mut seen = BTreeSet::from(["index".to_owned()]);
    let is_usable = |name: &str| {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
    };
    // Some file systems do not tell `A.html` from `a.html`.
    match notebooks.iter().find(|s| !is_usable(&s.name) || !seen.insert(s.name.to_lowercase())) {
        Some(source) => Err(BookError::Name(source.name.clone())),
        None => Ok(()),
    }
}

/// What a cell's renderer needs to know of its page, and what it adds to it.
struct Chapter<'a> {
    name: &'a str,
    names: &'a BTreeSet<&'a str>,
    highlighter: &'a Highlighter,
    images: Arc<Mutex<Images>>,
    ids: BTreeSet<String>,
    headings: Vec<markdown::Heading>,
    faults: Vec<Fault>,
    /// The cell being rendered, from 1.
    cell: usize,
}

impl Chapter<'_> {
    fn fault(&mut self, what: String) {
        self.faults.push(Fault { notebook: self.name.to_owned(), cell: self.cell, what });
    }

    /// Cleans HTML whose ids are its own and whose relative images lie beside the notebook.
    fn clean(&mut self, html: &str) -> String {
        let clean = clean::prose(html, &self.images);
        for path in image::take_missing(&self.images) {
            self.fault(format!("there is no image {path:?}: put the file beside the notebook, or correct the path"));
        }
        clean
    }
}

fn render_page(source: &Source, names: &BTreeSet<&str>, highlighter: &Highlighter) -> Page {
    let notebook = &source.notebook;
    let mut chapter = Chapter {
        name: &source.name,
        names,
        highlighter,
        images: Images::new(notebook.path(), &source.name),
        ids: page::RESERVED_IDS.map(str::to_owned).into(),
        headings: Vec::new(),
        faults: Vec::new(),
        cell: 0,
    };
    let mut body = String::new();
    for (index, cell) in notebook.cells().enumerate() {
        chapter.cell = index + 1;
        match cell.kind() {
            Kind::Markdown => body.push_str(&markdown::render(&mut chapter, &cell)),
            Kind::Code => body.push_str(&cell::render(&mut chapter, &cell)),
            Kind::Raw => {}
        }
    }
    let about = notebook.subtitle().unwrap_or_default();
    let line = markdown::inline(&mut chapter, &about);
    Page {
        name: source.name.clone(),
        title: notebook.title(),
        line,
        description: markdown::words(&about),
        thumbnail: cell::thumbnail(notebook, &source.name),
        body,
        headings: chapter.headings,
        faults: chapter.faults,
        images: image::found(&chapter.images),
    }
}
