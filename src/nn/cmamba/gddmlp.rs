//! The gate through which channels see each other.

use std::collections::HashMap;

use candle_core::{D, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::sigmoid;

use super::Config;
use crate::nn::mamba::product;
use crate::{Error, Result, validate};

/// GDD-MLP, the global data-dependent MLP: what all channels show decides how each is scaled and shifted.
///
/// F_avg, F_max = mean, max of H over features; MLP(F) = W_2 GELU(W_1 F), over channels;
/// Y = σ(MLP_s(F_avg) + MLP_s(F_max)) ⊙ H + σ(MLP_b(F_avg) + MLP_b(F_max))
///
/// The notes let it encode a channel's history and predict (F0 §7); it does neither.
///
/// # Numerics
/// GELU is the exact one, p Φ(p), put together from erf: the gradient of candle's own keeps six digits alone. Of features
/// that are equal and largest each gets the whole gradient of the maximum, in torch one of them.
///
/// Source: the paper's section *GDD-MLP*; `layers/GDDMLP.py`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use mlnotes::nn::cmamba::{Config, GddMlp};
///
/// // With weights of 0 the scale and the shift are σ(0) = 1/2, whatever the channels show.
/// let config = Config { enc_in: 2, ..Config::paper() };
/// let gate = GddMlp::new(&config, VarBuilder::zeros(DType::F64, &Device::Cpu))?;
/// let h = Tensor::new(&[[[[1.0, 2.0]], [[-3.0, 4.0]]]], &Device::Cpu)?;
/// let y = gate.forward(&h)?.flatten_all()?.to_vec1::<f64>()?;
/// assert_eq!(y, [1.0, 1.5, -1.0, 2.5]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GddMlp {
    scale: (Tensor, Tensor),
    shift: (Tensor, Tensor),
}

impl GddMlp {
    /// The gate with the weights `GDDMLP.*` of [`Config::parameters`], below a layer's name.
    ///
    /// # Errors
    /// Sizes that make no model; a weight that is missing or has another shape, with its name.
    pub fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        Config { gddmlp: true, ..*config }.validate()?;
        Self::between(config.enc_in, config.reduction, weights)
    }

    /// The gate between so many channels, for any model; its hidden layer is ⌊channels / reduction⌋ wide.
    ///
    /// # Errors
    /// A `reduction` of 0 or above `channels`; a weight that is missing or has another shape, with its name.
    pub fn between(channels: usize, reduction: usize, weights: VarBuilder<'_>) -> Result<Self> {
        let shapes: HashMap<_, _> = parameters(channels, reduction)?.into_iter().collect();
        let read = |name: &str| weights.get(shapes[name].as_slice(), name);
        Ok(Self {
            scale: (read("GDDMLP.fc_sc.0.weight")?, read("GDDMLP.fc_sc.2.weight")?),
            shift: (read("GDDMLP.fc_sf.0.weight")?, read("GDDMLP.fc_sf.2.weight")?),
        })
    }

    /// (batch, V, patches, features) to the same.
    ///
    /// # Errors
    /// Another shape or kind of numbers.
    pub fn forward(&self, h: &Tensor) -> Result<Tensor> {
        let channels = self.scale.0.dims()[1];
        if h.rank() != 4 || h.dims()[1] != channels || h.dims()[3] == 0 {
            return Err(Error::shape("h", format!("(batch, {channels}, patches, features above 0)"), h.dims()));
        }
        // (batch, patches, V), for the weights act over channels.
        let (mean, max) = (h.mean(D::Minus1)?.transpose(1, 2)?, h.max(D::Minus1)?.transpose(1, 2)?);
        let gate = |mlp: &(Tensor, Tensor)| -> Result<Tensor> {
            let of = |pooled: &Tensor| product(&gelu(&product(pooled, &mlp.0)?)?, &mlp.1);
            let sum = (of(&mean)? + of(&max)?)?;
            Ok(sigmoid(&sum.transpose(1, 2)?.contiguous()?)?.unsqueeze(3)?)
        };
        Ok(h.broadcast_mul(&gate(&self.scale)?)?.broadcast_add(&gate(&self.shift)?)?)
    }
}

/// The names and shapes of a gate's weights.
pub(crate) fn parameters(channels: usize, reduction: usize) -> Result<Vec<(&'static str, Vec<usize>)>> {
    validate::at_least_one("reduction", reduction)?;
    let hidden = channels / reduction;
    if hidden == 0 {
        let allowed = format!(
            "at most `enc_in`, {channels}, or GDD-MLP has no hidden layer; with one channel set `gddmlp` to false"
        );
        return Err(Error::domain("reduction", reduction, allowed));
    }
    Ok(vec![
        ("GDDMLP.fc_sc.0.weight", vec![hidden, channels]),
        ("GDDMLP.fc_sc.2.weight", vec![channels, hidden]),
        ("GDDMLP.fc_sf.0.weight", vec![hidden, channels]),
        ("GDDMLP.fc_sf.2.weight", vec![channels, hidden]),
    ])
}

/// p Φ(p) = p (1 + erf(p / √2)) / 2.
fn gelu(p: &Tensor) -> Result<Tensor> {
    let erf = (p * std::f64::consts::FRAC_1_SQRT_2)?.erf()?;
    Ok((p * ((erf + 1.0)? * 0.5)?)?)
}
