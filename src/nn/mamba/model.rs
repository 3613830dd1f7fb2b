//! Blocks one above the other, between words.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::Config;
use super::block::{Mamba, Memory, product};
use crate::nn::rms_norm;
use crate::{Error, Result, validate};

/// The sizes of a [`LanguageModel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanguageModelConfig {
    /// Tokens there are.
    pub vocab_size: usize,
    /// Blocks.
    pub n_layer: usize,
    /// The size of each.
    pub block: Config,
}

impl LanguageModelConfig {
    pub(super) fn validate(&self) -> Result<()> {
        validate::at_least_one("vocab_size", self.vocab_size)?;
        validate::at_least_one("n_layer", self.n_layer)?;
        self.block.validate()
    }

    /// How many numbers are learned.
    pub fn parameter_count(&self) -> usize {
        let block: usize = self.block.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let d_model = self.block.d_model;
        self.vocab_size * d_model + self.n_layer * (block + d_model) + d_model
    }

    /// What the shapes of a checkpoint's weights say.
    fn of(weights: &HashMap<String, Tensor>) -> Result<Self, String> {
        let size = |name: &str, axis: usize| {
            let tensor = weights.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
            tensor.dims().get(axis).copied().ok_or_else(|| format!("`{name}` has the shape {:?}", tensor.dims()))
        };
        let mixer = |name: &str| format!("backbone.layers.0.mixer.{name}");
        let (vocab_size, d_model) = (size(EMBEDDING, 0)?, size(EMBEDDING, 1)?);
        let (d_inner, d_state) = (size(&mixer("A_log"), 0)?, size(&mixer("A_log"), 1)?);
        if d_model == 0 || d_inner % d_model != 0 {
            return Err(format!("{d_inner} channels are no multiple of {d_model} features"));
        }
        let n_layer =
            (0..).take_while(|layer| weights.contains_key(&format!("backbone.layers.{layer}.mixer.A_log"))).count();
        let (d_conv, dt_rank) = (size(&mixer("conv1d.weight"), 2)?, size(&mixer("dt_proj.weight"), 1)?);
        Ok(Self {
            vocab_size,
            n_layer,
            block: Config { d_model, d_state, d_conv, expand: d_inner / d_model, dt_rank, selective: true },
        })
    }
}

/// The name in the published code; transformers has `embeddings`.
const EMBEDDING: &str = "backbone.embedding.weight";

/// Mamba as a language model: an embedding, blocks with a residual around each, and the embedding again for the way out.
///
/// x_0 = E_{token}; x_{l+1} = x_l + Mamba_l(norm_l(x_l)); logits = E norm(x_n)
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use mlnotes::nn::mamba::{Config, LanguageModel, LanguageModelConfig};
///
/// let config = LanguageModelConfig { vocab_size: 10, n_layer: 2, block: Config::new(16) };
/// let weights = config.initial(DType::F32, 0)?;
/// let model = LanguageModel::new(&config, VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu))?;
/// let logits = model.forward(&Tensor::new(&[[1u32, 2, 3]], &Device::Cpu)?)?;
/// assert_eq!(logits.dims(), [1, 3, 10]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LanguageModel {
    config: LanguageModelConfig,
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    head: Tensor,
}

#[derive(Clone, Debug)]
struct Layer {
    norm: Tensor,
    mixer: Mamba,
}

/// What a model keeps of the past, a [`Memory`] a layer.
pub type Memories = Vec<Memory>;

impl LanguageModel {
    /// The model with these weights, named as in the public checkpoints; without a `lm_head.weight` the embedding is also
    /// the way out.
    ///
    /// # Errors
    /// A size that is 0; a weight that is missing or has another shape, with its name.
    pub fn new(config: &LanguageModelConfig, weights: VarBuilder<'_>) -> Result<Self> {
        config.validate()?;
        let LanguageModelConfig { vocab_size, n_layer, block } = *config;
        let backbone = weights.pp("backbone");
        let embedding = backbone.get((vocab_size, block.d_model), "embedding.weight")?;
        let layer = |layer: usize| {
            let weights = backbone.pp(format!("layers.{layer}"));
            Ok(Layer {
                norm: weights.get(block.d_model, "norm.weight")?,
                mixer: Mamba::new(&block, weights.pp("mixer"))?,
            })
        };
        let layers = (0..n_layer).map(layer).collect::<Result<Vec<_>>>()?;
        let norm = backbone.get(block.d_model, "norm_f.weight")?;
        let head = match weights.contains_tensor("lm_head.weight") {
            true => weights.get((vocab_size, block.d_model), "lm_head.weight")?,
            false => embedding.clone(),
        };
        Ok(Self { config: *config, embedding, layers, norm, head })
    }

