//! Does a kernel do what it should, and does it only by luck? CUDA kernels on the CPU.
//!
//! The source is compiled as C++, each CUDA thread is a fiber, and every pointer knows its memory. So a run ends with a
//! sentence, not with a wrong number, where a kernel
//!
//! - reads or writes beyond a buffer, a shared array or an array of its own, through a null pointer or misaligned;
//! - reads shared memory that nobody has written (which also holds NaN);
//! - races (数据竞争): two threads use one element, one of them writes, and no barrier, warp operation or
//!   `__threadfence` with a flag orders them. Found whatever order they ran in;
//! - meets a barrier in a branch, after some threads have left, or in different lines;
//! - names lanes in a shuffle's mask that have left or do not come;
//! - waits forever.
//!
//! Not modelled: time, caches, fused multiply-adds, the error of fast intrinsics such as `__expf`. An element's last
//! readers are remembered for two warps; a race with a third that read before them is found under another [`Order`].
//!
//! Source: `kernels/emulate/runtime.h`. The rule for races is that of Flanagan and Freund, *FastTrack: efficient and
//! precise dynamic race detection* (2009), with CUDA's barriers, warps and fences.

mod compile;
mod rewrite;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use libloading::Library;

use super::plan::{Arg, Data, Plan, Role, Step};
use super::source::Source;
use crate::{Error, Result};

/// In which order threads and blocks take turns. A GPU promises none, so a kernel must be right in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// 0: as they are numbered; any other number: its own permutation of the threads of each block, and of the blocks.
    pub seed: u64,
    /// Blocks that have started and not ended, at least 1; each further one waits for a place, as on a GPU.
    pub resident: u32,
}

impl Default for Order {
    /// As numbered, 4 blocks at once.
    fn default() -> Self {
        Self { seed: 0, resident: 4 }
    }
}

/// What a thread did, for [`Module::trace`].
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place in the launch's sequence of events.
    pub step: u64,
    /// The thread within its block.
    pub thread: u32,
    /// How many barriers the block had passed.
    pub epoch: u32,
    /// The line of the source.
    pub line: u32,
    /// What it did.
    pub action: Action,
}

/// What an [`Event`] is of.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Read `value` from an element.
    Read {
        /// The buffer or shared array.
        memory: String,
        /// The element.
        index: i64,
        /// What was read; NaN for what is not one number.
        value: f64,
    },
    /// Wrote `value` to an element.
    Write {
        /// The buffer or shared array.
        memory: String,
        /// The element.
        index: i64,
        /// What was written; NaN for what is not one number.
        value: f64,
    },
    /// Came to `__syncthreads`.
    Barrier,
    /// Came to a shuffle, a ballot or `__syncwarp`.
    Warp,
}

#[repr(C)]
struct EntryC {
    name: *const c_char,
    call: *const c_void,
    parameters: u32,
    codes: *const u32,
}

#[repr(C)]
struct LaunchC {
    grid: [u32; 3],
    block: [u32; 3],
    shared_bytes: u32,
    resident: u32,
    seed: u64,
    traced_block: i64,
}

#[repr(C)]
struct BufferC {
    data: *mut c_void,
    bytes: u64,
    granule: u32,
    writable: u32,
    name: *const c_char,
}

#[repr(C)]
struct ArgC {
    code: u32,
    buffer: u32,
    integer: i64,
    real: f64,
}

#[repr(C)]
struct EventC {
    step: u64,
    block: u32,
    thread: u32,
    epoch: u32,
    line: u32,
    kind: i32,
    index: i64,
    value: f64,
    name: *const c_char,
}

type TraceC = Option<unsafe extern "C" fn(*mut c_void, *const EventC)>;
type RunC = unsafe extern "C" fn(
    u32,
    *const LaunchC,
    *const BufferC,
    u32,
    *const ArgC,
    TraceC,
    *mut c_void,
    *mut c_char,
    usize,
) -> c_int;
type KernelsC = unsafe extern "C" fn(*mut *const EntryC) -> u32;

/// A compiled kernel source.
///
/// ```
/// use mlnotes::kernels::{Launch, Plan, emulate::Module};
///
/// let text = r#"
///     extern "C" __global__ void shift(const float* x, float* y, int n) {
///       __shared__ float tile[4];
///       int t = threadIdx.x;
///       tile[t] = x[t];
///       __syncthreads();
///       y[t] = t > 0 ? tile[t - 1] : 0.0f;
///     }"#;
/// let mut plan = Plan::new();
/// let (x, y) = (plan.input("x", vec![1.0, 2.0, 3.0, 4.0]), plan.output("y", 4));
/// plan.launch("shift", Launch::line(1, 4), [x.into(), y.into(), 4.into()])?;
/// Module::compile("shift.cu", text)?.run(&mut plan)?;
/// assert_eq!(plan.f32("y")?, [0.0, 1.0, 2.0, 3.0]);
///
/// let racy = text.replace("__syncthreads();", "");
/// let error = Module::compile("shift.cu", &racy)?.run(&mut plan).unwrap_err();
/// assert!(error.to_string().contains("has a race in line 7: thread 1 of block 0 reads tile[0]"), "{error}");
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub struct Module {
    kernels: Vec<Kernel>,
    run: RunC,
    /// One launch at a time in each library: its threads are one set.
    turn: Arc<Mutex<()>>,
    _library: Library,
}

