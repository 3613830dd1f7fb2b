//! What does it look like? Charts in one call each, drawn by plotters as inline SVG.
//!
//! | call | shows |
//! | --- | --- |
//! | [`line()`] | series along an axis |
//! | [`scatter`] | points by class, with decision regions |
//! | [`histogram`] | distributions |
//! | [`heatmap`] | a matrix as colours, with its scale |
//! | [`bar`] | named quantities side by side |
//!
//! Each returns a [`Chart`], which takes title, labels, ranges, guide lines and notes, and shows itself at the end of a
//! cell. Colours are told apart with every common colour vision (Okabe and Ito), and markers or dashes say the same a
//! second time. A figure brings its own background and a dark variant for readers who prefer one. The same data give
//! the same bytes.
//!
//! ```
//! use mlnotes::prelude::*;
//!
//! let epochs = 1..=5;
//! let chart = plot::line(epochs, &[("train", [30, 12, 5, 4, 4]), ("test", [9, 5, 4, 4, 5])])
//!     .title("Errors of a perceptron 感知器")
//!     .labels("epoch", "errors")
//!     .markers();
//! assert!(chart.finish()?.svg().contains("感知器"));
//! # Ok::<(), mlnotes::Error>(())
//! ```

mod bar;
mod chart;
mod figure;
mod heatmap;
mod histogram;
mod layout;
mod legend;
mod line;
mod pen;
mod plan;
mod scale;
mod scatter;
mod theme;
mod words;

pub use bar::{Bar, bar};
pub use chart::Chart;
pub use figure::Figure;
pub use heatmap::{Heatmap, heatmap};
pub use histogram::{Histogram, histogram};
pub use line::{Line, line};
pub use scatter::{Scatter, scatter};

/// A number that can be plotted.
///
/// ```
/// use mlnotes::plot::Number;
///
/// assert_eq!(3_usize.number(), 3.0);
/// ```
pub trait Number {
    /// As f64; integers beyond 2^53 are rounded.
    fn number(&self) -> f64;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn number(&self) -> f64 {
                *self as f64
            }
        }
    )*};
}

number!(f64, f32, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl<T: Number + ?Sized> Number for &T {
    fn number(&self) -> f64 {
        (**self).number()
    }
}

// A notebook's cell compiles whatever is generic, while its reader waits. So what is generic only fills these lists, by
// plain loops; drawing is compiled once.

fn numbers(values: impl IntoIterator<Item: Number>) -> Vec<f64> {
    let mut numbers = Vec::new();
    for value in values {
        numbers.push(value.number());
    }
    numbers
}

fn names(values: impl IntoIterator<Item: AsRef<str>>) -> Vec<String> {
    let mut names = Vec::new();
    for value in values {
        names.push(value.as_ref().to_owned());
    }
    names
}

/// Series by name.
fn series<N, V>(series: &[(N, V)]) -> Vec<(String, Vec<f64>)>
where
    N: AsRef<str>,
    V: IntoIterator<Item: Number> + Clone,
{
    let mut found = Vec::new();
    for (name, values) in series {
        found.push((name.as_ref().to_owned(), numbers(values.clone())));
    }
    found
}
