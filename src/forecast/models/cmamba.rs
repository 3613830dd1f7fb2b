//! The notes' model among the others.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Tensor};
use candle_nn::VarMap;

use super::{Forecaster, parts};
use crate::Result;
use crate::nn::Loss;
use crate::nn::cmamba::{self, Config, Fused};
use crate::random::RandomState;

/// [CMamba](crate::nn::cmamba) with its weights, as a [`Forecaster`].
///
/// `gddmlp` false in its [`Config`] leaves the channels alone; `selective` false makes Δ, B, C and D learned numbers.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mlnotes::forecast::models::{CMamba, Forecaster};
/// use mlnotes::nn::cmamba::Config;
///
/// let model = CMamba::new(&Config::paper(), 2021, DType::F32)?;
/// assert_eq!((model.name(), model.parameter_count()), ("CMamba", 385_292));
/// // The model reads the variables: with a head of 0 the forecast is the window's mean.
/// for name in ["head.linear.weight", "head.linear.bias"] {
///     let weights = model.weights().data().lock().unwrap();
///     weights[name].set(&weights[name].zeros_like()?)?;
/// }
/// let x = Tensor::full(3f32, (1, 96, 7), &Device::Cpu)?;
/// assert_eq!(model.forward(&x, None)?.max_all()?.to_scalar::<f32>()?, 3.0);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct CMamba {
    weights: VarMap,
    model: cmamba::CMamba,
    /// The same, for training. None without selection, which it has not.
    fused: Option<Arc<Fused>>,
}

impl CMamba {
    /// The model at its start, [`Config::initial`]; the same seed gives the same.
    ///
    /// # Errors
    /// Sizes that make no model; a `dtype` that is neither f32 nor f64.
    pub fn new(config: &Config, seed: u32, dtype: DType) -> Result<Self> {
        Self::with_weights(config, config.initial(dtype, seed)?)
    }

    /// The model with these weights, named as [`Config::parameters`] does.
    ///
    /// # Errors
    /// Sizes that make no model; weights of another model, with the name of one.
    pub fn with_weights(config: &Config, weights: VarMap) -> Result<Self> {
        let model = cmamba::CMamba::new(config, parts::reader(&weights, &config.parameters()?)?)?;
        let fused = config.selective.then(|| Fused::new(config, &weights).map(Arc::new)).transpose()?;
        Ok(Self { weights, model, fused })
    }

    /// The parts.
    pub fn network(&self) -> &cmamba::CMamba {
        &self.model
    }
}

impl Forecaster for CMamba {
    fn name(&self) -> &'static str {
        "CMamba"
    }

    fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> Result<Tensor> {
        self.model.forward(x, train)
    }

    fn weights(&self) -> &VarMap {
        &self.weights
    }

    fn forecast(&self, x: &Tensor) -> Result<Tensor> {
        match &self.fused {
            Some(fused) => fused.forward(x),
            None => Ok(self.forward(x, None)?.detach()),
        }
    }

    fn slopes(
        &self,
        x: &Tensor,
        target: &Tensor,
        loss: Loss,
        train: &mut RandomState,
    ) -> Result<(f64, HashMap<String, Tensor>)> {
        match &self.fused {
            Some(fused) => fused.slopes(x, target, loss, Some(train)),
            None => parts::slopes(&self.forward(x, Some(train))?, target, loss, &self.weights),
        }
    }
}
