//! From a kernel source to a loaded library: the C++ compiler, and a cache of what it made.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::rewrite::rewrite;
use crate::kernels::source::kernels;
use crate::{Error, Result};

const RUNTIME: &str = include_str!("../../../kernels/emulate/runtime.h");
const DIALECT: &str = include_str!("../../../kernels/emulate/cuda.h");

/// No fused multiply-adds, so every machine computes the same; indices of a thread's own arrays are checked.
const FLAGS: [&str; 9] = [
    "-std=c++20",
    "-O1",
    "-w",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fsanitize=bounds,integer-divide-by-zero",
    "-xc++",
];

/// The C++ text of a source, with the table of its kernels.
pub(super) fn generate(name: &str, text: &str, defines: &[&str]) -> Result<String> {
    let names = kernels(text);
    if names.is_empty() {
        let reason = "holds no kernel: a kernel starts with extern \"C\" __global__ void and its name";
        return Err(Error::kernel(name, reason));
    }
    let body = rewrite(text).map_err(|(line, why)| Error::kernel(name, format!("line {line}: {why}")))?;
    let defines: String = defines.iter().map(|name| format!("#define {name}\n")).collect();
    let entries: String = names.iter().map(|name| format!("emu::describe<&{name}>(\"{name}\"), ")).collect();
    let count = names.len();
    Ok(format!(
        "{defines}{RUNTIME}\n{DIALECT}\n#line 1 \"{name}\"\n{body}\n#line 1 \"the table of kernels\"\n\
         static emu::Entry entries[] = {{{entries}}};\n\
         extern \"C\" __attribute__((visibility(\"default\"))) unsigned emu_kernels(const emu::Entry** list) \
         {{ *list = entries; return {count}; }}\n\
         extern \"C\" __attribute__((visibility(\"default\"))) int emu_run(unsigned kernel, const emu::LaunchC* launch, \
         const emu::BufferC* buffers, unsigned count, const emu::ArgC* args, emu::TraceC trace, void* context, \
         char* message, size_t size) {{ return emu::run(entries[kernel], launch, buffers, count, args, trace, context, \
         message, size); }}\n"
    ))
}

/// The library made of that text, from the cache if it was made before.
pub(super) fn library(name: &str, cpp: &str) -> Result<PathBuf> {
    let (compiler, version) = compiler()?;
    let mut hasher = DefaultHasher::new();
    (cpp, &compiler, version, FLAGS).hash(&mut hasher);
    let folder = cache()?;
    let path = folder.join(format!("{:016x}.so", hasher.finish()));
    if path.exists() {
        return Ok(path);
    }
    // Under another name until it is whole: another process may be looking.
    static MADE: AtomicU32 = AtomicU32::new(0);
    let mark = format!("{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let (source, made) = (folder.join(format!("{mark}.cpp")), folder.join(format!("{mark}.so")));
    write(&source, cpp)?;
    let result = Command::new(&compiler).args(FLAGS).arg(&source).arg("-o").arg(&made).output();
    let _ = std::fs::remove_file(&source);
    let output = result.map_err(|error| no_compiler(&compiler, &error.to_string()))?;
    if !output.status.success() {
        let _ = std::fs::remove_file(&made);
        return Err(Error::kernel(name, format!("does not compile: {}", errors(&output.stderr))));
    }
    std::fs::rename(&made, &path).map_err(|error| {
        Error::file(&path, format!("cannot be written ({error}); MLNOTES_CACHE can name another folder"))
    })?;
    Ok(path)
}

/// The compiler's own sentences, a few of them.
fn errors(log: &[u8]) -> String {
    let log = String::from_utf8_lossy(log);
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("error")).collect();
    match lines.len() {
        0 => format!("the compiler failed and said \"{}\"", log.trim().replace('\n', " ")),
        1..=4 => lines.join("; "),
        n => format!("{}; and {} errors more", lines[..4].join("; "), n - 4),
    }
}

/// The compiler and what it says of itself: `CXX`, or the first of the usual names that is there.
fn compiler() -> Result<(String, Vec<u8>)> {
    let named = std::env::var("CXX").ok().filter(|name| !name.is_empty());
    let names: Vec<String> = match named {
        Some(name) => vec![name],
        None => ["c++", "g++", "clang++"].map(String::from).to_vec(),
    };
    for name in &names {
        if let Ok(output) = Command::new(name).arg("--version").output() {
            return Ok((name.clone(), output.stdout));
        }
    }
    Err(no_compiler(&names.join(", "), "not found"))
}

fn no_compiler(name: &str, why: &str) -> Error {
    let remedy = "install g++ or clang++ (Debian: apt install g++), or name one in the environment variable CXX";
    Error::Device(format!("emulated kernels need a C++20 compiler, and {name} cannot be run ({why}): {remedy}"))
}

/// The folder of what was compiled, for this user alone: what lies in it is run.
fn cache() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("MLNOTES_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("mlnotes")))
        .or_else(|| variable("HOME").map(|folder| folder.join(".cache/mlnotes")))
        .ok_or_else(|| {
            Error::Device(
                "there is no folder for compiled kernels: name one in the environment variable MLNOTES_CACHE".into(),
            )
        })?
        .join("kernels");
    create_private(&folder).map_err(|error| {
        Error::file(&folder, format!("cannot be made ({error}): name another folder in MLNOTES_CACHE"))
    })?;
    Ok(folder)
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| {
        Error::file(path, format!("cannot be written ({error}); MLNOTES_CACHE can name another folder"))
    })
}
