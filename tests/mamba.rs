//! The Mamba block and the language model around it, against transformers, and against themselves in other orders.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use mlnotes::Error;
use mlnotes::data::Reference;
use mlnotes::nn::mamba::{Config, LanguageModel, LanguageModelConfig, Mamba};
use mlnotes::nn::tasks::{Copying, InductionHeads};
use mlnotes::nn::{
    S4d, ScanInputs, causal_convolution, exponential_kernel, long_convolution, rms_norm, selective_scan,
};
use mlnotes::random::RandomState;
use mlnotes::ssm::s4::S4dInit;
use rustfft::num_complex::Complex;

fn folder() -> PathBuf {
    Reference::folder().join("mamba")
}

fn checkpoint() -> PathBuf {
    folder().join("model.safetensors")
}

fn expected() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder().join("expected.safetensors"), &Device::Cpu).unwrap()
}

pub fn random(random: &mut RandomState, shape: &[usize]) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| random.normal()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// Close at every place, by the largest entry's scale.
#[track_caller]
pub fn close(what: &str, got: &Tensor, want: &Tensor, tolerance: f64) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let (got, want) = (values(got), values(want));
    let scale = want.iter().fold(1e-3, |scale: f64, value| scale.max(value.abs()));
    let worst = got.iter().zip(&want).map(|(got, want)| (got - want).abs()).fold(0.0, f64::max);
    assert!(got.iter().all(|value| value.is_finite()) && worst <= tolerance * scale, "{what}: {worst:e} of {scale:e}");
}

/// The checkpoint's weights as variables.
fn variables() -> (HashMap<String, Var>, LanguageModel) {
    let weights = candle_core::safetensors::load(checkpoint(), &Device::Cpu).unwrap();
    let weights: HashMap<String, Var> = weights
        .into_iter()
        .map(|(name, weight)| (name.replace("embeddings", "embedding"), Var::from_tensor(&weight).unwrap()))
        .collect();
    let map = VarMap::new();
    map.data().lock().unwrap().extend(weights.clone());
    let config = *LanguageModel::load(&checkpoint(), DType::F64).unwrap().config();
    (weights, LanguageModel::new(&config, VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu)).unwrap())
}

fn tokens(expected: &HashMap<String, Tensor>) -> Tensor {
    expected["tokens"].to_dtype(DType::U32).unwrap()
}

/// Planted: C read where B stands; D left out; the gate without SiLU; the convolution one time late; a residual forgotten;
/// ε of 1e-6 in the norm. Each turns this red.
#[test]
fn a_checkpoint_gives_the_logits_of_transformers() {
    let expected = expected();
    let model = LanguageModel::load(&checkpoint(), DType::F64).unwrap();
    let block = Config::new(12).d_state(5).dt_rank(2);
    assert_eq!(*model.config(), LanguageModelConfig { vocab_size: 24, n_layer: 2, block });
    let logits = model.forward(&tokens(&expected).narrow(1, 0, 12).unwrap()).unwrap();
    close("logits", &logits, &expected["logits"], 1e-12);
    let single = LanguageModel::load(&checkpoint(), DType::F32).unwrap();
    let logits = single.forward(&tokens(&expected).narrow(1, 0, 12).unwrap()).unwrap();
    close("logits in f32", &logits, &expected["logits"], 1e-5);
}

#[test]
fn a_block_gives_the_result_and_slope_of_transformers() {
    let expected = expected();
    let (_, model) = variables();
    let x = Var::from_tensor(&expected["block.x"]).unwrap();
    let y = model.blocks().next().unwrap().forward(&x).unwrap();
    close("y", &y, &expected["block.y"], 1e-12);
    let slopes = (y * &expected["block.weight"]).unwrap().sum_all().unwrap().backward().unwrap();
    close("dx", slopes.get(&x).unwrap(), &expected["block.dx"], 1e-12);
}

