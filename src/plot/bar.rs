//! How do a few named quantities compare?

use super::chart::{Chart, called, same_length, validate};
use super::pen::{BOTTOM, MIDDLE, TOP, font};
use super::plan::{Entry, Frame, Kind, Options, Plan, Swatch};
use super::scale::Extent;
use super::theme::{AXIS, INK};
use super::words::text_width;
use super::{Number, theme};
use crate::{Error, Result};

/// Bars from zero, grouped by category: see [`bar`].
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    categories: Vec<String>,
    series: Vec<(String, Vec<f64>)>,
    values: bool,
}

/// A bar chart: in each category one bar per named series. NaN leaves a bar out.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let chart = plot::bar(["iris", "xor"], &[("perceptron", [0.80, 0.50]), ("MLP", [0.97, 1.00])]).values();
/// assert_eq!(chart.finish()?.to_text(), "[bar chart: 2 categories, 2 series]");
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn bar<C, N, V>(categories: C, series: &[(N, V)]) -> Chart<Bar>
where
    C: IntoIterator<Item: AsRef<str>>,
    N: AsRef<str>,
    V: IntoIterator<Item: Number> + Clone,
{
    Chart::new(Bar { categories: super::names(categories), series: super::series(series), values: false })
}

impl Chart<Bar> {
    /// Writes the number at the end of every bar, as far as bars have room for it.
    pub fn values(mut self) -> Self {
        self.kind.values = true;
        self
    }
}

impl Bar {
    /// Four significant digits.
    fn text(value: f64) -> String {
        let decimals = (3.0 - value.abs().max(1e-9).log10().floor()).clamp(0.0, 6.0) as usize;
        let text = format!("{value:.decimals$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        text.replace('-', "\u{2212}")
    }
}

impl Kind for Bar {
    fn noun(&self) -> &'static str {
        "bar chart"
    }

    fn content(&self) -> String {
        format!("{} categories, {} series", self.categories.len(), self.series.len())
    }

    fn plan(&self, _: &Options) -> Result<Plan> {
        if self.series.is_empty() || self.categories.is_empty() {
            return Err(Error::Figure("there are no bars: give at least one category and one series".into()));
        }
        let mut y = Extent::new(if self.values { 0.12 } else { 0.06 });
        let mut legend = Vec::new();
        for (i, (name, values)) in self.series.iter().enumerate() {
            validate(&called(name), values)?;
            same_length(&called(name), values.len(), self.categories.len(), "the list of categories")?;
            y.include(values);
            legend.push(Entry { name: name.clone(), colour: theme::colour(i), swatch: Swatch::Box });
        }
        if legend.len() == 1 {
            legend.clear();
        }
        let x = Extent::categories(self.categories.clone());
        Ok(Plan { x, y: y.zero_based(), legend, bar: None, grid: (false, true) })
    }

    fn draw(&self, frame: &Frame) -> Result<String> {
        let count = self.series.len() as f64;
        let share = 0.78 / count;
        let left = |c: usize, s: usize| c as f64 - 0.39 + share * s as f64;
        let bars = frame.layer("", |pen| {
            for (s, (_, values)) in self.series.iter().enumerate() {
                for (c, &value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                    let (a, b) = (frame.at(left(c, s), 0.0), frame.at(left(c, s) + share, value));
                    let gap = if b.0 - a.0 > 6.0 && count > 1.0 { 0.5 } else { 0.0 };
                    pen.rectangle((a.0 + gap, a.1), (b.0 - gap, b.1), theme::colour(s))?;
                }
            }
            // The line the bars stand on, also where some hang from it.
            pen.line(&[(frame.left, frame.at(0.0, 0.0).1), (frame.right, frame.at(0.0, 0.0).1)], AXIS, 1.0)
        })?;
        let room = frame.at(share, 0.0).0 - frame.at(0.0, 0.0).0;
        let all = || self.series.iter().flat_map(|(_, values)| values).filter(|value| !value.is_nan());
        let widest = all().map(|&value| text_width(&Self::text(value), 1.0)).fold(0.1, f64::max);
        let size = (room * 1.1 / widest).min(11.5);
        if !self.values || size < 8.0 {
            return Ok(bars);
        }
        let texts = frame.layer("", |pen| {
            for (s, (_, values)) in self.series.iter().enumerate() {
                for (c, &value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                    let (x, y) = frame.at(left(c, s) + share / 2.0, value);
                    let (dy, hang) = if value < 0.0 { (2.0, TOP) } else { (-2.0, BOTTOM) };
                    pen.text(&Self::text(value), (x, y + dy), (MIDDLE, hang), &font(size, INK))?;
                }
            }
            Ok(())
        })?;
        Ok(bars + &texts)
    }
}
