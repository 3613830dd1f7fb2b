//! Is there a compiler for the cells?

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Cells are compiled as they run, so cargo must be there now, not only when this program was built.
///
/// # Errors
/// A sentence with the remedy.
pub fn require_cargo() -> Result<(), String> {
    let answer = Command::new("cargo").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match answer {
        Ok(status) if status.success() => Ok(()),
        _ => Err(
            "cargo is not on PATH: cells are compiled as they run, so add Rust's bin folder (usually ~/.cargo/bin) \
                  to PATH, or install Rust with rustup"
                .to_owned(),
        ),
    }
}

/// Where the compiler that `rustc` means lies.
pub struct Folders {
    /// The toolchain's root.
    pub sysroot: PathBuf,
    /// The folder with the standard library's shared library.
    pub library: PathBuf,
}

/// Asks the compiler where it lies.
pub fn folders() -> Option<Folders> {
    let output = Command::new("rustc").args(["--print", "sysroot", "--print", "target-libdir"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines().map(PathBuf::from).filter(|folder| folder.is_dir());
    Some(Folders { sysroot: lines.next()?, library: lines.next()? })
}
