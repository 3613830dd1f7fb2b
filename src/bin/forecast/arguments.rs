//! The command line: idiomatic flags, and the published program's.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use mlnotes::forecast::experiment::{Preset, Schedule, Setup};
use mlnotes::forecast::models::{ModelKind, ModelSettings};
use mlnotes::nn::Loss;
use mlnotes::{Error, Result};

/// Trains a model on several series at once, and tests how well it forecasts them.
///
/// The notes' `run.py`: every flag of it is accepted, with underscores or hyphens. What is not said is as in the paper
/// (`--preset paper`). A command that was stopped goes on where it was if given again.
#[derive(Parser, Debug)]
#[command(
    name = "cargo forecast",
    bin_name = "cargo forecast",
    version,
    args_conflicts_with_subcommands = true,
    args_override_self = true,
    after_help = "Examples:\n  cargo forecast fetch ETTh1\n  cargo forecast --model CMamba --data ETTh1 --pred-len 192\n  \
                  cargo forecast compare"
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub train: Train,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Download published data sets, and check that they are the published ones.
    Fetch {
        /// For instance ETTh1.
        #[arg(required = true, value_name = "DATA")]
        names: Vec<String>,
    },
    /// Print the results so far as a table, model by horizon.
    Compare {
        /// The table of results.
        #[arg(long, value_name = "FILE", default_value = "checkpoints/results.csv")]
        csv: PathBuf,
    },
}

#[derive(Args, Clone, Debug)]
pub struct Train {
    /// LastValue, SeasonalNaive, DLinear, RLinear, LSTM, Mamba or CMamba.
    #[arg(long, default_value_t = ModelKind::CMamba, help_heading = "What")]
    pub model: ModelKind,
    /// A published data set, a CSV file with a column `date`, or `custom` for the file that --data-path names.
    #[arg(long, help_heading = "What")]
    pub data: Option<String>,
    /// Where flags that are not given come from: `paper` or `published-defaults`.
    #[arg(long, default_value_t = Preset::Paper, value_name = "NAME", help_heading = "What")]
    pub preset: Preset,
    /// What the run is called in the table of results.
    #[arg(long, default_value = "run", value_name = "NAME", help_heading = "What")]
    pub model_id: String,
    /// 1 trains and tests, 0 tests what was trained before.
    #[arg(long, default_value_t = 1, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1), help_heading = "What")]
    pub is_training: u8,
    /// There is one: long_term_forecast.
    #[arg(long, default_value = "long_term_forecast", hide = true)]
    task_name: String,

    /// Steps to look back.
    #[arg(long, default_value_t = 96, value_name = "N", help_heading = "Data")]
    pub seq_len: usize,
    /// Steps to forecast.
    #[arg(long, default_value_t = 96, value_name = "N", help_heading = "Data")]
    pub pred_len: usize,
    /// M forecasts all columns, S the target column alone.
    #[arg(long, default_value = "M", value_name = "M|S", help_heading = "Data")]
    features: String,
    /// The column for `--features S`.
    #[arg(long, default_value = "OT", value_name = "COLUMN", help_heading = "Data")]
    target: String,
    /// The folder of --data-path.
    #[arg(long, value_name = "FOLDER", help_heading = "Data")]
    root_path: Option<PathBuf>,
    /// The file to read instead of looking for the data set by its name.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    data_path: Option<PathBuf>,

    /// Channels; the data's, unless it must be checked.
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub enc_in: Option<usize>,
    /// Features of a patch.
    #[arg(long, value_name = "N", help_heading = "Model")]
    d_model: Option<usize>,
    /// Channels of the scan.
    #[arg(long, value_name = "N", help_heading = "Model")]
    d_ff: Option<usize>,
    /// Blocks.
    #[arg(long, value_name = "N", help_heading = "Model")]
    e_layers: Option<usize>,
    /// Numbers of state per channel of the scan.
    #[arg(long, value_name = "N", help_heading = "Model")]
    d_state: Option<usize>,
    /// Through so many numbers a patch says what Δ is.
    #[arg(long, value_name = "N", help_heading = "Model")]
    dt_rank: Option<usize>,
    /// GDD-MLP's hidden layer is V / N wide.
    #[arg(long, value_name = "N", help_heading = "Model")]
    reduction: Option<usize>,
    /// Share silenced after a block.
    #[arg(long, value_name = "SHARE", help_heading = "Model")]
    dropout: Option<f64>,
    /// Share silenced after the embedding and in the forecast.
    #[arg(long, value_name = "SHARE", help_heading = "Model")]
    head_dropout: Option<f64>,
    /// Let channels see each other.
    #[arg(long, overrides_with = "no_gddmlp", help_heading = "Model")]
    pub gddmlp: bool,
    /// Do not.
    #[arg(long, help_heading = "Model")]
    no_gddmlp: bool,

