//! Can one layer be a recurrent network, a convolution and a differential equation at once? The linear state space layer
//! LSSL (线性状态空间层).
//!
//! Each of H channels is x′ = A x + B u, y = C x + D u, sampled with a step of its own:
//!
//! | view | computes y by | is the layer as |
//! | --- | --- | --- |
//! | recurrence | [`Lssl::recurrent`]: x_k = Ā x_{k−1} + B̄ u_k | an RNN, O(1) memory at inference |
//! | convolution | [`Lssl::convolutional`]: y = K ∗ u | a CNN with a kernel as long as the input, for training |
//! | continuous time | [`Lssl::continuous`]: the solution for a held input | a neural differential equation |
//!
//! The first two are equal for any rule, the third is equal to them under zero-order hold and near them under the others.
//! All of A, B, C, D and Δ can be learned: [`Lssl::gradient`].
//!
//! | here | symbol | shape | range |
//! | --- | --- | --- | --- |
//! | `a`, `b` | A, B, shared by the channels | (N, N), (N) | HiPPO's LegS to begin with |
//! | `c`, `d` | C, D | (H, N), (H) | |
//! | `steps` | Δ, the time scale of a channel | (H) | above 0, in A's unit of time |
//! | `u`, `y` | u_k, y_k | (L, H) | a row per time |
//!
//! *The step is a gate* (门控). With N = 1, A = −1, B = 1 the layer is x_k = (1 − g) x_{k−1} + g u_k. By backward Euler
//! g = Δ/(1 + Δ), so a step Δ = e^z makes g = σ(z), the gate of a recurrent network; by zero-order hold g = 1 − e^{−Δ}, and
//! it is Δ = softplus(z) that makes g = σ(z), since e^{−softplus(z)} = 1 − σ(z):
//!
//! ```
//! use mlnotes::ssm::lssl::Lssl;
//! use mlnotes::ssm::lti::Rule;
//! use ndarray::array;
//!
//! let z: f64 = 0.3;
//! let gate = 1.0 / (1.0 + (-z).exp());
//! for (rule, step) in [(Rule::BackwardEuler, z.exp()), (Rule::ZeroOrderHold, z.exp().ln_1p())] {
//!     let leaky = Lssl::new(array![[-1.0]], array![1.0], array![[1.0]], array![0.0], array![step], rule)?;
//!     let y = leaky.recurrent(&array![[1.0], [0.0]])?;
//!     assert!((y[[0, 0]] - gate).abs() < 1e-15 && (y[[1, 0]] - (1.0 - gate) * gate).abs() < 1e-15);
//! }
//! # Ok::<(), mlnotes::Error>(())
//! ```
//!
//! Not covered: several outputs of one channel and the mixing of channels after it, the fast algorithm for
//! quasiseparable A (which the paper found too unstable to use; [`s4`](super::s4) is what came of it).
//!
//! Source: Gu, Johnson, Goel, Saab, Dao, Rudra and Ré, *Combining Recurrent, Convolutional, and Continuous-time Models with
//! Linear State-Space Layers*, NeurIPS 2021, arXiv 2110.13985.

mod gradient;
mod model;

pub use gradient::LsslGradient;
pub use model::{Lssl, log_spaced};
