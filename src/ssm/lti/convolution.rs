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
/// assert!((fast - convolve(&kernel, &u)?).iter().all(|difference| difference.abs() < 1e-15));
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
        let responses = fourier.responses(kernels.rows().into_iter().map(|kernel| fourier.spectrum(kernel.iter())));
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
    /// A signal of 2 M real numbers is transformed as M complex ones, and M is at least half of what keeps the end from
    /// reaching round to the beginning. Every entry is off by some 1e-16 ‖K‖ ‖u‖ (Euclidean norms), so that what is small
    /// beside that has few digits; [`convolve`] has no such limit.
    ///
    /// # Source
    /// Cooley and Tukey's transform, and the two halves in one as in Press et al., *Numerical Recipes*, 3rd edition,
    /// section 12.3.
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
        let mut work = Work::new(&self.fourier);
        for first in (0..channels).step_by(BLOCK) {
            let block = s![.., first..channels.min(first + BLOCK)];
            let of = |j: usize| &self.responses[if self.shared { 0 } else { first + j }];
            self.fourier.convolve_block(u.slice(block), of, y.slice_mut(block), &mut work);
        }
        Ok(y)
    }
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

/// Transforms of 2 M real numbers as M complex ones: x_{2n} + i x_{2n+1}.
#[derive(Clone)]
pub(super) struct Fourier {
    half: usize,
    transform: Arc<dyn Fft<f64>>,
}

/// What a kernel does to a signal's M complex numbers Z: Y_k = own_k Z_k + mirrored_k Z̄_{M−k}.
///
/// With the transforms E and O of a signal's even and odd entries, and w = e^{−2πi/M}, the even entries of a convolution
/// have E E′ + w^k O O′ and the odd ones E O′ + O E′. E = (Z_k + Z̄_{M−k}) / 2 and O = (Z_k − Z̄_{M−k}) / 2i put this in
/// the form above, own = E′ + i O′ (1 − w^k) / 2 and mirrored = i O′ (1 + w^k) / 2 with the kernel's E′ and O′.
#[derive(Clone)]
pub(super) struct Response {
    own: Vec<Complex<f64>>,
    mirrored: Vec<Complex<f64>>,
}

/// Room for the signals of a block, a spectrum and the transform.
struct Work {
    signals: Vec<Complex<f64>>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl Work {
    fn new(fourier: &Fourier) -> Self {
        let scratch = vec![ZERO; fourier.transform.get_inplace_scratch_len()];
        Self { signals: Vec::new(), spectrum: fourier.nothing(), scratch }
    }
}

impl Fourier {
    /// For a convolution of at least that many real numbers without an end that meets the beginning.
    pub fn new(points: usize) -> Self {
        let half = fast_size(points.div_ceil(2));
        Self { half, transform: PLANNER.with_borrow_mut(|planner| planner.plan_fft_forward(half)) }
    }

    pub fn nothing(&self) -> Vec<Complex<f64>> {
        vec![ZERO; self.half]
    }

    /// Z.
    pub fn spectrum<'a>(&self, signal: impl Iterator<Item = &'a f64>) -> Vec<Complex<f64>> {
        let mut z = self.nothing();
        for (n, &x) in signal.enumerate() {
            put(&mut z[n / 2], n, x);
        }
        self.transform.process(&mut z);
        z
    }

    /// The signal whose Z̄ that is, times M.
    pub fn signal<'a>(&self, z: &mut [Complex<f64>], signal: impl Iterator<Item = &'a mut f64>) {
        self.transform.process(z);
        signal.enumerate().for_each(|(n, y)| *y = get(z[n / 2], n));
    }

    /// A kernel's, with the 1 / M that [`signal`](Self::signal) lacks.
    pub fn response<'a>(&self, kernel: impl Iterator<Item = &'a f64>) -> Response {
        self.responses(std::iter::once(self.spectrum(kernel))).remove(0)
    }

    /// The same of many spectra.
    fn responses(&self, spectra: impl Iterator<Item = Vec<Complex<f64>>>) -> Vec<Response> {
        let roots = roots_of_unity(self.half);
        let scale = 0.5 / self.half as f64;
        let response = |z: Vec<Complex<f64>>| {
            let part = |k: usize| {
                let mirror = z[if k == 0 { 0 } else { self.half - k }].conj();
                // E′ and i O′ / 2.
                let (even, odd) = ((z[k] + mirror) * scale, (z[k] - mirror) * (0.5 * scale));
                (even + odd * (1.0 - roots[k]), odd * (1.0 + roots[k]))
            };
            let (own, mirrored) = (0..self.half).map(part).unzip();
            Response { own, mirrored }
        };
        spectra.map(response).collect()
    }

    /// y = K ∗ u for up to [`BLOCK`] columns.
    fn convolve_block<'a>(
        &self,
        u: ArrayView2<'_, f64>,
        response: impl Fn(usize) -> &'a Response,
        mut y: ArrayViewMut2<'_, f64>,
        work: &mut Work,
    ) {
        let Work { signals, spectrum, scratch } = work;
        signals.clear();
        signals.resize(self.half * u.ncols(), ZERO);
        for (n, row) in u.rows().into_iter().enumerate() {
            row.iter().enumerate().for_each(|(j, &x)| put(&mut signals[j * self.half + n / 2], n, x));
        }
        for (j, z) in signals.chunks_exact_mut(self.half).enumerate() {
            self.transform.process_with_scratch(z, scratch);
            spectrum.copy_from_slice(z);
            z.fill(ZERO);
            response(j).add(spectrum, z);
            self.transform.process_with_scratch(z, scratch);
        }
        for (n, mut row) in y.rows_mut().into_iter().enumerate() {
            row.iter_mut().enumerate().for_each(|(j, y)| *y = get(signals[j * self.half + n / 2], n));
        }
    }
}

impl Response {
    /// sum += Ȳ, from Z. Conjugates, because the inverse of a transform is the transform of conjugates, conjugated.
    pub fn add(&self, z: &[Complex<f64>], sum: &mut [Complex<f64>]) {
        let mirrored = z[..1].iter().chain(z[1..].iter().rev());
        let factors = self.own.iter().zip(&self.mirrored);
        for (((sum, &z), mirror), (own, other)) in sum.iter_mut().zip(z).zip(mirrored).zip(factors) {
            *sum += (own * z + other * mirror.conj()).conj();
        }
    }
}

/// e^{−2πik/m} for k = 0 … m − 1: products of √m and √m of them.
fn roots_of_unity(m: usize) -> Vec<Complex<f64>> {
    let near = (m as f64).sqrt().ceil() as usize;
    let root = |k: usize| Complex::from_polar(1.0, -2.0 * std::f64::consts::PI * k as f64 / m as f64);
    let near_roots: Vec<_> = (0..near).map(root).collect();
    let far_roots = (0..m).step_by(near.max(1)).map(root);
    far_roots.flat_map(|far| near_roots.iter().map(move |near| far * near)).take(m).collect()
}

/// x as number n of the signal.
fn put(z: &mut Complex<f64>, n: usize, x: f64) {
    *(if n.is_multiple_of(2) { &mut z.re } else { &mut z.im }) = x;
}

/// Number n of the signal, from z̄.
fn get(z: Complex<f64>, n: usize) -> f64 {
    if n.is_multiple_of(2) { z.re } else { -z.im }
}

/// The least of 2^k, 3 2^k and 5 2^k that is not less: such transforms are fast.
fn fast_size(least: usize) -> usize {
    let candidates = [1, 3, 5].map(|odd| odd * least.div_ceil(odd).next_power_of_two());
    candidates.into_iter().min().unwrap_or(least)
}
