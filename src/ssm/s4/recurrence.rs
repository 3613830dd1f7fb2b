//! One step in O(N).

use ndarray::{Array1, ArrayRef1};
use rustfft::num_complex::Complex;

use super::S4;
use crate::{Error, Result, validate};

/// x_k = Ā x_{k−1} + B̄ u_k, y_k = C x_k + D u_k in O(N) a step, with the state in the basis of the eigenvectors.
///
/// The bilinear rule is Ā = A₁ A₀, B̄ = 2 A₁ B with A₀ = 2/Δ + A and A₁ = (2/Δ − A)⁻¹. Both are diagonal but for a rank-one
/// term, by Woodbury's identity with the diagonal R = (2/Δ − Λ)⁻¹:
///
/// A₀ = 2/Δ + Λ − p p*, A₁ = R − R p (1 + p* R p)⁻¹ p* R
///
/// ```
/// use mlnotes::ssm::s4::S4;
/// use ndarray::array;
///
/// let model = S4::legs(&array![1.0, 2.0], 0.5, 0.25)?;
/// let recurrence = model.recurrence();
/// let mut state = recurrence.rest();
/// let first = recurrence.step(&mut state, 1.0)?;
/// assert!((first - (model.kernel(1)?[0] + 0.5)).abs() < 1e-14); // K₀ + D
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Source: Lemma C.3 and appendix C.2 of the paper.
#[derive(Clone, Debug, PartialEq)]
pub struct S4Recurrence {
    /// 2/Δ + Λ.
    forward: Array1<Complex<f64>>,
    /// R.
    resolvent: Array1<Complex<f64>>,
    /// R p / (1 + p* R p).
    correction: Array1<Complex<f64>>,
    p: Array1<Complex<f64>>,
    /// 2 B.
    b: Array1<Complex<f64>>,
    c: Array1<Complex<f64>>,
    d: f64,
}

impl S4 {
    /// The model in steps.
    pub fn recurrence(&self) -> S4Recurrence {
        let rate = 2.0 / self.step;
        let (lambda, p) = (&self.nplr.eigenvalues, &self.nplr.low_rank);
        let resolvent = lambda.mapv(|lambda| (rate - lambda).inv());
        let rp = &resolvent * p;
        let denominator = 1.0 + product(p, &rp);
        S4Recurrence {
            forward: lambda.mapv(|lambda| rate + lambda),
            correction: rp.mapv(|rp| rp / denominator),
            resolvent,
            p: p.clone(),
            b: self.b_modes().mapv(|b| b * 2.0),
            c: self.c_modes(&self.c),
            d: self.d,
        }
    }
}

impl S4Recurrence {
    /// The state before anything came, shape (N/2).
    pub fn rest(&self) -> Array1<Complex<f64>> {
        Array1::from_elem(self.p.len(), Complex::new(0.0, 0.0))
    }

    /// y_k; the state becomes x_k.
    ///
    /// # Errors
    /// A state of another length, a u that is not finite.
    pub fn step(&self, state: &mut Array1<Complex<f64>>, u: f64) -> Result<f64> {
        if state.len() != self.p.len() {
            return Err(Error::shape("state", format!("({}), as `rest` gives it,", self.p.len()), state.shape()));
        }
        if !u.is_finite() {
            return Err(Error::domain("u", u, "finite: leave such samples out or fill them in first"));
        }
        Ok(self.advance(state, u))
    }

    /// y of the whole of u, both of shape (L), from rest.
    ///
    /// # Errors
    /// NaN or an infinity in u.
    pub fn recurrent(&self, u: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        validate::finite("u", u)?;
        let mut state = self.rest();
        Ok(u.iter().map(|&u| self.advance(&mut state, u)).collect())
    }

    fn advance(&self, state: &mut Array1<Complex<f64>>, u: f64) -> f64 {
        let px = product(&self.p, state);
        // R (A₀ x + 2 B u).
        for (j, x) in state.iter_mut().enumerate() {
            *x = self.resolvent[j] * (self.forward[j] * *x - self.p[j] * px + self.b[j] * u);
        }
        let pr = product(&self.p, state);
        let mut y = 0.0;
        for (j, x) in state.iter_mut().enumerate() {
            *x -= self.correction[j] * pr;
            y += (self.c[j] * *x).re;
        }
        2.0 * y + self.d * u
    }
}

/// p* x over both halves of the pairs.
fn product(p: &Array1<Complex<f64>>, x: &Array1<Complex<f64>>) -> f64 {
    2.0 * p.iter().zip(x).map(|(p, x)| p.re * x.re + p.im * x.im).sum::<f64>()
}