/// Planted: the gradient of A for that of B's place on the chain; dz forgotten; the mean's term in the norm's gradient
/// left out; dweight of the convolution turned. Each turns this red.
#[test]
fn the_slope_by_every_weight_is_that_of_torch() {
    let expected = expected();
    let (weights, model) = variables();
    let tokens = tokens(&expected);
    let logits = model.forward(&tokens.narrow(1, 0, 12).unwrap()).unwrap().reshape((24, 24)).unwrap();
    let targets = tokens.narrow(1, 1, 12).unwrap().flatten_all().unwrap();
    let loss = candle_nn::loss::cross_entropy(&logits, &targets).unwrap();
    close("loss", &loss, &expected["loss"], 1e-12);
    let slopes = loss.backward().unwrap();
    for (name, weight) in &weights {
        let theirs = &expected[&format!("grad.{}", name.replace("embedding", "embeddings"))];
        close(name, slopes.get(weight).unwrap(), theirs, 1e-11);
    }
    assert_eq!(weights.len(), 22);
}

#[test]
fn greedy_words_are_those_of_transformers() {
    let greedy: Vec<u32> = expected()["greedy"].flatten_all().unwrap().to_dtype(DType::U32).unwrap().to_vec1().unwrap();
    let model = LanguageModel::load(&checkpoint(), DType::F64).unwrap();
    assert_eq!(model.generate_greedily(&greedy[..5], 12).unwrap(), greedy[5..]);
    let drawn = model.generate(&greedy[..5], 12, 0.8, 3).unwrap();
    assert_eq!(drawn, model.generate(&greedy[..5], 12, 0.8, 3).unwrap());
    assert_ne!(drawn, model.generate(&greedy[..5], 12, 0.8, 4).unwrap());
    // Hardly any chance is left.
    assert_eq!(model.generate(&greedy[..5], 12, 1e-6, 3).unwrap(), greedy[5..]);
    assert_eq!(model.generate_greedily(&[1], 0).unwrap(), [0u32; 0]);
}

/// Planted: the window taken from after the convolution; the state not handed on. Each turns this red.
#[test]
fn in_pieces_it_gives_the_same() {
    let expected = expected();
    let model = LanguageModel::load(&checkpoint(), DType::F64).unwrap();
    let tokens = tokens(&expected);
    let whole = model.forward(&tokens).unwrap();
    for pieces in [vec![1; 13], vec![13], vec![2, 11], vec![5, 1, 7]] {
        let mut memories = model.memories(2).unwrap();
        let mut start = 0;
        let mut parts = Vec::new();
        for length in pieces {
            parts.push(model.continue_from(&tokens.narrow(1, start, length).unwrap(), &mut memories).unwrap());
            start += length;
        }
        close("pieces", &Tensor::cat(&parts, 1).unwrap(), &whole, 1e-14);
        assert_eq!(memories[0].state.dims(), [2, 24, 5]);
        assert_eq!(memories[0].window.dims(), [2, 3, 24]);
    }
}

#[test]
fn a_memory_of_another_model_or_batch_is_refused() {
    let model = LanguageModel::load(&checkpoint(), DType::F64).unwrap();
    let tokens = Tensor::zeros((2, 3), DType::U32, &Device::Cpu).unwrap();
    let mut of_three = model.memories(3).unwrap();
    let error = model.continue_from(&tokens, &mut of_three).unwrap_err().to_string();
    assert!(error.contains("`memory.window` has the shape [3, 3, 24]"), "{error}");
    let mut smaller = model.memories(2).unwrap();
    smaller[1].state = smaller[1].state.narrow(2, 0, 4).unwrap();
    let error = model.continue_from(&tokens, &mut smaller).unwrap_err().to_string();
    assert!(error.contains("`memory.state` has the shape [2, 24, 4]"), "{error}");
}

/// A convolution of one token leaves nothing to keep in the window.
#[test]
fn a_window_of_nothing_works_in_pieces() {
    let config = Config::new(4).d_conv(1);
    let weights = config.initial(DType::F64, 2).unwrap();
    let block = Mamba::new(&config, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu)).unwrap();
    let x = random(&mut RandomState::new(3), &[2, 5, 4]);
    let mut memory = block.memory(2).unwrap();
    let parts = [(0, 2), (2, 1), (3, 2)]
        .map(|(start, length)| block.continue_from(&x.narrow(1, start, length).unwrap(), &mut memory).unwrap());
    close("pieces", &Tensor::cat(&parts, 1).unwrap(), &block.forward(&x).unwrap(), 1e-14);
}

