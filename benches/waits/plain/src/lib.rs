//! The smallest library over the four crates that plain evcxr is measured with.

pub use {ndarray, ndarray_rand, plotters, rayon, statrs};

/// The mean of some numbers.
pub fn mean(values: &[f64]) -> f64 {
    ndarray::arr1(values).mean().unwrap_or(f64::NAN)
}
