//! A GPU, and what was compiled for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaStream, DriverError, sys};
use cudarc::nvrtc::Ptx;

use super::compile::{Target, compile};
use super::resident::Resident;
#[cfg(feature = "candle-cuda")]
use crate::kernels::plan::Outline;
use crate::kernels::plan::{Arg, Plan, Step};
use crate::kernels::source::{Source, kernels};
use crate::{Error, Result};

/// The drivers that can say what parameters a kernel has.
const OLDEST_DRIVER: i32 = 12_040;

/// An NVIDIA GPU.
#[derive(Clone)]
pub struct Device {
    pub(super) context: Arc<CudaContext>,
    pub(super) stream: Arc<CudaStream>,
    /// By name and text of the source.
    compiled: Arc<Mutex<HashMap<(String, String), Module>>>,
}

impl Device {
    /// The GPU of that number, from 0.
    ///
    /// # Errors
    /// [`Error::Device`] without a driver, without such a GPU, or with a driver older than CUDA 12.4.
    ///
    /// ```
    /// use mlnotes::kernels::{PREFIX_SUM, cuda::Device, prefix_sum};
    ///
    /// match Device::new(0) {
    ///     Ok(device) => {
    ///         let mut plan = prefix_sum::plan(prefix_sum::Version::LookBack, &[1.0, 2.0, 3.0])?;
    ///         device.load(PREFIX_SUM)?.run(&mut plan)?;
    ///         assert_eq!(plan.f32("y")?, [1.0, 3.0, 6.0]);
    ///     }
    ///     Err(error) => println!("{error}"), // no GPU can be used: …
    /// }
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn new(number: usize) -> Result<Self> {
        let none = |why: &str, remedy: &str| Error::Device(format!("no GPU can be used: {why}; {remedy}"));
        if !super::driver_is_there() {
            let remedy = "install NVIDIA's driver, or run the kernels with the feature `emulate`, on the CPU";
            return Err(none("the driver's library, libcuda, is not there", remedy));
        }
        let version = driver_version()?;
        if version < OLDEST_DRIVER {
            let why = format!("the driver is of CUDA {}.{}", version / 1000, version % 1000 / 10);
            return Err(none(&why, "install one of CUDA 12.4 or newer"));
        }
        let count =
            CudaContext::device_count().map_err(|error| none(&text(&error), "check that nvidia-smi sees the GPU"))?;
        if number >= count.max(0) as usize {
            return Err(none(&format!("there are {count}, and none has the number {number}"), "count from 0"));
        }
        let context = CudaContext::new(number)
            .map_err(|error| none(&text(&error), "check that nobody else holds it exclusively"))?;
        // One stream does everything in order: there is nothing to track.
        let stream = context.default_stream();
        Ok(Self::on(stream))
    }

    /// The GPU and the stream that someone else works with.
    pub(crate) fn on(stream: Arc<CudaStream>) -> Self {
        Self { context: stream.context().clone(), stream, compiled: Arc::default() }
    }

    /// Its name.
    ///
    /// # Errors
    /// [`Error::Device`] when the driver does not answer.
    pub fn name(&self) -> Result<String> {
        self.context.name().map_err(|error| failed("naming the GPU", &error))
    }

    /// Its compute capability (计算能力): 90 for 9.0.
    ///
    /// # Errors
    /// [`Error::Device`] when the driver does not answer.
    pub fn capability(&self) -> Result<u32> {
        let (major, minor) =
            self.context.compute_capability().map_err(|error| failed("asking the GPU's compute capability", &error))?;
        Ok((major * 10 + minor) as u32)
    }

    /// Its multiprocessors (流多处理器).
    ///
    /// # Errors
    /// [`Error::Device`] when the driver does not answer.
    pub fn multiprocessors(&self) -> Result<usize> {
        let attribute = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let count = self.context.attribute(attribute).map_err(|error| failed("counting multiprocessors", &error))?;
        Ok(count.max(0) as usize)
    }

    /// Bytes per second, read and written, of a copy from its memory to its memory: what a kernel that does nothing but move
    /// bytes can hope for. The median of 20 copies of 256 MiB.
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU reports a failure.
    pub fn copy_bandwidth(&self) -> Result<f64> {
        const BYTES: usize = 256 << 20;
        let driver = |error| failed("timing a copy", &error);
        let from = self.stream.alloc_zeros::<u8>(BYTES).map_err(driver)?;
        let mut to = self.stream.alloc_zeros::<u8>(BYTES).map_err(driver)?;
        let flags = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
        let start = self.context.new_event(flags).map_err(driver)?;
        let end = self.context.new_event(flags).map_err(driver)?;
        let mut milliseconds = Vec::new();
        // The first two warm up.
        for copy in 0..22 {
            start.record(&self.stream).map_err(driver)?;
            self.stream.memcpy_dtod(&from, &mut to).map_err(driver)?;
            end.record(&self.stream).map_err(driver)?;
            let elapsed = start.elapsed_ms(&end).map_err(driver)?;
            if copy >= 2 {
                milliseconds.push(elapsed);
            }
        }
        milliseconds.sort_by(f32::total_cmp);
        Ok(2.0 * BYTES as f64 / (f64::from(milliseconds[10]) / 1e3))
    }

