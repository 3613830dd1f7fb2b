//! How are values distributed?

use super::chart::{Chart, called, validate};
use super::plan::{Entry, Frame, Kind, Numeric, Options, Plan, Swatch};
use super::scale::Extent;
use super::{Number, theme};
use crate::{Error, Result};

/// Counts of values in equal bins: see [`histogram`].
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    series: Vec<(String, Vec<f64>)>,
    bins: Option<usize>,
    density: bool,
}

/// A histogram of one or more named samples over common bins. NaN is left out.
///
/// Without [`bins`](Chart::bins) their width is `2 IQR / n^(1/3)` (Freedman and Diaconis 1981) for the largest sample,
/// within 5 to 60 bins.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let chart = plot::histogram(&[("lengths", [4.9, 5.1, 5.0, 6.2])]).bins(3).labels("cm", "count");
/// assert_eq!(chart.finish()?.to_text(), "[histogram: 4 values]");
/// assert!(chart.bins(0).finish().is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn histogram<N, V>(samples: &[(N, V)]) -> Chart<Histogram>
where
    N: AsRef<str>,
    V: IntoIterator<Item: Number> + Clone,
{
    Chart::new(Histogram { series: super::series(samples), bins: None, density: false })
}

impl Chart<Histogram> {
    /// The number of bins.
    pub fn bins(mut self, bins: usize) -> Self {
        self.kind.bins = Some(bins);
        self
    }

    /// Heights that make each sample's area 1, instead of counts.
    pub fn density(mut self) -> Self {
        self.kind.density = true;
        self
    }
}

impl Histogram {
    /// The lowest and highest value; a constant gets a bin around it.
    fn range(&self) -> (f64, f64) {
        let values = self.series.iter().flat_map(|(_, values)| values).filter(|value| !value.is_nan());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        if high - low > 1e-12 * low.abs().max(high.abs()) { (low, high) } else { (low - 0.5, high + 0.5) }
    }

    fn count(&self) -> usize {
        self.bins.unwrap_or_else(|| {
            let (low, high) = self.range();
            let mut sorted: Vec<f64> =
                self.series.iter().map(|(_, v)| v).max_by_key(|v| v.len()).cloned().unwrap_or_default();
            sorted.retain(|value| !value.is_nan());
            sorted.sort_by(f64::total_cmp);
            let quantile = |q: f64| sorted.get(((sorted.len().max(1) - 1) as f64 * q) as usize).copied().unwrap_or(0.0);
            let width = 2.0 * (quantile(0.75) - quantile(0.25)) / (sorted.len().max(1) as f64).cbrt();
            let bins = ((high - low) / width).ceil();
            if bins.is_finite() { bins.clamp(5.0, 60.0) as usize } else { 10 }
        })
    }

    /// The height of every bin of a sample.
    fn heights(&self, values: &[f64]) -> Vec<f64> {
        let ((low, high), count) = (self.range(), self.count());
        let mut heights = vec![0.0; count];
        let mut total = 0.0;
        for value in values.iter().filter(|value| !value.is_nan()) {
            // The last bin includes its upper end.
            let bin = ((value - low) / (high - low) * count as f64) as usize;
            heights[bin.min(count - 1)] += 1.0;
            total += 1.0;
        }
        if self.density {
            let area = total * (high - low) / count as f64;
            heights.iter_mut().for_each(|height| *height /= area);
        }
        heights
    }
}

impl Kind for Histogram {
    fn noun(&self) -> &'static str {
        "histogram"
    }

    fn content(&self) -> String {
        let values: usize = self.series.iter().map(|(_, values)| values.len()).sum();
        let samples = if self.series.len() > 1 { format!(" in {} samples", self.series.len()) } else { String::new() };
        format!("{values} values{samples}")
    }

    fn plan(&self, options: &Options) -> Result<Plan> {
        if self.series.is_empty() {
            return Err(Error::Figure("there is no sample: give at least one".into()));
        }
        if !(1..=2000).contains(&self.count()) {
            return Err(Error::Figure(format!("{} bins are outside 1 to 2000", self.count())));
        }
        if options.log_x {
            return Err(Error::Figure(
                "bins are equally wide on a linear axis: take logarithms of the values instead".into(),
            ));
        }
        let mut y = Extent::new(0.05);
        let mut legend = Vec::new();
        for (i, (name, values)) in self.series.iter().enumerate() {
            validate(&called(name), values)?;
            let heights = self.heights(values);
            let shown: Vec<f64> = heights.into_iter().filter(|height| !options.log_y || *height > 0.0).collect();
            y.include(&shown);
            legend.push(Entry { name: name.clone(), colour: theme::colour(i), swatch: Swatch::Box });
        }
        let mut x = Extent::new(0.0);
        let (low, high) = self.range();
        x.include(&[low, high]);
        x.include(&self.series.iter().flat_map(|(_, values)| values.iter().copied()).collect::<Vec<_>>());
        if legend.len() == 1 {
            legend.clear();
        }
        let y = if options.log_y { y } else { y.zero_based() };
        Ok(Plan { x, y, legend, bar: None, grid: (false, true) })
    }

    fn draw(&self, frame: &Frame) -> Result<String> {
        let ((low, high), count) = (self.range(), self.count());
        let edge = |k: usize| low + (high - low) * k as f64 / count as f64;
        let opacity = if self.series.len() > 1 { " opacity=\".45\"" } else { " opacity=\".85\"" };
        let mut svg = String::new();
        for (i, (_, values)) in self.series.iter().enumerate() {
            let heights = self.heights(values);
            svg += &frame.layer(opacity, |pen| {
                for (k, &height) in heights.iter().enumerate().filter(|(_, height)| **height > 0.0) {
                    let (left, top) = frame.at(edge(k), height);
                    let (right, _) = frame.at(edge(k + 1), height);
                    let gap = if right - left > 4.0 && self.series.len() == 1 { 0.5 } else { 0.0 };
                    pen.rectangle((left + gap, top), (right - gap, frame.bottom), theme::colour(i))?;
                }
                Ok(())
            })?;
            if self.series.len() > 1 {
                svg += &self.outline(frame, i, &heights)?;
            }
        }
        Ok(svg)
    }
}

impl Histogram {
    /// The skyline of a sample, which stays legible where samples overlap.
    fn outline(&self, frame: &Frame, i: usize, heights: &[f64]) -> Result<String> {
        let ((low, high), count) = (self.range(), heights.len());
        let edge = |k: usize| frame.at(low + (high - low) * k as f64 / count as f64, 1.0).0;
        // One path for every stretch of bins that are not empty.
        let mut paths = Vec::new();
        let mut start = 0;
        for run in heights.chunk_by(|a, b| (*a > 0.0) == (*b > 0.0)) {
            let mut path = vec![(edge(start), frame.bottom)];
            for (k, &height) in run.iter().enumerate() {
                let y = frame.at(low, height).1;
                path.extend([(edge(start + k), y), (edge(start + k + 1), y)]);
            }
            start += run.len();
            path.push((edge(start), frame.bottom));
            if run[0] > 0.0 {
                paths.push(path);
            }
        }
        let dash = match theme::dash(i) {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        frame.layer(&dash, |pen| paths.iter().try_for_each(|path| pen.line(path, theme::colour(i), 1.6)))
    }
}

impl Numeric for Histogram {}
