//! The model in continuous time.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use super::matrices::Matrices;
use super::{Discrete, Rule, Trajectory};
use crate::{Error, Result, validate};

/// x′(t) = A x(t) + B u(t), y(t) = C x(t) + D u(t): a state of N dimensions, P inputs, Q outputs.
///
/// ```
/// use mlnotes::ssm::lti::{Continuous, Rule};
/// use ndarray::array;
///
/// // A tank that loses half of what it holds per hour, into which u litres an hour flow.
/// let tank = Continuous::siso(array![[-2.0_f64.ln()]], array![1.0], array![1.0], 0.0)?;
/// let hourly = tank.discretise(Rule::ZeroOrderHold, 1.0)?;
/// assert!((hourly.a()[[0, 0]] - 0.5).abs() < 1e-15);
/// let empties = tank.simulate(&array![8.0], &array![[0.0], [0.0]], &array![1.0, 2.0])?;
/// assert!((empties.outputs - array![[4.0], [1.0]]).iter().all(|difference| difference.abs() < 1e-14));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Continuous {
    matrices: Matrices,
}

impl Continuous {
    /// From A (N, N), B (N, P), C (Q, N) and D (Q, P).
    ///
    /// # Errors
    /// No dimension, input or output, shapes that disagree, NaN or an infinity.
    pub fn new(a: Array2<f64>, b: Array2<f64>, c: Array2<f64>, d: Array2<f64>) -> Result<Self> {
        Ok(Self { matrices: Matrices::new(a, b, c, d)? })
    }

    /// The same with one input and one output: B and C are (N), D a number.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn siso(a: Array2<f64>, b: Array1<f64>, c: Array1<f64>, d: f64) -> Result<Self> {
        Ok(Self { matrices: Matrices::siso(a, b, c, d)? })
    }

    /// A, shape (N, N).
    pub fn a(&self) -> &Array2<f64> {
        &self.matrices.a
    }

    /// B, shape (N, P).
    pub fn b(&self) -> &Array2<f64> {
        &self.matrices.b
    }

    /// C, shape (Q, N).
    pub fn c(&self) -> &Array2<f64> {
        &self.matrices.c
    }

    /// D, shape (Q, P).
    pub fn d(&self) -> &Array2<f64> {
        &self.matrices.d
    }

    /// Steps of length Δ in place of rates of change, by that rule. C and D stay.
    ///
    /// # Errors
    /// As [`Rule::discretise`].
    pub fn discretise(&self, rule: Rule, step: f64) -> Result<Discrete> {
        let Matrices { a, b, c, d } = &self.matrices;
        let (a, b) = rule.discretise(a, b, step)?;
        Discrete::new(a, b, c.clone(), d.clone())
    }

    /// The solution from x(0) on, for an input that jumps: row k of u acts for `durations[k]`.
    ///
    /// x(t + τ) = e^{τA} x(t) + ∫₀^τ e^{(τ−s)A} ds B u
    ///
    /// # Shapes
    /// `initial` (N), `u` (L, P), `durations` (L), > 0; the states and outputs are those at the ends of the L stretches,
    /// the outputs with the input that is about to end.
    ///
    /// # Errors
    /// Other shapes, NaN or an infinity, a duration not above 0, a state beyond the range of f64.
    ///
    /// # Numerics
    /// As exact as [`expm`](super::expm) is, whatever the lengths. One exponential for each duration that is not the one
    /// before it.
    ///
    /// # Source
    /// Variation of constants; Oppenheim and Willsky, section 2.4, for one dimension.
    ///
    /// ```
    /// use mlnotes::ssm::lti::Continuous;
    /// use ndarray::array;
    ///
    /// // A body at rest: x = (place, speed), u its acceleration. 1 for 2 s, then nothing for 3 s.
    /// let body = Continuous::siso(array![[0.0, 1.0], [0.0, 0.0]], array![0.0, 1.0], array![1.0, 0.0], 0.0)?;
    /// let path = body.simulate(&array![0.0, 0.0], &array![[1.0], [0.0]], &array![2.0, 3.0])?;
    /// assert_eq!(path.states, array![[2.0, 2.0], [8.0, 2.0]]); // t²/2 and t, then 2 + 2·3
    /// assert!(body.simulate(&array![0.0, 0.0], &array![[1.0]], &array![0.0]).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn simulate(
        &self,
        initial: &ArrayRef1<f64>,
        u: &ArrayRef2<f64>,
        durations: &ArrayRef1<f64>,
    ) -> Result<Trajectory> {
        let Matrices { a, b, c, d } = &self.matrices;
        self.matrices.state("initial", initial)?;
        self.matrices.inputs(u)?;
        if durations.len() != u.nrows() {
            let expected = format!("({}), one duration per row of `u`,", u.nrows());
            return Err(Error::shape("durations", expected, durations.shape()));
        }
        durations.iter().try_for_each(|&duration| validate::positive("durations", duration, "0.01"))?;
        let mut path = Trajectory { states: Array2::zeros((u.nrows(), a.nrows())), outputs: Array2::zeros((0, 0)) };
        let (mut x, mut last, mut step) = (initial.to_owned(), f64::NAN, (a.clone(), b.clone()));
        for (k, (&duration, u)) in durations.iter().zip(u.rows()).enumerate() {
            if duration != last {
                step = Rule::ZeroOrderHold.discretise(a, b, duration)?;
                last = duration;
            }
            x = step.0.dot(&x) + step.1.dot(&u);
            path.states.row_mut(k).assign(&x);
        }
        path.outputs = path.states.dot(&c.t()) + u.dot(&d.t());
        path.in_range()?;
        Ok(path)
    }
}
