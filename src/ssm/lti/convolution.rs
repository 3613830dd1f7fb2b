//! y_k = Σ_j K_j u_{k−j}: as it reads, and fast.

use std::cell::RefCell;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, ArrayView2, ArrayViewMut2, s};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::{Error, Result, validate};

thread_local! {
    /// Keeps the plans that were made: making one takes as long as a transform.
    static PLANNER: RefCell<FftPlanner<f64>> = RefCell::new(FftPlanner::new());
}

const ZERO: Complex<f64> = Complex::new(0.0, 0.0);

/// The causal convolution (因果卷积) y_k = Σ_{j ≤ k} K_j u_{k−j}: what came before the first entry is 0, what comes after
/// entry k has no part in y_k. As the equation reads, in O(L²).
///
/// # Shapes
/// `kernel` (taps), `u` (L), the result (L); a kernel may be longer or shorter than u.
///
/// # Errors
/// No taps, NaN or an infinity.
///
/// ```
/// use mlnotes::ssm::lti::{convolve, convolve_fft};
/// use ndarray::array;
///
/// let (kernel, u) = (array![1.0, 0.5, 0.25], array![4.0, 0.0, 0.0, 8.0]);
/// assert_eq!(convolve(&kernel, &u)?, array![4.0, 2.0, 1.0, 8.0]);
/// let fast = convolve_fft(&kernel, &u)?;
/// assert!((fast - convolve(&kernel, &u)?).iter().all(|difference| difference.abs() < 1e-14));
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn convolve(kernel: &ArrayRef1<f64>, u: &ArrayRef1<f64>) -> Result<Array1<f64>> {
    taps(kernel.len())?;
    validate::finite("kernel", kernel)?;
    validate::finite("u", u)?;
    let reach = |k: usize| 0..(k + 1).min(kernel.len());
    Ok((0..u.len()).map(|k| reach(k).map(|j| kernel[j] * u[k - j]).sum()).collect())
}

/// What [`convolve`] gives, by fast Fourier transforms in O(L log L).
///
/// # Errors
/// As [`convolve`].
///
/// # Numerics
/// As [`Convolution::apply`].
pub fn convolve_fft(kernel: &ArrayRef1<f64>, u: &ArrayRef1<f64>) -> Result<Array1<f64>> {
    let y = Convolution::new(kernel, u.len())?.apply(&u.view().insert_axis(ndarray::Axis(1)))?;
    Ok(y.column(0).to_owned())
}

/// A convolution made ready: the kernels' spectra, and a plan for the transforms.
///
/// ```
/// use mlnotes::ssm::lti::Convolution;
/// use ndarray::array;
///
/// // The sum of the last two, for each of three channels.
/// let last_two = Convolution::new(&array![1.0, 1.0], 4)?;
/// let u = array![[1.0, 0.0, 2.0], [2.0, 5.0, 2.0], [3.0, 0.0, 2.0]];
/// let want = array![[1.0, 0.0, 2.0], [3.0, 5.0, 4.0], [5.0, 5.0, 4.0]];
/// assert!((last_two.apply(&u)? - want).iter().all(|difference| difference.abs() < 1e-14));
/// assert!(last_two.apply(&ndarray::Array2::zeros((5, 1))).is_err()); // prepared for 4 times
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct Convolution {
    fourier: Fourier,
    /// One for all channels or one for each.
    responses: Vec<Response>,
    shared: bool,
    length: usize,
}

impl Convolution {
    /// One kernel (taps) for every channel of signals of at most `length` times.
    ///
    /// # Errors
    /// No taps, NaN or an infinity.
    pub fn new(kernel: &ArrayRef1<f64>, length: usize) -> Result<Self> {
        let kernels = kernel.view().insert_axis(ndarray::Axis(0));
        Ok(Self { shared: true, ..Self::per_channel(&kernels, length)? })
    }

