//! How does the compiler front end come to know the standard library sooner? It reads its source anew in every
//! session, and half of that is processor intrinsics and vendored crates that no notebook names. So it is shown a copy
//! of `core`, `alloc` and `std` alone; this takes a third off the wait for the first cell. Only the analysis of
//! variables' types and completion see the copy: rustc compiles against the real library.
//!
//! The collections' own crate, hashbrown, is one of those left out. Its types are declared in its place, because what
//! they are generic over decides which types rust-analyzer infers (`map.iter().map(|(key, value)| …)`).

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment variable by which rust-analyzer, within evcxr, is told where the source is.
pub const VARIABLE: &str = "RUST_SRC_PATH";

/// Files of `std` that name a type's home in a vendored crate, the line that does, and that home's declarations.
const REPLACED: [(&str, &str, &str); 2] = [
    ("std/src/collections/hash/map.rs", "use hashbrown::hash_map as base;", include_str!("hash_map.txt")),
    ("std/src/collections/hash/set.rs", "use hashbrown::hash_set as base;", include_str!("hash_set.txt")),
];

/// A lean copy of the toolchain's library source, below `home`. None if the source is not installed: rust-analyzer
/// then asks rustup for it, and the next session has the copy.
pub fn lean(home: &Path) -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8(output.stdout).ok()?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    // A new toolchain in the same place has new files.
    let age = fs::metadata(library.join("core/src/lib.rs")).and_then(|data| data.modified()).ok()?;
    let mut hasher = DefaultHasher::new();
    (&library, age, REPLACED).hash(&mut hasher);
    let copy = home.join(format!("std-source-{:016x}", hasher.finish()));
    if !copy.exists() {
        // Without the copy everything works, only later.
        make(&library, home, &copy).ok()?;
    }
    Some(copy)
}

/// Several sessions may start at once: each makes a copy of its own, and one of them takes the name.
fn make(library: &Path, home: &Path, copy: &Path) -> io::Result<()> {
    let folder = tempfile::tempdir_in(home)?;
    for name in ["core", "alloc", "std"] {
        copy_sources(&library.join(name).join("src"), &folder.path().join(name).join("src"))?;
    }
    for (file, line, declarations) in REPLACED {
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path)?.replace(line, &format!("mod base {{\n{declarations}}}"));
        fs::write(path, text)?;
    }
    match fs::rename(folder.path(), copy) {
        Err(_) if copy.exists() => Ok(()),
        renamed => renamed,
    }
}

fn copy_sources(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_sources(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_made_once_and_holds_the_three_crates() {
        let home = tempfile::tempdir().unwrap();
        // Where the source is not installed there is nothing to copy.
        let Some(copy) = lean(home.path()) else { return };
        for name in ["core", "alloc", "std"] {
            assert!(copy.join(name).join("src/lib.rs").exists());
        }
        for (file, ..) in REPLACED {
            let text = fs::read_to_string(copy.join(file)).unwrap();
            assert!(text.contains("mod base {"), "{file} of this toolchain names its types otherwise");
        }
        fs::write(copy.join("mark"), "").unwrap();
        assert_eq!(lean(home.path()).as_deref(), Some(copy.as_path()));
        assert!(copy.join("mark").exists());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
