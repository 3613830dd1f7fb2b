//! The ledger a notebook ends with.

use super::{Items, Outcome, Tolerance, close_outcome, equal_outcome, numbers, texts};
use crate::display::{Rich, Show, columns, frame, one_line, paragraph};

/// Every check of a notebook, in order.
///
/// An owned value, because a library's statics do not survive from one notebook cell to the next. Its last cell shows
/// it: the text ends with the line `CHECKS passed/total`, which `cargo notebooks run` requires.
///
/// A second check of the same name replaces the first, so that running a cell again in live Jupyter keeps the count
/// right. The ledger then says so, since in a fresh run from top to bottom it means that two checks share a name.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let mut checks = Checks::new("00_start");
/// checks.close("a third", 1.0 / 3.0, 0.333, Tolerance::abs(5e-4).because("three digits by hand"));
/// checks.equal("length", [1, 2, 3].len(), 3);
/// checks.holds("sorted", [1, 2, 3].is_sorted(), "three numbers");
/// assert!(checks.to_text().ends_with("\nCHECKS 3/3"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Checks {
    title: String,
    outcomes: Vec<Outcome>,
    replaced: Vec<String>,
}

impl Checks {
    /// An empty ledger, named after its notebook.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: one_line(&title.into()), outcomes: Vec::new(), replaced: Vec::new() }
    }

    /// Records whether `got` is within `tolerance` of `want`: see [`close`](super::close()).
    pub fn close<G, W>(&mut self, name: impl Into<String>, got: G, want: W, tolerance: Tolerance) -> Outcome
    where
        G: Items<Item: Into<f64>>,
        W: Items<Item: Into<f64>>,
    {
        self.record(close_outcome(name.into(), numbers(&got), numbers(&want), tolerance))
    }

    /// Records whether `got` is exactly `want`: see [`equal`](super::equal()).
    pub fn equal<G, W>(&mut self, name: impl Into<String>, got: G, want: W) -> Outcome
    where
        G: Items + PartialEq<W>,
        W: Items,
    {
        self.record(equal_outcome(name.into(), got == want, texts(&got), texts(&want)))
    }

    /// Records whether a condition holds; `detail` says what was seen.
    ///
    /// ```
    /// use mlnotes::prelude::*;
    ///
    /// let errors = [4, 2, 0];
    /// let mut checks = Checks::new("example");
    /// let outcome = checks.holds("training ends without errors", errors[2] == 0, format!("errors {errors:?}"));
    /// assert_eq!(outcome.to_string(), "✓ training ends without errors: errors [4, 2, 0]");
    /// ```
    pub fn holds(&mut self, name: impl Into<String>, condition: bool, detail: impl Into<String>) -> Outcome {
        let found = if condition { Ok(detail.into()) } else { Err(detail.into()) };
        self.record(Outcome::new(name.into(), found, String::new()))
    }

    /// How many checks passed.
    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.passed()).count()
    }

    /// How many checks are recorded.
    pub fn total(&self) -> usize {
        self.outcomes.len()
    }

    /// The outcomes in the order in which their names first came.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    fn record(&mut self, outcome: Outcome) -> Outcome {
        match self.outcomes.iter_mut().find(|earlier| earlier.name() == outcome.name()) {
            Some(earlier) => {
                if !self.replaced.iter().any(|name| name == outcome.name()) {
                    self.replaced.push(outcome.name().to_string());
                }
                *earlier = outcome.clone();
            }
            None => self.outcomes.push(outcome.clone()),
        }
        outcome
    }

    /// The line the notebook runner looks for.
    fn tally(&self) -> String {
        format!("CHECKS {}/{}", self.passed(), self.total())
    }

    fn note(&self) -> String {
        if self.replaced.is_empty() {
            return String::new();
        }
        format!("recorded more than once, the last one counts: {}", self.replaced.join(", "))
    }
}

impl Show for Checks {
    fn to_text(&self) -> String {
        let rows: Vec<Vec<String>> = self.outcomes.iter().map(Outcome::texts).collect();
        let table = columns(&rows, &[]);
        let lines = [self.title.clone(), table, self.note(), self.tally()];
        lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn to_rich(&self) -> Rich {
        let rows: String = self.outcomes.iter().map(Outcome::row).collect();
        let head = "<thead><tr><td></td><th>check</th><th>found</th><th>allowed</th></tr></thead>";
        let table = if rows.is_empty() { String::new() } else { format!("<table>{head}<tbody>{rows}</tbody></table>") };
        let class = if self.passed() == self.total() && self.total() > 0 { "ok" } else { "no" };
        let tally = paragraph(class, &self.tally());
        Rich::Html(frame(&format!(
            "{}{table}{}{tally}",
            paragraph("cap", &self.title),
            paragraph("note", &self.note())
        )))
    }
}
