//! CMamba against torch, in value, slope and training steps, and what the notes say of it against what it does.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use candle_nn::{VarBuilder, VarMap};
use mlnotes::Error;
use mlnotes::data::Reference;
use mlnotes::nn::Loss;
use mlnotes::nn::cmamba::{CMamba, ChannelMixup, Config, Fused, GddMlp, MMamba, normalise, patches};
use mlnotes::random::RandomState;

use crate::mamba::{close, random, values};
use crate::message;

/// The sizes of `make.py`.
fn small(gddmlp: bool) -> Config {
    Config {
        seq_len: 30,
        pred_len: 4,
        enc_in: 5,
        d_model: 8,
        d_ff: 6,
        e_layers: 2,
        d_state: 4,
        dt_rank: 3,
        dropout: 0.3,
        head_dropout: 0.2,
        gddmlp,
        ..Config::paper()
    }
}

struct Case {
    expected: HashMap<String, Tensor>,
    config: Config,
    weights: VarMap,
    model: CMamba,
}

impl Case {
    fn load(gddmlp: bool, dtype: DType) -> Self {
        let name = if gddmlp { "gddmlp" } else { "independent" };
        let path = Reference::folder().join("cmamba").join(format!("{name}.safetensors"));
        let expected = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let weights = VarMap::new();
        for (name, weight) in &expected {
            if let Some(name) = name.strip_prefix("weight.") {
                let weight = Var::from_tensor(&weight.to_dtype(dtype).unwrap()).unwrap();
                weights.data().lock().unwrap().insert(name.to_owned(), weight);
            }
        }
        let config = small(gddmlp);
        let model = CMamba::new(&config, VarBuilder::from_varmap(&weights, dtype, &Device::Cpu)).unwrap();
        Self { expected, config, weights, model }
    }

    fn both() -> [Self; 2] {
        [true, false].map(|gddmlp| Self::load(gddmlp, DType::F64))
    }

    /// An array in the weights' kind of numbers.
    fn get(&self, name: &str) -> Tensor {
        let dtype = self.weights.all_vars()[0].dtype();
        self.expected[name].to_dtype(dtype).unwrap()
    }

    fn loss(&self, x: &Tensor) -> Tensor {
        mean_absolute(&self.model.forward(x, None).unwrap(), &self.get("target"))
    }

    /// The slopes by all weights against the arrays under `prefix`.
    #[track_caller]
    fn slopes_are(&self, prefix: &str, loss: &Tensor, tolerance: f64) {
        let slopes = loss.backward().unwrap();
        let weights = self.weights.data().lock().unwrap();
        for (name, weight) in weights.iter() {
            let slope = slopes.get(weight).unwrap_or_else(|| panic!("{name} has no slope"));
            close(name, slope, &self.expected[&format!("{prefix}{name}")], tolerance);
        }
        assert_eq!(weights.len(), if self.config.gddmlp { 29 } else { 21 });
    }
}

fn mean_absolute(y: &Tensor, target: &Tensor) -> Tensor {
    (y - target).unwrap().abs().unwrap().mean_all().unwrap()
}

/// A model with the published start.
fn started(config: &Config, seed: u32) -> CMamba {
    let weights = config.initial(DType::F64, seed).unwrap();
    CMamba::new(config, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu)).unwrap()
}

/// Planted: the first step repeated for the last; the variance over L − 1; ε of 1e-6; μ not given back; B and C exchanged;
/// D left out, or behind the gate; z without SiLU; no norm; no maximum; the pools summed before the MLP; the scale's
/// weights in the shift; GELU by tanh. Each turns this red.
#[test]
fn each_module_gives_what_torch_does() {
    for case in Case::both() {
        let window = normalise(&case.get("x")).unwrap();
        close("mean", &window.mean, &case.expected["mean"], 1e-14);
        close("deviation", &window.deviation, &case.expected["deviation"], 1e-14);
        close("back", &window.undo(&window.x).unwrap(), &case.expected["x"], 1e-14);
        close("patches", &patches(&window.x, 16, 8).unwrap(), &case.expected["patches"], 1e-13);
        for (layer, (block, gate)) in case.model.layers().enumerate() {
            let at = |name: &str| &case.expected[&format!("encoder.layers.{layer}.{name}")];
            let u = at("u");
            let (batch, channels, number, features) = u.dims4().unwrap();
            let h = block.forward(&u.reshape((batch * channels, number, features)).unwrap()).unwrap();
            close("mamba", &h.reshape(u.shape()).unwrap(), at("mamba"), 1e-12);
            assert_eq!(gate.is_some(), case.config.gddmlp);
            if let Some(gate) = gate {
                close("gddmlp", &gate.forward(at("mamba")).unwrap(), at("gddmlp"), 1e-13);
            }
        }
    }
}

