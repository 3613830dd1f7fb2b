//! Where do the points of each class lie, and what does a classifier say in between?

use super::chart::{Chart, same_length, validate};
use super::pen::outlined;
use super::plan::{Entry, Frame, Kind, Numeric, Options, Plan, Swatch};
use super::scale::Extent;
use super::{Number, theme};
use crate::{Error, Result};

/// Points in the plane by class: see [`scatter`].
#[derive(Clone, Debug, PartialEq)]
pub struct Scatter {
    x: Vec<f64>,
    y: Vec<f64>,
    /// The class of each point; empty without classes.
    classes: Vec<usize>,
    names: Vec<String>,
    regions: Option<Regions>,
}

/// A grid of predicted classes over a rectangle, row by row from the low corner.
#[derive(Clone, Debug, PartialEq)]
struct Regions {
    x: (f64, f64),
    y: (f64, f64),
    classes: Vec<usize>,
}

/// Columns and rows of the grid on which decision regions are evaluated.
const GRID: (usize, usize) = (200, 150);

/// A scatter plot; [`classes`](Chart::classes) colours it, [`regions`](Chart::regions) paints the plane behind it.
///
/// Points with a NaN are left out.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let chart = plot::scatter([0.0, 1.0, 2.0], [0.0, 1.0, 0.5])
///     .classes([0, 0, 1], &["left", "right"])
///     .regions(|x, _| usize::from(x > 1.5));
/// assert_eq!(chart.finish()?.to_text(), "[scatter plot: 3 points in 2 classes]");
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn scatter<X, Y>(x: X, y: Y) -> Chart<Scatter>
where
    X: IntoIterator<Item: Number>,
    Y: IntoIterator<Item: Number>,
{
    let (x, y) = (super::numbers(x), super::numbers(y));
    Chart::new(Scatter { x, y, classes: Vec::new(), names: Vec::new(), regions: None })
}

impl Chart<Scatter> {
    /// The class of every point, as an index into the names.
    pub fn classes<C, N>(mut self, classes: C, names: &[N]) -> Self
    where
        C: IntoIterator<Item: Number>,
        N: AsRef<str>,
    {
        self.kind.classes = indices(&super::numbers(classes));
        self.kind.names = super::names(names);
        self
    }

    /// Paints the plane by the class that `predict(x, y)` gives, evaluated here and now on a grid over the range of the
    /// points, or over [`x_range`](Chart::x_range) and [`y_range`](Chart::y_range) where these were given before.
    pub fn regions(self, mut predict: impl FnMut(f64, f64) -> usize) -> Self {
        self.painted(&mut predict)
    }

    fn painted(mut self, predict: &mut dyn FnMut(f64, f64) -> usize) -> Self {
        let range = |values: &[f64], fixed: Option<(f64, f64)>| {
            let mut extent = Extent::new(PAD);
            extent.include(values);
            extent.resolve(fixed, false).ok().map(|bounds| (bounds.low, bounds.high))
        };
        let x = range(&self.kind.x, self.options.x_range);
        let y = range(&self.kind.y, self.options.y_range);
        // Without a range there is nothing to draw either, and `finish` says why.
        let (Some(x), Some(y)) = (x, y) else { return self };
        let middle = |(low, high): (f64, f64), i: usize, n: usize| low + (high - low) * (i as f64 + 0.5) / n as f64;
        let rows = (0..GRID.1).flat_map(|j| (0..GRID.0).map(move |i| (i, j)));
        let classes = rows.map(|(i, j)| predict(middle(x, i, GRID.0), middle(y, j, GRID.1))).collect();
        self.kind.regions = Some(Regions { x, y, classes });
        self
    }
}

/// A label that is no index (negative, a fraction) becomes one that no name has, and is refused when drawn.
fn indices(labels: &[f64]) -> Vec<usize> {
    labels.iter().map(|&c| if c >= 0.0 && c.fract() == 0.0 { c as usize } else { usize::MAX }).collect()
}

const PAD: f64 = 0.06;

/// A rectangle of grid cells of one class: columns and rows, the ends excluded.
struct Block {
    class: usize,
    columns: (usize, usize),
    rows: (usize, usize),
}

