//! The experiment: its step against torch, its stops counted by hand, its checkpoints to the bit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use mlnotes::Error;
use mlnotes::data::Reference;
use mlnotes::forecast::data::Windows;
use mlnotes::forecast::experiment::{
    Adam, Comparison, Epoch, Event, Line, Outcome, Part, Preset, Report, Run, Schedule, Scores, Settings, Setup,
};
use mlnotes::forecast::models::Forecaster;
use mlnotes::nn::Loss;
use mlnotes::nn::cmamba::{CMamba, Config};
use mlnotes::random::RandomState;
use ndarray::Array2;

use crate::mamba::{close, values};
use crate::message;

/// CMamba with its weights.
struct Small {
    weights: VarMap,
    model: CMamba,
}

impl Small {
    fn new(config: &Config) -> Self {
        let weights = config.initial(DType::F32, 3).unwrap();
        let model = CMamba::new(config, VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu)).unwrap();
        Self { weights, model }
    }
}

impl Forecaster for Small {
    fn name(&self) -> &'static str {
        "CMamba"
    }

    fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> mlnotes::Result<Tensor> {
        self.model.forward(x, train)
    }

    fn weights(&self) -> &VarMap {
        &self.weights
    }
}

/// ŷ = w x of the last step for every step to come; what its slope is can be said by hand.
struct Factor {
    weights: VarMap,
    pred_len: usize,
}

impl Factor {
    fn new(start: &[f32], pred_len: usize) -> Self {
        let weights = VarMap::new();
        let w = Var::new(start, &Device::Cpu).unwrap();
        weights.data().lock().unwrap().insert("w".into(), w);
        Self { weights, pred_len }
    }

    fn w(&self) -> Vec<f64> {
        values(self.weights.all_vars()[0].as_tensor())
    }
}

impl Forecaster for Factor {
    fn name(&self) -> &'static str {
        "Factor"
    }

    fn forward(&self, x: &Tensor, _: Option<&mut RandomState>) -> mlnotes::Result<Tensor> {
        let last = x.narrow(1, x.dims()[1] - 1, 1)?.broadcast_mul(self.weights.all_vars()[0].as_tensor())?;
        Ok(last.repeat((1, self.pred_len, 1))?)
    }

    fn weights(&self) -> &VarMap {
        &self.weights
    }
}

/// The last value, with nothing to learn.
struct Last {
    weights: VarMap,
    pred_len: usize,
}

impl Forecaster for Last {
    fn name(&self) -> &'static str {
        "LastValue"
    }

    fn forward(&self, x: &Tensor, _: Option<&mut RandomState>) -> mlnotes::Result<Tensor> {
        Ok(x.narrow(1, x.dims()[1] - 1, 1)?.repeat((1, self.pred_len, 1))?)
    }

    fn weights(&self) -> &VarMap {
        &self.weights
    }
}

fn small() -> Config {
    Config {
        seq_len: 24,
        pred_len: 4,
        enc_in: 3,
        d_model: 8,
        d_ff: 8,
        d_state: 4,
        dt_rank: 2,
        e_layers: 1,
        ..Config::paper()
    }
}

/// One series at random; a second that repeats it 4 steps later, with noise; a third of noise.
fn table(rows: usize, seed: u32) -> Array2<f32> {
    let mut random = RandomState::new(seed);
    let leader: Vec<f64> = (0..rows + 4).map(|_| random.normal()).collect();
    Array2::from_shape_fn((rows, 3), |(t, channel)| {
        let value = match channel {
            0 => leader[t + 4],
            1 => leader[t] + 0.1 * random.normal(),
            _ => random.normal(),
        };
        value as f32
    })
}

fn parts(sizes: [usize; 3], seq_len: usize, pred_len: usize) -> [Windows; 3] {
    let mut seed = 0;
    sizes.map(|rows| {
        seed += 1;
        Windows::new(table(rows, seed), seq_len, pred_len).unwrap()
    })
}

fn settings() -> Settings {
    Settings { batch_size: 8, learning_rate: 1e-2, train_epochs: 3, ..Settings::paper() }
}

fn on(_: Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[track_caller]
fn finished(outcome: mlnotes::Result<Outcome>) -> Report {
    match outcome.unwrap() {
        Outcome::Finished(report) => report,
        Outcome::Interrupted { epoch, iteration } => panic!("stopped in epoch {epoch}, iteration {iteration}"),
    }
}

/// A folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("mlnotes-forecast-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn bits(weights: &VarMap) -> Vec<(String, Vec<u64>)> {
    let data = weights.data().lock().unwrap();
    let mut all: Vec<_> = data
        .iter()
        .map(|(name, weight)| (name.clone(), values(weight).into_iter().map(f64::to_bits).collect()))
        .collect();
    all.sort();
    all
}

/// But for the clock.
fn results(report: &Report) -> (Vec<Epoch>, Scores, Option<usize>) {
    let epochs = report.epochs.iter().map(|epoch| Epoch { seconds: 0.0, ..*epoch }).collect();
    (epochs, report.test, report.best_epoch)
}

