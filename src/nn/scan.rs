//! The selective scan within candle's graph.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "candle-cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Device, Layout, Shape, Tensor};

#[cfg(any(feature = "emulate", feature = "candle-cuda"))]
use super::kernels;
use super::slices::{self, Held, Number, by_dtype, entries, same_dtype};
use crate::Result;
#[cfg(feature = "emulate")]
use crate::kernels::emulate::{Module, Order};
use crate::numerics::threads;
use crate::ssm::selective::{self, Gradients, Inputs, Kept};

/// The tensors of a [`selective_scan`].
///
/// | field | paper | shape | |
/// | --- | --- | --- | --- |
/// | `u` | x | (batch, length, channels) | |
/// | `delta` | Δ before softplus | (batch, length, channels) | |
/// | `a` | A | (channels, state) | 0 or below |
/// | `b` | B | (batch, length, state) | |
/// | `c` | C | (batch, length, state) | |
/// | `d` | D | (channels) | adds D u |
/// | `z` | z | (batch, length, channels) | y is multiplied by SiLU(z) |
/// | `delta_bias` | the Parameter in Δ | (channels) | added to `delta` |
/// | `initial` | h_0 | (batch, channels, state) | no gradient flows to it |
#[derive(Clone, Copy, Debug)]
pub struct ScanInputs<'a> {
    /// What goes in.
    pub u: &'a Tensor,
    /// The step.
    pub delta: &'a Tensor,
    /// The dynamics.
    pub a: &'a Tensor,
    /// How it is written to the state.
    pub b: &'a Tensor,
    /// How the state is read.
    pub c: &'a Tensor,
    /// The way past the state.
    pub d: Option<&'a Tensor>,
    /// The gate.
    pub z: Option<&'a Tensor>,
    /// A bias of the step.
    pub delta_bias: Option<&'a Tensor>,
    /// Whether the step is softplus(delta + bias), as in Mamba.
    pub softplus: bool,
    /// The state before the first time; 0 if there is none.
    pub initial: Option<&'a Tensor>,
}

/// The selective scan (选择性扫描) of [`ssm::selective`](crate::ssm::selective), with gradients for every input but the
/// initial state; gives y (batch, length, channels) and the last state (batch, channels, state), which carries no gradient.
///
/// h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t u_t, y_t = (C_t h_t + D u_t) SiLU(z_t)
///
/// # Numerics
/// The backward pass computes the states again instead of having stored them, from one in 32 times that the forward pass
/// keeps where a gradient will be asked for: memory O(batch · length · channels).
///
/// # On a GPU
/// With the feature `candle-cuda`, tensors on a CUDA device are given to the kernels of `kernels/selective_scan.cu`, which work
/// in candle's memory and stream; nothing is copied to the host. They take f32, or bf16 for `u`, `delta`, `b`, `c` and `z` with
/// the rest in bf16 or f32; every sum is f32. Which version runs: without gradients what
/// `kernels::selective_scan::Version::for_device` says, with them the fused one, which keeps one state in 8. The numbers themselves are not looked at there: a NaN
/// comes out as NaN, and an A above 0 grows. Gradients of A, B, C, D and the bias are summed by atomics, so their last bits
/// vary from run to run.
///
/// # Errors
/// Tensors of other shapes or kinds of numbers, on different devices; on the CPU numbers that are not finite, A above 0, a
/// negative step; on a GPU f64, more than 96 states a channel or 64 with gradients, an empty batch or sequence; a device
/// that is neither.
///
/// Source: Gu and Dao, *Mamba* (2023), Algorithm 2 and section 3.3.
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use mlnotes::nn::{ScanInputs, selective_scan};
///
/// let row = |values: [f64; 3]| Tensor::new(&values, &Device::Cpu)?.reshape((1, 3, 1));
/// // A = 0 keeps, B = C = 1: a running sum of Δ u.
/// let (u, ones) = (Var::from_tensor(&row([1.0, 2.0, 3.0])?)?, row([1.0; 3])?);
/// let (delta, a) = (row([1.0, 0.5, 1.0])?, Tensor::zeros((1, 1), candle_core::DType::F64, &Device::Cpu)?);
/// let inputs = ScanInputs {
///     u: &u, delta: &delta, a: &a, b: &ones, c: &ones,
///     d: None, z: None, delta_bias: None, softplus: false, initial: None,
/// };
/// let (y, last) = selective_scan(&inputs)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f64>()?, [1.0, 2.0, 5.0]);
/// assert_eq!(last.flatten_all()?.to_vec1::<f64>()?, [5.0]);
/// // u_1 is in all three sums, u_2 by half in two of them.
/// let slopes = y.sum_all()?.backward()?;
/// assert_eq!(slopes.get(&u).unwrap().flatten_all()?.to_vec1::<f64>()?, [3.0, 1.0, 1.0]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn selective_scan(inputs: &ScanInputs<'_>) -> Result<(Tensor, Tensor)> {
    Ok(apply(inputs, Means::OfDevice)?)
}

