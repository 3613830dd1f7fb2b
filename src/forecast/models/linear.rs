//! Linear maps over time, one for all channels.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Linear, Module, VarBuilder, VarMap};

use super::parts::{self, Parameters, WindowGate};
use super::{Forecaster, Sizes};
use crate::nn::cmamba::{check_window, normalise, silence};
use crate::nn::mamba::Draw;
use crate::random::{Philox, RandomState};
use crate::{Error, Result};

/// The moving average (移动平均) of a window, whose ends are repeated so that it keeps its length.
///
/// t_i = Σ_{j = −w}^{w} x_{clamp(i + j, 1, L)} / width, w = (width − 1) / 2
///
/// # Shapes
/// `x`: (batch, L, channels), to the same.
///
/// # Errors
/// Another shape, no time at all; an even width, which has no middle.
///
/// Source: Zeng et al. (2023), the decomposition of DLinear, after Wu et al., *Autoformer* (2021), equation 1.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::forecast::models::moving_average;
///
/// let x = Tensor::new(&[[[0.0], [3.0], [9.0]]], &Device::Cpu)?;
/// // (0 + 0 + 3) / 3, (0 + 3 + 9) / 3, (3 + 9 + 9) / 3
/// assert_eq!(moving_average(&x, 3)?.flatten_all()?.to_vec1::<f64>()?, [1.0, 4.0, 7.0]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn moving_average(x: &Tensor, width: usize) -> Result<Tensor> {
    if x.rank() != 3 || x.dims()[1] == 0 {
        return Err(Error::shape("x", "(batch, length, channels), the length above 0,", x.dims()));
    }
    let average = average(x.dims()[1], width)?.to_dtype(x.dtype())?.to_device(x.device())?;
    over_time(x, &Linear::new(average, None))
}

/// The average as a map over time, (length, length).
fn average(length: usize, width: usize) -> Result<Tensor> {
    if width.is_multiple_of(2) {
        return Err(Error::domain("moving_avg", width, "an odd number, which has a middle, for instance 25"));
    }
    let half = width / 2;
    // How often step j is met from i − half to i + half; the ends stand for all that lies beyond them.
    let times = |i: usize, j: usize| {
        let before = if j == 0 { half.saturating_sub(i) } else { 0 };
        let beyond = if j == length - 1 { (half + i).saturating_sub(length - 1) } else { 0 };
        usize::from(i.abs_diff(j) <= half) + before + beyond
    };
    let entry = |place: usize| times(place / length, place % length) as f64 / width as f64;
    Ok(Tensor::from_vec((0..length * length).map(entry).collect::<Vec<_>>(), (length, length), &Device::Cpu)?)
}

/// (batch, L, V) to (batch, H, V).
fn over_time(x: &Tensor, map: &Linear) -> Result<Tensor> {
    Ok(map.forward(&x.transpose(1, 2)?.contiguous()?)?.transpose(1, 2)?)
}

fn linear(sizes: &Sizes, name: &str, weights: &VarBuilder<'_>) -> Result<Linear> {
    let weights = weights.pp(name);
    let weight = weights.get((sizes.pred_len, sizes.seq_len), "weight")?;
    Ok(Linear::new(weight, Some(weights.get(sizes.pred_len, "bias")?)))
}

fn linear_parameters(sizes: &Sizes, name: &str) -> Parameters {
    let Sizes { seq_len, pred_len, .. } = *sizes;
    vec![(format!("{name}.weight"), vec![pred_len, seq_len]), (format!("{name}.bias"), vec![pred_len])]
}

/// What a [`DLinear`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DLinearConfig {
    /// Of windows and forecasts.
    pub sizes: Sizes,
    /// Steps of the moving average, an odd number.
    pub moving_avg: usize,
    /// GDD-MLP with this reduction, or none.
    pub gddmlp: Option<usize>,
}

impl Default for DLinearConfig {
    /// A moving average of 25 steps, as published.
    fn default() -> Self {
        Self { sizes: Sizes::default(), moving_avg: 25, gddmlp: None }
    }
}

impl DLinearConfig {
    /// The parameters' names and shapes, as the published code has them.
    ///
    /// # Errors
    /// Sizes that make no model, with what would do.
    pub fn parameters(&self) -> Result<Vec<(String, Vec<usize>)>> {
        self.sizes.validate()?;
        let mut parameters = linear_parameters(&self.sizes, SEASONAL);
        parameters.extend(linear_parameters(&self.sizes, TREND));
        parameters.extend(WindowGate::parameters(self.sizes.enc_in, self.gddmlp)?);
        Ok(parameters)
    }
}

const SEASONAL: &str = "Linear_Seasonal";
const TREND: &str = "Linear_Trend";

