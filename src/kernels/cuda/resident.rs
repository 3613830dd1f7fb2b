//! A plan whose buffers stay on the GPU, to be run and timed.

use cudarc::driver::{CudaSlice, DevicePtr, LaunchConfig, PushKernelArg, result, sys};

use super::device::{Module, failed};
use crate::kernels::plan::{Arg, Buffer, BufferId, Data, Plan, Role, Step};
use crate::{Error, Result, validate};

/// More than any GPU's second-level cache holds.
const FLUSH_BYTES: usize = 512 << 20;

/// A plan's buffers on the GPU, and its launches.
pub struct Resident {
    module: Module,
    steps: Vec<Step>,
    buffers: Vec<DeviceBuffer>,
}

struct DeviceBuffer {
    role: Role,
    bytes: usize,
    now: CudaSlice<u8>,
    /// What a [`Role::State`] starts from.
    start: Option<CudaSlice<u8>>,
}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|step| &step.kernel)).finish()
    }
}

impl Resident {
    pub(super) fn new(module: Module, plan: &Plan) -> Result<Self> {
        let upload = |buffer: &Buffer| DeviceBuffer::new(&module, buffer);
        let buffers = plan.buffers().iter().map(upload).collect::<Result<_>>()?;
        Ok(Self { steps: plan.steps().to_vec(), buffers, module })
    }

    /// Runs the launches once, after outputs were filled with NaN and states reset.
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU reports a failure.
    pub fn run(&self) -> Result<()> {
        self.reset()?;
        self.launch()?;
        self.module.stream.synchronize().map_err(|error| failed("running the kernels", &error))
    }

    /// Copies what the last run wrote into the plan's buffers.
    ///
    /// # Errors
    /// [`Error::Device`] when the GPU reports a failure; [`Error::Shape`] for a plan other than the one uploaded.
    pub fn fetch(&self, plan: &mut Plan) -> Result<()> {
        let sizes =
            |plan: &Plan| plan.buffers.iter().map(|b| b.data.len() * b.data.element_bytes()).collect::<Vec<_>>();
        let own: Vec<usize> = self.buffers.iter().map(|buffer| buffer.bytes).collect();
        if sizes(plan) != own {
            return Err(Error::shape("plan", format!("buffers of {own:?} bytes, those uploaded,"), &sizes(plan)));
        }
        for (buffer, target) in self.buffers.iter().zip(&mut plan.buffers) {
            if buffer.role == Role::Input || buffer.bytes == 0 {
                continue;
            }
            let mut bytes =
                self.module.stream.clone_dtoh(&buffer.now).map_err(|error| failed("fetching a buffer", &error))?;
            bytes.truncate(buffer.bytes);
            match &mut target.data {
                Data::F32(values) => copy(&bytes, values, f32::from_ne_bytes),
                Data::Bf16(values) => copy(&bytes, values, u16::from_ne_bytes),
                Data::I32(values) => copy(&bytes, values, i32::from_ne_bytes),
            }
        }
        Ok(())
    }

    /// Milliseconds of `repeats` runs after `warm_up` others, by events on the GPU. Before each run outputs are
    /// filled with NaN, states reset and the second-level cache emptied; none of it is timed.
    ///
    /// # Errors
    /// [`Error::Domain`] for no repeats; [`Error::Device`] when the GPU reports a failure.
    pub fn time(&self, warm_up: usize, repeats: usize) -> Result<Vec<f32>> {
        validate::at_least_one("repeats", repeats)?;
        let driver = |error| failed("timing the kernels", &error);
        let stream = &self.module.stream;
        let mut flush = stream.alloc_zeros::<u8>(FLUSH_BYTES).map_err(driver)?;
        let timed = || {
            let flags = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
            Ok((self.module.device.new_event(flags)?, self.module.device.new_event(flags)?))
        };
        let (start, end) = timed().map_err(driver)?;
        let mut milliseconds = Vec::with_capacity(repeats);
        for run in 0..warm_up + repeats {
            self.reset()?;
            stream.memset_zeros(&mut flush).map_err(driver)?;
            start.record(stream).map_err(driver)?;
            self.launch()?;
            end.record(stream).map_err(driver)?;
            let elapsed = start.elapsed_ms(&end).map_err(driver)?;
            if run >= warm_up {
                milliseconds.push(elapsed);
            }
        }
        Ok(milliseconds)
    }

