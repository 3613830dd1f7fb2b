//! What is large and what is small in a matrix?

use super::chart::{Chart, validate};
use super::pen::{CENTRE, MIDDLE, font};
use super::plan::{ColourBar, Frame, Kind, Options, Plan};
use super::scale::Extent;
use super::theme::ColourMap;
use super::words::text_width;
use crate::{Error, Result};
use ndarray::{ArrayBase, Data, Ix2};

/// More rows or columns than this are averaged in blocks: finer cells would not be seen.
const FINEST: usize = 64;
/// So many shades (fewer where cells are many); cells of one shade that lie side by side are drawn as one.
const SHADES: (f64, f64) = (96.0, 40.0);

/// A matrix as colours: see [`heatmap`].
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// The matrix's own shape.
    of: (usize, usize),
    /// The shape of what is drawn.
    shape: (usize, usize),
    cells: Vec<f64>,
    rows: Vec<String>,
    columns: Vec<String>,
    annotate: bool,
    diverging: bool,
    limits: Option<(f64, f64)>,
}

/// A heat map with its colour bar; row 0 is at the top, NaN stays blank.
///
/// A matrix with more than 64 rows or columns is averaged in blocks; the axes still count the matrix's own rows and columns.
///
/// ```
/// use mlnotes::prelude::*;
/// use ndarray::array;
///
/// let chart = plot::heatmap(&array![[1.0, -0.2], [-0.2, 1.0]]).names(&["a", "b"], &["a", "b"]).diverging().annotate();
/// assert_eq!(chart.finish()?.to_text(), "[heat map: 2 × 2]");
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn heatmap<S>(matrix: &ArrayBase<S, Ix2>) -> Chart<Heatmap>
where
    S: Data<Elem: super::Number>,
{
    heatmap_of(matrix.dim(), &super::numbers(matrix))
}

fn heatmap_of(of: (usize, usize), cells: &[f64]) -> Chart<Heatmap> {
    let (shape, cells) = coarsen(of, cells);
    let (rows, columns) = (Vec::new(), Vec::new());
    Chart::new(Heatmap { of, shape, cells, rows, columns, annotate: false, diverging: false, limits: None })
}

