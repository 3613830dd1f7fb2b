//! The hidden chain itself.

use ndarray::{Array1, Array2, Array3, ArrayRef1, ArrayView2, Axis};

use super::Likelihoods;
use crate::{Error, Result, validate};

/// A Markov chain with S states: π_i = P(z₁ = i) and a_ij = P(z_{t+1} = j | z_t = i).
///
/// Zeros in either are kept as they are, so a left-to-right model is one whose A is upper triangular. A may also differ
/// from step to step ([`varying`](Self::varying)).
///
/// ```
/// use mlnotes::hmm::Chain;
/// use ndarray::array;
///
/// // Two coins, one of which is fair. Heads came, then heads again.
/// let chain = Chain::new(array![0.5, 0.5], array![[1.0, 0.0], [0.0, 1.0]])?;
/// let heads = array![[0.5_f64.ln(), 1.0_f64.ln()], [0.5_f64.ln(), 1.0_f64.ln()]];
/// let posterior = chain.posterior(&heads)?;
/// assert!((posterior.log_likelihood - (0.5 * 0.25 + 0.5 * 1.0_f64).ln()).abs() < 1e-15);
/// assert!((posterior.states[[0, 0]] - 0.2).abs() < 1e-15); // 0.125 / 0.625
/// assert_eq!(chain.viterbi(&heads)?.states, [1, 1]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub(super) initial: Array1<f64>,
    /// One matrix, or one for each move: shape (1 or T − 1, S, S).
    pub(super) transition: Array3<f64>,
    varies: bool,
}

impl Chain {
    /// A chain from π (S) and A (S, S).
    ///
    /// # Errors
    /// Where π is empty or A not square of the same size; where a number is NaN, infinite, or below 0; where π or a row
    /// of A does not sum to 1 within 1e-8.
    pub fn new(initial: Array1<f64>, transition: Array2<f64>) -> Result<Self> {
        let states = initial.len();
        if states == 0 {
            return Err(Error::Empty { arg: "initial", remedy: "give one probability per state, at least one state" });
        }
        if transition.dim() != (states, states) {
            let expected = format!("({states}, {states}), one row and one column per state of `initial`,");
            return Err(Error::shape("transition", expected, transition.shape()));
        }
        Self::checked(initial, transition.insert_axis(Axis(0)), false)
    }

    /// A chain whose moves change with time: `transition` (T − 1, S, S) holds A_t, by which z_{t+1} follows z_t. It serves
    /// sequences of T observations, and no others; [`BaumWelch`](super::BaumWelch) cannot learn it.
    ///
    /// # Errors
    /// As [`new`](Self::new), and where there is no matrix.
    ///
    /// ```
    /// use mlnotes::hmm::Chain;
    /// use ndarray::array;
    ///
    /// // Stay once, then change: from state 0 the path is 0, 0, 1.
    /// let moves = array![[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]];
    /// let chain = Chain::varying(array![1.0, 0.0], moves)?;
    /// let anything = ndarray::Array2::zeros((3, 2));
    /// assert_eq!(chain.viterbi(&anything)?.states, [0, 0, 1]);
    /// assert!(chain.viterbi(&ndarray::Array2::zeros((4, 2))).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn varying(initial: Array1<f64>, transition: Array3<f64>) -> Result<Self> {
        let states = initial.len();
        if states == 0 || transition.is_empty() {
            return Err(Error::Empty { arg: "transition", remedy: "give at least one state, and one matrix per move" });
        }
        let (moves, ..) = transition.dim();
        if transition.dim() != (moves, states, states) {
            let expected = format!("(moves, {states}, {states}), one matrix per move,");
            return Err(Error::shape("transition", expected, transition.shape()));
        }
        Self::checked(initial, transition, true)
    }

    fn checked(initial: Array1<f64>, transition: Array3<f64>, varies: bool) -> Result<Self> {
        validate::finite("initial", &initial)?;
        validate::finite("transition", &transition)?;
        validate::distribution("initial", &initial, String::new)?;
        for (t, matrix) in transition.outer_iter().enumerate() {
            for (i, row) in matrix.rows().into_iter().enumerate() {
                let place = || if varies { format!(" in row {i} of matrix {t}") } else { format!(" in row {i}") };
                validate::distribution("transition", &row, place)?;
            }
        }
        Ok(Self { initial, transition, varies })
    }

    /// S.
    pub fn states(&self) -> usize {
        self.initial.len()
    }

    /// π, shape (S).
    pub fn initial(&self) -> &Array1<f64> {
        &self.initial
    }

    /// A, shape (S, S): row i holds where state i goes. Where A varies, that of the first move.
    pub fn transition(&self) -> ArrayView2<'_, f64> {
        self.transition.index_axis(Axis(0), 0)
    }

    /// Which of the matrices holds the moves from step t, counted from 0.
    pub(super) fn matrix(&self, t: usize) -> usize {
        if self.varies { t } else { 0 }
    }

    /// How many numbers can be chosen freely, the zeros being fixed.
    pub(super) fn parameters(&self) -> usize {
        free(&self.initial) + self.transition.lanes(Axis(2)).into_iter().map(|row| free(&row)).sum::<usize>()
    }

    /// Whether A changes with time.
    pub fn varies(&self) -> bool {
        self.varies
    }

    /// As many states as this chain has; where A varies, as many steps as it serves.
    pub(super) fn validate(&self, x: &Likelihoods<'_>) -> Result<()> {
        if x.states() != self.states() {
            let expected = format!("(observations, {}), one column per state,", self.states());
            return Err(Error::shape("log_emission", expected, &[x.length(), x.states()]));
        }
        let moves = self.transition.len_of(Axis(0));
        if self.varies && x.length() != moves + 1 {
            let expected = format!("({}, {}), one row more than the chain has moves,", moves + 1, self.states());
            return Err(Error::shape("log_emission", expected, &[x.length(), x.states()]));
        }
        Ok(())
    }
}

/// How many probabilities of a distribution can be chosen freely, the zeros being fixed.
pub(super) fn free(p: &ArrayRef1<f64>) -> usize {
    p.iter().filter(|p| **p > 0.0).count() - 1
}

/// Makes a distribution of expected counts, with α − 1 added to each; what was 0 stays 0. Without any count it stays what it
/// was, since any would do.
pub(super) fn shared_out(p: &mut ArrayRef1<f64>, counts: impl Iterator<Item = f64>, concentration: f64) {
    let counts: Vec<f64> =
        p.iter().zip(counts).map(|(&p, count)| if p > 0.0 { count + concentration - 1.0 } else { 0.0 }).collect();
    let sum: f64 = counts.iter().sum();
    if sum >= f64::MIN_POSITIVE {
        p.iter_mut().zip(counts).for_each(|(p, count)| *p = count / sum);
    }
}
