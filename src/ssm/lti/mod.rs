//! What does a linear machine that never changes do with its input? Linear time-invariant (线性时不变) state space models.
//!
//! x′(t) = A x(t) + B u(t), y(t) = C x(t) + D u(t) becomes, with a step Δ, x_k = Ā x_{k−1} + B̄ u_k, y_k = C x_k + D u_k
//!
//! | view | computes y by | costs |
//! | --- | --- | --- |
//! | continuous (连续视角) | [`Continuous::simulate`], any steps | an exponential per length of step |
//! | recurrent (递归视角) | [`Discrete::recurrent`], [`Discrete::step`]: the state | O(L N²), memory for one state |
//! | convolutional (卷积视角) | [`Discrete::convolutional`]: y = K ∗ u with K_j = C Ā^j B̄ | O(L log L) once K is known |
//!
//! | here | symbol | shape | range |
//! | --- | --- | --- | --- |
//! | `a`, `b`, `c`, `d` | A, B, C, D; Ā, B̄ | (N, N), (N, P), (Q, N), (Q, P) | finite |
//! | `u`, `y` | u_k, y_k | (L, P), (L, Q) | a row per time |
//! | `step` | Δ | | > 0, in A's unit of time |
//! | `kernel` | K_j | (L, Q, P) | without D |
//!
//! u_k acts at once, on x_k, as in S4 and Mamba, so that the first output sees the first input and K_0 = C B̄. Control
//! theory's tools (SciPy's `dlsim`, say) let it act one step later, s_{k+1} = Ā s_k + B̄ u_k, y_k = C s_k + D u_k;
//! [`Discrete::delayed`] translates. The three views give one answer because nothing depends on the time: there is one K
//! for all of it ([`shift_error`] measures that), as long as the input, so no kernel has a size to choose; how far back
//! it reaches is A's and Δ's doing. A selective model has no K.
//!
//! Not covered: A, B, C, D that change with time or input ([`kalman`](super::kalman) has noise instead of input), complex
//! or structured A.
//!
//! Sources: Gu et al., *Combining recurrent, convolutional, and continuous-time models with linear state-space layers*
//! (2021), section 2; Gu, Goel and Ré, *Efficiently modeling long sequences with structured state spaces* (2022), section
//! 2; Oppenheim and Willsky, *Signals and Systems*, 2nd edition, chapter 2.

mod continuous;
mod convolution;
mod discrete;
mod exponential;
mod invariance;
mod kernel;
mod matrices;
mod rule;

pub use continuous::Continuous;
pub use convolution::{Convolution, convolve, convolve_fft};
pub(super) use convolution::{by_channels, one_per_channel};
pub use discrete::{Discrete, Trajectory};
pub use exponential::expm;
pub use invariance::{shift_error, superposition_error};
pub use rule::Rule;
