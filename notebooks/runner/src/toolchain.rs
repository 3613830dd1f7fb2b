//! Is there a compiler for the cells?

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
