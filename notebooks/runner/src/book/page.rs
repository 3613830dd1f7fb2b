//! The pages around the cells: head, contents, previous and next; and the index.

use std::fmt::Write;
use std::path::PathBuf;

use super::html::{Escape, with_languages};
use super::image::encode;
use super::markdown::{Heading, fragment};
use super::{Fault, site};

/// The book's name and its one line.
const BOOK: (&str, &str) =
    ("mlnotes", "Machine-learning study notes that run: every formula computed, every result checked.");

/// The ids that the pages use themselves.
pub const RESERVED_IDS: [&str; 2] = ["main", "contents"];

/// Nothing but this folder's own files is ever loaded, whatever the pages might say.
const POLICY: &str = "default-src 'none'; img-src 'self' file: data:; style-src 'self' file: 'unsafe-inline'";

/// A notebook as a page.
pub struct Page {
    pub name: String,
    pub title: Option<String>,
    /// What it is about, in one line of HTML.
    pub line: String,
    /// The same as plain text.
    pub description: String,
    pub thumbnail: Option<String>,
    pub body: String,
    pub headings: Vec<Heading>,
    pub faults: Vec<Fault>,
    /// The files to copy, each with its name in the book.
    pub images: Vec<(PathBuf, String)>,
}

impl Page {
    /// The page's file name.
    pub fn file(&self) -> String {
        format!("{}.html", self.name)
    }

    fn url(&self) -> String {
        format!("{}.html", encode(&self.name))
    }

    fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// The number that the file name begins with.
    fn number(&self) -> &str {
        self.name.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("")
    }
}

/// A notebook's page, between its neighbours.
pub fn page(page: &Page, previous: Option<&Page>, next: Option<&Page>) -> String {
    let title = format!("{} · {}", page.title(), BOOK.0);
    let mut out = head(&title, &page.description);
    let heading = match page.title {
        Some(_) => String::new(),
        None => format!("<div class=\"prose\"><h1>{}</h1></div>\n", Escape(&page.name)),
    };
    let contents = contents(&page.headings);
    let _ = write!(
        out,
        "<body class=\"page\">\n<a class=\"skip\" href=\"#main\">Skip to the text</a>\n\
         <header class=\"bar\"><a class=\"book\" href=\"index.html\">{}</a><nav aria-label=\"Neighbours\">{}{}</nav></header>\n\
         {}<main id=\"main\">\n{}{heading}{}</main>\n\
         <footer><nav class=\"neighbours\" aria-label=\"Previous and next\">{}{}</nav></footer>\n</body>\n</html>\n",
        BOOK.0,
        short_link(previous, "prev", "Previous"),
        short_link(next, "next", "Next"),
        wrap(&contents, "<nav class=\"side\" id=\"contents\" aria-label=\"Contents\">", "</nav>\n"),
        wrap(
            &contents,
            "<details class=\"fold\"><summary>Contents</summary><nav aria-label=\"Contents\">",
            "</nav></details>\n"
        ),
        page.body,
        long_link(previous, "prev", "Previous"),
        long_link(next, "next", "Next"),
    );
    out
}

/// The book's first page.
pub fn index(pages: &[Page]) -> String {
    let mut out = head(BOOK.0, BOOK.1);
    let _ = write!(
        out,
        "<body class=\"index\">\n<a class=\"skip\" href=\"#main\">Skip to the chapters</a>\n\
         <header><h1>{}</h1><p>{}</p></header>\n<main id=\"main\">\n<ol class=\"chapters\">\n",
        BOOK.0, BOOK.1
    );
    for page in pages {
        let blank = || format!("<span class=\"thumbnail blank\" aria-hidden=\"true\">{}</span>", page.number());
        let _ = writeln!(
            out,
            "<li><article>{}<div><h2><a href=\"{}\"><span class=\"number\">{}</span> {}</a></h2>{}</div></article></li>",
            page.thumbnail.clone().unwrap_or_else(blank),
            page.url(),
            page.number(),
            with_languages(page.title()),
            wrap(&page.line, "<p>", "</p>"),
        );
    }
    out + "</ol>\n</main>\n</body>\n</html>\n"
}

fn head(title: &str, description: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n{}\n<meta name=\"description\" content=\"{}\">\n\
         <title>{}</title>\n<link rel=\"stylesheet\" href=\"style.css\">\n<link rel=\"icon\" href=\"data:,\">\n</head>\n",
        site::MARK,
        Escape(if description.is_empty() { BOOK.1 } else { description }),
        Escape(title),
    )
}

/// The headings of levels two and three, nested.
fn contents(headings: &[Heading]) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for heading in headings.iter().filter(|h| matches!(h.level, 2 | 3)) {
        // A third level without a second above it stands at the second's place.
        let level = if depth == 0 { 1 } else { heading.level - 1 };
        match (depth, level) {
            (0, _) => out.push_str("<ol>"),
            (1, 2) => out.push_str("<ol>"),
            (2, 1) => out.push_str("</li></ol></li>"),
            _ => out.push_str("</li>"),
        }
        let _ = write!(out, "<li><a href=\"#{}\">{}</a>", Escape(&fragment(&heading.id)), heading.html);
        depth = level;
    }
    out + match depth {
        0 => "",
        1 => "</li></ol>",
        _ => "</li></ol></li></ol>",
    }
}

fn short_link(page: Option<&Page>, rel: &str, word: &str) -> String {
    page.map(|page| format!("<a rel=\"{rel}\" href=\"{}\" title=\"{}\">{word}</a>", page.url(), Escape(page.title())))
        .unwrap_or_default()
}

fn long_link(page: Option<&Page>, rel: &str, word: &str) -> String {
    page.map(|page| {
        let title = with_languages(page.title());
        format!("<a rel=\"{rel}\" href=\"{}\"><small>{word}</small><span>{title}</span></a>", page.url())
    })
    .unwrap_or_default()
}

fn wrap(inside: &str, start: &str, end: &str) -> String {
    if inside.is_empty() { String::new() } else { format!("{start}{inside}{end}") }
}
