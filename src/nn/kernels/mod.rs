//! The selective scan by this crate's CUDA kernels, on whatever runs them.

#[cfg(feature = "emulate")]
pub(super) mod emulated;
#[cfg(feature = "candle-cuda")]
pub(super) mod gpu;

use std::sync::Arc;

use candle_core::backend::BackendStorage;
use candle_core::op::BackpropOp;
use candle_core::{DType, Layout, Result, Shape, Storage, Tensor};

use super::scan::{Scan, lock};
use super::slices::Held;
use crate::kernels::Outline;
use crate::kernels::selective_scan::{Given, Precision, Version, outline_backward, outline_forward};
use crate::ssm::selective;

/// A GPU, or the emulator.
pub(super) trait Runner {
    /// What candle's tensors are made of there.
    type Memory: BackendStorage;

    fn memory(storage: &Storage) -> Option<&Self::Memory>;

    fn storage(memory: Self::Memory) -> Storage;

    fn multiprocessors(&self) -> Result<usize>;

    /// Runs the outline on these inputs; gives what is no input, by the slots' names.
    fn run(&self, outline: &Outline, inputs: &[Input<'_, Self::Memory>]) -> Result<Vec<(&'static str, Self::Memory)>>;
}

/// Elements of a storage from `start` on, for the slot of that name.
pub(super) struct Input<'a, M> {
    pub(super) name: &'static str,
    pub(super) memory: &'a M,
    pub(super) start: usize,
}

impl<'a, M> Input<'a, M> {
    fn new(name: &'static str, memory: &'a M, layout: &Layout) -> Result<Self> {
        match layout.contiguous_offsets() {
            Some((start, _)) => Ok(Self { name, memory, start }),
            None => candle_core::bail!("`{name}` is not contiguous"),
        }
    }

    fn held<R: Runner<Memory = M>>(name: &'static str, held: &'a Held<'_>) -> Result<Self> {
        match R::memory(held.storage()) {
            Some(memory) => Self::new(name, memory, held.layout()),
            None => candle_core::bail!("`{name}` is on another device than `u`: `to_device` moves it"),
        }
    }
}

pub(super) fn find<'a, M>(inputs: &'a [Input<'a, M>], name: &str) -> Result<&'a Input<'a, M>> {
    match inputs.iter().find(|input| input.name == name) {
        Some(input) => Ok(input),
        None => candle_core::bail!("`{name}` was not handed to the kernel"),
    }
}

/// A tensor as the kernels take it: row-major, and from an address that vector loads can start at. Gradients flow through.
pub(super) fn aligned(tensor: &Tensor) -> Result<Tensor> {
    let (whole, start) = (tensor.is_contiguous(), tensor.layout().start_offset());
    if whole && start % 4 == 0 { Ok(tensor.clone()) } else { tensor.force_contiguous() }
}

/// Kinds of numbers that the kernels take: sequences f32 or bf16, and beside bf16 the rest may be f32.
pub(super) fn validate_dtypes(sequences: &[(&str, Option<&Tensor>)], rest: &[(&str, Option<&Tensor>)]) -> Result<()> {
    let dtype = sequences.iter().find_map(|(_, tensor)| tensor.map(Tensor::dtype));
    let Some(dtype @ (DType::F32 | DType::BF16)) = dtype else {
        let given = dtype.map_or_else(|| "nothing".to_owned(), |dtype| format!("{dtype:?}"));
        candle_core::bail!(
            "the selective scan on a GPU works on f32 and bf16, `u` is {given}: `to_dtype` turns it; f64 works on the CPU"
        )
    };
    for (name, tensor) in sequences {
        if let Some(other) = tensor.map(Tensor::dtype).filter(|other| *other != dtype) {
            candle_core::bail!("`{name}` is {other:?}, but `u` is {dtype:?}: `to_dtype` turns it");
        }
    }
    for (name, tensor) in rest {
        let fits = |other: DType| other == dtype || other == DType::F32;
        if let Some(other) = tensor.map(Tensor::dtype).filter(|other| !fits(*other)) {
            candle_core::bail!("`{name}` is {other:?}, but `u` is {dtype:?}: `to_dtype` turns it, also to F32");
        }
    }
    Ok(())
}

/// The shapes that the kernels take.
pub(super) fn validate_shape(shape: selective::Shape, tracked: bool) -> Result<()> {
    let most = if tracked { 64 } else { 96 };
    if shape.state > most {
        let when = if tracked { " where gradients are asked for" } else { "" };
        candle_core::bail!(
            "`a` has {} states a channel, but the kernels take at most {most}{when}: `to_device(&Device::Cpu)` all inputs",
            shape.state
        );
    }
    Ok(())
}

fn given(scan: &Scan, dtype: DType) -> Given {
    Given {
        shape: scan.shape,
        precision: if dtype == DType::BF16 { Precision::Bf16 } else { Precision::F32 },
        softplus: scan.softplus,
        d: scan.d.is_some(),
        z: scan.z.is_some(),
        delta_bias: scan.delta_bias.is_some(),
        initial: scan.initial.is_some(),
    }
}

/// The tensors beside u and Δ, by the names of their slots.
fn held(scan: &Scan) -> Vec<(&'static str, Held<'_>)> {
    let all = [
        ("A", Some(&scan.a)),
        ("B", Some(&scan.b)),
        ("C", Some(&scan.c)),
        ("D", scan.d.as_ref()),
        ("z", scan.z.as_ref()),
        ("delta_bias", scan.delta_bias.as_ref()),
        ("initial", scan.initial.as_ref()),
    ];
    all.into_iter().filter_map(|(name, tensor)| tensor.map(|tensor| (name, Held::of(tensor)))).collect()
}

