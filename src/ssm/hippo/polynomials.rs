//! Orthogonal polynomials by their recurrences of three terms.

/// √(2n+1) P_n(1 − 2a), n = 0 …, orthonormal on a in \[0, 1\]: (n+1) P_{n+1} = (2n+1) x P_n − n P_{n−1}.
pub(super) fn legendre(a: f64, values: &mut [f64]) {
    three_terms(values, 1.0 - 2.0 * a, |n, x, now, before| ((2.0 * n + 1.0) * x * now - n * before) / (n + 1.0));
    values.iter_mut().enumerate().for_each(|(n, value)| *value *= ((2 * n + 1) as f64).sqrt());
}

/// exp(−decay s) L_n(s), n = 0 …: (n+1) L_{n+1} = (2n+1 − s) L_n − n L_{n−1}.
pub(super) fn laguerre(s: f64, decay: f64, values: &mut [f64]) {
    three_terms(values, 1.0 - s, |n, x, now, before| ((2.0 * n + x) * now - n * before) / (n + 1.0));
    let factor = (-decay * s).exp();
    values.iter_mut().for_each(|value| *value *= factor);
}

/// 1, x, and what follows from the two before.
fn three_terms(values: &mut [f64], x: f64, next: impl Fn(f64, f64, f64, f64) -> f64) {
    let (mut before, mut now) = (0.0, 1.0);
    for (n, value) in values.iter_mut().enumerate() {
        *value = now;
        (before, now) = (now, if n == 0 { x } else { next(n as f64, x, now, before) });
    }
}