/// Three steps at 0.01 on the model of `data/reference/cmamba`, whose weights after them are torch's.
///
/// Planted: no correction of the first moment; ε inside the root; β₂ of 0.99; the steps not counted. Each turns this red.
#[test]
fn three_steps_of_adam_are_those_of_torch() {
    let path = Reference::folder().join("cmamba/gddmlp.safetensors");
    let expected = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-3)] {
        let weights = VarMap::new();
        for (name, weight) in &expected {
            if let Some(name) = name.strip_prefix("weight.") {
                let weight = Var::from_tensor(&weight.to_dtype(dtype).unwrap()).unwrap();
                weights.data().lock().unwrap().insert(name.to_owned(), weight);
            }
        }
        let config = Config {
            seq_len: 30,
            pred_len: 4,
            enc_in: 5,
            d_model: 8,
            d_ff: 6,
            e_layers: 2,
            d_state: 4,
            dt_rank: 3,
            ..Config::paper()
        };
        let model = CMamba::new(&config, VarBuilder::from_varmap(&weights, dtype, &Device::Cpu)).unwrap();
        let named: Vec<(String, Var)> = weights.data().lock().unwrap().clone().into_iter().collect();
        let mut adam = Adam::new(named.clone()).unwrap();
        let get = |name: &str| expected[name].to_dtype(dtype).unwrap();
        for _ in 0..3 {
            let loss = Loss::Mae.of(&model.forward(&get("x"), None).unwrap(), &get("target")).unwrap();
            let slopes = loss.backward().unwrap();
            adam.step(1e-2, |_, weight| slopes.get(weight)).unwrap();
        }
        for (name, weight) in &named {
            close(name, weight, &expected[&format!("after.{name}")], tolerance);
        }
    }
}

/// Planted: the finite numbers not asked for. That turns this red.
#[test]
fn adam_moves_nothing_by_a_slope_that_is_no_number() {
    let cpu = &Device::Cpu;
    let (a, b) = (Var::new(&[1.0f32, 2.0], cpu).unwrap(), Var::new(&[3.0f32], cpu).unwrap());
    let mut adam = Adam::new(vec![("a".into(), a.clone()), ("b".into(), b.clone())]).unwrap();
    let fine = Tensor::new(&[1.0f32, 1.0], cpu).unwrap();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let bad = Tensor::new(&[value], cpu).unwrap();
        let error = adam.step(0.1, |_, weight| Some(if weight.elem_count() == 2 { &fine } else { &bad })).unwrap_err();
        assert!(matches!(error, Error::NonFinite { arg: "slope", .. }), "{error}");
        assert_eq!((values(&a), values(&b)), (vec![1.0, 2.0], vec![3.0]));
    }
    assert!(message(adam.step(0.1, |_, _| Some(&fine))).contains("[1] as of `b`"));
    let double = fine.to_dtype(DType::F64).unwrap();
    assert!(adam.step(0.1, |_, weight| (weight.elem_count() == 2).then_some(&double)).is_err());
    // Without a slope a weight stays.
    adam.step(0.1, |_, weight| (weight.elem_count() == 2).then_some(&fine)).unwrap();
    assert!(values(&a)[0] < 1.0 && values(&b) == [3.0]);
    let whole = Var::new(&[1u32], cpu).unwrap();
    assert!(message(Adam::new(vec![("n".into(), whole)])).contains("F32 or F64"));
}

/// `adjust_learning_rate` of the published `utils/tools.py` called after each of five epochs at 0.001, of 5 epochs.
///
/// Planted: the rate set before the epoch; the first factor an epoch early. Each turns this red.
#[test]
fn the_rates_are_the_published_ones() {
    let published = [
        (Schedule::Type1, [1e-3, 1e-3, 5e-4, 2.5e-4, 1.25e-4]),
        (Schedule::Type3, [1e-3, 1e-3, 1e-3, 1e-3, 9e-4]),
        (
            Schedule::Cosine,
            [1e-3, 9.045084971874737e-4, 6.545084971874737e-4, 3.4549150281252633e-4, 9.549150281252633e-5],
        ),
        (Schedule::Constant, [1e-3; 5]),
    ];
    for (schedule, rates) in published {
        for (epoch, rate) in (1..).zip(rates) {
            assert!((schedule.rate(1e-3, epoch, 5) - rate).abs() < 1e-18, "{schedule:?} {epoch}");
        }
    }
    assert!((Schedule::Type3.rate(1.0, 9, 100) - 0.9f64.powi(5)).abs() < 1e-15);
}

