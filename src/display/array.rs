//! Arrays of any number of dimensions, never as a wall of numbers.

use super::value::Digits;
use super::{Cell, Rich, Show, Value, cell, columns, frame, paragraph};
use ndarray::{ArrayBase, Data, Dimension};

/// Longer axes show this many at the front …
const FRONT: usize = 8;
/// … and this many at the back.
const BACK: usize = 3;
/// So many matrices of a stack are shown.
const PANELS: usize = 3;

/// The indices shown of an axis; `None` stands for those left out.
fn shown(length: usize) -> Vec<Option<usize>> {
    if length <= FRONT + BACK + 1 {
        return (0..length).map(Some).collect();
    }
    (0..FRONT).map(Some).chain([None]).chain((length - BACK..length).map(Some)).collect()
}

/// One matrix (or vector) of the array, as text.
struct Panel {
    title: String,
    rows: Vec<Option<usize>>,
    columns: Vec<Option<usize>>,
    cells: Vec<Vec<Value>>,
    /// A vector has a line of indices above it and none beside it.
    vector: bool,
}

impl Panel {
    /// The matrix whose elements start at `offset`, row after row.
    fn new(title: String, shape: &[usize], offset: usize, element: &dyn Fn(usize) -> Value) -> Self {
        let (rows, width) = match shape {
            [] => (1, 1),
            [n] => (1, *n),
            shape => (shape[0], shape[1]),
        };
        let get = |i: Option<usize>, j: Option<usize>| match (i, j) {
            (Some(i), Some(j)) => element(offset + i * width + j),
            _ => Value::Integer("…".into()),
        };
        let (rows, columns) = (shown(rows), shown(width));
        let cells = rows.iter().map(|&i| columns.iter().map(|&j| get(i, j)).collect()).collect();
        Self { title, rows, columns, cells, vector: shape.len() < 2 }
    }

    fn index(i: Option<usize>) -> String {
        i.map_or_else(|| "…".into(), |i| i.to_string())
    }

    fn texts(&self, digits: Digits) -> Vec<Vec<String>> {
        self.cells.iter().map(|row| row.iter().map(|value| value.text(digits)).collect()).collect()
    }

    fn to_text(&self, digits: Digits) -> String {
        let right = vec![true; self.columns.len()];
        let body = columns(&self.texts(digits), &right);
        // An empty array still has its brackets.
        let lines: Vec<String> = body.split('\n').map(|line| format!("[{line}]")).collect();
        let title = if self.title.is_empty() { String::new() } else { format!("{}\n", self.title) };
        title + &lines.join("\n")
    }

    fn to_html(&self, digits: Digits) -> String {
        if self.cells.iter().all(Vec::is_empty) {
            return String::new();
        }
        let corner = if self.vector { "" } else { "<td></td>" };
        let head: String = self.columns.iter().map(|&j| cell("th", "n i", &Self::index(j))).collect();
        let mut rows = String::new();
        for (&i, texts) in self.rows.iter().zip(self.texts(digits)) {
            let index = if self.vector { String::new() } else { cell("th", "n i", &Self::index(i)) };
            let cells: String = texts.iter().map(|text| cell("td", "n", text)).collect();
            rows += &format!("<tr>{index}{cells}</tr>");
        }
        let title = paragraph("note", &self.title);
        format!("{title}<table><thead><tr>{corner}{head}</tr></thead><tbody>{rows}</tbody></table>")
    }
}

/// An array without its type: what a cell that shows one need not compile.
struct Elements<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    /// The element at a place in row-major order.
    at: &'a dyn Fn(usize) -> Value,
}

impl Elements<'_> {
    /// `f64, 2 × 3`.
    fn caption(&self) -> String {
        match self.shape {
            [] => format!("{}, a single value", self.dtype),
            [n] => format!("{}, length {n}", self.dtype),
            shape => {
                let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
                format!("{}, {}", self.dtype, lengths.join(" × "))
            }
        }
    }

    /// The matrices of an array, itself or the first few along the leading axes; and how many there are.
    fn panels(&self) -> (Vec<Panel>, usize) {
        let (lead, matrix) = self.shape.split_at(self.shape.len().saturating_sub(2));
        let (total, size): (usize, usize) = (lead.iter().product(), matrix.iter().product());
        let panel = |flat: usize| {
            let mut rest = flat;
            let mut index: Vec<String> = Vec::new();
            for length in lead.iter().rev() {
                index.insert(0, (rest % length).to_string());
                rest /= length;
            }
            let title = if lead.is_empty() { String::new() } else { format!("[{}, :, :]", index.join(", ")) };
            Panel::new(title, matrix, flat * size, self.at)
        };
        ((0..total.min(PANELS)).map(panel).collect(), total)
    }

    fn lay_out(&self) -> (Vec<Panel>, Digits, String) {
        let (panels, total) = self.panels();
        let digits = Digits::of(panels.iter().flat_map(|panel| panel.cells.iter().flatten()));
        let more =
            if total > panels.len() { format!(", first {} of {total} matrices", panels.len()) } else { String::new() };
        let empty = if self.shape.contains(&0) { ", empty" } else { "" };
        (panels, digits, self.caption() + empty + &more)
    }
}

fn text_of(elements: &Elements<'_>) -> String {
    let (panels, digits, caption) = elements.lay_out();
    let mut parts: Vec<String> = panels.iter().map(|panel| panel.to_text(digits)).collect();
    parts.retain(|part| !part.is_empty());
    parts.push(caption);
    parts.join("\n")
}

fn rich_of(elements: &Elements<'_>) -> Rich {
    let (panels, digits, caption) = elements.lay_out();
    let body: String = panels.iter().map(|panel| panel.to_html(digits)).collect();
    Rich::Html(frame(&(body + &paragraph("note", &caption))))
}

/// A list, as an array of one dimension.
fn list<T: Cell, R>(values: &[T], show: fn(&Elements<'_>) -> R) -> R {
    show(&Elements { dtype: T::DTYPE, shape: &[values.len()], at: &|i| values[i].value() })
}

/// An array; one that does not lie in row-major order is gone through first.
fn array<S, D, R>(array: &ArrayBase<S, D>, show: fn(&Elements<'_>) -> R) -> R
where
    S: Data<Elem: Cell>,
    D: Dimension,
{
    let (dtype, shape) = (S::Elem::DTYPE, array.shape());
    if let Some(values) = array.as_slice() {
        return show(&Elements { dtype, shape, at: &|i| values[i].value() });
    }
    let mut values = Vec::new();
    for value in array {
        values.push(value);
    }
    show(&Elements { dtype, shape, at: &|i| values[i].value() })
}

/// Floats get common digits, long axes are cut in the middle, and shape and type stand below.
///
/// ```
/// use mlnotes::prelude::*;
/// use ndarray::array;
///
/// let a = array![[1.0, -2.5], [10.25, 0.0]];
/// assert_eq!(a.to_text(), "[ 1.00  -2.50]\n[10.25   0.00]\nf64, 2 × 2");
/// ```
impl<S, D> Show for ArrayBase<S, D>
where
    S: Data<Elem: Cell>,
    D: Dimension,
{
    fn to_text(&self) -> String {
        array(self, text_of)
    }

    fn to_rich(&self) -> Rich {
        array(self, rich_of)
    }
}

/// As a one-dimensional array.
impl<T: Cell> Show for Vec<T> {
    fn to_text(&self) -> String {
        list(self, text_of)
    }

    fn to_rich(&self) -> Rich {
        list(self, rich_of)
    }
}
