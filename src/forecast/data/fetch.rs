//! A published file, from its address to this machine.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{DataSet, folders};
use crate::{Error, Result};

/// A file that is here now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where.
    pub path: PathBuf,
    /// Whether it came just now; if not, it was here before.
    pub downloaded: bool,
    /// The SHA-256 of its bytes in hexadecimal digits.
    pub sha256: String,
    /// Whether that was compared with the published one; if not, none is known.
    pub checked: bool,
}

/// What to tell the person who asked for it.
impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.downloaded { "downloaded" } else { "there already" };
        write!(f, "{}: {how}, ", self.path.display())?;
        match self.checked {
            true => write!(f, "and its sha256 is the published one"),
            false => write!(f, "with the sha256 {}, which nothing here can confirm", self.sha256),
        }
    }
}

/// Brings the file of a published set into the first of the [`folders`], where it is found from then on.
///
/// `progress` hears of every piece: the bytes so far, and how many they will be where the server says so.
///
/// # Errors
/// As [`folders`] and [`download`].
pub fn fetch(set: &DataSet, progress: &mut dyn FnMut(u64, Option<u64>)) -> Result<Fetched> {
    let path = folders()?.swap_remove(0).join(set.file);
    download(&set.address(), &path, Some(set.sha256), progress)
}

/// Brings what is at `address` to `path`, if it is not there yet. Its bytes are summed while they come and written beside
/// `path`; only a file that is whole and has the right sum gets its name. A kill leaves no more than a part of it there,
/// named `.fetch-…`.
///
/// # Errors
/// No connection, no such file at the address, fewer bytes than announced, another sum than `sha256`, a folder or disk
/// that takes no file: nothing is left behind then. A file at `path` with another sum is left as it is.
///
/// ```
/// use mlnotes::forecast::data::download;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("abc.csv");
/// std::fs::write(&path, "abc")?;
/// let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-4's example
/// assert!(!download("https://there.invalid/abc.csv", &path, Some(sum), &mut |_, _| {})?.downloaded); // here already
/// std::fs::write(&path, "abd")?;
/// assert!(download("https://there.invalid/abc.csv", &path, Some(sum), &mut |_, _| {}).is_err()); // another file
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn download(
    address: &str,
    path: &Path,
    sha256: Option<&str>,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Fetched> {
    let done = |downloaded, sum| Fetched { path: path.to_owned(), downloaded, sha256: sum, checked: sha256.is_some() };
    let unwritten = |error: std::io::Error| {
        Error::file(path, format!("cannot be written ({error}): make room, or set MLNOTES_DATA to another folder"))
    };
    if path.exists() {
        let unread = |error| Error::file(path, format!("is there but cannot be read ({error}): move it away"));
        let sum = pour(&mut File::open(path).map_err(unread)?, |_| Ok(())).map_err(unread)?;
        return match sha256 {
            Some(wanted) if wanted != sum => {
                let reason = format!(
                    "is there but is not the published file: its sha256 is {sum}, not {wanted}; move it away and fetch again"
                );
                Err(Error::file(path, reason))
            }
            _ => Ok(done(false, sum)),
        };
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(unwritten)?;
    let failed = |reason: &dyn fmt::Display| {
        let remedy = "check the connection and try again, or put the file there yourself";
        Error::file(path, format!("cannot be downloaded from {address} ({reason}): {remedy}"))
    };
    // A minute without a byte is a line that is down, whatever the whole takes.
    let wait = Some(Duration::from_secs(60));
    let limits = ureq::Agent::config_builder().timeout_connect(wait).timeout_recv_response(wait).timeout_per_read(wait);
    let response = ureq::Agent::new_with_config(limits.build()).get(address).call().map_err(|error| failed(&error))?;
    let mut body = response.into_body();
    let total = body.content_length();
    let mut beside = beside(folder).map_err(unwritten)?;
    let mut bytes = 0;
    let mut full = false;
    let sum = pour(&mut body.as_reader(), |piece| {
        beside.write_all(piece).inspect_err(|_| full = true)?;
        bytes += piece.len() as u64;
        progress(bytes, total);
        Ok(())
    });
    let sum = sum.map_err(|error| if full { unwritten(error) } else { failed(&error) })?;
    if let Some(wanted) = sha256.filter(|wanted| *wanted != sum) {
        return Err(failed(&format!("what came has the sha256 {sum}, not {wanted}")));
    }
    beside.as_file().sync_all().map_err(unwritten)?;
    beside.persist(path).map_err(|error| unwritten(error.error))?;
    Ok(done(true, sum))
}

/// A file that goes when it is dropped without a name.
fn beside(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".fetch-");
    // Others may read it, as any file that is made here.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Every piece to `take`; the sum of all.
fn pour(source: &mut dyn Read, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<String> {
    let mut sum = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match source.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(0) => return Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            Ok(bytes) => {
                sum.update(&piece[..bytes]);
                take(&piece[..bytes])?;
            }
        }
    }
}