    /// A kernel for each channel, a depthwise convolution (逐通道卷积): `kernels` is (channels, taps).
    ///
    /// # Errors
    /// No channels, no taps, NaN or an infinity.
    ///
    /// ```
    /// use mlnotes::ssm::lti::Convolution;
    /// use ndarray::array;
    ///
    /// let sum_and_change = Convolution::per_channel(&array![[1.0, 1.0], [1.0, -1.0]], 3)?;
    /// let y = sum_and_change.apply(&array![[1.0, 1.0], [4.0, 4.0], [9.0, 9.0]])?;
    /// assert!((y - array![[1.0, 1.0], [5.0, 3.0], [13.0, 5.0]]).iter().all(|difference| difference.abs() < 1e-14));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn per_channel(kernels: &ArrayRef2<f64>, length: usize) -> Result<Self> {
        taps(kernels.ncols())?;
        if kernels.nrows() == 0 {
            return Err(Error::Empty { arg: "kernels", remedy: "give one row per channel" });
        }
        validate::finite("kernels", kernels)?;
        // What lies beyond the last time is never reached.
        let kernels = kernels.slice(s![.., ..kernels.ncols().min(length)]);
        let fourier = Fourier::new(length + kernels.ncols());
        let responses = kernels.rows().into_iter().map(|kernel| fourier.response(kernel.iter())).collect();
        Ok(Self { fourier, responses, shared: false, length })
    }

    /// y, each channel with its kernel, what came before being 0.
    ///
    /// # Shapes
    /// `u` and the result are (L, channels), L at most the length prepared for.
    ///
    /// # Errors
    /// A longer u, another number of channels than kernels, NaN or an infinity.
    ///
    /// # Numerics
    /// 2 M real numbers are transformed as M complex ones, and M is at least half of what keeps the end from reaching round
    /// to the beginning. Every entry is off by some 1e-16 ‖K‖ ‖u‖ (Euclidean norms), so that what is small
    /// beside that has few digits; [`convolve`] has no such limit.
    ///
    /// # Source
    /// Cooley and Tukey's transform; the weights, with which half the length does: Crandall and Fagin, *Discrete weighted
    /// transforms and large-integer arithmetic*, Mathematics of Computation 62 (1994).
    pub fn apply(&self, u: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        let (length, channels) = u.dim();
        if length > self.length {
            let expected = format!("at most {} times, for which it was prepared,", self.length);
            return Err(Error::shape("u", expected, u.shape()));
        }
        if !self.shared && channels != self.responses.len() {
            let expected = format!("(times, {}), one column per kernel,", self.responses.len());
            return Err(Error::shape("u", expected, u.shape()));
        }
        validate::finite("u", u)?;
        let mut y = Array2::zeros((length, channels));
        let mut work = Work::new(&self.fourier, channels);
        for first in (0..channels).step_by(BLOCK) {
            let block = s![.., first..channels.min(first + BLOCK)];
            let of = |j: usize| &self.responses[if self.shared { 0 } else { first + j }];
            self.fourier.convolve_block(u.slice(block), of, y.slice_mut(block), &mut work);
        }
        Ok(y)
    }
}

/// y = K ∗ u + D u for independent channels; u and y (L, H), D (H), `kernel` of L gives (H, L).
pub(in crate::ssm) fn by_channels(
    u: &ArrayRef2<f64>,
    d: &ArrayRef1<f64>,
    kernel: impl FnOnce(usize) -> Result<Array2<f64>>,
) -> Result<Array2<f64>> {
    one_per_channel(u, d.len())?;
    if u.nrows() == 0 {
        return Ok(u.to_owned());
    }
    let convolved = Convolution::per_channel(&kernel(u.nrows())?, u.nrows())?.apply(u)?;
    Ok(convolved + &u.view() * &d.view())
}

/// A column per channel, without NaN or infinity.
pub(in crate::ssm) fn one_per_channel(u: &ArrayRef2<f64>, channels: usize) -> Result<()> {
    if u.ncols() != channels {
        return Err(Error::shape("u", format!("(times, {channels}), one column per channel,"), u.shape()));
    }
    validate::finite("u", u)
}

impl std::fmt::Debug for Convolution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kernels = if self.shared { "one kernel".into() } else { format!("{} kernels", self.responses.len()) };
        write!(f, "Convolution({kernels}, at most {} times)", self.length)
    }
}

fn taps(count: usize) -> Result<()> {
    if count > 0 {
        return Ok(());
    }
    Err(Error::Empty { arg: "kernel", remedy: "give at least one tap, 1 to pass the signal on" })
}

/// As many columns as one line of the cache holds: their numbers lie side by side in memory.
const BLOCK: usize = 8;

/// Convolutions of at most 2 M real numbers by transforms of M complex ones.
///
/// As a polynomial in z, a signal modulo z^M − i has the coefficients x_n + i x_{n+M}: real numbers lose nothing, and so
/// does the product of two that has at most 2 M of them. With z = w v and w^M = i that is modulo v^M − 1, which is what
/// the fast Fourier transform multiplies in: it takes (x_n + i x_{n+M}) w^n.
#[derive(Clone)]
pub(super) struct Fourier {
    /// w^n, n = 0 … M − 1.
    turns: Vec<Complex<f64>>,
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
}

/// A kernel's transform, with the inverse transform's 1 / M in it.
#[derive(Clone)]
pub(super) struct Response(Vec<Complex<f64>>);

