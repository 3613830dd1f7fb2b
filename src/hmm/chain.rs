//! The hidden chain itself.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use crate::{Error, Result, validate};

/// How far from 1 a sum of probabilities may be: rounding of some thousand terms, not a forgotten one.
const ROUNDING: f64 = 1e-8;

/// A Markov chain with S states: π_i = P(z₁ = i) and a_ij = P(z_{t+1} = j | z_t = i).
///
/// Zeros in either are kept as they are, so a left-to-right model is one whose A is upper triangular.
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
    /// In standard layout, so that a row is a slice.
    pub(super) transition: Array2<f64>,
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
        validate::finite("initial", &initial)?;
        validate::finite("transition", &transition)?;
        distribution("initial", &initial, String::new)?;
        for (i, row) in transition.rows().into_iter().enumerate() {
            distribution("transition", &row, || format!(" in row {i}"))?;
        }
        Ok(Self { initial, transition: transition.as_standard_layout().into_owned() })
    }

    /// S.
    pub fn states(&self) -> usize {
        self.initial.len()
    }

    /// π, shape (S).
    pub fn initial(&self) -> &Array1<f64> {
        &self.initial
    }

    /// A, shape (S, S): row i holds where state i goes.
    pub fn transition(&self) -> &Array2<f64> {
        &self.transition
    }

    /// A table of log emissions for this chain: (T, S), T at least 1, no NaN, no +∞. A likelihood of 0 is −∞.
    pub(super) fn validate(&self, log_emission: &ArrayRef2<f64>) -> Result<()> {
        if log_emission.nrows() == 0 {
            return Err(Error::Empty { arg: "log_emission", remedy: "give at least one observation, one per row" });
        }
        if log_emission.ncols() != self.states() {
            let expected = format!("(observations, {}), one column per state,", self.states());
            return Err(Error::shape("log_emission", expected, log_emission.shape()));
        }
        let wrong = |value: &f64| value.is_nan() || *value == f64::INFINITY;
        match log_emission.indexed_iter().find(|(_, value)| wrong(value)) {
            None => Ok(()),
            Some(((t, j), &value)) => Err(Error::NonFinite { arg: "log_emission", index: vec![t, j], value }),
        }
    }
}

fn distribution(arg: &'static str, p: &ArrayRef1<f64>, place: impl Fn() -> String) -> Result<()> {
    if let Some((j, value)) = p.indexed_iter().find(|(_, value)| **value < 0.0) {
        return Err(Error::domain(arg, format!("{value} at {j}{}", place()), "a probability, 0 or more"));
    }
    let sum = p.sum();
    if (sum - 1.0).abs() > ROUNDING {
        let value = format!("a distribution that sums to {sum}{}", place());
        return Err(Error::domain(arg, value, "one that sums to 1: divide it by its sum"));
    }
    Ok(())
}
