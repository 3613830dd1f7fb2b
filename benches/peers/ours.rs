//! Our side of `benches/peers/run`: a process that computes what it is told on standard input.
//!
//! Commands, one a line: `answer <topic> <workload> <threads>` prints the result's numbers on one line; `time <topic>
//! <workload> <threads> <count>` runs it that often and prints the mean in milliseconds. `cargo bench` alone only lists the workloads.

use std::cell::RefCell;
use std::hint::black_box;
use std::io::BufRead;
use std::time::Instant;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarMap;
use mlnotes::Result;
use mlnotes::forecast::experiment::Adam;
use mlnotes::gaussian::{Covariance, Gaussians, Spread};
use mlnotes::hmm::{BaumWelch, Categorical, Chain, Gaussian, Hmm};
use mlnotes::mixture::{GaussianEm, GaussianMixture};
use mlnotes::nn::cmamba::{ChannelMixup, Config, Fused};
use mlnotes::nn::{Loss, ScanInputs, selective_scan};
use mlnotes::prelude::*;
use mlnotes::ssm::kalman::Kalman;
use mlnotes::ssm::lti::Convolution;
use mlnotes::ssm::selective::{
    Gradients, Inputs, Kept, Shape, Step, Token, selective_scan_backward_kept, selective_scan_into,
    selective_scan_keeping,
};
use mlnotes::variational::lda::{Corpus, Lda};

/// One workload: the data made ready once, then the part that is timed.
type Workload = Box<dyn Fn() -> Result<Vec<f64>>>;

const WORKLOADS: [(&str, &str); 26] = [
    ("perceptron", "iris_20_epochs"),
    ("mlp", "iris_50_epochs"),
    ("hmm", "learn_categorical"),
    ("hmm", "learn_gaussian"),
    ("hmm", "viterbi"),
    ("hmm", "likelihood_1e7"),
    ("mixture", "full_50k_8_8"),
    ("mixture", "full_1M_2_5"),
    ("kalman", "local_level"),
    ("kalman", "tracking"),
    ("lti", "convolve_16k"),
    ("lti", "convolve_16k_64"),
    ("lti", "convolve_2k_256"),
    ("lda", "batch_2k_5k_20"),
    ("lda", "online_2k_5k_20"),
    ("selective", "forward_1_2048_256"),
    ("selective", "forward_4_1024_256"),
    ("selective", "forward_448_12_128"),
    ("selective", "train_1_2048_256"),
    ("selective", "train_4_1024_256"),
    ("selective", "train_448_12_128"),
    ("selective", "candle_1_2048_256"),
    ("selective", "candle_4_1024_256"),
    ("selective", "candle_448_12_128"),
    ("selective", "step_1536"),
    ("cmamba", "iteration_etth1_96"),
];

fn workload(topic: &str, name: &str, threads: usize) -> Result<Option<Workload>> {
    Ok(match (topic, name) {
        ("perceptron", "iris_20_epochs") => Some(perceptron()?),
        ("mlp", "iris_50_epochs") => Some(mlp()?),
        ("hmm", "learn_categorical") => Some(learn_categorical()?),
        ("hmm", "learn_gaussian") => Some(learn_gaussian()?),
        ("hmm", "viterbi") => Some(viterbi()?),
        ("hmm", "likelihood_1e7") => Some(likelihood()?),
        ("mixture", "full_50k_8_8") => Some(mixture(50_000, 8, 8)?),
        ("mixture", "full_1M_2_5") => Some(mixture(1_000_000, 2, 5)?),
        ("kalman", "local_level") => Some(kalman(Kalman::local_level(0.1, 1.0, 0.0, 10.0)?)?),
        ("kalman", "tracking") => Some(kalman(Kalman::constant_velocity(1.0, 0.1, 1.0, [0.0; 4], 10.0)?)?),
        ("lti", "convolve_16k") => Some(convolution(16_384, 1)?),
        ("lti", "convolve_16k_64") => Some(convolution(16_384, 64)?),
        ("lti", "convolve_2k_256") => Some(convolution(2_048, 256)?),
        ("lda", "batch_2k_5k_20") => Some(lda(false)?),
        ("lda", "online_2k_5k_20") => Some(lda(true)?),
        ("selective", "forward_1_2048_256") => Some(Scan::new(1, 2048, 256).forward(threads)),
        ("selective", "forward_4_1024_256") => Some(Scan::new(4, 1024, 256).forward(threads)),
        ("selective", "forward_448_12_128") => Some(Scan::new(448, 12, 128).forward(threads)),
        ("selective", "train_1_2048_256") => Some(Scan::new(1, 2048, 256).train(threads)?),
        ("selective", "train_4_1024_256") => Some(Scan::new(4, 1024, 256).train(threads)?),
        ("selective", "train_448_12_128") => Some(Scan::new(448, 12, 128).train(threads)?),
        ("selective", "candle_1_2048_256") => Some(Scan::new(1, 2048, 256).in_candle()?),
        ("selective", "candle_4_1024_256") => Some(Scan::new(4, 1024, 256).in_candle()?),
        ("selective", "candle_448_12_128") => Some(Scan::new(448, 12, 128).in_candle()?),
        ("selective", "step_1536") => Some(Scan::new(1, 1, 1536).step()?),
        ("cmamba", "iteration_etth1_96") => Some(cmamba(threads)?),
        _ => None,
    })
}

