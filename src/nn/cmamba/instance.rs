//! Each window by itself brought to one scale.

use candle_core::Tensor;

use crate::{Error, Result};

pub(super) const EPSILON: f64 = 1e-5;

/// What [`normalise`] gives: the window at one scale, and what to go back by.
#[derive(Clone, Debug)]
pub struct Normalised {
    /// x̂, (batch, length, channels).
    pub x: Tensor,
    /// μ, (batch, 1, channels).
    pub mean: Tensor,
    /// σ, (batch, 1, channels).
    pub deviation: Tensor,
}

/// Instance normalisation (实例归一化) of every window and channel over time.
///
/// x̂_t = (x_t − μ) / σ, μ = Σ_t x_t / L, σ = √(Σ_t (x_t − μ)² / L + 1e-5)
///
/// A channel that does not move becomes 0. There are no parameters here, unlike RevIN's.
///
/// # Shapes
/// `x`: (batch, length, channels), to the same.
///
/// # Errors
/// Another shape; no time at all.
///
/// Source: Kim et al., *Reversible instance normalization* (2022), equations 1 and 2, without their γ and β. The published
/// CMamba detaches μ, which shows only in a gradient by x.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::nn::cmamba::normalise;
///
/// let x = Tensor::new(&[[[1.0], [3.0]]], &Device::Cpu)?;
/// let normalised = normalise(&x)?;
/// let first = normalised.x.flatten_all()?.to_vec1::<f64>()?[0];
/// assert!((first + 1.0 / f64::sqrt(1.0 + 1e-5)).abs() < 1e-15);
/// // And back; a forecast may be of another length.
/// let back = normalised.undo(&normalised.x)?.flatten_all()?.to_vec1::<f64>()?;
/// assert!((back[0] - 1.0).abs() < 1e-15 && (back[1] - 3.0).abs() < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn normalise(x: &Tensor) -> Result<Normalised> {
    if x.rank() != 3 || x.dims()[1] == 0 {
        return Err(Error::shape("x", "(batch, length, channels), the length above 0,", x.dims()));
    }
    let mean = x.mean_keepdim(1)?;
    let centred = x.broadcast_sub(&mean)?;
    let deviation = (centred.sqr()?.mean_keepdim(1)? + EPSILON)?.sqrt()?;
    Ok(Normalised { x: centred.broadcast_div(&deviation)?, mean, deviation })
}

impl Normalised {
    /// y = μ + σ ŷ, for `y` (batch, any length, channels).
    ///
    /// # Errors
    /// Another batch or other channels.
    pub fn undo(&self, y: &Tensor) -> Result<Tensor> {
        let needed = self.mean.dims();
        if y.rank() != 3 || y.dims()[0] != needed[0] || y.dims()[2] != needed[2] {
            let expected = format!("({}, any length, {}), as was normalised,", needed[0], needed[2]);
            return Err(Error::shape("y", expected, y.dims()));
        }
        Ok(y.broadcast_mul(&self.deviation)?.broadcast_add(&self.mean)?)
    }
}
