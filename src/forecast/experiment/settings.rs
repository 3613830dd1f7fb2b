//! What a training run is told.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::nn::Loss;
use crate::{Error, Result, validate};

/// The learning rate from epoch to epoch, under the published names (`--lradj`).
///
/// The published code sets the rate after epoch e = 1, 2, … for the next one: so epoch 1 has the rate η as given, and epoch
/// e + 1 has η(e).
///
/// | schedule | η(e) |
/// | --- | --- |
/// | `Type1` | η 0.5^(e − 1) |
/// | `Type3` | η for e < 3, then η 0.9^(e − 3) |
/// | `Cosine` | η (1 + cos(π e / epochs)) / 2 |
/// | `Constant` | η |
///
/// ```
/// use mlnotes::forecast::experiment::Schedule;
///
/// let rates: Vec<f64> = (1..=5).map(|epoch| Schedule::Type1.rate(0.8, epoch, 10)).collect();
/// assert_eq!(rates, [0.8, 0.8, 0.4, 0.2, 0.1]);
/// assert_eq!(Schedule::Type3.rate(1.0, 4, 10), 1.0);
/// assert_eq!(Schedule::Type3.rate(1.0, 5, 10), 0.9);
/// ```
///
/// Source: `utils/tools.py` of the published code; its `type2` holds rates for one experiment of another paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Half as much after each epoch from the second on.
    Type1,
    /// A tenth less after each epoch from the fourth on.
    Type3,
    /// Half a wave of the cosine, down to 0.
    Cosine,
    /// Always the same.
    Constant,
}

impl Schedule {
    /// The rate in `epoch`, counted from 1, of `epochs`.
    pub fn rate(self, initial: f64, epoch: usize, epochs: usize) -> f64 {
        let after = match epoch.checked_sub(1) {
            None | Some(0) => return initial,
            Some(after) => after as f64,
        };
        match self {
            Self::Type1 => initial * 0.5f64.powf(after - 1.0),
            Self::Type3 if after < 3.0 => initial,
            Self::Type3 => initial * 0.9f64.powf(after - 3.0),
            Self::Cosine => initial / 2.0 * (1.0 + (after / epochs.max(1) as f64 * std::f64::consts::PI).cos()),
            Self::Constant => initial,
        }
    }
}

/// As on the command line, in capitals or not.
impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_lowercase().as_str() {
            "type1" => Ok(Self::Type1),
            "type3" => Ok(Self::Type3),
            "cosine" => Ok(Self::Cosine),
            "constant" => Ok(Self::Constant),
            _ => Err(Error::domain("lradj", text, "type1, type3, cosine or constant")),
        }
    }
}

/// How a model is trained, under the names of the published command line.
///
/// ```
/// use mlnotes::forecast::experiment::{Schedule, Settings};
///
/// let settings = Settings { seed: 1, ..Settings::paper() };
/// assert_eq!((settings.batch_size, settings.schedule), (64, Schedule::Type3));
/// assert_eq!(Settings::default().mixup, None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Windows of an iteration.
    pub batch_size: usize,
    /// η of the first epoch.
    pub learning_rate: f64,
    /// Epochs at most.
    pub train_epochs: usize,
    /// Training stops after so many epochs in a row without a better validation loss.
    pub patience: usize,
    /// What training lowers, and validation judges by.
    pub loss: Loss,
    /// The rate from epoch to epoch (`--lradj`).
    pub schedule: Schedule,
    /// σ of [`ChannelMixup`](crate::nn::cmamba::ChannelMixup), or none.
    pub mixup: Option<f64>,
    /// What all randomness of training comes from.
    pub seed: u32,
}

impl Default for Settings {
    /// What the published `run.py` takes where it is told nothing.
    fn default() -> Self {
        Self {
            batch_size: 32,
            learning_rate: 1e-4,
            train_epochs: 10,
            patience: 3,
            loss: Loss::Mae,
            schedule: Schedule::Type1,
            mixup: None,
            seed: 2021,
        }
    }
}

impl Settings {
    /// The paper's for ETTh1; [`Setup::paper`](super::Setup::paper) has those of every data set and horizon.
    pub fn paper() -> Self {
        Self {
            batch_size: 64,
            learning_rate: 5e-4,
            train_epochs: 100,
            schedule: Schedule::Type3,
            mixup: Some(1.0),
            ..Self::default()
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        validate::at_least_one("batch_size", self.batch_size)?;
        validate::at_least_one("train_epochs", self.train_epochs)?;
        validate::at_least_one("patience", self.patience)?;
        validate::positive("learning_rate", self.learning_rate, "1e-4")?;
        match self.mixup {
            Some(sigma) if !(sigma >= 0.0 && sigma.is_finite()) => {
                Err(Error::domain("sigma", sigma, "0 or more and finite, for instance 1"))
            }
            _ => Ok(()),
        }
    }
}
