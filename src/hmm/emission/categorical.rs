//! Symbols.

use ndarray::{Array1, Array2, ArrayRef1, Axis};

use super::Emission;
use crate::hmm::Likelihoods;
use crate::hmm::chain::{free, shared_out};
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// b_j(o) = P(x_t = o | z_t = j) for symbols o = 0 … M − 1.
///
/// ```
/// use mlnotes::hmm::{Categorical, Emission};
/// use ndarray::array;
///
/// // A fair coin and one with two heads.
/// let coins = Categorical::new(array![[0.5, 0.5], [1.0, 0.0]])?;
/// assert!(coins.likelihoods(&array![0, 2]).is_err()); // there is no third side
/// // M step: of heads, heads, tails the first coin surely threw the last two.
/// let gamma = array![[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]];
/// assert_eq!(coins.estimate(&[&array![0, 0, 1]], &[gamma])?.probability(), array![[0.5, 0.5], [1.0, 0.0]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Categorical {
    probability: Array2<f64>,
    concentration: f64,
}

impl Categorical {
    /// From b_j(o), shape (S, M).
    ///
    /// # Errors
    /// No state or symbol; NaN; below 0; a row that does not sum to 1 within 1e-8.
    pub fn new(probability: Array2<f64>) -> Result<Self> {
        if probability.is_empty() {
            return Err(Error::Empty { arg: "probability", remedy: "give one row per state, one column per symbol" });
        }
        validate::finite("probability", &probability)?;
        for (j, row) in probability.rows().into_iter().enumerate() {
            validate::distribution("probability", &row, || format!(" in row {j}"))?;
        }
        Ok(Self { probability, concentration: 1.0 })
    }

    /// A symmetric Dirichlet prior on each row, p(b) ∝ ∏_o b(o)^(α − 1): α − 1 is added to each expected count. 1, the
    /// default, adds nothing; a symbol of probability 0 keeps it.
    ///
    /// # Errors
    /// Below 1, where the most probable row may not exist.
    pub fn concentration(self, concentration: f64) -> Result<Self> {
        if !(concentration >= 1.0 && concentration.is_finite()) {
            return Err(Error::domain("concentration", concentration, "1 or more, and finite"));
        }
        Ok(Self { concentration, ..self })
    }

    /// b_j(o), shape (S, M).
    pub fn probability(&self) -> &Array2<f64> {
        &self.probability
    }

    /// M.
    pub fn symbols(&self) -> usize {
        self.probability.ncols()
    }
}

impl Emission for Categorical {
    type Observations = ArrayRef1<usize>;
    type Owned = Array1<usize>;

    fn states(&self) -> usize {
        self.probability.nrows()
    }

    fn likelihoods<'a>(&self, x: &'a ArrayRef1<usize>) -> Result<Likelihoods<'a>> {
        Likelihoods::from_symbols(&self.probability, x)
    }

    fn estimate(&self, sequences: &[&ArrayRef1<usize>], gamma: &[Array2<f64>]) -> Result<Self> {
        // Row o of the transpose: each step adds one row of γ to one row of counts.
        let (states, symbols) = self.probability.dim();
        let mut counts = vec![0.0; symbols * states];
        for (x, gamma) in sequences.iter().zip(gamma) {
            for (&symbol, gamma) in x.iter().zip(gamma.rows()) {
                let counts = &mut counts[symbol * states..][..states];
                counts.iter_mut().zip(gamma).for_each(|(count, gamma)| *count += gamma);
            }
        }
        let mut probability = self.probability.clone();
        for (j, mut row) in probability.rows_mut().into_iter().enumerate() {
            shared_out(&mut row, (0..symbols).map(|o| counts[o * states + j]), self.concentration);
        }
        Ok(Self { probability, ..*self })
    }

    fn log_prior(&self) -> f64 {
        super::log_dirichlet(self.probability.iter().copied(), self.concentration)
    }

    fn parameters(&self) -> usize {
        self.probability.rows().into_iter().map(|row| free(&row)).sum()
    }

    fn restart(&self, _: &[&ArrayRef1<usize>], random: &mut RandomState) -> Result<Self> {
        let mut probability = self.probability.clone();
        probability.axis_iter_mut(Axis(0)).for_each(|mut row| super::redraw(&mut row, random));
        Ok(Self { probability, ..*self })
    }

    fn sample(&self, states: &[usize], random: &mut RandomState) -> Result<Array1<usize>> {
        Ok(states.iter().map(|&j| random.draw(self.probability.row(j).iter().copied())).collect())
    }
}
