//! How does Mamba forecast many series at once? CMamba: a scan over the patches of each series, and between the scans a
//! gate that sees all of them.
//!
//! u = patches(x̂) W_p + PE; u ← u + GDD(M(u)), e_layers times; ŷ = W_h flatten(SiLU(u)) + b, with x̂ = (x − μ) / σ and
//! the forecast μ + σ ŷ
//!
//! | code | paper | shape |
//! | --- | --- | --- |
//! | [`normalise`], [`Normalised`] | instance norm, μ and σ of a window and channel | (batch, seq_len, V) |
//! | [`patches`] | patching | (batch, V, N, patch_len) |
//! | [`MMamba`], or another [`PatchBlock`] | M, M-Mamba | (batch · V, N, d_model) to the same |
//! | [`GddMlp`] | GDD, GDD-MLP | (batch, V, N, d_model) to the same |
//! | [`ChannelMixup`] | channel mixup | (batch, any length, V) to the same |
//! | [`CMamba`] | the model | (batch, seq_len, V) to (batch, pred_len, V) |
//! | [`Fused`] | the same for training, fast | |
//!
//! V is the number of channels (通道), `enc_in`; N that of patches.
//!
//! | the notes say (F0 §7) | it is |
//! | --- | --- |
//! | M-Mamba cuts patches, projects them and adds positions | these come once, before the first block; M-Mamba is norm, projection, scan and gate, projection |
//! | GDD-MLP encodes each channel's history and predicts | it scales and shifts the features of a channel by what all channels show; a linear head predicts |
//! | mixup interpolates two channels | λ is normal: it may be negative or above 1, and leaves the mean as it is |
//! | `run.py` with five flags trains CMamba | GDD-MLP and mixup are off then, and no channel sees another: [`Config::default`] |
//!
//! Data and training are [`forecast`](crate::forecast)'s. Not here: one of the two pools alone, which the published code
//! can be asked for.
//!
//! Read Zeng, Liu, Zheng and Kong, *CMamba: Channel correlation enhanced state space models for multivariate time series
//! forecasting* (arXiv 2406.05316, version 2 or later; the first version is another model), and their code
//! (zclzcl0223/CMamba, commit 7816659).

mod block;
mod config;
mod fused;
mod gddmlp;
mod initial;
mod instance;
mod mixup;
mod model;
mod patch;

pub use block::{MMamba, PatchBlock};
pub use config::Config;
pub(crate) use config::{EMBEDDING, HEAD_BIAS, HEAD_WEIGHT};
pub use fused::Fused;
pub use gddmlp::GddMlp;
pub(crate) use gddmlp::parameters as gddmlp_parameters;
pub use instance::{Normalised, normalise};
pub use mixup::ChannelMixup;
pub use model::CMamba;
pub(crate) use model::{check_window, silence};
pub use patch::patches;
