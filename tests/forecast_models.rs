//! The forecasting models against torch, in value and slope, and against what each may see and do.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use candle_nn::{VarBuilder, VarMap};
use mlnotes::Error;
use mlnotes::data::Reference;
use mlnotes::forecast::models::{
    CMamba, DLinear, DLinearConfig, Forecaster, LastValue, Lstm, LstmConfig, ModelKind, ModelSettings, PatchMamba,
    RLinear, RLinearConfig, SeasonalNaive, Sizes, moving_average,
};
use mlnotes::nn::cmamba::{ChannelMixup, Config, MMamba};
use mlnotes::random::RandomState;

use crate::mamba::{close, random, values};
use crate::message;

/// Those of `make.py`.
const CASES: [&str; 10] = [
    "dlinear",
    "dlinear_gddmlp",
    "rlinear",
    "rlinear_gddmlp",
    "lstm",
    "lstm_gddmlp",
    "mamba",
    "mamba_gddmlp",
    "invariant",
    "invariant_gddmlp",
];

const SIZES: Sizes = Sizes { seq_len: 30, pred_len: 4, enc_in: 5 };

/// The sizes of `make.py`.
fn network(d_ff: usize, gddmlp: bool, selective: bool) -> Config {
    Config {
        seq_len: 30,
        pred_len: 4,
        enc_in: 5,
        d_model: 8,
        d_ff,
        e_layers: 2,
        d_state: 4,
        dt_rank: 3,
        dropout: 0.3,
        head_dropout: 0.2,
        gddmlp,
        selective,
        ..Config::paper()
    }
}

fn lstm(gddmlp: Option<usize>) -> LstmConfig {
    LstmConfig { sizes: SIZES, hidden: 6, layers: 2, dropout: 0.3, gddmlp }
}

struct Case {
    name: &'static str,
    expected: HashMap<String, Tensor>,
    model: Box<dyn Forecaster>,
}

impl Case {
    fn load(name: &'static str, dtype: DType) -> Self {
        let path = Reference::folder().join("forecast_models").join(format!("{name}.safetensors"));
        let expected = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let weights = VarMap::new();
        for (name, weight) in &expected {
            if let Some(name) = name.strip_prefix("weight.") {
                let weight = Var::from_tensor(&weight.to_dtype(dtype).unwrap()).unwrap();
                weights.data().lock().unwrap().insert(name.to_owned(), weight);
            }
        }
        let (kind, gddmlp) = name.split_once('_').map_or((name, false), |(kind, _)| (kind, true));
        let (reduction, moving_avg) = (gddmlp.then_some(2), if gddmlp { 7 } else { 25 });
        let model: Box<dyn Forecaster> = match kind {
            "dlinear" => {
                let config = DLinearConfig { sizes: SIZES, moving_avg, gddmlp: reduction };
                Box::new(DLinear::with_weights(&config, weights).unwrap())
            }
            "rlinear" => {
                let config = RLinearConfig { sizes: SIZES, dropout: 0.3, gddmlp: reduction };
                Box::new(RLinear::with_weights(&config, weights).unwrap())
            }
            "lstm" => Box::new(Lstm::with_weights(&lstm(reduction), weights).unwrap()),
            "mamba" => Box::new(PatchMamba::with_weights(&network(16, gddmlp, true), weights).unwrap()),
            _ => Box::new(CMamba::with_weights(&network(6, gddmlp, false), weights).unwrap()),
        };
        Self { name, expected, model }
    }

    /// An array in the weights' kind of numbers.
    fn get(&self, name: &str) -> Tensor {
        self.expected[name].to_dtype(self.model.weights().all_vars()[0].dtype()).unwrap()
    }

    fn loss(&self, x: &Tensor, train: Option<&mut RandomState>) -> Tensor {
        mean_absolute(&self.model.forward(x, train).unwrap(), &self.get("target"))
    }

    /// The slopes by all weights against the arrays under `prefix`.
    #[track_caller]
    fn slopes_are(&self, prefix: &str, loss: &Tensor, tolerance: f64) {
        let slopes = loss.backward().unwrap();
        let weights = self.model.weights().data().lock().unwrap();
        for (name, weight) in weights.iter() {
            let what = format!("{} {name}", self.name);
            let slope = slopes.get(weight).unwrap_or_else(|| panic!("{what} has no slope"));
            close(&what, slope, &self.expected[&format!("{prefix}{name}")], tolerance);
        }
        let expected = self.expected.keys().filter(|name| name.starts_with("weight.")).count();
        assert!(weights.len() == expected && expected > 0);
    }
}

