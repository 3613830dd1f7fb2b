//! What should come out, according to software that this project did not write?
//!
//! `data/reference/<topic>/make.py` runs a peer library and writes `<case>.safetensors`: inputs, expected outputs, and in
//! the header the versions and the seed. [`Reference`] reads such a file. The folder is found where this crate was
//! built; the environment variable `MLNOTES_REFERENCE` names another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array, ArrayD, Dimension, IxDyn};
use safetensors::{Dtype, SafeTensors};

use crate::{Error, Result};

/// Named arrays of expected values, and what made them.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let numpy = Reference::load("random", "seed_42")?;
/// let uniform: Array1<f64> = numpy.array("uniform")?;
/// assert_eq!(uniform[0], RandomState::new(42).uniform());
/// assert_eq!(numpy.metadata["numpy"], "2.4.6");
/// assert!(Reference::load("random", "no_such_case").is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct Reference {
    /// What the header says: versions, the seed, the script.
    pub metadata: BTreeMap<String, String>,
    path: PathBuf,
    floats: BTreeMap<String, ArrayD<f64>>,
    integers: BTreeMap<String, ArrayD<i64>>,
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
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("data/reference"),
        }
    }

    fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("cannot be read ({error})"))?;
        let corrupt = |error| format!("is not a whole safetensors file ({error})");
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(corrupt)?;
        let mut reference = Self {
            metadata: header.metadata().clone().unwrap_or_default().into_iter().collect(),
            path: path.to_path_buf(),
            floats: BTreeMap::new(),
            integers: BTreeMap::new(),
        };
        for (name, tensor) in SafeTensors::deserialize(&bytes).map_err(corrupt)?.tensors() {
            let shape = tensor.shape();
            match tensor.dtype() {
                Dtype::F64 => {
                    reference.floats.insert(name, numbers(shape, tensor.data(), f64::from_le_bytes)?);
                }
                Dtype::I64 => {
                    reference.integers.insert(name, numbers(shape, tensor.data(), i64::from_le_bytes)?);
                }
                other => return Err(format!("holds `{name}` as {other:?}, but only F64 and I64 are read here")),
            }
        }
        Ok(reference)
    }

    /// The floating-point array `name`, with the number of axes that the caller asks for.
    ///
    /// # Errors
    /// [`Error::File`] when there is no such array, [`Error::Shape`] when it has another number of axes.
    pub fn array<D: Dimension>(&self, name: &str) -> Result<Array<f64, D>> {
        self.typed(name, &self.floats, "floating-point")
    }

    /// The integer array `name`.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn integers<D: Dimension>(&self, name: &str) -> Result<Array<i64, D>> {
        self.typed(name, &self.integers, "integer")
    }

    /// The integer array `name` as classes or row numbers.
    ///
    /// # Errors
    /// As [`array`](Self::array), and [`Error::Domain`] when one is negative.
    pub fn labels<D: Dimension>(&self, name: &str) -> Result<Array<usize, D>> {
        let integers = self.integers::<D>(name)?;
        if let Some(negative) = integers.iter().find(|&&value| value < 0) {
            return Err(Error::domain("labels", negative, "0 or more: read signed values with `integers`"));
        }
        Ok(integers.mapv(|value| value as usize))
    }

    fn typed<T: Clone, D: Dimension>(
        &self,
        name: &str,
        arrays: &BTreeMap<String, ArrayD<T>>,
        kind: &str,
    ) -> Result<Array<T, D>> {
        let Some(array) = arrays.get(name) else {
            let known = arrays.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(Error::file(&self.path, format!("has no {kind} array `{name}`; there are: {known}")));
        };
        array.clone().into_dimensionality::<D>().map_err(|_| {
            let axes = D::NDIM.map_or("another number of".to_string(), |axes| axes.to_string());
            Error::shape(
                "reference array",
                format!("a type with {} axes instead of {axes}", array.ndim()),
                array.shape(),
            )
        })
    }
}

/// Little-endian numbers of 8 bytes each.
fn numbers<T>(shape: &[usize], bytes: &[u8], decode: fn([u8; 8]) -> T) -> Result<ArrayD<T>, String> {
    let values = bytes.as_chunks::<8>().0.iter().map(|&chunk| decode(chunk)).collect();
    Array::from_shape_vec(IxDyn(shape), values).map_err(|error| error.to_string())
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.floats.keys().chain(self.integers.keys()).map(String::as_str).collect();
        write!(f, "Reference {}: {}", self.path.display(), names.join(", "))
    }
}
