//! All lags at once, by the fast Fourier transform.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// Σ_t x_t x_{t+lag} for every lag below the series' length, summed over all series; they come in pairs of one length.
///
/// A pair is one complex series, the real part of whose autocorrelation is the sum of both. Rounding is some 1e-16 of lag 0.
pub(crate) fn autocorrelation(pairs: &[[Vec<f64>; 2]], length: usize) -> Vec<f64> {
    // Room for zeros, so that the end does not meet the beginning.
    let size = (2 * length).next_power_of_two();
    let transform = FftPlanner::new().plan_fft_forward(size);
    let zero = Complex::new(0.0, 0.0);
    let mut power = vec![zero; size];
    for [x, y] in pairs {
        let mut z: Vec<Complex<f64>> = x.iter().zip(y).map(|(&x, &y)| Complex::new(x, y)).collect();
        z.resize(size, zero);
        transform.process(&mut z);
        power.iter_mut().zip(&z).for_each(|(power, z)| power.re += z.norm_sqr());
    }
    // There and back differ in the sign of the imaginary part alone.
    transform.process(&mut power);
    power[..length].iter().map(|sum| sum.re / size as f64).collect()
}
