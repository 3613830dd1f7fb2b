//! Everything a notebook cell needs: `use mlnotes::prelude::*;`.

pub use crate::check::{Checks, Tolerance};
pub use crate::display::{Card, ConfusionMatrix, Show, Table};
pub use crate::error::{Error, Result};
#[cfg(feature = "plot")]
pub use crate::plot;