/// What [`selective_scan`] does on a GPU, kernels and gradients and the choice of the version, for tensors on the CPU:
/// `module` is [`SELECTIVE_SCAN`](crate::kernels::SELECTIVE_SCAN) under emulation, or an edited copy. For small sizes.
///
/// # Errors
/// As [`selective_scan`] on a GPU, for tensors that are not on the CPU; whatever the emulator finds the kernels to do wrong.
///
/// ```
/// use std::sync::Arc;
/// use candle_core::{DType, Device, Tensor, Var};
/// use mlnotes::kernels::{SELECTIVE_SCAN, emulate::{Module, Order}};
/// use mlnotes::nn::{ScanInputs, emulated_selective_scan};
///
/// let row = |values: [f32; 3]| Tensor::new(&values, &Device::Cpu)?.reshape((1, 3, 1));
/// let (u, ones, delta) = (Var::from_tensor(&row([1.0, 2.0, 3.0])?)?, row([1.0; 3])?, row([1.0, 0.5, 1.0])?);
/// let inputs = ScanInputs {
///     u: &u, delta: &delta, a: &Tensor::zeros((1, 1), DType::F32, &Device::Cpu)?, b: &ones, c: &ones,
///     d: None, z: None, delta_bias: None, softplus: false, initial: None,
/// };
/// let module = Arc::new(Module::load(SELECTIVE_SCAN)?);
/// let (y, _) = emulated_selective_scan(&inputs, &module, Order::default())?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [1.0, 2.0, 5.0]);
/// let slopes = y.sum_all()?.backward()?;
/// assert_eq!(slopes.get(&u).unwrap().flatten_all()?.to_vec1::<f32>()?, [3.0, 1.0, 1.0]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[cfg(feature = "emulate")]
pub fn emulated_selective_scan(
    inputs: &ScanInputs<'_>,
    module: &Arc<Module>,
    order: Order,
) -> Result<(Tensor, Tensor)> {
    let emulator = kernels::emulated::Emulator { module: module.clone(), order };
    Ok(apply(inputs, Means::Emulator(emulator))?)
}

/// What computes a scan.
enum Means {
    /// Slices on the CPU, kernels on a GPU.
    OfDevice,
    #[cfg(feature = "emulate")]
    Emulator(kernels::emulated::Emulator),
}

impl Means {
    /// Whether it is this crate's kernels; an error where there is nothing for the device.
    fn are_kernels(&self, device: &Device) -> candle_core::Result<bool> {
        match (self, device) {
            (Self::OfDevice, Device::Cpu) => Ok(false),
            #[cfg(feature = "candle-cuda")]
            (Self::OfDevice, Device::Cuda(_)) => Ok(true),
            #[cfg(feature = "emulate")]
            (Self::Emulator(_), Device::Cpu) => Ok(true),
            #[cfg(feature = "emulate")]
            (Self::Emulator(_), _) => {
                candle_core::bail!("the emulator works on the CPU: `to_device(&Device::Cpu)` all inputs")
            }
            (Self::OfDevice, other) => slices::nothing_for("the selective scan", other),
        }
    }
}

