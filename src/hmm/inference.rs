//! Forward and backward, scaled so that each step sums to 1.

use ndarray::{Array1, Array2, ArrayRef2, Axis};

use super::{Chain, log_space};
use crate::Result;

/// What is known of each state from the observations up to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    /// p(z_t = i | x₁ … x_t), shape (T, S).
    pub states: Array2<f64>,
    /// log p(x), natural logarithm.
    pub log_likelihood: f64,
}

/// What is known of each state from all observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// γ_t(i) = p(z_t = i | x), shape (T, S).
    pub states: Array2<f64>,
    /// Σ_t ξ_t(i, j) = the expected number of moves from i to j, shape (S, S); it sums to T − 1.
    pub transitions: Array2<f64>,
    /// log p(x), natural logarithm.
    pub log_likelihood: f64,
}

impl Chain {
    /// log p(x) = log Σ_z p(x, z), by the forward recursion in O(T S²) time and O(S) memory.
    ///
    /// `log_emission` is log b(x_t | z_t = j), shape (T, S); a likelihood of 0 is −∞.
    ///
    /// # Errors
    /// A wrong shape, NaN or +∞; [`Error::Impossible`](crate::Error::Impossible) where p(x) = 0.
    ///
    /// # Numerics
    /// No underflow however long the sequence and however small the likelihoods: each step is divided by its sum, whose
    /// logarithms add up.
    pub fn log_likelihood(&self, log_emission: &ArrayRef2<f64>) -> Result<f64> {
        self.validate(log_emission)?;
        match self.forward(log_emission, |_, _| ()) {
            Some(log_likelihood) => Ok(log_likelihood),
            None => Ok(log_space::forward(self, log_emission)?.log_likelihood),
        }
    }

    /// p(z_t | x₁ … x_t) for each t: the forward recursion of [`log_likelihood`](Self::log_likelihood) with its steps
    /// kept.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    pub fn filter(&self, log_emission: &ArrayRef2<f64>) -> Result<Filtered> {
        self.validate(log_emission)?;
        match self.filter_scaled(log_emission) {
            Some(filtered) => Ok(filtered),
            None => Ok(log_space::forward(self, log_emission)?.filtered()),
        }
    }

    /// γ_t(i) = p(z_t = i | x) and the expected numbers of moves, by the forward recursion and then
    ///
    /// γ_t(i) = α_t(i) Σ_j a_ij γ_{t+1}(j) / Σ_k α_t(k) a_kj,
    ///
    /// which needs no β and no emission: the smoother that Rauch, Tung and Striebel (1965) gave for Gaussians.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    ///
    /// # Numerics
    /// Where a quotient overflows, which takes a state below 1e-308 of its step's total, the answer comes from
    /// [`log_space::posterior`].
    pub fn posterior(&self, log_emission: &ArrayRef2<f64>) -> Result<Posterior> {
        self.validate(log_emission)?;
        match self.filter_scaled(log_emission).and_then(|filtered| self.smooth(filtered)) {
            Some(posterior) => Ok(posterior),
            None => log_space::posterior(self, log_emission),
        }
    }

    fn filter_scaled(&self, log_emission: &ArrayRef2<f64>) -> Option<Filtered> {
        let mut states = Array2::zeros(log_emission.raw_dim());
        let log_likelihood = self.forward(log_emission, |t, alpha| {
            states.row_mut(t).iter_mut().zip(alpha).for_each(|(kept, &p)| *kept = p);
        })?;
        Some(Filtered { states, log_likelihood })
    }

    /// Gives α_t, scaled to sum to 1, to `each`, and returns log p(x); `None` where a step's sum is 0 in f64.
    fn forward(&self, log_emission: &ArrayRef2<f64>, mut each: impl FnMut(usize, &[f64])) -> Option<f64> {
        let mut predicted = self.initial.to_vec();
        let mut alpha = vec![0.0; self.states()];
        let mut log_likelihood = 0.0;
        for (t, log_b) in log_emission.rows().into_iter().enumerate() {
            // The largest likelihood among the states that can be reached becomes 1.
            let reached = predicted.iter().zip(log_b).filter(|(p, _)| **p > 0.0);
            let largest = reached.map(|(_, &log_b)| log_b).fold(f64::NEG_INFINITY, f64::max);
            if largest == f64::NEG_INFINITY {
                return None;
            }
            let mut sum = 0.0;
            for ((alpha, &p), &log_b) in alpha.iter_mut().zip(&predicted).zip(log_b) {
                *alpha = if p > 0.0 { p * (log_b - largest).exp() } else { 0.0 };
                sum += *alpha;
            }
            if sum < f64::MIN_POSITIVE {
                return None;
            }
            alpha.iter_mut().for_each(|alpha| *alpha /= sum);
            log_likelihood += largest + sum.ln();
            each(t, &alpha);
            self.predict(&alpha, &mut predicted);
        }
        Some(log_likelihood)
    }

    /// p(z_{t+1} = j | x₁ … x_t) = Σ_i α_t(i) a_ij.
    fn predict(&self, alpha: &[f64], predicted: &mut [f64]) {
        predicted.fill(0.0);
        for (&alpha, row) in alpha.iter().zip(self.transition.rows()) {
            predicted.iter_mut().zip(row).for_each(|(p, &a)| *p += alpha * a);
        }
    }

    /// `None` where a quotient is too large for f64.
    fn smooth(&self, filtered: Filtered) -> Option<Posterior> {
        let Filtered { mut states, log_likelihood } = filtered;
        let mut moves: Array2<f64> = Array2::zeros(self.transition.raw_dim());
        let mut quotient = vec![0.0; self.states()];
        let mut predicted = vec![0.0; self.states()];
        let mut gamma = states.row(states.nrows() - 1).to_vec();
        for mut alpha in states.rows_mut().into_iter().rev().skip(1) {
            self.predict(alpha.as_slice()?, &mut predicted);
            for ((quotient, &gamma), &p) in quotient.iter_mut().zip(&gamma).zip(&predicted) {
                *quotient = if gamma == 0.0 { 0.0 } else { gamma / p };
                if !f64::is_finite(*quotient) {
                    return None;
                }
            }
            for (((gamma, &alpha), a), mut moves) in
                gamma.iter_mut().zip(&alpha).zip(self.transition.rows()).zip(moves.rows_mut())
            {
                *gamma = 0.0;
                for ((moves, &a), &quotient) in moves.iter_mut().zip(a).zip(&quotient) {
                    let xi = alpha * a * quotient;
                    *moves += xi;
                    *gamma += xi;
                }
            }
            alpha.iter_mut().zip(&gamma).for_each(|(kept, &gamma)| *kept = gamma);
        }
        Some(Posterior { states, transitions: moves, log_likelihood })
    }
}

impl log_space::Forward {
    /// The same scaled to sum to 1 at each step.
    fn filtered(self) -> Filtered {
        let mut states = self.log_alpha;
        for mut row in states.rows_mut() {
            let total = log_space::log_sum_exp(row.iter().copied());
            row.mapv_inplace(|log_alpha| (log_alpha - total).exp());
        }
        Filtered { states, log_likelihood: self.log_likelihood }
    }
}

impl Posterior {
    /// The expected number of visits to each state, Σ_t γ_t(i), shape (S); it sums to T.
    pub fn visits(&self) -> Array1<f64> {
        self.states.sum_axis(Axis(0))
    }
}