/// The published scripts and the notes' command line.
#[test]
fn the_presets_are_those_of_the_scripts() {
    let paper = Setup::paper("ETTh1", 96);
    assert_eq!((paper.settings, paper.model), (Settings::paper(), Config::paper()));
    assert_eq!(paper.model.parameter_count(), 385_292);
    assert_eq!(Setup::paper("etth1", 192).model.parameter_count(), 454_280);
    assert_eq!(Setup::paper("ETTh2", 96).model.parameter_count(), 463_856);
    let h2 = Setup::paper("ETTh2", 720);
    assert_eq!((h2.model.e_layers, h2.settings.learning_rate, h2.settings.mixup), (3, 1e-4, Some(3.0)));
    let m2 = Setup::paper("ETTm2", 336);
    assert_eq!((m2.model.e_layers, m2.model.dropout, m2.model.head_dropout), (3, 0.1, 0.1));
    let ecl = Setup::paper("ECL", 336);
    assert_eq!((ecl.model.enc_in, ecl.model.reduction, ecl.settings.batch_size), (321, 4, 8));
    assert_eq!((ecl.model.e_layers, ecl.settings.learning_rate), (5, 5e-4));
    let traffic = Setup::paper("traffic", 96);
    assert_eq!((traffic.settings.mixup, traffic.settings.patience, traffic.model.reduction), (Some(4.0), 5, 8));
    let weather = Setup::paper("weather", 192);
    assert_eq!((weather.settings.mixup, weather.settings.learning_rate, weather.model.enc_in), (Some(0.1), 1e-4, 21));
    // Between two published horizons, beyond them, and of other data.
    assert_eq!(Setup::paper("ETTh1", 100).model.e_layers, 2);
    assert_eq!(Setup::paper("ETTh2", 1000).settings, h2.settings);
    assert_eq!(Setup::paper("mine", 24).model, Config { pred_len: 24, ..Config::paper() });

    // N-15.
    let notes = Preset::PublishedDefaults.setup("ETTh1", 96);
    assert_eq!(notes.model.parameter_count(), 15_685_760);
    assert_eq!((notes.settings.mixup, notes.settings.batch_size, notes.settings.train_epochs), (None, 32, 10));
    for preset in [Preset::Paper, Preset::PublishedDefaults] {
        assert_eq!(preset.to_string().parse::<Preset>().unwrap(), preset);
    }
    assert!(message("best".parse::<Preset>()).contains("paper or published-defaults"));
}

/// x alternates, so that w = −1 is right; w starts at 0 and each step of Adam at this rate moves it by −0.25, its slope being
/// the same. Validation is on a table that does not alternate: there each step is worse.
///
/// Planted: an epoch more waited for; the last epoch's weights kept. Each turns this red.
#[test]
fn training_stops_early_and_goes_back_to_the_best() {
    let alternate = |rows: usize| Array2::from_shape_fn((rows, 1), |(t, _)| if t % 2 == 0 { 1.0 } else { -1.0 });
    let windows = |values| Windows::new(values, 1, 1).unwrap();
    let (train, test) = (windows(alternate(9)), windows(alternate(5)));
    let validation = windows(Array2::from_elem((4, 1), 1.0));
    let model = Factor::new(&[0.0], 1);
    let settings = Settings {
        batch_size: 8,
        learning_rate: 0.25,
        train_epochs: 50,
        patience: 3,
        loss: Loss::Mae,
        schedule: Schedule::Constant,
        mixup: None,
        seed: 1,
    };
    let run = Run::new(&model, "alternating", [&train, &validation, &test], settings).unwrap();
    let mut waits = Vec::new();
    let report = finished(run.train(&mut |event| {
        if let Event::Epoch { waiting, .. } = event {
            waits.push(waiting);
        }
        ControlFlow::Continue(())
    }));
    // One batch an epoch: w is −0.25, −0.5, −0.75, −1; the validation loss 1 − w; the training loss |1 + w| before.
    assert_eq!(waits, [0, 1, 2, 3]);
    let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-6, "{got} {want}");
    for (epoch, number) in report.epochs.iter().zip(1..) {
        let w = -0.25 * f64::from(number);
        near(epoch.train, 1.0 + w + 0.25);
        near(epoch.validation.mae, 1.0 - w);
        near(epoch.validation.mse, (1.0 - w).powi(2));
        near(epoch.test.mae, 1.0 + w);
        assert_eq!((epoch.epoch, epoch.learning_rate), (number as usize, 0.25));
    }
    assert_eq!((report.best_epoch, report.epochs.len()), (Some(1), 4));
    near(model.w()[0], -0.25);
    near(report.test.mse, 0.75f64.powi(2));
    assert_eq!((report.windows, report.parameters, report.channels), ([8, 3, 4], 1, 1));
    assert!(report.seconds > 0.0 && report.seconds_per_iteration.unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(report.peak_memory.unwrap() > 1 << 20);
    }
}

/// An equal validation loss is a better one, as published: nothing moves here, and nothing is waited for.
///
/// Planted: a lower loss asked for. That turns this red.
#[test]
fn an_equal_loss_counts_as_better() {
    let zeros = || Windows::new(Array2::zeros((5, 1)), 1, 1).unwrap();
    let (a, b, c) = (zeros(), zeros(), zeros());
    let settings = Settings { batch_size: 2, train_epochs: 6, patience: 2, ..Settings::default() };
    let model = Factor::new(&[1.0], 1);
    let report = finished(Run::new(&model, "zeros", [&a, &b, &c], settings).unwrap().train(&mut on));
    assert_eq!((report.best_epoch, report.epochs.len()), (Some(6), 6));
}