#[test]
fn nothing_flows_back_from_a_later_token() {
    let (_, model) = variables();
    let x = Var::from_tensor(&expected()["block.x"]).unwrap();
    let y = model.blocks().next().unwrap().forward(&x).unwrap();
    let slopes = y.narrow(1, 3, 1).unwrap().sum_all().unwrap().backward().unwrap();
    let dx = slopes.get(&x).unwrap();
    assert!(values(&dx.narrow(1, 4, 3).unwrap()).iter().all(|slope| *slope == 0.0));
    assert!(values(&dx.narrow(1, 0, 4).unwrap()).iter().all(|slope| *slope != 0.0));
}

/// E-30: z is no second modality but a gate on the same token; without it nothing passes, whatever x is.
#[test]
fn without_z_nothing_passes() {
    let config = Config::new(4);
    let weights = config.initial(DType::F64, 1).unwrap();
    let d_inner = config.d_inner();
    {
        let map = weights.data().lock().unwrap();
        let both = map["in_proj.weight"].as_tensor();
        let upper = both.narrow(0, 0, d_inner).unwrap();
        let silenced = Tensor::cat(&[&upper, &upper.zeros_like().unwrap()], 0).unwrap();
        map["in_proj.weight"].set(&silenced).unwrap();
    }
    let block = Mamba::new(&config, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu)).unwrap();
    let u = random(&mut RandomState::new(1), &[1, 9, 4]);
    assert!(values(&block.forward(&u).unwrap()).iter().all(|y| *y == 0.0));
}

/// The start of the published code: Δ between 0.001 and 0.1, A = −1 … −N.
#[test]
fn the_initial_weights_are_as_published() {
    let config = Config::new(64);
    let weights = config.initial(DType::F64, 7).unwrap();
    let block = Mamba::new(&config, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu)).unwrap();
    for row in block.a().unwrap().to_vec2::<f64>().unwrap() {
        assert!(row.iter().enumerate().all(|(n, a)| (a + n as f64 + 1.0).abs() < 1e-12));
    }
    let map = weights.data().lock().unwrap();
    let delta: Vec<f64> = values(map["dt_proj.bias"].as_tensor()).iter().map(|bias| bias.exp().ln_1p()).collect();
    assert!(delta.iter().all(|delta| (0.001..0.1).contains(delta)));
    let mean = delta.iter().map(|delta| delta.ln()).sum::<f64>() / delta.len() as f64;
    // Log-uniform: the mean of 128 is within 5 standard errors of the middle.
    assert!((mean - (1e-4f64).ln() / 2.0).abs() < 5.0 * (100f64).ln() / (12.0 * 128.0f64).sqrt());
    // At Δ from the bias alone, a token of zeros dwells so long.
    drop(map);
    let still = block.delta(&Tensor::zeros((1, 1, 64), DType::F64, &Device::Cpu).unwrap()).unwrap();
    assert!(values(&still).iter().all(|delta| (0.0005..0.2).contains(delta)));
}

/// Planted: the gradients of A and B exchanged. That turns this red.
#[test]
fn each_input_of_the_scan_has_its_slope() {
    let mut state = RandomState::new(5);
    let (batch, length, channels, n) = (2, 5, 3, 2);
    let mut draw = |shape: &[usize]| random(&mut state, shape);
    let sequence = [batch, length, channels];
    let initial = draw(&[batch, channels, n]);
    let inputs = [
        draw(&sequence),
        draw(&sequence),
        draw(&[channels, n]).abs().unwrap().neg().unwrap(),
        draw(&[batch, length, n]),
        draw(&[batch, length, n]),
        draw(&[channels]),
        draw(&sequence),
        draw(&[channels]),
    ];
    slopes_are_right(&inputs, |inputs| {
        let [u, delta, a, b, c, d, z, bias] = inputs else { unreachable!() };
        let (d, z, delta_bias) = (Some(d), Some(z), Some(bias));
        let initial = Some(&initial);
        Ok(selective_scan(&ScanInputs { u, delta, a, b, c, d, z, delta_bias, softplus: true, initial })?.0)
    });
}

