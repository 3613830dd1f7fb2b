//! A training run put aside, to go on as if it had not been.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::adam::{Adam, Moments};
use super::report::Epoch;
use crate::forecast::data::Windows;
use crate::{Error, Result};

/// Where a run is, but for weights and moments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    /// The epoch under way, counted from 1.
    pub epoch: usize,
    /// Iterations done in it.
    pub iteration: usize,
    /// The sum of their losses.
    pub loss: f64,
    /// Epochs since validation was last better.
    pub waiting: usize,
    pub best: Option<usize>,
    pub epochs: Vec<Epoch>,
    pub seconds: f64,
    /// Of Adam.
    pub steps: u32,
    pub finished: bool,
}

impl State {
    pub fn start() -> Self {
        Self {
            epoch: 1,
            iteration: 0,
            loss: 0.0,
            waiting: 0,
            best: None,
            epochs: Vec::new(),
            seconds: 0.0,
            steps: 0,
            finished: false,
        }
    }
}

/// What a result depends on, by name.
pub(super) type Identity = BTreeMap<String, String>;

/// The one entry of the file's header; several would stand in any order.
const HEADER: &str = "mlnotes-forecast";

#[derive(Serialize, Deserialize)]
struct Header {
    identity: Identity,
    state: State,
    /// Of the above and all arrays.
    sum: String,
}

impl Header {
    /// What `sum` must be for these arrays, in the order of their names.
    fn sum<'a>(&self, arrays: impl Iterator<Item = &'a [u8]>) -> serde_json::Result<String> {
        let text = serde_json::to_vec(&(&self.identity, &self.state))?;
        Ok(hexadecimal(text.into_iter().chain(arrays.flatten().copied())))
    }
}

/// A checkpoint's arrays, looked through before any is used.
pub(super) struct Checkpoint {
    path: PathBuf,
    pub identity: Identity,
    pub state: State,
    arrays: BTreeMap<String, Tensor>,
}

/// Writes all of it or leaves the file that was there.
pub(super) fn save(path: &Path, identity: &Identity, state: &State, adam: &Adam, best: &[Tensor]) -> Result<()> {
    let mut arrays = BTreeMap::new();
    for ((name, weight), moments) in adam.weights.iter().zip(&adam.moments) {
        let shape = weight.dims().to_vec();
        arrays.insert(format!("weight.{name}"), array(weight)?);
        let (dtype, m, v) = match moments {
            Moments::F32(m, v) => (Dtype::F32, bytes(m, |n| n.to_le_bytes()), bytes(v, |n| n.to_le_bytes())),
            Moments::F64(m, v) => (Dtype::F64, bytes(m, |n| n.to_le_bytes()), bytes(v, |n| n.to_le_bytes())),
        };
        arrays.insert(format!("m.{name}"), (dtype, shape.clone(), m));
        arrays.insert(format!("v.{name}"), (dtype, shape, v));
    }
    for ((name, _), best) in adam.weights.iter().zip(best) {
        arrays.insert(format!("best.{name}"), array(best)?);
    }
    let failed = |error: &dyn std::fmt::Display| {
        let reason = format!(
            "the checkpoint cannot be written ({error}); one written before is whole: make room, or choose another folder"
        );
        Error::file(path, reason)
    };
    let state = State { steps: adam.steps, ..state.clone() };
    let mut header = Header { identity: identity.clone(), state, sum: String::new() };
    header.sum = header.sum(arrays.values().map(|(_, _, bytes)| &**bytes)).map_err(|error| failed(&error))?;
    let header = [(HEADER.to_owned(), serde_json::to_string(&header).map_err(|error| failed(&error))?)];
    let mut views = Vec::with_capacity(arrays.len());
    for (name, (dtype, shape, bytes)) in &arrays {
        views.push((name, TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| failed(&error))?));
    }
    let file = safetensors::serialize(views, Some(header.into())).map_err(|error| failed(&error))?;
    replace(path, &file).map_err(|error| failed(&error))
}

/// A new file takes the old one's name only once it is on the disk.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = (|| {
        let mut file = File::create(&part)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&part, path)
    })();
    if written.is_err() {
        // What cannot be written can often not be removed: the first error is the one to tell.
        let _ = fs::remove_file(&part);
    }
    written
}

type Array = (Dtype, Vec<usize>, Vec<u8>);

fn array(tensor: &Tensor) -> Result<Array> {
    let (shape, flat) = (tensor.dims().to_vec(), tensor.flatten_all()?);
    Ok(match tensor.dtype() {
        DType::F64 => (Dtype::F64, shape, bytes(&flat.to_vec1::<f64>()?, |n| n.to_le_bytes())),
        _ => (Dtype::F32, shape, bytes(&flat.to_vec1::<f32>()?, |n| n.to_le_bytes())),
    })
}

fn bytes<T: Copy, const N: usize>(values: &[T], encode: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| encode(*value)).collect()
}