/// DLinear: the trend and what is left, each by a linear map over time that all channels share.
///
/// ŷ = W_s (x − t) + b_s + W_t t + b_t, t the [moving average](moving_average)
///
/// The average is linear too: all of it is one linear map with a start of its own.
///
/// # Start
/// W_s and W_t are 1 / L, so that each forecast begins as the window's mean; biases are uniform within 1/√L. So has it the
/// paper's code in earlier versions (commit da9e674) and Time-Series-Library, which CMamba's code comes from. The newest
/// version (commit 0c11366) has these lines as a comment and starts at random.
///
/// Source: Zeng, Chen, Zhang and Xu, *Are Transformers effective for time series forecasting?* (2023), section *DLinear*;
/// `models/DLinear.py` of cure-lab/LTSF-Linear.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mlnotes::forecast::models::{DLinear, DLinearConfig, Forecaster, Sizes};
///
/// let sizes = Sizes { seq_len: 4, pred_len: 2, enc_in: 1 };
/// let model = DLinear::new(&DLinearConfig { sizes, ..DLinearConfig::default() }, 1, DType::F64)?;
/// let x = Tensor::new(&[[[1.0], [2.0], [3.0], [6.0]]], &Device::Cpu)?;
/// let y = model.forward(&x, None)?.flatten_all()?.to_vec1::<f64>()?;
/// // The mean, and two biases of at most 1/√4.
/// assert!(y.iter().all(|y| (y - 3.0).abs() <= 1.0));
/// assert_eq!(model.parameter_count(), 2 * (2 * 4 + 2));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct DLinear {
    config: DLinearConfig,
    weights: VarMap,
    seasonal: Linear,
    trend: Linear,
    average: Linear,
    gate: Option<WindowGate>,
}

impl DLinear {
    /// The model at its start; the same seed gives the same.
    ///
    /// # Errors
    /// Sizes that make no model; a `dtype` that is neither f32 nor f64.
    pub fn new(config: &DLinearConfig, seed: u32, dtype: DType) -> Result<Self> {
        config.sizes.validate()?;
        let (mut draw, Sizes { seq_len, enc_in, .. }) = (Draw::new(dtype, seed), config.sizes);
        for name in [SEASONAL, TREND] {
            for (name, shape) in linear_parameters(&config.sizes, name) {
                match shape.len() {
                    2 => draw.insert(&name, &shape, |_, _| 1.0 / seq_len as f64)?,
                    _ => draw.uniform(&name, &shape, 1.0 / (seq_len as f64).sqrt())?,
                }
            }
        }
        WindowGate::draw(&mut draw, enc_in, config.gddmlp)?;
        Self::with_weights(config, draw.weights)
    }

    /// The model with these weights, named as [`DLinearConfig::parameters`] does.
    ///
    /// # Errors
    /// Sizes that make no model; weights of another model, with the name of one.
    pub fn with_weights(config: &DLinearConfig, weights: VarMap) -> Result<Self> {
        let reader = parts::reader(&weights, &config.parameters()?)?;
        let average =
            average(config.sizes.seq_len, config.moving_avg)?.to_dtype(reader.dtype())?.to_device(reader.device())?;
        Ok(Self {
            config: *config,
            seasonal: linear(&config.sizes, SEASONAL, &reader)?,
            trend: linear(&config.sizes, TREND, &reader)?,
            average: Linear::new(average, None),
            gate: WindowGate::new(config.sizes.enc_in, config.gddmlp, &reader)?,
            weights,
        })
    }
}

impl Forecaster for DLinear {
    fn name(&self) -> &'static str {
        "DLinear"
    }

    fn forward(&self, x: &Tensor, _: Option<&mut RandomState>) -> Result<Tensor> {
        let Sizes { seq_len, enc_in, .. } = self.config.sizes;
        check_window(x, seq_len, enc_in, self.seasonal.weight().dtype())?;
        let x = match &self.gate {
            Some(gate) => gate.forward(x)?,
            None => x.clone(),
        };
        let trend = over_time(&x, &self.average)?;
        Ok((over_time(&(x - &trend)?, &self.seasonal)? + over_time(&trend, &self.trend)?)?)
    }

    fn weights(&self) -> &VarMap {
        &self.weights
    }
}

/// What an [`RLinear`] is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RLinearConfig {
    /// Of windows and forecasts.
    pub sizes: Sizes,
    /// Share of a normalised window that training silences.
    pub dropout: f64,
    /// GDD-MLP with this reduction, or none.
    pub gddmlp: Option<usize>,
}

impl Default for RLinearConfig {
    /// A dropout of 0.1, as CMamba's authors run it.
    fn default() -> Self {
        Self { sizes: Sizes::default(), dropout: 0.1, gddmlp: None }
    }
}

impl RLinearConfig {
    /// The parameters' names and shapes, as the published code has them.
    ///
    /// # Errors
    /// Sizes that make no model, with what would do.
    pub fn parameters(&self) -> Result<Vec<(String, Vec<usize>)>> {
        self.sizes.validate()?;
        parts::share("dropout", self.dropout)?;
        let mut parameters = linear_parameters(&self.sizes, LINEAR);
        parameters.extend([GAMMA, BETA].map(|name| (name.to_owned(), vec![self.sizes.enc_in])));
        parameters.extend(WindowGate::parameters(self.sizes.enc_in, self.gddmlp)?);
        Ok(parameters)
    }
}

