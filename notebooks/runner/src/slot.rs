//! Where do sessions compile? Each needs a folder of its own, kept warm between sessions.
//!
//! A slot is a folder with a compiled library in it and a lock beside it. A session takes the first free one; one
//! in which less is compiled than in another starts as its copy, so that the library's dependencies are compiled once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::{std_source, toolchain};

/// The environment variable naming the folder that holds the slots; a registered kernel carries it.
pub const HOME: &str = "MLNOTES_NOTEBOOKS_HOME";

/// Every crate that a cell uses is built as for a release, ours included; only the cell's own code is not. Procedural macros
/// run for a moment and are no part of a cell: optimising them is a third of the first wait.
const CARGO_CONFIG: &str = r#"[profile.dev.package]
"*" = { opt-level = 3, codegen-units = 16, debug-assertions = false, overflow-checks = false }
autocfg.opt-level = 0
proc-macro2.opt-level = 0
quote.opt-level = 0
serde_derive.opt-level = 0
syn.opt-level = 0
thiserror-impl.opt-level = 0
"#;

/// Where the system's loader looks for shared libraries.
const LIBRARY_PATH: &str = if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
/// The project's lock file, kept in the slot.
const PINNED: &str = "pinned.lock";
/// The file that marks a slot with a compiled library: the `:dep` lines it was compiled for.
const WARM: &str = "warm";

/// A compile folder held by this process until dropped.
pub struct Slot {
    /// The folder, `EVCXR_TMPDIR`.
    pub path: PathBuf,
    _lock: File,
}

/// The folder that holds the slots: beside the build's profiles, so that one `cargo clean` clears both.
pub fn home() -> PathBuf {
    if let Some(home) = std::env::var_os(HOME) {
        return home.into();
    }
    target().map_or_else(|| std::env::temp_dir().join("mlnotes-notebooks"), |target| target.join("notebooks"))
}

/// The target folder of the build that this program comes from.
pub fn target() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    let profile = exe.ancestors().find(|dir| dir.ends_with("debug") || dir.ends_with("release"))?;
    profile.parent().map(Path::to_owned)
}

impl Slot {
    /// Takes the first free slot, with the dependency versions of `cargo_lock`, and makes this process work in it. Called
    /// before any thread is started.
    ///
    /// # Errors
    /// A sentence, if the folder cannot be made.
    pub fn enter(cargo_lock: Option<&Path>) -> Result<Self, String> {
        let home = home();
        let slot = Self::take(&home, cargo_lock).map_err(|error| {
            let home = home.display();
            format!("the folder for compiling cells, {home}, cannot be prepared: {error}; {HOME} can name another")
        })?;
        slot.set_environment();
        Ok(slot)
    }

    fn take(home: &Path, cargo_lock: Option<&Path>) -> io::Result<Self> {
        fs::create_dir_all(home.join(".cargo"))?;
        write_if_changed(&home.join(".cargo/config.toml"), CARGO_CONFIG)?;
        for number in 0.. {
            let lock = File::create(home.join(format!("slot-{number}.lock")))?;
            if lock.try_lock().is_err() {
                continue;
            }
            let slot = Self { path: home.join(format!("slot-{number}")), _lock: lock };
            slot.prepare(home, cargo_lock)?;
            return Ok(slot);
        }
        unreachable!("the numbers do not end")
    }

