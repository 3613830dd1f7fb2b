//! All lags at once, by the fast Fourier transform.

/// Σ_t x_t x_{t+lag} for every lag below the series' length, summed over all series; they come in pairs of one length.
///
/// A pair is one complex series, the real part of whose autocorrelation is the sum of both. Rounding is some 1e-16 of lag 0.
pub(crate) fn autocorrelation(pairs: &[[Vec<f64>; 2]], length: usize) -> Vec<f64> {
    // Room for zeros, so that the end does not meet the beginning.
    let size = (2 * length).next_power_of_two();
    let roots: Vec<[f64; 2]> = (0..size / 2)
        .map(|k| -std::f64::consts::TAU * k as f64 / size as f64)
        .map(|angle| [angle.cos(), angle.sin()])
        .collect();
    let mut power = vec![[0.0; 2]; size];
    let mut z = power.clone();
    for [x, y] in pairs {
        z.fill([0.0; 2]);
        z.iter_mut().zip(x.iter().zip(y)).for_each(|(z, (&x, &y))| *z = [x, y]);
        transform(&mut z, &roots);
        power.iter_mut().zip(&z).for_each(|(power, [re, im])| power[0] += re * re + im * im);
    }
    // There and back differ in the sign of the imaginary part alone.
    transform(&mut power, &roots);
    power[..length].iter().map(|[sum, _]| sum / size as f64).collect()
}

/// z_k ← Σ_t z_t exp(−2πi k t/N), in place, for N a power of 2 and the first half of the N-th roots of unity.
///
/// Source: Cooley and Tukey, *An algorithm for the machine calculation of complex Fourier series* (1965).
fn transform(z: &mut [[f64; 2]], roots: &[[f64; 2]]) {
    let size = z.len();
    let bits = size.trailing_zeros();
    for i in 0..size {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            z.swap(i, j);
        }
    }
    let mut half = 1;
    while half < size {
        for block in z.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), root) in low.iter_mut().zip(high).zip(roots.iter().step_by(size / 2 / half)) {
                let turned = [b[0] * root[0] - b[1] * root[1], b[0] * root[1] + b[1] * root[0]];
                *b = [a[0] - turned[0], a[1] - turned[1]];
                *a = [a[0] + turned[0], a[1] + turned[1]];
            }
        }
        half *= 2;
    }
}
