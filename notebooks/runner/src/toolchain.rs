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

/// The folder with the standard library's shared library.
pub fn library_folder() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "target-libdir"]).output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(folder.trim().into()).filter(|folder: &PathBuf| folder.is_dir())
}
