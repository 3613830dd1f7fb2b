//! How does one draw from a distribution known only up to a constant? Markov chain Monte Carlo (马尔可夫链蒙特卡洛, MCMC).
//!
//! A posterior p(x) = f(x)/Z is known up to its Z, which is an integral that nobody can do. A Markov chain whose moves
//! x → x′ have probabilities P(x, x′) with detailed balance (细致平衡)
//!
//! f(x) P(x, x′) = f(x′) P(x′, x)
//!
//! leaves p as it is, and Z cancels. If it can reach everything, its averages become those of p: E g(x) ≈ 1/N Σ_n g(x_n),
//! with an error of sd(g)/√ESS. The draws depend on those before them, so the effective sample size (有效样本量, ESS) is mostly
//! below N.
//!
//! | sampler | what the reader brings | a move |
//! | --- | --- | --- |
//! | [`MetropolisHastings`] | log f, a proposal | accepted with probability min(1, f(x′) q(x \| x′) / (f(x) q(x′ \| x))) |
//! | [`RandomWalk`] | log f | the same with x′ = x + Gaussian step |
//! | [`Gibbs`] | draws of x_i given all others | one coordinate after the other, always accepted |
//! | [`Hmc`] | log f and its gradient | along a trajectory of Hamilton's equations: far, and yet mostly accepted |
//!
//! Each gives [`Chains`], which know whether they agree ([`diagnostics`]). [`transition_matrix`] is all of P where there are
//! only finitely many states.
//!
//! Chain c of a run, counted from 0, is drawn with [`RandomState::new(seed + c)`](crate::random::RandomState): for runs that
//! have nothing to do with each other, take seeds further apart than there are chains.
//!
//! Source: Robert and Casella, *Monte Carlo Statistical Methods*, 2nd edition (2004), chapters 6, 7 and 10; Neal, *MCMC using
//! Hamiltonian dynamics*, in the *Handbook of Markov Chain Monte Carlo* (2011).

mod chains;
pub mod diagnostics;
mod dual_averaging;
mod finite;
mod gibbs;
mod hmc;
mod leapfrog;
mod metropolis;
mod run;

pub use chains::Chains;
pub use finite::transition_matrix;
pub use gibbs::{GaussianConditionals, Gibbs};
pub use hmc::Hmc;
pub use leapfrog::Trajectory;
pub use metropolis::{MetropolisHastings, RandomWalk};
