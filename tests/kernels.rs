//! CUDA kernels under emulation: prefix sums and selective scans against loops in f64, in several orders of threads; and
//! kernels with planted faults, which must end with the sentence that says so.

use mlnotes::kernels::emulate::{Action, Module, Order};
use mlnotes::kernels::selective_scan::{self, Backward, Precision};
use mlnotes::kernels::{Arg, Data, Launch, PREFIX_SUM, Plan, Role, SELECTIVE_SCAN, SOURCES, prefix_sum};
use mlnotes::prelude::*;
use mlnotes::ssm::selective::{Inputs, Shape};

use crate::message;

/// As numbered, and two others; one block at a time, and many.
const ORDERS: [Order; 3] =
    [Order { seed: 0, resident: 4 }, Order { seed: 1, resident: 8 }, Order { seed: 2, resident: 1 }];

#[track_caller]
fn assert_near(got: &[f32], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(1.0_f64, |largest, want| largest.max(want.abs()));
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        // Negated, so that NaN fails.
        let near = (f64::from(got) - want).abs() <= tolerance * largest;
        assert!(near, "{what} [{i}]: got {got}, want {want}");
    }
}

fn numbers(random: &mut RandomState, len: usize) -> Vec<f32> {
    (0..len).map(|_| random.normal() as f32).collect()
}

fn rounded(values: &[f32], precision: Precision) -> Vec<f32> {
    match precision {
        Precision::F32 => values.to_vec(),
        Precision::Bf16 => Data::bf16(values).to_f32(),
    }
}

// ------------------------------------------------------------------------------------------------------- prefix sums

/// Planted, one at a time, each red: the carry left out in v2, `<` for `>=` in v2's bound, `half` started at 2 in v3,
/// the last warp's sum left out in v4, SUM taken for PREFIX in v5's look-back.
#[test]
fn every_prefix_sum_is_the_loop() {
    let module = Module::load(PREFIX_SUM).unwrap();
    let mut random = RandomState::new(1);
    for n in [1, 2, 31, 32, 33, 255, 256, 257, 1000, 3840, 3841, 20_000] {
        let x = numbers(&mut random, n);
        let pairs: Vec<f32> = (0..2 * n).map(|i| if i % 2 == 0 { 0.9 } else { x[i / 2] }).collect();
        let (mut sum, mut a, mut b) = (0.0, 1.0, 0.0);
        let (mut sums, mut steps) = (Vec::new(), Vec::new());
        for i in 0..n {
            sum += f64::from(x[i]);
            sums.push(sum);
            let decay = f64::from(pairs[2 * i]);
            (a, b) = (a * decay, decay * b + f64::from(x[i]));
            steps.extend([a, b]);
        }
        for version in prefix_sum::Version::ALL {
            for order in ORDERS {
                let what = format!("{version:?}, n = {n}, {order:?}");
                let mut plan = prefix_sum::plan(version, &x).unwrap();
                module.run_in(&mut plan, order).unwrap();
                // n roundings of 2⁻²⁴ of the sum so far, as a random walk.
                assert_near(&plan.f32("y").unwrap(), &sums, 1e-5, &what);
                let mut plan = prefix_sum::plan_linear(version, &pairs).unwrap();
                module.run_in(&mut plan, order).unwrap();
                assert_near(&plan.f32("y").unwrap(), &steps, 1e-5, &what);
            }
        }
    }
}

// --------------------------------------------------------------------------------------------------- selective scans

/// Inputs of a selective scan, as 32-bit numbers.
struct Case {
    shape: Shape,
    u: Vec<f32>,
    delta: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
    d: Vec<f32>,
    z: Vec<f32>,
    bias: Vec<f32>,
    initial: Vec<f32>,
    dy: Vec<f32>,
    dlast: Vec<f32>,
    /// Everything optional given, or nothing.
    all: bool,
}

impl Case {
    fn new([batch, length, channels, state]: [usize; 4], all: bool, precision: Precision) -> Self {
        let mut random = RandomState::new((batch + 10 * length + 1000 * channels + 100_000 * state) as u32);
        let mut sequence = |len| rounded(&numbers(&mut random, len), precision);
        let (u, z, dy) = (
            sequence(batch * length * channels),
            sequence(batch * length * channels),
            sequence(batch * length * channels),
        );
        let mut delta = sequence(batch * length * channels);
        if !all {
            delta.iter_mut().for_each(|delta| *delta = delta.abs());
        }
        let (b, c) = (sequence(batch * length * state), sequence(batch * length * state));
        let a = numbers(&mut random, channels * state).iter().map(|a| -a.abs() - 0.1).collect();
        let (d, bias) = (numbers(&mut random, channels), numbers(&mut random, channels));
        let (initial, dlast) =
            (numbers(&mut random, batch * channels * state), numbers(&mut random, batch * channels * state));
        let shape = Shape { batch, length, channels, state };
        Self { shape, u, delta, a, b, c, d, z, bias, initial, dy, dlast, all }
    }

