//! The selective scan on a GPU as candle's graph sees it, run by the emulator: choice of the version, arguments, kernels,
//! gradients on their way back, against the same scan on the CPU in f64. With a GPU (feature `candle-cuda`) the same there.

use std::sync::{Arc, LazyLock};

use candle_core::{DType, Device, Tensor, Var};
use mlnotes::kernels::emulate::{Module, Order};
use mlnotes::kernels::selective_scan::Version;
use mlnotes::kernels::{Role, SELECTIVE_SCAN};
use mlnotes::nn::{ScanInputs, emulated_selective_scan, selective_scan};
use mlnotes::random::RandomState;
use mlnotes::ssm::selective::Shape;

/// The sentence of an error; where RUST_BACKTRACE is set candle adds lines to it.
#[track_caller]
fn message<T>(result: mlnotes::Result<T>) -> String {
    let Err(error) = result else { panic!("this input must be refused") };
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

static MODULE: LazyLock<Arc<Module>> = LazyLock::new(|| Arc::new(Module::load(SELECTIVE_SCAN).unwrap()));

const ORDERS: [Order; 2] = [Order { seed: 0, resident: 4 }, Order { seed: 1, resident: 8 }];

const NAMES: [&str; 9] = ["u", "delta", "a", "b", "c", "d", "z", "delta_bias", "initial"];

/// The inputs in the order of [`NAMES`]; `sequences` and `rest` are the kinds of numbers they are rounded to.
struct Case {
    tensors: [Tensor; 9],
    all: bool,
}

impl Case {
    fn new([batch, length, channels, state]: [usize; 4], all: bool, sequences: DType, rest: DType) -> Self {
        let mut random = RandomState::new((batch + 10 * length + 1000 * channels + 100_000 * state) as u32);
        let mut draw = |shape: &[usize], dtype: DType, by: fn(f64) -> f64| {
            let values: Vec<f64> = (0..shape.iter().product()).map(|_| by(random.normal())).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
        };
        let (sequence, projection) = ([batch, length, channels], [batch, length, state]);
        // Small steps, so that states live long and a wrong decay shows.
        let step: fn(f64) -> f64 = if all { |x| x - 3.0 } else { |x| x.abs() / 16.0 };
        let tensors = [
            draw(&sequence, sequences, |x| x),
            draw(&sequence, sequences, step),
            draw(&[channels, state], rest, |x| -x.abs() - 0.1),
            draw(&projection, sequences, |x| x),
            draw(&projection, sequences, |x| x),
            draw(&[channels], rest, |x| x),
            draw(&sequence, sequences, |x| x),
            draw(&[channels], rest, |x| x),
            draw(&[batch, channels, state], rest, |x| x),
        ];
        Self { tensors, all }
    }

    fn inputs<'a>(&self, [u, delta, a, b, c, d, z, bias, initial]: [&'a Tensor; 9]) -> ScanInputs<'a> {
        let given = |tensor: &'a Tensor| self.all.then_some(tensor);
        let (d, z, delta_bias, initial) = (given(d), given(z), given(bias), given(initial));
        ScanInputs { u, delta, a, b, c, d, z, delta_bias, softplus: self.all, initial }
    }
}

type Scanned = mlnotes::Result<(Tensor, Tensor)>;

fn emulated(order: Order) -> impl Fn(&ScanInputs<'_>) -> Scanned {
    move |inputs| emulated_selective_scan(inputs, &MODULE, order)
}

#[track_caller]
fn close(what: &str, got: &Tensor, want: &Tensor, tolerance: f64) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let values = |tensor: &Tensor| -> Vec<f64> {
        let tensor = tensor.to_device(&Device::Cpu).unwrap().flatten_all().unwrap();
        tensor.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    };
    let (got, want) = (values(got), values(want));
    let scale = want.iter().fold(1.0_f64, |scale, want| scale.max(want.abs()));
    for (place, (got, want)) in got.iter().zip(&want).enumerate() {
        // NaN is near nothing.
        assert!((got - want).abs() <= tolerance * scale, "{what} at {place}: {got}, not {want}");
    }
}

