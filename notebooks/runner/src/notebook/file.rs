//! Reading a notebook file, and replacing it in one step.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::NotebookError;

/// The file's text.
pub fn read(path: &Path) -> Result<String, NotebookError> {
    let bytes = fs::read(path).map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::NotFound => "there is no such file: check the name and the folder".into(),
            ErrorKind::IsADirectory => "this is a directory: name a notebook (`.ipynb`) in it".into(),
            ErrorKind::PermissionDenied => "no permission to read it: change the file's permissions".into(),
            _ => format!("it cannot be read ({error})"),
        };
        NotebookError::new(path, reason)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        NotebookError::new(path, format!("it is not UTF-8 text (from byte {at} on): save it as UTF-8"))
    })
}

/// Puts `bytes` at `path` in one step and says whether they differed from what was there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<bool, NotebookError> {
    let fail = |error: std::io::Error| NotebookError::new(path, describe_write(&error));
    let target = follow(path).map_err(fail)?;
    let old = match fs::read(&target) {
        Ok(old) if old == bytes => return Ok(false),
        Ok(_) => Some(fs::metadata(&target).map_err(fail)?.permissions()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(fail(error)),
    };
    replace(&target, bytes, old).map_err(fail)?;
    Ok(true)
}

fn replace(target: &Path, bytes: &[u8], permissions: Option<Permissions>) -> std::io::Result<()> {
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".ipynb.part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask, as for any new file
    let mut temporary = builder.tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    if let Some(permissions) = permissions {
        temporary.as_file().set_permissions(permissions)?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(target).map_err(|error| error.error)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?; // the rename itself
    Ok(())
}

/// The file behind a link, so that the link stays one; a path that does not exist yet is its own target.
fn follow(path: &Path) -> std::io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path),
        _ => Ok(path.to_owned()),
    }
}

fn describe_write(error: &std::io::Error) -> String {
    let (what, remedy) = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            ("its folder is read-only", "make the folder writable, or work on a copy")
        }
        ErrorKind::NotFound => ("its folder (or the target of its link) does not exist", "make it first"),
        ErrorKind::IsADirectory => ("this is a directory", "name a notebook file"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ("the disk is full", "free some space"),
        _ => return format!("it cannot be written ({error}); the file is as it was"),
    };
    format!("it cannot be written, because {what}: {remedy}; the file is as it was")
}
