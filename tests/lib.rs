//! One test binary, a module per topic.

mod check;
mod display;
#[cfg(feature = "plot")]
mod plot;
