//! Machine-learning study notes as tested Rust.

pub mod check;
pub mod display;
pub mod error;
#[cfg(feature = "plot")]
pub mod plot;
pub mod prelude;

pub use error::{Error, Result};