    /// Give CMamba's scan learned numbers instead of what it reads off the patches.
    #[arg(long, help_heading = "Model")]
    no_selective: bool,
    /// Steps that SeasonalNaive repeats.
    #[arg(long, value_name = "N", help_heading = "Model")]
    period: Option<usize>,
    /// Steps of DLinear's moving average.
    #[arg(long, value_name = "N", help_heading = "Model")]
    moving_avg: Option<usize>,
    /// Numbers of the LSTM's hidden state.
    #[arg(long, value_name = "N", help_heading = "Model")]
    hidden: Option<usize>,
    /// Layers of the LSTM.
    #[arg(long, value_name = "N", help_heading = "Model")]
    lstm_layers: Option<usize>,

    /// Epochs at most.
    #[arg(long, value_name = "N", help_heading = "Training")]
    train_epochs: Option<usize>,
    /// Windows of an iteration.
    #[arg(long, value_name = "N", help_heading = "Training")]
    batch_size: Option<usize>,
    /// Stop after N epochs without a better validation loss.
    #[arg(long, value_name = "N", help_heading = "Training")]
    patience: Option<usize>,
    /// Rate of the first epoch.
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    learning_rate: Option<f64>,
    /// What training lowers: mae or mse.
    #[arg(long, help_heading = "Training")]
    loss: Option<Loss>,
    /// The rate from epoch to epoch: type1, type3, cosine or constant.
    #[arg(long, value_name = "SCHEDULE", help_heading = "Training")]
    lradj: Option<Schedule>,
    /// Mix channels.
    #[arg(long, overrides_with = "no_channel_mixup", help_heading = "Training")]
    channel_mixup: bool,
    /// Do not.
    #[arg(long, help_heading = "Training")]
    no_channel_mixup: bool,
    /// How strongly.
    #[arg(long, value_name = "σ", help_heading = "Training")]
    sigma: Option<f64>,
    /// What all randomness comes from.
    #[arg(long, default_value_t = 2021, value_name = "N", help_heading = "Training")]
    pub seed: u32,
    /// Runs, each with a seed one higher.
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = "Training")]
    pub itr: u32,

    /// Where checkpoints, reports and figures go.
    #[arg(long, default_value = "checkpoints", value_name = "FOLDER", help_heading = "Where and how")]
    pub checkpoints: PathBuf,
    /// The table of results [default: results.csv among the checkpoints]; that of their epochs is beside it, …_epochs.csv.
    #[arg(long, value_name = "FILE", help_heading = "Where and how")]
    results: Option<PathBuf>,
    /// Start anew even where there is a checkpoint.
    #[arg(long, help_heading = "Where and how")]
    pub fresh: bool,
    /// Forecasts to draw, spread over the test windows.
    #[arg(long, default_value_t = 3, value_name = "N", help_heading = "Where and how")]
    pub figures: usize,
    /// Threads at most [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Where and how")]
    pub threads: Option<u16>,
}

/// A file to read, and what it is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// To be looked for by name, or the path of a CSV file.
    Named(String),
    /// There.
    File(PathBuf),
}

