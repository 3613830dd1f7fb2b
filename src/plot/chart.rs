//! The builder that all charts share.

use super::layout;
use super::pen::{Pen, Point};
use super::scale::{Axis, Extent};
use super::{Figure, Number, theme};
use crate::display::{Rich, Show, frame, paragraph};
use crate::{Error, Result};
use plotters::coord::ranged1d::Ranged;
use plotters::style::RGBColor;

/// What the builder was told beside the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) size: (f64, f64),
    pub(super) legend: bool,
    pub(super) x_range: Option<(f64, f64)>,
    pub(super) y_range: Option<(f64, f64)>,
    pub(super) log_x: bool,
    pub(super) log_y: bool,
    pub(super) guides: Vec<Guide>,
    pub(super) notes: Vec<(f64, f64, String)>,
}

/// A line across the plot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Guide {
    pub(super) vertical: bool,
    pub(super) at: f64,
    pub(super) text: String,
}

/// How a legend entry is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Swatch {
    Line { dash: &'static str, marker: Option<theme::Marker> },
    Point(theme::Marker),
    Box,
}

/// One legend entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) colour: RGBColor,
    pub(super) swatch: Swatch,
}

/// The scale of a heat map's colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColourBar {
    pub(super) map: theme::ColourMap,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// What a kind of chart asks of the page.
pub struct Plan {
    pub(super) x: Extent,
    pub(super) y: Extent,
    pub(super) legend: Vec<Entry>,
    pub(super) bar: Option<ColourBar>,
    /// Grid lines across x and across y.
    pub(super) grid: (bool, bool),
}

/// The plotting rectangle in pixels and its two axes.
pub struct Frame {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
    pub(super) page: (f64, f64),
}

impl Frame {
    /// The pixel of a data point.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        let tenths = |v: f64| (v * 10.0).round() as i32;
        let x = self.x.map(&x, (tenths(self.left), tenths(self.right)));
        let y = self.y.map(&y, (tenths(self.bottom), tenths(self.top)));
        (f64::from(x) / 10.0, f64::from(y) / 10.0)
    }

    /// A layer inside the page.
    pub(super) fn layer(&self, attributes: &str, draw: impl FnOnce(&Pen<'_, '_>) -> Result<()>) -> Result<String> {
        super::pen::layer(self.page, attributes, draw)
    }
}

/// A kind of chart: line, scatter, histogram, heat map, bar.
pub trait Kind {
    /// `line chart`.
    fn noun(&self) -> &'static str;
    /// `3 series`.
    fn content(&self) -> String;
    /// Checks the data and says what the page must hold.
    fn plan(&self, options: &Options) -> Result<Plan>;
    /// The data, as SVG layers.
    fn draw(&self, frame: &Frame) -> Result<String>;
}

/// A chart with numbers along both axes, which can be logarithmic.
pub trait Numeric: Kind {}

/// A chart being built: the data, and what has been said about its looks.
///
/// It shows itself, so a cell can end with it; [`finish`](Chart::finish) makes the [`Figure`]. Nothing is drawn, and
/// nothing can fail, before that.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let chart = plot::scatter([1.0, 2.0], [3.0, 5.0])
///     .title("两点 two points")
///     .labels("x", "y")
///     .size(480, 320)
///     .x_range(0.0, 3.0)
///     .hline(4.0, "half way")
///     .note(2.0, 5.0, "the second");
/// assert!(chart.finish()?.svg().contains("两点 two points"));
/// assert!(chart.size(1, 1).finish().is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chart<K> {
    pub(super) kind: K,
    pub(super) options: Options,
}

impl<K: Kind> Chart<K> {
    pub(super) fn new(kind: K) -> Self {
        let options = Options {
            title: String::new(),
            x_label: String::new(),
            y_label: String::new(),
            size: (640.0, 400.0),
            legend: true,
            x_range: None,
            y_range: None,
            log_x: false,
            log_y: false,
            guides: Vec::new(),
            notes: Vec::new(),
        };
        Self { kind, options }
    }