fn mean_absolute(y: &Tensor, target: &Tensor) -> Tensor {
    (y - target).unwrap().abs().unwrap().mean_all().unwrap()
}

/// All learned models at their start, small.
fn started(enc_in: usize, gddmlp: bool, dtype: DType) -> Vec<Box<dyn Forecaster>> {
    let network = Config { d_model: 8, d_ff: 16, e_layers: 1, pred_len: 24, enc_in, gddmlp, ..Config::paper() };
    let settings = ModelSettings { network, hidden: 8, lstm_layers: 2, ..ModelSettings::paper() };
    let learned = ModelKind::ALL.into_iter().filter(|kind| kind.learns());
    learned.map(|kind| kind.build(&settings, 3, dtype).unwrap()).collect()
}

/// Planted: an end of the moving average not repeated; a width one larger; trend and rest exchanged; RevIN's β not taken
/// off, γ not divided by; GDD-MLP before RevIN, on single steps, or left out; the LSTM's first state, its window as it
/// came, its forecast as (V, H); Mamba without its norm; without selection Δ of the patch, B of 1, no D. Each turns this
/// red.
#[test]
fn forecasts_and_slopes_are_those_of_torch() {
    for name in CASES {
        let case = Case::load(name, DType::F64);
        let x = Var::from_tensor(&case.get("x")).unwrap();
        close(name, &case.model.forward(&x, None).unwrap(), &case.expected["y"], 1e-12);
        let loss = case.loss(&x, None);
        close(name, &loss, &case.expected["loss"], 1e-12);
        close(name, loss.backward().unwrap().get(&x).unwrap(), &case.expected["grad.x"], 1e-10);
        case.slopes_are("grad.", &loss, 1e-10);
    }
}

/// Masks are drawn where and in which order NumPy draws them; a model without dropout draws none.
///
/// Planted: no dropout in RLinear, or in the LSTM. Each turns this alone red.
#[test]
fn training_is_that_of_torch() {
    for name in CASES {
        let case = Case::load(name, DType::F64);
        let draw = || RandomState::new(7);
        let y = case.model.forward(&case.get("x"), Some(&mut draw())).unwrap();
        close(name, &y, &case.expected["train.y"], 1e-12);
        let loss = case.loss(&case.get("x"), Some(&mut draw()));
        case.slopes_are("train.grad.", &loss, 1e-10);
        assert_eq!(
            name.starts_with("dlinear"),
            values(&y) == values(&case.model.forward(&case.get("x"), None).unwrap())
        );
    }
}

#[test]
fn in_f32_it_is_near() {
    for name in CASES {
        let case = Case::load(name, DType::F32);
        close(name, &case.model.forward(&case.get("x"), None).unwrap(), &case.expected["y"], 1e-5);
        case.slopes_are("grad.", &case.loss(&case.get("x"), None), 1e-4);
    }
}

/// Each weight a little up and down, for the models whose code is here.
#[test]
fn slopes_are_differences() {
    for name in ["dlinear_gddmlp", "rlinear_gddmlp", "lstm_gddmlp"] {
        let case = Case::load(name, DType::F64);
        let x = case.get("x");
        // Smooth, so that no step crosses a corner of |y − target|.
        let loss = || case.model.forward(&x, None).unwrap().sqr().unwrap().mean_all().unwrap();
        let slopes = loss().backward().unwrap();
        for (weight_name, weight) in case.model.weights().data().lock().unwrap().iter() {
            let (slope, start, step) = (values(slopes.get(weight).unwrap()), weight.copy().unwrap(), 1e-5);
            let scale = slope.iter().fold(1e-3, |scale: f64, slope| scale.max(slope.abs()));
            let place = slope.len() / 2;
            let at = |by: f64| {
                let mut entries = values(&start);
                entries[place] += by;
                weight.set(&Tensor::from_vec(entries, start.shape(), &Device::Cpu).unwrap()).unwrap();
                values(&loss())[0]
            };
            let difference = (at(step) - at(-step)) / (2.0 * step);
            weight.set(&start).unwrap();
            assert!(
                (difference - slope[place]).abs() < 1e-6 * scale,
                "{name} {weight_name}: {difference} {}",
                slope[place]
            );
        }
    }
}