/// Planted: no residual; no SiLU before the head; the head's features in the other order; sine and cosine exchanged. Each
/// turns this red.
#[test]
fn the_forecast_is_that_of_torch() {
    for case in Case::both() {
        close("y", &case.model.forward(&case.get("x"), None).unwrap(), &case.expected["y"], 1e-12);
        close("loss", &case.loss(&case.get("x")), &case.expected["loss"], 1e-12);
    }
}

/// Planted: no gradient through A; candle's GELU, whose gradient is of six digits. Each turns this red.
#[test]
fn every_slope_is_that_of_torch() {
    for case in Case::both() {
        let x = Var::from_tensor(&case.get("x")).unwrap();
        let loss = case.loss(&x);
        close("x", loss.backward().unwrap().get(&x).unwrap(), &case.expected["grad.x"], 1e-11);
        case.slopes_are("grad.", &loss, 1e-11);
    }
}

#[test]
fn in_f32_it_is_near() {
    for gddmlp in [true, false] {
        let case = Case::load(gddmlp, DType::F32);
        close("y", &case.model.forward(&case.get("x"), None).unwrap(), &case.expected["y"], 1e-5);
        case.slopes_are("grad.", &case.loss(&case.get("x")), 1e-4);
    }
}

/// Mixup, masks and slopes from one stream of random numbers, which NumPy has too.
///
/// Planted: `dropout` for `head_dropout` after the embedding; what is kept not divided. Each turns this alone red.
#[test]
fn training_draws_what_numpy_draws() {
    for case in Case::both() {
        let mut state = RandomState::new(7);
        let mixup = ChannelMixup::draw(2, 5, 1.5, &mut state).unwrap();
        let (x, target) = (mixup.apply(&case.get("x")).unwrap(), mixup.apply(&case.get("target")).unwrap());
        close("x", &x, &case.expected["train.x"], 1e-14);
        close("target", &target, &case.expected["train.target"], 1e-14);
        let y = case.model.forward(&x, Some(&mut state)).unwrap();
        close("y", &y, &case.expected["train.y"], 1e-12);
        case.slopes_are("train.grad.", &mean_absolute(&y, &target), 1e-11);
    }
}

impl Case {
    fn fused(&self) -> Fused {
        Fused::new(&self.config, &self.weights).unwrap()
    }

    /// The fused slopes against the arrays under `prefix`.
    #[track_caller]
    fn fused_slopes_are(&self, prefix: &str, slopes: &HashMap<String, Tensor>, tolerance: f64) {
        assert_eq!(slopes.len(), if self.config.gddmlp { 29 } else { 21 });
        for (name, slope) in slopes {
            close(name, slope, &self.expected[&format!("{prefix}{name}")], tolerance);
        }
    }
}

/// The fused form against torch: the forecast, every slope, and those of a step in training.
///
/// Planted: A's slope without A; the forecast's mask begun too early; the way through D left out; the maximum's slope at the
/// first feature; the norm's without its mean; Φ for GELU's slope; the embedding's mask left out on the way back. Each turns
/// this red.
#[test]
fn fused_it_is_that_of_torch() {
    for case in Case::both() {
        let (fused, x, target) = (case.fused(), case.get("x"), case.get("target"));
        close("y", &fused.forward(&x).unwrap(), &case.expected["y"], 1e-12);
        let (loss, slopes) = fused.slopes(&x, &target, Loss::Mae, None).unwrap();
        assert!((loss - values(&case.expected["loss"])[0]).abs() < 1e-12);
        case.fused_slopes_are("grad.", &slopes, 1e-11);
        let mut state = RandomState::new(7);
        let mixup = ChannelMixup::draw(2, 5, 1.5, &mut state).unwrap();
        let (x, target) = (mixup.apply(&x).unwrap(), mixup.apply(&target).unwrap());
        let (_, slopes) = fused.slopes(&x, &target, Loss::Mae, Some(&mut state)).unwrap();
        case.fused_slopes_are("train.grad.", &slopes, 1e-11);
    }
    let case = Case::load(true, DType::F32);
    close("y", &case.fused().forward(&case.get("x")).unwrap(), &case.expected["y"], 1e-5);
    let (_, slopes) = case.fused().slopes(&case.get("x"), &case.get("target"), Loss::Mae, None).unwrap();
    case.fused_slopes_are("grad.", &slopes, 1e-4);
}

