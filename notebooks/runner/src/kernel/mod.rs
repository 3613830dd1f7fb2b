//! `cargo notebooks kernel`: Jupyter's "Rust (mlnotes)".

mod cells;
mod code;
mod iopub;
mod server;
mod spec;

pub use server::serve;
pub use spec::{install, is_current, status, uninstall};