/// Planted: the first period repeated; the last one not repeated. Each turns this red.
#[test]
fn naive_forecasts_are_rows_of_the_window() {
    let x = random(&mut RandomState::new(1), &[2, 30, 5]);
    let row = |time: usize| values(&x.narrow(1, time, 1).unwrap());
    let rows = |y: &Tensor| -> Vec<Vec<f64>> { (0..7).map(|h| values(&y.narrow(1, h, 1).unwrap())).collect() };
    let sizes = Sizes { pred_len: 7, ..SIZES };
    let last = LastValue::new(sizes).unwrap();
    assert_eq!(rows(&last.forward(&x, None).unwrap()), vec![row(29); 7]);
    let seasonal = |period: usize| rows(&SeasonalNaive::new(sizes, period).unwrap().forward(&x, None).unwrap());
    assert_eq!(seasonal(3), [27, 28, 29, 27, 28, 29, 27].map(row));
    assert_eq!(seasonal(30), [0, 1, 2, 3, 4, 5, 6].map(row));
    assert_eq!(seasonal(1), vec![row(29); 7]);
    // In either kind of numbers, and nothing is drawn.
    let mut state = RandomState::new(1);
    let y = last.forward(&x.to_dtype(DType::F32).unwrap(), Some(&mut state)).unwrap();
    assert_eq!((y.dtype(), y.dims()), (DType::F32, &[2, 7, 5][..]));
    assert_eq!(state.uniform(), RandomState::new(1).uniform());
    assert!(last.weights().all_vars().is_empty() && last.parameter_count() == 0);
}

/// The sum over a window as it stands, with the index held within the ends; windows shorter than the average too.
///
/// Planted: the first or the last step not repeated. Each turns this red.
#[test]
fn the_moving_average_is_the_sum_over_neighbours() {
    let mut state = RandomState::new(2);
    for (length, width) in [(30, 25), (30, 1), (5, 3), (3, 25), (1, 7), (2, 3)] {
        let x = random(&mut state, &[2, length, 3]);
        let (got, entries) = (moving_average(&x, width).unwrap(), values(&x));
        let at = |batch: usize, time: isize, channel: usize| {
            entries[(batch * length + time.clamp(0, length as isize - 1) as usize) * 3 + channel]
        };
        let half = (width / 2) as isize;
        let want: Vec<f64> = (0..2 * length * 3)
            .map(|place| {
                let (batch, time, channel) = (place / (length * 3), (place / 3 % length) as isize, place % 3);
                (-half..=half).map(|by| at(batch, time + by, channel)).sum::<f64>() / width as f64
            })
            .collect();
        close("average", &got, &Tensor::from_vec(want, (2, length, 3), &Device::Cpu).unwrap(), 1e-14);
    }
}

/// DLinear starts at the mean of each channel; one linear map, it takes sums to sums.
///
/// Planted: a start at random. That turns this red.
#[test]
fn dlinear_starts_at_the_mean_and_is_affine() {
    let model = DLinear::new(&DLinearConfig::default(), 4, DType::F64).unwrap();
    let mut state = RandomState::new(3);
    let [x, other] = [0, 1].map(|_| random(&mut state, &[2, 96, 7]));
    let forward = |x: &Tensor| model.forward(x, None).unwrap();
    let bias = forward(&x.zeros_like().unwrap());
    assert!(values(&bias).iter().all(|bias| bias.abs() <= 2.0 / 96f64.sqrt()));
    let mean = x.mean_keepdim(1).unwrap().broadcast_as((2, 96, 7)).unwrap();
    close("mean", &(forward(&x) - &bias).unwrap(), &mean, 1e-13);

    let weights = Case::load("dlinear", DType::F64);
    let [x, other] = [x, other].map(|x| x.narrow(1, 0, 30).unwrap().narrow(2, 0, 5).unwrap());
    let forward = |x: &Tensor| weights.model.forward(x, None).unwrap();
    let sum = ((forward(&x) + forward(&other)).unwrap() - forward(&x.zeros_like().unwrap())).unwrap();
    close("sum", &forward(&(&x + &other).unwrap()), &sum, 1e-12);
}