/// y, the last state and the gradients of those inputs in `tracked`, by `scan` on `device` and by the CPU in f64.
#[track_caller]
fn agrees(what: &str, case: &Case, tracked: &[&str], device: &Device, scan: impl Fn(&ScanInputs<'_>) -> Scanned) {
    let run = |to: &dyn Fn(&Tensor) -> Tensor, scan: &dyn Fn(&ScanInputs<'_>) -> Scanned| {
        let variables = case.tensors.each_ref().map(|tensor| Var::from_tensor(&to(tensor)).unwrap());
        let constants = case.tensors.each_ref().map(to);
        let place = |i: usize| if tracked.contains(&NAMES[i]) { variables[i].as_tensor() } else { &constants[i] };
        let inputs = std::array::from_fn(place);
        let (y, last) = scan(&case.inputs(inputs)).unwrap_or_else(|error| panic!("{what}: {error}"));
        // Any weights will do that are the same on both sides, and exact in bf16.
        let weights: Vec<f64> = (0..y.elem_count()).map(|i| (i % 7) as f64 / 4.0 - 0.75).collect();
        let weights = Tensor::from_vec(weights, y.dims(), &Device::Cpu).unwrap();
        let weights = weights.to_dtype(y.dtype()).unwrap().to_device(y.device()).unwrap();
        let slopes = (&y * weights).unwrap().sum_all().unwrap().backward().unwrap();
        let of = |i: usize| slopes.get(&variables[i]).cloned();
        (y, last, (0..8).map(of).collect::<Vec<_>>())
    };
    let (y, last, slopes) = run(&|tensor| tensor.to_device(device).unwrap(), &scan);
    let (want_y, want_last, want) = run(&|tensor| tensor.to_dtype(DType::F64).unwrap(), &selective_scan);
    let [sequences, rest] = [0, 2].map(|i| case.tensors[i].dtype());
    // Of a bfloat16's 8 bits of mantissa the last may differ.
    let tolerance = |dtype: DType| if dtype == DType::BF16 { 1.0 / 256.0 } else { 5e-5 };
    assert_eq!((y.dtype(), last.dtype()), (sequences, sequences));
    close(&format!("y, {what}"), &y, &want_y, tolerance(sequences));
    close(&format!("last, {what}"), &last, &want_last, tolerance(sequences));
    for (i, (slope, want)) in slopes.iter().zip(&want).enumerate() {
        let what = format!("d{}, {what}", NAMES[i]);
        let (Some(slope), Some(want)) = (slope, want) else {
            assert!(slope.is_none() && want.is_none(), "{what}");
            continue;
        };
        let dtype = if matches!(NAMES[i], "a" | "d" | "delta_bias") { rest } else { sequences };
        assert_eq!(slope.dtype(), dtype, "{what}");
        close(&what, slope, want, tolerance(dtype));
    }
}

/// (batch, length, channels, state): one of each; ragged; more than a block of channels; states of the wide kernels.
const SHAPES: [[usize; 4]; 5] = [[1, 1, 1, 1], [2, 31, 3, 5], [1, 33, 20, 16], [2, 7, 130, 3], [1, 9, 5, 64]];

const DTYPES: [(DType, DType); 3] = [(DType::F32, DType::F32), (DType::BF16, DType::BF16), (DType::BF16, DType::F32)];

/// Planted: dC handed to B, the bias's gradient to D, Δ's to z; dy where u stands; an interval of states too few; no states
/// kept; the state at the start forgotten; bf16 named f32. Each turns this red.
#[test]
fn kernels_give_the_scan_and_every_slope() {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        for (sequences, rest) in DTYPES {
            let case = Case::new(shape, i % 2 == 1, sequences, rest);
            for order in ORDERS {
                let what = format!("{shape:?}, {sequences:?} and {rest:?}, {order:?}");
                agrees(&what, &case, &NAMES, &Device::Cpu, emulated(order));
            }
        }
    }
}

/// A gradient that is asked for alone comes, and no other.
#[test]
fn each_slope_comes_alone() {
    let case = Case::new([2, 11, 3, 2], true, DType::F32, DType::F32);
    for name in &NAMES[..8] {
        agrees(name, &case, &[name], &Device::Cpu, emulated(Order::default()));
    }
}

/// Without gradients: time in chunks, a state beyond registers, one step; and what the version is.
#[test]
fn every_version_that_is_chosen_gives_the_scan() {
    let chunked = Version::Chunked { chunks: 4 };
    for (shape, version) in [
        ([1, 130, 5, 3], chunked),
        ([1, 129, 2, 20], chunked),
        ([2, 140, 6, 80], Version::WarpScan),
        ([3, 1, 2, 2], Version::Fused),
    ] {
        let [batch, length, channels, state] = shape;
        assert_eq!(Version::for_device(Shape { batch, length, channels, state }, 8), version);
        for (sequences, rest) in DTYPES {
            let case = Case::new(shape, true, sequences, rest);
            for order in ORDERS {
                agrees(&format!("{shape:?}, {sequences:?}, {order:?}"), &case, &[], &Device::Cpu, emulated(order));
            }
        }
    }
}

