//! How does a result look in a notebook?
//!
//! A cell shows its last expression by calling `evcxr_display` on it. [`Show`] gives that method to arrays, tables,
//! cards, confusion matrices, ledgers of checks and figures: HTML or SVG, with plain text beside it for whatever
//! cannot show those.

mod array;
mod confusion;
mod html;
mod table;
mod text;
mod value;

pub use confusion::ConfusionMatrix;
pub use html::escape;
pub use table::{Card, Table};
pub use text::width;
pub use value::{Cell, Value};

pub(crate) use html::{cell, frame, paragraph};
pub(crate) use text::{columns, one_line};

use std::io::Write;

/// A result in a richer form than text.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Rich {
    /// A fragment of HTML.
    Html(String),
    /// A whole SVG document.
    Svg(String),
}

/// Something a notebook can show.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let outcome = mlnotes::check::equal(2 + 2, 4).unwrap();
/// assert_eq!(outcome.to_text(), "✓ 4 (exact)");
/// assert!(matches!(outcome.to_rich(), mlnotes::display::Rich::Html(_)));
/// ```
pub trait Show {
    /// The plain text, aligned for a fixed-width font.
    fn to_text(&self) -> String;

    /// The rich form.
    fn to_rich(&self) -> Rich;

    /// Sends both forms to the notebook; the kernel calls this on a cell's last expression.
    fn evcxr_display(&self) {
        send(&self.to_rich(), &self.to_text());
    }
}

/// Not in the trait, where each cell that shows something would compile it anew.
pub(crate) fn send(rich: &Rich, text: &str) {
    let (mime, content) = match rich {
        Rich::Html(html) => ("text/html", html),
        Rich::Svg(svg) => ("image/svg+xml", svg),
    };
    // A closed pipe must not become a panic; nobody is left to read the error.
    let _ = write!(
        std::io::stdout().lock(),
        "EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT\n\
         EVCXR_BEGIN_CONTENT text/plain\n{text}\nEVCXR_END_CONTENT\n"
    );
}
