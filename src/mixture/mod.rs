//! Which group does each point belong to, if nobody says? k-means (k均值) and Gaussian mixtures (高斯混合模型).
//!
//! A mixture is a hidden Markov model without the chain: each point has a hidden component, drawn anew each time.
//!
//! p(x) = Σ_k π_k N(x | μ_k, Σ_k)
//!
//! [`KMeans`] gives each point to one centre; [`GaussianEm`] gives it to all components in shares, γ_nk = p(k | x_n), and is
//! the EM algorithm's best known case. With covariances that shrink to 0 the second becomes the first.

mod gmm;
mod kmeans;
mod learn;
mod missing;

pub use gmm::GaussianMixture;
pub(crate) use gmm::normalise;
pub use kmeans::{Clusters, KMeans};
pub use learn::GaussianEm;