/// Views, one row for many and turned axes are read as what they show.
#[track_caller]
fn views_are_what_they_show(device: &Device, scan: impl Fn(&ScanInputs<'_>) -> Scanned) {
    let Case { tensors, all } = Case::new([2, 9, 4, 3], true, DType::F32, DType::F32);
    let mut tensors = tensors.map(|tensor| tensor.to_device(device).unwrap());
    tensors[0] = tensors[0].permute((2, 0, 1)).unwrap().contiguous().unwrap().permute((1, 2, 0)).unwrap();
    assert!(!tensors[0].is_contiguous());
    tensors[3] = tensors[3].narrow(1, 0, 1).unwrap().broadcast_as((2, 9, 3)).unwrap();
    // Further on in memory, by a vector of four and by less.
    for (place, by) in [(6, 1), (1, 4)] {
        let first = Tensor::zeros(by, DType::F32, device).unwrap();
        let shifted = Tensor::cat(&[&first, &tensors[place].flatten_all().unwrap()], 0).unwrap();
        tensors[place] = shifted.narrow(0, by, 2 * 9 * 4).unwrap().reshape((2, 9, 4)).unwrap();
        assert_eq!(tensors[place].layout().start_offset(), by);
    }
    let case = Case { tensors, all };
    let (y, _) = scan(&case.inputs(case.tensors.each_ref())).unwrap();
    let copies = case.tensors.each_ref().map(|tensor| tensor.force_contiguous().unwrap());
    let (want, _) = scan(&case.inputs(copies.each_ref())).unwrap();
    close("views", &y, &want, 0.0);
}

#[test]
fn views_are_read_as_they_show() {
    views_are_what_they_show(&Device::Cpu, emulated(Order::default()));
}

#[test]
fn what_the_kernels_do_not_take_is_refused_with_a_remedy() {
    let case = |shape, dtype| Case::new(shape, true, dtype, dtype);
    let scan = |case: &Case| emulated_selective_scan(&case.inputs(case.tensors.each_ref()), &MODULE, Order::default());
    let single = case([1, 2, 3, 2], DType::F32);
    assert!(scan(&single).is_ok());
    let text = message(scan(&case([1, 2, 3, 2], DType::F64)));
    assert!(text.contains("f32 and bf16, `u` is F64") && text.contains("`to_dtype`"), "{text}");
    let text = message(scan(&case([1, 2, 3, 97], DType::F32)));
    assert!(text.contains("97 states") && text.contains("at most 96: `to_device"), "{text}");
    let wide = case([1, 2, 3, 65], DType::F32);
    assert!(scan(&wide).is_ok());
    let u = Var::from_tensor(&wide.tensors[0]).unwrap();
    let tracked = ScanInputs { u: &u, ..wide.inputs(wide.tensors.each_ref()) };
    let text = message(emulated_selective_scan(&tracked, &MODULE, Order::default()));
    assert!(text.contains("at most 64 where gradients are asked for"), "{text}");
    for shape in [[0, 2, 3, 2], [1, 0, 3, 2], [1, 2, 0, 2], [1, 2, 3, 0]] {
        let text = message(scan(&case(shape, DType::F32)));
        assert!(text.contains("at least one"), "{text}");
    }
    for (place, name) in NAMES.iter().enumerate().skip(1) {
        let mut case = case([1, 2, 3, 2], DType::F32);
        case.tensors[place] = case.tensors[place].to_dtype(DType::BF16).unwrap();
        let text = message(scan(&case));
        assert!(text.contains(&format!("`{name}` is BF16, but `u` is F32")), "{text}");
        case.tensors[place] = Tensor::zeros((5, 5), DType::F32, &Device::Cpu).unwrap();
        let text = message(scan(&case));
        assert!(text.contains(&format!("`{name}` has the shape [5, 5]")), "{text}");
    }
}

/// Kernels that were broken are found out, forward and backward, and the sentence reaches who called.
#[test]
fn a_broken_kernel_ends_with_the_emulators_sentence() {
    let edited = |what: &str, instead: &str| {
        assert!(SELECTIVE_SCAN.text.contains(what));
        Arc::new(Module::compile("broken.cu", &SELECTIVE_SCAN.text.replace(what, instead)).unwrap())
    };
    let case = Case::new([1, 9, 3, 2], true, DType::F32, DType::F32);
    let module =
        edited("long long at = in.at(b, t, c);\n    float step", "long long at = in.at(b, t + 1, c);\n    float step");
    let text = message(emulated_selective_scan(&case.inputs(case.tensors.each_ref()), &module, Order::default()));
    assert!(text.contains("the kernel `selective_scan_v2` reads delta[27]"), "{text}");
    let module = edited("g[k] = to_float(dy[at]);", "g[k] = to_float(dy[at + 1]);");
    let u = Var::from_tensor(&case.tensors[0]).unwrap();
    let inputs = ScanInputs { u: &u, ..case.inputs(case.tensors.each_ref()) };
    let (y, _) = emulated_selective_scan(&inputs, &module, Order::default()).unwrap();
    let text = y.sum_all().unwrap().backward().unwrap_err().to_string();
    assert!(text.contains("the kernel `selective_scan_b2` reads dy[27]"), "{text}");
}

/// The outlines ask for nothing but what a scan is given, and say of each slot how long it is.
#[test]
fn outlines_name_what_they_need() {
    use mlnotes::kernels::selective_scan::{Given, Precision, outline_backward, outline_forward};

    let shape = Shape { batch: 2, length: 9, channels: 3, state: 4 };
    let none = Given {
        shape,
        precision: Precision::F32,
        softplus: false,
        d: false,
        z: false,
        delta_bias: false,
        initial: false,
    };
    let inputs = |outline: &mlnotes::kernels::Outline| -> Vec<(&'static str, usize)> {
        outline.slots().iter().filter(|slot| slot.role == Role::Input).map(|slot| (slot.name, slot.len)).collect()
    };
    let few = [("u", 54), ("delta", 54), ("A", 12), ("B", 72), ("C", 72)];
    let forward = outline_forward(Version::Fused, none, true).unwrap();
    assert_eq!(inputs(&forward), few);
    // A state of each of the 9 steps' 2 intervals.
    assert_eq!(forward.slots().iter().find(|slot| slot.name == "saved").unwrap().len, 2 * 2 * 3 * 4);
    assert_eq!(inputs(&outline_backward(none).unwrap())[5..], [("saved", 48), ("dy", 54)]);
    let all = Given { d: true, z: true, delta_bias: true, initial: true, ..none };
    let more = [("D", 3), ("z", 54), ("delta_bias", 3), ("initial", 24)];
    assert_eq!(inputs(&outline_backward(all).unwrap())[5..9], more);
    assert!(message(outline_forward(Version::WarpScan, none, true)).contains("Fused"));
}

#[cfg(not(feature = "candle-cuda"))]
#[test]
fn without_the_feature_asking_for_a_gpu_says_so() {
    let text = message(mlnotes::nn::gpu(0));
    assert!(text.starts_with("no GPU can be used: ") && text.contains("`candle-cuda`"), "{text}");
}

#[cfg(feature = "candle-cuda")]
mod cuda {
    use candle_nn::VarBuilder;
    use mlnotes::nn::mamba::{LanguageModel, LanguageModelConfig};
    use mlnotes::nn::{causal_convolution, gpu, mamba, rms_norm, weights_on};

    use super::*;

    /// The device, or the sentence that says why there is none.
    fn device() -> Option<Device> {
        match gpu(0) {
            Ok(device) => Some(device),
            Err(error) => {
                let text = error.to_string();
                assert!(text.starts_with("no GPU can be used: "), "{text}");
                None
            }
        }
    }

    /// Planted (with the stand-in for a driver): sums added to memory that was not set to 0; B's address given for C; the
    /// kept states of nobody. Each turns this red.
    #[test]
    fn a_gpu_gives_the_scan_and_every_slope() {
        let Some(device) = device() else { return };
        for (sequences, rest) in DTYPES {
            for (i, shape) in SHAPES.into_iter().enumerate() {
                let case = Case::new(shape, i % 2 == 1, sequences, rest);
                agrees(&format!("{shape:?}, {sequences:?}"), &case, &NAMES, &device, selective_scan);
            }
            for shape in [[1, 4096, 5, 3], [1, 4097, 2, 20], [2, 140, 6, 80], [3, 1, 2, 2]] {
                let case = Case::new(shape, true, sequences, rest);
                agrees(&format!("{shape:?}, {sequences:?}"), &case, &[], &device, selective_scan);
            }
        }
    }

    /// Planted: the start of a view forgotten. That turns this red.
    #[test]
    fn a_gpu_reads_views_as_they_show() {
        let Some(device) = device() else { return };
        views_are_what_they_show(&device, selective_scan);
    }

    /// By the largest entry, however small it is.
    #[track_caller]
    fn near(what: &str, got: &Tensor, want: &Tensor, tolerance: f64) {
        let norm = |tensor: &Tensor| {
            let largest = tensor.abs().unwrap().flatten_all().unwrap().max(0).unwrap();
            largest.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap()
        };
        let got = got.to_device(&Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
        // candle's maximum passes NaN over, its sum does not.
        assert!(got.sum_all().unwrap().to_scalar::<f32>().unwrap().is_finite(), "{what} is not finite");
        let (worst, largest) = (norm(&(got - want).unwrap()), norm(want));
        assert!(largest > 0.0 && worst <= tolerance * largest, "{what}: {worst:e} of {largest:e}");
    }

    /// One model on both, in f32: logits, the gradient of every weight, words; and in bf16 logits. Planted: words made on
    /// the CPU. That turns this red.
    #[test]
    fn a_model_on_a_gpu_is_the_model_on_the_cpu() {
        let Some(device) = device() else { return };
        let config = LanguageModelConfig { vocab_size: 11, n_layer: 2, block: mamba::Config::new(16) };
        let weights = config.initial(DType::F32, 3).unwrap();
        let tokens = Tensor::from_vec((0..40u32).map(|i| i * i % 11).collect(), (2, 20), &Device::Cpu).unwrap();
        let run = |device: &Device| {
            let weights = weights_on(device, &weights).unwrap();
            let model = LanguageModel::new(&config, VarBuilder::from_varmap(&weights, DType::F32, device)).unwrap();
            let logits = model.forward(&tokens.to_device(device).unwrap()).unwrap();
            let slopes = logits.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let of = |name: &String, weight: &Var| (name.clone(), slopes.get(weight).cloned().unwrap());
            let all: std::collections::BTreeMap<_, _> =
                weights.data().lock().unwrap().iter().map(|(name, weight)| of(name, weight)).collect();
            (logits, all, model.generate_greedily(&[1, 2, 3], 8).unwrap())
        };
        let ((logits, slopes, words), (want_logits, want_slopes, want_words)) = (run(&device), run(&Device::Cpu));
        near("logits", &logits, &want_logits, 1e-4);
        for (name, want) in &want_slopes {
            near(name, &slopes[name], want, 1e-3);
        }
        assert_eq!(words, want_words);

        let tensors = weights.data().lock().unwrap();
        let tensors = tensors.iter().map(|(name, weight)| (name.clone(), weight.as_tensor().clone())).collect();
        let halves = VarBuilder::from_tensors(tensors, DType::BF16, &device);
        let logits = LanguageModel::new(&config, halves).unwrap().forward(&tokens.to_device(&device).unwrap()).unwrap();
        assert_eq!(logits.dtype(), DType::BF16);
        // Some ten roundings to 8 bits one after the other.
        near("logits in bf16", &logits, &want_logits, 0.05);
    }

    #[test]
    fn what_a_gpu_does_not_take_is_refused() {
        let Some(device) = device() else { return };
        let mut case = Case::new([1, 2, 3, 2], false, DType::F64, DType::F64);
        case.tensors = case.tensors.map(|tensor| tensor.to_device(&device).unwrap());
        let text = message(selective_scan(&case.inputs(case.tensors.each_ref())));
        assert!(text.contains("f32 and bf16"), "{text}");
        let mut case = Case::new([1, 2, 3, 2], false, DType::F32, DType::F32);
        case.tensors[0] = case.tensors[0].to_device(&device).unwrap();
        assert!(message(selective_scan(&case.inputs(case.tensors.each_ref()))).contains("`to_device` moves it"));
        let x = &case.tensors[0];
        let (weight, bias) = (x.narrow(1, 0, 1).unwrap().reshape((3, 1, 1)).unwrap(), case.tensors[5].clone());
        assert!(message(causal_convolution(x, &weight, &bias)).contains("`to_device` moves it"));
        assert!(message(rms_norm(x, &bias)).contains("`to_device` moves it"));
        let kernel = x.get(0).unwrap().t().unwrap();
        assert!(message(mlnotes::nn::long_convolution(x, &kernel)).contains("`to_device(&Device::Cpu)`"));
    }
}
