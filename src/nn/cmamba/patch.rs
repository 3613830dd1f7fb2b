//! A series in pieces that overlap.

use candle_core::Tensor;

use crate::{Error, Result, validate};

pub(super) fn patch_num(length: usize, patch_len: usize, stride: usize) -> Result<usize> {
    validate::at_least_one("patch_len", patch_len)?;
    validate::at_least_one("stride", stride)?;
    match (length + stride).checked_sub(patch_len) {
        Some(left) if length > 0 => Ok(left / stride + 1),
        _ => {
            let allowed = format!("at least {}, for one patch", patch_len.saturating_sub(stride).max(1));
            Err(Error::domain("seq_len", length, allowed))
        }
    }
}

/// Patching (补丁分割): the last step repeated `stride` times, then every `stride` steps a piece of `patch_len`.
///
/// p_{n,i} = x_{min(n · stride + i, L − 1)}, n < N = ⌊(L + stride − patch_len) / stride⌋ + 1
///
/// # Shapes
/// `x`: (batch, L, channels), to (batch, channels, N, patch_len).
///
/// # Errors
/// Another shape; a `patch_len` or `stride` of 0; too short a series for one patch.
///
/// Source: Nie et al., *A time series is worth 64 words* (2023), section 3.1, *Patching*.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::nn::cmamba::patches;
///
/// let x = Tensor::new(&[[[1.0], [2.0], [3.0], [4.0], [5.0]]], &Device::Cpu)?;
/// let patches = patches(&x, 4, 2)?.squeeze(0)?.to_vec3::<f64>()?;
/// assert_eq!(patches, [[[1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 5.0]]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn patches(x: &Tensor, patch_len: usize, stride: usize) -> Result<Tensor> {
    if x.rank() != 3 {
        return Err(Error::shape("x", "(batch, length, channels)", x.dims()));
    }
    let (batch, length, channels) = x.dims3()?;
    let number = patch_num(length, patch_len, stride)?;
    let times: Vec<u32> = (0..number * patch_len)
        .map(|place| (place / patch_len * stride + place % patch_len).min(length - 1) as u32)
        .collect();
    let times = Tensor::from_vec(times, number * patch_len, x.device())?;
    let series = x.transpose(1, 2)?.contiguous()?;
    Ok(series.index_select(&times, 2)?.reshape((batch, channels, number, patch_len))?)
}