impl Regions {
    /// Cells of one class joined into runs along a row, and equal runs of neighbouring rows into blocks.
    fn blocks(&self) -> Vec<Block> {
        let mut done: Vec<Block> = Vec::new();
        let mut open: Vec<Block> = Vec::new();
        for (j, row) in self.classes.chunks(GRID.0).enumerate() {
            let mut next = Vec::new();
            let mut start = 0;
            for run in row.chunk_by(|a, b| a == b) {
                let columns = (start, start + run.len());
                start = columns.1;
                let same = open.iter().position(|block| block.columns == columns && block.class == run[0]);
                let from = same.map_or(j, |k| open.swap_remove(k).rows.0);
                next.push(Block { class: run[0], columns, rows: (from, j + 1) });
            }
            done.append(&mut open);
            open = next;
        }
        done.append(&mut open);
        done.sort_by_key(|block| (block.class, block.rows, block.columns));
        done
    }

    fn draw(&self, frame: &Frame) -> Result<String> {
        let at = |i: usize, j: usize| {
            let x = self.x.0 + (self.x.1 - self.x.0) * i as f64 / GRID.0 as f64;
            let y = self.y.0 + (self.y.1 - self.y.0) * j as f64 / GRID.1 as f64;
            let (x, y) = frame.at(x, y);
            // Whole pixels, so that neighbouring blocks leave no seam; and not beyond the axes.
            (x.clamp(frame.left, frame.right).round(), y.clamp(frame.top, frame.bottom).round())
        };
        // One opacity for the group, so that nothing shows twice where blocks touch.
        frame.layer(" opacity=\".22\" shape-rendering=\"crispEdges\"", |pen| {
            self.blocks().iter().try_for_each(|block| {
                let (a, b) = (at(block.columns.0, block.rows.0), at(block.columns.1, block.rows.1));
                if a.0 == b.0 || a.1 == b.1 { Ok(()) } else { pen.rectangle(a, b, theme::colour(block.class)) }
            })
        })
    }
}

impl Kind for Scatter {
    fn noun(&self) -> &'static str {
        "scatter plot"
    }

    fn content(&self) -> String {
        let regions = if self.regions.is_some() && self.names.is_empty() { " with regions" } else { "" };
        let classes = if self.names.is_empty() { String::new() } else { format!(" in {} classes", self.names.len()) };
        format!("{} points{classes}{regions}", self.x.len())
    }

    fn plan(&self, options: &Options) -> Result<Plan> {
        validate("x", &self.x)?;
        validate("y", &self.y)?;
        same_length("y", self.y.len(), self.x.len(), "x")?;
        if !(self.classes.is_empty() && self.names.is_empty()) {
            same_length("the list of classes", self.classes.len(), self.x.len(), "x")?;
        }
        if let Some(class) = self.classes.iter().find(|class| **class >= self.names.len()) {
            let class = if *class == usize::MAX { "no index".into() } else { class.to_string() };
            let text = format!("a class is {class}, but there are {} names: count classes from 0", self.names.len());
            return Err(Error::Figure(text));
        }
        if self.regions.is_some() && (options.log_x || options.log_y) {
            return Err(Error::Figure("decision regions need linear axes".into()));
        }
        let (mut x, mut y) = (Extent::new(PAD), Extent::new(PAD));
        x.include(&self.x);
        y.include(&self.y);
        let entry = |(i, name): (usize, &String)| Entry {
            name: name.clone(),
            colour: theme::colour(i),
            swatch: Swatch::Point(theme::marker(i)),
        };
        let legend = self.names.iter().enumerate().map(entry).collect();
        Ok(Plan { x, y, legend, bar: None, grid: (true, true) })
    }

    fn draw(&self, frame: &Frame) -> Result<String> {
        let regions = self.regions.as_ref().map_or(Ok(String::new()), |regions| regions.draw(frame))?;
        // Smaller where there are many.
        let radius = if self.x.len() > 400 { 2.6 } else { 4.0 };
        let points = frame.layer(&outlined(theme::CARD, 0.8), |pen| {
            for (i, (&x, &y)) in self.x.iter().zip(&self.y).enumerate() {
                if x.is_nan() || y.is_nan() {
                    continue;
                }
                let class = self.classes.get(i).copied().unwrap_or(0);
                pen.marker(theme::marker(class), frame.at(x, y), radius, theme::colour(class))?;
            }
            Ok(())
        })?;
        Ok(regions + &points)
    }
}

impl Numeric for Scatter {}