/// The notes' training: every epoch is run, though setosa's unit is done after a few.
fn perceptron() -> Result<Workload> {
    let iris = iris();
    let split = train_test_split(&iris.features, &iris.targets, 0.2, 42)?;
    let options = Perceptron::new().learning_rate(0.1).epochs(20).start_uniform(42).early_stop(false);
    Ok(Box::new(move || {
        let model = options.fit_one_vs_rest(black_box(&split.x_train), &split.y_train)?;
        Ok(model.weights().into_iter().collect())
    }))
}

/// 4 → 16 → 3 units, tanh, batches of 16, from given weights.
fn mlp() -> Result<Workload> {
    let iris = iris();
    let x = Standardizer::fit(&iris.features)?.transform(&iris.features)?;
    let network = Mlp::new(&[4, 16, 3]).seed(1).build()?;
    let options = Sgd::new().learning_rate(0.05).momentum(0.9).batch_size(16).epochs(50).seed(2);
    Ok(Box::new(move || {
        let trained = options.fit(black_box(&network), &x, &iris.targets)?;
        let parameters = trained.layers().iter().flat_map(|layer| layer.weights().iter().chain(layer.bias()));
        Ok(parameters.copied().collect())
    }))
}

/// Stays with probability 0.9; otherwise any other state.
fn chain(states: usize) -> Result<Chain> {
    let move_on = 0.1 / (states - 1) as f64;
    let transition = Array2::from_shape_fn((states, states), |(i, j)| if i == j { 0.9 } else { move_on });
    Chain::new(Array1::from_elem(states, 1.0 / states as f64), transition)
}

/// 8 states, 16 symbols, and symbols at random.
fn categorical(length: usize) -> Result<(Hmm<Categorical>, Array1<usize>)> {
    let mut random = RandomState::new(1);
    let mut emission = 0.5 + random.uniform_array((8, 16));
    for mut row in emission.rows_mut() {
        row /= row.sum();
    }
    let x = random.uniform_array(length).mapv(|u| (u * 16.0).floor() as usize);
    Ok((Hmm::new(chain(8)?, Categorical::new(emission)?)?, x))
}

/// Three iterations, 50,000 observations.
fn learn_categorical() -> Result<Workload> {
    let (start, x) = categorical(50_000)?;
    let em = BaumWelch::new().iterations(3).tolerance(-1.0);
    Ok(Box::new(move || Ok(em.fit(black_box(&start), &[&x])?.model.chain.transition().iter().copied().collect())))
}

/// Three iterations, 20,000 observations of 4 numbers, 6 states with full covariances.
fn learn_gaussian() -> Result<Workload> {
    let mut random = RandomState::new(1);
    let mean = 3.0 * random.normal_array((6, 4));
    let mut x = random.normal_array((20_000, 4));
    for (t, mut row) in x.rows_mut().into_iter().enumerate() {
        row += &mean.row(t / 50 % 6);
    }
    let covariance = Array3::from_shape_fn((6, 4, 4), |(_, i, j)| if i == j { 2.0 } else { 0.0 });
    let gaussians = Gaussians::new(0.5 * mean, Covariance::Full(covariance))?;
    let start = Hmm::new(chain(6)?, Gaussian::new(gaussians))?;
    let em = BaumWelch::new().iterations(3).tolerance(-1.0);
    Ok(Box::new(move || {
        let fit = em.fit(black_box(&start), &[&x])?;
        Ok(fit.model.emission.gaussians().mean().iter().copied().collect())
    }))
}