/// A channel elsewhere and larger has its forecast there, and no other moves: in all models with an instance norm.
///
/// Planted: the LSTM without instance norm. That turns this red.
#[test]
fn forecasts_move_with_a_channel() {
    let x = random(&mut RandomState::new(5), &[2, 96, 3]);
    let by = |scale: [f64; 3], shift: [f64; 3], x: &Tensor| {
        let of = |values: [f64; 3]| Tensor::new(&values, &Device::Cpu).unwrap();
        x.broadcast_mul(&of(scale)).unwrap().broadcast_add(&of(shift)).unwrap()
    };
    let (scale, shift) = ([50.0, 1.0, 0.7], [-3.0, 1e3, 0.0]);
    for model in started(3, false, DType::F64).iter().chain(&started(3, true, DType::F64)) {
        if model.name() == "DLinear" {
            continue;
        }
        let y = model.forward(&x, None).unwrap();
        let moved = model.forward(&by(scale, shift, &x), None).unwrap();
        // But for ε.
        close(model.name(), &moved, &by(scale, shift, &y), 1e-4);
    }
}

/// The LSTM reads all channels; any other model by GDD-MLP alone.
///
/// Planted: the switch not handed on; RLinear's gate left out. Each turns this red.
#[test]
fn channels_see_each_other_where_the_table_says_so() {
    let mut state = RandomState::new(6);
    let x = random(&mut state, &[1, 96, 4]);
    let mut moved = values(&x);
    for (place, value) in moved.iter_mut().enumerate() {
        *value += if place % 4 == 2 { state.normal() } else { 0.0 };
    }
    let moved = Tensor::from_vec(moved, x.shape(), &Device::Cpu).unwrap();
    for gddmlp in [false, true] {
        for model in started(4, gddmlp, DType::F64) {
            let difference = (model.forward(&x, None).unwrap() - model.forward(&moved, None).unwrap()).unwrap();
            let difference = values(&difference.abs().unwrap().max(1).unwrap());
            let changed: Vec<usize> = (0..4).filter(|channel| difference[*channel] != 0.0).collect();
            let all = gddmlp || model.name() == "LSTM";
            assert_eq!(changed, if all { vec![0, 1, 2, 3] } else { vec![2] }, "{} {gddmlp}", model.name());
        }
    }
}

/// The mean of a normalised window says nothing: with equal maxima, equal gates.
///
/// Planted: the gate before RevIN. That turns this red.
#[test]
fn in_rlinear_gddmlp_sees_maxima_alone() {
    let mut entries = vec![0.0; 96 * 2];
    for time in 0..96 {
        // Both of a deviation of 1 and a maximum of 1, in another order.
        entries[2 * time] = if time % 2 == 0 { 1.0 } else { -1.0 };
        entries[2 * time + 1] = if time < 48 { 1.0 } else { -1.0 };
    }
    let x = Tensor::from_vec(entries, (1, 96, 2), &Device::Cpu).unwrap();
    let swapped = x.flip(&[2]).unwrap();
    let sizes = Sizes { enc_in: 2, ..Sizes::default() };
    let config = RLinearConfig { sizes, gddmlp: Some(1), ..RLinearConfig::default() };
    let model = RLinear::new(&config, 1, DType::F64).unwrap();
    // Channel 0 keeps its place while channel 1 becomes like it: its forecast does not change.
    let first = Tensor::cat(&[&x.narrow(2, 0, 1).unwrap(), &swapped.narrow(2, 1, 1).unwrap()], 2).unwrap();
    let of = |x: &Tensor| model.forward(x, None).unwrap().narrow(2, 0, 1).unwrap();
    close("first", &of(&first), &of(&x), 1e-13);
    // A maximum of another size is seen.
    let higher = first.broadcast_mul(&x.narrow(2, 1, 1).unwrap().affine(0.2, 1.0).unwrap()).unwrap();
    let higher = Tensor::cat(&[&x.narrow(2, 0, 1).unwrap(), &higher.narrow(2, 1, 1).unwrap()], 2).unwrap();
    assert!(values(&(of(&higher) - of(&x)).unwrap()).iter().any(|difference| difference.abs() > 1e-4));
}

