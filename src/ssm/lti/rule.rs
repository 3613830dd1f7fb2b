//! From rates of change to steps.

use ndarray::{Array2, ArrayRef2, s};

use super::expm;
use super::matrices::dynamics;
use crate::numerics::Lu;
use crate::{Error, Result, validate};

/// A discretisation rule (离散化): what a step Δ makes of x′ = A x + B u when u keeps the value u_k during it.
///
/// | rule | Ā | B̄ | error at a given time | stable if A is |
/// | --- | --- | --- | --- | --- |
/// | Euler (欧拉) | I + ΔA | ΔB | O(Δ) | only if every \|1 + Δλ\| < 1 |
/// | backward Euler (后向欧拉) | (I − ΔA)⁻¹ | (I − ΔA)⁻¹ ΔB | O(Δ) | always |
/// | bilinear (双线性), Tustin's, trapezium | (I − ½ΔA)⁻¹ (I + ½ΔA) | (I − ½ΔA)⁻¹ ΔB | O(Δ²) | always |
/// | generalised bilinear, α | (I − αΔA)⁻¹ (I + (1 − α)ΔA) | (I − αΔA)⁻¹ ΔB | O(Δ), O(Δ²) for α = ½ | always for α ≥ ½ |
/// | zero-order hold (零阶保持) | e^{ΔA} | A⁻¹ (e^{ΔA} − I) B | none | always |
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// The slope at the step's beginning; α = 0.
    Euler,
    /// The slope at the step's end; α = 1.
    BackwardEuler,
    /// The mean of both; α = ½.
    Bilinear,
    /// The slope at the beginning with weight 1 − α and that at the end with weight α, which is 0 to 1.
    GeneralisedBilinear(f64),
    /// The differential equation's solution.
    ZeroOrderHold,
}

impl Rule {
    /// Ā and B̄.
    ///
    /// # Shapes
    /// A and Ā are (N, N), B and B̄ (N, P).
    ///
    /// # Errors
    /// Shapes that disagree or are empty, NaN or an infinity, a step not above 0, α outside [0, 1], a step at which
    /// I − αΔA has no inverse (1/(αΔ) is an eigenvalue of A, which then grows), results beyond the range of f64.
    ///
    /// # Numerics
    /// The hold takes Ā and B̄ from one exponential, that of (ΔA, ΔB; 0, 0), so a singular A is nothing special. The
    /// others solve one system by elimination; nothing is inverted.
    ///
    /// # Source
    /// S4, section 2.2; Zhang, Chen and Chen, *Digital redesign via the generalised bilinear transformation*,
    /// International Journal of Control 82 (2009). SciPy's `cont2discrete` gives the same Ā and B̄. It also changes C
    /// and D where α > 0, since its state then is another (its u_k may change during a step); S4's C and D, and these,
    /// stay.
    ///
    /// ```
    /// use mlnotes::ssm::lti::Rule;
    /// use ndarray::array;
    ///
    /// let (a, b) = (array![[-2.0]], array![[1.0]]); // decays at a rate of 2 towards u / 2
    /// let at = |rule: Rule| rule.discretise(&a, &b, 0.5).map(|(a, b)| (a[[0, 0]], b[[0, 0]]));
    /// assert_eq!(at(Rule::Euler)?, (0.0, 0.5));
    /// assert_eq!(at(Rule::BackwardEuler)?, (0.5, 0.25));
    /// let bilinear = at(Rule::Bilinear)?;
    /// assert!((bilinear.0 - 1.0 / 3.0).abs() < 1e-15 && (bilinear.1 - 1.0 / 3.0).abs() < 1e-15);
    /// let hold = at(Rule::ZeroOrderHold)?;
    /// assert!((hold.0 - (-1.0_f64).exp()).abs() < 1e-15 && (hold.1 - (1.0 - hold.0) / 2.0).abs() < 1e-15);
    /// assert!(Rule::Bilinear.discretise(&a, &b, -0.5).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn discretise(self, a: &ArrayRef2<f64>, b: &ArrayRef2<f64>, step: f64) -> Result<(Array2<f64>, Array2<f64>)> {
        dynamics(a, b)?;
        validate::positive("step", step, "0.01")?;
        let result = match self.alpha()? {
            Some(alpha) => bilinear(a, b, step, alpha)?,
            None => hold(a, b, step).ok_or_else(|| too_long(step))?,
        };
        let finite = |matrix: &Array2<f64>| matrix.iter().all(|entry| entry.is_finite());
        if finite(&result.0) && finite(&result.1) { Ok(result) } else { Err(too_long(step)) }
    }

    /// α of the bilinear rules; `None` for the hold, which is none of them.
    pub(in crate::ssm) fn alpha(self) -> Result<Option<f64>> {
        match self {
            Self::Euler => Ok(Some(0.0)),
            Self::BackwardEuler => Ok(Some(1.0)),
            Self::Bilinear => Ok(Some(0.5)),
            Self::GeneralisedBilinear(alpha) if (0.0..=1.0).contains(&alpha) => Ok(Some(alpha)),
            Self::GeneralisedBilinear(alpha) => {
                Err(Error::domain("alpha", alpha, "from 0 (Euler) to 1 (backward Euler)"))
            }
            Self::ZeroOrderHold => Ok(None),
        }
    }
}

fn too_long(step: f64) -> Error {
    Error::domain("step", step, "so short that neither ΔA nor what it makes of a state is beyond the range of f64")
}

fn bilinear(a: &ArrayRef2<f64>, b: &ArrayRef2<f64>, step: f64, alpha: f64) -> Result<(Array2<f64>, Array2<f64>)> {
    let eye = Array2::<f64>::eye(a.nrows());
    let (begins, held) = (&eye + &(a * (step * (1.0 - alpha))), b * step);
    if alpha == 0.0 {
        return Ok((begins, held));
    }
    let ends = eye - &(a * (step * alpha));
    if !ends.iter().all(|entry| entry.is_finite()) {
        return Err(too_long(step));
    }
    let Some(lu) = Lu::new(&ends) else {
        let allowed = format!("such that I − {alpha} Δ A has an inverse: take a shorter step");
        return Err(Error::domain("step", step, allowed));
    };
    Ok((lu.solve_matrix(&begins), lu.solve_matrix(&held)))
}

/// d/dt (x, u) = (A x + B u, 0) for a time of Δ.
fn hold(a: &ArrayRef2<f64>, b: &ArrayRef2<f64>, step: f64) -> Option<(Array2<f64>, Array2<f64>)> {
    let (n, p) = b.dim();
    let mut block = Array2::zeros((n + p, n + p));
    block.slice_mut(s![..n, ..n]).assign(&(a * step));
    block.slice_mut(s![..n, n..]).assign(&(b * step));
    let moved = expm(&block).ok()?;
    Some((moved.slice(s![..n, ..n]).to_owned(), moved.slice(s![..n, n..]).to_owned()))
}