    /// A checkpoint in safetensors, as `state-spaces/mamba-*` and transformers' `mamba-*-hf` are published; its sizes are
    /// those of its weights.
    ///
    /// # Errors
    /// A file that cannot be read or is no checkpoint of this kind, with the weight that is missing or of another shape.
    pub fn load(path: &Path, dtype: DType) -> Result<Self> {
        Self::load_on(&Device::Cpu, path, dtype)
    }

    /// As [`load`](Self::load), with the weights on that device.
    ///
    /// # Errors
    /// As there; too little memory on the device.
    pub fn load_on(device: &Device, path: &Path, dtype: DType) -> Result<Self> {
        let refuse = |reason: String| Error::file(path, reason);
        let bytes = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
        let weights = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|error| refuse(format!("{error}; a file in safetensors is needed")))?;
        let weights: HashMap<String, Tensor> = weights
            .into_iter()
            .map(|(name, weight)| (name.replace("backbone.embeddings.", "backbone.embedding."), weight))
            .collect();
        let described = |reason| format!("not a checkpoint of Mamba (version 1): {reason}");
        let config = LanguageModelConfig::of(&weights).map_err(|reason| refuse(described(reason)))?;
        if let Some(name) = weights.keys().find(|name| name.ends_with("proj.bias") && !name.ends_with("dt_proj.bias")) {
            return Err(refuse(format!("`{name}`: projections with a bias are not supported")));
        }
        let weights = VarBuilder::from_tensors(weights, dtype, device);
        Self::new(&config, weights).map_err(|error| refuse(described(error.to_string())))
    }

    /// The sizes.
    pub fn config(&self) -> &LanguageModelConfig {
        &self.config
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        self.embedding.device()
    }

    /// The blocks, from the words up.
    pub fn blocks(&self) -> impl Iterator<Item = &Mamba> {
        self.layers.iter().map(|layer| &layer.mixer)
    }

    /// The memory of nothing, for so many sequences.
    ///
    /// # Errors
    /// candle's.
    pub fn memories(&self, batch: usize) -> Result<Memories> {
        self.blocks().map(|block| block.memory(batch)).collect()
    }

    /// Tokens (batch, length), u32, to logits (batch, length, vocab_size) of what follows each.
    ///
    /// # Errors
    /// Another shape; a token that is not below `vocab_size`.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        self.through(tokens, |_, block, x| block.forward(x))
    }

    /// As [`forward`](Self::forward), after what `memories` have seen.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); memories of another batch or model.
    pub fn continue_from(&self, tokens: &Tensor, memories: &mut Memories) -> Result<Tensor> {
        if memories.len() != self.layers.len() {
            return Err(Error::shape("memories", format!("({}), one a layer,", self.layers.len()), &[memories.len()]));
        }
        self.through(tokens, |layer, block, x| block.continue_from(x, &mut memories[layer]))
    }

    fn through(
        &self,
        tokens: &Tensor,
        mut mix: impl FnMut(usize, &Mamba, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (batch, length) = tokens.dims2()?;
        let LanguageModelConfig { vocab_size, block, .. } = self.config;
        let flat = tokens.flatten_all()?;
        if let Some(token) = flat.to_vec1::<u32>()?.into_iter().find(|token| *token as usize >= vocab_size) {
            return Err(Error::domain("tokens", token, format!("below the vocabulary's size, {vocab_size}")));
        }
        let mut x = self.embedding.index_select(&flat, 0)?.reshape((batch, length, block.d_model))?;
        for (number, Layer { norm, mixer }) in self.layers.iter().enumerate() {
            x = (&x + mix(number, mixer, &rms_norm(&x, norm)?)?)?;
        }
        product(&rms_norm(&x, &self.norm)?, &self.head)
    }
}