/// The slopes of a function of tensors, against finite differences of each entry.
#[track_caller]
fn slopes_are_right(inputs: &[Tensor], function: impl Fn(&[Tensor]) -> mlnotes::Result<Tensor>) {
    let variables: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
    let tensors: Vec<Tensor> = variables.iter().map(|input| input.as_tensor().clone()).collect();
    let shape = function(&tensors).unwrap().shape().clone();
    let weight = random(&mut RandomState::new(99), shape.dims());
    let loss = |inputs: &[Tensor]| (function(inputs).unwrap() * &weight).unwrap().sum_all().unwrap();
    let slopes = loss(&tensors).backward().unwrap();
    for (which, variable) in variables.iter().enumerate() {
        for (place, ours) in values(slopes.get(variable).unwrap()).iter().enumerate() {
            let at = |step: f64| {
                let mut moved = tensors.clone();
                let mut entries = values(&moved[which]);
                entries[place] += step;
                moved[which] = Tensor::from_vec(entries, moved[which].shape(), &Device::Cpu).unwrap();
                loss(&moved).to_scalar::<f64>().unwrap()
            };
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((ours - slope).abs() < 1e-7 * slope.abs().max(1.0), "{which} at {place}: {ours} and {slope}");
        }
    }
}

/// Planted: dK not turned back; du with the kernel of the next channel; ds without its l. Each turns this red.
#[test]
fn the_long_convolution_and_its_kernel_have_their_slopes() {
    let mut state = RandomState::new(8);
    let mut draw = |shape: &[usize]| random(&mut state, shape);
    for (length, taps) in [(6, 6), (6, 3), (3, 6), (1, 1)] {
        slopes_are_right(&[draw(&[2, length, 3]), draw(&[3, taps])], |t| long_convolution(&t[0], &t[1]));
    }
    let exponents = (draw(&[2, 3, 2]).abs().unwrap().neg().unwrap() * 0.3).unwrap();
    slopes_are_right(&[exponents.clone(), draw(&[2, 3, 2])], |t| exponential_kernel(&t[0], &t[1], 7));
    let (x, weight) = (draw(&[2, 3, 4]), draw(&[4]));
    slopes_are_right(&[x, weight], |t| rms_norm(&t[0], &t[1]));
    slopes_are_right(&[draw(&[2, 5, 3]), draw(&[3, 1, 4]), draw(&[3])], |t| causal_convolution(&t[0], &t[1], &t[2]));
}

/// K against its recurrence in complex numbers, for each way that A begins.
/// Planted: e^s − 1 as a difference. That turns this red.
#[test]
fn an_s4d_kernel_of_short_steps_keeps_the_digits_of_f32() {
    let kernel = |dtype: DType| {
        let drawn = S4d::initial(4, 8, S4dInit::Lin, (1e-4, 1e-3), DType::F32, 5).unwrap();
        let weights = drawn.data().lock().unwrap();
        let weights = weights.iter().map(|(name, weight)| (name.clone(), weight.to_dtype(dtype).unwrap())).collect();
        S4d::new(4, 8, VarBuilder::from_tensors(weights, dtype, &Device::Cpu)).unwrap().kernel(30).unwrap()
    };
    close("kernel", &kernel(DType::F32), &kernel(DType::F64), 2e-6);
}

