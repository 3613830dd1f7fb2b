//! What does a channel see of the times just before? A causal depthwise convolution (因果逐通道卷积), then SiLU.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};

use super::slices::{self, Held, Number, by_dtype, entries, in_floats, same_device, same_dtype};
use crate::Result;

/// The causal depthwise convolution of Mamba with its SiLU: (batch, length, channels) to the same.
///
/// y_{t,d} = SiLU(bias_d + Σ_k weight_{d,k} x_{t−K+1+k, d}), x before the first time 0, SiLU(p) = p / (1 + e^{−p})
///
/// `weight` is (channels, 1, K) as in a checkpoint, `bias` (channels). Both are one operation of candle's graph; gradients
/// flow to all three.
///
/// # On a GPU
/// Elsewhere than on the CPU it is put together from candle's operations, a product and a sum for each of the K taps, in
/// f32 where the tensors are bf16: right, and K times through memory where one kernel would go once.
///
/// # Errors
/// Tensors of other shapes or kinds of numbers, or on different devices.
///
/// Source: Gu and Dao, *Mamba* (2023), section 3.4 and figure 3.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::nn::causal_convolution;
///
/// let x = Tensor::new(&[1.0, 2.0, 4.0], &Device::Cpu)?.reshape((1, 3, 1))?;
/// let (weight, bias) = (Tensor::new(&[[[0.5, 1.0]]], &Device::Cpu)?, Tensor::new(&[0.0], &Device::Cpu)?);
/// let y = causal_convolution(&x, &weight, &bias)?.flatten_all()?.to_vec1::<f64>()?;
/// // 1, 2 + 0.5 · 1, 4 + 0.5 · 2, each times its logistic.
/// for (y, p) in y.iter().zip([1.0, 2.5, 5.0]) {
///     assert!((y - p / (1.0 + f64::exp(-p))).abs() < 1e-15);
/// }
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn causal_convolution(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    Ok(apply(x, weight, bias)?)
}

fn apply(x: &Tensor, weight: &Tensor, bias: &Tensor) -> candle_core::Result<Tensor> {
    let (_, _, channels) = x.dims3()?;
    let (rows, one, width) = weight.dims3()?;
    if (rows, one) != (channels, 1) || width == 0 || bias.dims() != [channels] {
        candle_core::bail!(
            "`weight` and `bias` have the shapes {:?} and {:?}, but ({channels}, 1, width) and ({channels}) are needed",
            weight.dims(),
            bias.dims()
        );
    }
    let parameters = [("weight", Some(weight)), ("bias", Some(bias))];
    same_dtype(x.dtype(), &parameters)?;
    same_device(x.device(), &parameters)?;
    if !x.device().is_cpu() {
        return composed(x, weight, bias);
    }
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Convolution)
}

/// The same of candle's own operations, wherever the tensors are.
fn composed(x: &Tensor, weight: &Tensor, bias: &Tensor) -> candle_core::Result<Tensor> {
    let (dtype, width, length) = (x.dtype(), weight.dim(2)?, x.dim(1)?);
    let [x, weight, bias] = [in_floats(x)?, in_floats(weight)?, in_floats(bias)?];
    let x = x.pad_with_zeros(1, width - 1, 0)?;
    let weight = weight.squeeze(1)?;
    let mut p = bias.broadcast_as((x.dim(0)?, length, x.dim(2)?))?;
    for k in 0..width {
        p = (p + x.narrow(1, k, length)?.broadcast_mul(&weight.narrow(1, k, 1)?.squeeze(1)?)?)?;
    }
    p.silu()?.to_dtype(dtype)
}

struct Convolution;

/// The weights with the width first, so that the inner loops run over channels.
struct Filter<T> {
    channels: usize,
    weight: Vec<T>,
}

impl<T: Number> Filter<T> {
    fn new(channels: usize, weight: &[T]) -> Self {
        let width = weight.len() / channels.max(1);
        let turned = (0..width).flat_map(|k| (0..channels).map(move |channel| weight[channel * width + k])).collect();
        Self { channels, weight: turned }
    }

    fn width(&self) -> usize {
        self.weight.len() / self.channels.max(1)
    }

    /// The weights' row and the time that they meet at `time`.
    fn taps(&self, time: usize) -> impl Iterator<Item = (usize, usize)> {
        let width = self.width();
        (0..width).filter_map(move |k| (time + k + 1).checked_sub(width).map(|earlier| (k, earlier)))
    }