fn viterbi() -> Result<Workload> {
    let (model, x) = categorical(50_000)?;
    Ok(Box::new(move || {
        let path = model.viterbi(black_box(&x))?;
        Ok(vec![path.log_probability, path.states.iter().sum::<usize>() as f64])
    }))
}

fn likelihood() -> Result<Workload> {
    let (model, x) = categorical(10_000_000)?;
    Ok(Box::new(move || Ok(vec![model.log_likelihood(black_box(&x))?])))
}

/// Three iterations of a mixture with full covariances.
fn mixture(points: usize, dimensions: usize, components: usize) -> Result<Workload> {
    let mut random = RandomState::new(1);
    let mean = 3.0 * random.normal_array((components, dimensions));
    let mut x = random.normal_array((points, dimensions));
    for (n, mut row) in x.rows_mut().into_iter().enumerate() {
        row += &mean.row(n % components);
    }
    let covariance =
        Array3::from_shape_fn((components, dimensions, dimensions), |(_, i, j)| if i == j { 2.0 } else { 0.0 });
    let gaussians = Gaussians::new(0.8 * mean, Covariance::Full(covariance))?;
    let start = GaussianMixture::new(Array1::from_elem(components, 1.0 / components as f64), gaussians)?;
    let em = GaussianEm::new(components, Spread::Full).iterations(3).tolerance(-1.0);
    Ok(Box::new(move || {
        let fit = em.fit_from(black_box(&start), &x)?;
        Ok(fit.model.gaussians().mean().iter().copied().collect())
    }))
}

/// The likelihood of 20,000 observations: sums of noise, one per column.
fn kalman(model: Kalman) -> Result<Workload> {
    let mut y = RandomState::new(1).normal_array((20_000, model.observation_dimension()));
    y.accumulate_axis_inplace(Axis(0), |before, value| *value += before);
    Ok(Box::new(move || Ok(vec![model.log_likelihood(black_box(&y))?])))
}

/// One pass over 2,000 documents of 150 words, 5,000 different ones, 20 topics; what scikit-learn's `fit` also computes at
/// its end, the perplexity, too.
fn lda(online: bool) -> Result<Workload> {
    const WORDS: f64 = 5_000.0;
    let mut random = RandomState::new(1);
    let ranks: Array2<f64> =
        random.uniform_array((2_000, 150)).mapv(|u: f64| (u * (WORDS + 1.0).ln()).exp().floor() - 1.0);
    let moved: Array2<f64> = random.uniform_array((2_000, 150));
    let word = |d: usize, n: usize| {
        let rank = ranks[[d, n]].min(WORDS - 1.0);
        if moved[[d, n]] < 0.5 { rank } else { (rank + 500.0 * (d % 10) as f64) % WORDS }
    };
    let document = |d: usize| (0..150).map(|n| (word(d, n) as usize, 1.0)).collect();
    let corpus = Corpus::from_lists(&(0..2_000).map(document).collect::<Vec<_>>(), 5_000)?;
    let lda = Lda::new(20).passes(1).tolerance(-1.0);
    Ok(Box::new(move || {
        let model = if online { lda.fit_online(black_box(&corpus))?.model } else { lda.fit(black_box(&corpus))?.model };
        black_box(model.perplexity(&corpus)?);
        let lambda = model.lambda();
        Ok(lambda.sum_axis(Axis(1)).into_iter().chain(lambda.column(3).to_vec()).collect())
    }))
}

/// A signal in every channel through a kernel of its own and as long, spectra and all.
fn convolution(length: usize, channels: usize) -> Result<Workload> {
    let mut random = RandomState::new(1);
    let kernels: Array2<f64> = random.normal_array((channels, length));
    let u: Array2<f64> = random.normal_array((length, channels));
    Ok(Box::new(move || {
        let y = Convolution::per_channel(black_box(&kernels), length)?.apply(&u)?;
        Ok(y.into_iter().step_by(4097).collect())
    }))
}

