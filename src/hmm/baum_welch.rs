//! Which model makes these observations likely? EM for hidden Markov models.

use ndarray::{Array1, Array2, Axis};

use super::chain::shared_out;
use super::emission::{log_dirichlet, redraw};
use super::{Chain, Emission, Hmm};
use crate::em::{Em, Fit};
use crate::random::RandomState;
use crate::{Error, Result};

/// Baum and Welch's algorithm, from one or more sequences of any lengths.
///
/// - E: γ and Σ ξ of each sequence ([`Posterior`](super::Posterior)), at O(T S²);
/// - M: π_i ∝ Σ γ₁(i), a_ij ∝ Σ_t ξ_t(i, j), and the emission's own ([`Emission::estimate`]).
///
/// What is 0 in π or A stays 0, so a left-to-right model remains one. The log-likelihood (with priors, plus their log
/// density) never falls; it is a local maximum that is found, so [`restarts`](Self::restarts) tries others.
///
/// ```
/// use mlnotes::hmm::{BaumWelch, Categorical, Chain, Hmm};
/// use ndarray::array;
///
/// let start = Hmm::new(
///     Chain::new(array![0.6, 0.4], array![[0.7, 0.3], [0.4, 0.6]])?,
///     Categorical::new(array![[0.8, 0.2], [0.3, 0.7]])?,
/// )?;
/// // Two sequences of different lengths.
/// let fit = BaumWelch::new().iterations(50).fit(&start, &[&array![0, 0, 0, 1, 1, 1], &array![0, 0, 1, 1]])?;
/// assert!(fit.history.is_sorted());
/// assert!(fit.model.chain.initial()[0] > 0.99); // each begins with 0
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Source: Baum, Petrie, Soules and Weiss, Annals of Mathematical Statistics 41 (1970); Rabiner (1989), section III C.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaumWelch {
    em: Em,
    initial: Option<f64>,
    transition: Option<f64>,
    learns_emission: bool,
    restarts: (usize, u32),
}

impl Default for BaumWelch {
    fn default() -> Self {
        Self { em: Em::new(), initial: Some(1.0), transition: Some(1.0), learns_emission: true, restarts: (0, 0) }
    }
}

impl BaumWelch {
    /// At most 100 iterations, until one gains less than 1e-3; no prior, no restart.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most this many iterations.
    pub fn iterations(self, iterations: usize) -> Self {
        Self { em: self.em.iterations(iterations), ..self }
    }

