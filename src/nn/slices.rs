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
