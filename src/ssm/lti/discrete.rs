//! The model in steps, seen as a recurrence.

use ndarray::linalg::general_mat_vec_mul;
use ndarray::{Array1, Array2, ArrayRef, ArrayRef1, ArrayRef2, Axis, RemoveAxis};

use super::matrices::Matrices;
use crate::{Error, Result, validate};

/// x_k = Ā x_{k−1} + B̄ u_k, y_k = C x_k + D u_k: a state of N dimensions, P inputs, Q outputs.
///
/// ```
/// use mlnotes::ssm::lti::Discrete;
/// use ndarray::array;
///
/// // A leaky sum: half of it stays.
/// let sum = Discrete::siso(array![[0.5]], array![1.0], array![1.0], 0.0)?;
/// let u = array![[4.0], [0.0], [1.0]];
/// assert_eq!(sum.recurrent(&u)?, array![[4.0], [2.0], [2.0]]);
/// assert_eq!(sum.kernel(3)?.flatten(), array![1.0, 0.5, 0.25]);
/// assert!((sum.convolutional(&u)? - sum.recurrent(&u)?).iter().all(|difference| difference.abs() < 1e-15));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Discrete {
    pub(super) matrices: Matrices,
}

/// The states and outputs of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    /// x_k, shape (L, N).
    pub states: Array2<f64>,
    /// y_k, shape (L, Q).
    pub outputs: Array2<f64>,
}

impl Trajectory {
    /// Refused where it has left f64.
    pub(super) fn in_range(&self) -> Result<()> {
        in_range(&self.states)?;
        in_range(&self.outputs)
    }
}

/// Refused where an entry of a row, which is a time, has left f64.
pub(super) fn in_range<D: RemoveAxis>(rows: &ArrayRef<f64, D>) -> Result<()> {
    match rows.axis_iter(Axis(0)).position(|row| !row.iter().all(|value| value.is_finite())) {
        None => Ok(()),
        Some(k) => Err(beyond(k)),
    }
}

pub(super) fn beyond(k: usize) -> Error {
    let allowed = "a system whose state stays small (`spectral_radius` below 1), or one that is run for fewer steps";
    Error::domain("a", format!("such that the numbers leave the range of f64 at step {k} (counted from 0)"), allowed)
}

impl Discrete {
    /// From Ā (N, N), B̄ (N, P), C (Q, N) and D (Q, P).
    ///
    /// # Errors
    /// No dimension, input or output, shapes that disagree, NaN or an infinity.
    pub fn new(a: Array2<f64>, b: Array2<f64>, c: Array2<f64>, d: Array2<f64>) -> Result<Self> {
        Ok(Self { matrices: Matrices::new(a, b, c, d)? })
    }

