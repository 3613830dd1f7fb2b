//! `cargo notebooks lab`: JupyterLab on the notebooks, made ready first where it is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kernel;
use crate::project::Project;

/// What is installed into `.venv` where there is no JupyterLab.
const REQUIREMENTS: &str = include_str!("../lab-requirements.txt");

/// Opens JupyterLab in the notebooks' folder, with the user's arguments for it; returns when it ends.
///
/// # Errors
/// A sentence, if JupyterLab cannot be had or started.
pub fn open(project: &Project, arguments: &[String]) -> Result<(), String> {
    let own = Environment { folder: project.root.join(".venv") };
    // The user's own JupyterLab gets the user's kernel; ours has both in `.venv`.
    let (lab, prefix) = match users_lab() {
        Some(lab) => (lab, None),
        None => (own.lab_made_ready()?, Some(own.folder.as_path())),
    };
    if !kernel::is_current(prefix) {
        kernel::install(project, prefix)?;
    }
    start(&lab, &project.notebooks(), arguments)
}

/// `jupyter-lab` on PATH, if it works. (A shim of a version manager may be there without it.)
fn users_lab() -> Option<PathBuf> {
    let lab = PathBuf::from("jupyter-lab");
    works(&lab).then_some(lab)
}

fn works(lab: &Path) -> bool {
    is_success(Command::new(lab).arg("--version"))
}

fn has_pip(python: &Path) -> bool {
    is_success(Command::new(python).args(["-m", "pip", "--version"]))
}

fn is_success(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Replaces this process, so that Ctrl-C and all other signals reach JupyterLab.
#[cfg(unix)]
fn start(lab: &Path, folder: &Path, arguments: &[String]) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    let error = Command::new(lab).args(arguments).current_dir(folder).exec();
    Err(format!("{} could not be started: {error}", lab.display()))
}

#[cfg(not(unix))]
fn start(lab: &Path, folder: &Path, arguments: &[String]) -> Result<(), String> {
    let status = Command::new(lab).args(arguments).current_dir(folder).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} ended with {status}", lab.display())),
        Err(error) => Err(format!("{} could not be started: {error}", lab.display())),
    }
}

/// The Python environment of the checkout.
struct Environment {
    folder: PathBuf,
}

impl Environment {
    fn program(&self, name: &str) -> PathBuf {
        let bin = if cfg!(windows) { "Scripts" } else { "bin" };
        self.folder.join(bin).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// Makes what is missing; what an earlier, interrupted attempt left is completed.
    fn lab_made_ready(&self) -> Result<PathBuf, String> {
        let lab = self.program("jupyter-lab");
        if works(&lab) {
            return Ok(lab);
        }
        let python = self.program("python");
        if !has_pip(&python) {
            println!("there is no JupyterLab on PATH: making {} for one", self.folder.display());
            self.make()?;
        }
        println!("installing {} into it (about a minute) ...", REQUIREMENTS.trim());
        let failed = "JupyterLab could not be installed: see pip's words above; without a network, install JupyterLab \
                      in another way and put `jupyter-lab` on PATH";
        let status = Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(REQUIREMENTS.split_whitespace())
            .status();
        match status {
            Ok(status) if status.success() && works(&lab) => Ok(lab),
            _ => Err(failed.to_owned()),
        }
    }

    fn make(&self) -> Result<(), String> {
        let python = if cfg!(windows) { "python" } else { "python3" };
        let output = Command::new(python).args(["-m", "venv", "--clear"]).arg(&self.folder).output();
        let Ok(output) = output else {
            return Err(format!(
                "JupyterLab needs Python, and {python} is not on PATH: install it (Debian, Ubuntu: apt install python3 \
                 python3-venv; Fedora: dnf install python3; macOS: brew install python), or open the notebooks in VS \
                 Code after `cargo notebooks kernel install`"
            ));
        };
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if words.contains("ensurepip") || words.contains("No module named venv") {
            let message = "Python's venv module is missing: install it (Debian, Ubuntu: apt install python3-venv)";
            return Err(message.to_owned());
        }
        Err(format!("{python} -m venv {} failed: {}", self.folder.display(), words.trim()))
    }
}
