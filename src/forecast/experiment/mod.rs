//! How is a model trained, and how well does it forecast what it has not seen?
//!
//! w ← w − Adam(∇_w L(f_w(x′), y′)), (x′, y′) windows after mixup; the weights of the epoch with the lowest validation loss are
//! judged by MSE and MAE on the test windows.
//!
//! | piece | what it does |
//! | --- | --- |
//! | [`Run`] | trains, stops early, tests; can be stopped anywhere and goes on to the same bits |
//! | [`Settings`], [`Schedule`] | how, under the published names |
//! | [`Setup`], [`Preset`] | the published settings of every data set and horizon |
//! | [`Adam`] | the step |
//! | [`Event`], [`Part`], [`Watch`] | what a run tells as it goes |
//! | [`Outcome`], [`Report`], [`Epoch`], [`Scores`] | what comes out, and as JSON |
//! | [`Line`], [`EpochLine`], [`Comparison`] | results and epochs as lines of CSV files, and as a table model × horizon |
//!
//! Not here: warm restarts, one-cycle rates (`TST`), mixed precision, GPUs.

mod adam;
mod checkpoint;
mod compare;
mod preset;
mod report;
mod settings;
mod streams;
mod train;

pub use adam::Adam;
pub use compare::Comparison;
pub use preset::{Preset, Setup};
pub use report::{Epoch, EpochLine, Line, Report, Scores};
pub use settings::{Schedule, Settings};
pub use train::{Event, Outcome, Part, Run, Watch};