/// Without selection what a patch does to a later one depends on how far it is alone. That shows where all patches are
/// equal, and with them the norms and gates: then so are the slopes over the same distance. With selection they are not,
/// for a patch also says how long what came before is kept.
///
/// Planted: Δ of the patch; C of 1. Each turns this red.
#[test]
fn without_selection_the_scan_is_time_invariant() {
    let u = random(&mut RandomState::new(2), &[1, 1, 8]).broadcast_as((1, 6, 8)).unwrap().contiguous().unwrap();
    let u = Var::from_tensor(&u).unwrap();
    let slopes = |selective: bool| {
        let config = network(6, false, selective);
        let weights = config.initial(DType::F64, 1).unwrap();
        let layer = VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu).pp("encoder.layers.0");
        let y = MMamba::new(&config, layer).unwrap().forward(&u).unwrap();
        [(1, 0), (4, 3), (3, 4)].map(|(to, from)| {
            let slopes = y.narrow(1, to, 1).unwrap().sum_all().unwrap().backward().unwrap();
            slopes.get(&u).unwrap().narrow(1, from, 1).unwrap()
        })
    };
    let [early, late, back] = slopes(false);
    close("one apart", &early, &late, 1e-12);
    assert!(values(&late).iter().all(|slope| *slope != 0.0) && values(&back).iter().all(|slope| *slope == 0.0));
    let [early, late, _] = slopes(true);
    let difference = values(&(&early - &late).unwrap()).iter().map(|slope| slope.abs()).fold(0.0, f64::max);
    assert!(difference > 1e-6 * values(&late)[0].abs(), "{difference}");

    // Learned numbers in place of projections, at S4D's start.
    let config = network(6, true, false);
    let model = CMamba::new(&config, 1, DType::F64).unwrap();
    assert_eq!(config.parameter_count(), model.parameter_count());
    let weights = model.weights().data().lock().unwrap();
    assert!(weights.keys().all(|name| !name.contains("x_proj") && !name.contains("dt_proj.weight")));
    for layer in 0..2 {
        let of = |name: &str| values(weights[&format!("encoder.layers.{layer}.mixer.{name}")].as_tensor());
        assert_eq!((of("B"), of("D"), of("C").len()), (vec![1.0; 4], vec![1.0; 6], 4));
        assert!(of("C").iter().all(|entry| *entry != 0.0 && *entry != 1.0));
    }
}

/// torch's starts: uniform within a bound by the inputs, DLinear's 1 / L, RevIN's 1 and 0.
///
/// Planted: γ of 1/2; the LSTM's bounds by inputs; the head's bias by its outputs. Each turns this red.
#[test]
fn the_initial_weights_are_as_published() {
    let settings = ModelSettings::paper();
    let within = |model: &dyn Forecaster, name: &str, bound: f64| {
        let entries = values(model.weights().data().lock().unwrap()[name].as_tensor());
        let largest = entries.iter().fold(0.0, |largest: f64, entry| largest.max(entry.abs()));
        assert!(largest <= bound && largest > 0.8 * bound, "{name}: {largest} for {bound}");
        let mean = entries.iter().sum::<f64>() / entries.len() as f64;
        assert!(mean.abs() < 5.0 * bound / (3.0 * entries.len() as f64).sqrt(), "{name}: {mean}");
    };
    let all = |model: &dyn Forecaster, name: &str, value: f64| {
        let entries = values(model.weights().data().lock().unwrap()[name].as_tensor());
        assert!(entries.iter().all(|entry| *entry == value), "{name}");
    };
    let build = |kind: ModelKind| kind.build(&settings, 4, DType::F64).unwrap();
    let model = build(ModelKind::DLinear);
    for name in ["Linear_Seasonal", "Linear_Trend"] {
        all(&*model, &format!("{name}.weight"), 1.0 / 96.0);
        within(&*model, &format!("{name}.bias"), 1.0 / 96f64.sqrt());
    }
    let model = build(ModelKind::RLinear);
    within(&*model, "Linear.weight", 1.0 / 96f64.sqrt());
    within(&*model, "Linear.bias", 1.0 / 96f64.sqrt());
    all(&*model, "rev.affine_weight", 1.0);
    all(&*model, "rev.affine_bias", 0.0);
    within(&*model, "GDDMLP.fc_sc.0.weight", 1.0 / 7f64.sqrt());
    within(&*model, "GDDMLP.fc_sf.2.weight", 1.0 / 3f64.sqrt());
    let model = build(ModelKind::Lstm);
    for name in ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"] {
        within(&*model, &format!("lstm.{name}"), 1.0 / 128f64.sqrt());
    }
    within(&*model, "head.weight", 1.0 / 128f64.sqrt());
    within(&*model, "GDDMLP.fc_sf.0.weight", 1.0 / 7f64.sqrt());
    let model = build(ModelKind::Mamba);
    within(&*model, "patch_embedding.value_embedding.weight", 0.25);
    within(&*model, "head.linear.weight", 1.0 / 1536f64.sqrt());
    within(&*model, "head.linear.bias", 1.0 / 1536f64.sqrt());
    for layer in 0..3 {
        let at = |name: &str| format!("encoder.layers.{layer}.{name}");
        within(&*model, &at("mixer.in_proj.weight"), 1.0 / 128f64.sqrt());
        within(&*model, &at("mixer.conv1d.weight"), 0.5);
        within(&*model, &at("mixer.out_proj.weight"), 1.0 / 128f64.sqrt());
        within(&*model, &at("GDDMLP.fc_sc.2.weight"), 1.0 / 3f64.sqrt());
        all(&*model, &at("norm.weight"), 1.0);
        all(&*model, &at("mixer.D"), 1.0);
    }
}

