//! The kernel by its generating function.

use multiversion::multiversion;
use ndarray::{Array1, ArrayRef1};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::S4;
use crate::ssm::lti::Rule;
use crate::{Error, Result};

impl S4 {
    /// K_l = C Ā^l B̄ for l = 0 … L − 1, shape (L), in O(N L + L log L), plus O(N³ log L) for C̃.
    ///
    /// 1. Truncated generating function (截断生成函数): K̂(z) = Σ_{l<L} K_l z^l = C̃ (I − Ā z)⁻¹ B̄, where the last of the
    ///    geometric series goes into C̃ = C (I − Ā^L), since z^L = 1 at the roots of unity
    ///    ([`truncated_output`](Self::truncated_output)).
    /// 2. Bilinear rule: (I − Ā z)⁻¹ B̄ = 2/(1+z) (g − A)⁻¹ B with g = (2/Δ) (1−z)/(1+z); no Ā is left.
    /// 3. Woodbury's identity: with k_xy(g) = Σ_j x_j y_j / (g − λ_j), the Cauchy sums (柯西核),
    ///    C̃ (g − Λ + p p*)⁻¹ B = k_cb − k_cp (1 + k_pp)⁻¹ k_pb.
    /// 4. Inverse Fourier transform of K̂ at the L roots of unity.
    ///
    /// [`kernel_by_equations`](Self::kernel_by_equations) is this as it stands. Here, in addition: K is real, so half of
    /// the roots suffice. At z = e^{−2iθ}, g = (2i/Δ) tan θ, and everything is multiplied by cos θ, so that nothing becomes
    /// infinite at z = −1. The two terms of a conjugate pair, v/(g − λ) + v̄/(g − λ̄), share the denominator
    /// g² − 2 Re λ g + |λ|², so one real division serves a pair in all four sums, and a vector register of nodes at once.
    ///
    /// # Errors
    /// A step so long or short that f64 does not hold what comes. L = 0 gives no entries.
    ///
    /// # Numerics
    /// As a share of the largest entry, for LegS: within 1e-11 of the dense recurrence for N = 64 and L = 1000, within 1e-12
    /// of 60 digits for N = 32.
    ///
    /// Source: Algorithm 1 and appendix C.3 of the paper. Departure: it learns C̃ in C's place, which saves Ā^L but ties the
    /// model to one L; here C is the parameter.
    pub fn kernel(&self, length: usize) -> Result<Array1<f64>> {
        let c = self.c_modes(&self.truncated_output(length)?);
        let pairs = Pairs::new(self, &c);
        let nodes = length / 2 + 1;
        let mut half = vec![Complex::new(0.0, 0.0); nodes];
        spectrum(&pairs, 2.0 / self.step, length, &mut half);
        let rest = half[1..length.div_ceil(2).max(1)].iter().rev().map(|value| value.conj());
        let all: Vec<_> = half.iter().copied().chain(rest).take(length).collect();
        self.signal(all)
    }

    /// [`kernel`](Self::kernel) as its four equations read: complex sums over all N eigenvalues at each of the L nodes.
    ///
    /// # Errors
    /// As [`kernel`](Self::kernel).
    pub fn kernel_by_equations(&self, length: usize) -> Result<Array1<f64>> {
        let (c, b) = (self.c_modes(&self.truncated_output(length)?), self.b_modes());
        let node = |k: usize| {
            let angle = -2.0 * std::f64::consts::PI * k as f64 / length as f64;
            self.generating_function(&c, &b, Complex::new(angle.cos(), angle.sin()))
        };
        self.signal((0..length).map(node).collect())
    }

    /// C̃ = C (I − Ā^L), real, shape (N), by squaring Ā.
    ///
    /// # Errors
    /// As [`kernel`](Self::kernel).
    ///
    /// ```
    /// use mlnotes::ssm::s4::S4;
    /// use ndarray::array;
    ///
    /// // Where the state forgets within L steps, C̃ is C.
    /// let c = array![1.0, 2.0];
    /// let model = S4::legs(&c, 0.0, 0.1)?;
    /// assert!((model.truncated_output(1000)? - &c).iter().all(|difference| difference.abs() < 1e-15));
    /// assert_eq!(model.truncated_output(0)?, array![0.0, 0.0]); // no steps, no output
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn truncated_output(&self, length: usize) -> Result<Array1<f64>> {
        let b = self.b.view().insert_axis(ndarray::Axis(1));
        let (mut power, _) = Rule::Bilinear.discretise(&self.nplr.a, &b, self.step)?;
        let mut moved = self.c.clone();
        let mut rest = length;
        while rest > 0 {
            if rest % 2 == 1 {
                moved = moved.dot(&power);
            }
            rest /= 2;
            if rest > 0 {
                power = power.dot(&power);
            }
        }
        Ok(&self.c - moved)
    }