    fn prepare(&self, home: &Path, cargo_lock: Option<&Path>) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        let [target, mark, pinned] = ["target", WARM, PINNED].map(|name| self.path.join(name));
        // To copy a library takes seconds, to compile it minutes.
        if let Some(warm) = warm_slot(home, cargo_lock)
            && (!target.exists() || rank(&warm, cargo_lock) > rank(&self.path, cargo_lock))
        {
            // Until the copy is whole, nobody must start from it.
            fs::write(&mark, "")?;
            if target.exists() {
                fs::remove_dir_all(&target)?;
            }
            copy_tree(&warm.join("target"), &target)?;
            if warm.join(PINNED).exists() {
                fs::copy(warm.join(PINNED), &pinned)?;
            }
            fs::copy(warm.join(WARM), &mark)?;
        }
        let Some(lock) = cargo_lock.filter(|lock| lock.exists()) else { return Ok(()) };
        if !is_current(&self.path, cargo_lock) {
            // What it was compiled for, it was with other versions.
            fs::write(&mark, "")?;
        }
        fs::copy(lock, &pinned)?;
        Ok(())
    }

    /// Records that the library has been compiled here for these `:dep` lines, so that others may start as its copies.
    pub fn mark_warm(&self, dependencies: &str) {
        let mut known = known(&self.path);
        known.extend(dependencies.lines().map(str::to_owned));
        let text: String = known.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
        // Without the mark the next slot is only slower to start.
        let _ = fs::write(self.path.join(WARM), text);
    }

    /// Tells evcxr, in this process, to work here and to read no configuration but its defaults.
    fn set_environment(&self) {
        // SAFETY: no other thread has been started yet.
        unsafe {
            std::env::set_var("EVCXR_TMPDIR", &self.path);
            std::env::set_var("EVCXR_CONFIG_DIR", self.path.join("config"));
            // With evcxr's own build settings an incremental build switched off kills every cell.
            std::env::remove_var("CARGO_INCREMENTAL");
            std::env::remove_var("CARGO_TARGET_DIR");
            if let Some(toolchain) = toolchain::folders() {
                // A cell's library names the standard library by a path relative to where rustc wrote it, and evcxr
                // moves it: where slot and toolchain lie below one folder (a home), it would not be found.
                put_first(LIBRARY_PATH, toolchain.library);
                // A session starts compilers some thirty times: without asking rustup each time which.
                put_first("PATH", toolchain.sysroot.join("bin"));
                if std::env::var_os(std_source::VARIABLE).is_none()
                    && let Some(source) = std_source::lean(&toolchain.sysroot, &self.path)
                {
                    std::env::set_var(std_source::VARIABLE, source);
                }
            }
            // mimalloc (this program's, not the cells') would count a gigabyte that nobody uses against their memory.
            std::env::set_var("MIMALLOC_ARENA_EAGER_COMMIT", "0");
            // The allocator's defaults return memory to the system at every turn; keeping it makes array work in
            // cells several times faster (read by glibc when the cells' process starts, ignored elsewhere).
            std::env::set_var("MALLOC_MMAP_THRESHOLD_", "33554432");
            std::env::set_var("MALLOC_TRIM_THRESHOLD_", "1073741824");
        }
    }
}

/// Puts a folder before the others in a variable that lists folders.
///
/// # Safety
/// No other thread may be reading the environment.
unsafe fn put_first(variable: &str, folder: PathBuf) {
    let old = std::env::var_os(variable).unwrap_or_default();
    if let Ok(folders) = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&old))) {
        // SAFETY: as the caller promises.
        unsafe { std::env::set_var(variable, folders) };
    }
}

/// Makes the project's versions hold for the next resolution, which then needs no network. A path dependency's own lock
/// file is ignored by cargo, and evcxr's first build empties the slot's: so before every `:dep`.
pub fn pin_versions() {
    if let Some(slot) = std::env::var_os("EVCXR_TMPDIR").map(PathBuf::from) {
        // Without the file cargo resolves anew, which is slower and no error.
        let _ = fs::copy(slot.join(PINNED), slot.join("Cargo.lock"));
    }
}

/// Whether the library has been compiled here for cells with the versions of `cargo_lock`, in one slot for all of these
/// `:dep` lines.
pub fn is_warm(home: &Path, cargo_lock: Option<&Path>, dependencies: &BTreeSet<String>) -> bool {
    warm_slot(home, cargo_lock).is_some_and(|slot| {
        let known = known(&slot);
        is_current(&slot, cargo_lock)
            && dependencies.iter().flat_map(|lines| lines.lines()).all(|line| known.contains(line))
    })
}

/// The slot that is worth most to start from, of those in which the library has been compiled.
fn warm_slot(home: &Path, cargo_lock: Option<&Path>) -> Option<PathBuf> {
    let slots = fs::read_dir(home).ok()?.flatten().map(|entry| entry.path());
    let warm = slots.filter(|slot| !known(slot).is_empty());
    warm.min_by_key(|slot| (std::cmp::Reverse(rank(slot, cargo_lock)), slot.clone()))
}