    fn inputs(&self) -> Inputs<'_, f32> {
        let inputs = Inputs::new(self.shape, &self.u, &self.delta, &self.a, &self.b, &self.c).unwrap();
        if !self.all {
            return inputs;
        }
        let inputs = inputs.d(&self.d).unwrap().z(&self.z).unwrap().delta_bias(&self.bias).unwrap();
        inputs.initial(&self.initial).unwrap().softplus(true)
    }

    fn dlast(&self) -> Option<&[f32]> {
        self.all.then_some(&self.dlast)
    }

    fn oracle(&self) -> Oracle {
        oracle(self)
    }
}

/// What the equations give in f64: forward, and by the chain rule backward.
#[derive(Default)]
struct Oracle {
    y: Vec<f64>,
    last: Vec<f64>,
    gradients: Vec<(&'static str, Vec<f64>)>,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// One channel of one sequence at a time, all its states stored.
fn oracle(case: &Case) -> Oracle {
    let Shape { batch, length, channels, state } = case.shape;
    let wide = |x: &[f32]| x.iter().copied().map(f64::from).collect::<Vec<f64>>();
    let [u, delta, a, b, c, z, dy] =
        [&case.u, &case.delta, &case.a, &case.b, &case.c, &case.z, &case.dy].map(|x| wide(x));
    let or_zero = |x: &[f32]| if case.all { wide(x) } else { vec![0.0; x.len()] };
    let [d, bias, initial, dlast] = [&case.d, &case.bias, &case.initial, &case.dlast].map(|x| or_zero(x));
    let mut o = Oracle { y: vec![0.0; u.len()], last: vec![0.0; initial.len()], gradients: Vec::new() };
    let zeros = |len: usize| vec![0.0; len];
    let (mut du, mut ddelta, mut dz) = (zeros(u.len()), zeros(u.len()), zeros(u.len()));
    let (mut da, mut db, mut dc) = (zeros(a.len()), zeros(b.len()), zeros(b.len()));
    let (mut dd, mut dbias, mut dinitial) = (zeros(channels), zeros(channels), zeros(initial.len()));
    for (s, ch) in (0..batch).flat_map(|s| (0..channels).map(move |ch| (s, ch))) {
        let at = |t: usize| (s * length + t) * channels + ch;
        let bc = |t: usize, n: usize| (s * length + t) * state + n;
        let first = (s * channels + ch) * state;
        let raw = |t: usize| delta[at(t)] + bias[ch];
        let step = |t: usize| if case.all { raw(t).exp().ln_1p() } else { raw(t) };
        let mut h = vec![initial[first..first + state].to_vec()];
        let (mut before_gate, mut gate) = (zeros(length), vec![1.0; length]);
        for t in 0..length {
            let next: Vec<f64> = (0..state)
                .map(|n| (step(t) * a[ch * state + n]).exp() * h[t][n] + step(t) * b[bc(t, n)] * u[at(t)])
                .collect();
            before_gate[t] = (0..state).map(|n| c[bc(t, n)] * next[n]).sum::<f64>() + d[ch] * u[at(t)];
            if case.all {
                gate[t] = z[at(t)] * sigmoid(z[at(t)]);
            }
            o.y[at(t)] = before_gate[t] * gate[t];
            h.push(next);
        }
        o.last[first..first + state].copy_from_slice(&h[length]);
        let mut dh = dlast[first..first + state].to_vec();
        for t in (0..length).rev() {
            let g = dy[at(t)] * gate[t];
            let sig = sigmoid(z[at(t)]);
            dz[at(t)] = dy[at(t)] * before_gate[t] * sig * (1.0 + z[at(t)] * (1.0 - sig));
            let slope = if case.all { sigmoid(raw(t)) } else { 1.0 };
            du[at(t)] += d[ch] * g;
            dd[ch] += g * u[at(t)];
            for n in 0..state {
                let decay = (step(t) * a[ch * state + n]).exp();
                dh[n] += c[bc(t, n)] * g;
                dc[bc(t, n)] += g * h[t + 1][n];
                db[bc(t, n)] += dh[n] * step(t) * u[at(t)];
                du[at(t)] += dh[n] * step(t) * b[bc(t, n)];
                let dstep = dh[n] * (a[ch * state + n] * decay * h[t][n] + b[bc(t, n)] * u[at(t)]);
                ddelta[at(t)] += slope * dstep;
                dbias[ch] += slope * dstep;
                da[ch * state + n] += dh[n] * step(t) * decay * h[t][n];
                dh[n] *= decay;
            }
        }
        dinitial[first..first + state].copy_from_slice(&dh);
    }
    o.gradients = vec![("du", du), ("ddelta", ddelta), ("dA", da), ("dB", db), ("dC", dc), ("dinitial", dinitial)];
    if case.all {
        o.gradients.extend([("dz", dz), ("dD", dd), ("ddelta_bias", dbias)]);
    }
    o
}

/// The oracle's own gradients, by differences of its own forward pass.
#[test]
fn the_oracle_goes_downhill() {
    let case = Case::new([2, 5, 2, 3], true, Precision::F32);
    let loss = |case: &Case| {
        let o = case.oracle();
        let slope = |values: &[f64], by: &[f32]| -> f64 { values.iter().zip(by).map(|(v, &s)| v * f64::from(s)).sum() };
        slope(&o.y, &case.dy) + slope(&o.last, &case.dlast)
    };
    type Field = fn(&mut Case) -> &mut Vec<f32>;
    let fields: [(&str, Field); 9] = [
        ("du", |case| &mut case.u),
        ("ddelta", |case| &mut case.delta),
        ("dA", |case| &mut case.a),
        ("dB", |case| &mut case.b),
        ("dC", |case| &mut case.c),
        ("dinitial", |case| &mut case.initial),
        ("dz", |case| &mut case.z),
        ("dD", |case| &mut case.d),
        ("ddelta_bias", |case| &mut case.bias),
    ];
    let gradients = case.oracle().gradients;
    for (name, field) in fields {
        let gradient = &gradients.iter().find(|(other, _)| *other == name).unwrap().1;
        for (i, gradient) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut case = Case::new([2, 5, 2, 3], true, Precision::F32);
                field(&mut case)[i] += by;
                (f64::from(field(&mut case)[i]), loss(&case))
            };
            let ((right, above), (left, below)) = (moved(1.0 / 512.0), moved(-1.0 / 512.0));
            let slope = (above - below) / (right - left);
            // The third derivative times the step squared.
            assert!((slope - gradient).abs() < 2e-4 * (1.0 + gradient.abs()), "{name} [{i}]: {gradient}, not {slope}");
        }
    }
}

