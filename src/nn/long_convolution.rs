//! Convolutions as long as the sequence, and the kernels of diagonal state space models.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use ndarray::{Array2, ArrayView2, Axis};

use super::slices::{self, Held, Number, by_dtype, entries, on_cpu, same_dtype};
use crate::Result;
use crate::ssm::lti::Convolution;

/// A causal convolution of every channel with a kernel of its own, by FFT; gradients flow to both.
///
/// y_{b,t,d} = Σ_{j ≤ t} K_{d,j} u_{b,t−j,d}
///
/// # Shapes
/// `u` and the result (batch, length, channels), `kernel` (channels, taps).
///
/// # Numerics
/// Computed in f64 also for f32; O(L log L), see [`Convolution::apply`] for its rounding.
///
/// # Errors
/// Other shapes or kinds of numbers, no taps, numbers that are not finite, tensors not on the CPU.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::nn::long_convolution;
///
/// let u = Tensor::new(&[[[1.0], [2.0], [4.0]]], &Device::Cpu)?;
/// // Each time and the one before.
/// let y = long_convolution(&u, &Tensor::new(&[[1.0, 1.0]], &Device::Cpu)?)?;
/// for (y, want) in y.flatten_all()?.to_vec1::<f64>()?.iter().zip([1.0, 3.0, 6.0]) {
///     assert!((y - want).abs() < 1e-14);
/// }
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn long_convolution(u: &Tensor, kernel: &Tensor) -> Result<Tensor> {
    let (_, _, channels) = u.dims3()?;
    let (rows, _) = kernel.dims2()?;
    if rows != channels {
        return Err(crate::Error::shape("kernel", format!("({channels}, taps), a row per channel,"), kernel.dims()));
    }
    same_dtype(u.dtype(), &[("kernel", Some(kernel))])?;
    on_cpu("the long convolution", &[u, kernel])?;
    Ok(u.contiguous()?.apply_op2(&kernel.contiguous()?, LongConvolution)?)
}

/// The kernel of diagonal state space models, a sum of exponentials in each channel; gradients flow to both.
///
/// K_{h,l} = 2 Re Σ_n c_{h,n} e^{l s_{h,n}}, l = 0 … length − 1
///
/// # Shapes
/// `exponents` s and `coefficients` c are (channels, modes, 2), real and imaginary parts last; the result is (channels,
/// length).
///
/// # Numerics
/// Powers by repeated products in f64.
///
/// # Errors
/// Other shapes or kinds of numbers, tensors not on the CPU.
///
/// Source: Gu, Gupta, Goel and Ré, *On the parameterization and initialization of diagonal state space models* (2022),
/// section 3.3.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::nn::exponential_kernel;
///
/// // c = 1/2 and s = log(1/2): 1, 1/2, 1/4.
/// let (s, c) = (Tensor::new(&[[[0.5f64.ln(), 0.0]]], &Device::Cpu)?, Tensor::new(&[[[0.5, 0.0]]], &Device::Cpu)?);
/// let kernel = exponential_kernel(&s, &c, 3)?.flatten_all()?.to_vec1::<f64>()?;
/// assert!(kernel.iter().zip([1.0, 0.5, 0.25]).all(|(k, want)| (k - want).abs() < 1e-15));
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn exponential_kernel(exponents: &Tensor, coefficients: &Tensor, length: usize) -> Result<Tensor> {
    let (_, _, parts) = exponents.dims3()?;
    if parts != 2 {
        return Err(crate::Error::shape("exponents", "(channels, modes, 2)", exponents.dims()));
    }
    if coefficients.dims() != exponents.dims() {
        return Err(crate::Error::shape(
            "coefficients",
            format!("{:?}, as the exponents,", exponents.dims()),
            coefficients.dims(),
        ));
    }
    same_dtype(exponents.dtype(), &[("coefficients", Some(coefficients))])?;
    on_cpu("the exponential kernel", &[exponents, coefficients])?;
    Ok(exponents.contiguous()?.apply_op2(&coefficients.contiguous()?, ExponentialKernel { length })?)
}

