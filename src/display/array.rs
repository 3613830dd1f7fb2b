//! Arrays of any number of dimensions, never as a wall of numbers.

use super::value::Digits;
use super::{Cell, Rich, Show, Value, cell, columns, frame, paragraph};
use ndarray::{ArrayBase, ArrayViewD, Axis, Data, Dimension};

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
    fn new<T: Cell>(title: String, view: &ArrayViewD<'_, T>) -> Self {
        let (rows, width) = match view.shape() {
            [] => (1, 1),
            [n] => (1, *n),
            shape => (shape[0], shape[1]),
        };
        let get = |i: Option<usize>, j: Option<usize>| match (i, j, view.ndim()) {
            (Some(_), Some(_), 0) => view.iter().next().map(Cell::value),
            (Some(_), Some(j), 1) => view.get([j].as_slice()).map(Cell::value),
            (Some(i), Some(j), _) => view.get([i, j].as_slice()).map(Cell::value),
            _ => None,
        };
        let (rows, columns) = (shown(rows), shown(width));
        let ellipsis = || Value::Integer("…".into());
        let cells =
            rows.iter().map(|&i| columns.iter().map(|&j| get(i, j).unwrap_or_else(ellipsis)).collect()).collect();
        Self { title, rows, columns, cells, vector: view.ndim() < 2 }
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

/// `f64, 2 × 3`.
fn caption<T: Cell>(shape: &[usize]) -> String {
    match shape {
        [] => format!("{}, a single value", T::DTYPE),
        [n] => format!("{}, length {n}", T::DTYPE),
        shape => {
            let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("{}, {}", T::DTYPE, lengths.join(" × "))
        }
    }
}

/// The matrices of an array: itself, or the first few along the leading axes.
fn panels<T: Cell>(array: ArrayViewD<'_, T>) -> (Vec<Panel>, usize) {
    let extra = array.ndim().saturating_sub(2);
    let lead: Vec<usize> = array.shape()[..extra].to_vec();
    let total: usize = lead.iter().product();
    let mut found = Vec::new();
    for flat in 0..total.min(PANELS) {
        let mut rest = flat;
        let mut index: Vec<usize> = Vec::new();
        for &length in lead.iter().rev() {
            index.insert(0, rest % length);
            rest /= length;
        }
        let mut view = array.view();
        for &i in &index {
            view = view.index_axis_move(Axis(0), i);
        }
        let names: Vec<String> = index.iter().map(usize::to_string).collect();
        let title = if extra == 0 { String::new() } else { format!("[{}, :, :]", names.join(", ")) };
        found.push(Panel::new(title, &view));
    }
    (found, total)
}

fn lay_out<T: Cell>(array: ArrayViewD<'_, T>) -> (Vec<Panel>, Digits, String) {
    let shape = array.shape().to_vec();
    let (panels, total) = panels(array);
    let digits = Digits::of(panels.iter().flat_map(|panel| panel.cells.iter().flatten()));
    let more =
        if total > panels.len() { format!(", first {} of {total} matrices", panels.len()) } else { String::new() };
    let empty = if shape.contains(&0) { ", empty" } else { "" };
    (panels, digits, caption::<T>(&shape) + empty + &more)
}

fn text_of<T: Cell>(array: ArrayViewD<'_, T>) -> String {
    let (panels, digits, caption) = lay_out(array);
    let mut parts: Vec<String> = panels.iter().map(|panel| panel.to_text(digits)).collect();
    parts.retain(|part| !part.is_empty());
    parts.push(caption);
    parts.join("\n")
}

fn html_of<T: Cell>(array: ArrayViewD<'_, T>) -> String {
    let (panels, digits, caption) = lay_out(array);
    let body: String = panels.iter().map(|panel| panel.to_html(digits)).collect();
    frame(&(body + &paragraph("note", &caption)))
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
        text_of(self.view().into_dyn())
    }

    fn to_rich(&self) -> Rich {
        Rich::Html(html_of(self.view().into_dyn()))
    }
}

/// As a one-dimensional array.
impl<T: Cell> Show for Vec<T> {
    fn to_text(&self) -> String {
        text_of(ndarray::ArrayView1::from(self.as_slice()).into_dyn())
    }

    fn to_rich(&self) -> Rich {
        Rich::Html(html_of(ndarray::ArrayView1::from(self.as_slice()).into_dyn()))
    }
}
