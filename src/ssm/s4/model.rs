//! One input, one output, a state whose A is normal plus low rank.

use ndarray::{Array1, ArrayRef1};
use rustfft::num_complex::Complex;

use super::Nplr;
use crate::ssm::lti::{Continuous, Discrete, Rule};
use crate::{Error, Result, validate};

/// x′ = A x + B u, y = C x + D u with A = V (Λ − p p*) V*, discretised by the bilinear rule with step Δ:
///
/// Ā = (I − ½ΔA)⁻¹ (I + ½ΔA), B̄ = (I − ½ΔA)⁻¹ ΔB, x_k = Ā x_{k−1} + B̄ u_k, y_k = C x_k + D u_k
///
/// ```
/// use mlnotes::ssm::s4::S4;
/// use ndarray::{Array1, array};
///
/// let model = S4::legs(&array![1.0, -1.0, 0.5, 2.0], 0.0, 0.1)?;
/// // The same numbers by S4's kernel, by the dense recurrence, and by its own recurrence in O(N) a step.
/// let kernel = model.kernel(50)?;
/// let dense = model.discrete()?.kernel(50)?;
/// let mut impulse = Array1::zeros(50);
/// impulse[0] = 1.0;
/// let stepped = model.recurrence().recurrent(&impulse)?;
/// for l in 0..50 {
///     assert!((kernel[l] - dense[[l, 0, 0]]).abs() < 1e-13 && (kernel[l] - stepped[l]).abs() < 1e-13);
/// }
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct S4 {
    pub(super) nplr: Nplr,
    /// B and C as they came, (N).
    pub(super) b: Array1<f64>,
    pub(super) c: Array1<f64>,
    pub(super) d: f64,
    pub(super) step: f64,
}

impl S4 {
    /// From A, B (N), C (N), D and Δ.
    ///
    /// # Errors
    /// Other lengths, NaN or an infinity, a step not above 0.
    pub fn new(nplr: Nplr, b: &ArrayRef1<f64>, c: &ArrayRef1<f64>, d: f64, step: f64) -> Result<Self> {
        for (arg, x) in [("b", b), ("c", c)] {
            if x.len() != nplr.order() {
                let expected = format!("({}), one number per dimension of the state,", nplr.order());
                return Err(Error::shape(arg, expected, x.shape()));
            }
            validate::finite(arg, x)?;
        }
        if !d.is_finite() {
            return Err(Error::domain("d", d, "finite, 0 for none"));
        }
        validate::positive("step", step, "0.01")?;
        Ok(Self { nplr, b: b.to_owned(), c: c.to_owned(), d, step })
    }

    /// With A and B of HiPPO's LegS; C (N) gives the order.
    ///
    /// # Errors
    /// As [`new`](Self::new); an odd number of entries.
    pub fn legs(c: &ArrayRef1<f64>, d: f64, step: f64) -> Result<Self> {
        let (_, b) = crate::ssm::hippo::legs(c.len());
        Self::new(Nplr::legs(c.len())?, &b, c, d, step)
    }

    /// The same with another Δ: the same function of time, sampled otherwise. K_l ≈ Δ C e^{lΔA} B, so half the step
    /// stretches the kernel to twice its length: what looks like kernels of several sizes is one A at several Δ.
    ///
    /// # Errors
    /// A step not above 0.
    pub fn with_step(&self, step: f64) -> Result<Self> {
        validate::positive("step", step, "0.01")?;
        Ok(Self { step, ..self.clone() })
    }

    /// A.
    pub fn nplr(&self) -> &Nplr {
        &self.nplr
    }

    /// Δ.
    pub fn step(&self) -> f64 {
        self.step
    }

    /// The system in continuous time with its N real dimensions, forgetting the structure.
    ///
    /// # Errors
    /// None that [`new`](Self::new) would not have had.
    pub fn continuous(&self) -> Result<Continuous> {
        Continuous::siso(self.nplr.a.clone(), self.b.clone(), self.c.clone(), self.d)
    }

    /// Its bilinear discretisation, Ā and B̄ as dense matrices: the slow form of everything here.
    ///
    /// # Errors
    /// A step so long or short that f64 does not hold it.
    pub fn discrete(&self) -> Result<Discrete> {
        self.continuous()?.discretise(Rule::Bilinear, self.step)
    }

    /// V* B, shape (N/2).
    pub(super) fn b_modes(&self) -> Array1<Complex<f64>> {
        super::nplr::modes(&self.nplr.vectors, &self.b)
    }

    /// C V, shape (N/2), for C or what takes its place.
    pub(super) fn c_modes(&self, c: &ArrayRef1<f64>) -> Array1<Complex<f64>> {
        super::nplr::modes(&self.nplr.vectors, c).mapv(|z| z.conj())
    }
}
