//! A model by its name.

use std::fmt;
use std::str::FromStr;

use candle_core::DType;

use super::{
    CMamba, DLinear, DLinearConfig, Forecaster, LastValue, Lstm, LstmConfig, PatchMamba, RLinear, RLinearConfig,
    SeasonalNaive, Sizes,
};
use crate::nn::cmamba::Config;
use crate::{Error, Result};

/// The models there are, by the names of the command line.
///
/// ```
/// use mlnotes::forecast::models::ModelKind;
///
/// assert_eq!("cmamba".parse::<ModelKind>()?, ModelKind::CMamba);
/// let error = "Prophet".parse::<ModelKind>().unwrap_err().to_string();
/// assert!(error.contains("LastValue, SeasonalNaive, DLinear, RLinear, LSTM, Mamba, CMamba"));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelKind {
    /// [`LastValue`].
    LastValue,
    /// [`SeasonalNaive`].
    SeasonalNaive,
    /// [`DLinear`].
    DLinear,
    /// [`RLinear`].
    RLinear,
    /// [`Lstm`].
    Lstm,
    /// [`PatchMamba`].
    Mamba,
    /// [`CMamba`].
    CMamba,
}

/// What [`ModelKind::build`] makes models of; each takes what it has a use for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelSettings {
    /// Lengths, channels, `dropout`, `gddmlp` and `reduction` of all learned models, and all sizes of CMamba and Mamba.
    pub network: Config,
    /// Steps that the seasonal naive forecast repeats.
    pub period: usize,
    /// Steps of DLinear's moving average, an odd number.
    pub moving_avg: usize,
    /// Numbers of the LSTM's hidden state.
    pub hidden: usize,
    /// Layers of the LSTM.
    pub lstm_layers: usize,
}

impl Default for ModelSettings {
    /// What the published `run.py` takes where it is told nothing ([`Config::default`]), and the models' own defaults.
    fn default() -> Self {
        let (linear, lstm) = (DLinearConfig::default(), LstmConfig::default());
        let (hidden, lstm_layers) = (lstm.hidden, lstm.layers);
        Self { network: Config::default(), period: 24, moving_avg: linear.moving_avg, hidden, lstm_layers }
    }
}

impl ModelSettings {
    /// The paper's setting for ETTh1, 96 steps ahead. GDD-MLP is on, and whoever compares models may want it in CMamba alone.
    pub fn paper() -> Self {
        Self { network: Config::paper(), ..Self::default() }
    }
}

impl ModelKind {
    /// All, from the simplest to the notes' own.
    pub const ALL: [Self; 7] =
        [Self::LastValue, Self::SeasonalNaive, Self::DLinear, Self::RLinear, Self::Lstm, Self::Mamba, Self::CMamba];

    /// As in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::LastValue => "LastValue",
            Self::SeasonalNaive => "SeasonalNaive",
            Self::DLinear => "DLinear",
            Self::RLinear => "RLinear",
            Self::Lstm => "LSTM",
            Self::Mamba => "Mamba",
            Self::CMamba => "CMamba",
        }
    }

    /// Whether there is something to train.
    pub fn learns(self) -> bool {
        !matches!(self, Self::LastValue | Self::SeasonalNaive)
    }

    /// The model at its start; the same seed gives the same weights. A model that does not learn takes f32 and f64 alike.
    ///
    /// # Errors
    /// Sizes that make no such model; a `dtype` that is neither f32 nor f64.
    pub fn build(self, settings: &ModelSettings, seed: u32, dtype: DType) -> Result<Box<dyn Forecaster>> {
        let ModelSettings { network, period, moving_avg, hidden, lstm_layers: layers } = *settings;
        let Config { seq_len, pred_len, enc_in, dropout, .. } = network;
        let sizes = Sizes { seq_len, pred_len, enc_in };
        let gddmlp = network.gddmlp.then_some(network.reduction);
        Ok(match self {
            Self::LastValue => Box::new(LastValue::new(sizes)?),
            Self::SeasonalNaive => Box::new(SeasonalNaive::new(sizes, period)?),
            Self::DLinear => Box::new(DLinear::new(&DLinearConfig { sizes, moving_avg, gddmlp }, seed, dtype)?),
            Self::RLinear => Box::new(RLinear::new(&RLinearConfig { sizes, dropout, gddmlp }, seed, dtype)?),
            Self::Lstm => Box::new(Lstm::new(&LstmConfig { sizes, hidden, layers, dropout, gddmlp }, seed, dtype)?),
            Self::Mamba => Box::new(PatchMamba::new(&network, seed, dtype)?),
            Self::CMamba => Box::new(CMamba::new(&network, seed, dtype)?),
        })
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// By name, in small or capital letters.
impl FromStr for ModelKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::domain("model", format!("\"{name}\""), format!("one of {names}"))
        })
    }
}
