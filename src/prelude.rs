//! Everything a notebook cell needs: `use mlnotes::prelude::*;`.

pub use crate::error::{Error, Result};
