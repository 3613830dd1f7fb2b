//! What stands in one cell of a table: text, an integer, a float, or nothing.

/// A cell's content, still a number where it is one, so that a column of floats can be given common digits.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Left-aligned.
    Text(String),
    /// An integer, right-aligned as it is.
    Integer(String),
    /// A float, rounded together with its neighbours.
    Float(f64),
    /// Shown as a dash.
    Missing,
}

/// Anything that can stand in a table, a card or a shown array.
///
/// ```
/// use mlnotes::display::{Cell, Value};
///
/// assert_eq!(3_usize.value(), Value::Integer("3".into()));
/// assert_eq!(None::<f64>.value(), Value::Missing);
/// ```
pub trait Cell {
    /// The name of the type in an array's caption: `f64`.
    const DTYPE: &'static str;

    /// The content.
    fn value(&self) -> Value;
}

macro_rules! cells {
    ($($type:ty: $this:ident => $value:expr;)*) => {$(
        impl Cell for $type {
            const DTYPE: &'static str = stringify!($type);

            fn value(&self) -> Value {
                let $this = self;
                $value
            }
        }
    )*};
}

cells! {
    f64: x => Value::Float(*x);
    // Through the shortest decimal, so that 0.1_f32 does not turn into 0.10000000149.
    f32: x => Value::Float(x.to_string().parse().unwrap_or(f64::from(*x)));
    i8: x => Value::Integer(x.to_string());
    i16: x => Value::Integer(x.to_string());
    i32: x => Value::Integer(x.to_string());
    i64: x => Value::Integer(x.to_string());
    isize: x => Value::Integer(x.to_string());
    u8: x => Value::Integer(x.to_string());
    u16: x => Value::Integer(x.to_string());
    u32: x => Value::Integer(x.to_string());
    u64: x => Value::Integer(x.to_string());
    usize: x => Value::Integer(x.to_string());
    bool: x => Value::Text(x.to_string());
    char: x => Value::Text(x.to_string());
    String: x => Value::Text(x.clone());
}

impl Cell for str {
    const DTYPE: &'static str = "str";

    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }
}

impl<T: Cell + ?Sized> Cell for &T {
    const DTYPE: &'static str = T::DTYPE;

    fn value(&self) -> Value {
        (**self).value()
    }
}

impl<T: Cell> Cell for Option<T> {
    const DTYPE: &'static str = T::DTYPE;

    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Missing, Cell::value)
    }
}

impl Value {
    /// Whether it lines up on the right.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::Float(_))
    }

    /// The text, floats in the given style.
    pub(crate) fn text(&self, digits: Digits) -> String {
        match self {
            Self::Text(text) | Self::Integer(text) => text.clone(),
            Self::Float(x) => digits.format(*x),
            Self::Missing => "–".into(),
        }
    }
}

/// How a group of floats is written, so that their points stand under each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Digits {
    Fixed(usize),
    Scientific(usize),
}

impl Digits {
    /// Four significant digits of the largest value, fewer where that loses nothing, and powers of ten where a fixed
    /// point would hide the small values.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Self {
        let floats: Vec<f64> = values
            .into_iter()
            .filter_map(|value| if let Value::Float(x) = value { Some(*x) } else { None })
            .filter(|x| x.is_finite() && *x != 0.0)
            .map(f64::abs)
            .collect();
        let largest = floats.iter().copied().fold(0.0, f64::max);
        let smallest = floats.iter().copied().fold(f64::INFINITY, f64::min);
        if floats.is_empty() {
            return Self::Fixed(0);
        }
        let cap = (3 - largest.log10().floor() as i32).clamp(0, 6) as usize;
        let exact = floats.iter().map(|&x| decimals(x)).max().unwrap_or(0);
        if exact <= cap && largest < 1e9 {
            return Self::Fixed(exact);
        }
        let seen = 0.5 * 10_f64.powi(-(cap as i32 + 2));
        if largest >= 1e7 || smallest < seen {
            let mantissa = floats.iter().map(|&x| scientific_digits(x)).max().unwrap_or(0);
            return Self::Scientific(mantissa.min(3));
        }
        // Up to two decimals more if the smallest would otherwise be lost.
        let needed = (-smallest.log10().floor()) as i32;
        Self::Fixed(cap.max(needed.clamp(0, cap as i32 + 2) as usize))
    }

    pub(crate) fn format(self, x: f64) -> String {
        match self {
            _ if x.is_nan() => "NaN".into(),
            _ if x.is_infinite() => if x > 0.0 { "inf" } else { "-inf" }.into(),
            Self::Fixed(decimals) => format!("{x:.decimals$}"),
            Self::Scientific(decimals) => format!("{x:.decimals$e}"),
        }
    }
}

/// Decimals of the shortest text that reads back as `x`.
fn decimals(x: f64) -> usize {
    format!("{x}").split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

fn scientific_digits(x: f64) -> usize {
    let text = format!("{x:e}");
    text.split('e').next().and_then(|mantissa| mantissa.split_once('.')).map_or(0, |(_, fraction)| fraction.len())
}
