//! The kernels on candle's own GPU: its stream, its memory, and nothing copied to the host.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use candle_core::cuda_backend::{CudaDType, DeviceId};
use candle_core::{CudaDevice, CudaStorage, Result, Storage};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut, SyncOnDrop};
use half::bf16;

use super::super::scan::lock;
use super::{Input, Runner, find};
use crate::kernels::cuda::{Device, Module};
use crate::kernels::{Kind, Outline, Role, SELECTIVE_SCAN, Slot};

/// A GPU as candle has it.
pub(in crate::nn) struct Gpu<'a>(pub(in crate::nn) &'a CudaDevice);

/// What was compiled for a device.
#[derive(Clone)]
struct Compiled {
    module: Module,
    multiprocessors: usize,
}

static COMPILED: LazyLock<Mutex<HashMap<DeviceId, Compiled>>> = LazyLock::new(Mutex::default);

impl Gpu<'_> {
    fn compiled(&self) -> Result<Compiled> {
        let mut all = lock(&COMPILED);
        if let Some(compiled) = all.get(&self.0.id()) {
            return Ok(compiled.clone());
        }
        let compile = || {
            let device = Device::on(self.0.cuda_stream());
            Ok(Compiled { module: device.load(SELECTIVE_SCAN)?, multiprocessors: device.multiprocessors()? })
        };
        let compiled: Compiled = compile().map_err(|error: crate::Error| candle_core::Error::wrap(error))?;
        all.insert(self.0.id(), compiled.clone());
        Ok(compiled)
    }
}

/// Memory that a run makes.
enum Own {
    F32(CudaSlice<f32>),
    Bf16(CudaSlice<bf16>),
    I32(CudaSlice<i32>),
}

impl Own {
    /// Of nothing where kernels write first, of zeros where they add.
    fn new(device: &CudaDevice, slot: &Slot) -> Result<Option<Self>> {
        let Slot { role, kind, len, .. } = *slot;
        // SAFETY: floats of any bits are floats, and the kernels write every one before it is read: under emulation they
        // start as NaN, and none is left.
        let unwritten = |device: &CudaDevice| unsafe {
            Ok(match kind {
                Kind::F32 => Self::F32(device.alloc(len)?),
                Kind::Bf16 => Self::Bf16(device.alloc(len)?),
                Kind::I32 => Self::I32(device.alloc(len)?),
            })
        };
        match role {
            Role::Input => Ok(None),
            Role::Output => unwritten(device).map(Some),
            Role::State => Ok(Some(match kind {
                Kind::F32 => Self::F32(device.alloc_zeros(len)?),
                Kind::Bf16 => Self::Bf16(device.alloc_zeros(len)?),
                Kind::I32 => Self::I32(device.alloc_zeros(len)?),
            })),
        }
    }

    /// The address, and what must live until the launches are in the stream.
    fn address<'a>(&'a mut self, stream: &'a CudaStream) -> (u64, SyncOnDrop<'a>) {
        match self {
            Self::F32(slice) => slice.device_ptr_mut(stream),
            Self::Bf16(slice) => slice.device_ptr_mut(stream),
            Self::I32(slice) => slice.device_ptr_mut(stream),
        }
    }

    fn storage(self, device: CudaDevice) -> CudaStorage {
        match self {
            Self::F32(slice) => CudaStorage::wrap_cuda_slice(slice, device),
            Self::Bf16(slice) => CudaStorage::wrap_cuda_slice(slice, device),
            Self::I32(slice) => CudaStorage::wrap_cuda_slice(slice, device),
        }
    }
}

/// As [`Own::address`], of an input; an error where it does not hold what its slot says.
fn address<'a, T: CudaDType + 'a>(
    slot: &Slot,
    input: &Input<'a, CudaStorage>,
    stream: &'a CudaStream,
) -> Result<(u64, SyncOnDrop<'a>)> {
    let slice = input.memory.as_cuda_slice::<T>()?;
    if slice.len() < input.start + slot.len {
        candle_core::bail!("`{}` does not hold {} numbers", slot.name, slot.len);
    }
    let (first, guard) = slice.device_ptr(stream);
    Ok((first + (input.start * size_of::<T>()) as u64, guard))
}

impl Runner for Gpu<'_> {
    type Memory = CudaStorage;

    fn memory(storage: &Storage) -> Option<&CudaStorage> {
        match storage {
            Storage::Cuda(storage) => Some(storage),
            _ => None,
        }
    }

    fn storage(memory: CudaStorage) -> Storage {
        Storage::Cuda(memory)
    }

    fn multiprocessors(&self) -> Result<usize> {
        Ok(self.compiled()?.multiprocessors)
    }

    fn run(&self, outline: &Outline, inputs: &[Input<'_, CudaStorage>]) -> Result<Vec<(&'static str, CudaStorage)>> {
        let module = self.compiled()?.module;
        let stream: Arc<CudaStream> = self.0.cuda_stream();
        let slots = outline.slots();
        let mut own = slots.iter().map(|slot| Own::new(self.0, slot)).collect::<Result<Vec<_>>>()?;
        let (mut addresses, mut guards) = (Vec::with_capacity(slots.len()), Vec::with_capacity(slots.len()));
        for (slot, own) in slots.iter().zip(&mut own) {
            let (address, guard) = match (own, slot.kind) {
                (Some(own), _) => own.address(&stream),
                (None, Kind::F32) => address::<f32>(slot, find(inputs, slot.name)?, &stream)?,
                (None, Kind::Bf16) => address::<bf16>(slot, find(inputs, slot.name)?, &stream)?,
                (None, Kind::I32) => address::<i32>(slot, find(inputs, slot.name)?, &stream)?,
            };
            addresses.push(address);
            guards.push(guard);
        }
        // SAFETY: each address is of a slice that was just compared with its slot or made for it; the guards have the stream
        // wait for whatever is still being written, and memory is given back in the stream's order.
        unsafe { module.launch_at(outline, &addresses) }.map_err(candle_core::Error::wrap)?;
        drop(guards);
        let made = slots.iter().zip(own);
        Ok(made.filter_map(|(slot, own)| own.map(|own| (slot.name, own.storage(self.0.clone())))).collect())
    }
}