    fn row<'a>(&self, values: &'a [T], row: usize) -> &'a [T] {
        &values[row * self.channels..(row + 1) * self.channels]
    }

    /// p at one time of a sequence.
    fn before_silu(&self, x: &[T], bias: &[T], time: usize, p: &mut [T]) {
        p.copy_from_slice(bias);
        for (k, earlier) in self.taps(time) {
            for ((p, &w), &x) in p.iter_mut().zip(self.row(&self.weight, k)).zip(self.row(x, earlier)) {
                *p += w * x;
            }
        }
    }
}

fn forward<T: Number>(
    x: (&CpuStorage, &Layout),
    weight: (&CpuStorage, &Layout),
    bias: (&CpuStorage, &Layout),
) -> candle_core::Result<(CpuStorage, Shape)> {
    let shape = x.1.shape().clone();
    let (_, length, channels) = shape.dims3()?;
    let (x, weight, bias) = (entries::<T>(x.0, x.1)?, entries::<T>(weight.0, weight.1)?, entries::<T>(bias.0, bias.1)?);
    let filter = Filter::new(channels, weight);
    let mut y = vec![T::zero(); x.len()];
    let sequence = (length * channels).max(1);
    for (x, y) in x.chunks(sequence).zip(y.chunks_mut(sequence)) {
        for (time, y) in y.chunks_mut(channels).enumerate() {
            filter.before_silu(x, bias, time, y);
        }
    }
    T::silu(&mut y);
    Ok((T::storage(y), shape))
}

/// dx, dweight, dbias.
fn backward<T: Number>(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    dy: &Tensor,
) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
    let (shape, (_, length, channels)) = (x.shape().clone(), x.dims3()?);
    let dy = dy.contiguous()?;
    let held = [x, weight, bias, &dy].map(Held::of);
    let [x, weight, bias, dy] = &held;
    let (x, weight, bias, dy) = (x.entries::<T>()?, weight.entries::<T>()?, bias.entries::<T>()?, dy.entries::<T>()?);
    let filter = Filter::new(channels, weight);
    let width = filter.width();
    let (mut dx, mut dw, mut db) =
        (vec![T::zero(); x.len()], vec![T::zero(); width * channels], vec![T::zero(); channels]);
    let mut dp = vec![T::zero(); channels];
    let sequence = (length * channels).max(1);
    for ((x, dy), dx) in x.chunks(sequence).zip(dy.chunks(sequence)).zip(dx.chunks_mut(sequence)) {
        for (time, dy) in dy.chunks(channels).enumerate() {
            filter.before_silu(x, bias, time, &mut dp);
            T::silu_backward(&mut dp, dy);
            for (db, &dp) in db.iter_mut().zip(&dp) {
                *db += dp;
            }
            for (k, earlier) in filter.taps(time) {
                let (w, x) = (filter.row(&filter.weight, k), filter.row(x, earlier));
                let dx = &mut dx[earlier * channels..(earlier + 1) * channels];
                let dw = &mut dw[k * channels..(k + 1) * channels];
                for ((((dx, dw), &w), &x), &dp) in dx.iter_mut().zip(dw).zip(w).zip(x).zip(&dp) {
                    *dx += w * dp;
                    *dw += x * dp;
                }
            }
        }
    }
    let turned: Vec<T> = (0..channels)
        .flat_map(|channel| (0..width).map(move |k| (channel, k)))
        .map(|(channel, k)| dw[k * channels + channel])
        .collect();
    Ok((
        Some(slices::tensor(dx, shape)?),
        Some(slices::tensor(turned, (channels, 1, width))?),
        Some(slices::tensor(db, channels)?),
    ))
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "causal-convolution"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        by_dtype!(
            x.dtype(),
            "the causal convolution",
            forward((x, x_layout), (weight, weight_layout), (bias, bias_layout))
        )
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        by_dtype!(x.dtype(), "the causal convolution", backward(x, weight, bias, dy))
    }
}

#[cfg(test)]
mod tests {
    use super::super::slices::tests::{agree, normal};
    use super::{apply, composed};

    /// Planted: a tap one time late; the weights turned; no SiLU. Each turns this red.
    #[test]
    fn the_composed_form_is_the_operation() {
        for (batch, length, channels, width) in [(1, 1, 1, 1), (2, 7, 3, 4), (1, 2, 5, 4), (2, 5, 4, 1)] {
            let inputs = [normal(&[batch, length, channels]), normal(&[channels, 1, width]), normal(&[channels])];
            agree(&inputs, |[x, weight, bias]| composed(x, weight, bias), |[x, weight, bias]| apply(x, weight, bias));
        }
    }
}
