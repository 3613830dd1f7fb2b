//! The single most probable sequence of states.

use ndarray::{Array2, ArrayRef2};

use super::Chain;
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
        self.validate(log_emission)?;
        let states = self.states();
        // Row j holds the ways into j.
        let log_into = self.transition.t().mapv(f64::ln);
        let mut log_delta: Vec<f64> =
            self.initial.iter().zip(log_emission.row(0)).map(|(p, log_b)| p.ln() + log_b).collect();
        let mut next = vec![0.0; states];
        let mut came_from = Array2::<usize>::zeros(log_emission.raw_dim());
        for t in 0..log_emission.nrows() {
            if t > 0 {
                for j in 0..states {
                    let ways = log_delta.iter().zip(log_into.row(j)).map(|(delta, log_a)| delta + log_a);
                    let (best, log_best) = first_largest(ways);
                    came_from[[t, j]] = best;
                    next[j] = log_best + log_emission[[t, j]];
                }
                std::mem::swap(&mut log_delta, &mut next);
            }
            if log_delta.iter().all(|&delta| delta == f64::NEG_INFINITY) {
                return Err(Error::Impossible { position: t });
            }
        }
        let (mut state, log_probability) = first_largest(log_delta.into_iter());
        let mut path = vec![state];
        for t in (1..log_emission.nrows()).rev() {
            state = came_from[[t, state]];
            path.push(state);
        }
        path.reverse();
        Ok(Path { states: path, log_probability })
    }
}

fn first_largest(values: impl Iterator<Item = f64>) -> (usize, f64) {
    values.enumerate().fold((0, f64::NEG_INFINITY), |best, (i, value)| if value > best.1 { (i, value) } else { best })
}