/// 21 windows in batches of 8: two an epoch, each window at most once, in another order each epoch.
///
/// Planted: the same order each epoch; the incomplete batch trained on. Each turns this red.
#[test]
fn an_incomplete_batch_is_dropped_and_the_order_is_new_each_epoch() {
    let [train, validation, test] = parts([22, 10, 10], 1, 1);
    let settings = Settings { batch_size: 8, train_epochs: 3, patience: 9, mixup: None, ..settings() };
    let model = Factor::new(&[0.0, 0.0, 0.0], 1);
    let mut seen: HashMap<usize, Vec<f64>> = HashMap::new();
    let run = Run::new(&model, "table", [&train, &validation, &test], Settings { learning_rate: 1e-9, ..settings });
    finished(run.unwrap().train(&mut |event| {
        if let Event::Trained { epoch, iterations, loss, .. } = event {
            assert_eq!(iterations, 2);
            seen.entry(epoch).or_default().push(loss);
        }
        ControlFlow::Continue(())
    }));
    assert!(seen.len() == 3 && seen.values().all(|losses| losses.len() == 2));
    assert!(seen[&1] != seen[&2] && seen[&2] != seen[&3]);
}

/// Tells what it is given to draw from.
struct Draws {
    factor: Factor,
    drawn: RefCell<Vec<f64>>,
}

impl Forecaster for Draws {
    fn name(&self) -> &'static str {
        "Draws"
    }

    fn forward(&self, x: &Tensor, mut train: Option<&mut RandomState>) -> mlnotes::Result<Tensor> {
        self.drawn.borrow_mut().extend(train.as_deref_mut().map(RandomState::uniform));
        self.factor.forward(x, train)
    }

    fn weights(&self) -> &VarMap {
        self.factor.weights()
    }
}

/// No two iterations draw the same, and the same seed draws the same again.
///
/// Planted: one generator for all iterations of an epoch. That turns this red.
#[test]
fn each_iteration_has_random_numbers_of_its_own() {
    let [train, validation, test] = parts([42, 10, 10], 1, 1);
    let run = |seed: u32| {
        let model = Draws { factor: Factor::new(&[0.0, 0.0, 0.0], 1), drawn: RefCell::new(Vec::new()) };
        let settings = Settings { seed, train_epochs: 3, patience: 9, ..settings() };
        finished(Run::new(&model, "table", [&train, &validation, &test], settings).unwrap().train(&mut on));
        model.drawn.into_inner()
    };
    let drawn = run(1);
    let mut different = drawn.clone();
    different.sort_by(f64::total_cmp);
    different.dedup();
    assert_eq!((drawn.len(), different.len()), (15, 15));
    assert_eq!(run(1), drawn);
    assert!(run(2).iter().all(|number| !drawn.contains(number)));
}

/// Scores of the last value against loops, over batches that do not come out even.
///
/// Planted: the last batch left out; the mean of the batches' means. Each turns this red.
#[test]
fn a_model_without_weights_is_tested_alone() {
    let [train, validation, test] = parts([40, 20, 22], 5, 3);
    let model = Last { weights: VarMap::new(), pred_len: 3 };
    let run = Run::new(&model, "table", [&train, &validation, &test], settings()).unwrap();
    let report = finished(run.train(&mut on));
    let (values, mut squares, mut absolutes, mut count) = (test.values(), 0.0, 0.0, 0.0);
    for window in 0..15 {
        for step in 0..3 {
            for channel in 0..3 {
                let difference =
                    f64::from(values[[window + 4, channel]]) - f64::from(values[[window + 5 + step, channel]]);
                squares += difference * difference;
                absolutes += difference.abs();
                count += 1.0;
            }
        }
    }
    assert_eq!(test.len(), 15);
    assert!((report.test.mse - squares / count).abs() < 1e-12 && (report.test.mae - absolutes / count).abs() < 1e-12);
    assert!(report.epochs.is_empty() && report.best_epoch.is_none() && report.seconds_per_iteration.is_none());
}

