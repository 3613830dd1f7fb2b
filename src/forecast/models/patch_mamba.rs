//! CMamba with Mamba in place of M-Mamba.

use candle_core::{DType, Tensor};
use candle_nn::{VarBuilder, VarMap};

use super::{Forecaster, parts};
use crate::nn::cmamba::{CMamba, Config, EMBEDDING, HEAD_BIAS, HEAD_WEIGHT, PatchBlock};
use crate::nn::mamba::{self, Draw, Mamba};
use crate::nn::rms_norm;
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// Mamba as a layer on patches: the norm and the block, Mamba(norm(u)).
#[derive(Clone, Debug)]
pub struct MambaLayer {
    norm: Tensor,
    mixer: Mamba,
}

impl MambaLayer {
    fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        let norm = weights.get(config.d_model, "norm.weight")?;
        Ok(Self { norm, mixer: Mamba::new(&block(config)?, weights.pp("mixer"))? })
    }
}

impl PatchBlock for MambaLayer {
    fn forward(&self, u: &Tensor) -> Result<Tensor> {
        self.mixer.forward(&rms_norm(u, &self.norm)?)
    }
}

/// The block's own sizes; the convolution is as wide as in Mamba's paper.
fn block(config: &Config) -> Result<mamba::Config> {
    let Config { d_model, d_ff, d_state, dt_rank, selective, .. } = *config;
    validate::at_least_one("d_model", d_model)?;
    if d_ff % d_model != 0 {
        let allowed =
            format!("a multiple of `d_model`, {d_model}: Mamba has as many channels of state for each feature");
        return Err(Error::domain("d_ff", d_ff, allowed));
    }
    let block = mamba::Config::new(d_model).expand(d_ff / d_model).d_state(d_state).dt_rank(dt_rank);
    Ok(if selective { block } else { block.invariant() })
}

fn parameters(config: &Config) -> Result<parts::Parameters> {
    let block: Vec<_> =
        block(config)?.parameters().into_iter().map(|(name, shape)| (format!("mixer.{name}"), shape)).collect();
    let norm = ("norm.weight", vec![config.d_model]);
    let block = block.iter().map(|(name, shape)| (name.as_str(), shape.clone()));
    config.parameters_around(&std::iter::once(norm).chain(block).collect::<Vec<_>>())
}

/// Mamba on the patches of each channel: CMamba's frame (norm, patches, positions, residuals, head), and in it the block
/// of Mamba's paper, with its convolution, an A of each channel of the scan, and a learned D.
///
/// u ← u + Mamba(norm(u)), e_layers times; with `gddmlp` it is u + GDD(Mamba(norm(u)))
///
/// What CMamba gains over it is what M-Mamba gains over Mamba. Sizes are those of CMamba's [`Config`]: Mamba's `expand`
/// is `d_ff / d_model`; with `selective` false the block is its [time-invariant form](mamba::Config::invariant). The
/// start is that of both papers' codes.
///
/// Source: Gu and Dao, *Mamba* (2023); the frame: Nie et al., *A time series is worth 64 words* (2023), and
/// [`crate::nn::cmamba`].
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mlnotes::forecast::models::{Forecaster, PatchMamba};
/// use mlnotes::nn::cmamba::Config;
///
/// let config = Config { d_model: 8, d_ff: 16, pred_len: 24, enc_in: 2, gddmlp: false, ..Config::paper() };
/// let model = PatchMamba::new(&config, 1, DType::F32)?;
/// let x = Tensor::ones((1, 96, 2), DType::F32, &Device::Cpu)?;
/// assert_eq!(model.forward(&x, None)?.dims(), [1, 24, 2]);
/// // Half a channel of state is none.
/// assert!(PatchMamba::new(&Config { d_ff: 12, ..config }, 1, DType::F32).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct PatchMamba {
    weights: VarMap,
    model: CMamba<MambaLayer>,
}

impl PatchMamba {
    /// The model at its start; the same seed gives the same.
    ///
    /// # Errors
    /// Sizes that make no model; a `d_ff` that is no multiple of `d_model`; a `dtype` that is neither f32 nor f64.
    pub fn new(config: &Config, seed: u32, dtype: DType) -> Result<Self> {
        let (parameters, block) = (parameters(config)?, block(config)?);
        let mut draw = Draw::new(dtype, seed);
        for layer in 0..config.e_layers {
            draw.block(&block, &format!("encoder.layers.{layer}.mixer."), 1.0)?;
        }
        let features = config.d_model * config.patch_num()?;
        for (name, shape) in parameters {
            let inputs = shape[shape.len() - 1] as f64;
            match name.as_str() {
                EMBEDDING | HEAD_WEIGHT => draw.uniform(&name, &shape, 1.0 / inputs.sqrt())?,
                HEAD_BIAS => draw.uniform(&name, &shape, 1.0 / (features as f64).sqrt())?,
                name if name.ends_with("norm.weight") => draw.insert(name, &shape, |_, _| 1.0)?,
                name if name.contains("GDDMLP") => draw.uniform(name, &shape, 1.0 / inputs.sqrt())?,
                _ => {}
            }
        }
        Self::with_weights(config, draw.weights)
    }

    /// The model with these weights: CMamba's names around Mamba's, which stand below `encoder.layers.*.mixer`.
    ///
    /// # Errors
    /// Sizes that make no model; weights of another model, with the name of one.
    pub fn with_weights(config: &Config, weights: VarMap) -> Result<Self> {
        let reader = parts::reader(&weights, &parameters(config)?)?;
        let model = CMamba::with_blocks(config, reader, |weights| MambaLayer::new(config, weights))?;
        Ok(Self { weights, model })
    }

    /// The parts.
    pub fn network(&self) -> &CMamba<MambaLayer> {
        &self.model
    }
}

impl Forecaster for PatchMamba {
    fn name(&self) -> &'static str {
        "Mamba"
    }

    fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> Result<Tensor> {
        self.model.forward(x, train)
    }

    fn weights(&self) -> &VarMap {
        &self.weights
    }
}
