//! Between candle's storages and slices.

use std::sync::PoisonError;

use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Storage, StorageRef, Tensor, Var, WithDType};
use candle_nn::VarMap;

use crate::ssm::selective::{Element, Real};

/// f32 and f64, as both sides have them.
pub(super) trait Number: Real + Element<Real = Self> + WithDType {
    fn storage(values: Vec<Self>) -> CpuStorage;

    /// p to SiLU(p) = p σ(p).
    fn silu(p: &mut [Self]);

    /// p to dy SiLU′(p) = dy σ(p) (1 + p (1 − σ(p))).
    fn silu_backward(p: &mut [Self], dy: &[Self]);

    fn rsqrt(self) -> Self;
}

macro_rules! number {
    ($number:ident, $storage:ident) => {
        impl Number for $number {
            fn storage(values: Vec<Self>) -> CpuStorage {
                CpuStorage::$storage(values)
            }

            fn silu(p: &mut [Self]) {
                for p in p {
                    *p /= 1.0 + (-*p).exp();
                }
            }

            fn silu_backward(p: &mut [Self], dy: &[Self]) {
                for (p, dy) in p.iter_mut().zip(dy) {
                    let logistic = 1.0 / (1.0 + (-*p).exp());
                    *p = dy * logistic * (1.0 + *p * (1.0 - logistic));
                }
            }

            fn rsqrt(self) -> Self {
                self.sqrt().recip()
            }
        }
    };
}

number!(f32, F32);
number!(f64, F64);

/// Runs generic code for the numbers that a tensor holds.
macro_rules! by_dtype {
    ($dtype:expr, $name:literal, $function:ident($($argument:expr),*)) => {
        match $dtype {
            candle_core::DType::F32 => $function::<f32>($($argument),*),
            candle_core::DType::F64 => $function::<f64>($($argument),*),
            other => candle_core::bail!("{} works on f32 and f64, this tensor is {other:?}: `to_dtype` turns it", $name),
        }
    };
}
pub(super) use by_dtype;

/// The entries of a storage; its tensor was made contiguous before.
pub(super) fn entries<'a, T: Number>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let Some((start, end)) = layout.contiguous_offsets() else { candle_core::bail!("a tensor is not contiguous") };
    Ok(&storage.as_slice::<T>()?[start..end])
}

/// A contiguous tensor on the CPU whose entries are being read.
pub(super) struct Held<'a> {
    storage: StorageRef<'a>,
    layout: &'a Layout,
}

impl<'a> Held<'a> {
    pub(super) fn of(tensor: &'a Tensor) -> Self {
        let (storage, layout) = tensor.storage_and_layout();
        Self { storage, layout }
    }

    #[cfg(any(feature = "emulate", feature = "candle-cuda"))]
    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    #[cfg(any(feature = "emulate", feature = "candle-cuda"))]
    pub(super) fn layout(&self) -> &Layout {
        self.layout
    }

    pub(super) fn entries<T: Number>(&self) -> Result<&[T]> {
        match &*self.storage {
            Storage::Cpu(storage) => entries(storage, self.layout),
            _ => candle_core::bail!("a tensor is on another device than the others: `to_device` moves it"),
        }
    }
}

/// A tensor of these entries.
pub(super) fn tensor<T: Number>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// All of one kind of numbers, or a sentence naming the one that is not.
pub(super) fn same_dtype(dtype: DType, others: &[(&str, Option<&Tensor>)]) -> Result<()> {
    for (name, tensor) in others {
        if let Some(tensor) = tensor
            && tensor.dtype() != dtype
        {
            candle_core::bail!(
                "`{name}` is {:?}, but the first input is {dtype:?}: `to_dtype` turns it",
                tensor.dtype()
            );
        }
    }
    Ok(())
}

/// As f32 where sums in the tensor's own kind of numbers would be too coarse.
pub(super) fn in_floats(tensor: &Tensor) -> Result<Tensor> {
    match tensor.dtype() {
        DType::BF16 | DType::F16 => tensor.to_dtype(DType::F32),
        _ => Ok(tensor.clone()),
    }
}

