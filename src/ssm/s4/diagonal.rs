//! A diagonal A, for many channels at once.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis, s};
use rustfft::num_complex::Complex;

use super::S4dInit;
use crate::random::RandomState;
use crate::ssm::lti::{Rule, by_channels, one_per_channel};
use crate::{Error, Result, validate};

/// H channels, each with its own diagonal state of M complex modes (N = 2 M with their conjugates):
///
/// x_k = Ā x_{k−1} + B̄ u_k, y_k = 2 Re(C x_k) + D u_k, all products entry by entry
///
/// ```
/// use mlnotes::ssm::{lti::Rule, s4::{Complex, S4d}};
/// use ndarray::{Array2, array};
///
/// // One channel, one mode that halves at each step: K = 2 Re C B̄ Ā^l.
/// let one = |re: f64| Array2::from_elem((1, 1), Complex::new(re, 0.0));
/// let halves = S4d::new(one(-2.0_f64.ln()), one(2.0_f64.ln()), one(1.0), array![0.0], array![1.0], Rule::ZeroOrderHold)?;
/// let kernel = halves.kernel(3)?;
/// assert!((kernel - array![[1.0, 0.5, 0.25]]).iter().all(|difference| difference.abs() < 1e-15));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct S4d {
    eigenvalues: Array2<Complex<f64>>,
    b: Array2<Complex<f64>>,
    c: Array2<Complex<f64>>,
    d: Array1<f64>,
    steps: Array1<f64>,
    rule: Rule,
    /// Ā and B̄, (H, M).
    transition: Array2<Complex<f64>>,
    input: Array2<Complex<f64>>,
}

impl S4d {
    /// From Λ, B and C (H, M), D (H), Δ (H) and a rule.
    ///
    /// Entry by entry Ā = e^{Δλ}, B̄ = (e^{Δλ} − 1)/λ B under zero-order hold; Ā = (1 + (1−α)Δλ)/(1 − αΔλ),
    /// B̄ = Δ B/(1 − αΔλ) under the bilinear rules, α = ½ for the bilinear rule itself.
    ///
    /// # Errors
    /// No channel, no mode, shapes that disagree, NaN or an infinity, a step not above 0, an α outside \[0, 1\], a step at
    /// which 1 − αΔλ is 0.
    ///
    /// # Numerics
    /// e^{Δλ} − 1 without cancellation for a small Δλ.
    pub fn new(
        eigenvalues: Array2<Complex<f64>>,
        b: Array2<Complex<f64>>,
        c: Array2<Complex<f64>>,
        d: Array1<f64>,
        steps: Array1<f64>,
        rule: Rule,
    ) -> Result<Self> {
        let (channels, modes) = eigenvalues.dim();
        if channels == 0 || modes == 0 {
            return Err(Error::Empty { arg: "eigenvalues", remedy: "give at least one channel and one mode" });
        }
        for (arg, values) in [("eigenvalues", &eigenvalues), ("b", &b), ("c", &c)] {
            if values.dim() != (channels, modes) {
                let expected = format!("({channels}, {modes}), as `eigenvalues`,");
                return Err(Error::shape(arg, expected, values.shape()));
            }
            validate::finite(arg, &values.mapv(|z| z.re))?;
            validate::finite(arg, &values.mapv(|z| z.im))?;
        }
        for (arg, values) in [("d", &d), ("steps", &steps)] {
            if values.len() != channels {
                return Err(Error::shape(arg, format!("({channels}), one per channel,"), values.shape()));
            }
            validate::finite(arg, values)?;
        }
        steps.iter().try_for_each(|&step| validate::positive("steps", step, "0.01"))?;
        let alpha = rule.alpha()?;
        let (mut transition, mut input) = (eigenvalues.clone(), b.clone());
        for ((h, mode), lambda) in eigenvalues.indexed_iter() {
            let (keeps, takes) = discretise(*lambda, steps[h], alpha);
            (transition[[h, mode]], input[[h, mode]]) = (keeps, takes * b[[h, mode]]);
        }
        if let Some((place, _)) = transition.indexed_iter().find(|(place, z)| !(*z + input[*place]).is_finite()) {
            let step = steps[place.0];
            return Err(Error::domain("steps", step, "such that Ā and B̄ are finite: take a shorter step"));
        }
        Ok(Self { eigenvalues, b, c, d, steps, rule, transition, input })
    }

