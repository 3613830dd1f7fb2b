//! What does the same computation look like on a GPU? CUDA kernels (核函数) and the two ways to run them.
//!
//! A kernel is a function that thousands of threads run at once, in blocks that share a small fast memory. The sources
//! lie in `kernels/`, each operation in several versions from the simplest to the fastest, and are part of this crate
//! ([`Source`]). What to launch, with which arguments, is a [`Plan`]:
//!
//! | module | what it plans | versions |
//! | --- | --- | --- |
//! | [`prefix_sum`] | y_i = x_0 ∘ … ∘ x_i, for sums and for the steps of a linear recurrence | one thread, Hillis-Steele, Blelloch, warp shuffles, decoupled look-back |
//! | [`selective_scan`] | Mamba's h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t u_t and its gradients | materialised, fused, warp scans, chunks with look-back |
//!
//! | feature | module | where the plan runs | needs |
//! | --- | --- | --- | --- |
//! | `emulate` | `emulate` | on the CPU, every access checked, threads in any order, traced on request | a C++20 compiler (GCC or Clang) |
//! | `cuda` | `cuda` | on an NVIDIA GPU; the source is compiled when first used | a driver and the library NVRTC; none of it to build |
//!
//! Both take any CUDA C++ text, so a notebook's cell can edit a kernel and run it.
//!
//! An [`Outline`] is a plan without numbers, for memory that someone else has. With the feature `candle-cuda`,
//! `nn::selective_scan` launches [`selective_scan`]'s outlines on candle's tensors where they lie; it needs nvcc to build and
//! the driver to start, since candle links it. With `emulate`, `nn::emulated_selective_scan` runs the same outlines here.

#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(feature = "emulate")]
pub mod emulate;
mod plan;
pub mod prefix_sum;
pub mod selective_scan;
mod source;

pub use plan::{Arg, Buffer, BufferId, Data, Kind, Launch, Outline, Plan, Role, Slot, Step};
pub use source::{PREFIX_SUM, SELECTIVE_SCAN, SOURCES, Source};