/// A training iteration of CMamba in the paper's setting for ETTh1, 96 steps ahead; the first without mixup and dropout.
fn cmamba(threads: usize) -> Result<Workload> {
    let config = Config::paper();
    let mut random = RandomState::new(1);
    let mut normal = |shape: &[usize], about: &dyn Fn(usize) -> f64, scale: f64| -> Result<Tensor> {
        let values = (0..shape.iter().product()).map(|place| about(place) + scale * random.normal());
        Ok(Tensor::from_iter(values, &Device::Cpu)?.to_dtype(DType::F32)?.reshape(shape)?)
    };
    let weights = VarMap::new();
    let mut names = Vec::new();
    for (name, shape) in config.parameters()? {
        let about = |place: usize| match name.as_str() {
            name if name.ends_with("norm.weight") => 1.0,
            name if name.ends_with("A_log") => (place as f64 + 1.0).ln(),
            _ => 0.0,
        };
        let weight = Var::from_tensor(&normal(&shape, &about, 0.1)?)?;
        weights.data().lock().expect("no thread had it and panicked").insert(name.clone(), weight.clone());
        names.push((name, weight));
    }
    let batch = |steps| [64, steps, config.enc_in];
    let x = normal(&batch(config.seq_len), &|_| 0.0, 1.0)?;
    let target = normal(&batch(config.pred_len), &|_| 0.0, 1.0)?;
    let fused = Fused::new(&config, &weights)?.threads(threads)?;
    let state = RefCell::new((RandomState::new(2), Adam::new(names.clone())?, true));
    Ok(Box::new(move || {
        let (random, adam, first) = &mut *state.borrow_mut();
        if std::mem::take(first) {
            let (loss, slopes) = fused.slopes(&x, &target, Loss::Mae, None)?;
            let slopes = names.iter().map(|(name, _)| slopes[name].flatten_all()).collect::<Result<Vec<_>, _>>()?;
            let slopes = Tensor::cat(&slopes, 0)?.to_vec1::<f32>()?;
            let some: Vec<f64> = slopes.into_iter().step_by(997).map(f64::from).collect();
            let largest = some.iter().fold(0.0, |largest: f64, slope| largest.max(slope.abs()));
            return Ok(std::iter::once(loss).chain(some.into_iter().map(|slope| slope / largest)).collect());
        }
        let mixup = ChannelMixup::draw(64, config.enc_in, 1.0, random)?;
        let (x, target) = (mixup.apply(black_box(&x))?, mixup.apply(&target)?);
        let (loss, slopes) = fused.slopes(&x, &target, Loss::Mae, Some(random))?;
        adam.step(5e-4, |name, _| slopes.get(name))?;
        Ok(vec![loss])
    }))
}

/// A selective scan in f32 with 16 states, softplus, D and gate.
struct Scan {
    shape: Shape,
    u: Vec<f32>,
    delta: Vec<f32>,
    z: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
    d: Vec<f32>,
}