impl Train {
    /// Where the table is.
    pub fn source(&self) -> Result<Source> {
        let remedy = "name a published data set, for instance --data ETTh1, or the path of a CSV file";
        let Some(data) = &self.data else { return Err(Error::Empty { arg: "data", remedy }) };
        let custom = data.eq_ignore_ascii_case("custom");
        let file = match (&self.data_path, custom) {
            (Some(file), _) => file.clone(),
            (None, true) => {
                return Err(Error::Empty { arg: "data_path", remedy: "--data custom needs --data-path, the file" });
            }
            (None, false) => PathBuf::from(format!("{data}.csv")),
        };
        let path = self.root_path.as_deref().unwrap_or(Path::new("")).join(&file);
        if (self.data_path.is_some() || self.root_path.is_some()) && path.is_file() {
            return Ok(Source::File(path));
        }
        // The published scripts name folders that need not be here: then the file is looked for by name.
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Source::Named(if custom { stem.into_owned() } else { data.clone() }))
    }

    /// The columns to keep; none means all.
    pub fn column(&self) -> Result<Option<&str>> {
        match self.features.as_str() {
            "M" => Ok(None),
            "S" => Ok(Some(&self.target)),
            other => Err(Error::domain("features", other, "M (all columns) or S (the target column alone)")),
        }
    }

    /// The setting for data of this name: the preset's, but for what was said.
    pub fn setup(&self, data: &str) -> Result<Setup> {
        if self.task_name != "long_term_forecast" {
            return Err(Error::domain("task_name", &self.task_name, "long_term_forecast, the one task there is"));
        }
        let Setup { mut settings, mut model } = self.preset.setup(data, self.pred_len);
        // The scripts are CMamba's. Its two means are for any model, but only where asked for.
        if self.model != ModelKind::CMamba {
            (model.gddmlp, settings.mixup) = (false, None);
        }
        model.seq_len = self.seq_len;
        given(&mut model.enc_in, self.enc_in);
        given(&mut model.d_model, self.d_model);
        given(&mut model.d_ff, self.d_ff);
        given(&mut model.e_layers, self.e_layers);
        given(&mut model.d_state, self.d_state);
        given(&mut model.dt_rank, self.dt_rank);
        given(&mut model.reduction, self.reduction);
        given(&mut model.dropout, self.dropout);
        given(&mut model.head_dropout, self.head_dropout);
        model.gddmlp = (model.gddmlp || self.gddmlp) && !self.no_gddmlp;
        model.selective = !self.no_selective;
        given(&mut settings.train_epochs, self.train_epochs);
        given(&mut settings.batch_size, self.batch_size);
        given(&mut settings.patience, self.patience);
        given(&mut settings.learning_rate, self.learning_rate);
        given(&mut settings.loss, self.loss);
        given(&mut settings.schedule, self.lradj);
        if self.channel_mixup {
            settings.mixup = settings.mixup.or(Some(1.0));
        }
        if self.no_channel_mixup {
            settings.mixup = None;
        }
        // As published, σ alone mixes nothing.
        settings.mixup = settings.mixup.map(|sigma| self.sigma.unwrap_or(sigma));
        settings.seed = self.seed;
        Ok(Setup { settings, model })
    }

    /// Sizes of whatever model it is, CMamba's known.
    pub fn sizes(&self, setup: &Setup) -> ModelSettings {
        let mut sizes = ModelSettings { network: setup.model, ..ModelSettings::paper() };
        given(&mut sizes.period, self.period);
        given(&mut sizes.moving_avg, self.moving_avg);
        given(&mut sizes.hidden, self.hidden);
        given(&mut sizes.lstm_layers, self.lstm_layers);
        sizes
    }

    /// The table of results.
    pub fn results(&self) -> PathBuf {
        self.results.clone().unwrap_or_else(|| self.checkpoints.join("results.csv"))
    }

    /// The table of epochs.
    pub fn epochs(&self) -> PathBuf {
        let results = self.results();
        results.with_file_name(format!("{}_epochs.csv", results.file_stem().unwrap_or_default().to_string_lossy()))
    }
}

fn given<T: Copy>(place: &mut T, value: Option<T>) {
    *place = value.unwrap_or(*place);
}

/// Flags of the published program that decide nothing here, and how many values follow each.
const NO_EFFECT: [(&str, Values); 41] = [
    ("activation", Values::One),
    ("anomaly-ratio", Values::One),
    ("avg", Values::None),
    ("bias", Values::One),
    ("c-out", Values::One),
    ("channel-independence", Values::One),
    ("conv-bias", Values::One),
    ("d-conv", Values::One),
    ("d-layers", Values::One),
    ("dec-in", Values::One),
    ("des", Values::One),
    ("devices", Values::One),
    ("distil", Values::None),
    ("dt-init", Values::One),
    ("dt-init-floor", Values::One),
    ("dt-max", Values::One),
    ("dt-min", Values::One),
    ("dt-scale", Values::One),
    ("embed", Values::One),
    ("factor", Values::One),
    ("freq", Values::One),
    ("gpu", Values::One),
    ("individual", Values::None),
    ("inverse", Values::None),
    ("label-len", Values::One),
    ("mask-rate", Values::One),
    ("max", Values::None),
    ("n-heads", Values::One),
    ("num-kernels", Values::One),
    ("num-workers", Values::One),
    ("output-attention", Values::None),
    ("p-hidden-dims", Values::Any),
    ("p-hidden-layers", Values::One),
    ("patch-num", Values::One),
    ("pscan", Values::None),
    ("rev", Values::None),
    ("seasonal-patterns", Values::One),
    ("top-k", Values::One),
    ("use-amp", Values::None),
    ("use-gpu", Values::One),
    ("use-multi-gpu", Values::None),
];

