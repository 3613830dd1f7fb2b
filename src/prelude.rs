//! Everything a notebook cell needs: `use mlnotes::prelude::*;`.

pub use ::ndarray;
pub use ndarray::{Array1, Array2, Array3, Axis, array, s};

pub use crate::check::{Checks, Tolerance};
pub use crate::data::{Dataset, Reference, Split, Standardizer, iris, train_test_split};
pub use crate::display::{Card, ConfusionMatrix, Show, Table};
pub use crate::error::{Error, Result};
pub use crate::linear::{OneVsRest, Perceptron, Separability, ThresholdUnit, separability};
pub use crate::metrics::{accuracy, confusion_matrix};
pub use crate::mlp::{Activation, Dense, Init, Loss, Mlp, Network, Sgd, dense, one_hot};
#[cfg(feature = "plot")]
pub use crate::plot;
pub use crate::random::RandomState;
