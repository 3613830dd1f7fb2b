//! Weights to start from.

use candle_core::DType;
use candle_nn::VarMap;

use super::{Config, LanguageModelConfig};
use crate::Result;
use crate::nn::slices::insert;
use crate::random::RandomState;

/// Δ at the start is log-uniform between these, in the published code's words dt_min and dt_max.
const DELTA: (f64, f64) = (1e-3, 1e-1);

impl Config {
    /// A block's weights at random, as the published code draws them: A = −1 … −N in every channel (S4D-Real), D = 1, Δ
    /// log-uniform in [0.001, 0.1], all else uniform within 1/√(inputs). The same seed gives the same weights.
    ///
    /// # Errors
    /// A size that is 0; a `dtype` that is neither f32 nor f64.
    pub fn initial(&self, dtype: DType, seed: u32) -> Result<VarMap> {
        self.validate()?;
        let mut draw = Draw::new(dtype, seed);
        draw.block(self, "", 1.0)?;
        Ok(draw.weights)
    }
}

impl LanguageModelConfig {
    /// A model's weights at random: [`Config::initial`] in every layer with the way out divided by √layers, an embedding of
    /// N(0, 0.02²), all norms 1.
    ///
    /// # Errors
    /// A size that is 0; a `dtype` that is neither f32 nor f64.
    ///
    /// ```
    /// use candle_core::DType;
    /// use mlnotes::nn::mamba::{Config, LanguageModelConfig};
    ///
    /// let config = LanguageModelConfig { vocab_size: 10, n_layer: 2, block: Config::new(16) };
    /// let weights = config.initial(DType::F32, 0)?;
    /// let count: usize = weights.all_vars().iter().map(|weight| weight.elem_count()).sum();
    /// assert_eq!(count, config.parameter_count());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn initial(&self, dtype: DType, seed: u32) -> Result<VarMap> {
        self.validate()?;
        let mut draw = Draw::new(dtype, seed);
        let d_model = self.block.d_model;
        draw.normal("backbone.embedding.weight", &[self.vocab_size, d_model], 0.02)?;
        for layer in 0..self.n_layer {
            draw.insert(&format!("backbone.layers.{layer}.norm.weight"), &[d_model], |_, _| 1.0)?;
            let shrink = 1.0 / (self.n_layer as f64).sqrt();
            draw.block(&self.block, &format!("backbone.layers.{layer}.mixer."), shrink)?;
        }
        draw.insert("backbone.norm_f.weight", &[d_model], |_, _| 1.0)?;
        Ok(draw.weights)
    }
}

/// Weights as they are drawn, one after the other from one stream.
pub(crate) struct Draw {
    dtype: DType,
    random: RandomState,
    pub(crate) weights: VarMap,
}

impl Draw {
    pub(crate) fn new(dtype: DType, seed: u32) -> Self {
        Self { dtype, random: RandomState::new(seed), weights: VarMap::new() }
    }

    pub(crate) fn block(&mut self, config: &Config, prefix: &str, shrink_out: f64) -> Result<()> {
        for (name, shape) in config.parameters() {
            let full = format!("{prefix}{name}");
            let inputs = shape.last().copied().unwrap_or(1);
            match name {
                "A_log" => self.insert(&full, &shape, |_, place| ((place % inputs) as f64 + 1.0).ln())?,
                "D" => self.insert(&full, &shape, |_, _| 1.0)?,
                "dt_proj.bias" => self.insert(&full, &shape, |random, _| {
                    let delta = (DELTA.0.ln() + random.uniform() * (DELTA.1 / DELTA.0).ln()).exp();
                    // softplus of this is Δ.
                    delta + (-(-delta).exp_m1()).ln()
                })?,
                "conv1d.bias" => self.uniform(&full, &shape, 1.0 / (config.d_conv as f64).sqrt())?,
                "C" => self.normal(&full, &shape, 1.0)?,
                "out_proj.weight" => self.uniform(&full, &shape, shrink_out / (inputs as f64).sqrt())?,
                _ => self.uniform(&full, &shape, 1.0 / (inputs as f64).sqrt())?,
            }
        }
        Ok(())
    }

    pub(crate) fn uniform(&mut self, name: &str, shape: &[usize], bound: f64) -> Result<()> {
        self.insert(name, shape, |random, _| bound * (2.0 * random.uniform() - 1.0))
    }

    fn normal(&mut self, name: &str, shape: &[usize], deviation: f64) -> Result<()> {
        self.insert(name, shape, |random, _| deviation * random.normal())
    }

    pub(crate) fn insert(
        &mut self,
        name: &str,
        shape: &[usize],
        entry: impl Fn(&mut RandomState, usize) -> f64,
    ) -> Result<()> {
        let values = (0..shape.iter().product()).map(|place| entry(&mut self.random, place)).collect();
        insert(&self.weights, name, values, shape, self.dtype)
    }
}
