//! How are the notes' sequence layers trained? Layers and models on candle's tensors (feature `deep`).
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`mamba`] | the Mamba block (x branch and z branch, convolution, selection), the language model around it, decoding |
//! | [`selective_scan`] | the selective scan as an operation of candle's graph, with gradients for every input |
//! | [`causal_convolution`] | the causal depthwise convolution before it, as one operation |
//! | [`S4d`] | a layer of diagonal state space models, and what it is made of: [`exponential_kernel`], [`long_convolution`] |
//! | [`rms_norm`] | the normalisation around it, as one operation |
//! | [`tasks`] | copying, selective copying, induction heads |
//!
//! Tensors are (batch, length, channels), f32 or f64, on the CPU. A candle error comes back as [`Error::Candle`](crate::Error).
//! candle itself is here too, as [`candle_core`] and [`candle_nn`]: a notebook needs no dependency beside this one, and has
//! the version whose tensors these layers take.

mod convolution;
mod long_convolution;
pub mod mamba;
mod norm;
mod s4d;
mod scan;
mod slices;
pub mod tasks;

/// candle's tensors and automatic differentiation.
pub use candle_core;
/// candle's layers, losses and optimisers.
pub use candle_nn;
pub use convolution::causal_convolution;
pub use long_convolution::{exponential_kernel, long_convolution};
pub use norm::rms_norm;
pub use s4d::S4d;
pub use scan::{ScanInputs, selective_scan};