#[derive(Clone, Copy, PartialEq)]
enum Values {
    None,
    One,
    Any,
}

/// The command line with hyphens for underscores, and apart from it the published flags that decide nothing here.
pub fn published(arguments: impl IntoIterator<Item = String>) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut left) = (Vec::new(), Vec::new());
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--") else {
            kept.push(argument);
            continue;
        };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        let hyphens = name.replace('_', "-");
        match NO_EFFECT.iter().find(|(other, _)| *other == hyphens) {
            Some((_, values)) => {
                left.push(format!("--{name}"));
                let most = match (values, value) {
                    (Values::None, _) | (_, Some(_)) => 0,
                    (Values::One, None) => 1,
                    (Values::Any, None) => usize::MAX,
                };
                for _ in 0..most {
                    if arguments.next_if(|next| !next.starts_with("--")).is_none() {
                        break;
                    }
                }
            }
            None => kept.push(value.map_or(format!("--{hyphens}"), |value| format!("--{hyphens}={value}"))),
        }
    }
    (kept, left)
}

#[cfg(test)]
mod tests {
    use mlnotes::forecast::experiment::Settings;
    use mlnotes::nn::cmamba::Config;

    use super::*;

    fn parse(line: &str) -> std::result::Result<(Train, Vec<String>), String> {
        let words = std::iter::once("forecast").chain(line.split_whitespace()).map(str::to_owned);
        let (kept, left) = published(words);
        let cli = Cli::try_parse_from(kept).map_err(|error| error.to_string())?;
        Ok((cli.train, left))
    }

    fn setup(line: &str) -> Setup {
        let (train, _) = parse(line).unwrap();
        train.setup(train.data.as_deref().unwrap()).unwrap()
    }

    const NOTES: &str = "--task_name long_term_forecast --is_training 1 --model_id 001 --model CMamba --data ETTh1";

    #[test]
    fn clap_finds_no_fault_in_the_flags() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    /// The notes' line makes the paper's model, and the published program's with its preset; of other data it is that data's.
    ///
    /// Planted: the preset of no data's name; underscores kept. Each turns this red.
    #[test]
    fn the_line_of_the_notes_is_accepted_as_it_stands() {
        let (train, left) = parse(NOTES).unwrap();
        assert_eq!((train.model_id.as_str(), train.model, train.is_training), ("001", ModelKind::CMamba, 1));
        assert!(left.is_empty());
        assert_eq!(train.source().unwrap(), Source::Named("ETTh1".into()));
        assert_eq!(setup(NOTES), Setup { settings: Settings::paper(), model: Config::paper() });
        let other = setup("--data ETTh2 --pred-len 336");
        assert_eq!((other.settings.mixup, other.model.pred_len), (Some(3.0), 336));
        let published = setup(&format!("{NOTES} --preset published-defaults"));
        assert_eq!(published, Setup { settings: Settings::default(), model: Config::default() });
        assert_eq!(published.model.parameter_count(), 15_685_760);
    }

    /// `scripts/long_term_forecast/ETT_script/CMamba_ETTh2.sh`, 336 steps ahead, with every flag it has.
    #[test]
    fn a_published_script_gives_what_its_preset_gives() {
        let script = "--task_name long_term_forecast --is_training 1 --root_path ./dataset/ETT-small/ \
                      --data_path ETTh2.csv --model_id ETTh2_96_336 --model CMamba --data ETTh2 --features M \
                      --seq_len 96 --label_len 0 --pred_len 336 --lradj type3 --patience 3 --train_epochs 100 \
                      --e_layers 3 --factor 3 --enc_in 7 --dec_in 7 --c_out 7 --d_model 128 --d_ff 128 --des 'Exp' \
                      --pscan --dropout 0.1 --head_dropout 0.1 --learning_rate 0.0005 --batch_size 64 --num_workers 1 \
                      --channel_mixup --sigma 3 --gddmlp --avg --max --reduction 2 --seed 2021 --itr 1";
        let (train, left) = parse(script).unwrap();
        assert_eq!(train.source().unwrap(), Source::Named("ETTh2".into()));
        let without = "--label_len --factor --dec_in --c_out --des --pscan --num_workers --avg --max";
        assert_eq!(left.join(" "), without);
        assert_eq!(setup(script), Setup::paper("ETTh2", 336));
        // And the same where all is said against the other preset.
        assert_eq!(setup(&format!("{script} --preset=published-defaults")), Setup::paper("ETTh2", 336));
    }

