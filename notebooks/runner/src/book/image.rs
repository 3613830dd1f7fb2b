//! Images: inside the page as `data:` URLs, or files beside the notebook that go into the book's folder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "gif", "webp", "avif", "svg"];
const TYPES: [&str; 6] = ["png", "jpeg", "gif", "webp", "avif", "svg+xml"];

/// The image files that a notebook refers to.
#[derive(Debug)]
pub struct Images {
    folder: PathBuf,
    page: String,
    found: Vec<(PathBuf, String)>,
    missing: Vec<String>,
}

impl Images {
    /// Those of the notebook at `path`, whose page is named `page`.
    ///
    /// Shared, because ammonia's filter, which meets them, may not borrow.
    pub fn new(path: &Path, page: &str) -> Arc<Mutex<Self>> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Arc::new(Mutex::new(Self { folder, page: page.to_owned(), found: Vec::new(), missing: Vec::new() }))
    }
}

/// A `data:` URL, if the base64 text is one.
pub fn data_url(mime: &str, base64: &str) -> Option<String> {
    let data: String = base64.split_whitespace().collect();
    let url = format!("data:{mime};base64,{data}");
    is_inside(&url).then_some(url)
}

/// Whether the URL holds an image itself.
pub fn is_inside(url: &str) -> bool {
    let is_base64 =
        |data: &str| !data.is_empty() && data.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    url.strip_prefix("data:image/")
        .and_then(|rest| rest.split_once(";base64,"))
        .is_some_and(|(kind, data)| TYPES.contains(&kind) && is_base64(data))
}

/// Whether the URL leads elsewhere than to the notebook's folder.
pub fn is_remote(url: &str) -> bool {
    let scheme = url.split(['/', '?', '#']).next().unwrap_or("");
    url.starts_with("//") || scheme.contains(':')
}

/// The URL in the book for an image file that the notebook names, noted for copying; none if there is no such file.
pub fn copy(images: &Arc<Mutex<Images>>, url: &str) -> Option<String> {
    if is_remote(url) {
        return None;
    }
    let mut images = lock(images);
    let path = url.split(['?', '#']).next().unwrap_or("");
    let path = images.folder.join(percent_decode_str(path).decode_utf8_lossy().as_ref());
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).unwrap_or_default();
    if !ENDINGS.contains(&ending.as_str()) || !path.is_file() {
        images.missing.push(url.to_owned());
        return None;
    }
    let number = images.found.iter().position(|(known, _)| *known == path).unwrap_or(images.found.len());
    let name = format!("images/{}-{}.{ending}", images.page, number + 1);
    if number == images.found.len() {
        images.found.push((path, name.clone()));
    }
    Some(name.split('/').map(encode).collect::<Vec<_>>().join("/"))
}

/// The files to copy, each with its name in the book.
pub fn found(images: &Arc<Mutex<Images>>) -> Vec<(PathBuf, String)> {
    std::mem::take(&mut lock(images).found)
}

/// The images that were not there, since this was last asked.
pub fn take_missing(images: &Arc<Mutex<Images>>) -> Vec<String> {
    std::mem::take(&mut lock(images).missing)
}

/// A path's segment for a URL.
pub fn encode(segment: &str) -> String {
    const PLAIN: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
    utf8_percent_encode(segment, PLAIN).to_string()
}

fn lock(images: &Arc<Mutex<Images>>) -> MutexGuard<'_, Images> {
    images.lock().unwrap_or_else(PoisonError::into_inner)
}