/// Batches of less than a chunk, of several and of a part more; places with dropout and without; another loss; widths that
/// no vector divides; as many threads as one likes.
///
/// Planted: every chunk's masks as the first's; the second chunk's slopes left out. Each turns this alone red.
#[test]
fn fused_it_is_the_graph_whatever_the_batch() {
    let mut state = RandomState::new(31);
    let odd = Config { seq_len: 29, pred_len: 3, enc_in: 3, d_model: 19, d_ff: 21, e_layers: 2, ..small(true) };
    let configs = [
        odd,
        Config { e_layers: 1, dropout: 0.0, ..odd },
        Config { e_layers: 3, head_dropout: 0.0, gddmlp: false, ..odd },
        Config { enc_in: 1, gddmlp: false, ..odd },
    ];
    for config in configs {
        let weights = config.initial(DType::F64, 3).unwrap();
        let graph = CMamba::new(&config, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu)).unwrap();
        let fused = Fused::new(&config, &weights).unwrap();
        for (batch, loss) in [(1, Loss::Mae), (8, Loss::Mse), (19, Loss::Mae)] {
            let x = random(&mut state, &[batch, config.seq_len, config.enc_in]);
            let target = random(&mut state, &[batch, config.pred_len, config.enc_in]);
            close("y", &fused.forward(&x).unwrap(), &graph.forward(&x, None).unwrap(), 1e-12);
            for seed in [None, Some(5)] {
                let mut masks = seed.map(RandomState::new);
                let y = graph.forward(&x, masks.as_mut()).unwrap();
                let want = loss.of(&y, &target).unwrap();
                let mut masks = seed.map(RandomState::new);
                let (got, slopes) = fused.slopes(&x, &target, loss, masks.as_mut()).unwrap();
                assert!((got - values(&want)[0]).abs() < 1e-12);
                let expected = want.backward().unwrap();
                for (name, weight) in weights.data().lock().unwrap().iter() {
                    match expected.get(weight) {
                        Some(expected) => close(name, &slopes[name], expected, 1e-11),
                        None => assert!(values(&slopes[name]).iter().all(|slope| *slope == 0.0), "{name}"),
                    }
                }
                for threads in [1, 3] {
                    let fused = Fused::new(&config, &weights).unwrap().threads(threads).unwrap();
                    let mut masks = seed.map(RandomState::new);
                    let (loss, again) = fused.slopes(&x, &target, loss, masks.as_mut()).unwrap();
                    assert_eq!(loss, got);
                    slopes.iter().for_each(|(name, slope)| assert_eq!(values(slope), values(&again[name])));
                }
            }
        }
    }
}

/// It reads the variables, whatever is done to them; and says what it cannot take.
#[test]
fn fused_it_reads_the_variables_and_refuses_others() {
    let case = Case::load(true, DType::F64);
    let (fused, x) = (case.fused(), case.get("x"));
    let bias = case.weights.data().lock().unwrap()["head.linear.bias"].clone();
    bias.set(&(bias.as_tensor() + 1.0).unwrap()).unwrap();
    let risen = (fused.forward(&x).unwrap() - &case.expected["y"]).unwrap();
    close("y", &risen, &case.expected["deviation"].broadcast_as((2, 4, 5)).unwrap(), 1e-12);

    let target = case.get("target");
    let wrong = |x: &Tensor, y: &Tensor| message(fused.slopes(x, y, Loss::Mae, None).map(|_| ()));
    assert!(wrong(&x.narrow(1, 0, 29).unwrap(), &target).contains("(batch above 0, 30, 5)"));
    assert!(wrong(&x, &target.narrow(0, 0, 1).unwrap()).contains("[2, 4, 5]"));
    assert!(wrong(&x.to_dtype(DType::F32).unwrap(), &target).contains("to_dtype"));
    let nan = (&x * f64::NAN).unwrap();
    assert!(wrong(&nan, &target).contains("NaN at [0, 0, 0]"));
    assert!(message(case.fused().threads(0)).contains("threads"));
    let other = Config { d_ff: 7, ..case.config };
    assert!(message(Fused::new(&other, &case.weights)).contains("in_proj.weight of the shape [12, 8]"));
    assert!(message(Fused::new(&case.config, &VarMap::new())).contains("without patch_embedding"));
    let invariant = Config { selective: false, ..case.config };
    assert!(message(Fused::new(&invariant, &case.weights)).contains("take `CMamba`"));
}

