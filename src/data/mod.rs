//! Where do samples come from, and how are they made ready?
//!
//! | piece | what it does |
//! | --- | --- |
//! | [`iris`](fn@iris) | 150 flowers, embedded |
//! | [`federalist`](fn@federalist) | word counts of 85 papers, embedded |
//! | [`nile`](fn@nile) | 100 years of a river's flow, embedded |
//! | [`train_test_split`] | splits at random, row for row as scikit-learn does |
//! | [`Standardizer`] | mean 0 and standard deviation 1, by the training rows alone |
//! | [`series`] | readings in time: samples, rolling-origin validation, gaps and spikes |
//! | [`Reference`] | reads the expected values in `data/reference` |

mod classic;
mod federalist;
mod iris;
mod nile;
mod reference;
mod scale;
pub mod series;
mod split;

use ndarray::{Array1, Array2};

pub use classic::{coriolanus, faithful};
pub use federalist::federalist;
pub use iris::iris;
pub use nile::nile;
pub use reference::Reference;
pub use scale::Standardizer;
pub use split::{Split, split_rows, train_test_split};

/// Labelled samples: one row of `features` and one entry of `targets` each.
#[derive(Clone, PartialEq)]
pub struct Dataset {
    /// (samples, features).
    pub features: Array2<f64>,
    /// (samples): the class of each, an index into `target_names`.
    pub targets: Array1<usize>,
    /// One name per column.
    pub feature_names: Vec<String>,
    /// One name per class.
    pub target_names: Vec<String>,
}

/// One line: the numbers themselves are a field away.
impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (samples, features) = self.features.dim();
        let (columns, classes) = (listed(&self.feature_names), listed(&self.target_names));
        write!(f, "Dataset: {samples} samples, {features} features ({columns}), ")?;
        write!(f, "{} classes ({classes})", self.target_names.len())
    }
}

/// The names, of which many would fill a screen.
pub(crate) fn listed(names: &[String]) -> String {
    const FIRST: usize = 8;
    let rest = if names.len() > FIRST { ", …" } else { "" };
    names[..names.len().min(FIRST)].join(", ") + rest
}

/// A number observed again and again.
#[derive(Clone, PartialEq)]
pub struct Series {
    /// When, shape (T): years, for instance.
    pub times: Array1<f64>,
    /// What, shape (T).
    pub values: Array1<f64>,
    /// What it is, with its unit.
    pub name: String,
}

/// One line: the numbers themselves are a field away.
impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Series: {}, {} values", self.name, self.values.len())?;
        match (self.times.first(), self.times.last()) {
            (Some(first), Some(last)) => write!(f, ", {first} to {last}"),
            _ => Ok(()),
        }
    }
}
