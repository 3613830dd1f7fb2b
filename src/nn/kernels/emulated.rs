//! The kernels on the CPU, every access checked.

use std::sync::Arc;

use candle_core::{CpuStorage, Result, Storage};
use half::bf16;

use super::{Input, Runner, find};
use crate::kernels::emulate::{Module, Order};
use crate::kernels::{Data, Kind, Outline, Role, Slot};

/// The emulator, with the kernels to run.
#[derive(Clone)]
pub(in crate::nn) struct Emulator {
    pub(in crate::nn) module: Arc<Module>,
    pub(in crate::nn) order: Order,
}

impl Runner for Emulator {
    type Memory = CpuStorage;

    fn memory(storage: &Storage) -> Option<&CpuStorage> {
        match storage {
            Storage::Cpu(storage) => Some(storage),
            _ => None,
        }
    }

    fn storage(memory: CpuStorage) -> Storage {
        Storage::Cpu(memory)
    }

    /// A small GPU's, so that small scans are cut into chunks as large ones are on a large GPU.
    fn multiprocessors(&self) -> Result<usize> {
        Ok(8)
    }

    fn run(&self, outline: &Outline, inputs: &[Input<'_, CpuStorage>]) -> Result<Vec<(&'static str, CpuStorage)>> {
        let input = |slot: &Slot| elements(slot, inputs).map_err(crate::Error::from);
        let mut plan = outline.fill(input).map_err(candle_core::Error::wrap)?;
        self.module.run_in(&mut plan, self.order).map_err(candle_core::Error::wrap)?;
        let made = outline.slots().iter().zip(plan.buffers()).filter(|(slot, _)| slot.role != Role::Input);
        Ok(made.map(|(slot, buffer)| (slot.name, storage(&buffer.data))).collect())
    }
}

fn elements(slot: &Slot, inputs: &[Input<'_, CpuStorage>]) -> Result<Data> {
    let Input { memory, start, .. } = find(inputs, slot.name)?;
    let range = *start..start + slot.len;
    let data = match (memory, slot.kind) {
        (CpuStorage::F32(values), Kind::F32) => values.get(range).map(|values| Data::F32(values.to_vec())),
        (CpuStorage::BF16(values), Kind::Bf16) => {
            values.get(range).map(|values| Data::Bf16(values.iter().map(|value| value.to_bits()).collect()))
        }
        _ => None,
    };
    match data {
        Some(data) => Ok(data),
        None => candle_core::bail!("`{}` does not hold {} of {:?}", slot.name, slot.len, slot.kind),
    }
}

fn storage(data: &Data) -> CpuStorage {
    match data {
        Data::F32(values) => CpuStorage::F32(values.clone()),
        Data::Bf16(values) => CpuStorage::BF16(values.iter().map(|&bits| bf16::from_bits(bits)).collect()),
        Data::I32(values) => CpuStorage::I32(values.clone()),
    }
}
