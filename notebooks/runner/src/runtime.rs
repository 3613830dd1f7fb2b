//! The process that runs the cells is this same program, started by evcxr. This is what it does before anything else.

/// The environment variable with the memory limit in bytes.
pub const MEMORY: &str = "MLNOTES_CELL_MEMORY";

/// Set for this program when it serves a kernel or a notebook, before it starts: in huge pages the compiler front end's
/// memory takes a sixth longer to be ready.
pub const ALLOCATOR: (&str, &str) = ("MIMALLOC_ALLOW_THP", "0");

/// The memory a cell's process may use, if limited.
pub fn memory_limit() -> Option<u64> {
    std::env::var(MEMORY).ok()?.parse().ok()
}

/// To be called first in `main`: does not return in a process that evcxr started.
pub fn hook() {
    if std::env::var_os("EVCXR_IS_RUNTIME").is_some() {
        limit_memory();
        end_with_parent();
        // evcxr asks for backtraces; through generated code they tell the reader nothing.
        // SAFETY: no other thread has been started yet.
        unsafe { std::env::set_var("RUST_BACKTRACE", "0") };
    }
    evcxr::runtime_hook();
}

/// An endless allocation then aborts the cell's process and leaves the machine usable.
#[cfg(target_os = "linux")]
fn limit_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    if let Some(bytes) = memory_limit() {
        // Data, not address space: drivers and allocators reserve far more addresses than they use.
        let limit = Rlimit { current: Some(bytes), maximum: getrlimit(Resource::Data).maximum };
        if let Err(error) = setrlimit(Resource::Data, limit) {
            eprintln!("the memory limit could not be set: {error}");
        }
    }
}

/// Other systems do not enforce such a limit.
#[cfg(not(target_os = "linux"))]
fn limit_memory() {}

/// A cell that never ends must not outlive a killed kernel. (The thread that started this process must live on, too.)
#[cfg(target_os = "linux")]
fn end_with_parent() {
    use rustix::process::{Signal, set_parent_process_death_signal};
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("the cells' process may outlive the kernel: {error}");
    }
}

/// Other systems have no such signal: there the end of its input ends the process, between cells.
#[cfg(not(target_os = "linux"))]
fn end_with_parent() {}

/// The bytes that all cells together may use unless told otherwise: three quarters of the machine's memory.
pub fn default_memory() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let info = rustix::system::sysinfo();
        Some(info.totalram as u64 * u64::from(info.mem_unit) / 4 * 3)
    }
    #[cfg(not(target_os = "linux"))]
    None
}
