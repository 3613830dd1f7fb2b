//! The block, for a whole sequence and for what comes after it.

use std::collections::HashMap;

use candle_core::{D, Tensor};
use candle_nn::VarBuilder;

use super::Config;
use crate::nn::{ScanInputs, causal_convolution, exponential_kernel, long_convolution, selective_scan};
use crate::{Error, Result};

/// The Mamba block.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use mlnotes::nn::mamba::{Config, Mamba};
///
/// let config = Config::new(8);
/// let weights = config.initial(DType::F64, 1)?;
/// let block = Mamba::new(&config, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu))?;
/// let x = Tensor::ones((1, 6, 8), DType::F64, &Device::Cpu)?;
/// let whole = block.forward(&x)?;
///
/// // In pieces, with a memory whose size does not grow: the same.
/// let mut memory = block.memory(1)?;
/// let first = block.continue_from(&x.narrow(1, 0, 4)?, &mut memory)?;
/// let rest = block.continue_from(&x.narrow(1, 4, 2)?, &mut memory)?;
/// let difference = (whole - Tensor::cat(&[first, rest], 1)?)?.abs()?.max_all()?;
/// assert!(difference.to_scalar::<f64>()? < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mamba {
    config: Config,
    in_proj: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    reading: Reading,
    dt_bias: Tensor,
    a_log: Tensor,
    d: Tensor,
    out_proj: Tensor,
}

/// Where Δ and C come from.
#[derive(Clone, Debug)]
enum Reading {
    /// From the token.
    Selective { x_proj: Tensor, dt_proj: Tensor },
    /// Learned, Δ as its bias alone.
    Invariant { c: Tensor },
}

/// All that a block keeps of the past: its size does not depend on how long that was.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The last d_conv − 1 inputs of the convolution, (batch, d_conv − 1, d_inner).
    pub window: Tensor,
    /// h, (batch, d_inner, d_state).
    pub state: Tensor,
}

