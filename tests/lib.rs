//! Every integration test in one binary, a module per topic.
//!
//! Expected values come from `data/reference` (made by other software) or from the slow, obvious form written in the
//! test. Where a test's comment says "planted", the fault named there was put into the library once and the test seen to
//! fail.

mod data;
mod metrics;
mod mlp;
mod perceptron;
mod random;
mod separable;

use ndarray::{ArrayRef, Dimension};

/// The largest absolute difference, or why there is none: other shapes, or a NaN on either side.
fn difference<D: Dimension>(got: &ArrayRef<f64, D>, want: &ArrayRef<f64, D>) -> Result<f64, String> {
    if got.shape() != want.shape() {
        return Err(format!("shape {:?} instead of {:?}", got.shape(), want.shape()));
    }
    let mut worst: f64 = 0.0;
    for (got, want) in got.iter().zip(want) {
        let difference = if got == want { 0.0 } else { (got - want).abs() };
        if difference.is_nan() {
            return Err(format!("{got} instead of {want}"));
        }
        worst = worst.max(difference);
    }
    Ok(worst)
}

/// Fails unless all entries agree to `tolerance`.
#[track_caller]
fn assert_close<D: Dimension>(got: &ArrayRef<f64, D>, want: &ArrayRef<f64, D>, tolerance: f64) {
    match difference(got, want) {
        Ok(worst) => assert!(worst <= tolerance, "off by {worst:.3e}, more than {tolerance:.0e}"),
        Err(reason) => panic!("{reason}"),
    }
}

/// The message of an error, which must be one line with a remedy after a comma or colon.
#[track_caller]
fn message<T: std::fmt::Debug>(result: mlnotes::Result<T>) -> String {
    let message = result.expect_err("this input must be refused").to_string();
    assert!(!message.contains('\n') && message.len() > 20, "{message}");
    message
}

#[test]
fn the_comparison_fails_when_it_must() {
    use ndarray::array;
    assert_eq!(difference(&array![1.0, f64::INFINITY], &array![1.5, f64::INFINITY]), Ok(0.5));
    assert!(difference(&array![f64::NAN], &array![f64::NAN]).is_err());
    assert!(difference(&array![1.0], &array![f64::NAN]).is_err());
    assert!(difference(&array![f64::INFINITY], &array![f64::NEG_INFINITY]).unwrap() > 1e300);
    assert!(difference(&array![1.0], &array![1.0, 1.0]).is_err());
}