/// Stopped after any iteration, after any batch of validation or test, or after an epoch, and gone on from the file by a
/// model with other weights: all losses and scores and every weight are those of a run in one piece.
///
/// Planted: moments not kept; the steps of Adam not kept; the sum of losses not kept; the iteration not kept; the best
/// weights not kept; the waiting not kept. Each turns this red.
#[test]
fn a_resumed_run_is_the_same_to_the_bit() {
    let [train, validation, test] = parts([60, 40, 40], 24, 4);
    let path = folder("resume").join("checkpoint.safetensors");
    // The rate makes validation worse after a while, so that waiting and best weights matter.
    let settings = Settings { learning_rate: 3e-2, train_epochs: 40, patience: 2, ..settings() };
    let whole = Small::new(&small());
    let run = Run::new(&whole, "table", [&train, &validation, &test], settings).unwrap();
    let mut events = 0;
    let expected = finished(run.train(&mut |_| {
        events += 1;
        ControlFlow::Continue(())
    }));
    assert_eq!(expected.best_epoch.unwrap() + 2, expected.epochs.len(), "{:?}", expected.epochs);
    let go = |small: &Small, resume: bool, stop: usize| {
        let run = Run::new(small, "table", [&train, &validation, &test], settings).unwrap().checkpoint(&path);
        let mut seen = 0;
        let mut watch = |_: Event<'_>| {
            seen += 1;
            if seen == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        if resume { run.resume(&mut watch) } else { run.train(&mut watch) }
    };
    for stop in 1..=events {
        assert!(matches!(go(&Small::new(&small()), false, stop), Ok(Outcome::Interrupted { .. })), "{stop}");
        let second = Small::new(&small());
        for weight in second.weights.all_vars() {
            weight.set(&weight.zeros_like().unwrap()).unwrap();
        }
        let report = finished(go(&second, true, usize::MAX));
        assert_eq!(results(&report), results(&expected), "stopped after {stop} of {events}");
        assert_eq!(bits(&second.weights), bits(&whole.weights), "stopped after {stop} of {events}");
    }
    // Stopped as soon as it goes on, it loses nothing either.
    let third = Small::new(&small());
    assert!(matches!(go(&third, false, 9), Ok(Outcome::Interrupted { .. })));
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(go(&third, true, 1), Ok(Outcome::Interrupted { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // A finished one is tested again, and `--is_training 0` gives the same.
    finished(go(&third, true, usize::MAX));
    assert_eq!(results(&finished(go(&third, true, usize::MAX))), results(&expected));
    let fourth = Small::new(&small());
    let run = Run::new(&fourth, "table", [&train, &validation, &test], Settings::default());
    assert_eq!(finished(run.unwrap().test(&path, &mut on)).test, expected.test);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

/// A process that is killed leaves the last epoch's file: here it is copied when an epoch has ended and gone on from later.
#[test]
fn a_killed_run_goes_on_from_its_last_epoch() {
    let [train, validation, test] = parts([60, 40, 40], 24, 4);
    let folder = folder("killed");
    let (path, copy) = (folder.join("checkpoint.safetensors"), folder.join("copy.safetensors"));
    let first = Small::new(&small());
    let run = Run::new(&first, "table", [&train, &validation, &test], settings()).unwrap().checkpoint(&path);
    let expected = finished(run.train(&mut |event| {
        if matches!(event, Event::Epoch { epoch: Epoch { epoch: 2, .. }, .. }) {
            std::fs::copy(&path, &copy).unwrap();
        }
        ControlFlow::Continue(())
    }));
    let second = Small::new(&small());
    let run = Run::new(&second, "table", [&train, &validation, &test], settings()).unwrap().checkpoint(&copy);
    let mut places = Vec::new();
    let report = finished(run.resume(&mut |event| {
        if let Event::Resumed { epoch, iteration } | Event::Trained { epoch, iteration, .. } = event {
            places.push((epoch, iteration));
        }
        ControlFlow::Continue(())
    }));
    assert_eq!(places, [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4)]);
    assert_eq!(results(&report), results(&expected));
    assert_eq!(bits(&second.weights), bits(&first.weights));
    std::fs::remove_dir_all(folder).unwrap();
}

/// Two processes, of 1 and of 2 threads: what they print is the same.
#[test]
fn any_number_of_threads_gives_the_same() {
    const CHILD: &str = "MLNOTES_TEST_TRAINS";
    if std::env::var_os(CHILD).is_some() {
        let [train, validation, test] = parts([180, 60, 60], 24, 4);
        let model = Small::new(&Config { d_model: 48, d_ff: 48, e_layers: 2, ..small() });
        let settings = Settings { batch_size: 32, train_epochs: 2, ..settings() };
        let report =
            finished(Run::new(&model, "table", [&train, &validation, &test], settings).unwrap().train(&mut on));
        println!("RESULT {:?} {:?}", results(&report), bits(&model.weights));
        return;
    }
    let run = |threads: &str| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "forecast_run::any_number_of_threads_gives_the_same", "--nocapture"]);
        let output = command.env(CHILD, "1").env("RAYON_NUM_THREADS", threads).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let (_, result) = output.split_once("RESULT ").unwrap_or_else(|| panic!("{output}"));
        result.lines().next().unwrap().to_owned()
    };
    let one = run("1");
    assert!(one.len() > 1000);
    assert_eq!(run("2"), one);
    assert_eq!(run("5"), one);
}

