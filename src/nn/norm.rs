//! The scale of a token's features, taken out.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, D, Layout, Shape, Tensor};

use super::slices::{self, Held, Number, by_dtype, entries, in_floats, same_device, same_dtype};
use crate::Result;

/// Root mean square normalisation (均方根归一化) over the last axis, with ε = 1e-5.
///
/// y_d = weight_d x_d / √(ε + Σ_e x_e² / D)
///
/// `weight` is (channels). One operation of candle's graph; gradients flow to both.
///
/// # On a GPU
/// Elsewhere than on the CPU it is put together from candle's operations, in f32 where the tensors are bf16.
///
/// # Errors
/// A weight of another length or kind of number; tensors on different devices.
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

pub(super) const EPSILON: f64 = 1e-5;

fn apply(x: &Tensor, weight: &Tensor) -> candle_core::Result<Tensor> {
    let channels = x.dims().last().copied().unwrap_or(0);
    if weight.dims() != [channels] || channels == 0 {
        candle_core::bail!("`weight` has the shape {:?}, but [{channels}] is needed, above 0", weight.dims());
    }
    same_dtype(x.dtype(), &[("weight", Some(weight))])?;
    same_device(x.device(), &[("weight", Some(weight))])?;
    if !x.device().is_cpu() {
        return composed(x, weight);
    }
    x.contiguous()?.apply_op2(&weight.contiguous()?, RmsNorm)
}

/// The same of candle's own operations, wherever the tensors are.
fn composed(x: &Tensor, weight: &Tensor) -> candle_core::Result<Tensor> {
    let (dtype, x, weight) = (x.dtype(), in_floats(x)?, in_floats(weight)?);
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + EPSILON)?.sqrt()?;
    x.broadcast_div(&scale)?.broadcast_mul(&weight)?.to_dtype(dtype)
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

#[cfg(test)]
mod tests {
    use super::super::slices::tests::{agree, normal};
    use super::{apply, composed};

    /// Planted: the sum for the mean; no ε. Each turns this red.
    #[test]
    fn the_composed_form_is_the_operation() {
        for shape in [&[1, 1][..], &[2, 5, 3], &[4, 7]] {
            let channels = shape[shape.len() - 1];
            // Small, so that ε counts.
            let inputs = [(normal(shape) * 0.01).unwrap(), normal(&[channels])];
            agree(&inputs, |[x, weight]| composed(x, weight), |[x, weight]| apply(x, weight));
        }
    }
}