    /// As the paper's code starts: Λ by `init` in every channel, B = 1, Re C and Im C from N(0, ½), D from N(0, 1), and
    /// the steps drawn log-uniformly (对数均匀) between two ends, so that the channels hear at different speeds.
    ///
    /// # Errors
    /// As [`new`](Self::new); ends that are not above 0 and in order.
    ///
    /// ```
    /// use mlnotes::prelude::*;
    /// use mlnotes::ssm::{lti::Rule, s4::{S4d, S4dInit}};
    ///
    /// let mut random = RandomState::new(7);
    /// let layer = S4d::random(S4dInit::Lin, 4, 32, (0.001, 0.1), Rule::ZeroOrderHold, &mut random)?;
    /// assert_eq!(layer.kernel(100)?.dim(), (4, 100));
    /// assert!(layer.steps().iter().all(|step| (0.001..=0.1).contains(step)));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn random(
        init: S4dInit,
        channels: usize,
        modes: usize,
        (shortest, longest): (f64, f64),
        rule: Rule,
        random: &mut RandomState,
    ) -> Result<Self> {
        validate::positive("shortest step", shortest, "0.001")?;
        validate::positive("longest step", longest, "0.1")?;
        if shortest > longest {
            return Err(Error::domain(
                "shortest step",
                shortest,
                format!("at most the longest, {longest}: give them in order"),
            ));
        }
        let eigenvalues = init.eigenvalues(modes)?;
        let steps = (0..channels).map(|_| shortest * (longest / shortest).powf(random.uniform())).collect();
        let parts: [Array2<f64>; 2] = [random.normal_array((channels, modes)), random.normal_array((channels, modes))];
        let part = |place: (usize, usize)| parts.each_ref().map(|part| part[place] * 0.5_f64.sqrt());
        Self::new(
            Array2::from_shape_fn((channels, modes), |(_, mode)| eigenvalues[mode]),
            Array2::from_elem((channels, modes), Complex::new(1.0, 0.0)),
            Array2::from_shape_fn((channels, modes), |place| Complex::new(part(place)[0], part(place)[1])),
            random.normal_array(channels),
            steps,
            rule,
        )
    }

    /// H.
    pub fn channels(&self) -> usize {
        self.d.len()
    }

    /// M.
    pub fn modes(&self) -> usize {
        self.b.ncols()
    }

    /// Λ, shape (H, M).
    pub fn eigenvalues(&self) -> &Array2<Complex<f64>> {
        &self.eigenvalues
    }

    /// B, shape (H, M).
    pub fn b(&self) -> &Array2<Complex<f64>> {
        &self.b
    }

    /// C, shape (H, M).
    pub fn c(&self) -> &Array2<Complex<f64>> {
        &self.c
    }

    /// D, shape (H).
    pub fn d(&self) -> &Array1<f64> {
        &self.d
    }

    /// Δ, shape (H).
    pub fn steps(&self) -> &Array1<f64> {
        &self.steps
    }

    /// The rule that made Ā and B̄.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Ā, shape (H, M).
    pub fn transition(&self) -> &Array2<Complex<f64>> {
        &self.transition
    }

    /// B̄, shape (H, M).
    pub fn input(&self) -> &Array2<Complex<f64>> {
        &self.input
    }

    /// K_l = 2 Re Σ_n C_n B̄_n Ā_n^l for every channel, shape (H, L): a row of weights times a Vandermonde matrix (范德蒙德矩阵).
    ///
    /// With l = T i + j, K_{Ti+j} = Σ_n 2 Re\[(w_n Ā_n^{Ti}) Ā_n^j\], w = C B̄: one real matrix product of (L/T, 2M) and
    /// (2M, T), two multiplications per mode and entry, and only T + L/T powers of each Ā_n, T = √L, to be computed.
    /// [`kernel_by_powers`](Self::kernel_by_powers) is the sum as it stands.
    ///
    /// For a loss with slopes G_l = ∂loss/∂K_l, per channel, its slopes with respect to the real and imaginary part of a
    /// complex parameter z are the two parts of the conjugate of:
    ///
    /// | z | ∂/∂Re z − i ∂/∂Im z |
    /// | --- | --- |
    /// | C_n | 2 Σ_l G_l B̄_n Ā_n^l |
    /// | B_n (zero-order hold) | 2 Σ_l G_l C_n Ā_n^l (Ā_n − 1)/λ_n |
    /// | Ā_n, B̄_n held | 2 Σ_l G_l C_n B̄_n l Ā_n^{l−1} |
    /// | λ_n (zero-order hold) | that times Δ Ā_n, plus 2 Σ_l G_l C_n Ā_n^l B_n (Δ Ā_n λ_n − Ā_n + 1)/λ_n² |
    /// | Δ, real (zero-order hold) | Re Σ_n of 2 Σ_l G_l C_n B_n Ā_n^{l+1} (1 + l (1 − Ā_n^{−1})) |
    ///
    /// # Errors
    /// A kernel that leaves f64 (an Re λ above 0). L = 0 gives no columns.
    ///
    /// # Numerics
    /// Powers by squaring, so that their relative error is some l · 1e-16 as that of Ā_n^l itself is; where \|Ā\| < 1, that
    /// is at most 1e-16 / (Δ \|Re λ\|) of the first entry.
    ///
    /// Source: section 3 of the S4D paper, which multiplies by the whole Vandermonde matrix.
    pub fn kernel(&self, length: usize) -> Result<Array2<f64>> {
        let mut kernel = Array2::zeros((self.channels(), length));
        if length == 0 {
            return Ok(kernel);
        }
        let columns = ((length as f64).sqrt().ceil() as usize).next_multiple_of(8);
        let rows = length.div_ceil(columns);
        let mut left = Array2::zeros((rows, 2 * self.modes()));
        let mut right = Array2::zeros((2 * self.modes(), columns));
        let mut product = Array2::zeros((rows, columns));
        let (mut within, mut across) = (Vec::new(), Vec::new());
        for (h, mut row) in kernel.rows_mut().into_iter().enumerate() {
            for mode in 0..self.modes() {
                let a = self.transition[[h, mode]];
                powers(a, columns, &mut within);
                powers(within[columns - 1] * a, rows, &mut across);
                let w = self.c[[h, mode]] * self.input[[h, mode]] * 2.0;
                for (mut left, power) in left.rows_mut().into_iter().zip(&across) {
                    let z = w * power;
                    (left[2 * mode], left[2 * mode + 1]) = (z.re, -z.im);
                }
                for (mut right, power) in right.columns_mut().into_iter().zip(&within) {
                    (right[2 * mode], right[2 * mode + 1]) = (power.re, power.im);
                }
            }
            general_mat_mul(1.0, &left, &right, 0.0, &mut product);
            row.iter_mut().zip(&product).for_each(|(k, p)| *k = *p);
        }
        self.in_range(kernel)
    }

    /// [`kernel`](Self::kernel) as the sum reads, with Ā^l = exp(l log Ā) anew for each entry.
    ///
    /// # Errors
    /// As [`kernel`](Self::kernel).
    pub fn kernel_by_powers(&self, length: usize) -> Result<Array2<f64>> {
        let entry = |(h, l): (usize, usize)| {
            let term = |mode: usize| {
                let power = match self.rule {
                    Rule::ZeroOrderHold => (self.eigenvalues[[h, mode]] * (self.steps[h] * l as f64)).exp(),
                    _ => self.transition[[h, mode]].powu(l as u32),
                };
                (self.c[[h, mode]] * self.input[[h, mode]] * power).re
            };
            2.0 * (0..self.modes()).map(term).sum::<f64>()
        };
        self.in_range(Array2::from_shape_fn((self.channels(), length), entry))
    }

    fn in_range(&self, kernel: Array2<f64>) -> Result<Array2<f64>> {
        match kernel.indexed_iter().find(|(_, k)| !k.is_finite()) {
            None => Ok(kernel),
            Some(((h, l), _)) => {
                let allowed = "such that the kernel stays within f64: no real part above 0, or fewer steps";
                Err(Error::domain("eigenvalues", format!("growing, out of range at step {l} of channel {h}"), allowed))
            }
        }
    }

    /// The state before anything came, shape (H, M).
    pub fn rest(&self) -> Array2<Complex<f64>> {
        Array2::from_elem(self.b.dim(), Complex::new(0.0, 0.0))
    }

    /// y_k (H) from u_k (H); the state becomes x_k. O(H M).
    ///
    /// # Errors
    /// Other shapes, NaN or an infinity.
    ///
    /// ```
    /// use mlnotes::prelude::*;
    /// use mlnotes::ssm::{lti::Rule, s4::{S4d, S4dInit}};
    ///
    /// let layer = S4d::random(S4dInit::Inv, 2, 8, (0.01, 0.1), Rule::Bilinear, &mut RandomState::new(1))?;
    /// let u: Array2<f64> = RandomState::new(2).normal_array((100, 2));
    /// let mut state = layer.rest();
    /// let mut y = Array2::zeros((100, 2));
    /// for (u, mut y) in u.rows().into_iter().zip(y.rows_mut()) {
    ///     y.assign(&layer.step(&mut state, &u)?);
    /// }
    /// assert!((y - layer.convolutional(&u)?).iter().all(|difference| difference.abs() < 1e-11));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn step(&self, state: &mut Array2<Complex<f64>>, u: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        if state.dim() != self.b.dim() {
            let expected = format!("({}, {}), as `rest` gives it,", self.channels(), self.modes());
            return Err(Error::shape("state", expected, state.shape()));
        }
        if u.len() != self.channels() {
            return Err(Error::shape("u", format!("({}), one number per channel,", self.channels()), u.shape()));
        }
        validate::finite("u", u)?;
        let mut y = &self.d * &u.view();
        self.advance(state, u, &mut y);
        Ok(y)
    }

    /// y of the whole of u, both (L, H), from rest, by the recurrence.
    ///
    /// # Errors
    /// Another number of columns, NaN or an infinity.
    pub fn recurrent(&self, u: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        one_per_channel(u, self.channels())?;
        let mut state = self.rest();
        let mut y = &u.view() * &self.d;
        for (u, mut y) in u.rows().into_iter().zip(y.rows_mut()) {
            self.advance(&mut state, &u, &mut y);
        }
        Ok(y)
    }

    /// The same by the kernel and a fast Fourier transform: y = K ∗ u + D u in each channel.
    ///
    /// # Errors
    /// As [`recurrent`](Self::recurrent) and [`kernel`](Self::kernel).
    pub fn convolutional(&self, u: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        by_channels(u, &self.d, |length| self.kernel(length))
    }

    /// y += 2 Re C x.
    fn advance(&self, state: &mut Array2<Complex<f64>>, u: &ArrayRef1<f64>, y: &mut ArrayRef1<f64>) {
        for (h, mut x) in state.axis_iter_mut(Axis(0)).enumerate() {
            let row = s![h, ..];
            let mut sum = 0.0;
            ndarray::Zip::from(&mut x)
                .and(self.transition.slice(row))
                .and(self.input.slice(row))
                .and(self.c.slice(row))
                .for_each(|x, a, b, c| {
                    *x = a * *x + b * u[h];
                    sum += c.re * x.re - c.im * x.im;
                });
            y[h] += 2.0 * sum;
        }
    }
}