const LINEAR: &str = "Linear";
const GAMMA: &str = "rev.affine_weight";
const BETA: &str = "rev.affine_bias";
/// The published code divides by γ + ε², which no γ but one of −1e-10 makes 0.
const GUARD: f64 = 1e-10;

/// RLinear: one linear map over time, which all channels share, between RevIN (可逆实例归一化) and its inverse.
///
/// z = γ (x − μ) / σ + β; ŷ = μ + σ (W z + b − β) / (γ + 1e-10)
///
/// μ and σ are those of [`normalise`], of each window and channel; γ and β are learned, of each channel.
///
/// With GDD-MLP it is W σ(s) z + σ(t) in place of W z. The mean of z over time is β whatever the window, so that of
/// GDD-MLP's two pools the maximum alone depends on data, dropout apart.
///
/// Source: Li, Qi, Li and Xu, *Revisiting long-term time series forecasting: an investigation on linear mapping* (2023),
/// section 4; RevIN: Kim et al. (2022), equations 1 to 3. Place of dropout and GDD-MLP: `models/RLinear.py` of CMamba's
/// authors. The start is torch's: W and b uniform within 1/√L, γ = 1, β = 0.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mlnotes::forecast::models::{Forecaster, RLinear, RLinearConfig, Sizes};
///
/// let sizes = Sizes { seq_len: 4, pred_len: 2, enc_in: 1 };
/// let model = RLinear::new(&RLinearConfig { sizes, ..RLinearConfig::default() }, 1, DType::F64)?;
/// // A window that does not move is forecast near where it stands: σ is √1e-5 there.
/// let x = Tensor::new(&[[[7.0], [7.0], [7.0], [7.0]]], &Device::Cpu)?;
/// let y = model.forward(&x, None)?.flatten_all()?.to_vec1::<f64>()?;
/// assert!(y.iter().all(|y| (y - 7.0).abs() < 0.5 * 1e-5f64.sqrt()));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct RLinear {
    config: RLinearConfig,
    weights: VarMap,
    linear: Linear,
    gamma: Tensor,
    beta: Tensor,
    gate: Option<WindowGate>,
}

impl RLinear {
    /// The model at its start; the same seed gives the same.
    ///
    /// # Errors
    /// Sizes that make no model; a `dtype` that is neither f32 nor f64.
    pub fn new(config: &RLinearConfig, seed: u32, dtype: DType) -> Result<Self> {
        config.sizes.validate()?;
        let (mut draw, Sizes { seq_len, enc_in, .. }) = (Draw::new(dtype, seed), config.sizes);
        for (name, shape) in linear_parameters(&config.sizes, LINEAR) {
            draw.uniform(&name, &shape, 1.0 / (seq_len as f64).sqrt())?;
        }
        draw.insert(GAMMA, &[enc_in], |_, _| 1.0)?;
        draw.insert(BETA, &[enc_in], |_, _| 0.0)?;
        WindowGate::draw(&mut draw, enc_in, config.gddmlp)?;
        Self::with_weights(config, draw.weights)
    }

    /// The model with these weights, named as [`RLinearConfig::parameters`] does.
    ///
    /// # Errors
    /// Sizes that make no model; weights of another model, with the name of one.
    pub fn with_weights(config: &RLinearConfig, weights: VarMap) -> Result<Self> {
        let reader = parts::reader(&weights, &config.parameters()?)?;
        let channels = config.sizes.enc_in;
        Ok(Self {
            config: *config,
            linear: linear(&config.sizes, LINEAR, &reader)?,
            gamma: reader.get(channels, GAMMA)?,
            beta: reader.get(channels, BETA)?,
            gate: WindowGate::new(channels, config.gddmlp, &reader)?,
            weights,
        })
    }
}

impl Forecaster for RLinear {
    fn name(&self) -> &'static str {
        "RLinear"
    }

    fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> Result<Tensor> {
        let RLinearConfig { sizes: Sizes { seq_len, enc_in, .. }, dropout, .. } = self.config;
        check_window(x, seq_len, enc_in, self.gamma.dtype())?;
        let window = normalise(x)?;
        let mut z = window.x.broadcast_mul(&self.gamma)?.broadcast_add(&self.beta)?;
        if let Some(random) = train.filter(|_| dropout > 0.0) {
            z = silence(&z, dropout, Philox::new(random.bits()), 0)?;
        }
        if let Some(gate) = &self.gate {
            z = gate.forward(&z)?;
        }
        let y = over_time(&z, &self.linear)?;
        window.undo(&y.broadcast_sub(&self.beta)?.broadcast_div(&(&self.gamma + GUARD)?)?)
    }

    fn weights(&self) -> &VarMap {
        &self.weights
    }
}
