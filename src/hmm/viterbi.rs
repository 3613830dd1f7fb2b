//! The single most probable sequence of states.

use ndarray::ArrayRef2;

use super::recursion::{viterbi, with_row};
use super::{Chain, Likelihoods};
use crate::{Error, Result};

/// A sequence of states.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// z₁ … z_T, counted from 0.
    pub states: Vec<usize>,
    /// log p(x, z), natural logarithm.
    pub log_probability: f64,
}

impl Chain {
    /// argmax_z p(z | x), by Viterbi's recursion δ_t(j) = max_i δ_{t−1}(i) a_ij · b_j(x_t), on logarithms.
    ///
    /// Among equally probable paths it takes, from the end backwards, the lowest state. It is the best path as a whole:
    /// the states that are each most probable by themselves ([`posterior`](Self::posterior)) may form a path of
    /// probability 0. O(T S²) time, O(T S) memory.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    ///
    /// Source: Viterbi, IEEE Transactions on Information Theory 13 (1967); Rabiner (1989), section III B.
    pub fn viterbi(&self, log_emission: &ArrayRef2<f64>) -> Result<Path> {
        self.viterbi_of(&Likelihoods::from_log(log_emission, self.states())?)
    }

    pub(super) fn viterbi_of(&self, x: &Likelihoods<'_>) -> Result<Path> {
        self.validate(x)?;
        match with_row!(self.states(), viterbi(self, x)) {
            Ok((states, log_probability)) => Ok(Path { states, log_probability }),
            Err(position) => Err(Error::Impossible { position }),
        }
    }
}