/// The table of the module's documentation counts its weights without GDD-MLP but for CMamba.
///
/// Planted: blanks around a name left out. That turns this red.
#[test]
fn names_and_counts_are_those_of_the_table() {
    let table: HashMap<ModelKind, usize> = HashMap::from([
        (ModelKind::LastValue, 0),
        (ModelKind::SeasonalNaive, 0),
        (ModelKind::DLinear, 18_624),
        (ModelKind::RLinear, 9_326),
        (ModelKind::Lstm, 156_832),
        (ModelKind::Mamba, 343_136),
        (ModelKind::CMamba, 385_292),
    ]);
    for kind in ModelKind::ALL {
        let gddmlp = kind == ModelKind::CMamba;
        let settings = ModelSettings { network: Config { gddmlp, ..Config::paper() }, ..ModelSettings::paper() };
        let build = |seed: u32| kind.build(&settings, seed, DType::F32).unwrap();
        let (model, same, other) = (build(1), build(1), build(2));
        assert_eq!((model.name(), model.parameter_count()), (kind.name(), table[&kind]));
        assert_eq!(kind.learns(), model.parameter_count() > 0);
        let x = random(&mut RandomState::new(1), &[2, 96, 7]).to_dtype(DType::F32).unwrap();
        let y = |model: &dyn Forecaster| values(&model.forward(&x, None).unwrap());
        assert_eq!(y(&*model), y(&*same));
        assert_eq!(y(&*model) != y(&*other), kind.learns());
        for written in
            [kind.name().to_owned(), kind.to_string(), kind.name().to_lowercase(), kind.name().to_uppercase()]
        {
            assert_eq!(written.parse::<ModelKind>().unwrap(), kind);
        }
    }
    assert_eq!(ModelSettings::default().network, Config::default());
    for name in ["", "C-Mamba", "lastvalue "] {
        let error = message(name.parse::<ModelKind>());
        assert!(error.contains("one of LastValue, SeasonalNaive, DLinear, RLinear, LSTM, Mamba, CMamba"), "{error}");
    }
}

