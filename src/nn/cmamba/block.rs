//! The scan over the patches of one channel.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::Config;
use crate::nn::mamba::product;
use crate::nn::{ScanInputs, rms_norm, selective_scan};
use crate::{Error, Result};

/// M-Mamba: Mamba for series, from the norm to the projection back; the residual is the model's.
///
/// (x, z) = W_in norm(u) + b; x ← SiLU(x); (δ, B, C, D) = W_x x; Δ = softplus(W_Δ δ + b_Δ); A = −exp(A_log);
/// h_n = e^{Δ_n A} h_{n−1} + Δ_n B_n x_n; y_n = C_n h_n + D_n ⊙ x_n; M(u) = W_out (y ⊙ SiLU(z)) + b
///
/// | | [`Mamba`](crate::nn::mamba::Mamba) | M-Mamba |
/// | --- | --- | --- |
/// | convolution before the scan | yes | none |
/// | A | of each channel of the scan, (d_ff, d_state) | (1, d_state), shared by all |
/// | D | learned, of each channel | read off x, (batch, N, d_ff) |
///
/// # Numerics
/// Ā = e^{ΔA} by zero-order hold, B̄ = ΔB by Euler's rule, as in the published code.
///
/// # Without selection
/// With `selective` false in [`Config`] Δ = softplus(b_Δ), B, C and D are learned and the same for every patch.
///
/// Source: the paper's section *M-Mamba*; `layers/CMambaEncoder.py`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use mlnotes::nn::cmamba::{Config, MMamba};
///
/// let config = Config { d_model: 4, d_ff: 6, e_layers: 1, ..Config::paper() };
/// let weights = config.initial(DType::F64, 1)?;
/// let weights = VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu).pp("encoder.layers.0");
/// let block = MMamba::new(&config, weights)?;
/// let u = Tensor::new(&[[[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 1.0]]], &Device::Cpu)?;
/// let y = block.forward(&u)?;
/// assert_eq!(y.dims(), [1, 2, 4]);
/// // The norm is within: the block does not see the scale.
/// let difference = (y - block.forward(&(u * 1e3)?)?)?.abs()?.max_all()?.to_scalar::<f64>()?;
/// assert!(difference < 1e-4);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MMamba {
    config: Config,
    norm: Tensor,
    in_proj: (Tensor, Tensor),
    reading: Reading,
    dt_bias: Tensor,
    a_log: Tensor,
    out_proj: (Tensor, Tensor),
}

/// Where Δ, B, C and D come from.
#[derive(Clone, Debug)]
enum Reading {
    /// From the patch.
    Selective { x_proj: Tensor, dt_proj: Tensor },
    /// Learned, Δ as its bias alone.
    Invariant { b: Tensor, c: Tensor, d: Tensor },
}

