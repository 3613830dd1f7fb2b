//! Which hidden states produced these observations? Hidden Markov models (隐马尔可夫模型).
//!
//! A hidden Markov model is a Markov chain nobody sees, z₁, z₂, …, and observations x_t that depend on z_t alone:
//!
//! p(x, z) = π(z₁) b(x₁ | z₁) ∏_{t ≥ 2} a(z_{t−1}, z_t) b(x_t | z_t)
//!
//! [`Chain`] holds π and A = \[a_ij\] and answers every question about z. It never sees an observation, only the table
//! of log b(x_t | z_t = j), time by states: so it serves any kind of emission. Two forms of the same algorithms:
//!
//! | question | [`Chain`] | [`log_space`] |
//! | --- | --- | --- |
//! | p(x) | [`log_likelihood`](Chain::log_likelihood) | [`forward`](log_space::forward) |
//! | p(z_t \| x₁ … x_t) | [`filter`](Chain::filter) | [`forward`](log_space::forward) |
//! | p(z_t \| x), p(z_t, z_{t+1} \| x) | [`posterior`](Chain::posterior) | [`posterior`](log_space::posterior) |
//! | argmax_z p(z \| x) | [`viterbi`](Chain::viterbi) | |
//!
//! The chain's forms scale each step to sum to 1, which takes one exponential a state and step; the textbook's forms in
//! log space take one for each pair of states. They are the oracle, and the way out where a probability below 1e-308 of its
//! step's total turns out to matter.
//!
//! Source: Rabiner, *A tutorial on hidden Markov models*, Proceedings of the IEEE 77 (1989), sections III and V.

mod baum_welch;
mod chain;
mod emission;
mod inference;
mod likelihoods;
pub mod log_space;
mod model;
pub mod parallel;
mod recursion;
mod simulate;
mod viterbi;

pub use baum_welch::BaumWelch;
pub use chain::Chain;
pub use emission::{Categorical, Emission, Gaussian, Mixture, Poisson};
pub use inference::{Filtered, Posterior};
pub use likelihoods::Likelihoods;
pub use model::Hmm;
pub use viterbi::Path;