/// Channel 1 repeats channel 0 from 4 steps before: a model to which channels are visible knows it 4 steps ahead.
#[test]
fn it_learns_what_only_another_channel_shows() {
    let [train, validation, test] = parts([600, 150, 300], 24, 4);
    let config = Config { d_model: 16, d_ff: 16, dropout: 0.0, head_dropout: 0.0, reduction: 1, ..small() };
    let model = Small::new(&config);
    let settings = Settings { batch_size: 32, learning_rate: 5e-3, train_epochs: 12, mixup: None, ..Settings::paper() };
    let report = finished(Run::new(&model, "table", [&train, &validation, &test], settings).unwrap().train(&mut on));
    let last = Last { weights: VarMap::new(), pred_len: 4 };
    let naive = finished(Run::new(&last, "table", [&train, &validation, &test], settings).unwrap().train(&mut on));
    assert!(report.test.mse < 0.6 * naive.test.mse, "{:?} of {:?}", report.test, naive.test);
    let first = report.epochs[0].train;
    assert!(report.epochs.last().unwrap().train < 0.97 * first, "{:?}", report.epochs);
}

/// Planted: the loss not looked at; the slopes not looked at. Each turns this red.
#[test]
fn numbers_that_run_away_are_an_error_and_the_checkpoint_stays() {
    let windows = |values: Array2<f32>| Windows::new(values, 1, 1).unwrap();
    let table = |rows, value| windows(Array2::from_elem((rows, 1), value));
    let (validation, test) = (table(4, 1.0), table(4, 1.0));
    let settings = Settings { batch_size: 2, train_epochs: 4, mixup: None, loss: Loss::Mse, ..Settings::default() };
    let path = folder("diverged").join("checkpoint.safetensors");

    // (w − 1)² x² is more than f32 holds.
    let huge = table(5, 1e30);
    let model = Factor::new(&[3.0], 1);
    let run = Run::new(&model, "huge", [&huge, &validation, &test], settings).unwrap().checkpoint(&path);
    let error = run.train(&mut on).unwrap_err();
    assert!(matches!(error, Error::Diverged { what: "the training loss", epoch: 1, iteration: 1 }), "{error}");
    assert!(message::<()>(Err(error)).contains("lower the learning rate"));
    assert!(!path.exists() && model.w() == [3.0]);

    // The loss is finite, its slope is not: a root at 0.
    struct Root(Factor);
    impl Forecaster for Root {
        fn name(&self) -> &'static str {
            "Root"
        }
        fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> mlnotes::Result<Tensor> {
            Ok(self.0.forward(x, train)?.sqrt()?)
        }
        fn weights(&self) -> &VarMap {
            self.0.weights()
        }
    }
    let ones = table(5, 1.0);
    let root = Root(Factor::new(&[0.0], 1));
    let run = Run::new(&root, "root", [&ones, &validation, &test], settings).unwrap().checkpoint(&path);
    let error = run.train(&mut on).unwrap_err();
    assert!(matches!(error, Error::Diverged { what: "a slope", epoch: 1, iteration: 1 }), "{error}");
    assert_eq!(root.0.w(), [0.0]);

    // An epoch that went well, then a rate at which nothing stays finite: the epoch's file is as it was.
    let model = Factor::new(&[0.0], 1);
    let good = Settings { train_epochs: 2, schedule: Schedule::Constant, learning_rate: 3e38, ..settings };
    let run = Run::new(&model, "ones", [&ones, &validation, &test], good).unwrap().checkpoint(&path);
    let error = run.train(&mut on).unwrap_err();
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