    /// K̂(z) = 2/(1+z) (k_cb − k_cp (1 + k_pp)⁻¹ k_pb) at g = (2/Δ) (1−z)/(1+z), from C̃ V and V* B. The f64 nearest to
    /// z = −1 is not −1, and the large g and 1 + z cancel without loss.
    fn generating_function(&self, c: &Array1<Complex<f64>>, b: &Array1<Complex<f64>>, z: Complex<f64>) -> Complex<f64> {
        let p = &self.nplr.low_rank;
        let g = (1.0 - z) / (1.0 + z) * (2.0 / self.step);
        let q = p.mapv(|p| p.conj());
        let k = |x: &Array1<Complex<f64>>, y: &Array1<Complex<f64>>| cauchy(x, y, &self.nplr.eigenvalues, g);
        (k(c, b) - k(c, p) * k(&q, b) / (1.0 + k(&q, p))) * 2.0 / (1.0 + z)
    }

    /// The real signal whose transform that is.
    fn signal(&self, mut transform: Vec<Complex<f64>>) -> Result<Array1<f64>> {
        let length = transform.len();
        if length > 0 {
            FftPlanner::new().plan_fft_inverse(length).process(&mut transform);
        }
        if !transform.iter().all(|value| value.re.is_finite()) {
            return Err(Error::domain("step", self.step, "such that the kernel stays within f64, for instance 0.01"));
        }
        Ok(transform.iter().map(|value| value.re / length as f64).collect())
    }
}

/// k_xy(g) = Σ_j x_j y_j / (g − λ_j), over both halves of the pairs.
fn cauchy(
    x: &Array1<Complex<f64>>,
    y: &Array1<Complex<f64>>,
    eigenvalues: &Array1<Complex<f64>>,
    g: Complex<f64>,
) -> Complex<f64> {
    let pair = |((x, y), lambda): ((&Complex<f64>, &Complex<f64>), &Complex<f64>)| {
        x * y / (g - lambda) + (x * y).conj() / (g - lambda.conj())
    };
    x.iter().zip(y).zip(eigenvalues).map(pair).sum()
}

/// Per conjugate pair: |λ|², −2 Re λ, and of v = c b, c p, p̄ b, p̄ p the real numbers 2 Re v and 2 Re v λ̄.
struct Pairs {
    denominators: Vec<[f64; 2]>,
    numerators: Vec<[[f64; 2]; 4]>,
}

impl Pairs {
    fn new(model: &S4, c: &ArrayRef1<Complex<f64>>) -> Self {
        let (b, p) = (model.b_modes(), &model.nplr.low_rank);
        let lambda = &model.nplr.eigenvalues;
        let numerators = |j: usize| {
            let q = p[j].conj();
            [c[j] * b[j], c[j] * p[j], q * b[j], q * p[j]].map(|v| [2.0 * v.re, 2.0 * (v * lambda[j].conj()).re])
        };
        Self {
            denominators: lambda.iter().map(|lambda| [lambda.norm_sqr(), -2.0 * lambda.re]).collect(),
            numerators: (0..lambda.len()).map(numerators).collect(),
        }
    }
}

/// Nodes side by side.
const LANES: usize = 8;

/// K̂ at z = e^{−2iθ}, θ = π k / L, for as many k as `out` is long. With σ = (2/Δ) sin θ and c = cos θ, so g = i σ/c,
///
/// k_xy = c Σ (i σ 2 Re v − c 2 Re v λ̄) / (c²|λ|² − σ² − 2 i Re λ σ c)
#[multiversion(targets("x86_64+avx2"))]
fn spectrum(pairs: &Pairs, rate: f64, length: usize, out: &mut [Complex<f64>]) {
    for (block, out) in out.chunks_mut(LANES).enumerate() {
        let angle = |lane: usize| std::f64::consts::PI * (block * LANES + lane) as f64 / length as f64;
        let (mut sin, mut cos) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            (sin[lane], cos[lane]) = angle(lane).sin_cos();
        }
        let sigma = sin.map(|sin| rate * sin);
        // Σ (2 Re v) / denominator and Σ (2 Re v λ̄) / denominator, real and imaginary.
        let mut sums = [[[[0.0_f64; LANES]; 2]; 2]; 4];
        for ([square, damping], numerators) in pairs.denominators.iter().zip(&pairs.numerators) {
            let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
            for lane in 0..LANES {
                let (sigma, cos) = (sigma[lane], cos[lane]);
                let (x, y) = (cos * cos * square - sigma * sigma, damping * sigma * cos);
                let scale = 1.0 / (x * x + y * y);
                (re[lane], im[lane]) = (x * scale, -y * scale);
            }
            for (sums, numerators) in sums.iter_mut().zip(numerators) {
                for (sums, v) in sums.iter_mut().zip(numerators) {
                    for lane in 0..LANES {
                        sums[0][lane] += v * re[lane];
                        sums[1][lane] += v * im[lane];
                    }
                }
            }
        }
        for (lane, out) in out.iter_mut().enumerate() {
            let (sigma, cos) = (sigma[lane], cos[lane]);
            let [cb, cp, pb, pp]: [Complex<f64>; 4] = sums.map(|sums| {
                let [v, v_lambda] = sums.map(|sum| Complex::new(sum[0][lane], sum[1][lane]));
                Complex::new(0.0, sigma) * v - v_lambda * cos
            });
            let turn = Complex::new(cos, sin[lane]);
            *out = turn * (cb - cp * pb * cos / (1.0 + pp * cos));
        }
    }
}