/// Setting a variable changes the model, and a step of training is such a setting; mixup needs nothing of a model. A day's
/// waves that begin anywhere, which the last value does not know.
#[test]
fn every_learned_model_learns_waves_and_beats_the_last_value() {
    let waves = |state: &mut RandomState| {
        let turn = std::f64::consts::TAU;
        let starts: Vec<f64> = (0..16).map(|_| turn * state.uniform()).collect();
        let entry = |place: usize| {
            let (start, time, channel) = (starts[place / 240], (place / 2 % 120) as f64, (place % 2) as f64);
            ((time / 24.0 * turn + start + channel).sin() * (1.0 + channel)) as f32
        };
        let all = Tensor::from_vec((0..16 * 240).map(entry).collect(), (16, 120, 2), &Device::Cpu).unwrap();
        (all.narrow(1, 0, 96).unwrap(), all.narrow(1, 96, 24).unwrap())
    };
    let mut state = RandomState::new(5);
    let (x, target) = waves(&mut state);
    let error = |model: &dyn Forecaster| values(&mean_absolute(&model.forward(&x, None).unwrap(), &target))[0];
    let sizes = Sizes { pred_len: 24, enc_in: 2, ..Sizes::default() };
    let floor = error(&LastValue::new(sizes).unwrap());
    // What repeats is known at once.
    assert!(error(&SeasonalNaive::new(sizes, 24).unwrap()) < 1e-5);
    for gddmlp in [false, true] {
        for model in started(2, gddmlp, DType::F32) {
            let params = ParamsAdamW { lr: 1e-2, weight_decay: 0.0, ..ParamsAdamW::default() };
            let mut adam = AdamW::new(model.weights().all_vars(), params).unwrap();
            for _ in 0..60 {
                let (x, target) = waves(&mut state);
                let mixup = ChannelMixup::draw(16, 2, 0.5, &mut state).unwrap();
                let y = model.forward(&mixup.apply(&x).unwrap(), Some(&mut state)).unwrap();
                adam.backward_step(&mean_absolute(&y, &mixup.apply(&target).unwrap())).unwrap();
            }
            let after = error(&*model);
            assert!(after < 0.6 * floor, "{} {gddmlp}: {after}, the last value {floor}", model.name());
        }
    }
}

/// Planted: a naive model that does not look at its window; a period longer than it. Each turns this red.
#[test]
fn what_does_not_fit_is_refused_with_a_remedy() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F64, &Device::Cpu).unwrap();
    let small = ModelSettings { hidden: 6, ..ModelSettings::paper() };
    let small = ModelSettings { network: network(16, true, true), ..small };
    let x = random(&mut RandomState::new(1), &[2, 30, 5]);
    for kind in ModelKind::ALL {
        let model = kind.build(&small, 1, DType::F64).unwrap();
        for (place, value, index) in [(0, f64::NAN, [0, 0, 0]), (173, f64::NEG_INFINITY, [1, 4, 3])] {
            let mut entries = values(&x);
            entries[place] = value;
            let x = Tensor::from_vec(entries, (2, 30, 5), &Device::Cpu).unwrap();
            let error = model.forward(&x, None).unwrap_err();
            assert!(matches!(&error, Error::NonFinite { arg: "x", index: at, .. } if *at == index), "{error}");
        }
        for shape in [&[2, 31, 5][..], &[2, 30, 4], &[30, 5], &[0, 30, 5], &[2, 5, 30]] {
            assert!(message(model.forward(&zeros(shape), None)).contains("(batch above 0, 30, 5) is needed"));
        }
        // One window, and one whose channels do not move.
        assert_eq!(model.forward(&x.narrow(0, 0, 1).unwrap(), None).unwrap().dims(), [1, 4, 5]);
        assert!(values(&model.forward(&zeros(&[1, 30, 5]), None).unwrap()).iter().all(|y| y.is_finite()));
        let other = if kind.learns() { DType::F32 } else { DType::U32 };
        let error = message(model.forward(&x.to_dtype(other).unwrap(), None));
        assert!(error.contains(if kind.learns() { "F64 as the weights are" } else { "F32 or F64" }), "{error}");
        let refuse = |network: Config, name: &str| {
            let settings = ModelSettings { network, ..small };
            let error = message(kind.build(&settings, 1, DType::F64).map(|_| ()));
            assert!(error.starts_with(&format!("`{name}` is")), "{error}");
        };
        refuse(Config { seq_len: 0, stride: 16, ..small.network }, "seq_len");
        refuse(Config { pred_len: 0, ..small.network }, "pred_len");
        refuse(Config { enc_in: 0, ..small.network }, "enc_in");
        if kind.learns() {
            refuse(Config { reduction: 0, ..small.network }, "reduction");
            refuse(Config { reduction: 6, ..small.network }, "reduction");
            assert!(message(kind.build(&small, 1, DType::U32).map(|_| ())).contains("F32, or F64"));
        }
        if kind.learns() && kind != ModelKind::DLinear {
            refuse(Config { dropout: 1.0, ..small.network }, "dropout");
            refuse(Config { dropout: f64::NAN, ..small.network }, "dropout");
        }
    }
    let refuse = |kind: ModelKind, settings: ModelSettings, sentence: &str| {
        let error = message(kind.build(&settings, 1, DType::F64).map(|_| ()));
        assert!(error.contains(sentence), "{error}");
    };
    refuse(ModelKind::SeasonalNaive, ModelSettings { period: 0, ..small }, "`period` is 0");
    refuse(ModelKind::SeasonalNaive, ModelSettings { period: 31, ..small }, "at most `seq_len`, 30");
    for width in [0, 24] {
        refuse(ModelKind::DLinear, ModelSettings { moving_avg: width, ..small }, "an odd number");
    }
    refuse(ModelKind::Lstm, ModelSettings { hidden: 0, ..small }, "`hidden` is 0");
    refuse(ModelKind::Lstm, ModelSettings { lstm_layers: 0, ..small }, "`layers` is 0");
    let ff = |d_model, d_ff| ModelSettings { network: Config { d_model, d_ff, ..small.network }, ..small };
    refuse(ModelKind::Mamba, ff(8, 12), "a multiple of `d_model`, 8");
    refuse(ModelKind::Mamba, ff(0, 12), "`d_model` is 0");
    refuse(ModelKind::Mamba, ff(8, 0), "`d_ff` is 0");
    assert!(message(moving_average(&zeros(&[2, 0, 3]), 3)).contains("length above 0"));
    assert!(message(moving_average(&zeros(&[2, 3]), 3)).contains("(batch, length, channels)"));
    assert!(message(moving_average(&zeros(&[1, 2, 3]), 2)).contains("an odd number"));
}