    /// Compiles CUDA C++ for this GPU; what was compiled before is there at once.
    ///
    /// # Errors
    /// As [`compile`]; [`Error::Device`] when the driver does not load the code.
    pub fn compile(&self, name: &str, text: &str) -> Result<Module> {
        let key = (name.to_string(), text.to_string());
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = compiled.get(&key) {
            return Ok(module.clone());
        }
        let code = compile(name, text, Target::Cubin(self.capability()?))?;
        let loaded =
            self.context.load_module(Ptx::from_binary(code)).map_err(|error| failed("loading the code", &error))?;
        let functions = kernels(text).into_iter().map(|name| Function::new(&loaded, name)).collect::<Result<_>>()?;
        let module =
            Module { device: self.context.clone(), stream: self.stream.clone(), functions: Arc::new(functions) };
        compiled.insert(key, module.clone());
        Ok(module)
    }

    /// One of this crate's own sources.
    ///
    /// # Errors
    /// As [`Device::compile`].
    pub fn load(&self, source: Source) -> Result<Module> {
        self.compile(source.name, source.text)
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Device").field(&self.context.ordinal()).finish()
    }
}

/// A source's kernels on a GPU.
#[derive(Clone)]
pub struct Module {
    pub(super) device: Arc<CudaContext>,
    pub(super) stream: Arc<CudaStream>,
    functions: Arc<Vec<Function>>,
}

pub(super) struct Function {
    name: String,
    pub(super) function: CudaFunction,
    /// The sizes of its parameters in bytes.
    parameters: Vec<usize>,
}

impl Module {
    /// Runs the plan's launches and fetches what they wrote.
    ///
    /// # Errors
    /// [`Error::Kernel`] for a kernel that is not there or arguments that do not fit; [`Error::Device`] when the GPU reports
    /// a failure, a wild pointer say, after which it takes no further launch from this process.
    pub fn run(&self, plan: &mut Plan) -> Result<()> {
        let resident = self.upload(plan)?;
        resident.run()?;
        resident.fetch(plan)
    }

    /// Puts the plan's buffers on the GPU, where they stay.
    ///
    /// # Errors
    /// As [`Module::run`]; [`Error::Device`] when they do not fit.
    pub fn upload(&self, plan: &Plan) -> Result<Resident> {
        for step in plan.steps() {
            self.function(step)?.validate(step)?;
        }
        Resident::new(self.clone(), plan)
    }

    /// Runs the outline's launches on buffers at these addresses, in the order of its slots, and waits for none of them.
    ///
    /// # Safety
    /// Each address must be that of memory on this GPU as its slot describes it, which lives until the stream has done what it
    /// now has to do.
    #[cfg(feature = "candle-cuda")]
    pub(crate) unsafe fn launch_at(&self, outline: &Outline, addresses: &[u64]) -> Result<()> {
        for step in outline.steps() {
            self.function(step)?.validate(step)?;
            self.launch(step, |id| addresses[id.0])?;
        }
        Ok(())
    }

    pub(super) fn function(&self, step: &Step) -> Result<&Function> {
        self.functions.iter().find(|function| function.name == step.kernel).ok_or_else(|| {
            let names: Vec<&str> = self.functions.iter().map(|function| function.name.as_str()).collect();
            Error::kernel(&step.kernel, format!("is not in this source, which has: {}", names.join(", ")))
        })
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.functions.iter().map(|function| &function.name)).finish()
    }
}

impl Function {
    fn new(module: &Arc<CudaModule>, name: String) -> Result<Self> {
        let function = module.load_function(&name).map_err(|error| failed(&format!("finding {name}"), &error))?;
        let mut parameters = Vec::new();
        loop {
            let (mut offset, mut size) = (0, 0);
            // SAFETY: the function is loaded; past the last parameter the call fails and writes nothing.
            let status =
                unsafe { sys::cuFuncGetParamInfo(function.cu_function(), parameters.len(), &mut offset, &mut size) };
            if status != sys::CUresult::CUDA_SUCCESS {
                return Ok(Self { name, function, parameters });
            }
            parameters.push(size);
        }
    }

    /// The driver copies as many bytes as each parameter has: too few arguments would be read beyond their end.
    fn validate(&self, step: &Step) -> Result<()> {
        let size = |arg: &Arg| if matches!(arg, Arg::Buffer(_) | Arg::Null) { 8 } else { 4 };
        let sizes: Vec<usize> = step.args.iter().map(size).collect();
        if sizes == self.parameters {
            return Ok(());
        }
        let (takes, gives) = (&self.parameters, sizes);
        let reason = format!("takes arguments of {takes:?} bytes, but the plan gives {gives:?}");
        Err(Error::kernel(
            &self.name,
            format!("{reason}: give pointers (8) and numbers (4) in the order of its parameters"),
        ))
    }
}

fn driver_version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: writes one int.
    let status = unsafe { sys::cuDriverGetVersion(&mut version) };
    match status {
        sys::CUresult::CUDA_SUCCESS => Ok(version),
        _ => Err(failed("asking the driver's version", &DriverError(status))),
    }
}

pub(super) fn text(error: &DriverError) -> String {
    match error.error_string() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => format!("{:?}", error.0),
    }
}

/// Whatever the driver refuses.
pub(super) fn failed(what: &str, error: &DriverError) -> Error {
    let remedy =
        "run the kernel with the feature `emulate`, which names the line of a wrong access, or take less memory";
    Error::Device(format!("{what} failed ({}): {remedy}", text(error)))
}
