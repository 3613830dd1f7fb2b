//! From numbers to places on an axis, and which numbers to write beside it.

use super::words::text_width;
use crate::{Error, Result};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// What an axis must show, before its length on the page is known.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    low: f64,
    high: f64,
    /// Only integers were seen: no tick between them.
    integers: bool,
    /// The axis starts at zero, as for counts.
    from_zero: bool,
    /// The axis starts at zero if the data come close to it.
    near_zero: bool,
    /// The share of the length left free on each side.
    pad: f64,
    /// Categories at 0, 1, 2, … instead of numbers.
    names: Option<Vec<String>>,
    /// From top to bottom.
    flipped: bool,
}

impl Extent {
    pub(super) fn new(pad: f64) -> Self {
        Self {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            integers: true,
            from_zero: false,
            near_zero: false,
            pad,
            names: None,
            flipped: false,
        }
    }

    /// Categories, each a unit wide around its index.
    pub(super) fn categories(names: Vec<String>) -> Self {
        let high = names.len() as f64 - 0.5;
        Self { low: -0.5, high, names: Some(names), ..Self::new(0.0) }
    }

    pub(super) fn flip(self) -> Self {
        Self { flipped: true, ..self }
    }

    pub(super) fn zero_based(self) -> Self {
        Self { from_zero: true, ..self }
    }

    pub(super) fn near_zero(self) -> Self {
        Self { near_zero: true, ..self }
    }

    /// Takes in the numbers that are not NaN.
    pub(super) fn include(&mut self, values: &[f64]) {
        for &value in values.iter().filter(|value| !value.is_nan()) {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
            self.integers &= value.fract() == 0.0;
        }
    }