impl Checkpoint {
    pub fn load(path: &Path) -> Result<Self> {
        let file = fs::read(path).map_err(|error| {
            Error::file(
                path,
                format!("the checkpoint cannot be read ({error}): train first, or name the folder it is in"),
            )
        })?;
        let damaged = |what: &dyn std::fmt::Display| {
            Error::file(path, format!("is not a whole checkpoint ({what}): remove it and start anew"))
        };
        let (_, metadata) = SafeTensors::read_metadata(&file).map_err(|error| damaged(&error))?;
        let header = metadata.metadata().as_ref().and_then(|header| header.get(HEADER));
        let header = header.ok_or_else(|| damaged(&"its header has no state of training"))?;
        let header: Header = serde_json::from_str(header).map_err(|error| damaged(&error))?;
        let tensors = SafeTensors::deserialize(&file).map_err(|error| damaged(&error))?;
        let views: BTreeMap<String, TensorView<'_>> = tensors.tensors().into_iter().collect();
        if header.sum(views.values().map(|view| view.data())).map_err(|error| damaged(&error))? != header.sum {
            return Err(damaged(&"it is not what was written"));
        }
        let mut arrays = BTreeMap::new();
        for (name, view) in views {
            let (data, shape, cpu) = (view.data(), view.shape(), &Device::Cpu);
            let tensor = match view.dtype() {
                Dtype::F32 => Tensor::from_iter(data.as_chunks().0.iter().map(|n| f32::from_le_bytes(*n)), cpu)?,
                Dtype::F64 => Tensor::from_iter(data.as_chunks().0.iter().map(|n| f64::from_le_bytes(*n)), cpu)?,
                other => return Err(damaged(&format!("`{name}` is of the kind {other:?}"))),
            };
            arrays.insert(name, tensor.reshape(shape)?);
        }
        Ok(Self { path: path.to_owned(), identity: header.identity, state: header.state, arrays })
    }

    /// Refuses what is of another run, naming all that differs among `keys`.
    pub fn is_of(&self, identity: &Identity, keys: impl Fn(&str) -> bool) -> Result<()> {
        let mut names: Vec<&String> = self.identity.keys().chain(identity.keys()).filter(|key| keys(key)).collect();
        names.sort_unstable();
        names.dedup();
        let of = |identity: &Identity, name: &str| identity.get(name).cloned().unwrap_or_else(|| "not there".into());
        let differences: Vec<String> = names
            .into_iter()
            .map(|name| (name, of(&self.identity, name), of(identity, name)))
            .filter(|(_, there, here)| there != here)
            .map(|(name, there, here)| format!("`{name}` is {there} there, {here} here"))
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        let differences = differences.join("; ");
        let remedy = "ask for the same, start anew, or choose another folder";
        Err(Error::file(&self.path, format!("is a checkpoint of another run ({differences}): {remedy}")))
    }

    /// The arrays under `prefix` in the order of the weights.
    fn arrays(&self, prefix: &str, weights: &[(String, Var)]) -> Result<Vec<Tensor>> {
        let count = self.arrays.keys().filter(|name| name.starts_with(prefix)).count();
        let mut found = Vec::with_capacity(weights.len());
        for (name, weight) in weights {
            let name = format!("{prefix}{name}");
            let array = self.arrays.get(&name).ok_or_else(|| self.other(&format!("it has no `{name}`")))?;
            if array.dims() != weight.dims() || array.dtype() != weight.dtype() {
                let (there, here) = ((array.dims(), array.dtype()), (weight.dims(), weight.dtype()));
                return Err(self.other(&format!("`{name}` is {there:?} there, {here:?} here")));
            }
            found.push(array.clone());
        }
        if count != weights.len() {
            return Err(self.other(&format!("it has {count} arrays `{prefix}…`, the model {}", weights.len())));
        }
        Ok(found)
    }

    fn other(&self, what: &str) -> Error {
        let remedy = "build the model with the sizes it was trained with, or start anew";
        Error::file(&self.path, format!("is a checkpoint of another model ({what}): {remedy}"))
    }

    /// The best weights, or none where no epoch has ended.
    pub fn best(&self, weights: &[(String, Var)]) -> Result<Vec<Tensor>> {
        if self.state.best.is_none() { Ok(Vec::new()) } else { self.arrays("best.", weights) }
    }

    /// Puts weights and moments back. All are looked at before the first is changed.
    pub fn restore(&self, adam: &mut Adam) -> Result<()> {
        let weights = self.arrays("weight.", &adam.weights)?;
        let (first, second) = (self.arrays("m.", &adam.weights)?, self.arrays("v.", &adam.weights)?);
        let mut moments = Vec::with_capacity(weights.len());
        for (m, v) in first.iter().zip(&second) {
            let (m, v) = (m.flatten_all()?, v.flatten_all()?);
            moments.push(match m.dtype() {
                DType::F64 => Moments::F64(m.to_vec1()?, v.to_vec1()?),
                _ => Moments::F32(m.to_vec1()?, v.to_vec1()?),
            });
        }
        set(&adam.weights, &weights)?;
        (adam.moments, adam.steps) = (moments, self.state.steps);
        Ok(())
    }
}

/// The model's weights become these.
pub(super) fn set(weights: &[(String, Var)], values: &[Tensor]) -> Result<()> {
    for ((_, weight), value) in weights.iter().zip(values) {
        weight.set(value)?;
    }
    Ok(())
}

/// What tells windows from others.
pub(super) fn fingerprint(windows: &Windows) -> String {
    let sizes = [windows.values().nrows(), windows.channels(), windows.seq_len(), windows.pred_len()];
    let sizes = sizes.into_iter().flat_map(|size| (size as u64).to_le_bytes());
    hexadecimal(sizes.chain(windows.values().iter().flat_map(|value| value.to_le_bytes())))
}

/// FNV-1a, which is against accidents alone.
fn hexadecimal(bytes: impl Iterator<Item = u8>) -> String {
    let sum = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    format!("{sum:016x}")
}
