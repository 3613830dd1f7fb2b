//! How can a state of N numbers and a kernel of length L cost less than N² L? S4, the structured state space sequence model
//! (结构化状态空间), and its diagonal form S4D (对角化).
//!
//! x′ = A x + B u, y = C x + D u as in [`lti`](crate::ssm::lti), with an A whose structure makes everything cheap:
//!
//! | | A | kernel K, length L | one step |
//! | --- | --- | --- | --- |
//! | any A | | O(N² L) by the recurrence | O(N²) |
//! | [`S4`] | V (Λ − p p*) V*: normal plus low rank (正规加低秩) | O(N L + L log L), and O(N³ log L) for C̃ | O(N) |
//! | [`S4d`] | V Λ V* | O(N L), one matrix product | O(N) |
//!
//! The four S of *Structured State Space for Sequence modelling* gave the name. S4's A is not diagonal: HiPPO's A
//! ([`hippo`](crate::ssm::hippo)) has eigenvectors of such a condition ([`eigenvector_condition`]) that a diagonal form
//! is useless from N = 16 on, while A plus a matrix of rank one is normal, so that V is unitary. S4D leaves the low rank
//! out. B and C are vectors in both.
//!
//! | here | symbol | shape | range |
//! | --- | --- | --- | --- |
//! | `eigenvalues` | Λ | (M), M = N/2; (H, M) | one of each conjugate pair |
//! | `low_rank` | p = V* P | (M) | |
//! | `vectors` | V | (N, M) | |
//! | `b`, `c` | B, C; V* B and C V as modes | (N); (M); (H, M) | |
//! | `step`, `steps` | Δ | a number; (H) | above 0, in A's unit of time |
//! | `length` | L | | 0 or more |
//! | `kernel` | K_l = C Ā^l B̄ | (L), (H, L) | without D |
//!
//! *Conjugate pairs.* A is real, so its eigenvalues, and the entries of any real vector in V's basis, come in conjugate
//! pairs. Only one of each, that with Im λ > 0, is kept: Σ over all N is 2 Re Σ over those M = N/2.
//!
//! Not covered: several inputs to one state, low rank above one, training (which the deep chapters do by automatic
//! differentiation; [`S4d::kernel`] states the derivatives).
//!
//! Sources: Gu, Goel and Ré, *Efficiently Modeling Long Sequences with Structured State Spaces*, ICLR 2022,
//! arXiv 2111.00396; Gu, Gupta, Goel and Ré, *On the Parameterization and Initialization of Diagonal State Space Models*,
//! NeurIPS 2022, arXiv 2206.11893.

mod condition;
mod diagonal;
mod init;
mod kernel;
mod model;
mod nplr;
mod recurrence;

pub use condition::{eigenvector_condition, legs_eigenvectors};
pub use diagonal::S4d;
pub use init::S4dInit;
pub use model::S4;
pub use nplr::Nplr;
pub use recurrence::S4Recurrence;
/// The type of everything that is not real here.
pub use rustfft::num_complex::Complex;