/// What a slot is worth: one with these versions more than another, then one that was compiled in more ways.
fn rank(slot: &Path, cargo_lock: Option<&Path>) -> (bool, usize) {
    (is_current(slot, cargo_lock), known(slot).len())
}

/// Whether a slot has the versions of `cargo_lock`, where there is one.
fn is_current(slot: &Path, cargo_lock: Option<&Path>) -> bool {
    let lock = cargo_lock.and_then(|lock| fs::read(lock).ok());
    lock.is_none_or(|lock| fs::read(slot.join(PINNED)).is_ok_and(|pinned| pinned == lock))
}

/// The `:dep` lines that a slot is marked with.
fn known(slot: &Path) -> BTreeSet<String> {
    fs::read_to_string(slot.join(WARM)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Copies files with their times: cargo compares them. Links within the tree do not occur.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, entry) = (entry.file_name(), entry.path());
        // What another session is writing this moment is only its own cells.
        if entry.is_dir() {
            if name != "incremental" {
                copy_tree(&entry, &to.join(name))?;
            }
        } else if fs::copy(&entry, to.join(&name)).is_ok() {
            let times = fs::FileTimes::new().set_modified(entry.metadata()?.modified()?);
            File::options().append(true).open(to.join(&name))?.set_times(times)?;
        }
    }
    Ok(())
}

fn write_if_changed(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lines: &[&str]) -> BTreeSet<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn the_slot_that_knows_most_is_the_one_to_copy() {
        let home = tempfile::tempdir().unwrap();
        let slot = |name: &str| {
            let slot = Slot { path: home.path().join(name), _lock: File::create(home.path().join("lock")).unwrap() };
            fs::create_dir_all(&slot.path).unwrap();
            slot
        };
        let is_warm = |lines: &[&str]| is_warm(home.path(), None, &set(lines));
        assert!(!is_warm(&[]));
        slot("slot-0").mark_warm("a");
        assert!(is_warm(&["a"]) && is_warm(&[]));
        assert!(!is_warm(&["a", "a\nb"]));
        slot("slot-1").mark_warm("a");
        slot("slot-1").mark_warm("a\nb");
        assert!(is_warm(&["a", "a\nb"]));
        assert_eq!(warm_slot(home.path(), None), Some(home.path().join("slot-1")));
    }

    #[test]
    fn what_was_compiled_with_other_versions_is_not_warm() {
        let home = tempfile::tempdir().unwrap();
        let lock = home.path().join("Cargo.lock");
        let versions = |text: &str| fs::write(&lock, text).unwrap();
        // A session that compiles a crate, or has done so before.
        let compile = |slot: &Slot, text: &str| {
            fs::create_dir_all(slot.path.join("target")).unwrap();
            fs::write(slot.path.join("target/crate"), text).unwrap();
            slot.mark_warm("a");
        };
        let compiled = |slot: &Slot| fs::read_to_string(slot.path.join("target/crate")).unwrap();
        let take = || Slot::take(home.path(), Some(&lock)).unwrap();
        let is_warm = || is_warm(home.path(), Some(&lock), &set(&["a"]));
        versions("1");
        let (zero, one) = (take(), take());
        compile(&zero, "1");
        compile(&one, "1, and more");
        one.mark_warm("b");
        drop((zero, one));
        assert!(is_warm());
        // The first has less to offer than the second, until it is a copy.
        assert_eq!(compiled(&take()), "1, and more");
        compile(&take(), "again");
        assert_eq!(compiled(&take()), "again");
        versions("2");
        assert!(!is_warm());
        let zero = take();
        // Most of what is there may still do.
        assert_eq!(compiled(&zero), "again");
        assert!(!is_warm());
        compile(&zero, "2");
        assert!(is_warm());
        // What is older is not worth keeping, and what is new starts from the newest.
        let (one, two) = (take(), take());
        assert_eq!((compiled(&one), compiled(&two)), ("2".to_owned(), "2".to_owned()));
        versions("3");
        drop((zero, one, two));
        drop((take(), take(), take()));
        assert!(!is_warm());
    }
}
