//! Normal plus low rank.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, s};
use rustfft::num_complex::Complex;

use crate::numerics::SkewEigen;
use crate::ssm::hippo::legs;
use crate::{Error, Result, validate};

/// A = V (Λ − p p*) V*, p = V* P: a real A (N, N) that a rank-one term makes normal,
///
/// A + P Pᵀ = −a I + S with Sᵀ = −S, so that V is unitary and Λ = −a + i ω.
///
/// N is even and of each conjugate pair the half with ω > 0 is kept.
///
/// ```
/// use mlnotes::ssm::s4::Nplr;
/// use ndarray::array;
///
/// // LegS with N = 2: A = (−1, 0; −√3, −2), P = (√½, √1.5), A + P Pᵀ = (−½, √¾; −√¾, −½).
/// let legs = Nplr::legs(2)?;
/// let eigenvalue = legs.eigenvalues()[0];
/// assert!((eigenvalue.re + 0.5).abs() < 1e-15 && (eigenvalue.im - 0.75_f64.sqrt()).abs() < 1e-15);
/// let back = legs.multiplied_out();
/// assert!((back - array![[-1.0, 0.0], [-3.0_f64.sqrt(), -2.0]]).iter().all(|difference| difference.abs() < 1e-15));
/// assert!(Nplr::new(&array![[1.0, 5.0], [0.0, 1.0]], &array![0.0, 0.0]).is_err()); // not normal
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Source: Theorem 1 and appendix C.1 of the S4 paper. Departure: its Λ − P Q* with Q = P alone, as Goel et al. (*It's
/// Raw! Audio Generation with State-Space Models*, ICML 2022) found: then A is stable wherever Re Λ < 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Nplr {
    pub(super) a: Array2<f64>,
    pub(super) eigenvalues: Array1<Complex<f64>>,
    pub(super) low_rank: Array1<Complex<f64>>,
    pub(super) vectors: Array2<Complex<f64>>,
}

impl Nplr {
    /// From a real A (N, N) and P (N).
    ///
    /// # Errors
    /// N odd or 0, other shapes, NaN or an infinity; an A + P Pᵀ that is not −a I plus a skew-symmetric matrix, to 1e-10
    /// of its largest entry, or one of which that part is singular.
    ///
    /// ```
    /// use mlnotes::ssm::{hippo::Measure, s4::Nplr};
    /// use ndarray::Array1;
    ///
    /// // LagT is of this form too, with P = (1, 1, …)/√2.
    /// let (a, _) = Measure::LagT { timescale: 1.0, tilt: 0.0 }.matrices(6)?;
    /// let lagt = Nplr::new(&a, &Array1::from_elem(6, 0.5_f64.sqrt()))?;
    /// assert!(lagt.eigenvalues().iter().all(|eigenvalue| eigenvalue.re.abs() < 1e-14)); // the tilt makes it undamped
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn new(a: &ArrayRef2<f64>, p: &ArrayRef1<f64>) -> Result<Self> {
        let n = p.len();
        if n == 0 || n % 2 == 1 {
            return Err(Error::domain("order", n, "even and at least 2, since eigenvalues come in conjugate pairs"));
        }
        if a.dim() != (n, n) {
            return Err(Error::shape("a", format!("({n}, {n}), as `p` has {n} entries,"), a.shape()));
        }
        validate::finite("a", a)?;
        validate::finite("p", p)?;
        let normal = Array2::from_shape_fn((n, n), |(i, j)| a[[i, j]] + p[i] * p[j]);
        let shift = normal.diag().mean().unwrap_or_default();
        let skew = Array2::from_shape_fn((n, n), |(i, j)| 0.5 * (normal[[i, j]] - normal[[j, i]]));
        let scale = normal.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let off = |(i, j): (usize, usize)| normal[[i, j]] - skew[[i, j]] - if i == j { shift } else { 0.0 };
        let eigen =
            if (0..n * n).any(|at| off((at / n, at % n)).abs() > 1e-10 * scale) { None } else { SkewEigen::new(&skew) };
        let Some(SkewEigen { frequencies, vectors }) = eigen else {
            let allowed = "such that a + p pᵀ is a multiple of the unit matrix plus a regular skew-symmetric one, as \
                           HiPPO's LegS is with p = √(n + ½)";
            return Err(Error::domain("a", "not normal plus that rank-one term", allowed));
        };
        let vectors = vectors.slice(s![.., ..n / 2]).to_owned();
        Ok(Self {
            a: a.to_owned(),
            eigenvalues: frequencies.iter().take(n / 2).map(|&frequency| Complex::new(shift, frequency)).collect(),
            low_rank: modes(&vectors, p),
            vectors,
        })
    }

