//! The scale of a token's features, taken out.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};

use super::slices::{self, Held, Number, by_dtype, entries, same_dtype};
use crate::Result;

/// Root mean square normalisation (均方根归一化) over the last axis, with ε = 1e-5.
///
/// y_d = weight_d x_d / √(ε + Σ_e x_e² / D)
///
/// `weight` is (channels). One operation of candle's graph; gradients flow to both.
///
/// # Errors
/// A weight of another length or kind of number; tensors not on the CPU.
///
/// Source: Zhang and Sennrich, *Root mean square layer normalization* (2019), equation 4.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::nn::rms_norm;
///
/// let (x, weight) = (Tensor::new(&[[3.0, 4.0]], &Device::Cpu)?, Tensor::new(&[1.0, 2.0], &Device::Cpu)?);
/// let y = rms_norm(&x, &weight)?.to_vec2::<f64>()?;
/// // The mean square is 12.5.
/// assert!((y[0][0] - 3.0 / f64::sqrt(12.5 + 1e-5)).abs() < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn rms_norm(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    Ok(apply(x, weight)?)
}

const EPSILON: f64 = 1e-5;

fn apply(x: &Tensor, weight: &Tensor) -> candle_core::Result<Tensor> {
    let channels = x.dims().last().copied().unwrap_or(0);
    if weight.dims() != [channels] || channels == 0 {
        candle_core::bail!("`weight` has the shape {:?}, but [{channels}] is needed, above 0", weight.dims());
    }
    same_dtype(x.dtype(), &[("weight", Some(weight))])?;
    x.contiguous()?.apply_op2(&weight.contiguous()?, RmsNorm)
}

struct RmsNorm;

/// 1 / √(ε + mean of x²).
fn scale<T: Number>(x: &[T]) -> T {
    let squares: T = x.iter().fold(T::zero(), |sum, &x| sum + x * x);
    (squares / T::from_f64(x.len() as f64) + T::from_f64(EPSILON)).rsqrt()
}

fn forward<T: Number>(
    x: (&CpuStorage, &Layout),
    weight: (&CpuStorage, &Layout),
) -> candle_core::Result<(CpuStorage, Shape)> {
    let shape = x.1.shape().clone();
    let (x, weight) = (entries::<T>(x.0, x.1)?, entries::<T>(weight.0, weight.1)?);
    let mut y = Vec::with_capacity(x.len());
    for x in x.chunks(weight.len()) {
        let scale = scale(x);
        y.extend(x.iter().zip(weight).map(|(&x, &weight)| x * scale * weight));
    }
    Ok((T::storage(y), shape))
}

/// With x̂ = x · scale: dweight = Σ dy x̂, dx = scale (weight dy − x̂ · mean of (weight dy x̂)).
fn backward<T: Number>(
    x: &Tensor,
    weight: &Tensor,
    dy: &Tensor,
) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
    let (shape, dy) = (x.shape().clone(), dy.contiguous()?);
    let held = [x, weight, &dy].map(Held::of);
    let [x, weight, dy] = &held;
    let (x, weight, dy) = (x.entries::<T>()?, weight.entries::<T>()?, dy.entries::<T>()?);
    let channels = weight.len();
    let (mut dx, mut dweight) = (Vec::with_capacity(x.len()), vec![T::zero(); channels]);
    for (x, dy) in x.chunks(channels).zip(dy.chunks(channels)) {
        let scale = scale(x);
        let mut mean = T::zero();
        for (((dweight, &x), &dy), &weight) in dweight.iter_mut().zip(x).zip(dy).zip(weight) {
            *dweight += dy * x * scale;
            mean += weight * dy * x * scale;
        }
        mean /= T::from_f64(channels as f64);
        dx.extend(x.iter().zip(dy).zip(weight).map(|((&x, &dy), &weight)| scale * (weight * dy - x * scale * mean)));
    }
    Ok((Some(slices::tensor(dx, shape)?), Some(slices::tensor(dweight, channels)?)))
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), "rms_norm", forward((x, x_layout), (weight, weight_layout)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        by_dtype!(x.dtype(), "rms_norm", backward(x, weight, dy))
    }
}
