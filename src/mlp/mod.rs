//! How do several layers of units learn, when no single unit could?
//!
//! A layer computes a = f(x Wᵀ + b). Back-propagation is the chain rule from the loss L back through the layers, with
//! δ = ∂L/∂z for the sums z = x Wᵀ + b:
//!
//! - δ = ∂L/∂a · f′(z), ∂L/∂W = δᵀ x, ∂L/∂b = Σ rows of δ, ∂L/∂x = δ W.
//!
//! | code | symbol | shape |
//! | --- | --- | --- |
//! | `x` | x | (samples, inputs) |
//! | `weights`, `bias` | W, b | (units, inputs), (units), as in torch |
//! | `sums`, `activations` | z, a | (samples, units) |
//! | `targets` | t | as the network's output; classes as [`one_hot`] rows |
//!
//! Read `dense.rs` (one layer, forward and backward), then `activation.rs` and `loss.rs`, then `network.rs` (the chain)
//! and `sgd.rs` (the descent). Everything is f64 on the CPU; no convolution, no dropout, no other optimiser.
//! Source: Rumelhart, Hinton and Williams, *Learning representations by back-propagating errors*, Nature 323 (1986).

mod activation;
mod build;
mod dense;
mod loss;
mod network;
mod sgd;

pub use activation::Activation;
pub use build::{Init, Mlp};
pub use dense::{Dense, DenseGradient, dense, dense_backward, dense_parameters, flatten};
pub use loss::{Loss, one_hot};
pub use network::{Forward, Network, gradient_check};
pub use sgd::{Sgd, sgd_step};
