//! What can forecast? One trait, so that the experiment trains and judges any model.
//!
//! | model | idea | sees other channels | source | weights |
//! | --- | --- | --- | --- | --- |
//! | [`LastValue`] | nothing changes any more | no | | 0 |
//! | [`SeasonalNaive`] | tomorrow is as today | no | Hyndman and Athanasopoulos (2021), section 5.2 | 0 |
//! | [`DLinear`] | trend and rest, a linear map over time for each | no | Zeng et al. (2023) | 18,624 |
//! | [`RLinear`] | one linear map between RevIN and its inverse | no | Li et al. (2023) | 9,326 |
//! | [`Lstm`] | a memory that reads all channels, step by step | yes | Hochreiter and Schmidhuber (1997) | 156,832 |
//! | [`PatchMamba`] | Mamba over the patches of each channel | no | Gu and Dao (2023), Nie et al. (2023) | 343,136 |
//! | [`CMamba`] | M-Mamba over patches, GDD-MLP between channels | by GDD-MLP | Zeng et al. (2024) | 385,292 |
//!
//! Weights are counted for 7 channels, 96 steps back and 96 ahead, sizes as in [`ModelSettings::paper`], GDD-MLP in
//! CMamba alone.
//!
//! # GDD-MLP and channel mixup with any model
//! [Mixup](crate::nn::cmamba::ChannelMixup) changes batches, so no model needs to know of it.
//! [GDD-MLP](crate::nn::cmamba::GddMlp) is a switch of each learned model, and stands where the published code has it,
//! between a norm and a map that is learned:
//!
//! | model | GDD-MLP on | published for |
//! | --- | --- | --- |
//! | [`CMamba`], [`PatchMamba`] | each block's result, pooled over the features of a patch, before the residual | CMamba, PatchTST, iTransformer |
//! | [`RLinear`], [`Lstm`] | the normalised window, pooled over time | RLinear |
//! | [`DLinear`], which has no norm | the window, pooled over time | |
//!
//! It is no wrapper around a model: one before an instance norm is undone by it, as scale and shift of a channel are what
//! the norm takes out; one behind the model could shift forecasts upwards only. (The published TimesNet computes it and
//! does not use what comes out.)
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mlnotes::forecast::models::{ModelKind, ModelSettings};
//! use mlnotes::nn::cmamba::Config;
//!
//! let network = Config { seq_len: 4, pred_len: 3, enc_in: 1, ..Config::paper() };
//! let settings = ModelSettings { network, period: 2, ..ModelSettings::paper() };
//! let model = "seasonalnaive".parse::<ModelKind>()?.build(&settings, 2021, DType::F64)?;
//! let x = Tensor::new(&[[[1.0], [2.0], [3.0], [4.0]]], &Device::Cpu)?;
//! assert_eq!(model.forward(&x, None)?.to_vec3::<f64>()?, [[[3.0], [4.0], [3.0]]]);
//! # Ok::<(), mlnotes::Error>(())
//! ```

mod cmamba;
mod kind;
mod linear;
mod lstm;
mod naive;
mod parts;
mod patch_mamba;

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarMap;

use crate::Result;
use crate::nn::Loss;
use crate::random::RandomState;

pub use cmamba::CMamba;
pub use kind::{ModelKind, ModelSettings};
pub use linear::{DLinear, DLinearConfig, RLinear, RLinearConfig, moving_average};
pub use lstm::{Lstm, LstmConfig};
pub use naive::{LastValue, SeasonalNaive};
pub use parts::Sizes;
pub use patch_mamba::{MambaLayer, PatchMamba};

/// A model that forecasts every channel of a window.
///
/// To join the experiment a model implements this trait; what it may see is the window alone.
pub trait Forecaster {
    /// The name it goes by in tables and on the command line, for instance `CMamba`.
    fn name(&self) -> &'static str;

    /// Windows (batch, seq_len, V) to forecasts (batch, pred_len, V). With a generator as in training (dropout), without
    /// one the same each time.
    ///
    /// # Errors
    /// Another shape or kind of numbers than the model's.
    fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> Result<Tensor>;

    /// What is learned; empty for a model that does not learn. The model reads these variables: setting them changes it.
    fn weights(&self) -> &VarMap;

    /// Forecasts that no gradient goes through, as [`forward`](Self::forward) without a generator gives them. A model with a
    /// faster way takes it here.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    fn forecast(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.forward(x, None)?.detach())
    }

    /// The loss of a batch as in training, and its slopes by the weights' names. A model with a faster way than candle's
    /// graph takes it here.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); a target of another shape than the forecast.
    fn slopes(
        &self,
        x: &Tensor,
        target: &Tensor,
        loss: Loss,
        train: &mut RandomState,
    ) -> Result<(f64, HashMap<String, Tensor>)> {
        parts::slopes(&self.forward(x, Some(train))?, target, loss, self.weights())
    }

    /// How many numbers are learned.
    fn parameter_count(&self) -> usize {
        self.weights().all_vars().iter().map(|weight| weight.elem_count()).sum()
    }
}
