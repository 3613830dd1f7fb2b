//! What does a model need in place of attention? The Mamba block (Mamba 模块): a recurrence whose reading, writing and
//! forgetting depend on the token, between two projections.
//!
//! x, z = W_x u, W_z u; x ← SiLU(conv(x)); Δ, B, C = from x; y = scan(x, Δ, A, B, C) + D x; out = W_o (y ⊙ SiLU(z))
//!
//! The notes take the x branch (x 分支) and the z branch (z 分支) for two kinds of data, pictures and others (F0 §17). They
//! are two projections of the same token: x goes through the state, z decides how much of the result passes.
//!
//! | code | paper | shape |
//! | --- | --- | --- |
//! | `in_proj` | W_x over W_z | (2 d_inner, d_model) |
//! | `conv1d` | the convolution | (d_inner, 1, d_conv) |
//! | `x_proj` | s_Δ, s_B, s_C, one below the other | (dt_rank + 2 d_state, d_inner) |
//! | `dt_proj` | Broadcast in s_Δ, with the Parameter in Δ as its bias | (d_inner, dt_rank) |
//! | `A_log` | log(−A) | (d_inner, d_state) |
//! | `D` | D | (d_inner) |
//! | `out_proj` | W_o | (d_model, d_inner) |
//!
//! Read Gu and Dao, *Mamba: Linear-time sequence modeling with selective state spaces* (2023), sections 3.2 to 3.4.

mod block;
mod config;
mod generate;
mod initial;
mod model;

pub(super) use block::product;
pub use block::{Mamba, Memory};
pub use config::Config;
pub(crate) use initial::Draw;
pub use model::{LanguageModel, LanguageModelConfig, Memories};
