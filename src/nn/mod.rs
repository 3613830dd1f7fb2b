//! How are the notes' sequence layers trained? Layers and models on candle's tensors (feature `deep`).
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`mamba`] | the Mamba block (x branch and z branch, convolution, selection), the language model around it, decoding |
//! | [`cmamba`] | CMamba for many series: patches, the M-Mamba block, GDD-MLP between channels, channel mixup |
//! | [`selective_scan`] | the selective scan as an operation of candle's graph, with gradients for every input |
//! | [`causal_convolution`] | the causal depthwise convolution before it, as one operation |
//! | [`S4d`] | a layer of diagonal state space models, and what it is made of: [`exponential_kernel`], [`long_convolution`] |
//! | [`rms_norm`] | the normalisation around it, as one operation |
//! | [`Loss`] | how far off a forecast is |
//! | [`gpu()`], [`weights_on`] | a GPU's device, and weights moved to it |
//! | [`tasks`] | copying, selective copying, induction heads |
//!
//! Tensors are (batch, length, channels). A candle error comes back as [`Error::Candle`](crate::Error).
//!
//! | on | numbers | what runs |
//! | --- | --- | --- |
//! | the CPU | f32, f64 | slices, in parallel, one operation of candle's graph each |
//! | an NVIDIA GPU (feature `candle-cuda`) | f32, bf16 | [`selective_scan`]: this crate's kernels, forward and backward, in candle's memory and stream; [`causal_convolution`], [`rms_norm`]: candle's operations; so all of [`mamba`] but the invariant block as one sequence |
//! | any other device, or a GPU without the feature | | [`causal_convolution`], [`rms_norm`] alone; the others are refused |
//!
//! [`S4d`], [`long_convolution`] and [`exponential_kernel`] are on the CPU alone and refuse other tensors. With the feature
//! `emulate`, `emulated_selective_scan` is what the scan does on a GPU, on the CPU under the emulator.
//!
//! [`candle_core`] and [`candle_nn`] are handed on: a notebook depends on this crate alone, and its tensors must be of the
//! same candle.
//!
//! ```
//! use mlnotes::nn::candle_core::{Device, Tensor};
//! use mlnotes::nn::rms_norm;
//!
//! let (x, weight) = (Tensor::new(&[[3.0, 4.0]], &Device::Cpu)?, Tensor::new(&[1.0, 1.0], &Device::Cpu)?);
//! let y = rms_norm(&x, &weight)?.to_vec2::<f64>()?;
//! assert!((y[0][1] / y[0][0] - 4.0 / 3.0).abs() < 1e-15);
//! # Ok::<(), mlnotes::Error>(())
//! ```

pub mod cmamba;
mod convolution;
mod gpu;
#[cfg(any(feature = "emulate", feature = "candle-cuda"))]
mod kernels;
mod long_convolution;
mod loss;
pub mod mamba;
mod norm;
mod s4d;
mod scan;
mod slices;
pub mod tasks;

pub use candle_core;
pub use candle_nn;
pub use convolution::causal_convolution;
pub use gpu::{gpu, weights_on};
pub use long_convolution::{exponential_kernel, long_convolution};
pub use loss::Loss;
pub use norm::rms_norm;
pub use s4d::S4d;
#[cfg(feature = "emulate")]
pub use scan::emulated_selective_scan;
pub use scan::{ScanInputs, selective_scan};