    fn reset(&self) -> Result<()> {
        let stream = &self.module.stream;
        for buffer in &self.buffers {
            let (place, _guard) = buffer.now.device_ptr(stream);
            // SAFETY: both pieces of memory have that many bytes; the stream does one thing after the other.
            let done = match (buffer.role, &buffer.start) {
                (Role::Output, _) => unsafe { result::memset_d8_async(place, 0xff, buffer.bytes, stream.cu_stream()) },
                (_, Some(start)) => {
                    let (from, _guard) = start.device_ptr(stream);
                    unsafe { result::memcpy_dtod_async(place, from, buffer.bytes, stream.cu_stream()) }
                }
                _ => Ok(()),
            };
            done.map_err(|error| failed("resetting a buffer", &error))?;
        }
        Ok(())
    }

    fn launch(&self) -> Result<()> {
        self.steps.iter().try_for_each(|step| self.launch_step(step))
    }

    fn launch_step(&self, step: &Step) -> Result<()> {
        self.module.launch(step, |id| self.buffers[id.0].now.device_ptr(&self.module.stream).0)
    }
}

impl Module {
    /// One launch on buffers that lie where `place` says.
    pub(super) fn launch(&self, step: &Step, place: impl Fn(BufferId) -> u64) -> Result<()> {
        /// What the driver copies: its address and its bytes.
        enum Value {
            Pointer(u64),
            Int(i32),
            Float(f32),
        }
        let value = |arg: &Arg| match arg {
            Arg::Buffer(id) => Value::Pointer(place(*id)),
            Arg::Null => Value::Pointer(0),
            Arg::Int(value) => Value::Int(*value),
            Arg::Float(value) => Value::Float(*value),
        };
        let values: Vec<Value> = step.args.iter().map(value).collect();
        let function = &self.function(step)?.function;
        let mut builder = self.stream.launch_builder(function);
        for value in &values {
            match value {
                Value::Pointer(pointer) => builder.arg(pointer),
                Value::Int(value) => builder.arg(value),
                Value::Float(value) => builder.arg(value),
            };
        }
        let [grid, block] = [step.launch.grid, step.launch.block].map(|[x, y, z]| (x, y, z));
        let config = LaunchConfig { grid_dim: grid, block_dim: block, shared_mem_bytes: step.launch.shared_bytes };
        // SAFETY: number and sizes of the arguments were compared with the kernel's parameters, and the buffers live on.
        // What the kernel does with them stays within this process's memory on the GPU.
        unsafe { builder.launch(config) }.map_err(|error| failed(&format!("launching {}", step.kernel), &error))?;
        Ok(())
    }
}

impl DeviceBuffer {
    fn new(module: &Module, buffer: &Buffer) -> Result<Self> {
        let driver = |error| failed(&format!("putting `{}` on the GPU", buffer.name), &error);
        let stream = &module.stream;
        let mut host = bytes(&buffer.data);
        let length = host.len();
        // The driver gives no memory of length 0.
        host.resize(length.max(1), 0);
        let now = stream.clone_htod(&host).map_err(driver)?;
        let start = (buffer.role == Role::State).then(|| stream.clone_htod(&host)).transpose().map_err(driver)?;
        Ok(Self { role: buffer.role, bytes: length, now, start })
    }
}

fn bytes(data: &Data) -> Vec<u8> {
    match data {
        Data::F32(values) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
        Data::Bf16(values) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
        Data::I32(values) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
    }
}

fn copy<T, const N: usize>(bytes: &[u8], values: &mut [T], from: fn([u8; N]) -> T) {
    for (value, bytes) in values.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *value = from(*bytes);
    }
}
