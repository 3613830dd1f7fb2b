//! From the CPU to a GPU: its device, and weights on it.

use std::sync::PoisonError;

use candle_core::{Device, Var};
use candle_nn::VarMap;

use crate::Result;

/// The GPU of that number, from 0, for candle's tensors; needs the feature `candle-cuda`.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) without that feature, without such a GPU, or with a driver older than CUDA 12.4.
///
/// ```
/// use candle_core::Device;
///
/// let device = mlnotes::nn::gpu(0).unwrap_or_else(|error| {
///     println!("{error}"); // no GPU can be used: …
///     Device::Cpu
/// });
/// ```
#[cfg(feature = "candle-cuda")]
pub fn gpu(number: usize) -> Result<Device> {
    crate::kernels::cuda::Device::new(number)?;
    Ok(Device::new_cuda(number)?)
}

/// The GPU of that number, from 0, for candle's tensors; needs the feature `candle-cuda`.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device), because this build is without that feature.
///
/// ```
/// use candle_core::Device;
///
/// let device = mlnotes::nn::gpu(0).unwrap_or_else(|error| {
///     println!("{error}"); // no GPU can be used: …
///     Device::Cpu
/// });
/// ```
#[cfg(not(feature = "candle-cuda"))]
pub fn gpu(_number: usize) -> Result<Device> {
    let why = "this build has no code for candle's tensors there";
    let remedy = "build with the feature `candle-cuda`, or stay on `Device::Cpu`";
    Err(crate::Error::Device(format!("no GPU can be used: {why}; {remedy}")))
}

/// The weights on another device, as variables of their own.
///
/// # Errors
/// candle's: too little memory there.
///
/// ```
/// use candle_core::{DType, Device};
/// use candle_nn::VarBuilder;
/// use mlnotes::nn::{mamba::{Config, Mamba}, weights_on};
///
/// let device = Device::Cpu; // or mlnotes::nn::gpu(0)?
/// let weights = weights_on(&device, &Config::new(8).initial(DType::F32, 1)?)?;
/// let block = Mamba::new(&Config::new(8), VarBuilder::from_varmap(&weights, DType::F32, &device))?;
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn weights_on(device: &Device, weights: &VarMap) -> Result<VarMap> {
    let moved = VarMap::new();
    {
        let from = weights.data().lock().unwrap_or_else(PoisonError::into_inner);
        let mut to = moved.data().lock().unwrap_or_else(PoisonError::into_inner);
        for (name, weight) in from.iter() {
            to.insert(name.clone(), Var::from_tensor(&weight.as_tensor().to_device(device)?)?);
        }
    }
    Ok(moved)
}