#[test]
fn an_s4d_layer_is_its_recurrence() {
    let (channels, modes, length) = (3, 4, 20);
    let u = random(&mut RandomState::new(2), &[2, length, channels]);
    for initial in [S4dInit::Lin, S4dInit::Inv, S4dInit::Real] {
        let weights = S4d::initial(channels, modes, initial, (0.01, 0.1), DType::F64, 3).unwrap();
        let layer = S4d::new(channels, modes, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu)).unwrap();
        let map = weights.data().lock().unwrap();
        let of = |name: &str| values(map[name].as_tensor());
        let (log_dt, a_real, a_imag, c, d) = (of("log_dt"), of("log_A_real"), of("A_imag"), of("C"), of("D"));
        let (inputs, mut want) = (values(&u), vec![0.0; 2 * length * channels]);
        for (place, y) in want.iter_mut().enumerate() {
            let (channel, time) = (place % channels, place / channels % length);
            *y = d[channel] * inputs[place];
            for mode in 0..modes {
                let at = channel * modes + mode;
                let (a, step) = (Complex::new(-a_real[at].exp(), a_imag[at]), log_dt[channel].exp());
                let (keep, c) = ((a * step).exp(), Complex::new(c[2 * at], c[2 * at + 1]));
                let mut h = Complex::new(0.0, 0.0);
                for t in 0..=time {
                    h = keep * h + (keep - 1.0) / a * inputs[place - (time - t) * channels];
                }
                *y += 2.0 * (c * h).re;
            }
        }
        let want = Tensor::from_vec(want, u.shape(), &Device::Cpu).unwrap();
        close("y", &layer.forward(&u).unwrap(), &want, 1e-12);
        drop(map);
        let same = S4d::initial(channels, modes, initial, (0.01, 0.1), DType::F32, 3).unwrap();
        let single = S4d::new(channels, modes, VarBuilder::from_varmap(&same, DType::F32, &Device::Cpu)).unwrap();
        close("in f32", &single.forward(&u.to_dtype(DType::F32).unwrap()).unwrap(), &want, 1e-5);
    }
    assert!(S4d::initial(0, 4, S4dInit::Lin, (0.01, 0.1), DType::F64, 3).is_err());
    assert!(
        S4d::initial(3, 4, S4dInit::Lin, (0.1, 0.01), DType::F64, 3).err().unwrap().to_string().contains("in order")
    );
    assert!(S4d::initial(3, 4, S4dInit::Lin, (f64::NAN, 0.01), DType::F64, 3).is_err());
    assert!(long_convolution(&u, &random(&mut RandomState::new(2), &[2, 3])).is_err());
    assert!(exponential_kernel(&u, &u, 3).unwrap_err().to_string().contains("(channels, modes, 2)"));
}

/// Without selection: one kernel for all times, the same as its recurrence, and linear.
#[test]
fn the_block_without_selection_is_a_convolution_and_a_recurrence() {
    let config = Config::new(6).d_state(3).invariant();
    let weights = config.initial(DType::F64, 4).unwrap();
    let block = Mamba::new(&config, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu)).unwrap();
    let u = random(&mut RandomState::new(5), &[2, 9, 6]);
    let whole = block.forward(&u).unwrap();
    let mut memory = block.memory(2).unwrap();
    let parts: Vec<Tensor> = [(0, 4), (4, 5)]
        .map(|(start, length)| block.continue_from(&u.narrow(1, start, length).unwrap(), &mut memory).unwrap())
        .into();
    close("recurrence", &Tensor::cat(&parts, 1).unwrap(), &whole, 1e-13);
    let steps = values(&block.delta(&u).unwrap());
    assert!(steps.chunks(12).all(|row| row == &steps[..12]));
    let selective = Config::new(6).d_state(3);
    let chosen = selective.initial(DType::F64, 4).unwrap();
    let chosen = Mamba::new(&selective, VarBuilder::from_varmap(&chosen, DType::F64, &Device::Cpu)).unwrap();
    let steps = values(&chosen.delta(&u).unwrap());
    assert!(steps.chunks(12).any(|row| row != &steps[..12]));
    slopes_are_right(&[u], |t| block.forward(&t[0]));
}

/// Views, copies of one row and turned axes are read as what they show.
#[test]
fn tensors_that_are_not_contiguous_are_read_as_they_show() {
    let mut state = RandomState::new(6);
    let wide = random(&mut state, &[4, 3, 2]);
    let u = wide.permute((2, 0, 1)).unwrap();
    let a = Tensor::new(&[[-1.0], [-0.5], [-0.1]], &Device::Cpu).unwrap();
    let row = Tensor::ones((1, 4, 1), DType::F64, &Device::Cpu).unwrap();
    let b = row.broadcast_as((2, 4, 1)).unwrap();
    let scan = |u: &Tensor, b: &Tensor| {
        let delta = &u.abs().unwrap();
        let none = None;
        let inputs =
            ScanInputs { u, delta, a: &a, b, c: b, d: none, z: none, delta_bias: none, softplus: false, initial: none };
        selective_scan(&inputs).unwrap().0
    };
    close("views", &scan(&u, &b), &scan(&u.copy().unwrap(), &b.copy().unwrap()), 0.0);
    let turned = Var::from_tensor(&wide).unwrap();
    let y = scan(&turned.permute((2, 0, 1)).unwrap(), &b);
    assert_eq!(y.sum_all().unwrap().backward().unwrap().get(&turned).unwrap().dims(), [4, 3, 2]);
}

