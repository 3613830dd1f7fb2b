//! Machine-learning study notes as tested Rust.

pub mod check;
pub mod data;
pub mod display;
pub mod error;
pub mod linear;
pub mod metrics;
pub mod mlp;
pub mod prelude;
pub mod random;
mod validate;

pub use error::{Error, Result};