struct Kernel {
    name: String,
    codes: Vec<u32>,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.kernels.iter().map(|kernel| &kernel.name)).finish()
    }
}

impl Module {
    /// Compiles CUDA C++; `name` is what messages call it. What was compiled once is kept in `~/.cache/mlnotes` (or
    /// where the environment variable `MLNOTES_CACHE` says).
    ///
    /// # Errors
    /// [`Error::Kernel`] with the compiler's message when the text does not compile; [`Error::Device`] where there is no
    /// C++ compiler.
    pub fn compile(name: &str, text: &str) -> Result<Self> {
        Self::compile_with(name, text, &[])
    }

    /// One of this crate's own sources.
    ///
    /// # Errors
    /// As [`Module::compile`].
    pub fn load(source: Source) -> Result<Self> {
        Self::compile(source.name, source.text)
    }

    /// As [`Module::compile`], with fibers switched by the C library, as on machines other than x86-64 Linux.
    ///
    /// # Errors
    /// As [`Module::compile`].
    pub fn compile_portable(name: &str, text: &str) -> Result<Self> {
        Self::compile_with(name, text, &["EMU_UCONTEXT"])
    }

    fn compile_with(name: &str, text: &str, defines: &[&str]) -> Result<Self> {
        let path = compile::library(name, &compile::generate(name, text, defines)?)?;
        let broken = |error: libloading::Error| {
            Error::file(&path, format!("cannot be loaded ({error}): delete it, and it is made anew"))
        };
        // SAFETY: the file was compiled from the text that `generate` made, for this machine and this user; its functions
        // have the types declared there. It has no initialisers.
        let (library, kernels, run) = unsafe {
            let library = Library::new(&path).map_err(broken)?;
            let run = *library.get::<RunC>(b"emu_run").map_err(broken)?;
            let kernels = *library.get::<KernelsC>(b"emu_kernels").map_err(broken)?;
            let mut list = std::ptr::null();
            let count = kernels(&mut list) as usize;
            let entries = std::slice::from_raw_parts(list, count);
            (library, entries.iter().map(|entry| Kernel::new(entry)).collect(), run)
        };
        Ok(Self { kernels, run, turn: turn(path), _library: library })
    }

    /// Runs the plan's launches, in order and with threads as they are numbered.
    ///
    /// # Errors
    /// [`Error::Kernel`] for everything that the module's documentation lists, and for arguments that do not fit.
    pub fn run(&self, plan: &mut Plan) -> Result<()> {
        self.run_in(plan, Order::default())
    }

    /// As [`Module::run`], with threads in another order.
    ///
    /// # Errors
    /// As [`Module::run`]; [`Error::Domain`] for an order without resident blocks.
    pub fn run_in(&self, plan: &mut Plan, order: Order) -> Result<()> {
        crate::validate::at_least_one("resident", order.resident as usize)?;
        for step in 0..plan.steps.len() {
            self.step(plan, step, order, None)?;
        }
        Ok(())
    }