struct LongConvolution;

/// f64 copies of (batch, length, channels), for each of the batch (length, channels).
fn batch<T: Number>(values: &[T], shape: &Shape) -> candle_core::Result<Vec<Array2<f64>>> {
    let (_, length, channels) = shape.dims3()?;
    let one =
        |values: &[T]| Array2::from_shape_vec((length, channels), in_f64(values)).map_err(candle_core::Error::wrap);
    values.chunks_exact((length * channels).max(1)).map(one).collect()
}

fn in_f64<T: Number>(values: &[T]) -> Vec<f64> {
    values.iter().map(|x| x.to_f64()).collect()
}

/// y for each of a batch.
fn convolve(kernel: &ArrayView2<'_, f64>, inputs: &[Array2<f64>]) -> Result<Vec<Array2<f64>>> {
    let convolution = Convolution::per_channel(kernel, inputs.first().map_or(0, Array2::nrows))?;
    inputs.iter().map(|u| convolution.apply(u)).collect()
}

/// The last time first.
fn reversed(x: &Array2<f64>) -> Array2<f64> {
    x.slice(ndarray::s![..;-1, ..]).to_owned()
}

fn flat<T: Number>(arrays: &[Array2<f64>]) -> Vec<T> {
    arrays.iter().flat_map(|array| array.iter().map(|&x| T::from_f64(x))).collect()
}

fn convolve_forward<T: Number>(
    u: (&CpuStorage, &Layout),
    kernel: (&CpuStorage, &Layout),
) -> candle_core::Result<(CpuStorage, Shape)> {
    let shape = u.1.shape().clone();
    let weights = in_f64(entries::<T>(kernel.0, kernel.1)?);
    let kernel = ArrayView2::from_shape(kernel.1.shape().dims2()?, &weights).map_err(candle_core::Error::wrap)?;
    let y = convolve(&kernel, &batch(entries::<T>(u.0, u.1)?, &shape)?).map_err(candle_core::Error::wrap)?;
    Ok((T::storage(flat(&y)), shape))
}

/// Backward in time both gradients are causal convolutions too: du of dy with the kernel, dK of dy with u.
fn convolve_backward<T: Number>(
    u: &Tensor,
    kernel: &Tensor,
    dy: &Tensor,
) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
    let (shape, dy) = (u.shape(), dy.contiguous()?);
    let held = [u, kernel, &dy].map(Held::of);
    let [u, weights, dy] = &held;
    let inputs = batch(u.entries::<T>()?, shape)?;
    let late: Vec<Array2<f64>> = batch(dy.entries::<T>()?, shape)?.iter().map(reversed).collect();
    let (channels, taps) = kernel.dims2()?;
    let weights = in_f64(weights.entries::<T>()?);
    let weights = ArrayView2::from_shape((channels, taps), &weights).map_err(candle_core::Error::wrap)?;
    let du = convolve(&weights, &late).map_err(candle_core::Error::wrap)?;
    let du: Vec<Array2<f64>> = du.iter().map(reversed).collect();

    let mut dkernel = Array2::<f64>::zeros((taps, channels));
    for (u, dy) in inputs.iter().zip(&late) {
        let pair = std::slice::from_ref(dy);
        let slopes = convolve(&u.t(), pair).map_err(candle_core::Error::wrap)?;
        for (mut sum, slope) in dkernel.axis_iter_mut(Axis(0)).zip(reversed(&slopes[0]).rows()) {
            sum += &slope;
        }
    }
    let dkernel = dkernel.t().iter().map(|&x| T::from_f64(x)).collect();
    Ok((Some(slices::tensor(flat::<T>(&du), shape)?), Some(slices::tensor::<T>(dkernel, (channels, taps))?)))
}

impl CustomOp2 for LongConvolution {
    fn name(&self) -> &'static str {
        "long-convolution"
    }

    fn cpu_fwd(
        &self,
        u: &CpuStorage,
        u_layout: &Layout,
        kernel: &CpuStorage,
        kernel_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        by_dtype!(u.dtype(), "the convolution", convolve_forward((u, u_layout), (kernel, kernel_layout)))
    }

    fn bwd(
        &self,
        u: &Tensor,
        kernel: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        by_dtype!(u.dtype(), "the convolution", convolve_backward(u, kernel, dy))
    }
}