    /// Takes in a guide line, which says nothing about the kind of numbers.
    pub(super) fn include_guide(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    /// The categories, if these are what stands on the axis.
    pub(super) fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// The end points with their padding.
    pub(super) fn resolve(&self, fixed: Option<(f64, f64)>, log: bool) -> Result<Bounds> {
        let fail = |text: String| Err(Error::Figure(text));
        if let Some((low, high)) = fixed {
            if !(low < high && low.abs() < 1e300 && high.abs() < 1e300) {
                return fail(format!("the range {low}..{high} of an axis must be finite and rising"));
            }
            if log && low <= 0.0 {
                return fail(format!("a logarithmic axis cannot start at {low}: give a range above 0"));
            }
            return Ok(Bounds { low, high, log });
        }
        let (mut low, mut high) = (self.low, self.high);
        if !(low.abs() < 1e300 && high.abs() < 1e300) {
            return fail("numbers beyond 1e300 do not fit on an axis: rescale them".into());
        }
        if log {
            if low <= 0.0 {
                return fail(format!("a logarithmic axis cannot show {low}: use a linear axis or drop such points"));
            }
            let widen = if high / low < 1.0 + 1e-9 { 0.5 } else { (high.log10() - low.log10()) * self.pad };
            // Padding must not leave the numbers: the logarithm of 0 is no place on an axis.
            let (low, high) = ((low * 10_f64.powf(-widen)).max(f64::MIN_POSITIVE), high * 10_f64.powf(widen));
            return Ok(Bounds { low, high: high.min(f64::MAX), log });
        }
        let zero_based = self.from_zero || (self.near_zero && low >= 0.0 && low <= 0.25 * high);
        if self.from_zero {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        // Rounding noise is no range: a constant gets a window around it.
        if high - low <= 1e-12 * low.abs().max(high.abs()) {
            let half = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
            (low, high) = (low - half, high + half);
            return Ok(Bounds { low, high, log });
        }
        let room = (high - low) * self.pad;
        let padded_low = if zero_based && low >= 0.0 { 0.0 } else { low - room };
        let padded_high = if self.from_zero && high <= 0.0 { 0.0 } else { high + room };
        Ok(Bounds { low: padded_low, high: padded_high, log })
    }

    /// The axis with its ticks, for a length in pixels; labels stand `beside` each other or below each other.
    pub(super) fn axis(&self, bounds: Bounds, length: f64, size: f64, beside: bool) -> Axis {
        let ticks = match &self.names {
            Some(_) => Vec::new(),
            None => numeric_ticks(bounds, length, size, beside, self.integers),
        };
        Axis { bounds, ticks, flipped: self.flipped }
    }
}

/// The ends of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) log: bool,
}

impl Bounds {
    /// The place of a value, 0 at the low end and 1 at the high end; far outside it is cut off, which keeps pixel
    /// arithmetic from overflowing.
    fn place(&self, value: f64) -> f64 {
        let t = if self.log {
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if t.is_nan() { 0.0 } else { t.clamp(-20.0, 21.0) }
    }
}

/// As many ticks as have room, with labels that do not touch.
fn numeric_ticks(bounds: Bounds, length: f64, size: f64, beside: bool, integers: bool) -> Vec<(f64, String)> {
    let most = (length / if beside { 25.0 } else { 15.0 }).clamp(2.0, 40.0) as usize;
    let mut found = Vec::new();
    for count in (1..=most).rev() {
        let values = if bounds.log { log_ticks(bounds, count) } else { linear_ticks(bounds, count, integers) };
        found = label(&values, bounds.log);
        let widest = found.iter().map(|(_, text)| text_width(text, size)).fold(0.0, f64::max);
        let nearest = found
            .windows(2)
            .map(|two| (bounds.place(two[1].0) - bounds.place(two[0].0)) * length)
            .fold(f64::INFINITY, f64::min);
        if nearest >= if beside { (widest + 14.0).max((length / 8.0).min(48.0)) } else { 2.5 * size } {
            break;
        }
    }
    found
}

/// Multiples of 1, 2 or 5 times a power of ten, at most `count` steps of them.
fn linear_ticks(bounds: Bounds, count: usize, integers: bool) -> Vec<f64> {
    let rough = (bounds.high - bounds.low) / count as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let mut step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(10.0 * power);
    if integers {
        step = step.max(1.0);
    }
    let slack = 1e-9;
    let (first, last) = ((bounds.low / step - slack).ceil(), (bounds.high / step + slack).floor());
    // k * step, rounded through its decimals: 3 * 0.1 is to be 0.3.
    let digits = (-step.log10().floor()).clamp(0.0, 300.0) as i32;
    let tidy = |k: f64| {
        let value = (first + k) * step;
        let scale = 10_f64.powi(digits);
        if scale.is_finite() && digits < 15 { (value * scale).round() / scale } else { value }
    };
    let steps = (last - first).clamp(-1.0, 100.0);
    (0..(steps + 1.0) as usize).map(|k| tidy(k as f64)).collect()
}

/// Powers of ten; within two decades also 2 and 5 of each; within a narrow range plain steps.
fn log_ticks(bounds: Bounds, count: usize) -> Vec<f64> {
    let (low, high) = (bounds.low.log10(), bounds.high.log10());
    let inside = |value: &f64| *value >= bounds.low * (1.0 - 1e-9) && *value <= bounds.high * (1.0 + 1e-9);
    let power = |k: i32| format!("1e{k}").parse::<f64>().unwrap_or(f64::NAN);
    let decades = (low.floor() as i32)..=(high.ceil() as i32);
    let whole: Vec<i32> = decades.clone().filter(|&k| inside(&power(k))).collect();
    if whole.len() >= 3 {
        let stride = whole.len().div_ceil(count.max(1)).max(1);
        return whole.into_iter().filter(|k| k.rem_euclid(stride as i32) == 0).map(power).collect();
    }
    let fine: Vec<f64> = decades.flat_map(|k| [1.0, 2.0, 5.0].map(|m| m * power(k))).filter(inside).collect();
    if fine.len() >= 3 && count >= 3 { fine } else { linear_ticks(bounds, count, false) }
}

/// Labels in one style: plain where short, powers of ten otherwise.
fn label(values: &[f64], log: bool) -> Vec<(f64, String)> {
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let smallest = values.iter().filter(|v| **v != 0.0).fold(f64::INFINITY, |m, v| m.min(v.abs()));
    let step = values.windows(2).map(|two| two[1] - two[0]).fold(f64::INFINITY, f64::min);
    let scientific = if log {
        largest > 9999.0 || smallest < 0.0099
    } else {
        largest >= 1e6 || (largest > 0.0 && largest < 1e-3) || step < 1e-6
    };
    let text = |value: f64| match value {
        0.0 => "0".to_string(),
        1.0 if log => "1".to_string(),
        // Large numbers close together need all their digits.
        value if scientific && (log || step > 1e-6 * largest) => short_scientific(value),
        value => format!("{value}"),
    };
    let mut texts: Vec<String> = values.iter().map(|&value| text(value)).collect();
    if !log && !scientific {
        let decimals = texts.iter().filter_map(|t| t.split_once('.')).map(|(_, f)| f.len()).max().unwrap_or(0);
        texts = values.iter().map(|value| format!("{value:.decimals$}")).collect();
    }
    values.iter().copied().zip(texts.into_iter().map(|t| t.replace('-', "\u{2212}"))).collect()
}

/// `1e-3`, `2.5e6`.
fn short_scientific(value: f64) -> String {
    let text = format!("{value:.6e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
            format!("{mantissa}e{exponent}")
        }
        None => text,
    }
}

/// An axis ready for plotters, which asks it where values lie and where ticks stand.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) bounds: Bounds,
    pub(super) ticks: Vec<(f64, String)>,
    flipped: bool,
}

impl Axis {
    /// The widest label.
    pub(super) fn label_width(&self, size: f64) -> f64 {
        self.ticks.iter().map(|(_, text)| text_width(text, size)).fold(0.0, f64::max)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let place = self.bounds.place(*value);
        let place = if self.flipped { 1.0 - place } else { place };
        from + (place * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.bounds.low..self.bounds.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|(tick, _)| tick == value).map(|(_, text)| text.clone()).unwrap_or_default()
    }
}
