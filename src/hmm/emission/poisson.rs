//! Counts.

use ndarray::{Array1, Array2, ArrayRef1};

use super::Emission;
use crate::hmm::Likelihoods;
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// b_j(x) = λ_jˣ e^(−λ_j) / x! for counts x = 0, 1, 2 …
///
/// ```
/// use mlnotes::hmm::{Emission, Poisson};
/// use ndarray::array;
///
/// let calls = Poisson::new(array![1.0, 4.0])?;
/// let log_b = calls.likelihoods(&array![2])?.table();
/// assert!((log_b[[0, 0]] - (-1.0 - 2.0_f64.ln())).abs() < 1e-15);
/// assert!((log_b[[0, 1]] - (8.0_f64.ln() - 4.0)).abs() < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Poisson {
    rate: Array1<f64>,
    shape: f64,
    per: f64,
}

impl Poisson {
    /// From the rates λ, shape (S): the mean count of each state.
    ///
    /// # Errors
    /// No state; a rate that is not above 0 and finite.
    pub fn new(rate: Array1<f64>) -> Result<Self> {
        if rate.is_empty() {
            return Err(Error::Empty { arg: "rate", remedy: "give one mean count per state" });
        }
        rate.iter().try_for_each(|&rate| validate::positive("rate", rate, "the mean count"))?;
        Ok(Self { rate, shape: 1.0, per: 0.0 })
    }

    /// A gamma prior on each rate, p(λ) ∝ λ^(shape − 1) e^(−per λ): as if `per` steps had shown shape − 1 events together.
    ///
    /// # Errors
    /// A shape below 1 or `per` below 0.
    pub fn prior(self, shape: f64, per: f64) -> Result<Self> {
        if !(shape >= 1.0 && shape.is_finite()) {
            return Err(Error::domain("shape", shape, "1 or more, and finite"));
        }
        if !(per >= 0.0 && per.is_finite()) {
            return Err(Error::domain("per", per, "0 or more, and finite"));
        }
        Ok(Self { shape, per, ..self })
    }

    /// λ, shape (S).
    pub fn rate(&self) -> &Array1<f64> {
        &self.rate
    }
}

impl Emission for Poisson {
    type Observations = ArrayRef1<usize>;
    type Owned = Array1<usize>;

    fn states(&self) -> usize {
        self.rate.len()
    }

    fn likelihoods<'a>(&self, x: &'a ArrayRef1<usize>) -> Result<Likelihoods<'a>> {
        let log_rate = self.rate.ln();
        let table = Array2::from_shape_fn((x.len(), self.rate.len()), |(t, j)| {
            let count = x[t] as f64;
            count * log_rate[j] - self.rate[j] - libm::lgamma(count + 1.0)
        });
        Likelihoods::from_owned_log(table, self.rate.len())
    }

    fn estimate(&self, sequences: &[&ArrayRef1<usize>], gamma: &[Array2<f64>]) -> Result<Self> {
        let (mut events, mut steps) =
            (Array1::from_elem(self.rate.len(), self.shape - 1.0), Array1::from_elem(self.rate.len(), self.per));
        for (x, gamma) in sequences.iter().zip(gamma) {
            for (&count, gamma) in x.iter().zip(gamma.rows()) {
                events.scaled_add(count as f64, &gamma);
                steps += &gamma;
            }
        }
        let mut rate = self.rate.clone();
        for ((rate, &events), &steps) in rate.iter_mut().zip(&events).zip(&steps) {
            if steps >= f64::MIN_POSITIVE {
                // A state that shows nothing but zeros keeps the smallest rate, at which the likelihood's maximum is reached
                // to the last digit.
                *rate = (events / steps).max(f64::MIN_POSITIVE);
            }
        }
        Ok(Self { rate, ..*self })
    }

    fn log_prior(&self) -> f64 {
        self.rate.iter().map(|rate| (self.shape - 1.0) * rate.ln() - self.per * rate).sum()
    }

    fn parameters(&self) -> usize {
        self.rate.len()
    }

    fn restart(&self, sequences: &[&ArrayRef1<usize>], random: &mut RandomState) -> Result<Self> {
        // Rates like counts that were seen; half an event more, so that none is 0.
        let all: Vec<usize> = sequences.iter().flat_map(|x| x.iter().copied()).collect();
        let mut rate = self.rate.clone();
        for rate in &mut rate {
            *rate = all[random.below(all.len())?] as f64 + 0.5;
        }
        Ok(Self { rate, ..*self })
    }

    fn sample(&self, states: &[usize], random: &mut RandomState) -> Result<Array1<usize>> {
        Ok(states.iter().map(|&j| count(self.rate[j], random)).collect())
    }
}

/// The number of events before the sum of their exponential waits passes 1. Time O(λ).
fn count(rate: f64, random: &mut RandomState) -> usize {
    let (mut count, mut time) = (0, 0.0);
    loop {
        time -= (1.0 - random.uniform()).ln();
        if time > rate {
            return count;
        }
        count += 1;
    }
}
