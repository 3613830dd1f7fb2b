//! Registers the kernel with Jupyter: two files, the program and kernel.json, and nothing else of the user's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::project::Project;
use crate::session::Session;
use crate::slot::{self, Slot};
use crate::{runtime, toolchain};

/// The environment variable with the library's folder, for notebooks that do not lie in its checkout.
pub const CRATE: &str = "MLNOTES_CRATE";
/// The environment variable with the folder of cargo, for a Jupyter that was not started from a shell.
pub const CARGO_FOLDER: &str = "MLNOTES_CARGO_FOLDER";
/// The kernel's name in notebooks, and its folder's.
const NAME: &str = "mlnotes";
/// A gear's outline with the letters: drawn for this project.
const LOGO: &str = include_str!("logo.svg");

/// What Jupyter reads.
#[derive(Serialize, Deserialize)]
struct KernelJson {
    argv: Vec<String>,
    display_name: String,
    language: String,
    /// Jupyter then sends a message, where it would send a signal that only the kernel's process gets.
    interrupt_mode: String,
    env: BTreeMap<String, String>,
}

/// Where the kernel's files are.
struct Places {
    /// Jupyter's folder for this kernel.
    spec: PathBuf,
    /// The folder of our copy of this program: `cargo clean` must not break the kernel.
    program_folder: PathBuf,
}

impl Places {
    /// Below `prefix`, as Jupyter finds them in a Python environment of that prefix; else the user's own.
    fn find(prefix: Option<&Path>) -> Result<Self, String> {
        let (jupyter, data) = match prefix {
            Some(prefix) => {
                let prefix = std::path::absolute(prefix).map_err(|error| format!("{}: {error}", prefix.display()))?;
                (prefix.join("share/jupyter"), prefix.join("share"))
            }
            None => (jupyter_folder()?, data_folder()?),
        };
        Ok(Self { spec: jupyter.join("kernels").join(NAME), program_folder: data.join(NAME).join("kernel") })
    }

    fn program(&self) -> PathBuf {
        self.program_folder.join(format!("notebooks-runner{}", std::env::consts::EXE_SUFFIX))
    }

    fn kernel_json(&self) -> PathBuf {
        self.spec.join("kernel.json")
    }

    fn logo(&self) -> PathBuf {
        self.spec.join("logo-svg.svg")
    }

    fn read(&self) -> Option<KernelJson> {
        serde_json::from_str(&fs::read_to_string(self.kernel_json()).ok()?).ok()
    }
}

/// Jupyter's folder for the user's data, by Jupyter's own rules.
fn jupyter_folder() -> Result<PathBuf, String> {
    match variable("JUPYTER_DATA_DIR") {
        Some(folder) => Ok(folder),
        None if cfg!(target_os = "macos") => Ok(home()?.join("Library/Jupyter")),
        None if cfg!(windows) => Ok(needed("APPDATA")?.join("jupyter")),
        None => Ok(data_folder()?.join("jupyter")),
    }
}

