//! How fast is a kernel, really? The same plans on an NVIDIA GPU.
//!
//! Nothing of CUDA is needed to build: the driver and the compiler NVRTC are libraries that are looked for when they are
//! first used, and where one is missing the [`Error::Device`](crate::Error::Device) says how to get it. A source is compiled for the device
//! at hand, once for each device and text. (With the feature `candle-cuda` candle has both libraries linked, and a program
//! without them does not start.)
//!
//! | step | here |
//! | --- | --- |
//! | a device | [`Device::new`] |
//! | its code | [`Device::compile`], or [`compile`] without a device |
//! | a plan, once | [`Module::run`] |
//! | a plan, timed | [`Module::upload`], [`Resident::time`] |
//!
//! The emulator checks every access, a GPU none: run a new kernel there first.

mod compile;
mod device;
mod resident;

pub use compile::{Target, compile};
pub use device::{Device, Module};
pub use resident::Resident;

/// Whether the driver's library can be opened; without it every call of it would panic.
fn driver_is_there() -> bool {
    // SAFETY: only looks.
    #[cfg(not(feature = "candle-cuda"))]
    return unsafe { cudarc::driver::sys::is_culib_present() };
    // candle has it linked: a program that has started has it.
    #[cfg(feature = "candle-cuda")]
    true
}

/// As [`driver_is_there`], of the compiler's.
fn compiler_is_there() -> bool {
    // SAFETY: only looks.
    #[cfg(not(feature = "candle-cuda"))]
    return unsafe { cudarc::nvrtc::sys::is_culib_present() };
    #[cfg(feature = "candle-cuda")]
    true
}