    /// Runs the plan and returns what the threads of one block (counted from 0) did in one of its steps.
    ///
    /// # Errors
    /// As [`Module::run_in`]; [`Error::Domain`] for a step or a block that there is not.
    ///
    /// ```
    /// use mlnotes::kernels::{PREFIX_SUM, emulate::{Action, Module, Order}, prefix_sum};
    ///
    /// let mut plan = prefix_sum::plan(prefix_sum::Version::Sequential, &[1.0, 2.0])?;
    /// let events = Module::load(PREFIX_SUM)?.trace(&mut plan, Order::default(), 0, 0)?;
    /// let last = Action::Write { memory: "y".into(), index: 1, value: 3.0 };
    /// assert_eq!(events.last().map(|event| &event.action), Some(&last));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn trace(&self, plan: &mut Plan, order: Order, step: usize, block: u32) -> Result<Vec<Event>> {
        let Some(traced) = plan.steps.get(step) else {
            return Err(Error::domain("step", step, format!("below the plan's {} steps", plan.steps.len())));
        };
        let blocks: u32 = traced.launch.grid.iter().product();
        if block >= blocks {
            return Err(Error::domain("block", block, format!("below the launch's {blocks} blocks")));
        }
        let mut events = Vec::new();
        for i in 0..plan.steps.len() {
            let traced = if i == step { Some((block, &mut events)) } else { None };
            self.step(plan, i, order, traced)?;
        }
        Ok(events)
    }

    fn step(&self, plan: &mut Plan, step: usize, order: Order, traced: Option<(u32, &mut Vec<Event>)>) -> Result<()> {
        let step = plan.steps[step].clone();
        let Some(index) = self.kernels.iter().position(|kernel| kernel.name == step.kernel) else {
            let names: Vec<&str> = self.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
            return Err(Error::kernel(&step.kernel, format!("is not in this source, which has: {}", names.join(", "))));
        };
        plan.validate_step(&step, &self.kernels[index].codes)?;
        let message = self.call(index, plan, &step, order, traced);
        if message.is_empty() { Ok(()) } else { Err(Error::kernel(&step.kernel, message)) }
    }

    fn call(
        &self,
        index: usize,
        plan: &mut Plan,
        step: &Step,
        order: Order,
        traced: Option<(u32, &mut Vec<Event>)>,
    ) -> String {
        let names: Vec<CString> =
            plan.buffers.iter().map(|buffer| CString::new(buffer.name.replace('\0', "")).unwrap_or_default()).collect();
        let buffers: Vec<BufferC> = plan
            .buffers
            .iter_mut()
            .zip(&names)
            .map(|(buffer, name)| {
                let (bytes, granule) = (buffer.data.len() * buffer.data.element_bytes(), buffer.data.element_bytes());
                let data = match &mut buffer.data {
                    Data::F32(values) => values.as_mut_ptr().cast(),
                    Data::Bf16(values) => values.as_mut_ptr().cast(),
                    Data::I32(values) => values.as_mut_ptr().cast(),
                };
                let writable = u32::from(buffer.role != Role::Input);
                BufferC { data, bytes: bytes as u64, granule: granule as u32, writable, name: name.as_ptr() }
            })
            .collect();
        let args: Vec<ArgC> = step.args.iter().map(arg).collect();
        let launch = LaunchC {
            grid: step.launch.grid,
            block: step.launch.block,
            shared_bytes: step.launch.shared_bytes,
            resident: order.resident,
            seed: order.seed,
            traced_block: traced.as_ref().map_or(-1, |(block, _)| i64::from(*block)),
        };
        let (trace, context): (TraceC, *mut c_void) = match traced {
            Some((_, events)) => (Some(record), std::ptr::from_mut(events).cast()),
            None => (None, std::ptr::null_mut()),
        };
        let mut message = vec![0_u8; 1024];
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: every pointer is to memory that outlives the call, with its length; the emulator writes to buffers only
        // within their bounds, and the message ends with a 0. The context is what `record` expects.
        let failed = unsafe {
            (self.run)(
                index as u32,
                &launch,
                buffers.as_ptr(),
                buffers.len() as u32,
                args.as_ptr(),
                trace,
                context,
                message.as_mut_ptr().cast(),
                message.len(),
            )
        };
        if failed == 0 {
            return String::new();
        }
        CStr::from_bytes_until_nul(&message)
            .map_or_else(|_| "failed".into(), |text| text.to_string_lossy().into_owned())
    }
}

impl Kernel {
    /// # Safety
    /// The entry is one of a loaded library.
    unsafe fn new(entry: &EntryC) -> Self {
        // SAFETY: names are C strings, and there are as many codes as parameters.
        unsafe {
            let name = CStr::from_ptr(entry.name).to_string_lossy().into_owned();
            Self { name, codes: std::slice::from_raw_parts(entry.codes, entry.parameters as usize).to_vec() }
        }
    }
}

/// The lock of a library. A file that is loaded twice is in memory once.
fn turn(path: PathBuf) -> Arc<Mutex<()>> {
    static TURNS: Mutex<Vec<(PathBuf, Arc<Mutex<()>>)>> = Mutex::new(Vec::new());
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, turn)) = turns.iter().find(|(known, _)| *known == path) {
        return turn.clone();
    }
    turns.push((path, Arc::default()));
    turns[turns.len() - 1].1.clone()
}

fn arg(arg: &Arg) -> ArgC {
    let mut c = ArgC { code: 0, buffer: u32::MAX, integer: 0, real: 0.0 };
    match arg {
        Arg::Buffer(id) => c.buffer = id.0 as u32,
        Arg::Null => {}
        Arg::Int(value) => c.integer = i64::from(*value),
        Arg::Float(value) => c.real = f64::from(*value),
    }
    c
}

/// # Safety
/// `events` is a `Vec<Event>` that nobody else uses meanwhile, `event` a whole event.
unsafe extern "C" fn record(events: *mut c_void, event: *const EventC) {
    // SAFETY: as above.
    let (events, event, memory) = unsafe {
        let event = &*event;
        (&mut *events.cast::<Vec<Event>>(), event, CStr::from_ptr(event.name).to_string_lossy().into_owned())
    };
    let (index, value) = (event.index, event.value);
    let action = match event.kind {
        0 => Action::Read { memory, index, value },
        1 => Action::Write { memory, index, value },
        2 => Action::Barrier,
        _ => Action::Warp,
    };
    events.push(Event { step: event.step, thread: event.thread, epoch: event.epoch - 1, line: event.line, action });
}