impl Mamba {
    /// The block with the weights that `weights` names as [`Config::parameters`] does.
    ///
    /// # Errors
    /// A size that is 0; a weight that is missing or has another shape, with its name.
    pub fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        config.validate()?;
        let shapes: HashMap<_, _> = config.parameters().into_iter().collect();
        let read = |name: &str| weights.get(shapes[name].as_slice(), name);
        let reading = match config.selective {
            true => Reading::Selective { x_proj: read("x_proj.weight")?, dt_proj: read("dt_proj.weight")? },
            false => Reading::Invariant { c: read("C")? },
        };
        Ok(Self {
            config: *config,
            in_proj: read("in_proj.weight")?,
            conv_weight: read("conv1d.weight")?,
            conv_bias: read("conv1d.bias")?,
            reading,
            dt_bias: read("dt_proj.bias")?,
            a_log: read("A_log")?,
            d: read("D")?,
            out_proj: read("out_proj.weight")?,
        })
    }

    /// A = −exp(A_log), (d_inner, d_state).
    ///
    /// # Errors
    /// candle's.
    pub fn a(&self) -> Result<Tensor> {
        Ok(self.a_log.exp()?.neg()?)
    }

    /// The memory of nothing, for so many sequences.
    ///
    /// # Errors
    /// candle's.
    pub fn memory(&self, batch: usize) -> Result<Memory> {
        let Config { d_conv, d_state, .. } = self.config;
        let d_inner = self.config.d_inner();
        let zeros = |shape| Tensor::zeros(shape, self.d.dtype(), self.d.device());
        Ok(Memory { window: zeros((batch, d_conv - 1, d_inner))?, state: zeros((batch, d_inner, d_state))? })
    }

    /// (batch, length, d_model) to the same.
    ///
    /// # Errors
    /// Another shape or kind of numbers; numbers that are not finite.
    pub fn forward(&self, u: &Tensor) -> Result<Tensor> {
        let x = self.branch(u, 0)?;
        let x = causal_convolution(&x, &self.conv_weight, &self.conv_bias)?;
        Ok(self.read_out(&x, u, None)?.0)
    }

    /// As [`forward`](Self::forward), after what `memory` has seen; one token or many. A prompt and each step of decoding
    /// are this same call.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); a memory of another batch.
    pub fn continue_from(&self, u: &Tensor, memory: &mut Memory) -> Result<Tensor> {
        let (batch, length, _) = u.dims3()?;
        self.check_memory(memory, batch)?;
        let x = Tensor::cat(&[&memory.window, &self.branch(u, 0)?], 1)?;
        let seen = self.config.d_conv - 1;
        let window = x.narrow(1, length, seen)?.detach();
        let x = causal_convolution(&x, &self.conv_weight, &self.conv_bias)?.narrow(1, seen, length)?;
        let (y, state) = self.read_out(&x, u, Some(&memory.state))?;
        *memory = Memory { window, state };
        Ok(y)
    }

    /// That it is of so many sequences, and of a block of these sizes.
    fn check_memory(&self, memory: &Memory, batch: usize) -> Result<()> {
        let (d_inner, Config { d_conv, d_state, .. }) = (self.config.d_inner(), self.config);
        let needed = [
            ("memory.window", &memory.window, [batch, d_conv - 1, d_inner]),
            ("memory.state", &memory.state, [batch, d_inner, d_state]),
        ];
        for (name, tensor, shape) in needed {
            if tensor.dims() != shape {
                let needed = format!("{shape:?}, from this model's `memory` for as many sequences as come in,");
                return Err(Error::shape(name, needed, tensor.dims()));
            }
        }
        Ok(())
    }

    /// The x branch (0) or the z branch (1): W u with the upper or the lower half of `in_proj`.
    fn branch(&self, u: &Tensor, which: usize) -> Result<Tensor> {
        let d_inner = self.config.d_inner();
        product(u, &self.in_proj.narrow(0, which * d_inner, d_inner)?)
    }

    /// From the convolution's result to the block's, and the last state.
    fn read_out(&self, x: &Tensor, u: &Tensor, initial: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let z = self.branch(u, 1)?;
        let (y, last) = match &self.reading {
            Reading::Selective { x_proj, dt_proj } => {
                let Config { dt_rank, d_state, .. } = self.config;
                let all = product(x, x_proj)?;
                selective_scan(&ScanInputs {
                    u: x,
                    delta: &product(&all.narrow(D::Minus1, 0, dt_rank)?, dt_proj)?,
                    a: &self.a()?,
                    b: &all.narrow(D::Minus1, dt_rank, d_state)?,
                    c: &all.narrow(D::Minus1, dt_rank + d_state, d_state)?,
                    d: Some(&self.d),
                    z: Some(&z),
                    delta_bias: Some(&self.dt_bias),
                    softplus: true,
                    initial,
                })?
            }
            Reading::Invariant { c } => {
                let (y, last) = match initial {
                    Some(initial) => self.steps(x, c, initial)?,
                    None => (self.convolved(x, c)?, self.memory(x.dim(0)?)?.state),
                };
                (((y + x.broadcast_mul(&self.d)?)? * z.silu()?)?, last)
            }
        };
        Ok((product(&y, &self.out_proj)?, last))
    }

    /// y = K ∗ x with K_l = Σ_n C_n Δ e^{l Δ A_n}.
    fn convolved(&self, x: &Tensor, c: &Tensor) -> Result<Tensor> {
        let step = softplus(&self.dt_bias)?.unsqueeze(1)?;
        let (exponents, half) = (self.a()?.broadcast_mul(&step)?, c.broadcast_mul(&(step / 2.0)?)?);
        let real = |tensor: &Tensor| Tensor::stack(&[tensor, &tensor.zeros_like()?], 2);
        long_convolution(x, &exponential_kernel(&real(&exponents)?, &real(&half)?, x.dim(1)?)?)
    }

    /// The same as a recurrence: h = e^{Δ A} h + Δ x_t, y_t = C h.
    fn steps(&self, x: &Tensor, c: &Tensor, initial: &Tensor) -> Result<(Tensor, Tensor)> {
        let step = softplus(&self.dt_bias)?.unsqueeze(1)?;
        let keep = self.a()?.broadcast_mul(&step)?.exp()?;
        let mut state = initial.clone();
        let mut y = Vec::new();
        for time in 0..x.dim(1)? {
            let new = x.narrow(1, time, 1)?.transpose(1, 2)?.broadcast_mul(&step)?;
            state = state.broadcast_mul(&keep)?.broadcast_add(&new)?;
            y.push(state.broadcast_mul(c)?.sum(D::Minus1)?);
        }
        Ok((Tensor::stack(&y, 1)?, state))
    }

    /// Δ = softplus(what the token says + the bias), (batch, length, d_inner), for a block's input: how long the block
    /// dwells on each token.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn delta(&self, u: &Tensor) -> Result<Tensor> {
        let x = causal_convolution(&self.branch(u, 0)?, &self.conv_weight, &self.conv_bias)?;
        let said = match &self.reading {
            Reading::Selective { x_proj, dt_proj } => {
                product(&product(&x, &x_proj.narrow(0, 0, self.config.dt_rank)?)?, dt_proj)?
            }
            Reading::Invariant { .. } => x.zeros_like()?,
        };
        softplus(&said.broadcast_add(&self.dt_bias)?)
    }
}

/// log(1 + e^p), as max(p, 0) + log(1 + e^{−|p|}), which does not overflow.
fn softplus(p: &Tensor) -> Result<Tensor> {
    Ok((p.relu()? + (p.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
}

/// x Wᵀ over the last axis; `x` of three axes.
pub(in crate::nn) fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (batch, length, features) = x.dims3()?;
    let rows = x.reshape((batch * length, features))?;
    Ok(rows.matmul(&weight.t()?)?.reshape((batch, length, ()))?)
}