    /// The line above the plot; long ones are wrapped.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.options.title = title.into();
        self
    }

    /// What stands along the two axes, with units.
    pub fn labels(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        (self.options.x_label, self.options.y_label) = (x.into(), y.into());
        self
    }

    /// Width and height in pixels, 640 by 400 unless told; it shrinks with the page.
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.options.size = (f64::from(width), f64::from(height));
        self
    }

    /// Leaves the legend out.
    pub fn no_legend(mut self) -> Self {
        self.options.legend = false;
        self
    }

    /// Draws the figure.
    ///
    /// # Errors
    /// [`Error::Figure`] says what cannot be drawn: nothing but NaN, an infinity, lengths that differ, a range that is
    /// not one, a number at or below 0 on a logarithmic axis, a size outside 160 to 4000 pixels.
    pub fn finish(&self) -> Result<Figure> {
        let svg = layout::draw(&self.kind, &self.options, &self.text())?;
        Ok(Figure::new(svg, &format!("[{}]", self.text())))
    }

    fn text(&self) -> String {
        let title = if self.options.title.is_empty() { String::new() } else { format!(" \"{}\"", self.options.title) };
        format!("{}{title}: {}", self.kind.noun(), self.kind.content())
    }
}

impl<K: Numeric> Chart<K> {
    /// Fixes the ends of the x axis; what lies outside is cut off.
    pub fn x_range(mut self, low: impl Number, high: impl Number) -> Self {
        self.options.x_range = Some((low.number(), high.number()));
        self
    }

    /// Fixes the ends of the y axis; what lies outside is cut off.
    pub fn y_range(mut self, low: impl Number, high: impl Number) -> Self {
        self.options.y_range = Some((low.number(), high.number()));
        self
    }

    /// A logarithmic x axis.
    pub fn log_x(mut self) -> Self {
        self.options.log_x = true;
        self
    }

    /// A logarithmic y axis.
    pub fn log_y(mut self) -> Self {
        self.options.log_y = true;
        self
    }

    /// A vertical line at `x`; the text may be empty.
    pub fn vline(mut self, x: impl Number, text: impl Into<String>) -> Self {
        self.options.guides.push(Guide { vertical: true, at: x.number(), text: text.into() });
        self
    }

    /// A horizontal line at `y`; the text may be empty.
    pub fn hline(mut self, y: impl Number, text: impl Into<String>) -> Self {
        self.options.guides.push(Guide { vertical: false, at: y.number(), text: text.into() });
        self
    }

    /// A text beside the point (x, y).
    pub fn note(mut self, x: impl Number, y: impl Number, text: impl Into<String>) -> Self {
        self.options.notes.push((x.number(), y.number(), text.into()));
        self
    }
}

/// Draws when shown; what cannot be drawn is said in one line.
impl<K: Kind> Show for Chart<K> {
    fn to_text(&self) -> String {
        self.finish().map_or_else(|error| crate::display::one_line(&error.to_string()), |figure| figure.to_text())
    }

    fn to_rich(&self) -> Rich {
        match self.finish() {
            Ok(figure) => figure.to_rich(),
            Err(error) => Rich::Html(frame(&paragraph("no", &error.to_string()))),
        }
    }
}

/// Refuses an infinity, and data without a single number.
pub(super) fn validate(name: &str, values: &[f64]) -> Result<()> {
    if let Some(i) = values.iter().position(|value| value.is_infinite()) {
        let text = format!("{name} holds {} at [{i}]: leave such points out, or make them NaN for a gap", values[i]);
        return Err(Error::Figure(text));
    }
    if values.iter().all(|value| value.is_nan()) {
        let what = if values.is_empty() { "is empty" } else { "holds nothing but NaN" };
        return Err(Error::Figure(format!("{name} {what}: give it at least one number")));
    }
    Ok(())
}

/// How a series is called in an error.
pub(super) fn called(name: &str) -> String {
    if name.is_empty() { "the series".into() } else { format!("the series \"{}\"", crate::display::one_line(name)) }
}

/// Refuses a length other than the one needed.
pub(super) fn same_length(name: &str, got: usize, want: usize, of: &str) -> Result<()> {
    if got == want { Ok(()) } else { Err(Error::Figure(format!("{name} has {got} values, but {of} has {want}"))) }
}
