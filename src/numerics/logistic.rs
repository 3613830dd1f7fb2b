//! Probabilities from their log odds.

/// σ(η) = 1 / (1 + e^(−η)); e^η has no 1 to drown in where it is small.
pub(crate) fn logistic(eta: f64) -> f64 {
    let e = (-eta.abs()).exp();
    if eta < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// log(1 + e^η) = −log σ(−η).
pub(crate) fn softplus(eta: f64) -> f64 {
    eta.max(0.0) + (-eta.abs()).exp().ln_1p()
}
