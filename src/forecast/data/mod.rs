//! Which rows does a model learn from, which choose when to stop, and which judge it?
//!
//! | piece | what it does |
//! | --- | --- |
//! | [`DataSet`] | the published sets: their files, how they are cut, where they are offered |
//! | [`Located`], [`folders`] | where on this machine a set's file is |
//! | `read_csv`, `Located::read` (feature `frames`) | a file's series, or the line and column at fault |
//! | `fetch`, `download` (feature `forecast`) | brings a published file here, and checks that it is the one |
//! | [`Table`] | series that share their dates, on a [`Clock`] that is even or not |
//! | [`Rule`], [`Borders`], [`Splits`] | three parts in time, standardised by the training rows |
//! | [`Windows`] | look-back and future, side by side, at every step of a table |

#[cfg(feature = "forecast")]
mod fetch;
mod locate;
#[cfg(feature = "frames")]
mod read;
mod registry;
mod splits;
mod table;
mod windows;

#[cfg(feature = "forecast")]
pub use fetch::{Fetched, download, fetch};
pub use locate::{Located, folders};
#[cfg(feature = "frames")]
pub use read::read_csv;
pub use registry::DataSet;
pub use splits::{Borders, Rule, Splits};
pub use table::{Clock, Step, Table};
pub use windows::Windows;