/// The system's folder for the user's data.
fn data_folder() -> Result<PathBuf, String> {
    if cfg!(windows) {
        needed("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        Ok(home()?.join("Library/Application Support"))
    } else {
        variable("XDG_DATA_HOME").map_or_else(|| Ok(home()?.join(".local/share")), Ok)
    }
}

fn home() -> Result<PathBuf, String> {
    std::env::home_dir().ok_or_else(|| "there is no home folder: set HOME, or give --prefix".to_owned())
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn needed(name: &str) -> Result<PathBuf, String> {
    variable(name).ok_or_else(|| format!("{name} is not set: set it, or give --prefix"))
}

/// Whether `path` is the folder of this project's library.
pub fn is_library(path: &Path) -> bool {
    let text = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
    text.lines().any(|line| line.split_whitespace().eq(["name", "=", "\"mlnotes\""]))
}

/// Registers the kernel, for the user or below `prefix`, and compiles the library for it.
///
/// # Errors
/// A sentence, if there is no compiler, or a file cannot be written.
pub fn install(project: &Project, prefix: Option<&Path>) -> Result<(), String> {
    toolchain::require_cargo()?;
    project.require_cells_apart()?;
    let places = Places::find(prefix)?;
    copy_program(&places.program())?;
    let json = serde_json::to_string_pretty(&kernel_json(&places, project)).map_err(|error| error.to_string())?;
    write(&places.logo(), LOGO.as_bytes())?;
    write(&places.kernel_json(), format!("{json}\n").as_bytes())?;
    println!("registered the Jupyter kernel \"Rust (mlnotes)\": {}", places.kernel_json().display());
    warm(project)?;
    println!("choose it in JupyterLab or VS Code, or start JupyterLab with `cargo notebooks lab`");
    Ok(())
}

fn kernel_json(places: &Places, project: &Project) -> KernelJson {
    let root = project.root.canonicalize().unwrap_or_else(|_| project.root.clone());
    let home = std::path::absolute(slot::home()).unwrap_or_else(|_| slot::home());
    let mut env = BTreeMap::from([
        (slot::HOME.to_owned(), home.display().to_string()),
        (CRATE.to_owned(), root.display().to_string()),
        (runtime::ALLOCATOR.0.to_owned(), runtime::ALLOCATOR.1.to_owned()),
    ]);
    if let Some(bytes) = runtime::memory_limit().or(runtime::default_memory()) {
        env.insert(runtime::MEMORY.to_owned(), bytes.to_string());
    }
    if let Some(folder) = cargo_folder() {
        env.insert(CARGO_FOLDER.to_owned(), folder.display().to_string());
    }
    KernelJson {
        argv: vec![
            places.program().display().to_string(),
            "kernel".to_owned(),
            "serve".to_owned(),
            "{connection_file}".to_owned(),
        ],
        display_name: "Rust (mlnotes)".to_owned(),
        language: "rust".to_owned(),
        interrupt_mode: "message".to_owned(),
        env,
    }
}

fn cargo_folder() -> Option<PathBuf> {
    let name = format!("cargo{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| folder.join(&name).is_file())
}

/// Copies this program to `place`, whole or not at all; a kernel that runs from the old copy keeps it.
fn copy_program(place: &Path) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| format!("this program cannot be found to be copied: {error}"))?;
    if is_same(&own, place) {
        return Ok(());
    }
    let program = fs::read(&own).map_err(|error| format!("{}: {error}", own.display()))?;
    write(place, &program)?;
    fs::metadata(&own)
        .and_then(|data| fs::set_permissions(place, data.permissions()))
        .map_err(|error| format!("{}: {error}", place.display()))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let length = |path| fs::metadata(path).map(|data| data.len()).ok();
    length(one).is_some() && length(one) == length(other) && fs::read(one).ok() == fs::read(other).ok()
}

/// Writes a file so that at any moment the old or the new one is there, whole.
fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let done = fs::create_dir_all(folder).and_then(|()| {
        let mut file = tempfile::Builder::new().permissions(permissions()).tempfile_in(folder)?;
        file.write_all(content)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    });
    done.map_err(|error| format!("{}: {error}{}", path.display(), remedy(&error)))
}

#[cfg(unix)]
fn permissions() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

#[cfg(not(unix))]
fn permissions() -> Option<fs::Permissions> {
    None
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ": give a folder that can be written with --prefix or JUPYTER_DATA_DIR, and close notebooks that use the kernel"
        }
        _ => "",
    }
}

/// Compiles the library where kernels will find it compiled.
fn warm(project: &Project) -> Result<(), String> {
    let dependencies = project.dependencies(&project.all()?)?;
    if slot::is_warm(&slot::home(), Some(&project.cargo_lock()), &dependencies) {
        return Ok(());
    }
    println!("compiling the library for its cells, once (some minutes) ...");
    let slot = Slot::enter(Some(&project.cargo_lock()))?;
    let mut session = Session::start(1 << 20, Box::new(|_, _| {}))?;
    dependencies.iter().try_for_each(|lines| session.warm(lines, &slot))
}

/// Removes what [`install`] wrote, and nothing else.
///
/// # Errors
/// A sentence, if a file cannot be removed, or kernel.json is not ours.
pub fn uninstall(prefix: Option<&Path>) -> Result<(), String> {
    let places = Places::find(prefix)?;
    let json = places.kernel_json();
    if json.exists() && !places.read().is_some_and(|spec| is_ours(&spec)) {
        return Err(format!("{} was not written by this program: it is left as it is", json.display()));
    }
    let mut removed = false;
    for file in [json.clone(), places.logo(), places.program()] {
        match fs::remove_file(&file) {
            Ok(()) => removed = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", file.display())),
        }
    }
    for folder in [Some(places.spec.as_path()), Some(&places.program_folder), places.program_folder.parent()] {
        // Only if empty: anything else in there is not ours.
        let _ = folder.map(fs::remove_dir);
    }
    println!(
        "{}",
        if removed { format!("removed {}", json.display()) } else { "the kernel is not installed".to_owned() }
    );
    Ok(())
}