struct ExponentialKernel {
    length: usize,
}

/// One mode: e^{s} and c.
fn mode<T: Number>(s: &[T], c: &[T]) -> ([f64; 2], [f64; 2]) {
    let (scale, turn) = (s[0].to_f64().exp(), s[1].to_f64());
    ([scale * turn.cos(), scale * turn.sin()], [c[0].to_f64(), c[1].to_f64()])
}

fn times(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn kernel_forward<T: Number>(
    s: (&CpuStorage, &Layout),
    c: (&CpuStorage, &Layout),
    length: usize,
) -> candle_core::Result<(CpuStorage, Shape)> {
    let (channels, modes, _) = s.1.shape().dims3()?;
    let (s, c) = (entries::<T>(s.0, s.1)?, entries::<T>(c.0, c.1)?);
    let mut kernel = vec![0.0; channels * length];
    if modes * length > 0 {
        let of_channels = s.chunks(2 * modes).zip(c.chunks(2 * modes)).zip(kernel.chunks_mut(length));
        for ((s, c), kernel) in of_channels {
            for (s, c) in s.chunks(2).zip(c.chunks(2)) {
                let (z, mut term) = mode(s, c);
                for k in kernel.iter_mut() {
                    *k += 2.0 * term[0];
                    term = times(term, z);
                }
            }
        }
    }
    Ok((T::storage(kernel.into_iter().map(T::from_f64).collect()), Shape::from((channels, length))))
}

/// dc = 2 Σ dK_l conj(z^l), ds = 2 Σ dK_l l conj(c z^l), both as (∂/∂Re, ∂/∂Im).
fn kernel_backward<T: Number>(
    s: &Tensor,
    c: &Tensor,
    dk: &Tensor,
    length: usize,
) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
    let (shape, (_, modes, _)) = (s.shape().clone(), s.dims3()?);
    let dk = dk.contiguous()?;
    let held = [s, c, &dk].map(Held::of);
    let [s, c, dk] = &held;
    let (s, c, dk) = (s.entries::<T>()?, c.entries::<T>()?, dk.entries::<T>()?);
    let (mut ds, mut dc) = (Vec::with_capacity(s.len()), Vec::with_capacity(c.len()));
    for (place, (s, c)) in s.chunks(2).zip(c.chunks(2)).enumerate() {
        let channel = place / modes;
        let (z, c) = mode(s, c);
        let (mut power, mut by_s, mut by_c) = ([1.0, 0.0], [0.0; 2], [0.0; 2]);
        for (l, dk) in dk[channel * length..(channel + 1) * length].iter().enumerate() {
            let (dk, term) = (2.0 * dk.to_f64(), times(c, power));
            by_c = [by_c[0] + dk * power[0], by_c[1] - dk * power[1]];
            by_s = [by_s[0] + dk * l as f64 * term[0], by_s[1] - dk * l as f64 * term[1]];
            power = times(power, z);
        }
        ds.extend(by_s.map(T::from_f64));
        dc.extend(by_c.map(T::from_f64));
    }
    Ok((Some(slices::tensor(ds, shape.clone())?), Some(slices::tensor(dc, shape)?)))
}

impl CustomOp2 for ExponentialKernel {
    fn name(&self) -> &'static str {
        "exponential-kernel"
    }

    fn cpu_fwd(
        &self,
        s: &CpuStorage,
        s_layout: &Layout,
        c: &CpuStorage,
        c_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        by_dtype!(s.dtype(), "the kernel", kernel_forward((s, s_layout), (c, c_layout), self.length))
    }

    fn bwd(
        &self,
        s: &Tensor,
        c: &Tensor,
        _kernel: &Tensor,
        dkernel: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        by_dtype!(s.dtype(), "the kernel", kernel_backward(s, c, dkernel, self.length))
    }
}