    /// Ends when an iteration gains less than this, in nats; below 0 never.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { em: self.em.tolerance(tolerance), ..self }
    }

    /// Symmetric Dirichlet priors on π and on the rows of A: α − 1 is added to each expected count. Both are 1 unless told.
    pub fn concentration(self, initial: f64, transition: f64) -> Self {
        Self { initial: self.initial.map(|_| initial), transition: self.transition.map(|_| transition), ..self }
    }

    /// Leaves π as it is.
    pub fn keep_initial(self) -> Self {
        Self { initial: None, ..self }
    }

    /// Leaves A as it is.
    pub fn keep_transition(self) -> Self {
        Self { transition: None, ..self }
    }

    /// Leaves the emission as it is.
    pub fn keep_emission(self) -> Self {
        Self { learns_emission: false, ..self }
    }

    /// Learns from so many other starts too, drawn from `seed`, and returns the best end. π and A are drawn uniformly from
    /// those with the same zeros, the emission as [`Emission::restart`] has it.
    pub fn restarts(self, count: usize, seed: u32) -> Self {
        Self { restarts: (count, seed), ..self }
    }

    /// Learns.
    ///
    /// # Errors
    /// No sequence; what [`Hmm::posterior`] and [`Emission::estimate`] refuse; a concentration below 1; a chain that varies.
    pub fn fit<E: Emission>(&self, start: &Hmm<E>, sequences: &[&E::Observations]) -> Result<Fit<Hmm<E>>> {
        if sequences.is_empty() {
            return Err(Error::Empty { arg: "sequences", remedy: "give at least one sequence of observations" });
        }
        if start.chain.varies() {
            return Err(Error::domain("the chain", "one that varies", "one whose A is the same at all times"));
        }
        for concentration in [self.initial, self.transition].into_iter().flatten() {
            if !(concentration >= 1.0 && concentration.is_finite()) {
                return Err(Error::domain("concentration", concentration, "1 or more, and finite"));
            }
        }
        let mut best = self.climb(start.clone(), sequences)?;
        let (count, seed) = self.restarts;
        let mut random = RandomState::new(seed);
        for _ in 0..count {
            let other = self.other_start(start, sequences, &mut random)?;
            match self.climb(other, sequences) {
                Ok(fit) if fit.objective() > best.objective() => best = fit,
                // One unlucky start, say one that collapses, does not spoil the others.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(best)
    }

    fn climb<E: Emission>(&self, start: Hmm<E>, sequences: &[&E::Observations]) -> Result<Fit<Hmm<E>>> {
        self.em.run(
            start,
            |model| self.expect(model, sequences),
            |model, expected| self.maximise(model, sequences, expected),
        )
    }

    fn expect<E: Emission>(&self, model: &Hmm<E>, sequences: &[&E::Observations]) -> Result<(Expected, f64)> {
        let states = model.chain.states();
        let mut expected = Expected {
            initial: Array1::zeros(states),
            moves: Array2::zeros((states, states)),
            states: Vec::with_capacity(sequences.len()),
        };
        let mut objective =
            self.log_prior(&model.chain) + if self.learns_emission { model.emission.log_prior() } else { 0.0 };
        for x in sequences {
            let posterior = model.posterior(x)?;
            expected.initial += &posterior.states.row(0);
            expected.moves += &posterior.transitions;
            objective += posterior.log_likelihood;
            expected.states.push(posterior.states);
        }
        Ok((expected, objective))
    }

    fn maximise<E: Emission>(
        &self,
        model: &Hmm<E>,
        sequences: &[&E::Observations],
        expected: Expected,
    ) -> Result<Hmm<E>> {
        let mut model = model.clone();
        if let Some(concentration) = self.initial {
            shared_out(&mut model.chain.initial, expected.initial.into_iter(), concentration);
        }
        if let Some(concentration) = self.transition {
            let mut transition = model.chain.transition.index_axis_mut(Axis(0), 0);
            for (mut row, moves) in transition.rows_mut().into_iter().zip(expected.moves.rows()) {
                shared_out(&mut row, moves.iter().copied(), concentration);
            }
        }
        if self.learns_emission {
            model.emission = model.emission.estimate(sequences, &expected.states)?;
        }
        Ok(model)
    }

    fn log_prior(&self, chain: &Chain) -> f64 {
        let initial = self.initial.map_or(0.0, |alpha| log_dirichlet(chain.initial.iter().copied(), alpha));
        initial + self.transition.map_or(0.0, |alpha| log_dirichlet(chain.transition.iter().copied(), alpha))
    }

    fn other_start<E: Emission>(
        &self,
        model: &Hmm<E>,
        sequences: &[&E::Observations],
        random: &mut RandomState,
    ) -> Result<Hmm<E>> {
        let mut model = model.clone();
        if self.initial.is_some() {
            redraw(&mut model.chain.initial, random);
        }
        if self.transition.is_some() {
            let mut transition = model.chain.transition.index_axis_mut(Axis(0), 0);
            transition.rows_mut().into_iter().for_each(|mut row| redraw(&mut row, random));
        }
        if self.learns_emission {
            model.emission = model.emission.restart(sequences, random)?;
        }
        Ok(model)
    }
}

/// What the M step needs of the hidden states.
struct Expected {
    /// Σ γ₁ over the sequences, shape (S).
    initial: Array1<f64>,
    /// Σ ξ over sequences and steps, shape (S, S).
    moves: Array2<f64>,
    /// γ of each sequence.
    states: Vec<Array2<f64>>,
}
