//! What several models are made of.

use std::collections::HashMap;
use std::sync::PoisonError;

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};

use crate::nn::Loss;
use crate::nn::cmamba::{GddMlp, gddmlp_parameters};
use crate::nn::mamba::Draw;
use crate::{Error, Result, validate};

/// How long a window is, how far the forecast reaches, and how many series there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Steps of a window, L.
    pub seq_len: usize,
    /// Steps to forecast, H.
    pub pred_len: usize,
    /// Channels, V; as many come out as go in.
    pub enc_in: usize,
}

impl Default for Sizes {
    /// 96 steps back, 96 ahead, the 7 channels of ETT.
    fn default() -> Self {
        Self { seq_len: 96, pred_len: 96, enc_in: 7 }
    }
}

impl Sizes {
    pub(super) fn validate(&self) -> Result<()> {
        validate::at_least_one("seq_len", self.seq_len)?;
        validate::at_least_one("pred_len", self.pred_len)?;
        validate::at_least_one("enc_in", self.enc_in)
    }
}

pub(super) type Parameters = Vec<(String, Vec<usize>)>;

/// The weights of a model, after a look that they are these and of one kind of numbers.
pub(super) fn reader(weights: &VarMap, parameters: &Parameters) -> Result<VarBuilder<'static>> {
    let tensors: HashMap<String, Tensor> = {
        let data = weights.data().lock().unwrap_or_else(PoisonError::into_inner);
        data.iter().map(|(name, weight)| (name.clone(), weight.as_tensor().clone())).collect()
    };
    let mut dtype = None;
    for (name, shape) in parameters {
        let refuse = |what: String| {
            let allowed = format!("those of a model of these sizes, with `{name}` of the shape {shape:?}");
            Err(Error::domain("weights", what, allowed))
        };
        let Some(weight) = tensors.get(name) else { return refuse(format!("{} without `{name}`", tensors.len())) };
        if weight.dims() != shape {
            return refuse(format!("some with `{name}` of the shape {:?}", weight.dims()));
        }
        let dtype = *dtype.get_or_insert(weight.dtype());
        if weight.dtype() != dtype || !matches!(dtype, DType::F32 | DType::F64) {
            let what = format!("some with `{name}` in {:?}", weight.dtype());
            return Err(Error::domain("weights", what, "all F32, or all F64 to check gradients"));
        }
    }
    if let Some(name) = tensors.keys().find(|name| parameters.iter().all(|(known, _)| known != *name)) {
        let allowed = "those that the model reads, and no others, or they would seem to be learned";
        return Err(Error::domain("weights", format!("some with `{name}`"), allowed));
    }
    let device = tensors.values().next().map_or(Device::Cpu, |weight| weight.device().clone());
    Ok(VarBuilder::from_tensors(tensors, dtype.unwrap_or(DType::F32), &device))
}

/// The share of the entries that training silences.
pub(super) fn share(name: &'static str, share: f64) -> Result<()> {
    if (0.0..1.0).contains(&share) {
        return Ok(());
    }
    Err(Error::domain(name, share, "0 or more and below 1, the share that is silenced"))
}

/// GDD-MLP on a whole window: to it the steps are the features of one patch.
#[derive(Clone, Debug)]
pub(super) struct WindowGate(GddMlp);

impl WindowGate {
    pub(super) fn parameters(channels: usize, reduction: Option<usize>) -> Result<Parameters> {
        let Some(reduction) = reduction else { return Ok(Vec::new()) };
        let named = |(name, shape): (&str, _)| (name.to_owned(), shape);
        Ok(gddmlp_parameters(channels, reduction)?.into_iter().map(named).collect())
    }

    /// torch's start of a linear layer.
    pub(super) fn draw(draw: &mut Draw, channels: usize, reduction: Option<usize>) -> Result<()> {
        for (name, shape) in Self::parameters(channels, reduction)? {
            draw.uniform(&name, &shape, 1.0 / (shape[1] as f64).sqrt())?;
        }
        Ok(())
    }

    pub(super) fn new(channels: usize, reduction: Option<usize>, weights: &VarBuilder<'_>) -> Result<Option<Self>> {
        reduction.map(|reduction| Ok(Self(GddMlp::between(channels, reduction, weights.clone())?))).transpose()
    }

    /// (batch, L, V) to the same.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let gated = self.0.forward(&x.transpose(1, 2)?.contiguous()?.unsqueeze(2)?)?;
        Ok(gated.squeeze(2)?.transpose(1, 2)?)
    }
}

/// The loss of a forecast and its slopes by the weights' names, by candle's graph.
pub(super) fn slopes(
    forecast: &Tensor,
    target: &Tensor,
    loss: Loss,
    weights: &VarMap,
) -> Result<(f64, HashMap<String, Tensor>)> {
    let loss = loss.of(forecast, target)?;
    let (value, mut slopes) = (loss.to_dtype(DType::F64)?.to_scalar::<f64>()?, loss.backward()?);
    let weights = weights.data().lock().unwrap_or_else(PoisonError::into_inner);
    let named = weights.iter().filter_map(|(name, weight)| Some((name.clone(), slopes.remove(weight)?)));
    Ok((value, named.collect()))
}