/// What a run gave.
struct Made<R: Runner>(Vec<(&'static str, R::Memory)>);

impl<R: Runner> Made<R> {
    fn take(&mut self, name: &str) -> Result<R::Memory> {
        match self.0.iter().position(|(other, _)| *other == name) {
            Some(place) => Ok(self.0.swap_remove(place).1),
            None => candle_core::bail!("the kernel gave no `{name}`"),
        }
    }

    fn tensor(&mut self, name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
        Ok(Tensor::from_storage(R::storage(self.take(name)?), shape, BackpropOp::none(), false))
    }

    /// Rounded to the kind of numbers of what it is the gradient of.
    fn gradient(&mut self, name: &str, of: &Tensor) -> Result<Tensor> {
        self.tensor(name, of.shape().clone())?.to_dtype(of.dtype())
    }
}

/// y, with the last state (and where a gradient will be asked for every eighth) left in `scan`.
pub(super) fn forward<R: Runner>(
    runner: &R,
    scan: &Scan,
    u: (&R::Memory, &Layout),
    delta: (&R::Memory, &Layout),
) -> Result<(R::Memory, Shape)> {
    let selective::Shape { batch, length, channels, state } = scan.shape;
    let (dtype, keep) = (u.0.dtype(), scan.kept.is_some());
    let version = match keep {
        true => Version::Fused,
        false => Version::for_device(scan.shape, runner.multiprocessors()?),
    };
    let outline = outline_forward(version, given(scan, dtype), keep).map_err(candle_core::Error::wrap)?;
    let held = held(scan);
    let mut inputs = vec![Input::new("u", u.0, u.1)?, Input::new("delta", delta.0, delta.1)?];
    for (name, held) in &held {
        inputs.push(Input::held::<R>(name, held)?);
    }
    let mut made = Made::<R>(runner.run(&outline, &inputs)?);
    *lock(&scan.last) = Some(made.tensor("last", (batch, channels, state))?.to_dtype(dtype)?);
    if let Some(kept) = &scan.kept {
        let saved = made.take("saved")?;
        let len = outline.slots().iter().find(|slot| slot.name == "saved").map_or(0, |slot| slot.len);
        let saved = Tensor::from_storage(R::storage(saved), len, BackpropOp::none(), false);
        *lock(kept) = Some(Arc::new(saved));
    }
    Ok((made.take("y")?, Shape::from((batch, length, channels))))
}

/// The gradients of u and Δ, with the others left in `scan`.
pub(super) fn backward<R: Runner>(
    runner: &R,
    scan: &Scan,
    u: &Tensor,
    delta: &Tensor,
    dy: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let kept = scan.kept.as_ref().and_then(|kept| lock(kept).clone());
    let Some(saved) = kept.as_ref().and_then(|kept| kept.downcast_ref::<Tensor>()) else {
        candle_core::bail!("the scan kept no states: run it again on inputs whose gradients are asked for");
    };
    let outline = outline_backward(given(scan, u.dtype())).map_err(candle_core::Error::wrap)?;
    let dy = aligned(dy)?;
    let mut held = held(scan);
    held.extend(
        [("u", u), ("delta", delta), ("saved", saved), ("dy", &dy)].map(|(name, tensor)| (name, Held::of(tensor))),
    );
    let inputs = held.iter().map(|(name, held)| Input::held::<R>(name, held)).collect::<Result<Vec<_>>>()?;
    let mut made = Made::<R>(runner.run(&outline, &inputs)?);
    let mut optional = |name, of: &Option<Tensor>| of.as_ref().map(|of| made.gradient(name, of)).transpose();
    let (d, z, bias) = (optional("dD", &scan.d)?, optional("dz", &scan.z)?, optional("ddelta_bias", &scan.delta_bias)?);
    scan.leave([
        Some(made.gradient("dA", &scan.a)?),
        Some(made.gradient("dB", &scan.b)?),
        Some(made.gradient("dC", &scan.c)?),
        d,
        z,
        bias,
    ]);
    Ok((made.gradient("du", u)?, made.gradient("ddelta", delta)?))
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// A vector load of four floats takes an address that 16 divides; memory itself begins at one.
    /// Planted: only whether the view is whole. That turns this red.
    #[test]
    fn what_starts_between_vectors_is_copied() {
        let all = Var::from_tensor(&Tensor::arange(0f32, 24., &Device::Cpu).unwrap()).unwrap();
        for (start, copied) in [(0, false), (1, true), (2, true), (4, false), (7, true), (8, false)] {
            let view = all.narrow(0, start, 8).unwrap().reshape((2, 4)).unwrap();
            let ready = aligned(&view).unwrap();
            let place = if copied { 0 } else { start };
            assert_eq!((ready.is_contiguous(), ready.layout().start_offset()), (true, place), "{start}");
            assert_eq!(ready.to_vec2::<f32>().unwrap(), view.to_vec2::<f32>().unwrap());
            let slopes = ready.sum_all().unwrap().backward().unwrap();
            assert_eq!(slopes.get(&all).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap(), 8.0);
        }
        let turned = all.narrow(0, 0, 8).unwrap().reshape((2, 4)).unwrap().t().unwrap();
        assert!(aligned(&turned).unwrap().is_contiguous());
    }
}
