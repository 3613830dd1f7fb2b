//! The gamma function's logarithm and its derivatives, for arguments above 0.

/// Above this the asymptotic series below are exact to the last digit.
const LARGE: f64 = 12.0;

/// log Γ(x).
pub(crate) fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// log Γ_D(x) = D (D − 1)/4 · log π + Σ_{j < D} log Γ(x − j/2), for x above (D − 1)/2.
pub(crate) fn ln_gamma_multivariate(dimensions: usize, x: f64) -> f64 {
    let pairs = (dimensions * (dimensions - 1)) as f64 / 4.0;
    pairs * std::f64::consts::PI.ln() + (0..dimensions).map(|j| ln_gamma(x - 0.5 * j as f64)).sum::<f64>()
}

/// ψ(x) = d/dx log Γ(x), by ψ(x) = ψ(x + 1) − 1/x up to where the series holds.
///
/// Source: Abramowitz and Stegun, 6.3.5 and 6.3.18.
pub(crate) fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < LARGE {
        below += 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = y
        * (1.0 / 12.0
            - y * (1.0 / 120.0
                - y * (1.0 / 252.0 - y * (1.0 / 240.0 - y * (1.0 / 132.0 - y * (691.0 / 32760.0 - y / 12.0))))));
    x.ln() - 0.5 / x - series - below
}

/// ψ′(x), by ψ′(x) = ψ′(x + 1) + 1/x².
///
/// Source: Abramowitz and Stegun, 6.4.6 and 6.4.12.
pub(crate) fn trigamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < LARGE {
        below += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = y
        * (1.0 / 6.0
            - y * (1.0 / 30.0
                - y * (1.0 / 42.0 - y * (1.0 / 30.0 - y * (5.0 / 66.0 - y * (691.0 / 2730.0 - y * 7.0 / 6.0))))));
    below + (1.0 + 0.5 / x + series) / x
}

/// x with ψ(x) = y: five steps of Newton's method, which double the digits from a start that is right to two.
///
/// Source: Minka, *Estimating a Dirichlet distribution* (2000), appendix C.
pub(crate) fn inverse_digamma(y: f64) -> f64 {
    const MINUS_PSI_OF_1: f64 = 0.577_215_664_901_532_9;
    let mut x = if y >= -2.22 { y.exp() + 0.5 } else { -1.0 / (y + MINUS_PSI_OF_1) };
    for _ in 0..5 {
        x -= (digamma(x) - y) / trigamma(x);
    }
    x
}
