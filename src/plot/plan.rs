//! What do builder, page and each kind of chart tell one another?

use super::pen::{self, Pen, Point};
use super::scale::{Axis, Extent};
use super::theme;
use crate::Result;
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

impl Default for Options {
    fn default() -> Self {
        Self {
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
        }
    }
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
        pen::layer(self.page, attributes, draw)
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
