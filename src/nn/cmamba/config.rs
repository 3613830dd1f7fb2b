//! The sizes of the model.

use super::gddmlp;
use crate::random::{Philox, RandomState};
use crate::{Error, Result, validate};

/// The sizes of a [`CMamba`](super::CMamba), under the names of the published code.
///
/// ```
/// use mlnotes::nn::cmamba::Config;
///
/// // The paper's model for ETTh1, 96 hours ahead, and what the notes' command line makes.
/// assert_eq!(Config::paper().parameter_count(), 385_292);
/// assert_eq!(Config::default().parameter_count(), 15_685_760);
/// let longer = Config { pred_len: 192, e_layers: 2, ..Config::paper() };
/// assert_eq!(longer.parameter_count(), 454_280);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Steps of a window.
    pub seq_len: usize,
    /// Steps to forecast.
    pub pred_len: usize,
    /// Channels, V; as many come out as go in.
    pub enc_in: usize,
    /// Features of a patch.
    pub d_model: usize,
    /// Channels of the scan.
    pub d_ff: usize,
    /// Blocks.
    pub e_layers: usize,
    /// Numbers of state per channel of the scan, S.
    pub d_state: usize,
    /// Through so many numbers a patch says what Δ is.
    pub dt_rank: usize,
    /// GDD-MLP's hidden layer is ⌊V / reduction⌋ wide. (The paper calls it an expansion rate; the code divides.)
    pub reduction: usize,
    /// Steps of a patch.
    pub patch_len: usize,
    /// Steps from a patch to the next; the last step is repeated as often.
    pub stride: usize,
    /// Share of a block's results that training silences.
    pub dropout: f64,
    /// The same of the embedded patches, and of the forecast.
    pub head_dropout: f64,
    /// Whether the channels see each other.
    pub gddmlp: bool,
    /// Whether Δ, B, C and D depend on the patch; if not, they are learned numbers and the scan is time-invariant (线性时不变).
    pub selective: bool,
}

impl Default for Config {
    /// What the published `run.py` takes where it is told nothing, as on the notes' command line (F0 §17): a model 40
    /// times as large as the paper's, without GDD-MLP.
    fn default() -> Self {
        Self {
            seq_len: 96,
            pred_len: 96,
            enc_in: 7,
            d_model: 512,
            d_ff: 2048,
            e_layers: 2,
            d_state: 16,
            dt_rank: 32,
            reduction: 2,
            patch_len: 16,
            stride: 8,
            dropout: 0.1,
            head_dropout: 0.0,
            gddmlp: false,
            selective: true,
        }
    }
}

impl Config {
    /// The paper's setting for ETTh1, 96 steps ahead.
    ///
    /// | data | `pred_len` | `e_layers` |
    /// | --- | --- | --- |
    /// | ETTh1 | 96, 336, 720 | 3 |
    /// | ETTh1 | 192 | 2 |
    /// | ETTh2 | 96, 192 | 4 |
    /// | ETTh2 | 336, 720 | 3 |
    pub fn paper() -> Self {
        Self { d_model: 128, d_ff: 128, e_layers: 3, head_dropout: 0.1, gddmlp: true, ..Self::default() }
    }

    /// Patches of a window, N = ⌊(seq_len + stride − patch_len) / stride⌋ + 1.
    ///
    /// ```
    /// # use mlnotes::nn::cmamba::Config;
    /// assert_eq!(Config::paper().patch_num()?, 12);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// # Errors
    /// A patch or stride of 0; a window that is too short for one patch.
    pub fn patch_num(&self) -> Result<usize> {
        super::patch::patch_num(self.seq_len, self.patch_len, self.stride)
    }

    /// How many numbers are learned; 0 for sizes that make no model.
    pub fn parameter_count(&self) -> usize {
        let parameters = self.parameters().unwrap_or_default();
        parameters.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// The parameters' names and shapes, as the published code has them; `mixer.B`, `mixer.C` and `mixer.D`, in place of
    /// `x_proj` and of the weight of `dt_proj` where nothing is selected, are in no published model.
    ///
    /// # Errors
    /// Sizes that make no model, with what would do.
    pub fn parameters(&self) -> Result<Vec<(String, Vec<usize>)>> {
        self.parameters_around(&self.block_parameters())
    }

    /// The same with another block in each layer.
    pub(crate) fn parameters_around(&self, block: &[(&str, Vec<usize>)]) -> Result<Vec<(String, Vec<usize>)>> {
        self.validate()?;
        let mut parameters = vec![(EMBEDDING.to_owned(), vec![self.d_model, self.patch_len])];
        for layer in 0..self.e_layers {
            let full = |(name, shape): (&str, _)| (format!("encoder.layers.{layer}.{name}"), shape);
            parameters.extend(block.iter().cloned().map(full));
            if self.gddmlp {
                parameters.extend(gddmlp::parameters(self.enc_in, self.reduction)?.into_iter().map(full));
            }
        }
        let features = self.d_model * self.patch_num()?;
        parameters.push((HEAD_WEIGHT.to_owned(), vec![self.pred_len, features]));
        parameters.push((HEAD_BIAS.to_owned(), vec![self.pred_len]));
        Ok(parameters)
    }

    pub(super) fn block_parameters(&self) -> Vec<(&'static str, Vec<usize>)> {
        let Self { d_model, d_ff, d_state, dt_rank, .. } = *self;
        let mut parameters = vec![
            ("norm.weight", vec![d_model]),
            ("mixer.in_proj.weight", vec![2 * d_ff, d_model]),
            ("mixer.in_proj.bias", vec![2 * d_ff]),
        ];
        parameters.extend(match self.selective {
            true => vec![
                ("mixer.x_proj.weight", vec![dt_rank + 2 * d_state + d_ff, d_ff]),
                ("mixer.dt_proj.weight", vec![d_ff, dt_rank]),
            ],
            false => vec![("mixer.B", vec![d_state]), ("mixer.C", vec![d_state]), ("mixer.D", vec![d_ff])],
        });
        parameters.extend([
            ("mixer.dt_proj.bias", vec![d_ff]),
            ("mixer.A_log", vec![1, d_state]),
            ("mixer.out_proj.weight", vec![d_model, d_ff]),
            ("mixer.out_proj.bias", vec![d_model]),
        ]);
        parameters
    }

    /// Where masks come from in training, if there is dropout anywhere.
    pub(super) fn masks(&self, train: Option<&mut RandomState>) -> Option<Philox> {
        train.filter(|_| self.dropout > 0.0 || self.head_dropout > 0.0).map(|random| Philox::new(random.bits()))
    }

    pub(super) fn validate(&self) -> Result<()> {
        let sizes = [
            ("pred_len", self.pred_len),
            ("enc_in", self.enc_in),
            ("d_model", self.d_model),
            ("d_ff", self.d_ff),
            ("e_layers", self.e_layers),
            ("d_state", self.d_state),
            ("dt_rank", self.dt_rank),
            ("reduction", self.reduction),
        ];
        for (name, size) in sizes {
            validate::at_least_one(name, size)?;
        }
        self.patch_num()?;
        for (name, share) in [("dropout", self.dropout), ("head_dropout", self.head_dropout)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::domain(name, share, "0 or more and below 1, the share that is silenced"));
            }
        }
        if self.gddmlp {
            gddmlp::parameters(self.enc_in, self.reduction)?;
        }
        Ok(())
    }
}

pub(crate) const EMBEDDING: &str = "patch_embedding.value_embedding.weight";
pub(crate) const HEAD_WEIGHT: &str = "head.linear.weight";
pub(crate) const HEAD_BIAS: &str = "head.linear.bias";