/// candle's AdamW without decay is torch's Adam.
#[test]
fn three_steps_of_adam_are_those_of_torch() {
    for case in Case::both() {
        let params = ParamsAdamW { lr: 1e-2, weight_decay: 0.0, ..ParamsAdamW::default() };
        let mut adam = AdamW::new(case.weights.all_vars(), params).unwrap();
        for _ in 0..3 {
            adam.backward_step(&case.loss(&case.get("x"))).unwrap();
        }
        for (name, weight) in case.weights.data().lock().unwrap().iter() {
            close(name, weight, &case.expected[&format!("after.{name}")], 1e-9);
        }
    }
}

/// N-15: the command of the notes makes a model 40 times as large as the paper's.
#[test]
fn the_numbers_of_parameters_are_those_of_the_published_code() {
    let paper = Config::paper();
    let counted = [
        (paper, 385_292),
        (Config { pred_len: 192, e_layers: 2, ..paper }, 454_280),
        (Config { e_layers: 4, ..paper }, 463_856),
        (Config::default(), 15_685_760),
    ];
    for (config, count) in counted {
        assert_eq!(config.parameter_count(), count);
    }
    let weights = paper.initial(DType::F32, 0).unwrap();
    assert_eq!(weights.all_vars().iter().map(|weight| weight.elem_count()).sum::<usize>(), 385_292);
    let model = CMamba::new(&paper, VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu)).unwrap();
    assert_eq!(model.parameter_count(), 385_292);
    let x = Tensor::ones((2, 96, 7), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(model.forward(&x, None).unwrap().dims(), [2, 96, 7]);
}

/// Planted: bounds by the number of outputs; Δ uniform. Each turns this red.
#[test]
fn the_initial_weights_are_as_published() {
    let config = Config::paper();
    let weights = config.initial(DType::F64, 4).unwrap();
    let map = weights.data().lock().unwrap();
    let of = |name: &str| values(map[name].as_tensor());
    let within = |name: &str, bound: f64| {
        let entries = of(name);
        let largest = entries.iter().fold(0.0, |largest: f64, entry| largest.max(entry.abs()));
        assert!(largest <= bound && largest > 0.8 * bound, "{name}: {largest} for {bound}");
        let mean = entries.iter().sum::<f64>() / entries.len() as f64;
        assert!(mean.abs() < 5.0 * bound / (3.0 * entries.len() as f64).sqrt(), "{name}: {mean}");
    };
    within("patch_embedding.value_embedding.weight", 0.25);
    within("head.linear.weight", 1.0 / 1536f64.sqrt());
    within("head.linear.bias", 1.0 / 1536f64.sqrt());
    for layer in 0..3 {
        let at = |name: &str| format!("encoder.layers.{layer}.{name}");
        for name in ["in_proj.weight", "in_proj.bias", "x_proj.weight", "out_proj.weight", "out_proj.bias"] {
            within(&at(&format!("mixer.{name}")), 1.0 / 128f64.sqrt());
        }
        within(&at("mixer.dt_proj.weight"), 1.0 / 32f64.sqrt());
        within(&at("GDDMLP.fc_sc.0.weight"), 1.0 / 7f64.sqrt());
        within(&at("GDDMLP.fc_sf.2.weight"), 1.0 / 3f64.sqrt());
        assert!(of(&at("norm.weight")).iter().all(|weight| *weight == 1.0));
        let a_log = of(&at("mixer.A_log"));
        assert!(a_log.len() == 16 && a_log.iter().enumerate().all(|(s, a)| (a.exp() - s as f64 - 1.0).abs() < 1e-12));
        let delta: Vec<f64> = of(&at("mixer.dt_proj.bias")).iter().map(|bias| bias.exp().ln_1p().ln()).collect();
        assert!(delta.iter().all(|delta| (1e-3f64.ln()..=1e-1f64.ln()).contains(delta)));
        let mean = delta.iter().sum::<f64>() / delta.len() as f64;
        assert!((mean - 1e-4f64.ln() / 2.0).abs() < 5.0 * 100f64.ln() / (12.0 * 128f64).sqrt());
    }
    let same = config.initial(DType::F64, 4).unwrap();
    let other = config.initial(DType::F64, 5).unwrap();
    let name = "head.linear.weight";
    let in_map = |weights: &VarMap| values(weights.data().lock().unwrap()[name].as_tensor());
    assert_eq!(in_map(&same), of(name));
    assert_ne!(in_map(&other), of(name));
}