/// Averages blocks so that neither side is longer than [`FINEST`].
fn coarsen((rows, columns): (usize, usize), cells: &[f64]) -> ((usize, usize), Vec<f64>) {
    let (down, across) = (rows.div_ceil(FINEST).max(1), columns.div_ceil(FINEST).max(1));
    if down == 1 && across == 1 {
        return ((rows, columns), cells.to_vec());
    }
    let shape = (rows.div_ceil(down), columns.div_ceil(across));
    let mean = |(i, j): (usize, usize)| {
        let block = (i * down..((i + 1) * down).min(rows))
            .flat_map(|r| (j * across..((j + 1) * across).min(columns)).map(move |c| (r, c)));
        let values: Vec<f64> = block.map(|(r, c)| cells[r * columns + c]).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    (shape, (0..shape.0).flat_map(|i| (0..shape.1).map(move |j| (i, j))).map(mean).collect())
}

impl Chart<Heatmap> {
    /// The names of rows and columns; either may be empty.
    pub fn names<R: AsRef<str>, C: AsRef<str>>(mut self, rows: &[R], columns: &[C]) -> Self {
        (self.kind.rows, self.kind.columns) = (super::names(rows), super::names(columns));
        self
    }

    /// Writes the number into every cell, as far as cells have room for it.
    pub fn annotate(mut self) -> Self {
        self.kind.annotate = true;
        self
    }

    /// Two colours around zero instead of one scale from dark to bright.
    pub fn diverging(mut self) -> Self {
        self.kind.diverging = true;
        self
    }

    /// Fixes the ends of the colour scale; what lies outside gets the colour of the end.
    pub fn limits(mut self, low: impl super::Number, high: impl super::Number) -> Self {
        self.kind.limits = Some((low.number(), high.number()));
        self
    }
}

impl Heatmap {
    fn bar(&self) -> ColourBar {
        let present = || self.cells.iter().filter(|cell| !cell.is_nan());
        let (low, high) = present().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        let map = if self.diverging { ColourMap::Diverging } else { ColourMap::Sequential };
        if let Some((low, high)) = self.limits {
            return ColourBar { map, low, high };
        }
        let size = low.abs().max(high.abs());
        let (low, high) = if self.diverging { (-size, size) } else { (low, high) };
        let (low, high) = if high - low > 1e-12 * size { (low, high) } else { (low - 0.5, high + 0.5) };
        ColourBar { map, low, high }
    }

    /// The names given, or indices at a round distance, at most 12 of them.
    fn names(given: &[String], drawn: usize, length: usize, of: &str) -> Result<Vec<String>> {
        if !given.is_empty() {
            super::chart::same_length(&format!("the list of {of} names"), given.len(), length, "the matrix")?;
        }
        let block = length.div_ceil(drawn.max(1)).max(1);
        if block == 1 && !given.is_empty() {
            return Ok(given.to_vec());
        }
        let powers = (0..9).map(|k| 10_usize.pow(k));
        let step = powers.flat_map(|p| [p, 2 * p, 5 * p]).find(|step| length.div_ceil(*step) <= 12).unwrap_or(length);
        // A cell is named by the round index inside it, if there is one.
        let name = |i: usize| {
            let round = (i * block).next_multiple_of(step);
            let inside = round < ((i + 1) * block).min(length);
            if inside { given.get(round).cloned().unwrap_or_else(|| round.to_string()) } else { String::new() }
        };
        Ok((0..drawn).map(name).collect())
    }

    /// Numbers short enough for a cell.
    fn texts(&self) -> Vec<String> {
        let largest = self.cells.iter().filter(|c| !c.is_nan()).fold(0.0_f64, |m, c| m.max(c.abs()));
        let whole = self.cells.iter().all(|cell| cell.is_nan() || cell.fract() == 0.0);
        let write = |cell: &f64| match *cell {
            cell if cell.is_nan() => String::new(),
            cell if whole && largest < 1e6 => format!("{cell}"),
            cell if !(1e-2..1e4).contains(&largest) => format!("{cell:.0e}"),
            cell if largest >= 100.0 => format!("{cell:.0}"),
            cell if largest >= 10.0 => format!("{cell:.1}"),
            cell => format!("{cell:.2}"),
        };
        self.cells.iter().map(write).map(|text| text.replace('-', "\u{2212}")).collect()
    }
}

impl Kind for Heatmap {
    fn noun(&self) -> &'static str {
        "heat map"
    }

    fn content(&self) -> String {
        format!("{} × {}", self.of.0, self.of.1)
    }

    fn plan(&self, _: &Options) -> Result<Plan> {
        validate("the matrix", &self.cells)?;
        let bar = self.bar();
        if !(bar.low < bar.high && (bar.high - bar.low).is_finite()) {
            return Err(Error::Figure(format!("the colour scale {}..{} must be finite and rising", bar.low, bar.high)));
        }
        let x = Extent::categories(Self::names(&self.columns, self.shape.1, self.of.1, "column")?);
        let y = Extent::categories(Self::names(&self.rows, self.shape.0, self.of.0, "row")?).flip();
        Ok(Plan { x, y, legend: Vec::new(), bar: Some(bar), grid: (false, false) })
    }

    fn draw(&self, frame: &Frame) -> Result<String> {
        let bar = self.bar();
        let place = |cell: f64| ((cell - bar.low) / (bar.high - bar.low)).clamp(0.0, 1.0);
        let shades = if self.cells.len() > 1024 { SHADES.1 } else { SHADES.0 };
        let shade = |cell: f64| if cell.is_nan() { f64::NAN } else { (place(cell) * shades).round() / shades };
        let corner = |i: usize, j: usize| {
            let (x, y) = frame.at(j as f64 - 0.5, i as f64 - 0.5);
            (x.round(), y.round())
        };
        let cells = frame.layer(" shape-rendering=\"crispEdges\"", |pen| {
            for (i, row) in self.cells.chunks(self.shape.1).enumerate() {
                let shades: Vec<f64> = row.iter().map(|&cell| shade(cell)).collect();
                let mut start = 0;
                for run in shades.chunk_by(|a, b| a == b) {
                    let end = start + run.len();
                    if !run[0].is_nan() {
                        pen.rectangle(corner(i, start), corner(i + 1, end), bar.map.at(run[0]))?;
                    }
                    start = end;
                }
            }
            Ok(())
        })?;
        if !self.annotate {
            return Ok(cells);
        }
        let texts = self.texts();
        let (width, height) = {
            let (a, b) = (frame.at(0.0, 0.0), frame.at(1.0, 1.0));
            ((b.0 - a.0).abs(), (b.1 - a.1).abs())
        };
        let widest = texts.iter().map(|text| text_width(text, 1.0)).fold(0.1, f64::max);
        let size = (0.82 * width / widest).min(0.6 * height).min(13.0);
        // Smaller could not be read.
        if size < 7.0 {
            return Ok(cells);
        }
        let texts = frame.layer("", |pen| {
            for (k, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
                let (i, j) = (k / self.shape.1, k % self.shape.1);
                let style = font(size, bar.map.text_on(place(self.cells[k])));
                pen.text(text, frame.at(j as f64, i as f64), (MIDDLE, CENTRE), &style)?;
            }
            Ok(())
        })?;
        Ok(cells + &texts)
    }
}