/// What of the state stays, Ā, and what of B comes in, B̄/B.
fn discretise(lambda: Complex<f64>, step: f64, alpha: Option<f64>) -> (Complex<f64>, Complex<f64>) {
    let z = lambda * step;
    match alpha {
        Some(alpha) => {
            let scale = (1.0 - z * alpha).inv();
            ((1.0 + z * (1.0 - alpha)) * scale, scale * step)
        }
        None if z == Complex::new(0.0, 0.0) => (Complex::new(1.0, 0.0), Complex::new(step, 0.0)),
        None => (z.exp(), expm1(z) / z * step),
    }
}

/// e^z − 1 = (e^x − 1) cos y − 2 sin²(y/2) + i e^x sin y.
fn expm1(z: Complex<f64>) -> Complex<f64> {
    let half = (0.5 * z.im).sin();
    Complex::new(z.re.exp_m1() * z.im.cos() - 2.0 * half * half, z.re.exp() * z.im.sin())
}

/// a⁰ … a^{count−1}; each is the product of two of half its exponent.
fn powers(a: Complex<f64>, count: usize, powers: &mut Vec<Complex<f64>>) {
    powers.clear();
    powers.extend([Complex::new(1.0, 0.0), a].into_iter().take(count));
    for l in 2..count {
        powers.push(powers[l / 2] * powers[l - l / 2]);
    }
}
