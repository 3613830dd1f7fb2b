//! What the paper's authors ran.

use std::fmt;
use std::str::FromStr;

use super::settings::Settings;
use crate::nn::cmamba::Config;
use crate::{Error, Result};

/// Which values stand where a command line names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// The published scripts', by data set and horizon.
    Paper,
    /// Those of the published `run.py` without a script: a model 40 times as large, without GDD-MLP and mixup.
    PublishedDefaults,
}

impl Preset {
    const ALL: [(Self, &'static str); 2] = [(Self::Paper, "paper"), (Self::PublishedDefaults, "published-defaults")];

    /// The setting for a data set and horizon.
    pub fn setup(self, data: &str, pred_len: usize) -> Setup {
        match self {
            Self::Paper => Setup::paper(data, pred_len),
            Self::PublishedDefaults => {
                Setup { settings: Settings::default(), model: Config { pred_len, ..Config::default() } }
            }
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(preset, _)| preset == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text).map(|(preset, _)| *preset);
        found.ok_or_else(|| Error::domain("preset", text, Self::ALL.map(|(_, name)| name).join(" or ")))
    }
}

/// How a model is trained, and CMamba's sizes.
///
/// ```
/// use mlnotes::forecast::experiment::{Preset, Setup};
///
/// let setup = Setup::paper("ETTh2", 336);
/// assert_eq!((setup.model.e_layers, setup.settings.learning_rate, setup.settings.mixup), (3, 5e-4, Some(3.0)));
/// let notes = Preset::PublishedDefaults.setup("ETTh1", 96);
/// assert_eq!(notes.model.parameter_count(), 15_685_760);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    /// How it is trained.
    pub settings: Settings,
    /// CMamba's sizes.
    pub model: Config,
}

/// A published script: data, horizon, e_layers, learning rate, σ, both dropouts.
type Script = (&'static str, usize, usize, f64, f64, f64);

/// `scripts/long_term_forecast` of the published code (zclzcl0223/CMamba, commit 7816659).
const SCRIPTS: [Script; 28] = [
    ("etth1", 96, 3, 5e-4, 1.0, 0.1),
    ("etth1", 192, 2, 5e-4, 1.0, 0.1),
    ("etth1", 336, 3, 5e-4, 1.0, 0.1),
    ("etth1", 720, 3, 5e-4, 1.0, 0.1),
    ("etth2", 96, 4, 1e-4, 1.0, 0.1),
    ("etth2", 192, 4, 1e-4, 1.0, 0.1),
    ("etth2", 336, 3, 5e-4, 3.0, 0.1),
    ("etth2", 720, 3, 1e-4, 3.0, 0.1),
    ("ettm1", 96, 4, 5e-4, 1.0, 0.0),
    ("ettm1", 192, 4, 5e-4, 1.0, 0.0),
    ("ettm1", 336, 4, 1e-3, 1.0, 0.0),
    ("ettm1", 720, 4, 1e-3, 1.0, 0.0),
    ("ettm2", 96, 4, 1e-3, 1.0, 0.0),
    ("ettm2", 192, 4, 1e-3, 1.0, 0.0),
    ("ettm2", 336, 3, 1e-3, 1.0, 0.1),
    ("ettm2", 720, 3, 1e-4, 1.0, 0.0),
    ("weather", 96, 3, 1e-3, 0.1, 0.0),
    ("weather", 192, 3, 1e-4, 0.1, 0.0),
    ("weather", 336, 3, 1e-3, 0.1, 0.0),
    ("weather", 720, 3, 1e-4, 0.1, 0.0),
    ("electricity", 96, 5, 1e-3, 1.0, 0.0),
    ("electricity", 192, 5, 1e-3, 1.0, 0.0),
    ("electricity", 336, 5, 5e-4, 1.0, 0.0),
    ("electricity", 720, 5, 5e-4, 1.0, 0.0),
    ("traffic", 96, 4, 1e-3, 4.0, 0.0),
    ("traffic", 192, 4, 2e-3, 1.0, 0.0),
    ("traffic", 336, 4, 2e-3, 3.0, 0.0),
    ("traffic", 720, 4, 2e-3, 1.0, 0.0),
];

impl Setup {
    /// The published script's setting; of the next longer published horizon for one between, of the longest beyond, and
    /// ETTh1's for data that the paper has not.
    ///
    /// | data | batch | reduction | patience | V |
    /// | --- | --- | --- | --- | --- |
    /// | ETTh1, ETTh2, ETTm1, ETTm2 | 64 | 2 | 3 | 7 |
    /// | weather | 64 | 2 | 3 | 21 |
    /// | electricity (ECL) | 8 | 4 | 3 | 321 |
    /// | traffic | 8 | 8 | 5 | 862 |
    pub fn paper(data: &str, pred_len: usize) -> Self {
        let lower = data.to_lowercase();
        let name = match lower.as_str() {
            "ecl" => "electricity",
            name if SCRIPTS.iter().any(|script| script.0 == name) => name,
            _ => "etth1",
        };
        let mut of_data = SCRIPTS.iter().filter(|script| script.0 == name);
        let longest = of_data.clone().next_back();
        let script = of_data.find(|script| pred_len <= script.1).or(longest).unwrap_or(&SCRIPTS[0]);
        let (_, _, e_layers, learning_rate, sigma, dropout) = *script;
        let (batch_size, reduction, patience, enc_in) = match name {
            "weather" => (64, 2, 3, 21),
            "electricity" => (8, 4, 3, 321),
            "traffic" => (8, 8, 5, 862),
            _ => (64, 2, 3, 7),
        };
        Self {
            settings: Settings { batch_size, learning_rate, patience, mixup: Some(sigma), ..Settings::paper() },
            model: Config { pred_len, enc_in, e_layers, reduction, dropout, head_dropout: dropout, ..Config::paper() },
        }
    }
}