const VERSIONS: [selective_scan::Version; 6] = [
    selective_scan::Version::Materialised,
    selective_scan::Version::Fused,
    selective_scan::Version::WarpScan,
    selective_scan::Version::Chunked { chunks: 1 },
    selective_scan::Version::Chunked { chunks: 2 },
    selective_scan::Version::Chunked { chunks: 5 },
];

/// Of a bfloat16's 8 bits of mantissa the last may differ: only y is rounded, the inputs are what the oracle has.
fn tolerance(precision: Precision) -> f64 {
    if precision == Precision::Bf16 { 1.0 / 256.0 } else { 2e-5 }
}

/// (batch, length, channels, state): one of each; ragged; more than a tile of v3 and than a block of channels; N of the
/// wide kernels.
const SHAPES: [[usize; 4]; 6] =
    [[1, 1, 1, 1], [2, 31, 3, 5], [1, 33, 20, 16], [1, 130, 4, 2], [2, 7, 130, 3], [1, 9, 5, 64]];

#[test]
fn every_selective_scan_is_the_recurrence() {
    let module = Module::load(SELECTIVE_SCAN).unwrap();
    for (i, shape) in SHAPES.into_iter().enumerate() {
        for precision in [Precision::F32, Precision::Bf16] {
            let case = Case::new(shape, i % 2 == 0, precision);
            let want = case.oracle();
            for version in VERSIONS {
                if version == selective_scan::Version::Materialised && precision == Precision::Bf16 {
                    continue;
                }
                for order in ORDERS {
                    let what = format!("{version:?}, {precision:?}, {shape:?}, {order:?}");
                    let mut plan = selective_scan::forward(version, precision, &case.inputs()).unwrap();
                    module.run_in(&mut plan, order).unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_near(&plan.f32("y").unwrap(), &want.y, tolerance(precision), &what);
                    assert_near(&plan.f32("last").unwrap(), &want.last, 2e-5, &what);
                }
            }
        }
    }
}

#[test]
fn every_gradient_is_the_chain_rule() {
    let module = Module::load(SELECTIVE_SCAN).unwrap();
    for (i, shape) in SHAPES.into_iter().enumerate() {
        for (version, precision) in [
            (Backward::Stored, Precision::F32),
            (Backward::Recomputed, Precision::F32),
            (Backward::Recomputed, Precision::Bf16),
        ] {
            let case = Case::new(shape, i % 2 == 0, precision);
            let want = case.oracle();
            for order in ORDERS {
                let what = format!("{version:?}, {precision:?}, {shape:?}, {order:?}");
                let mut plan =
                    selective_scan::backward(version, precision, &case.inputs(), &case.dy, case.dlast()).unwrap();
                module.run_in(&mut plan, order).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_near(&plan.f32("y").unwrap(), &want.y, tolerance(precision), &what);
                for (name, gradient) in &want.gradients {
                    // Gradients are floats in either precision.
                    assert_near(&plan.f32(name).unwrap(), gradient, 5e-5, &format!("{name}, {what}"));
                }
            }
        }
    }
}
