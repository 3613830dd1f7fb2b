//! What one check found.

use crate::display::{Rich, Show, cell, escape, frame, one_line};
use std::fmt;

/// The result of one check. It shows as one line that starts with ✓ or ✗, so a cell can end with it.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let mut checks = Checks::new("example");
/// let outcome = checks.equal("two and two", 2 + 2, 5);
/// assert!(!outcome.passed());
/// assert_eq!(outcome.to_string(), "✗ two and two: got 4, want 5 (exact)");
/// ```
#[derive(Clone, PartialEq)]
pub struct Outcome {
    name: String,
    passed: bool,
    found: String,
    allowed: String,
}

impl Outcome {
    /// `found` is `Ok` if the check passed; each side says what was seen.
    pub(super) fn new(name: String, found: Result<String, String>, allowed: String) -> Self {
        let passed = found.is_ok();
        let found = found.unwrap_or_else(|why| why);
        Self { name: one_line(&name), passed, found: one_line(&found), allowed: one_line(&allowed) }
    }

    pub(super) fn into_result(self) -> Result<Self, Self> {
        if self.passed { Ok(self) } else { Err(self) }
    }

    /// Whether the check passed.
    pub fn passed(&self) -> bool {
        self.passed
    }

    /// What was checked.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was seen: the largest difference, or where the worst mismatch is.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What was allowed, with the reason.
    pub fn allowed(&self) -> &str {
        &self.allowed
    }

    fn mark(&self) -> &'static str {
        if self.passed { "✓" } else { "✗" }
    }

    fn class(&self) -> &'static str {
        if self.passed { "ok" } else { "no" }
    }

    /// One row of the ledger's HTML table.
    pub(super) fn row(&self) -> String {
        let cells = [&self.name, &self.found, &self.allowed].map(|text| cell("td", "w", text)).concat();
        format!("<tr>{}{cells}</tr>", cell("td", self.class(), self.mark()))
    }

    /// One row of the ledger's text.
    pub(super) fn texts(&self) -> Vec<String> {
        vec![self.mark().into(), self.name.clone(), self.found.clone(), self.allowed.clone()]
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.name.is_empty() || self.found.is_empty() { "" } else { ": " };
        write!(f, "{} {}{colon}{}", self.mark(), self.name, self.found)?;
        if self.allowed.is_empty() { Ok(()) } else { write!(f, " ({})", self.allowed) }
    }
}

/// `unwrap` in a test prints `Debug`: show the line there too.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Outcome {}

impl Show for Outcome {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn to_rich(&self) -> Rich {
        let line = self.to_string();
        let rest = escape(line.strip_prefix(self.mark()).unwrap_or(&line));
        Rich::Html(frame(&format!("<span class=\"{}\">{}</span>{rest}", self.class(), self.mark())))
    }
}