/// Planted: the file written in place; the sum of the arrays not looked at; another run's taken. Each turns this red.
#[test]
fn a_checkpoint_is_whole_or_refused() {
    let [train, validation, test] = parts([60, 40, 40], 24, 4);
    let folder = folder("refused");
    let path = folder.join("below/checkpoint.safetensors");
    let model = Small::new(&small());
    let all = [&train, &validation, &test];
    let run = |settings: Settings| Run::new(&model, "table", all, settings).unwrap().checkpoint(&path);
    assert!(message(run(settings()).resume(&mut on)).contains("train first"));
    let mut stop = |event: Event<'_>| match event {
        Event::Trained { iteration: 2, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let outcome = run(settings()).train(&mut stop).unwrap();
    assert_eq!(outcome, Outcome::Interrupted { epoch: 1, iteration: 2 });
    assert!(message(run(settings()).test(&path, &mut on)).contains("before the end of the first epoch"));

    // Of other settings, data, model; the model is as it was.
    let before = bits(&model.weights);
    let other = Settings { batch_size: 4, learning_rate: 0.5, ..settings() };
    let error = message(run(other).resume(&mut on));
    assert!(error.contains("`batch_size` is 8 there, 4 here; `learning_rate` is 0.01 there, 0.5 here"), "{error}");
    assert!(!error.contains("seed"), "{error}");
    let seeds = message(run(Settings { seed: 1, mixup: None, ..settings() }).resume(&mut on));
    assert!(seeds.contains("`mixup` is 1.0 there, null here; `seed` is 2021 there, 1 here"), "{seeds}");
    let noted = message(run(settings()).note("dropout", 0.1).resume(&mut on));
    assert!(noted.contains("`dropout` is not there there, 0.1 here"), "{noted}");
    let data = Run::new(&model, "table", [&train, &test, &validation], settings()).unwrap().checkpoint(&path);
    assert!(message(data.resume(&mut on)).contains("`windows` is "));
    let named = Run::new(&model, "mine", all, settings()).unwrap().checkpoint(&path);
    assert!(message(named.resume(&mut on)).contains("`data` is table there, mine here"));
    let factor = Factor::new(&[1.0, 1.0, 1.0], 4);
    let another = Run::new(&factor, "table", all, settings()).unwrap().checkpoint(&path);
    assert!(message(another.resume(&mut on)).contains("`model` is CMamba there, Factor here"));
    for config in
        [Config { d_ff: 16, ..small() }, Config { e_layers: 2, ..small() }, Config { gddmlp: false, ..small() }]
    {
        let sized = Small::new(&config);
        let start = bits(&sized.weights);
        let error = message(Run::new(&sized, "table", all, settings()).unwrap().checkpoint(&path).resume(&mut on));
        assert!(error.contains("of another model") && error.contains("with the sizes"), "{error}");
        assert_eq!(bits(&sized.weights), start);
    }
    assert_eq!(bits(&model.weights), before);
    assert!(message(Run::new(&model, "table", all, settings()).unwrap().resume(&mut on)).contains("name the file"));

    // Damaged anywhere: cut, empty, one bit, another file.
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = vec![whole[..whole.len() / 2].to_vec(), Vec::new(), b"no checkpoint at all".to_vec()];
    for place in [9, whole.len() / 2, whole.len() - 1] {
        let mut file = whole.clone();
        file[place] ^= 1;
        damaged.push(file);
    }
    let waiting = whole.windows(9).position(|text| text == b"waiting\\\"").unwrap_or_else(|| panic!("no state")) + 10;
    let mut file = whole.clone();
    assert_eq!(file[waiting], b'0');
    file[waiting] = b'1';
    damaged.push(file);
    damaged.push(std::fs::read(Reference::folder().join("cmamba/gddmlp.safetensors")).unwrap());
    for file in damaged {
        std::fs::write(&path, file).unwrap();
        let error = message(run(settings()).resume(&mut on));
        assert!(error.contains("is not a whole checkpoint") && error.contains("start anew"), "{error}");
    }
    assert_eq!(bits(&model.weights), before);

    // A full disk: the file that was there stays whole, and nothing is left beside it.
    std::fs::write(&path, &whole).unwrap();
    #[cfg(target_os = "linux")]
    {
        std::os::unix::fs::symlink("/dev/full", folder.join("below/checkpoint.safetensors.part")).unwrap();
        let error = message(run(settings()).train(&mut stop));
        assert!(error.contains("No space left") && error.contains("one written before is whole"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        assert_eq!(std::fs::read_dir(folder.join("below")).unwrap().count(), 1);
    }
    // A folder that is a file: nothing can be written there, by whomever.
    let nowhere = path.join("checkpoint.safetensors");
    let nowhere = Run::new(&model, "table", all, settings()).unwrap().checkpoint(nowhere);
    assert!(message(nowhere.train(&mut stop)).contains("choose another folder"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// Planted: the number of windows not compared with the batch. That turns this red.
#[test]
fn what_cannot_be_trained_is_refused_with_a_remedy() {
    let [train, validation, test] = parts([60, 40, 40], 24, 4);
    let model = Small::new(&small());
    let new =
        |settings: Settings| message(Run::new(&model, "table", [&train, &validation, &test], settings).map(|_| ()));
    assert!(new(Settings { batch_size: 34, ..settings() }).contains("at most 33, the number of training windows"));
    for (settings, name) in [
        (Settings { batch_size: 0, ..settings() }, "batch_size"),
        (Settings { train_epochs: 0, ..settings() }, "train_epochs"),
        (Settings { patience: 0, ..settings() }, "patience"),
        (Settings { learning_rate: 0.0, ..settings() }, "learning_rate"),
        (Settings { learning_rate: f64::NAN, ..settings() }, "learning_rate"),
        (Settings { mixup: Some(-1.0), ..settings() }, "sigma"),
        (Settings { mixup: Some(f64::NAN), ..settings() }, "sigma"),
    ] {
        let error = new(settings);
        assert!(error.starts_with(&format!("`{name}` is")), "{error}");
    }
    let [longer, ..] = parts([60, 40, 40], 25, 4);
    let error = message(Run::new(&model, "table", [&train, &longer, &test], settings()).map(|_| ()));
    assert!(error.contains("`validation` has the shape [25, 4, 3]") && error.contains("[24, 4, 3]"), "{error}");
    assert!(
        message(Run::new(&model, "table", [&train, &validation, &longer], settings()).map(|_| ())).contains("`test`")
    );
    // A model that forecasts another length.
    let other = Factor::new(&[1.0, 1.0, 1.0], 5);
    let run = Run::new(&other, "table", [&train, &validation, &test], settings()).unwrap();
    assert!(message(run.train(&mut on)).contains("the target's, [8, 4, 3]"));
    // One that is of other windows.
    let other = Small::new(&Config { seq_len: 30, ..small() });
    let run = Run::new(&other, "table", [&train, &validation, &test], settings()).unwrap();
    assert!(message(run.train(&mut on)).contains("(batch above 0, 30, 3)"));
}

/// Planted: the header written each time; a file of another kind added to. Each turns this red.
#[test]
fn results_are_lines_of_a_file_and_a_report() {
    let [train, validation, test] = parts([60, 40, 40], 24, 4);
    let folder = folder("results");
    let model = Small::new(&small());
    let run = Run::new(&model, "a, \"b\"", [&train, &validation, &test], settings()).unwrap();
    let report = finished(run.note("gddmlp", true).train(&mut on));
    let json = folder.join("deep/report.json");
    report.save(&json).unwrap();
    assert_eq!(Report::load(&json).unwrap(), report);
    std::fs::write(&json, "{}").unwrap();
    assert!(message(Report::load(&json)).contains("is not a report"));
    assert!(message(report.save(&json.join("x"))).contains("choose another folder"));

    let path = folder.join("results.csv");
    let line = Line::new(&report, "001", 2, "forecast --data ETTh1");
    assert!(line.settings.contains("gddmlp=true") && line.settings.contains("loss=mae"), "{}", line.settings);
    assert_eq!((line.best_epoch, line.seed, line.mse), (report.best_epoch.unwrap(), 2021, report.test.mse));
    line.append(&path).unwrap();
    line.append(&path).unwrap();
    assert_eq!(Line::read(&path).unwrap(), [line.clone(), line.clone()]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!((text.lines().count(), text.matches("model_id").count()), (3, 1));
    for content in ["date,OT\n1,2\n".repeat(99), text.trim_end().to_owned(), "x".to_owned()] {
        std::fs::write(&path, &content).unwrap();
        assert!(message(line.append(&path)).contains("another header"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    assert!(message(Line::read(&path)).contains("its header is another"));
    std::fs::write(&path, text.replace("2021", "many")).unwrap();
    assert!(message(Line::read(&path)).contains("is not a table of results"));
    assert!(message(Line::read(&folder)).contains("results"));
    if Path::new("/dev/full").exists() {
        assert!(message(line.append(Path::new("/dev/full"))).contains("make room"));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// Planted: the first line of a seed kept; the highest marked; a mean of some horizons. Each turns this red.
#[test]
fn the_table_of_results_is_that_of_the_lines() {
    let line = |model: &str, settings: &str, pred_len, seed, mse: f64, mae: f64| Line {
        model: model.into(),
        data: "ETTh1".into(),
        seq_len: 96,
        settings: settings.into(),
        pred_len,
        seed,
        mse,
        mae,
        ..Line::default()
    };
    let full = "gddmlp=true mixup=1.0";
    let lines = [
        line("CMamba", full, 96, 1, 9.0, 9.0),
        line("CMamba", full, 96, 1, 0.3, 0.5),
        line("CMamba", full, 96, 2, 0.5, 0.7),
        line("CMamba", full, 192, 1, 0.8, 0.8),
        line("CMamba", "gddmlp=false mixup=null", 96, 1, 0.6, 0.55),
        line("RLinear", "mixup=1.0", 96, 1, 0.45, 0.65),
        line("RLinear", "mixup=null", 96, 1, 0.46, 0.66),
    ];
    let table = Comparison::new(&lines).to_string();
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split("  ").map(str::trim).collect()).collect();
    let cells = |row: usize| rows[row].iter().filter(|cell| !cell.is_empty()).copied().collect::<Vec<_>>();
    assert_eq!(cells(0), ["MSE / MAE", "CMamba", "CMamba −gddmlp −mixup", "RLinear", "RLinear +mixup"]);
    assert!(rows[1][0].starts_with("ETTh1 96 → 96") && table.contains("0.400* / 0.600"), "{table}");
    assert!(table.contains("0.550*") && table.contains("0.800* / 0.800*"), "{table}");
    let mean = table.lines().last().unwrap();
    assert!(mean.starts_with("ETTh1 96 → mean") && mean.contains("0.600* / 0.700*"), "{table}");
    assert_eq!(mean.matches('–').count(), 3, "{table}");
    assert_eq!(Comparison::new(&[]).to_string(), "MSE / MAE\n");
}

/// What is judged, and how far it is, is told as it goes.
#[test]
fn a_run_tells_where_it_is() {
    let [train, validation, test] = parts([40, 20, 23], 5, 3);
    let model = Last { weights: VarMap::new(), pred_len: 3 };
    let mut told = Vec::new();
    let run = Run::new(&model, "table", [&train, &validation, &test], settings()).unwrap();
    finished(run.train(&mut |event| {
        if let Event::Judged { part, windows, of } = event {
            told.push((part, windows, of));
        }
        ControlFlow::Continue(())
    }));
    assert_eq!(told, [(Part::Test, 8, 16), (Part::Test, 16, 16)]);
}