/// What a task asks is in its tokens, and nowhere else.
#[test]
fn tasks_ask_for_what_they_show() {
    let mut state = RandomState::new(3);
    for scattered in [false, true] {
        let task = Copying { length: 20, remembered: 5, symbols: 3, scattered };
        let (tokens, targets) = task.batch(50, &mut state).unwrap();
        let (tokens, targets) = (tokens.to_vec2::<u32>().unwrap(), targets.to_vec2::<u32>().unwrap());
        let mut places = std::collections::HashSet::new();
        for (tokens, targets) in tokens.iter().zip(&targets) {
            let shown: Vec<(usize, u32)> = tokens.iter().copied().enumerate().filter(|(_, token)| *token > 1).collect();
            assert_eq!(shown.iter().map(|(_, token)| *token).collect::<Vec<_>>(), *targets);
            assert!(tokens[20..].iter().all(|token| *token == 1) && !tokens[..20].contains(&1));
            places.extend(shown.iter().map(|(place, _)| *place));
        }
        assert_eq!(places.len(), if scattered { 20 } else { 5 });
        assert_eq!(targets.concat().into_iter().max(), Some(task.vocabulary() as u32 - 1));
    }
    let task = InductionHeads { length: 9, symbols: 4 };
    let (tokens, targets) = task.batch(200, &mut state).unwrap();
    let mut marks = std::collections::HashSet::new();
    for (tokens, target) in tokens.to_vec2::<u32>().unwrap().iter().zip(targets.to_vec1::<u32>().unwrap()) {
        let at: Vec<usize> = (0..9).filter(|place| tokens[*place] == 0).collect();
        assert_eq!((at.len(), at[1], tokens[at[0] + 1]), (2, 8, target));
        marks.insert(at[0]);
    }
    assert_eq!(marks.len(), 7);

    let copying = Copying { length: 4, remembered: 2, symbols: 3, scattered: true };
    let refused = [
        copying.batch(0, &mut state),
        Copying { remembered: 5, ..copying }.batch(1, &mut state),
        Copying { remembered: 0, ..copying }.batch(1, &mut state),
        Copying { symbols: 0, ..copying }.batch(1, &mut state),
        InductionHeads { length: 2, symbols: 3 }.batch(1, &mut state),
        InductionHeads { length: 3, symbols: 0 }.batch(1, &mut state),
    ];
    assert!(refused.iter().all(Result::is_err));
    assert!(InductionHeads { length: 3, symbols: 1 }.batch(1, &mut state).is_ok());
}