/// Planted: shapes, kinds of numbers, or surplus weights not looked at. Each turns this red.
#[test]
fn weights_of_another_model_are_refused() {
    let config = RLinearConfig { sizes: SIZES, ..RLinearConfig::default() };
    let weights = || RLinear::new(&config, 1, DType::F64).unwrap().weights().clone();
    let refuse = |weights: VarMap, word: &str| {
        let error = message(RLinear::with_weights(&config, weights).map(|_| ()));
        assert!(error.contains(word), "{error}");
    };
    assert!(RLinear::with_weights(&config, weights()).is_ok());
    refuse(VarMap::new(), "0 without `Linear.weight`");
    let insert = |name: &str, shape: &[usize], dtype: DType| {
        let weights = weights();
        let variable = Var::zeros(shape, dtype, &Device::Cpu).unwrap();
        weights.data().lock().unwrap().insert(name.to_owned(), variable);
        weights
    };
    refuse(insert("Linear.bias", &[5], DType::F64), "`Linear.bias` of the shape [4]");
    refuse(insert("rev.affine_bias", &[5], DType::F32), "all F32, or all F64");
    refuse(insert("Linear.weight", &[4, 30], DType::U32), "all F32, or all F64");
    refuse(insert("GDDMLP.fc_sc.0.weight", &[2, 5], DType::F64), "and no others");
    let without = weights();
    without.data().lock().unwrap().remove("rev.affine_weight");
    refuse(without, "without `rev.affine_weight`");
    // Of the same sizes, but not selective.
    let invariant = CMamba::new(&network(6, true, false), 1, DType::F64).unwrap();
    let error = message(CMamba::with_weights(&network(6, true, true), invariant.weights().clone()).map(|_| ()));
    assert!(error.contains("x_proj"), "{error}");
    let mamba = PatchMamba::with_weights(&network(16, true, true), invariant.weights().clone());
    assert!(message(mamba.map(|_| ())).contains("`encoder.layers.0.mixer.in_proj.weight`"));
    let lstm_error =
        Lstm::with_weights(&lstm(Some(2)), Lstm::new(&lstm(None), 1, DType::F64).unwrap().weights().clone());
    assert!(message(lstm_error.map(|_| ())).contains("GDDMLP.fc_sc.0.weight"));
}
