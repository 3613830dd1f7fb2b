//! What more than one topic computes, in the form that neither overflows nor underflows.

mod cholesky;
pub(crate) mod flat;
mod gamma;
mod logistic;
mod qr;
mod semidefinite;

pub(crate) use cholesky::Cholesky;
pub(crate) use gamma::{digamma, inverse_digamma, ln_gamma, ln_gamma_multivariate, trigamma};
pub(crate) use logistic::{logistic, softplus};
pub(crate) use qr::Qr;
pub(crate) use semidefinite::Semidefinite;

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
