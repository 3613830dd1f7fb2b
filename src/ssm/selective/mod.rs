//! How does a state space model choose what to keep? The selective scan (选择性扫描), the core of Mamba.
//!
//! h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t u_t, y_t = C_t·h_t + D u_t, times SiLU(z_t) where there is a gate z (门控)
//!
//! Each channel has a state h of its own. Δ, B and C change with time (in Mamba they are computed from u), so no kernel
//! to convolve with exists, and what is left is the recurrence itself: a linear one, for given Δ, B and C.
//!
//! | here | symbol | shape | range |
//! | --- | --- | --- | --- |
//! | `u` | u, in the paper x | (batch, length, channels) | |
//! | `delta`, `delta_bias` | Δ = softplus(delta + bias), or delta + bias | (batch, length, channels), (channels) | Δ ≥ 0 |
//! | `a` | A, diagonal | (channels, state) | real part ≤ 0 |
//! | `b`, `c` | B, C | (batch, length, state), shared by all channels | |
//! | `d`, `z` | D, z | (channels), (batch, length, channels) | |
//! | `initial`, `last` | h_0, h_L | (batch, channels, state) | |
//!
//! Slices in row-major order, f32 or f64. A, B, C and h may also be complex, as in S4 and its diagonal kin: then h is one
//! half of conjugate pairs, and C·h stands for 2 Re(C·h).
//!
//! Δ = 0 keeps the state and ignores the input; a large Δ forgets the state (A < 0). Ā = exp(ΔA) is what a held input
//! gives exactly (zero-order hold, 零阶保持); for B̄ = (ΔA)⁻¹ (exp(ΔA) − 1) ΔB the authors' released code takes its first
//! term, ΔB, and so does this: models trained there are of that form.
//!
//! | question | answer |
//! | --- | --- |
//! | y and the last state | [`selective_scan`]; [`selective_scan_seq`] as the equation is written |
//! | y one time after the other | [`Step`] |
//! | every gradient | [`selective_scan_backward`]; [`selective_scan_backward_stored`] as the chain rule is |
//!
//! Source: Gu and Dao, *Mamba: Linear-time sequence modeling with selective state spaces* (2023, arXiv 2312.00752),
//! algorithm 2 and section 3.3; `selective_scan_ref` in the authors' code (there u is (batch, channels, length)).

mod backward;
mod element;
mod forward;
mod inputs;
pub(crate) mod lanes;
mod parts;
mod scan;
mod sequential;
mod step;
mod tile;

pub use element::{Element, Real};
pub use inputs::{Gradients, Inputs, Kept, Outputs, Shape};
pub use scan::{
    selective_scan, selective_scan_backward, selective_scan_backward_into, selective_scan_backward_kept,
    selective_scan_into, selective_scan_keeping,
};
pub use sequential::{selective_scan_backward_stored, selective_scan_seq};
pub use step::{State, Step, Token};
