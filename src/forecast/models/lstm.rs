//! A recurrent network as the yardstick.

use candle_core::{DType, Tensor};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN, lstm};
use candle_nn::{Linear, Module, VarMap};

use super::parts::{self, Parameters, WindowGate};
use super::{Forecaster, Sizes};
use crate::nn::cmamba::{check_window, normalise, silence};
use crate::nn::mamba::Draw;
use crate::random::{Philox, RandomState};
use crate::{Result, validate};

/// What an [`Lstm`] is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LstmConfig {
    /// Of windows and forecasts.
    pub sizes: Sizes,
    /// Numbers of hidden state, and as many of memory.
    pub hidden: usize,
    /// Layers, each reading the hidden states of the one before.
    pub layers: usize,
    /// Share of the last hidden state that training silences.
    pub dropout: f64,
    /// GDD-MLP with this reduction, or none.
    pub gddmlp: Option<usize>,
}

impl Default for LstmConfig {
    /// One layer of 128.
    fn default() -> Self {
        Self { sizes: Sizes::default(), hidden: 128, layers: 1, dropout: 0.1, gddmlp: None }
    }
}

impl LstmConfig {
    /// The parameters' names and shapes, those of the layers as torch's `LSTM` has them.
    ///
    /// # Errors
    /// Sizes that make no model, with what would do.
    pub fn parameters(&self) -> Result<Vec<(String, Vec<usize>)>> {
        let Self { sizes: Sizes { pred_len, enc_in, .. }, hidden, layers, .. } = *self;
        self.sizes.validate()?;
        validate::at_least_one("hidden", hidden)?;
        validate::at_least_one("layers", layers)?;
        parts::share("dropout", self.dropout)?;
        let mut parameters = Parameters::new();
        for layer in 0..layers {
            parameters.extend([
                (format!("lstm.weight_ih_l{layer}"), vec![4 * hidden, self.inputs(layer)]),
                (format!("lstm.weight_hh_l{layer}"), vec![4 * hidden, hidden]),
                (format!("lstm.bias_ih_l{layer}"), vec![4 * hidden]),
                (format!("lstm.bias_hh_l{layer}"), vec![4 * hidden]),
            ]);
        }
        parameters.push(("head.weight".to_owned(), vec![pred_len * enc_in, hidden]));
        parameters.push(("head.bias".to_owned(), vec![pred_len * enc_in]));
        parameters.extend(WindowGate::parameters(enc_in, self.gddmlp)?);
        Ok(parameters)
    }

    fn inputs(&self, layer: usize) -> usize {
        if layer == 0 { self.sizes.enc_in } else { self.hidden }
    }
}

/// A long short-term memory (长短期记忆) that reads all channels of a step at once; what it holds at the end is mapped to
/// the whole forecast.
///
/// i, f, o = σ(W_ih x̂_t + W_hh h_{t−1} + b) of each gate, g = tanh of the same; c_t = f ⊙ c_{t−1} + i ⊙ g;
/// h_t = o ⊙ tanh(c_t); ŷ = W h_L + b, as (H, V)
///
/// Windows are [normalised](normalise) without parameters, and forecasts brought back. The step is candle-nn's. Dropout
/// stands before the head. The start is torch's: all of the head and of the layers uniform within 1/√hidden.
///
/// Source: Hochreiter and Schmidhuber, *Long short-term memory* (1997), with the forget gate of Gers et al. (2000), as
/// torch's `LSTM` has it.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mlnotes::forecast::models::{Forecaster, Lstm, LstmConfig, Sizes};
///
/// let sizes = Sizes { seq_len: 4, pred_len: 2, enc_in: 3 };
/// let model = Lstm::new(&LstmConfig { sizes, hidden: 5, ..LstmConfig::default() }, 1, DType::F64)?;
/// let x = Tensor::ones((1, 4, 3), DType::F64, &Device::Cpu)?;
/// assert_eq!(model.forward(&x, None)?.dims(), [1, 2, 3]);
/// // Four gates that read 3 channels, 5 hidden numbers and two biases; the head.
/// assert_eq!(model.parameter_count(), 4 * 5 * (3 + 5 + 2) + 6 * (5 + 1));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct Lstm {
    config: LstmConfig,
    weights: VarMap,
    layers: Vec<LSTM>,
    head: Linear,
    gate: Option<WindowGate>,
}

impl Lstm {
    /// The model at its start; the same seed gives the same.
    ///
    /// # Errors
    /// Sizes that make no model; a `dtype` that is neither f32 nor f64.
    pub fn new(config: &LstmConfig, seed: u32, dtype: DType) -> Result<Self> {
        let mut draw = Draw::new(dtype, seed);
        let gateless = LstmConfig { gddmlp: None, ..*config };
        for (name, shape) in gateless.parameters()? {
            draw.uniform(&name, &shape, 1.0 / (config.hidden as f64).sqrt())?;
        }
        WindowGate::draw(&mut draw, config.sizes.enc_in, config.gddmlp)?;
        Self::with_weights(config, draw.weights)
    }

    /// The model with these weights, named as [`LstmConfig::parameters`] does.
    ///
    /// # Errors
    /// Sizes that make no model; weights of another model, with the name of one.
    pub fn with_weights(config: &LstmConfig, weights: VarMap) -> Result<Self> {
        let reader = parts::reader(&weights, &config.parameters()?)?;
        let Sizes { pred_len, enc_in, .. } = config.sizes;
        let layer = |layer: usize| {
            let named = LSTMConfig { layer_idx: layer, ..LSTMConfig::default() };
            Ok(lstm(config.inputs(layer), config.hidden, named, reader.pp("lstm"))?)
        };
        let outputs = pred_len * enc_in;
        Ok(Self {
            config: *config,
            layers: (0..config.layers).map(layer).collect::<Result<Vec<_>>>()?,
            head: Linear::new(
                reader.get((outputs, config.hidden), "head.weight")?,
                Some(reader.get(outputs, "head.bias")?),
            ),
            gate: WindowGate::new(enc_in, config.gddmlp, &reader)?,
            weights,
        })
    }
}

impl Forecaster for Lstm {
    fn name(&self) -> &'static str {
        "LSTM"
    }

    fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> Result<Tensor> {
        let LstmConfig { sizes: Sizes { seq_len, pred_len, enc_in }, dropout, .. } = self.config;
        check_window(x, seq_len, enc_in, self.head.weight().dtype())?;
        let window = normalise(x)?;
        let mut steps = match &self.gate {
            Some(gate) => gate.forward(&window.x)?,
            None => window.x.clone(),
        };
        let mut last = None;
        for (layer, lstm) in self.layers.iter().enumerate() {
            let states = lstm.seq(&steps)?;
            if layer + 1 < self.layers.len() {
                steps = lstm.states_to_tensor(&states)?;
            }
            last = states.into_iter().next_back();
        }
        let mut hidden = last.expect("at least one layer and one step since `new`").h;
        if let Some(random) = train.filter(|_| dropout > 0.0) {
            hidden = silence(&hidden, dropout, Philox::new(random.bits()), 0)?;
        }
        window.undo(&self.head.forward(&hidden)?.reshape((x.dims()[0], pred_len, enc_in))?)
    }

    fn weights(&self) -> &VarMap {
        &self.weights
    }
}
