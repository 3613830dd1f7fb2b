//! CUDA C++ to machine code, by NVRTC. No GPU is needed for this.

use std::ffi::{CStr, CString, c_char};

use cudarc::nvrtc::{result, sys};

use crate::{Error, Result};

/// What to compile for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Machine code (CUBIN) of GPUs with this compute capability: 90 is sm_90.
    Cubin(u32),
    /// Text (PTX) that a driver compiles further, for this compute capability and any later one.
    Ptx(u32),
}

/// Compiles a source, whose errors go by `name`.
///
/// # Errors
/// [`Error::Kernel`] with NVRTC's log when the text does not compile; [`Error::Device`] where NVRTC is missing or does not
/// know the target.
///
/// ```
/// use mlnotes::kernels::{PREFIX_SUM, cuda::{Target, compile}};
///
/// match compile(PREFIX_SUM.name, PREFIX_SUM.text, Target::Ptx(75)) {
///     Ok(ptx) => assert!(String::from_utf8_lossy(&ptx).contains(".entry prefix_sum_v1")),
///     Err(error) => assert!(error.to_string().contains("NVRTC"), "{error}"),
/// }
/// ```
pub fn compile(name: &str, text: &str, target: Target) -> Result<Vec<u8>> {
    if !super::compiler_is_there() {
        let remedy = "install it (pip install nvidia-cuda-nvrtc==13.0.*, or the CUDA toolkit) and put its folder on LD_LIBRARY_PATH";
        return Err(Error::Device(format!("the library NVRTC, which compiles CUDA kernels, is not there: {remedy}")));
    }
    let c_string = |what: &str, text: &str| {
        CString::new(text).map_err(|_| Error::kernel(name, format!("has a NUL character in its {what}: remove it")))
    };
    let program = Program::new(&c_string("text", text)?, &c_string("name", name)?)?;
    let architecture = match target {
        Target::Cubin(capability) => format!("--gpu-architecture=sm_{capability}"),
        Target::Ptx(capability) => format!("--gpu-architecture=compute_{capability}"),
    };
    let options = [architecture.as_str(), "--std=c++17"];
    // SAFETY: the program was just made and lives on.
    if let Err(error) = unsafe { result::compile_program(program.0, &options) } {
        let log = program.log();
        if error.0 == sys::nvrtcResult::NVRTC_ERROR_INVALID_OPTION {
            let remedy = "take another target, or an NVRTC that knows this one";
            return Err(Error::Device(format!("NVRTC does not take {}: {remedy}", options.join(" "))));
        }
        return Err(Error::kernel(name, format!("does not compile: {}", errors(&log, error))));
    }
    program.code(target)
}

struct Program(sys::nvrtcProgram);

impl Program {
    fn new(text: &CStr, name: &CStr) -> Result<Self> {
        result::create_program(text, Some(name)).map(Self).map_err(|error| failed("cannot take the source", error))
    }

    fn log(&self) -> String {
        // SAFETY: the program is whole; the log ends with a NUL.
        let bytes = unsafe { result::get_program_log(self.0) }.unwrap_or_default();
        bytes.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte as u8)).collect()
    }

    fn code(&self, target: Target) -> Result<Vec<u8>> {
        let mut size = 0;
        // SAFETY: the program was compiled; each call writes as many bytes as the one before it said.
        let code = unsafe {
            let status = match target {
                Target::Cubin(_) => sys::nvrtcGetCUBINSize(self.0, &mut size),
                Target::Ptx(_) => sys::nvrtcGetPTXSize(self.0, &mut size),
            };
            status.result().map_err(|error| failed("has no code", error))?;
            let mut code = vec![0_u8; size];
            let place = code.as_mut_ptr().cast::<c_char>();
            let status = match target {
                Target::Cubin(_) => sys::nvrtcGetCUBIN(self.0, place),
                Target::Ptx(_) => sys::nvrtcGetPTX(self.0, place),
            };
            status.result().map_err(|error| failed("has no code", error))?;
            code
        };
        if code.is_empty() {
            return Err(Error::Device(format!("NVRTC made no code for {target:?}: take Target::Ptx there")));
        }
        Ok(code)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made by `new`, used by nobody after this.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

fn failed(what: &str, error: result::NvrtcError) -> Error {
    Error::Device(format!("NVRTC {what} ({error}): check that libnvrtc and libnvrtc-builtins are of one version"))
}

/// The log's errors, a few of them.
fn errors(log: &str, error: result::NvrtcError) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("error")).collect();
    match lines.len() {
        0 => format!("{error} {}", log.replace('\n', " ")),
        1..=4 => lines.join("; "),
        n => format!("{}; and {} errors more", lines[..4].join("; "), n - 4),
    }
}