impl MMamba {
    /// The block with the weights `norm.weight` and `mixer.*` of [`Config::parameters`], below a layer's name.
    ///
    /// # Errors
    /// Sizes that make no model; a weight that is missing or has another shape, with its name.
    pub fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        config.validate()?;
        let shapes: HashMap<_, _> = config.block_parameters().into_iter().collect();
        let read = |name: &str| weights.get(shapes[name].as_slice(), name);
        let reading = match config.selective {
            true => Reading::Selective { x_proj: read("mixer.x_proj.weight")?, dt_proj: read("mixer.dt_proj.weight")? },
            false => Reading::Invariant { b: read("mixer.B")?, c: read("mixer.C")?, d: read("mixer.D")? },
        };
        Ok(Self {
            config: *config,
            norm: read("norm.weight")?,
            in_proj: (read("mixer.in_proj.weight")?, read("mixer.in_proj.bias")?),
            reading,
            dt_bias: read("mixer.dt_proj.bias")?,
            a_log: read("mixer.A_log")?,
            out_proj: (read("mixer.out_proj.weight")?, read("mixer.out_proj.bias")?),
        })
    }

    /// A = −exp(A_log), (1, d_state).
    ///
    /// # Errors
    /// candle's.
    pub fn a(&self) -> Result<Tensor> {
        Ok(self.a_log.exp()?.neg()?)
    }

    /// (sequences, patches, d_model) to the same.
    ///
    /// # Errors
    /// Another shape or kind of numbers; numbers that are not finite.
    pub fn forward(&self, u: &Tensor) -> Result<Tensor> {
        let Config { d_model, d_ff, d_state, .. } = self.config;
        if u.rank() != 3 || u.dims()[2] != d_model {
            return Err(Error::shape("u", format!("(sequences, patches, {d_model})"), u.dims()));
        }
        let u = rms_norm(u, &self.norm)?;
        // Weights are cut rather than results: a gradient is then filled up with zeros at the weights' size.
        let branch = |which: usize| -> Result<Tensor> {
            let (weight, bias) = &self.in_proj;
            let rows = product(&u, &weight.narrow(0, which * d_ff, d_ff)?)?;
            Ok(rows.broadcast_add(&bias.narrow(0, which * d_ff, d_ff)?)?.silu()?)
        };
        let (x, z) = (branch(0)?, branch(1)?);
        let [delta, b, c, d] = self.read(&x)?;
        let (y, _) = selective_scan(&ScanInputs {
            u: &x,
            delta: &delta,
            // Through the broadcast the channels' gradients come back as their sum.
            a: &self.a()?.broadcast_as((d_ff, d_state))?,
            b: &b,
            c: &c,
            d: None,
            z: None,
            delta_bias: Some(&self.dt_bias),
            softplus: true,
            initial: None,
        })?;
        // The scan's own D is one number a channel, and its gate comes before ours would.
        let gated = ((y + (d * &x)?)? * z)?;
        let (weight, bias) = &self.out_proj;
        Ok(product(&gated, weight)?.broadcast_add(bias)?)
    }

    /// Δ before its bias, B, C and D of every patch.
    fn read(&self, x: &Tensor) -> Result<[Tensor; 4]> {
        let Config { d_ff, d_state, dt_rank, .. } = self.config;
        match &self.reading {
            Reading::Selective { x_proj, dt_proj } => {
                let read = |from: usize, length: usize| product(x, &x_proj.narrow(0, from, length)?);
                Ok([
                    product(&read(0, dt_rank)?, dt_proj)?,
                    read(dt_rank, d_state)?,
                    read(dt_rank + d_state, d_state)?,
                    read(dt_rank + 2 * d_state, d_ff)?,
                ])
            }
            Reading::Invariant { b, c, d } => {
                let (sequences, patches, _) = x.dims3()?;
                let everywhere = |constant: &Tensor| constant.broadcast_left((sequences, patches));
                Ok([x.zeros_like()?, everywhere(b)?, everywhere(c)?, everywhere(d)?])
            }
        }
    }
}

/// What may stand in a layer of [`CMamba`](super::CMamba): M-Mamba, or another block on the patches of one channel.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use mlnotes::Result;
/// use mlnotes::nn::cmamba::{CMamba, Config, PatchBlock};
///
/// struct Nothing;
/// impl PatchBlock for Nothing {
///     fn forward(&self, u: &Tensor) -> Result<Tensor> {
///         Ok(u.zeros_like()?)
///     }
/// }
///
/// let config = Config { d_model: 8, pred_len: 24, enc_in: 2, gddmlp: false, ..Config::paper() };
/// let weights = VarBuilder::zeros(DType::F64, &Device::Cpu);
/// let model = CMamba::with_blocks(&config, weights, |_| Ok(Nothing))?;
/// // A head of 0 forecasts the window's mean.
/// let y = model.forward(&Tensor::full(3.0, (1, 96, 2), &Device::Cpu)?, None)?;
/// assert_eq!(y.to_vec3::<f64>()?, [[[3.0; 2]; 24]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub trait PatchBlock {
    /// (sequences, patches, d_model) to the same, a norm within, the residual left out.
    ///
    /// # Errors
    /// Another shape or kind of numbers.
    fn forward(&self, u: &Tensor) -> Result<Tensor>;
}

impl PatchBlock for MMamba {
    fn forward(&self, u: &Tensor) -> Result<Tensor> {
        MMamba::forward(self, u)
    }
}