impl Scan {
    fn new(batch: usize, length: usize, channels: usize) -> Self {
        let shape = Shape { batch, length, channels, state: 16 };
        let mut random = RandomState::new(1);
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| random.normal() as f32).collect() };
        let (sequence, projection) = (batch * length * channels, batch * length * shape.state);
        let (u, delta, z) = (draw(sequence), draw(sequence), draw(sequence));
        let a = draw(channels * shape.state).iter().map(|a| -a.exp()).collect();
        let (b, c, d) = (draw(projection), draw(projection), draw(channels));
        Self { shape, u, delta, z, a, b, c, d }
    }

    fn inputs(&self) -> Result<Inputs<'_, f32>> {
        let inputs = Inputs::new(self.shape, &self.u, &self.delta, &self.a, &self.b, &self.c)?;
        Ok(inputs.d(&self.d)?.z(&self.z)?.softplus(true))
    }

    fn forward(self, threads: usize) -> Workload {
        let y = RefCell::new(vec![0.0; self.u.len()]);
        Box::new(move || {
            let mut y = y.borrow_mut();
            selective_scan_into(&black_box(&self).inputs()?, threads, &mut y, None)?;
            Ok(some(&y))
        })
    }

    fn train(self, threads: usize) -> Result<Workload> {
        let y = vec![0.0; self.u.len()];
        let room = RefCell::new((y, Kept::new(self.shape), Gradients::zeros(&self.inputs()?)));
        let slope = vec![1.0; self.u.len()];
        Ok(Box::new(move || {
            let (y, kept, to) = &mut *room.borrow_mut();
            let inputs = black_box(&self).inputs()?;
            selective_scan_keeping(&inputs, threads, y, None, kept)?;
            selective_scan_backward_kept(&inputs, kept, &slope, None, threads, to)?;
            let (d, z) = (to.d.as_deref().unwrap_or_default(), to.z.as_deref().unwrap_or_default());
            Ok([&to.u, &to.delta, &to.a, &to.b, &to.c, d, z].into_iter().flat_map(some).collect())
        }))
    }

    /// Forward and backward as candle's users have it, on as many threads as the machine has cores.
    fn in_candle(self) -> Result<Workload> {
        let Shape { batch, length, channels, state } = self.shape;
        let variable =
            |values: Vec<f32>, shape: &[usize]| Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?);
        let (sequence, projection) = ([batch, length, channels], [batch, length, state]);
        let variables = [
            variable(self.u, &sequence)?,
            variable(self.delta, &sequence)?,
            variable(self.a, &[channels, state])?,
            variable(self.b, &projection)?,
            variable(self.c, &projection)?,
            variable(self.d, &[channels])?,
            variable(self.z, &sequence)?,
        ];
        Ok(Box::new(move || {
            let [u, delta, a, b, c, d, z] = &variables;
            let (d, z) = (Some(d.as_tensor()), Some(z.as_tensor()));
            let inputs = ScanInputs { u, delta, a, b, c, d, z, delta_bias: None, softplus: true, initial: None };
            let (y, _) = selective_scan(black_box(&inputs))?;
            // A slope of 1 by every y, as on the other side.
            let slopes = y.sum_all()?.backward()?;
            let mut all = Vec::new();
            for variable in &variables {
                if let Some(slope) = slopes.get(variable) {
                    let places = Tensor::arange_step(0, slope.elem_count() as u32, 997, &Device::Cpu)?;
                    let few: Vec<f32> = slope.flatten_all()?.index_select(&places, 0)?.to_vec1()?;
                    all.extend(few.into_iter().map(|value| f64::from(value).asinh()));
                }
            }
            Ok(all)
        }))
    }

    fn step(self) -> Result<Workload> {
        let step = Step::new(self.shape.channels, self.shape.state, &self.a)?.d(&self.d)?.softplus(true);
        let room = RefCell::new((step.start(1), vec![0.0; self.u.len()]));
        Ok(Box::new(move || {
            let (state, y) = &mut *room.borrow_mut();
            let token = Token { u: &self.u, delta: &self.delta, b: &self.b, c: &self.c, z: Some(&self.z) };
            step.advance(state, black_box(token), y)?;
            Ok(some(y))
        }))
    }
}

/// A few entries; asinh, so that a tolerance is a relative one.
fn some(values: &[f32]) -> Vec<f64> {
    values.iter().step_by(997).map(|&value| f64::from(value).asinh()).collect()
}

fn main() -> Result<()> {
    if !std::env::args().any(|argument| argument == "--serve") {
        for (topic, name) in WORKLOADS {
            println!("{topic} {name}");
        }
        return Ok(());
    }
    for line in std::io::stdin().lock().lines().map_while(|line| line.ok()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (command, topic, name) = match words[..] {
            [command, topic, name, ..] => (command, topic, name),
            _ => continue,
        };
        let number = |place: usize| words.get(place).and_then(|word| word.parse().ok()).unwrap_or(1).max(1);
        let Some(run) = workload(topic, name, number(3))? else {
            println!("error no workload {topic} {name}");
            continue;
        };
        if command == "answer" {
            let numbers: Vec<String> = run()?.iter().map(|number| format!("{number:?}")).collect();
            println!("{}", numbers.join(" "));
        } else {
            let count = number(4);
            let start = Instant::now();
            for _ in 0..count {
                black_box(run()?);
            }
            println!("{}", start.elapsed().as_secs_f64() * 1e3 / count as f64);
        }
    }
    Ok(())
}