    /// HiPPO's LegS: P_n = √(n + ½), A + P Pᵀ = −½ I + S with S_nk = −½ √(2n+1) √(2k+1) for n > k.
    ///
    /// # Errors
    /// `order` odd or 0.
    pub fn legs(order: usize) -> Result<Self> {
        let (a, _) = legs(order);
        Self::new(&a, &Array1::from_shape_fn(order, |n| (n as f64 + 0.5).sqrt()))
    }

    /// N.
    pub fn order(&self) -> usize {
        self.a.nrows()
    }

    /// A, shape (N, N).
    pub fn a(&self) -> &Array2<f64> {
        &self.a
    }

    /// Λ, shape (N/2), ω downwards.
    pub fn eigenvalues(&self) -> &Array1<Complex<f64>> {
        &self.eigenvalues
    }

    /// p = V* P, shape (N/2).
    pub fn low_rank(&self) -> &Array1<Complex<f64>> {
        &self.low_rank
    }

    /// The columns of V that belong to [`eigenvalues`](Self::eigenvalues), shape (N, N/2).
    pub fn vectors(&self) -> &Array2<Complex<f64>> {
        &self.vectors
    }

    /// V* x, a real x (N) in the basis of the eigenvectors, shape (N/2).
    ///
    /// # Errors
    /// Another length, NaN or an infinity.
    ///
    /// ```
    /// use mlnotes::ssm::s4::Nplr;
    /// use ndarray::array;
    ///
    /// let (legs, x) = (Nplr::legs(4)?, array![1.0, -2.0, 0.0, 3.0]);
    /// let modes = legs.to_modes(&x)?;
    /// // Back again: V V* x, both halves of the pairs.
    /// let back = legs.vectors().dot(&modes).mapv(|z| 2.0 * z.re);
    /// assert!((back - x).iter().all(|difference| difference.abs() < 1e-14));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn to_modes(&self, x: &ArrayRef1<f64>) -> Result<Array1<Complex<f64>>> {
        if x.len() != self.order() {
            return Err(Error::shape("x", format!("({}), one number per dimension,", self.order()), x.shape()));
        }
        validate::finite("x", x)?;
        Ok(modes(&self.vectors, x))
    }

    /// V (Λ − p p*) V*, which is A but for rounding, shape (N, N).
    pub fn multiplied_out(&self) -> Array2<f64> {
        let n = self.order();
        let p = self.vectors.dot(&self.low_rank).mapv(|z| 2.0 * z.re);
        let weighted = &self.vectors * &self.eigenvalues;
        let normal = weighted.dot(&self.vectors.t().mapv(|v| v.conj()));
        Array2::from_shape_fn((n, n), |(i, j)| 2.0 * normal[[i, j]].re - p[i] * p[j])
    }
}

/// V* x.
pub(super) fn modes(vectors: &Array2<Complex<f64>>, x: &ArrayRef1<f64>) -> Array1<Complex<f64>> {
    let column = |v: ndarray::ArrayView1<'_, Complex<f64>>| v.iter().zip(x).map(|(v, &x)| v.conj() * x).sum();
    vectors.columns().into_iter().map(column).collect()
}
