//! Drawing states and observations.

use ndarray::ArrayRef2;

use super::{Chain, Emission, Hmm, Likelihoods};
use crate::random::RandomState;
use crate::{Result, validate};

impl Chain {
    /// z₁ … z_T, drawn from the chain; where it varies, as many as it serves.
    ///
    /// # Errors
    /// A length of 0; more moves than a varying chain has.
    ///
    /// ```
    /// use mlnotes::hmm::Chain;
    /// use mlnotes::random::RandomState;
    /// use ndarray::array;
    ///
    /// let there_and_back = Chain::new(array![1.0, 0.0], array![[0.0, 1.0], [1.0, 0.0]])?;
    /// assert_eq!(there_and_back.sample(4, &mut RandomState::new(0))?, [0, 1, 0, 1]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn sample(&self, length: usize, random: &mut RandomState) -> Result<Vec<usize>> {
        validate::at_least_one("length", length)?;
        let moves = self.transition.shape()[0];
        if self.varies() && length > moves + 1 {
            return Err(crate::Error::domain(
                "length",
                length,
                format!("at most {}, one more than the chain has moves", moves + 1),
            ));
        }
        let mut state = random.draw(self.initial.iter().copied());
        let mut states = vec![state];
        for t in 0..length - 1 {
            let row = self.transition.index_axis(ndarray::Axis(0), self.matrix(t));
            state = random.draw(row.row(state).iter().copied());
            states.push(state);
        }
        Ok(states)
    }

    /// z₁ … z_T, drawn from p(z | x): the filter forwards, then z_T from p(z_T | x) and backwards each z_t from
    /// p(z_t | z_{t+1}, x₁ … x_t) ∝ α_t(i) a(i, z_{t+1}).
    ///
    /// Many such paths show what the states' probabilities one by one do not: which belong together.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    ///
    /// Source: Frühwirth-Schnatter, *Finite Mixture and Markov Switching Models* (2006), section 11.5.
    pub fn sample_posterior(&self, log_emission: &ArrayRef2<f64>, random: &mut RandomState) -> Result<Vec<usize>> {
        self.sample_posterior_of(&Likelihoods::from_log(log_emission, self.states())?, random)
    }

    fn sample_posterior_of(&self, x: &Likelihoods<'_>, random: &mut RandomState) -> Result<Vec<usize>> {
        let alpha = self.filter_of(x)?.states;
        let mut state = random.draw(alpha.row(x.length() - 1).iter().copied());
        let mut states = vec![state; x.length()];
        for t in (0..x.length() - 1).rev() {
            let a = self.transition.index_axis(ndarray::Axis(0), self.matrix(t));
            state = random.draw(alpha.row(t).iter().zip(a.column(state)).map(|(alpha, a)| alpha * a));
            states[t] = state;
        }
        Ok(states)
    }
}

impl<E: Emission> Hmm<E> {
    /// Draws T states and an observation for each.
    ///
    /// # Errors
    /// As [`Chain::sample`].
    pub fn sample(&self, length: usize, random: &mut RandomState) -> Result<(Vec<usize>, E::Owned)> {
        let states = self.chain.sample(length, random)?;
        let observations = self.emission.sample(&states, random)?;
        Ok((states, observations))
    }

    /// Draws the states that may have made `x`: see [`Chain::sample_posterior`].
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    pub fn sample_posterior(&self, x: &E::Observations, random: &mut RandomState) -> Result<Vec<usize>> {
        self.chain.sample_posterior_of(&self.emission.likelihoods(x)?, random)
    }
}