/// SSM-24, E-39: by the command of the notes no channel's forecast depends on another; with GDD-MLP each on all.
///
/// Planted: a gate of each channel by itself; the mean over channels added to the window. Each turns this red, and the next.
#[test]
fn with_gddmlp_alone_the_channels_see_each_other() {
    let paper = Config { d_model: 16, d_ff: 16, ..Config::paper() };
    let mut state = RandomState::new(6);
    let x = random(&mut state, &[1, 96, 7]);
    let mut moved = values(&x);
    for (place, value) in moved.iter_mut().enumerate() {
        *value += if place % 7 == 3 { state.normal() } else { 0.0 };
    }
    let moved = Tensor::from_vec(moved, x.shape(), &Device::Cpu).unwrap();
    let changed = |config: &Config| -> Vec<usize> {
        let model = started(config, 1);
        let difference = (model.forward(&x, None).unwrap() - model.forward(&moved, None).unwrap()).unwrap();
        let difference = values(&difference.abs().unwrap().max(1).unwrap());
        (0..7).filter(|channel| difference[*channel] != 0.0).collect()
    };
    assert_eq!(changed(&paper), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(changed(&Config { gddmlp: false, ..paper }), [3]);
    let command = Config { d_model: 16, d_ff: 64, ..Config::default() };
    assert_eq!(changed(&command), [3]);
}

/// The same as slopes: blocks off the Jacobian's diagonal are 0 or not.
#[test]
fn the_jacobian_is_of_blocks_without_gddmlp() {
    for case in Case::both() {
        let x = Var::from_tensor(&case.get("x")).unwrap();
        let y = case.model.forward(&x, None).unwrap();
        let slopes = y.narrow(2, 1, 1).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let by_channel = values(&slopes.get(&x).unwrap().abs().unwrap().sum((0, 1)).unwrap());
        for (channel, slope) in by_channel.into_iter().enumerate() {
            assert_eq!(slope != 0.0, case.config.gddmlp || channel == 1, "{channel}: {slope}");
        }
    }
}

/// E-36: features are scaled and shifted by numbers in (0, 1), one for each channel and patch, and no more.
///
/// Planted: the gate twice as wide. That turns this red.
#[test]
fn gddmlp_scales_and_shifts() {
    let case = Case::load(true, DType::F64);
    let h = &case.expected["encoder.layers.0.mamba"];
    let y = case.model.layers().next().unwrap().1.unwrap().forward(h).unwrap();
    for (h, y) in values(h).chunks(8).zip(values(&y).chunks(8)) {
        let scale = (y[1] - y[0]) / (h[1] - h[0]);
        let shift = y[0] - scale * h[0];
        assert!((0.0..1.0).contains(&scale) && (0.0..1.0).contains(&shift), "{scale}, {shift}");
        assert!(h.iter().zip(y).all(|(h, y)| (y - scale * h - shift).abs() < 1e-10));
    }
}

/// One A for all channels of the scan; and nothing flows back from a later patch.
///
/// Planted: the patches in reverse. That turns this red.
#[test]
fn a_block_of_m_mamba_is_causal_and_has_one_a() {
    let case = Case::load(true, DType::F64);
    let (block, _) = case.model.layers().next().unwrap();
    assert_eq!(block.a().unwrap().dims(), [1, 4]);
    let u = Var::from_tensor(&random(&mut RandomState::new(2), &[1, 6, 8])).unwrap();
    let slopes = block.forward(&u).unwrap().narrow(1, 3, 1).unwrap().sum_all().unwrap().backward().unwrap();
    let du = slopes.get(&u).unwrap();
    assert!(values(&du.narrow(1, 4, 2).unwrap()).iter().all(|slope| *slope == 0.0));
    assert!(values(&du.narrow(1, 0, 4).unwrap()).iter().all(|slope| *slope != 0.0));
}

/// N-17.
///
/// Planted: one patch less; the first step repeated for the last. Each turns this red.
#[test]
fn a_window_of_96_makes_12_patches_and_the_last_step_is_repeated() {
    assert_eq!(Config::paper().patch_num().unwrap(), 12);
    let x = Tensor::arange(0.0, 96.0, &Device::Cpu).unwrap().reshape((1, 96, 1)).unwrap();
    let pieces = patches(&x, 16, 8).unwrap();
    assert_eq!(pieces.dims(), [1, 1, 12, 16]);
    for (number, piece) in values(&pieces).chunks(16).enumerate() {
        let want: Vec<f64> = (0..16).map(|i| ((number * 8 + i) as f64).min(95.0)).collect();
        assert_eq!(piece, want);
    }
    // One is enough, of less than its own length even; steps that fill no patch are left out.
    assert_eq!(patches(&x.narrow(1, 0, 8).unwrap(), 16, 8).unwrap().dims(), [1, 1, 1, 16]);
    assert_eq!(patches(&x.narrow(1, 0, 31).unwrap(), 16, 8).unwrap().dims(), [1, 1, 2 + 1, 16]);
    assert!(message(patches(&x.narrow(1, 0, 7).unwrap(), 16, 8)).contains("at least 8, for one patch"));
    assert!(patches(&x, 16, 0).is_err() && patches(&x, 0, 8).is_err());
}

/// E-35: x on average, by factors that no interpolation has; the same on the target.
///
/// Planted: (1 − λ) x + λ x_π; λ of variance σ⁴; |λ|; another π for the target. Each turns this red.
#[test]
fn mixup_keeps_the_mean_and_interpolates_nothing() {
    let mut state = RandomState::new(12);
    let (x, y) = (random(&mut state, &[1, 3, 4]), random(&mut state, &[1, 2, 4]));
    let (runs, sigma) = (4000, 1.5);
    let mut sum = x.zeros_like().unwrap();
    let (mut below, mut above, mut square) = (0, 0, 0.0);
    for _ in 0..runs {
        let mixup = ChannelMixup::draw(1, 4, sigma, &mut state).unwrap();
        let (mixed, target) = (mixup.apply(&x).unwrap(), mixup.apply(&y).unwrap());
        let lambda = values(&mixup.lambda);
        // π and λ as they show in each of the two.
        for (before, after) in [(&x, &mixed), (&y, &target)] {
            for (before, after) in values(before).chunks(4).zip(values(after).chunks(4)) {
                for channel in 0..4 {
                    let want = before[channel] + lambda[channel] * before[mixup.permutation[channel]];
                    assert!((after[channel] - want).abs() < 1e-14);
                }
            }
        }
        below += lambda.iter().filter(|lambda| **lambda < 0.0).count();
        above += lambda.iter().filter(|lambda| **lambda > 1.0).count();
        square += lambda.iter().map(|lambda| lambda * lambda).sum::<f64>();
        sum = (sum + mixed).unwrap();
    }
    let draws = 4.0 * runs as f64;
    let mean = (sum / runs as f64).unwrap();
    let largest = values(&x).into_iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    // Five standard errors, the deviation being σ times an entry.
    let bound = 5.0 * sigma * largest / (runs as f64).sqrt();
    let furthest = values(&(mean - &x).unwrap().abs().unwrap()).into_iter().fold(0.0, f64::max);
    assert!(furthest < bound, "{furthest} of {bound}");
    assert!((square / draws / sigma.powi(2) - 1.0).abs() < 5.0 * (2.0 / draws).sqrt());
    assert!((below as f64 / draws - 0.5).abs() < 2.5 / draws.sqrt());
    // P(λ > 1) = 1 − Φ(1 / 1.5) = 0.2525.
    assert!((above as f64 / draws - 0.2525).abs() < 2.5 / draws.sqrt());
    // With σ = 0 nothing is added.
    let none = ChannelMixup::draw(1, 4, 0.0, &mut state).unwrap();
    close("x", &none.apply(&x).unwrap(), &x, 0.0);
}

/// A channel that does not move is forecast near where it stands, in numbers that are all finite; so are its slopes.
///
/// Planted: no ε. That turns this red.
#[test]
fn a_constant_channel_has_a_forecast() {
    let case = Case::load(true, DType::F64);
    let mut entries = values(&case.get("x"));
    for (place, value) in entries.iter_mut().enumerate() {
        if place % 5 == 2 {
            *value = 1e4;
        }
    }
    let x = Tensor::from_vec(entries, (2, 30, 5), &Device::Cpu).unwrap();
    let window = normalise(&x).unwrap();
    assert!(values(&window.x.narrow(2, 2, 1).unwrap()).iter().all(|value| *value == 0.0));
    assert!(
        values(&window.deviation.narrow(2, 2, 1).unwrap()).iter().all(|value| (value - 1e-5f64.sqrt()).abs() < 1e-12)
    );
    let y = case.model.forward(&x, None).unwrap();
    assert!(values(&y.narrow(2, 2, 1).unwrap()).iter().all(|value| (value - 1e4).abs() < 0.1), "{y}");
    let slopes = case.loss(&x).backward().unwrap();
    for weight in case.weights.all_vars() {
        assert!(values(slopes.get(&weight).unwrap()).iter().all(|slope| slope.is_finite()));
    }
}

/// The forecast moves with the window's place and scale.
#[test]
fn a_window_elsewhere_and_larger_has_its_forecast_there() {
    let case = Case::load(true, DType::F64);
    let (x, y) = (case.get("x"), case.get("y"));
    let moved = case.model.forward(&x.affine(50.0, -3.0).unwrap(), None).unwrap();
    // But for ε.
    close("y", &moved, &y.affine(50.0, -3.0).unwrap(), 1e-3);
}

/// Planted: masks drawn for a share of 0. That turns this red.
#[test]
fn dropout_is_for_training_alone() {
    let case = Case::load(true, DType::F64);
    let x = case.get("x");
    let run = |seed: u32| values(&case.model.forward(&x, Some(&mut RandomState::new(seed))).unwrap());
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    // A share of 0 silences nothing and draws nothing.
    let never = Config { dropout: 0.0, head_dropout: 0.0, ..case.config };
    let model = CMamba::new(&never, VarBuilder::from_varmap(&case.weights, DType::F64, &Device::Cpu)).unwrap();
    let mut state = RandomState::new(1);
    close("y", &model.forward(&x, Some(&mut state)).unwrap(), &case.expected["y"], 1e-12);
    assert_eq!(state.uniform(), RandomState::new(1).uniform());
}

/// From the published start, in f32, with mixup and dropout: waves of a day that begin anywhere, in channels of different
/// size.
#[test]
fn it_learns_waves() {
    let config = Config { pred_len: 24, enc_in: 2, d_model: 16, d_ff: 16, e_layers: 1, ..Config::paper() };
    let weights = config.initial(DType::F32, 1).unwrap();
    let model = CMamba::new(&config, VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu)).unwrap();
    let mut state = RandomState::new(5);
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
    let (x, target) = waves(&mut state);
    let error = || values(&mean_absolute(&model.forward(&x, None).unwrap(), &target))[0];
    let before = error();
    let params = ParamsAdamW { lr: 5e-3, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(weights.all_vars(), params).unwrap();
    for _ in 0..100 {
        let (x, target) = waves(&mut state);
        let mixup = ChannelMixup::draw(16, 2, 1.0, &mut state).unwrap();
        let y = model.forward(&mixup.apply(&x).unwrap(), Some(&mut state)).unwrap();
        adam.backward_step(&mean_absolute(&y, &mixup.apply(&target).unwrap())).unwrap();
    }
    let after = error();
    assert!(after < 0.3 * before, "{before} before, {after} after");
}

#[test]
fn one_channel_works_without_gddmlp_or_with_a_reduction_of_1() {
    let one = Config { enc_in: 1, gddmlp: false, ..small(false) };
    let x = random(&mut RandomState::new(1), &[3, 30, 1]);
    for config in [one, Config { gddmlp: true, reduction: 1, ..one }] {
        assert_eq!(started(&config, 2).forward(&x, None).unwrap().dims(), [3, 4, 1]);
    }
    let error = message(Config { gddmlp: true, ..one }.initial(DType::F64, 1).map(|_| ()));
    assert!(error.contains("set `gddmlp` to false"), "{error}");
}

/// Planted: finite numbers not asked for; the channel of one not told. Each turns this red.
#[test]
fn what_does_not_fit_is_refused_with_a_remedy() {
    let case = Case::load(true, DType::F64);
    let forward = |x: &Tensor| message(case.model.forward(x, None));
    for (place, value, index) in [(0, f64::NAN, [0, 0, 0]), (173, f64::INFINITY, [1, 4, 3])] {
        let mut entries = values(&case.get("x"));
        entries[place] = value;
        let x = Tensor::from_vec(entries, (2, 30, 5), &Device::Cpu).unwrap();
        let error = case.model.forward(&x, None).unwrap_err();
        assert!(matches!(&error, Error::NonFinite { arg: "x", index: at, .. } if *at == index), "{error}");
    }
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F64, &Device::Cpu).unwrap();
    for shape in [&[2, 31, 5][..], &[2, 30, 4], &[30, 5], &[0, 30, 5], &[2, 5, 30]] {
        assert!(forward(&zeros(shape)).contains("(batch above 0, 30, 5) is needed"));
    }
    assert!(forward(&zeros(&[2, 30, 5]).to_dtype(DType::F32).unwrap()).contains("F64 as the weights are"));

    let (block, gate) = case.model.layers().next().unwrap();
    assert!(message(block.forward(&zeros(&[2, 3, 7]))).contains("(sequences, patches, 8)"));
    assert!(message(gate.unwrap().forward(&zeros(&[2, 4, 3, 8]))).contains("(batch, 5, patches, features above 0)"));
    assert!(gate.unwrap().forward(&zeros(&[2, 5, 3, 0])).is_err());
    assert!(message(normalise(&zeros(&[2, 0, 3]))).contains("length above 0"));
    let window = normalise(&zeros(&[2, 4, 3])).unwrap();
    assert!(message(window.undo(&zeros(&[2, 9, 4]))).contains("(2, any length, 3), as was normalised,"));

    let mut state = RandomState::new(1);
    let mut mixup = ChannelMixup::draw(2, 3, 1.0, &mut state).unwrap();
    assert!(message(mixup.apply(&zeros(&[2, 9, 4]))).contains("(2, any length, 3)"));
    mixup.permutation[1] = 3;
    assert!(message(mixup.apply(&zeros(&[2, 9, 3]))).contains("below 3"));
    mixup.permutation.pop();
    assert!(message(mixup.apply(&zeros(&[2, 9, 3]))).contains("one entry a channel"));
    for (batch, channels, sigma) in [(0, 3, 1.0), (2, 0, 1.0), (2, 3, -1.0), (2, 3, f64::NAN), (2, 3, f64::INFINITY)] {
        message(ChannelMixup::draw(batch, channels, sigma, &mut state));
    }

    let paper = Config::paper();
    let refused = [
        (Config { seq_len: 7, ..paper }, "seq_len"),
        (Config { seq_len: 0, stride: 16, ..paper }, "seq_len"),
        (Config { pred_len: 0, ..paper }, "pred_len"),
        (Config { enc_in: 0, ..paper }, "enc_in"),
        (Config { d_model: 0, ..paper }, "d_model"),
        (Config { d_ff: 0, ..paper }, "d_ff"),
        (Config { e_layers: 0, ..paper }, "e_layers"),
        (Config { d_state: 0, ..paper }, "d_state"),
        (Config { dt_rank: 0, ..paper }, "dt_rank"),
        (Config { reduction: 0, ..paper }, "reduction"),
        (Config { reduction: 8, ..paper }, "reduction"),
        (Config { patch_len: 0, ..paper }, "patch_len"),
        (Config { stride: 0, ..paper }, "stride"),
        (Config { dropout: 1.0, ..paper }, "dropout"),
        (Config { head_dropout: f64::NAN, ..paper }, "head_dropout"),
    ];
    for (config, name) in refused {
        let error = message(config.parameters());
        assert!(error.starts_with(&format!("`{name}` is")), "{error}");
        assert_eq!(config.parameter_count(), 0);
        assert!(CMamba::new(&config, VarBuilder::zeros(DType::F64, &Device::Cpu)).is_err());
    }
    assert!(Config::paper().initial(DType::U32, 0).is_err());

    // A weight that is not there, and one of another model.
    let (data, name) = (case.weights.data(), "encoder.layers.1.mixer.A_log");
    let build = |config: &Config| {
        let tensors =
            data.lock().unwrap().iter().map(|(name, weight)| (name.clone(), weight.as_tensor().clone())).collect();
        let weights = VarBuilder::from_tensors(tensors, DType::F64, &Device::Cpu);
        CMamba::new(config, weights).map(|_| ())
    };
    // candle's own sentences, which may have a backtrace below.
    let refused = |config: &Config, word: &str| {
        let error = build(config).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(&Config { d_state: 3, ..case.config }, "encoder.layers.0.mixer.x_proj.weight");
    data.lock().unwrap().remove(name);
    refused(&case.config, name);
    let without = VarBuilder::from_tensors(HashMap::new(), DType::F64, &Device::Cpu);
    assert!(GddMlp::new(&case.config, without.clone()).is_err() && MMamba::new(&case.config, without).is_err());
}