/// Room for the signals of a block and the transform.
struct Work {
    signals: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

/// Between a block's signals in memory: at a distance of a power of two they would push each other out of the cache.
const GAP: usize = 4;

impl Work {
    fn new(fourier: &Fourier, columns: usize) -> Self {
        let scratch = fourier.forward.get_inplace_scratch_len().max(fourier.inverse.get_inplace_scratch_len());
        Self { signals: vec![ZERO; columns.min(BLOCK) * (fourier.half() + GAP)], scratch: vec![ZERO; scratch] }
    }
}

impl Fourier {
    /// For a convolution of at most that many real numbers.
    pub fn new(points: usize) -> Self {
        let half = fast_size(points.div_ceil(2));
        let (forward, inverse) =
            PLANNER.with_borrow_mut(|planner| (planner.plan_fft_forward(half), planner.plan_fft_inverse(half)));
        Self { turns: turns(half), forward, inverse }
    }

    /// M.
    fn half(&self) -> usize {
        self.turns.len()
    }

    pub fn nothing(&self) -> Vec<Complex<f64>> {
        vec![ZERO; self.half()]
    }

    /// A signal's transform.
    pub fn spectrum<'a>(&self, signal: impl Iterator<Item = &'a f64>) -> Vec<Complex<f64>> {
        let mut z = self.nothing();
        for (n, &x) in signal.enumerate() {
            self.put(&mut z, n, x);
        }
        self.forward.process(&mut z);
        z
    }

    /// The signal whose transform that is.
    pub fn signal<'a>(&self, z: &mut [Complex<f64>], signal: impl Iterator<Item = &'a mut f64>) {
        self.inverse.process(z);
        signal.enumerate().for_each(|(n, y)| *y = self.get(z, n));
    }

    /// A kernel's transform.
    pub fn response<'a>(&self, kernel: impl Iterator<Item = &'a f64>) -> Response {
        let mut z = self.spectrum(kernel);
        let scale = 1.0 / self.half() as f64;
        z.iter_mut().for_each(|z| *z *= scale);
        Response(z)
    }

    /// Adds x as number n of a signal: (x_n + i x_{n+M}) w^n.
    fn put(&self, z: &mut [Complex<f64>], n: usize, x: f64) {
        match n.checked_sub(self.half()) {
            None => z[n] += self.turns[n] * x,
            Some(n) => z[n] += (self.turns[n] * x) * Complex::I,
        }
    }

    /// Number n of a signal: the real part of z w^{−n}, or the imaginary one.
    fn get(&self, z: &[Complex<f64>], n: usize) -> f64 {
        match n.checked_sub(self.half()) {
            None => z[n].re * self.turns[n].re + z[n].im * self.turns[n].im,
            Some(n) => z[n].im * self.turns[n].re - z[n].re * self.turns[n].im,
        }
    }

    /// y = K ∗ u for up to [`BLOCK`] columns.
    fn convolve_block<'a>(
        &self,
        u: ArrayView2<'_, f64>,
        response: impl Fn(usize) -> &'a Response,
        mut y: ArrayViewMut2<'_, f64>,
        work: &mut Work,
    ) {
        let (half, stride) = (self.half(), self.half() + GAP);
        let signals = &mut work.signals[..stride * u.ncols()];
        signals.fill(ZERO);
        for (n, row) in u.rows().into_iter().enumerate() {
            row.iter().zip(signals.chunks_exact_mut(stride)).for_each(|(&x, z)| self.put(z, n, x));
        }
        for (j, z) in signals.chunks_exact_mut(stride).enumerate() {
            self.forward.process_with_scratch(&mut z[..half], &mut work.scratch);
            z.iter_mut().zip(&response(j).0).for_each(|(z, k)| *z *= k);
            self.inverse.process_with_scratch(&mut z[..half], &mut work.scratch);
        }
        for (n, mut row) in y.rows_mut().into_iter().enumerate() {
            row.iter_mut().zip(signals.chunks_exact(stride)).for_each(|(y, z)| *y = self.get(z, n));
        }
    }
}

impl Response {
    /// sum += the transform of K ∗ u, from that of u.
    pub fn add(&self, z: &[Complex<f64>], sum: &mut [Complex<f64>]) {
        sum.iter_mut().zip(z).zip(&self.0).for_each(|((sum, z), k)| *sum += z * k);
    }
}

/// e^{iπn/2m} for n = 0 … m − 1: products of √m and √m of them.
fn turns(m: usize) -> Vec<Complex<f64>> {
    let near = (m as f64).sqrt().ceil() as usize;
    let turn = |n: usize| Complex::cis(std::f64::consts::FRAC_PI_2 * n as f64 / m as f64);
    let near_turns: Vec<_> = (0..near).map(turn).collect();
    let far_turns = (0..m).step_by(near.max(1)).map(turn);
    far_turns.flat_map(|far| near_turns.iter().map(move |near| far * near)).take(m).collect()
}

/// The least of 2^k, 3 2^k and 5 2^k that is not less: such transforms are fast.
fn fast_size(least: usize) -> usize {
    let candidates = [1, 3, 5].map(|odd| odd * least.div_ceil(odd).next_power_of_two());
    candidates.into_iter().min().unwrap_or(least)
}