fn apply(inputs: &ScanInputs<'_>, means: Means) -> candle_core::Result<(Tensor, Tensor)> {
    let ScanInputs { u, delta, a, b, c, d, z, delta_bias, softplus, initial } = *inputs;
    let sequences = [("u", Some(u)), ("delta", Some(delta)), ("b", Some(b)), ("c", Some(c)), ("z", z)];
    let rest = [("a", Some(a)), ("d", d), ("delta_bias", delta_bias), ("initial", initial)];
    let by_kernels = means.are_kernels(u.device())?;
    slices::same_device(u.device(), &sequences)?;
    slices::same_device(u.device(), &rest)?;
    let shape = scan_shape(inputs)?;
    let tracked = [sequences.as_slice(), &rest[..3]].concat().iter().any(|(_, x)| x.is_some_and(Tensor::track_op));
    let (ready, floats): (Prepare, Prepare) = match by_kernels {
        false => {
            same_dtype(u.dtype(), &sequences)?;
            same_dtype(u.dtype(), &rest)?;
            (Tensor::contiguous, Tensor::contiguous)
        }
        #[cfg(any(feature = "emulate", feature = "candle-cuda"))]
        true => {
            kernels::validate_dtypes(&sequences, &rest)?;
            kernels::validate_shape(shape, tracked)?;
            (kernels::aligned, |tensor| kernels::aligned(&tensor.to_dtype(DType::F32)?))
        }
        #[cfg(not(any(feature = "emulate", feature = "candle-cuda")))]
        true => slices::nothing_for("the selective scan", u.device())?,
    };
    let gradients: Store = Arc::default();
    let scan = Scan {
        means,
        shape,
        softplus,
        a: floats(a)?,
        b: ready(b)?,
        c: ready(c)?,
        d: d.map(floats).transpose()?,
        z: z.map(ready).transpose()?,
        delta_bias: delta_bias.map(floats).transpose()?,
        initial: initial.map(floats).transpose()?.map(|tensor| tensor.detach()),
        last: Arc::default(),
        kept: tracked.then(Mutex::default),
        gradients: gradients.clone(),
    };
    // candle knows operations of three inputs; the others hang on a chain that ends in the third.
    let mut token = Tensor::zeros((), u.dtype(), u.device())?;
    for (place, input) in scan.tracked().into_iter().enumerate() {
        if let Some(input) = input {
            token = input.apply_op2(&token, Tap { place, gradients: gradients.clone() })?;
        }
    }
    let last = scan.last.clone();
    let y = ready(u)?.apply_op3(&ready(delta)?, &token, scan)?;
    let last = lock(&last).take();
    last.map_or_else(|| candle_core::bail!("the scan left no last state"), |last| Ok((y, last)))
}

/// Brings an input into the form that the scan reads.
type Prepare = fn(&Tensor) -> candle_core::Result<Tensor>;

/// The lengths, and an error if any tensor has others.
fn scan_shape(inputs: &ScanInputs<'_>) -> candle_core::Result<selective::Shape> {
    let (batch, length, channels) = inputs.u.dims3()?;
    let state = inputs.a.dims2()?.1;
    let sequence = vec![batch, length, channels];
    let needed = [
        ("delta", Some(inputs.delta), sequence.clone()),
        ("a", Some(inputs.a), vec![channels, state]),
        ("b", Some(inputs.b), vec![batch, length, state]),
        ("c", Some(inputs.c), vec![batch, length, state]),
        ("d", inputs.d, vec![channels]),
        ("z", inputs.z, sequence),
        ("delta_bias", inputs.delta_bias, vec![channels]),
        ("initial", inputs.initial, vec![batch, channels, state]),
    ];
    for (name, tensor, shape) in needed {
        if let Some(tensor) = tensor
            && tensor.dims() != shape
        {
            candle_core::bail!("`{name}` has the shape {:?}, but {shape:?} is needed", tensor.dims());
        }
    }
    Ok(selective::Shape { batch, length, channels, state })
}

/// Gradients on their way from the scan to the inputs that are not among its three: A, B, C, D, z, the bias.
type Store = Arc<Mutex<[Option<Tensor>; 6]>>;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hangs an input on the chain: forward it gives a number that nobody reads, backward the gradient that the scan has left.
struct Tap {
    place: usize,
    gradients: Store,
}

