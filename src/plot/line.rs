//! How does something change along an axis?

use super::chart::{Chart, called, same_length, validate};
use super::plan::{Entry, Frame, Kind, Numeric, Options, Plan, Swatch};
use super::scale::Extent;
use super::{Number, theme};
use crate::{Error, Result};

/// Series of points joined by lines: see [`line()`].
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    series: Vec<(String, Vec<f64>, Vec<f64>)>,
    markers: bool,
}

/// A line chart of one or more named series over the same x.
///
/// A NaN leaves a gap. An empty name keeps a series out of the legend.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let train = vec![0.9, 0.4, 0.1];
/// let test = vec![0.9, 0.6, f64::NAN];
/// let chart = plot::line(1..=3, &[("train", &train), ("test", &test)]).labels("epoch", "error");
/// assert_eq!(chart.finish()?.to_text(), "[line chart: 2 series]");
///
/// let short = plot::line(1..=4, &[("train", &train)]).finish().unwrap_err();
/// assert!(short.to_string().contains("has 3 values, but x has 4"));
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn line<X, N, Y>(x: X, series: &[(N, Y)]) -> Chart<Line>
where
    X: IntoIterator<Item: Number>,
    N: AsRef<str>,
    Y: IntoIterator<Item: Number> + Clone,
{
    lines(&super::numbers(x), super::series(series))
}

fn lines(x: &[f64], series: Vec<(String, Vec<f64>)>) -> Chart<Line> {
    let series = series.into_iter().map(|(name, y)| (name, x.to_vec(), y)).collect();
    Chart::new(Line { series, markers: false })
}

impl Chart<Line> {
    /// Adds a series with its own x.
    ///
    /// ```
    /// use mlnotes::prelude::*;
    ///
    /// let chart = plot::line(0..3, &[("steps", [1, 4, 9])]).series("end", [2.5], [6.25]);
    /// assert_eq!(chart.finish()?.to_text(), "[line chart: 2 series]");
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn series<X, Y>(mut self, name: impl Into<String>, x: X, y: Y) -> Self
    where
        X: IntoIterator<Item: Number>,
        Y: IntoIterator<Item: Number>,
    {
        self.kind.series.push((name.into(), super::numbers(x), super::numbers(y)));
        self
    }

    /// Marks every point.
    pub fn markers(mut self) -> Self {
        self.kind.markers = true;
        self
    }
}

impl Line {
    /// A marker where asked for, and where a point has no neighbour to be joined with.
    fn marked(&self, xs: &[f64], ys: &[f64], i: usize) -> bool {
        let there = |i: usize| xs.get(i).zip(ys.get(i)).is_some_and(|(x, y)| !x.is_nan() && !y.is_nan());
        there(i) && (self.markers || !(there(i + 1) || i > 0 && there(i - 1)))
    }
}

impl Kind for Line {
    fn noun(&self) -> &'static str {
        "line chart"
    }

    fn content(&self) -> String {
        format!("{} series", self.series.len())
    }

    fn plan(&self, _: &Options) -> Result<Plan> {
        if self.series.is_empty() {
            return Err(Error::Figure("there is no series: give at least one".into()));
        }
        let (mut x, mut y) = (Extent::new(0.02), Extent::new(0.05).near_zero());
        let mut legend = Vec::new();
        for (i, (name, xs, ys)) in self.series.iter().enumerate() {
            validate(&format!("x of {}", called(name)), xs)?;
            validate(&called(name), ys)?;
            same_length(&called(name), ys.len(), xs.len(), "x")?;
            x.include(xs);
            y.include(ys);
            let marker = self.markers.then(|| theme::marker(i));
            let swatch = Swatch::Line { dash: theme::dash(i), marker };
            legend.push(Entry { name: name.clone(), colour: theme::colour(i), swatch });
        }
        Ok(Plan { x, y, legend, bar: None, grid: (true, true) })
    }

    fn draw(&self, frame: &Frame) -> Result<String> {
        let mut svg = String::new();
        for (i, (_, xs, ys)) in self.series.iter().enumerate() {
            let points: Vec<_> = xs.iter().copied().zip(ys.iter().copied()).collect();
            let dash = match theme::dash(i) {
                "" => String::new(),
                dash => format!(" stroke-dasharray=\"{dash}\""),
            };
            svg += &frame.layer(&format!("{dash} stroke-linejoin=\"round\""), |pen| {
                let runs = points.split(|(x, y)| x.is_nan() || y.is_nan()).filter(|run| run.len() > 1);
                for run in runs {
                    let path: Vec<_> = run.iter().map(|&(x, y)| frame.at(x, y)).collect();
                    pen.line(&path, theme::colour(i), 2.0)?;
                }
                Ok(())
            })?;
            svg += &frame.layer("", |pen| {
                for (_, &(x, y)) in points.iter().enumerate().filter(|(k, _)| self.marked(xs, ys, *k)) {
                    pen.marker(theme::marker(i), frame.at(x, y), 3.2, theme::colour(i))?;
                }
                Ok(())
            })?;
        }
        Ok(svg)
    }
}

impl Numeric for Line {}
