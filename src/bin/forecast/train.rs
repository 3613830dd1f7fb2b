//! From the command line to results.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::DType;
use mlnotes::forecast::data::{DataSet, Located, Splits};
use mlnotes::forecast::experiment::{EpochLine, Event, Line, Outcome, Run};
use mlnotes::forecast::models::{Forecaster, ModelKind, ModelSettings};
use mlnotes::{Error, Result};

use crate::arguments::{Source, Train};
use crate::draw::draw;
use crate::watch::Bar;

/// A data set, cut and scaled.
struct Data {
    name: String,
    splits: Splits,
}

/// Trains and tests each seed; whether all were finished.
pub fn all(arguments: &Train, stop: &AtomicBool) -> Result<bool> {
    let data = read(arguments)?;
    let mut arguments = arguments.clone();
    for _ in 0..arguments.itr {
        if !one(&arguments, &data, stop)? {
            return Ok(false);
        }
        arguments.seed = arguments.seed.wrapping_add(1);
    }
    Ok(true)
}

fn read(arguments: &Train) -> Result<Data> {
    let located = match arguments.source()? {
        Source::Named(name) => Located::find(&name)?,
        Source::File(path) => {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Located { path, set: DataSet::named(&stem).ok() }
        }
    };
    let mut table = located.read()?;
    if let Some(column) = arguments.column()? {
        table = table.select(&[column])?;
    }
    let name = located.set.map_or(table.name(), |set| set.name).to_owned();
    let borders = located.rule().borders(table.values().nrows())?;
    let splits = Splits::new(&table, &borders, arguments.seq_len, arguments.pred_len)?;
    Ok(Data { name, splits })
}

fn one(arguments: &Train, data: &Data, stop: &AtomicBool) -> Result<bool> {
    let Splits { train, validation, test, columns, .. } = &data.splits;
    let mut setup = arguments.setup(&data.name)?;
    let channels = train.channels();
    if arguments.enc_in.is_some_and(|expected| expected != channels) {
        let allowed = format!("{channels}, the columns that {} has: leave it out", data.name);
        return Err(Error::domain("enc_in", setup.model.enc_in, allowed));
    }
    setup.model.enc_in = channels;
    if setup.model.reduction > channels && !arguments.gddmlp {
        // The preset's gate has no hidden layer with so few channels.
        setup.model.gddmlp = false;
    }
    let sizes = arguments.sizes(&setup);
    let model = arguments.model.build(&sizes, arguments.seed, DType::F32)?;
    let folder = folder(arguments, data);
    let path = folder.join("checkpoint.safetensors");
    let mut run = Run::new(&*model, &data.name, [train, validation, test], setup.settings)?.checkpoint(&path);
    for (name, value) in notes(arguments.model, &sizes) {
        run = run.note(name, value);
    }
    println!(
        "{} on {}, {} steps to {}, {channels} channels, {} parameters, seed {}",
        model.name(),
        data.name,
        arguments.seq_len,
        arguments.pred_len,
        model.parameter_count(),
        arguments.seed
    );
    let mut bar = Bar::new(&setup.settings);
    let mut watch = |event: Event<'_>| {
        bar.show(event);
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let outcome = if arguments.is_training == 0 && arguments.model.learns() {
        run.test(&path, &mut watch)?
    } else if path.is_file() && !arguments.fresh {
        run.resume(&mut watch)?
    } else {
        run.train(&mut watch)?
    };
    bar.clear();
    let report = match outcome {
        Outcome::Finished(report) => report,
        Outcome::Interrupted { epoch, iteration } => {
            eprintln!("stopped in epoch {epoch}, after {iteration} iterations of it");
            if path.is_file() {
                eprintln!("all is kept in {}: to go on give the same command again", path.display());
            }
            return Ok(false);
        }
    };
    println!("mse:{}, mae:{}", report.test.mse, report.test.mae);
    report.save(&folder.join("report.json"))?;
    let command: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("cargo forecast {}", command.join(" "));
    let results = arguments.results();
    Line::new(&report, &arguments.model_id, threads(arguments), &command).append(&results)?;
    EpochLine::append(&EpochLine::all(&report, &arguments.model_id), &arguments.epochs())?;
    figures(arguments, &*model, data, columns, &folder)?;
    println!("{}; {}", folder.display(), results.display());
    Ok(true)
}

fn threads(arguments: &Train) -> usize {
    arguments.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
}

/// What a checkpoint depends on beside settings that it refuses to be resumed with.
fn folder(arguments: &Train, data: &Data) -> PathBuf {
    let Train { model_id, model, seq_len, pred_len, seed, .. } = arguments;
    let name = format!("{model_id}_{model}_{}_{seq_len}_{pred_len}_{seed}", data.name);
    // A name must not lead to another folder.
    arguments.checkpoints.join(name.replace(['/', '\\'], "-"))
}

/// The last channel, which is the published target, at windows spread over the test.
fn figures(arguments: &Train, model: &dyn Forecaster, data: &Data, columns: &[String], folder: &Path) -> Result<()> {
    let test = &data.splits.test;
    let channel = test.channels() - 1;
    for figure in 0..arguments.figures.min(test.len()) {
        let window = figure * test.len() / arguments.figures;
        let title = format!("{} on {}: {}, window {window}", model.name(), data.name, columns[channel]);
        let chart = draw(model, test, window, channel)?.title(title);
        chart.finish()?.save(folder.join(format!("forecast_{window}.svg")))?;
    }
    Ok(())
}

/// The sizes that a model has a use for.
fn notes(model: ModelKind, sizes: &ModelSettings) -> Vec<(&'static str, String)> {
    let network = &sizes.network;
    let mut notes = Vec::new();
    let mut note = |name, value: &dyn ToString| notes.push((name, value.to_string()));
    match model {
        ModelKind::LastValue => {}
        ModelKind::SeasonalNaive => note("period", &sizes.period),
        ModelKind::DLinear => note("moving_avg", &sizes.moving_avg),
        ModelKind::RLinear => note("dropout", &network.dropout),
        ModelKind::Lstm => {
            note("dropout", &network.dropout);
            note("hidden", &sizes.hidden);
            note("lstm_layers", &sizes.lstm_layers);
        }
        ModelKind::Mamba | ModelKind::CMamba => {
            note("d_model", &network.d_model);
            note("d_ff", &network.d_ff);
            note("e_layers", &network.e_layers);
            note("d_state", &network.d_state);
            note("dt_rank", &network.dt_rank);
            note("dropout", &network.dropout);
            note("head_dropout", &network.head_dropout);
        }
    }
    if model == ModelKind::CMamba {
        note("selective", &network.selective);
    }
    if model.learns() {
        note("gddmlp", &network.gddmlp);
        if network.gddmlp {
            note("reduction", &network.reduction);
        }
    }
    notes
}
