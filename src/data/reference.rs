//! What should come out, according to software that this project did not write?
//!
//! `data/reference/<topic>/make.py` runs a peer library and writes `<case>.safetensors`: inputs, expected outputs, and in
//! the header the versions and the seed. [`Reference`] reads such a file. The folder is found where this crate was
//! built; the environment variable `MLNOTES_REFERENCE` names another.

use std::path::{Path, PathBuf};

use ndarray::{Array, Dimension};
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::{Error, Result};

/// Where this crate was built. The first is set by `.cargo/config.toml`, which a crate that depends on this one lacks.
const CHECKOUT: &str = match option_env!("MLNOTES_CHECKOUT") {
    Some(folder) => folder,
    None => env!("CARGO_MANIFEST_DIR"),
};

/// Named arrays of expected values, and what made them.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let numpy = Reference::load("random", "seed_42")?;
/// let uniform: Array1<f64> = numpy.array("uniform")?;
/// assert_eq!(uniform[0], RandomState::new(42).uniform());
/// assert_eq!(numpy.metadata("numpy")?, "2.4.6");
/// assert!(Reference::load("random", "no_such_case").is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct Reference {
    path: PathBuf,
    /// The whole file, known to be good; each array is decoded when asked for.
    bytes: Vec<u8>,
}

impl Reference {
    /// Reads `<topic>/<case>.safetensors` from the reference folder.
    ///
    /// # Errors
    /// [`Error::File`] when the file is missing or is not what `make.py` writes.
    pub fn load(topic: &str, case: &str) -> Result<Self> {
        let path = Self::folder().join(topic).join(format!("{case}.safetensors"));
        Self::read(&path).map_err(|reason| {
            let remedy = format!(
                "{reason}; `data/reference/{topic}/make.py` makes it (`data/reference/README.md` says how), and \
                 MLNOTES_REFERENCE can name another reference folder"
            );
            Error::file(path, remedy)
        })
    }

    /// The folder: `MLNOTES_REFERENCE`, or `data/reference` where this crate was built.
    pub fn folder() -> PathBuf {
        match std::env::var_os("MLNOTES_REFERENCE") {
            Some(folder) => PathBuf::from(folder),
            None => Path::new(CHECKOUT).join("data/reference"),
        }
    }

    fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("cannot be read ({error})"))?;
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|error| format!("is not a whole safetensors file ({error})"))?;
        for (name, tensor) in tensors.iter() {
            if !matches!(tensor.dtype(), Dtype::F64 | Dtype::I64) {
                let other = tensor.dtype();
                return Err(format!("holds `{name}` as {other:?}, but only F64 and I64 are read here"));
            }
        }
        drop(tensors);
        Ok(Self { path: path.to_path_buf(), bytes })
    }

    /// What the header says under `key`: a version, the seed, the script.
    ///
    /// # Errors
    /// [`Error::File`] when there is no such entry.
    pub fn metadata(&self, key: &str) -> Result<String> {
        let header = SafeTensors::read_metadata(&self.bytes).map_err(|error| self.damaged(&error))?.1;
        let entries = header.metadata().clone().unwrap_or_default();
        entries.get(key).cloned().ok_or_else(|| self.missing("header entry", key, entries.keys()))
    }

    /// The floating-point array `name`, with the number of axes that the caller asks for.
    ///
    /// # Errors
    /// [`Error::File`] when there is no such array, [`Error::Shape`] when it has another number of axes.
    pub fn array<D: Dimension>(&self, name: &str) -> Result<Array<f64, D>> {
        let (shape, values) = self.floats(name)?;
        shaped(&shape, values)
    }

    /// The integer array `name`.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn integers<D: Dimension>(&self, name: &str) -> Result<Array<i64, D>> {
        let (shape, values) = self.signed(name)?;
        shaped(&shape, values)
    }

    /// The integer array `name` as classes or row numbers.
    ///
    /// # Errors
    /// As [`array`](Self::array), and [`Error::Domain`] when one is negative.
    pub fn labels<D: Dimension>(&self, name: &str) -> Result<Array<usize, D>> {
        let (shape, values) = self.unsigned(name)?;
        shaped(&shape, values)
    }

    fn floats(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>)> {
        self.numbers(name, Dtype::F64, f64::from_le_bytes)
    }

    fn signed(&self, name: &str) -> Result<(Vec<usize>, Vec<i64>)> {
        self.numbers(name, Dtype::I64, i64::from_le_bytes)
    }

    fn unsigned(&self, name: &str) -> Result<(Vec<usize>, Vec<usize>)> {
        let (shape, values) = self.signed(name)?;
        if let Some(negative) = values.iter().find(|&&value| value < 0) {
            return Err(Error::domain("labels", negative, "0 or more: read signed values with `integers`"));
        }
        Ok((shape, values.into_iter().map(|value| value as usize).collect()))
    }

    /// Shape and elements, 8 bytes each, little-endian.
    fn numbers<T>(&self, name: &str, dtype: Dtype, decode: fn([u8; 8]) -> T) -> Result<(Vec<usize>, Vec<T>)> {
        let tensors = SafeTensors::deserialize(&self.bytes).map_err(|error| self.damaged(&error))?;
        let tensor = tensors.iter().find(|(other, tensor)| *other == name && tensor.dtype() == dtype);
        let Some((_, tensor)) = tensor else {
            let kind = if dtype == Dtype::F64 { "floating-point array" } else { "integer array" };
            let names = tensors.iter().filter(|(_, tensor)| tensor.dtype() == dtype).map(|(name, _)| name);
            return Err(self.missing(kind, name, names));
        };
        let values = tensor.data().as_chunks::<8>().0.iter().map(|&chunk| decode(chunk)).collect();
        Ok((tensor.shape().to_vec(), values))
    }

    fn missing(&self, kind: &str, name: &str, known: impl Iterator<Item = impl Into<String>>) -> Error {
        let mut known: Vec<String> = known.map(Into::into).collect();
        known.sort_unstable();
        Error::file(&self.path, format!("has no {kind} `{name}`; there are: {}", known.join(", ")))
    }

    fn damaged(&self, error: &SafeTensorError) -> Error {
        Error::file(&self.path, format!("is not a whole safetensors file ({error})"))
    }
}

/// Compiled by each notebook cell that reads an array, since it is generic: so no more than must be.
fn shaped<T, D: Dimension>(shape: &[usize], values: Vec<T>) -> Result<Array<T, D>> {
    let axes = D::NDIM.unwrap_or(shape.len());
    if axes != shape.len() {
        return Err(other_axes(shape, axes));
    }
    let mut lengths = D::zeros(axes);
    for axis in 0..axes {
        lengths[axis] = shape[axis];
    }
    Array::from_shape_vec(lengths, values).map_err(|_| other_axes(shape, axes))
}

fn other_axes(shape: &[usize], axes: usize) -> Error {
    Error::shape("reference array", format!("a type with {} axes instead of {axes}", shape.len()), shape)
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tensors = SafeTensors::deserialize(&self.bytes);
        let mut names = tensors.as_ref().map(SafeTensors::names).unwrap_or_default();
        names.sort_unstable();
        write!(f, "Reference {}: {}", self.path.display(), names.join(", "))
    }
}
