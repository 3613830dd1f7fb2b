//! What may a forecast see, and of which readings?
//!
//! A series is a matrix, (rows, V): a row for each time, in their order, and a column for each channel.
//!
//! | piece | what it does |
//! | --- | --- |
//! | [`Samples`] | pairs of what was and what came, one by one or in batches, cut as they are asked for |
//! | [`RollingOrigin`] | trains on what was, tests on what came, again and again |
//! | [`fill`] | a number where a reading is missing |
//! | [`Hampel`] | readings far from the median around them |
//!
//! Scaling by the training rows alone is [`Standardizer`](super::Standardizer)'s; tables with dates, their published cuts and
//! windows as tensors are in `forecast::data` (feature `deep`).

mod clean;
mod folds;
mod samples;

pub use clean::{Fill, Hampel, fill};
pub use folds::{Fold, RollingOrigin};
pub use samples::Samples;
