//! Machine-learning study notes as tested Rust.

pub mod error;
pub mod prelude;

pub use error::{Error, Result};
