//! What can be said of hidden quantities when their posterior cannot be computed? Variational inference (变分推断).
//!
//! Any distribution q(z) splits the log evidence (证据) of the data x into a bound and what the bound lacks:
//!
//! log p(x) = E_q\[log p(x, z)\] − E_q\[log q(z)\] + KL(q ‖ p(z | x)) = [`Elbo`] + KL
//!
//! The left side does not depend on q, so raising the evidence lower bound (证据下界, ELBO) brings q nearer to the posterior.
//! Mean field (平均场) takes a q that is a product, and [`CoordinateAscent`] improves one factor after the other:
//! log q_i(z_i) = E_{the other factors}\[log p(x, z)\] + const.
//!
//! | q | for | the bound is climbed by |
//! | --- | --- | --- |
//! | [`MeanField`] | a few discrete variables, a [`FactorGraph`], where log p(x) = ELBO + KL can be checked | coordinate ascent |
//! | [`MixturePosterior`] | a [`BayesianMixture`] of Gaussians | coordinate ascent |
//! | [`VariationalGaussian`] | any log p(x, z) with a gradient, z in ℝᴰ: [`BlackBox`] | gradients from samples |
//!
//! Source: Jordan, Ghahramani, Jaakkola and Saul, *An introduction to variational methods for graphical models*, Machine
//! Learning 37 (1999); Blei, Kucukelbir and McAuliffe, *Variational inference: a review for statisticians*, JASA 112 (2017).

mod adam;
mod ascent;
mod blackbox;
mod discrete;
mod elbo;
mod gaussian;
pub mod lda;
mod mixture;

pub use ascent::{Ascent, CoordinateAscent};
pub use blackbox::{BlackBox, BlackBoxFit};
pub use discrete::{FactorGraph, MeanField};
pub use elbo::Elbo;
pub use gaussian::{ElboEstimate, Family, VariationalGaussian};
pub use mixture::{BayesianMixture, MixturePosterior};