impl CustomOp2 for Tap {
    fn name(&self) -> &'static str {
        "selective-scan-input"
    }

    fn cpu_fwd(
        &self,
        s: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let number = if s.dtype() == DType::F64 { CpuStorage::F64(vec![0.0]) } else { CpuStorage::F32(vec![0.0]) };
        Ok((number, Shape::from(())))
    }

    #[cfg(feature = "candle-cuda")]
    fn cuda_fwd(
        &self,
        s: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        let number = CudaStorage::wrap_cuda_slice(s.device().alloc_zeros::<f32>(1)?, s.device().clone());
        Ok((number, Shape::from(())))
    }

    fn bwd(
        &self,
        _input: &Tensor,
        token: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((lock(&self.gradients)[self.place].take(), Some(token.zeros_like()?)))
    }
}

pub(super) struct Scan {
    means: Means,
    pub(super) shape: selective::Shape,
    pub(super) softplus: bool,
    pub(super) a: Tensor,
    pub(super) b: Tensor,
    pub(super) c: Tensor,
    pub(super) d: Option<Tensor>,
    pub(super) z: Option<Tensor>,
    pub(super) delta_bias: Option<Tensor>,
    pub(super) initial: Option<Tensor>,
    pub(super) last: Arc<Mutex<Option<Tensor>>>,
    /// A [`Kept`] of the inputs' numbers, or the kernels' states as a tensor, where a backward pass may follow.
    pub(super) kept: Option<Mutex<Option<Arc<dyn Any + Send + Sync>>>>,
    gradients: Store,
}

impl Scan {
    /// Those of the inputs on the chain that a gradient is asked for, at their places in the [`Store`].
    fn tracked(&self) -> [Option<&Tensor>; 6] {
        let Self { a, b, c, d, z, delta_bias, .. } = self;
        let all = [Some(a), Some(b), Some(c), d.as_ref(), z.as_ref(), delta_bias.as_ref()];
        all.map(|input| input.filter(|input| input.track_op()))
    }

    /// Leaves gradients for the inputs on the chain; one that nobody asked for would stay as long as the graph.
    pub(super) fn leave(&self, mut gradients: [Option<Tensor>; 6]) {
        for (gradient, input) in gradients.iter_mut().zip(self.tracked()) {
            *gradient = gradient.take().filter(|_| input.is_some());
        }
        *lock(&self.gradients) = gradients;
    }