    /// The same with one input and one output: B̄ and C are (N), D a number.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn siso(a: Array2<f64>, b: Array1<f64>, c: Array1<f64>, d: f64) -> Result<Self> {
        Ok(Self { matrices: Matrices::siso(a, b, c, d)? })
    }

    /// Ā, shape (N, N).
    pub fn a(&self) -> &Array2<f64> {
        &self.matrices.a
    }

    /// B̄, shape (N, P).
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

    /// x_{−1} = 0, the state of rest.
    pub fn rest(&self) -> Array1<f64> {
        Array1::zeros(self.a().nrows())
    }

    /// One step: replaces x_{k−1} by x_k, returns y_k. What a model does that must answer as its input comes: the time
    /// and memory of a step do not depend on how many went before.
    ///
    /// # Shapes
    /// `state` (N), `u` (P), the result (Q).
    ///
    /// # Errors
    /// Other shapes, NaN or an infinity, a state beyond the range of f64; `state` stays what it was.
    ///
    /// ```
    /// use mlnotes::ssm::lti::Discrete;
    /// use ndarray::array;
    ///
    /// let sum = Discrete::siso(array![[0.5]], array![1.0], array![1.0], 0.0)?;
    /// let mut state = sum.rest();
    /// assert_eq!(sum.step(&mut state, &array![4.0])?, array![4.0]);
    /// assert_eq!(sum.step(&mut state, &array![1.0])?, array![3.0]); // 4 / 2 + 1
    /// assert!(sum.step(&mut state, &array![f64::NAN]).is_err());
    /// assert_eq!(state, array![3.0]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn step(&self, state: &mut Array1<f64>, u: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        let Matrices { b, c, d, .. } = &self.matrices;
        self.matrices.state("state", state)?;
        if u.len() != b.ncols() {
            return Err(Error::shape("u", format!("({}), one number per column of `b`,", b.ncols()), u.shape()));
        }
        validate::finite("u", u)?;
        let mut next = self.rest();
        self.advance(state, u, &mut next);
        let y = c.dot(&next) + d.dot(u);
        if !next.iter().chain(&y).all(|value| value.is_finite()) {
            return Err(beyond(0));
        }
        *state = next;
        Ok(y)
    }

    /// The recurrent view from rest: y, of which nothing but the last state is kept on the way.
    ///
    /// # Shapes
    /// `u` (L, P), the result (L, Q); of no times, no outputs.
    ///
    /// # Errors
    /// Another shape, NaN or an infinity in u, outputs beyond the range of f64.
    ///
    /// # Source
    /// S4, equation 3.
    pub fn recurrent(&self, u: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.matrices.inputs(u)?;
        let mut y = Array2::zeros((u.nrows(), self.c().nrows()));
        self.run(self.rest(), u, |k, x| general_mat_vec_mul(1.0, self.c(), x, 0.0, &mut y.row_mut(k)));
        self.pass_through(u, &mut y);
        in_range(&y)?;
        Ok(y)
    }

    /// The same from x_{−1} = `initial`, with the states: the last of them is where to go on.
    ///
    /// # Shapes
    /// `initial` (N), `u` (L, P).
    ///
    /// # Errors
    /// As [`recurrent`](Self::recurrent); another length, NaN or an infinity in `initial`.
    ///
    /// ```
    /// use mlnotes::ssm::lti::Discrete;
    /// use ndarray::array;
    ///
    /// let sum = Discrete::siso(array![[0.5]], array![1.0], array![1.0], 0.0)?;
    /// let run = sum.recurrent_from(&array![8.0], &array![[0.0], [1.0]])?;
    /// assert_eq!(run.outputs, array![[4.0], [3.0]]);
    /// assert_eq!(run.outputs, sum.recurrent(&array![[0.0], [1.0]])? + sum.free_response(&array![8.0], 2)?);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn recurrent_from(&self, initial: &ArrayRef1<f64>, u: &ArrayRef2<f64>) -> Result<Trajectory> {
        self.matrices.state("initial", initial)?;
        self.matrices.inputs(u)?;
        let mut states = Array2::zeros((u.nrows(), initial.len()));
        self.run(initial.to_owned(), u, |k, x| states.row_mut(k).assign(x));
        let mut outputs = states.dot(&self.c().t());
        self.pass_through(u, &mut outputs);
        let run = Trajectory { states, outputs };
        run.in_range()?;
        Ok(run)
    }

    /// What x_{−1} = `initial` adds to the outputs of the state of rest: y_k = C Ā^{k+1} x_{−1}. The convolutional view
    /// of a run that begins elsewhere is K ∗ u + D u and this.
    ///
    /// # Shapes
    /// `initial` (N), the result (length, Q).
    ///
    /// # Errors
    /// Another length, NaN or an infinity, outputs beyond the range of f64.
    pub fn free_response(&self, initial: &ArrayRef1<f64>, length: usize) -> Result<Array2<f64>> {
        let nothing = Array2::zeros((length, self.b().ncols()));
        Ok(self.recurrent_from(initial, &nothing)?.outputs)
    }

    /// Control theory's form of the same map: (Ā, B̄, C Ā, C B̄ + D), to be run as s_{k+1} = Ā s_k + B̄ u_k,
    /// y_k = (C Ā) s_k + (C B̄ + D) u_k, with s_k = x_{k−1}. This is what SciPy's `dlti` takes.
    ///
    /// ```
    /// use mlnotes::ssm::lti::Discrete;
    /// use ndarray::array;
    ///
    /// let sum = Discrete::siso(array![[0.5]], array![1.0], array![3.0], 0.0)?;
    /// let (a, b, c, d) = sum.delayed();
    /// assert_eq!((a[[0, 0]], b[[0, 0]], c[[0, 0]], d[[0, 0]]), (0.5, 1.0, 1.5, 3.0));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn delayed(&self) -> (Array2<f64>, Array2<f64>, Array2<f64>, Array2<f64>) {
        let Matrices { a, b, c, d } = &self.matrices;
        (a.clone(), b.clone(), c.dot(a), c.dot(b) + d)
    }

    /// The spectral radius (谱半径) of Ā, its largest |eigenvalue|: below 1, every state is forgotten, at the rate of this
    /// factor per step in the long run; above 1, almost every state grows.
    ///
    /// # Numerics
    /// ‖Ā^m‖^{1/m} at m = 2⁶⁰ by repeated squaring, where the limit is reached but for rounding: of about N 1e-16 for a
    /// normal Ā; of one far from normal, as of all methods, the eigenvalues are less certain than its entries. O(60 N³).
    ///
    /// # Source
    /// Gelfand's formula.
    ///
    /// ```
    /// use mlnotes::ssm::lti::Discrete;
    /// use ndarray::array;
    ///
    /// // A turn that shrinks: eigenvalues 0.6 ± 0.3 i.
    /// let spiral = Discrete::siso(array![[0.6, -0.3], [0.3, 0.6]], array![1.0, 0.0], array![1.0, 0.0], 0.0)?;
    /// assert!((spiral.spectral_radius() - 0.45_f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn spectral_radius(&self) -> f64 {
        let mut power = self.a().clone();
        let mut log_radius = 0.0;
        let mut weight = 1.0;
        for _ in 0..60 {
            let size = power.iter().fold(0.0, |m: f64, entry| m.max(entry.abs()));
            if size == 0.0 {
                return 0.0;
            }
            power /= size;
            log_radius += weight * size.ln();
            weight *= 0.5;
            power = power.dot(&power);
        }
        log_radius.exp()
    }

    /// next = Ā x + B̄ u.
    fn advance(&self, x: &ArrayRef1<f64>, u: &ArrayRef1<f64>, next: &mut Array1<f64>) {
        general_mat_vec_mul(1.0, self.a(), x, 0.0, next);
        general_mat_vec_mul(1.0, self.b(), u, 1.0, next);
    }

    /// Shows every state in turn.
    fn run(&self, mut x: Array1<f64>, u: &ArrayRef2<f64>, mut show: impl FnMut(usize, &Array1<f64>)) {
        let mut next = self.rest();
        for (k, u) in u.axis_iter(Axis(0)).enumerate() {
            self.advance(&x, &u, &mut next);
            std::mem::swap(&mut x, &mut next);
            show(k, &x);
        }
    }

    /// y + D u.
    pub(super) fn pass_through(&self, u: &ArrayRef2<f64>, y: &mut Array2<f64>) {
        if self.d().iter().any(|&d| d != 0.0) {
            *y += &u.dot(&self.d().t());
        }
    }
}
