//! Channels that never were, for training.

use candle_core::{Device, Tensor};

use crate::random::RandomState;
use crate::{Error, Result, validate};

/// Channel mixup (通道混合): to every channel some of another is added, to window and target alike.
///
/// x′_v = x_v + λ_v x_{π(v)}, y′_v = y_v + λ_v y_{π(v)}; π a permutation of the batch, λ ~ N(0, σ²) of each sample and
/// channel
///
/// It is no interpolation, as the notes have it (F0 §7): λ may be negative or above 1, and E x′ = x. For training, before
/// the model's instance norm.
///
/// Source: the paper's section *Channel Mixup*; `exp/exp_long_term_forecasting.py`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::nn::cmamba::ChannelMixup;
/// use mlnotes::random::RandomState;
///
/// let mut mixup = ChannelMixup::draw(1, 2, 1.0, &mut RandomState::new(3))?;
/// // In place of what was drawn, numbers for the hand: each is given some of the other.
/// (mixup.permutation, mixup.lambda) = (vec![1, 0], Tensor::new(&[[10.0, -1.0]], &Device::Cpu)?);
/// let x = Tensor::new(&[[[1.0, 2.0], [3.0, 5.0]]], &Device::Cpu)?;
/// assert_eq!(mixup.apply(&x)?.to_vec3::<f64>()?, [[[21.0, 1.0], [53.0, 2.0]]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChannelMixup {
    /// π, one for the whole batch.
    pub permutation: Vec<usize>,
    /// λ, (batch, channels), in f64.
    pub lambda: Tensor,
}

impl ChannelMixup {
    /// π and then λ at random; `sigma` is 1 in most of the paper's settings, 3 for ETTh2 from 336 steps on.
    ///
    /// # Errors
    /// A batch of nothing; no channels; a `sigma` that is negative or not finite.
    pub fn draw(batch: usize, channels: usize, sigma: f64, random: &mut RandomState) -> Result<Self> {
        validate::at_least_one("batch", batch)?;
        validate::at_least_one("channels", channels)?;
        if !(sigma >= 0.0 && sigma.is_finite()) {
            return Err(Error::domain("sigma", sigma, "0 or more and finite, for instance 1"));
        }
        let permutation = random.permutation(channels);
        let lambda: Vec<f64> = (0..batch * channels).map(|_| sigma * random.normal()).collect();
        Ok(Self { permutation, lambda: Tensor::from_vec(lambda, (batch, channels), &Device::Cpu)? })
    }

    /// x′ of x (batch, any length, channels), of its kind of numbers and on its device; the target y is given to the same.
    ///
    /// # Errors
    /// Another batch or other channels; a permutation that names a channel there is not.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels) = self.lambda.dims2()?;
        if x.rank() != 3 || x.dims()[0] != batch || x.dims()[2] != channels {
            let expected = format!("({batch}, any length, {channels}), as was drawn for,");
            return Err(Error::shape("x", expected, x.dims()));
        }
        if self.permutation.len() != channels {
            let expected = format!("({channels}), one entry a channel,");
            return Err(Error::shape("permutation", expected, &[self.permutation.len()]));
        }
        if let Some(channel) = self.permutation.iter().find(|channel| **channel >= channels) {
            return Err(Error::domain("permutation", channel, format!("below {channels}, the number of channels")));
        }
        let order: Vec<u32> = self.permutation.iter().map(|channel| *channel as u32).collect();
        let others = x.contiguous()?.index_select(&Tensor::from_vec(order, channels, x.device())?, 2)?;
        let lambda = self.lambda.to_dtype(x.dtype())?.to_device(x.device())?.unsqueeze(1)?;
        Ok((x + others.broadcast_mul(&lambda)?)?)
    }
}