/// All on one device, or a sentence naming the one that is not.
pub(super) fn same_device(device: &Device, others: &[(&str, Option<&Tensor>)]) -> Result<()> {
    for (name, tensor) in others {
        if let Some(tensor) = tensor
            && !tensor.device().same_device(device)
        {
            let (here, there) = (tensor.device().location(), device.location());
            candle_core::bail!(
                "`{name}` is on {here:?}, but the first input is on {there:?}: `to_device` moves it; a device made twice is two"
            );
        }
    }
    Ok(())
}

/// The sentence for a device on which there is no code for this.
pub(super) fn nothing_for<T>(what: &str, device: &Device) -> Result<T> {
    let remedy = match device {
        Device::Cuda(_) if !cfg!(feature = "candle-cuda") => "build with the feature `candle-cuda`, or",
        _ => "move it:",
    };
    let place = device.location();
    candle_core::bail!("{what} does not run on {place:?}: {remedy} `to_device(&Device::Cpu)` all inputs")
}

/// On the CPU, for what has no other code.
pub(super) fn on_cpu(what: &str, tensors: &[&Tensor]) -> Result<()> {
    match tensors.iter().find(|tensor| !tensor.device().is_cpu()) {
        Some(tensor) => nothing_for(what, tensor.device()),
        None => Ok(()),
    }
}

/// Puts a variable of these entries among the weights.
pub(super) fn insert(
    weights: &VarMap,
    name: &str,
    values: Vec<f64>,
    shape: &[usize],
    dtype: DType,
) -> crate::Result<()> {
    if !matches!(dtype, DType::F32 | DType::F64) {
        return Err(crate::Error::domain("dtype", format!("{dtype:?}"), "F32, or F64 to check gradients"));
    }
    let variable = Var::from_tensor(&tensor(values, shape)?.to_dtype(dtype)?)?;
    weights.data().lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), variable);
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random::RandomState;

    /// N(0, 1), the same for the same shape.
    pub(in crate::nn) fn normal(shape: &[usize]) -> Tensor {
        let mut random = RandomState::new(shape.iter().fold(7, |seed, &n| 31 * seed + n as u32));
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| random.normal()).collect();
        tensor(values, shape).unwrap()
    }

    /// One value and the same gradients from both, to the rounding of f64; and of bf16 where candle's operations take it.
    #[track_caller]
    pub(in crate::nn) fn agree<const N: usize>(
        inputs: &[Tensor; N],
        composed: impl Fn([&Tensor; N]) -> Result<Tensor>,
        operation: impl Fn([&Tensor; N]) -> Result<Tensor>,
    ) {
        let close = |got: &Tensor, want: &Tensor, tolerance: f64| {
            assert_eq!(got.dims(), want.dims());
            let of =
                |tensor: &Tensor| tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
            for (got, want) in of(got).iter().zip(of(want)) {
                // NaN is near nothing.
                assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{got}, not {want}");
            }
        };
        let variables = inputs.each_ref().map(|input| Var::from_tensor(input).unwrap());
        let tensors = variables.each_ref().map(|variable| variable.as_tensor());
        let (got, want) = (composed(tensors).unwrap(), operation(tensors).unwrap());
        close(&got, &want, 1e-13);
        let weight = normal(want.dims());
        let slopes = |y: &Tensor| (y * &weight).unwrap().sum_all().unwrap().backward().unwrap();
        let (got_slopes, want_slopes) = (slopes(&got), slopes(&want));
        for variable in &variables {
            close(got_slopes.get(variable).unwrap(), want_slopes.get(variable).unwrap(), 1e-11);
        }
        let halves = inputs.each_ref().map(|input| input.to_dtype(DType::BF16).unwrap());
        let wholes = halves.each_ref().map(|half| half.to_dtype(DType::F64).unwrap());
        let got = composed(halves.each_ref()).unwrap();
        assert_eq!(got.dtype(), DType::BF16);
        close(&got, &operation(wholes.each_ref()).unwrap(), 1.0 / 256.0);
    }
}
