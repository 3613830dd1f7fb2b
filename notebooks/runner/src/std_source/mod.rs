//! How does the compiler front end come to know the standard library sooner? It reads its source anew in every
//! session, and half of that is processor intrinsics and vendored crates that no notebook names. So it is shown a copy
//! of `core`, `alloc` and `std` alone; this takes a third off the wait for the first cell. Only the analysis of
//! variables' types and completion see the copy: rustc compiles against the real library.
//!
//! And a new session has it read the source twice: evcxr compiles a line of its own first. That time it is shown an
//! empty library, through a link that is then turned to the copy; this takes off two seconds more.
//!
//! The collections' own crate, hashbrown, is one of those left out. Its types are declared in its place, because what
//! they are generic over decides which types rust-analyzer infers (`map.iter().map(|(key, value)| …)`).

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

/// The environment variable by which rust-analyzer, within evcxr, is told where the source is.
pub const VARIABLE: &str = "RUST_SRC_PATH";

/// Files of `std` that name a type's home in a vendored crate, the line that does, and that home's declarations.
const REPLACED: [(&str, &str, &str); 2] = [
    ("std/src/collections/hash/map.rs", "use hashbrown::hash_map as base;", include_str!("hash_map.txt")),
    ("std/src/collections/hash/set.rs", "use hashbrown::hash_set as base;", include_str!("hash_set.txt")),
];

/// The crates that notebooks name.
const CRATES: [&str; 3] = ["core", "alloc", "std"];
/// The part of the copy that holds the crates without their content.
const EMPTY: &str = "empty";

/// The link in the folder of a session (`slot`) by which rust-analyzer is shown a lean copy of the toolchain's library
/// source; the copy lies beside the slots. None if the source is not installed: rust-analyzer then asks rustup for it,
/// and the next session has the copy.
pub fn lean(sysroot: &Path, slot: &Path) -> Option<PathBuf> {
    let copy = copy(sysroot, slot.parent()?)?;
    let link = slot.join("std-source");
    turn(&link, &copy).ok()?;
    Some(link)
}

/// Until dropped, rust-analyzer is shown an empty library in the place of the lean copy.
pub struct Hidden(Option<(PathBuf, PathBuf)>);

/// Hides the source of this process's session, if it is the lean copy.
pub fn hide() -> Hidden {
    let link = std::env::var_os(VARIABLE).map(PathBuf::from);
    let both = link.and_then(|link| fs::read_link(&link).ok().map(|copy| (link, copy)));
    Hidden(both.filter(|(link, copy)| copy.join(EMPTY).is_dir() && turn(link, &copy.join(EMPTY)).is_ok()))
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some((link, copy)) = &self.0 {
            // It could be turned the other way just before.
            let _ = turn(link, copy);
        }
    }
}

/// Makes `link` point to `folder`, wherever it pointed before.
fn turn(link: &Path, folder: &Path) -> io::Result<()> {
    let new = link.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(folder, &new)?;
    fs::rename(new, link)
}

fn copy(sysroot: &Path, home: &Path) -> Option<PathBuf> {
    let library = sysroot.join("lib/rustlib/src/rust/library");
    // A new toolchain in the same place has new files.
    let age = fs::metadata(library.join("core/src/lib.rs")).and_then(|data| data.modified()).ok()?;
    let mut hasher = DefaultHasher::new();
    (&library, age, REPLACED, EMPTY).hash(&mut hasher);
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
    for name in CRATES {
        copy_sources(&library.join(name).join("src"), &folder.path().join(name).join("src"))?;
        let empty = folder.path().join(EMPTY).join(name).join("src");
        fs::create_dir_all(&empty)?;
        fs::write(empty.join("lib.rs"), "")?;
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
    fn the_copy_is_made_once_and_can_be_hidden() {
        let home = tempfile::tempdir().unwrap();
        let slot = home.path().join("slot");
        fs::create_dir(&slot).unwrap();
        let sysroot = crate::toolchain::folders().unwrap().sysroot;
        // Where the source is not installed there is nothing to copy.
        let Some(link) = lean(&sysroot, &slot) else { return };
        let size = |name: &str| fs::metadata(link.join(name).join("src/lib.rs")).unwrap().len();
        assert!(CRATES.iter().all(|name| size(name) > 1000));
        for (file, ..) in REPLACED {
            let text = fs::read_to_string(link.join(file)).unwrap();
            assert!(text.contains("mod base {"), "{file} of this toolchain names its types otherwise");
        }
        fs::write(link.join("mark"), "").unwrap();
        assert_eq!(lean(&sysroot, &slot).as_ref(), Some(&link));
        assert!(link.join("mark").exists());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);

        let copy = fs::read_link(&link).unwrap();
        assert!(turn(&link, &copy.join(EMPTY)).is_ok());
        let hidden = Hidden(Some((link.clone(), copy)));
        assert!(CRATES.iter().all(|name| size(name) == 0));
        drop(hidden);
        assert!(CRATES.iter().all(|name| size(name) > 1000));
    }
}