fn is_ours(spec: &KernelJson) -> bool {
    spec.argv.get(1..3).is_some_and(|words| words == ["kernel", "serve"])
}

/// Whether the kernel is installed from this very build, and can run.
pub fn is_current(prefix: Option<&Path>) -> bool {
    let own = std::env::current_exe().unwrap_or_default();
    Places::find(prefix).is_ok_and(|places| problems(&places).is_empty() && is_same(&own, &places.program()))
}

/// Prints where the kernel is and what state it is in; false if it cannot be used.
///
/// # Errors
/// A sentence, if the user's folders cannot be told.
pub fn status(prefix: Option<&Path>) -> Result<bool, String> {
    let places = Places::find(prefix)?;
    let problems = problems(&places);
    println!("kernel.json  {}", places.kernel_json().display());
    println!("program      {}{}", places.program().display(), age(&places.program()));
    if let Some(spec) = places.read() {
        let value = |name: &str| spec.env.get(name).cloned().unwrap_or_default();
        let home = value(slot::HOME);
        let lock = Path::new(&value(CRATE)).join("Cargo.lock");
        let state = if slot::is_warm(Path::new(&home), Some(&lock), &BTreeSet::new()) {
            "compiled"
        } else {
            "not compiled yet: the first start will"
        };
        println!("library      {} ({state}, in {home})", value(CRATE));
        println!("memory       {} bytes for a notebook's cells", value(runtime::MEMORY));
    }
    for problem in &problems {
        println!("problem: {problem}");
    }
    println!(
        "{}",
        if problems.is_empty() { "usable" } else { "not usable: `cargo notebooks kernel install` sets it right" }
    );
    Ok(problems.is_empty())
}

fn age(program: &Path) -> &'static str {
    let own = std::env::current_exe().unwrap_or_default();
    match program.exists() {
        true if !is_same(&own, program) => " (of another build than this one)",
        _ => "",
    }
}

fn problems(places: &Places) -> Vec<String> {
    let mut problems = Vec::new();
    match places.read() {
        None if places.kernel_json().exists() => problems.push("kernel.json cannot be read".to_owned()),
        None => problems.push("not installed".to_owned()),
        Some(spec) => {
            if spec.argv.first().is_none_or(|program| !Path::new(program).exists()) {
                problems.push("the program that kernel.json names is not there".to_owned());
            }
            let library = spec.env.get(CRATE).map(PathBuf::from).unwrap_or_default();
            if !is_library(&library) {
                problems.push(format!("the library is no longer in {}", library.display()));
            }
        }
    }
    if let Err(sentence) = toolchain::require_cargo() {
        problems.push(sentence);
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        Project { root: Path::new(env!("MLNOTES_CHECKOUT")).to_owned() }
    }

    #[test]
    fn a_library_is_known_by_its_name() {
        assert!(is_library(&project().root));
        assert!(!is_library(&project().root.join("notebooks/runner")));
        assert!(!is_library(Path::new("/nowhere")));
    }

    #[test]
    fn files_are_written_whole_and_removed_alone() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::find(Some(folder.path())).unwrap();
        assert_eq!(problems(&places).first().map(String::as_str), Some("not installed"));
        let json = serde_json::to_string(&kernel_json(&places, &project())).unwrap();
        write(&places.kernel_json(), json.as_bytes()).unwrap();
        assert_eq!(problems(&places), ["the program that kernel.json names is not there"]);
        write(&places.program(), b"old").unwrap();
        copy_program(&places.program()).unwrap();
        assert!(problems(&places).is_empty());
        assert!(is_current(Some(folder.path())));
        fs::write(places.spec.join("other"), "the user's").unwrap();
        uninstall(Some(folder.path())).unwrap();
        assert!(!places.program().exists() && !places.kernel_json().exists());
        assert!(places.spec.join("other").exists());
        uninstall(Some(folder.path())).unwrap();
    }

    #[test]
    fn another_kernels_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::find(Some(folder.path())).unwrap();
        write(&places.kernel_json(), b"{}").unwrap();
        assert!(uninstall(Some(folder.path())).unwrap_err().contains("not written by this program"));
        assert!(places.kernel_json().exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("share"), "a file").unwrap();
        let places = Places::find(Some(folder.path())).unwrap();
        assert!(write(&places.kernel_json(), b"{}").unwrap_err().contains("kernel.json"));
    }
}