#[test]
fn what_does_not_fit_is_refused_with_a_remedy() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F64, &Device::Cpu).unwrap();
    let (u, a, b) = (zeros(&[1, 3, 2]), zeros(&[2, 4]), zeros(&[1, 3, 4]));
    let inputs = ScanInputs {
        u: &u,
        delta: &u,
        a: &a,
        b: &b,
        c: &b,
        d: None,
        z: None,
        delta_bias: None,
        softplus: false,
        initial: None,
    };
    assert!(selective_scan(&inputs).is_ok());
    let (short, single, half) = (zeros(&[1, 2, 4]), b.to_dtype(DType::F32).unwrap(), u.to_dtype(DType::BF16).unwrap());
    let (growing, none) = (zeros(&[2, 4]).affine(1.0, 0.5).unwrap(), zeros(&[2, 0]));
    let cases: [(ScanInputs<'_>, &str); 5] = [
        (ScanInputs { c: &short, ..inputs }, "`c` has the shape [1, 2, 4], but [1, 3, 4] is needed"),
        (ScanInputs { b: &single, ..inputs }, "`b` is F32, but the first input is F64"),
        (ScanInputs { u: &half, ..inputs }, "BF16"),
        (ScanInputs { a: &growing, ..inputs }, "grows without bound"),
        (ScanInputs { a: &none, b: &zeros(&[1, 3, 0]), c: &zeros(&[1, 3, 0]), ..inputs }, "state"),
    ];
    for (inputs, words) in cases {
        let error = selective_scan(&inputs).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    let (x, weight, bias) = (zeros(&[1, 3, 2]), zeros(&[2, 1, 4]), zeros(&[2]));
    assert!(causal_convolution(&x, &zeros(&[3, 1, 4]), &bias).unwrap_err().to_string().contains("(2, 1, width)"));
    assert!(causal_convolution(&x, &weight, &zeros(&[3])).is_err());
    assert!(causal_convolution(&x, &zeros(&[2, 1, 0]), &bias).is_err());
    assert_eq!(causal_convolution(&zeros(&[1, 0, 2]), &weight, &bias).unwrap().dims(), [1, 0, 2]);
    assert!(rms_norm(&x, &zeros(&[3])).unwrap_err().to_string().contains("[2] is needed"));
    assert!(values(&rms_norm(&x, &zeros(&[2])).unwrap()).iter().all(|y| *y == 0.0));

    for config in [Config::new(0), Config::new(4).d_state(0), Config::new(4).d_conv(0), Config::new(4).dt_rank(0)] {
        assert!(matches!(config.initial(DType::F64, 0), Err(Error::Domain { .. })));
    }
    assert!(Config::new(4).initial(DType::U32, 0).is_err());

    let model = LanguageModel::load(&checkpoint(), DType::F64).unwrap();
    let tokens = Tensor::new(&[[1u32, 24]], &Device::Cpu).unwrap();
    assert!(model.forward(&tokens).unwrap_err().to_string().contains("below the vocabulary's size, 24"));
    assert!(model.generate_greedily(&[], 3).unwrap_err().to_string().contains("at least one token"));
    assert!(model.generate(&[1], 3, 0.0, 1).unwrap_err().to_string().contains("generate_greedily"));
    let tokens = Tensor::new(&[[1u32, 2]], &Device::Cpu).unwrap();
    assert!(model.continue_from(&tokens, &mut Vec::new()).unwrap_err().to_string().contains("one a layer"));
    assert!(model.continue_from(&tokens, &mut model.memories(3).unwrap()).is_err());
    // One token of nothing before it, and no token at all.
    assert_eq!(model.forward(&tokens.narrow(1, 0, 1).unwrap()).unwrap().dims(), [1, 1, 24]);
}

#[test]
fn a_file_that_is_no_checkpoint_is_refused_with_what_is_missing() {
    let folder = std::env::temp_dir().join(format!("mlnotes-mamba-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("model.safetensors");
    let refused = |words: &str| {
        let error = LanguageModel::load(&path, DType::F32).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("model.safetensors"), "{error}");
    };
    refused("No such file");
    std::fs::write(&path, "{}").unwrap();
    refused("safetensors is needed");
    let mut weights = candle_core::safetensors::load(checkpoint(), &Device::Cpu).unwrap();
    let mut with = |name: &str, weight: Option<Tensor>| {
        let old = match weight {
            Some(weight) => weights.insert(name.to_owned(), weight),
            None => weights.remove(name),
        };
        candle_core::safetensors::save(&weights, &path).unwrap();
        old
    };
    let missing = "backbone.layers.1.mixer.out_proj.weight";
    let old = with(missing, None);
    refused("layers.1.mixer.out_proj.weight");
    with(missing, Some(old.as_ref().unwrap().narrow(1, 0, 3).unwrap().contiguous().unwrap()));
    refused("shape mismatch for backbone.layers.1.mixer.out_proj.weight");
    with(missing, old);
    with("backbone.layers.0.mixer.in_proj.bias", Some(Tensor::zeros(48, DType::F64, &Device::Cpu).unwrap()));
    refused("in_proj.bias");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A checkpoint of another name for the embedding and with a way out of its own.
#[test]
fn both_names_of_the_embedding_are_known() {
    let mut weights = candle_core::safetensors::load(checkpoint(), &Device::Cpu).unwrap();
    let embedding = weights.remove("backbone.embeddings.weight").unwrap();
    weights.insert("lm_head.weight".to_owned(), embedding.affine(2.0, 0.0).unwrap());
    weights.insert("backbone.embedding.weight".to_owned(), embedding);
    let path = std::env::temp_dir().join(format!("mlnotes-mamba-{}.safetensors", std::process::id()));
    candle_core::safetensors::save(&weights, &path).unwrap();
    let model = LanguageModel::load(&path, DType::F64).unwrap();
    std::fs::remove_file(&path).unwrap();
    let expected = expected();
    let logits = model.forward(&tokens(&expected).narrow(1, 0, 12).unwrap()).unwrap();
    close("logits", &logits, &expected["logits"].affine(2.0, 0.0).unwrap(), 1e-12);
}