    /// Planted: a preset's value over one that was given; σ mixing by itself. Each turns this red.
    #[test]
    fn what_is_said_wins_over_the_preset() {
        let said = setup(
            "--data ETTh1 --pred-len 192 --batch_size=16 --lradj COSINE --loss mse --sigma 2.5 --no-gddmlp --d-state 8",
        );
        let paper = Setup::paper("ETTh1", 192);
        let settings = Settings {
            batch_size: 16,
            schedule: Schedule::Cosine,
            loss: Loss::Mse,
            mixup: Some(2.5),
            ..paper.settings
        };
        assert_eq!(said, Setup { settings, model: Config { gddmlp: false, d_state: 8, ..paper.model } });
        assert_eq!(setup("--data ETTh1 --no-channel-mixup --sigma 2").settings.mixup, None);
        assert!(setup("--data ETTh1 --no-gddmlp --gddmlp").model.gddmlp);
        let notes = setup("--data ETTh1 --preset published-defaults --sigma 2");
        assert_eq!(notes.settings.mixup, None);
        let mixed = setup("--data ETTh1 --preset published-defaults --sigma 2 --channel_mixup");
        assert_eq!(mixed.settings.mixup, Some(2.0));
        assert!(!setup("--data ETTh1 --no_selective").model.selective);
        let (lstm, _) = parse("--data ETTh1 --model lstm --hidden 7 --moving_avg 9").unwrap();
        let sizes = lstm.sizes(&Setup::paper("ETTh1", 96));
        assert_eq!((lstm.model, sizes.hidden, sizes.moving_avg, sizes.period), (ModelKind::Lstm, 7, 9, 24));
        // GDD-MLP and mixup are CMamba's, and others' where asked for.
        let other = setup("--data ETTh1 --model RLinear");
        assert_eq!((other.model.gddmlp, other.settings.mixup), (false, None));
        let with = setup("--data ETTh1 --model RLinear --gddmlp --channel_mixup");
        assert_eq!((with.model.gddmlp, with.settings.mixup), (true, Some(1.0)));
    }

    #[test]
    fn flags_without_effect_are_taken_out_with_their_values() {
        let (train, left) = parse(
            "--p_hidden_dims 128 128 --data ETTh1 --use_gpu True --gpu=0 --use_multi_gpu --inverse --seed 7 --freq h",
        )
        .unwrap();
        assert_eq!((train.seed, train.data.as_deref()), (7, Some("ETTh1")));
        assert_eq!(left.join(" "), "--p_hidden_dims --use_gpu --gpu --use_multi_gpu --inverse --freq");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_choices() {
        let refused = |line: &str, words: &str| {
            let error = match parse(line) {
                Err(error) => error,
                Ok((train, _)) => {
                    let all = train.source().map(drop).and_then(|()| train.column().map(drop));
                    all.and_then(|()| train.setup("ETTh1").map(drop)).unwrap_err().to_string()
                }
            };
            assert!(error.contains(words), "{line}: {error}");
        };
        refused("", "for instance --data ETTh1");
        refused("--data custom", "--data-path");
        refused("--data ETTh1 --features MS", "M (all columns) or S");
        refused("--data ETTh1 --task_name imputation", "long_term_forecast");
        refused("--data ETTh1 --lradj TST", "type1, type3, cosine or constant");
        refused("--data ETTh1 --loss huber", "mae or mse");
        refused("--data ETTh1 --model Prophet", "one of LastValue, SeasonalNaive, DLinear");
        refused("--data ETTh1 --preset best", "paper or published-defaults");
        refused("--data ETTh1 --is_training 2", "0..=1");
        refused("--data ETTh1 --threads 0", "1..=1024");
        refused("--data ETTh1 --batchsize 3", "--batch-size");
        refused("--data ETTh1 --seq_len many", "--seq-len");
        refused("fetch", "<DATA>");
    }

    #[test]
    fn custom_data_is_found_by_its_file() {
        let file = std::env::temp_dir().join(format!("mlnotes-arguments-{}.csv", std::process::id()));
        std::fs::write(&file, "date,OT\n").unwrap();
        let folder = file.parent().unwrap().display().to_string();
        let name = file.file_name().unwrap().to_str().unwrap();
        let (train, _) = parse(&format!("--data custom --root_path {folder} --data_path {name}")).unwrap();
        assert_eq!(train.source().unwrap(), Source::File(file.clone()));
        std::fs::remove_file(file).unwrap();
        let (train, _) = parse("--data custom --root_path nowhere --data_path weather.csv").unwrap();
        assert_eq!(train.source().unwrap(), Source::Named("weather".into()));
    }
}
