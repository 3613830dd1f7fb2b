//! Every integration test in one binary, a module per topic.
//!
//! Expected values come from `data/reference` (made by other software) or from the slow, obvious form written in the
//! test. Where a test's comment says "planted", the fault named there was put into the library once and the test seen to
//! fail.

mod bayes;
mod check;
#[cfg(feature = "deep")]
mod cmamba;
mod conjugate;
mod data;
#[cfg(all(feature = "deep", feature = "emulate"))]
mod device_scan;
mod display;
mod expfam;
#[cfg(feature = "forecast")]
mod forecast_cli;
#[cfg(feature = "deep")]
mod forecast_data;
#[cfg(feature = "forecast")]
mod forecast_files;
#[cfg(feature = "deep")]
mod forecast_models;
#[cfg(feature = "deep")]
mod forecast_run;
mod glm;
mod hippo;
mod hmm;
mod kalman;
#[cfg(feature = "emulate")]
mod kernels;
mod lda;
mod lssl;
mod lti;
#[cfg(feature = "deep")]
mod mamba;
mod mcmc;
mod metrics;
mod mixture;
mod mlp;
mod ode;
mod perceptron;
#[cfg(feature = "plot")]
mod plot;
mod random;
mod s4;
mod scan;
mod selective;
mod separable;
mod series;
mod variational;

use mlnotes::check::{Tolerance, close};
use ndarray::{ArrayRef, Dimension};

/// Fails unless all entries agree to `tolerance`, by the comparison whose own tests are in `check.rs`.
#[track_caller]
fn assert_close<D: Dimension>(got: &ArrayRef<f64, D>, want: &ArrayRef<f64, D>, tolerance: f64) {
    let tolerance = Tolerance::abs(tolerance).because("as the test says");
    if let Err(outcome) = close(got.to_owned(), want.to_owned(), tolerance) {
        panic!("{outcome}");
    }
}

/// The message of an error, which must be one line with a remedy after a comma or colon.
#[track_caller]
fn message<T: std::fmt::Debug>(result: mlnotes::Result<T>) -> String {
    let message = result.expect_err("this input must be refused").to_string();
    assert!(!message.contains('\n') && message.len() > 20, "{message}");
    message
}
