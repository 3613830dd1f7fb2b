//! A table of named columns, and a card of named values.

use super::value::Digits;
use super::{Cell, Rich, Show, Value, cell, columns, frame, one_line, paragraph};

/// A table of named columns, each of numbers or of text.
///
/// Columns may differ in length; the gaps are shown as dashes. Long tables show their first and last rows.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let table = Table::new()
///     .title("training")
///     .column("epoch", 1..=3)
///     .column("error", [0.5, 0.25, 0.125])
///     .column("状态", ["going on", "going on", "done"]);
/// assert_eq!(
///     table.to_text(),
///     "training\n\
///      epoch  error  状态\n    \
///          1  0.500  going on\n    \
///          2  0.250  going on\n    \
///          3  0.125  done"
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    title: String,
    names: Vec<String>,
    columns: Vec<Vec<Value>>,
    limit: Option<usize>,
}

impl Table {
    /// No columns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line above the table.
    pub fn title(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// Adds a column: a `Vec`, an array, a range, a slice or any other iterator.
    pub fn column<I>(mut self, name: impl Into<String>, values: I) -> Self
    where
        I: IntoIterator<Item: Cell>,
    {
        let mut column = Vec::new();
        for value in values {
            column.push(value.value());
        }
        self.names.push(name.into());
        self.columns.push(column);
        self
    }

    /// Shows at most this many rows (20 unless told), the middle ones left out.
    pub fn at_most(self, rows: usize) -> Self {
        Self { limit: Some(rows), ..self }
    }

    fn length(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The row numbers shown; `None` stands for those left out.
    fn shown(&self) -> Vec<Option<usize>> {
        let (length, limit) = (self.length(), self.limit.unwrap_or(20));
        if length <= limit {
            return (0..length).map(Some).collect();
        }
        let back = limit / 4;
        (0..limit - back).map(Some).chain([None]).chain((length - back..length).map(Some)).collect()
    }

    /// Cell texts by row.
    fn texts(&self) -> Vec<Vec<String>> {
        let shown = self.shown();
        let by_column: Vec<Vec<String>> = self
            .columns
            .iter()
            .map(|column| {
                let digits = Digits::of(shown.iter().filter_map(|&i| column.get(i?)));
                let text = |i: usize| column.get(i).unwrap_or(&Value::Missing).text(digits);
                shown.iter().map(|i| i.map_or_else(|| "…".into(), text)).collect()
            })
            .collect();
        (0..shown.len()).map(|i| by_column.iter().map(|column: &Vec<String>| column[i].clone()).collect()).collect()
    }

    /// Which columns hold numbers.
    fn right(&self) -> Vec<bool> {
        let number = |value: &Value| value.is_number() || *value == Value::Missing;
        self.columns.iter().map(|column| !column.is_empty() && column.iter().all(number)).collect()
    }

    fn note(&self) -> String {
        let length = self.length();
        if self.shown().contains(&None) { format!("{length} rows") } else { String::new() }
    }
}

impl Show for Table {
    fn to_text(&self) -> String {
        let mut rows = vec![self.names.clone()];
        rows.extend(self.texts());
        let parts = [one_line(&self.title), columns(&rows, &self.right()), self.note()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn to_rich(&self) -> Rich {
        let classes: Vec<&str> = self.right().into_iter().map(|right| if right { "n" } else { "" }).collect();
        let line = |tag: &str, texts: &[String]| -> String {
            let cells: String = texts.iter().zip(&classes).map(|(text, class)| cell(tag, class, text)).collect();
            format!("<tr>{cells}</tr>")
        };
        let body: String = self.texts().iter().map(|row| line("td", row)).collect();
        let head = line("th", &self.names);
        Rich::Html(frame(&format!(
            "{}<table><thead>{head}</thead><tbody>{body}</tbody></table>{}",
            paragraph("cap", &self.title),
            paragraph("note", &self.note())
        )))
    }
}

/// A few named values: the settings of a run, the summary of a model.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let card = Card::new("perceptron").entry("epochs", 10).entry("accuracy", 0.8333).entry("data", "iris");
/// assert_eq!(card.to_text(), "perceptron\nepochs    10\naccuracy  0.8333\ndata      iris");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    title: String,
    entries: Vec<(String, String)>,
}

impl Card {
    /// A card without entries; the title may be empty.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), entries: Vec::new() }
    }

    /// Adds a line.
    pub fn entry(mut self, name: impl Into<String>, value: impl Cell) -> Self {
        self.push(name.into(), &value.value());
        self
    }

    fn push(&mut self, name: String, value: &Value) {
        self.entries.push((name, value.text(Digits::of([value]))));
    }
}

impl Show for Card {
    fn to_text(&self) -> String {
        let rows: Vec<Vec<String>> =
            self.entries.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
        let parts = [one_line(&self.title), columns(&rows, &[])];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn to_rich(&self) -> Rich {
        let row =
            |(name, value): &(String, String)| format!("<tr>{}{}</tr>", cell("th", "", name), cell("td", "w", value));
        let rows: String = self.entries.iter().map(row).collect();
        Rich::Html(frame(&format!("{}<table><tbody>{rows}</tbody></table>", paragraph("cap", &self.title))))
    }
}
