//! What more than one topic computes, in the form that neither overflows nor underflows.

mod cholesky;
pub(crate) mod flat;
mod fourier;
mod gamma;
mod logistic;
mod lu;
mod normal;
mod qr;
mod semidefinite;
mod skew;
mod threads;

pub(crate) use cholesky::Cholesky;
pub(crate) use fourier::autocorrelation;
pub(crate) use gamma::{digamma, inverse_digamma, ln_gamma, ln_gamma_multivariate, trigamma};
pub(crate) use logistic::{logistic, softplus};
pub(crate) use lu::Lu;
pub(crate) use normal::normal_quantile;
pub(crate) use qr::Qr;
pub(crate) use semidefinite::Semidefinite;
pub(crate) use skew::SkewEigen;
#[cfg(feature = "deep")]
pub(crate) use threads::threads;
pub(crate) use threads::{MOST_THREADS, on_candle_threads, on_threads};

use std::borrow::Cow;

use ndarray::{Array1, ArrayRef, ArrayRef2, Dimension};

/// The column of each row's largest entry; the first of equals, as `np.argmax`.
pub(crate) fn largest_columns(scores: &ArrayRef2<f64>) -> Array1<usize> {
    let rows = scores.rows().into_iter();
    rows.map(|row| (1..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best })).collect()
}

/// Whether a matrix is symmetric, to 1e-9 of its largest diagonal entry.
pub(crate) fn is_symmetric(a: &ArrayRef2<f64>) -> bool {
    let scale = a.diag().iter().fold(0.0, |s: f64, v| s.max(v.abs()));
    (0..a.nrows()).all(|i| (0..i).all(|j| (a[[i, j]] - a[[j, i]]).abs() <= 1e-9 * scale))
}

/// The entries in row-major order, without a copy where they lie so.
pub(crate) fn row_major<T: Clone, D: Dimension>(array: &ArrayRef<T, D>) -> Cow<'_, [T]> {
    array.as_slice().map_or_else(|| Cow::Owned(array.iter().cloned().collect()), Cow::Borrowed)
}

/// x log x, 0 at 0, which is its limit.
pub(crate) fn x_log_x(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

/// log Σ exp(x), without overflow or underflow; −∞ for a sum of nothing.
///
/// ```
/// use mlnotes::hmm::log_space::log_sum_exp;
///
/// assert!((log_sum_exp([-1000.0, -1000.0]) - (-1000.0 + 2.0_f64.ln())).abs() < 1e-12);
/// assert_eq!(log_sum_exp([f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
/// ```
pub fn log_sum_exp(terms: impl IntoIterator<Item = f64, IntoIter: Clone>) -> f64 {
    let terms = terms.into_iter();
    let largest = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + terms.map(|term| (term - largest).exp()).sum::<f64>().ln()
}
