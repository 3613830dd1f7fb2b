//! Machine-learning study notes as tested Rust.

pub mod check;
pub mod display;
pub mod error;
pub mod prelude;

pub use error::{Error, Result};