    /// What `function` makes of the inputs as slices.
    fn with_inputs<T: Number, R>(
        &self,
        u: &[T],
        delta: &[T],
        function: impl FnOnce(&Inputs<'_, T>) -> Result<R>,
    ) -> candle_core::Result<R> {
        let (a, b, c) = (Held::of(&self.a), Held::of(&self.b), Held::of(&self.c));
        let optional = [&self.d, &self.z, &self.delta_bias, &self.initial].map(|tensor| tensor.as_ref().map(Held::of));
        let [d, z, bias, initial] = &optional;
        let (a, b, c) = (a.entries::<T>()?, b.entries::<T>()?, c.entries::<T>()?);
        let made = || -> Result<R> {
            let mut inputs = Inputs::new(self.shape, u, delta, a, b, c)?.softplus(self.softplus);
            if let Some(d) = d {
                inputs = inputs.d(d.entries()?)?;
            }
            if let Some(z) = z {
                inputs = inputs.z(z.entries()?)?;
            }
            if let Some(bias) = bias {
                inputs = inputs.delta_bias(bias.entries()?)?;
            }
            if let Some(initial) = initial {
                inputs = inputs.initial(initial.entries()?)?;
            }
            function(&inputs)
        };
        made().map_err(candle_core::Error::wrap)
    }
}

fn forward<T: Number>(
    scan: &Scan,
    u: (&CpuStorage, &Layout),
    delta: (&CpuStorage, &Layout),
) -> candle_core::Result<(CpuStorage, Shape)> {
    let (u, delta) = (entries::<T>(u.0, u.1)?, entries::<T>(delta.0, delta.1)?);
    let selective::Shape { batch, length, channels, state } = scan.shape;
    let mut y = vec![T::zero(); batch * length * channels];
    let mut last = vec![T::zero(); batch * channels * state];
    let (to_y, to_last) = (&mut y, &mut last);
    match &scan.kept {
        None => {
            scan.with_inputs(u, delta, |inputs| selective::selective_scan_into(inputs, threads(), to_y, Some(to_last)))?
        }
        Some(kept) => {
            let mut states = Kept::<T>::new(scan.shape);
            let to = &mut states;
            scan.with_inputs(u, delta, |inputs| {
                selective::selective_scan_keeping(inputs, threads(), to_y, Some(to_last), to)
            })?;
            *lock(kept) = Some(Arc::new(states));
        }
    }
    *lock(&scan.last) = Some(slices::tensor(last, (batch, channels, state))?);
    Ok((T::storage(y), Shape::from((batch, length, channels))))
}

fn backward<T: Number>(scan: &Scan, u: &Tensor, delta: &Tensor, dy: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
    let dy = dy.contiguous()?;
    let (u, delta, dy) = (Held::of(u), Held::of(delta), Held::of(&dy));
    let (u, delta, dy) = (u.entries::<T>()?, delta.entries::<T>()?, dy.entries::<T>()?);
    let kept = scan.kept.as_ref().and_then(|kept| lock(kept).clone());
    let slopes = scan.with_inputs(u, delta, |inputs| {
        let mut slopes = Gradients::zeros(inputs);
        match kept.as_ref().and_then(|kept| kept.downcast_ref::<Kept<T>>()) {
            Some(kept) => {
                selective::selective_scan_backward_kept(inputs, kept, dy, None, threads(), &mut slopes)?;
            }
            None => selective::selective_scan_backward_into(inputs, dy, None, threads(), &mut slopes)?,
        }
        Ok(slopes)
    })?;
    let selective::Shape { batch, length, channels, state } = scan.shape;
    let (sequence, projection) = ((batch, length, channels), (batch, length, state));
    let optional = |values: Option<Vec<T>>| values.map(|values| slices::tensor(values, channels)).transpose();
    scan.leave([
        Some(slices::tensor(slopes.a, (channels, state))?),
        Some(slices::tensor(slopes.b, projection)?),
        Some(slices::tensor(slopes.c, projection)?),
        optional(slopes.d)?,
        slopes.z.map(|values| slices::tensor(values, sequence)).transpose()?,
        optional(slopes.delta_bias)?,
    ]);
    Ok((slices::tensor(slopes.u, sequence)?, slices::tensor(slopes.delta, sequence)?))
}

impl CustomOp3 for Scan {
    fn name(&self) -> &'static str {
        "selective-scan"
    }

    fn cpu_fwd(
        &self,
        u: &CpuStorage,
        u_layout: &Layout,
        delta: &CpuStorage,
        delta_layout: &Layout,
        _token: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        #[cfg(feature = "emulate")]
        if let Means::Emulator(emulator) = &self.means {
            return kernels::forward(emulator, self, (u, u_layout), (delta, delta_layout));
        }
        by_dtype!(u.dtype(), "the selective scan", forward(self, (u, u_layout), (delta, delta_layout)))
    }

    #[cfg(feature = "candle-cuda")]
    fn cuda_fwd(
        &self,
        u: &CudaStorage,
        u_layout: &Layout,
        delta: &CudaStorage,
        delta_layout: &Layout,
        _token: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        kernels::forward(&kernels::gpu::Gpu(u.device()), self, (u, u_layout), (delta, delta_layout))
    }

    fn bwd(
        &self,
        u: &Tensor,
        delta: &Tensor,
        token: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (du, ddelta) = match (&self.means, u.device()) {
            #[cfg(feature = "emulate")]
            (Means::Emulator(emulator), _) => kernels::backward(emulator, self, u, delta, dy)?,
            #[cfg(feature = "candle-cuda")]
            (_, Device::Cuda(device)) => kernels::backward(&kernels::gpu::Gpu(device), self, u, delta, dy)?,
            _ => by_dtype!(u.dtype(), "the selective scan", backward(self, u, delta, dy))?,
        };
        Ok((Some(du), Some(ddelta), Some(token.zeros_like()?)))
    }
}
