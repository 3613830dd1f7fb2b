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
        // NaN is near nothing.
        let near = (f64::from(got) - want).abs() <= tolerance * largest;
        assert!(near, "{what} [{i}]: got {got}, want {want}");
    }
}

fn near(got: &[f32], want: &[f64], tolerance: f64) -> bool {
    let largest = want.iter().fold(1.0_f64, |largest, want| largest.max(want.abs()));
    got.len() == want.len() && got.iter().zip(want).all(|(&g, &w)| (f64::from(g) - w).abs() <= tolerance * largest)
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

/// Planted: the faults of `planted_faults_in_the_prefix_sums_show`.
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
        // Small steps, so that states live long and a wrong decay shows.
        delta.iter_mut().for_each(|delta| *delta = if all { *delta - 3.0 } else { delta.abs() / 16.0 });
        let delta = rounded(&delta, precision);
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

// ------------------------------------------------------------------------------------------------------ planted faults

/// Kernels that each do one thing that no kernel may, and what the emulator says of it.
const FAULTY: &str = r#"extern "C" __global__ void no_barrier(float* x, int n) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = tile[threadIdx.x > 0 ? threadIdx.x - 1 : 0];
}
extern "C" __global__ void count(float* x, int n) {
  __shared__ float c;
  if (threadIdx.x == 0) c = 0.0f;
  __syncthreads();
  c += 1.0f;
}
extern "C" __global__ void shared_overrun(float* x, int n) {
  __shared__ float tile[32];
  tile[threadIdx.x] = x[threadIdx.x];
}
extern "C" __global__ void dynamic_overrun(float* x, int n) {
  extern __shared__ float tile[];
  tile[threadIdx.x] = x[threadIdx.x];
}
extern "C" __global__ void off_by_one(float* x, int n) {
  if (threadIdx.x <= n) x[threadIdx.x] = 0.0f;
}
extern "C" __global__ void before_the_start(const float* x, int n) { float y = x[(int)threadIdx.x - 1]; }
extern "C" __global__ void own_array(float* x, int n) {
  float own[4];
  for (int i = 0; i <= 4; i++) own[i] = x[i];
  x[threadIdx.x] = own[threadIdx.x % 4];
}
extern "C" __global__ void left_before(float* x, int n) {
  if (threadIdx.x == 3) return;
  __syncthreads();
}
extern "C" __global__ void two_barriers(float* x, int n) {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}
extern "C" __global__ void left_warp(float* x, int n) {
  if (threadIdx.x == 5) return;
  x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
}
extern "C" __global__ void half_warp(float* x, int n) {
  if (threadIdx.x < 16)
    x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  else
    __syncthreads();
}
extern "C" __global__ void not_in_mask(float* x, int n) { __syncwarp(0x0000ffffu); }
extern "C" __global__ void from_outside(float* x, int n) {
  if (threadIdx.x < 16) x[threadIdx.x] = __shfl_sync(0x0000ffffu, 1.0f, 20);
}
extern "C" __global__ void unwritten(float* x, int n) {
  __shared__ float tile[64];
  x[threadIdx.x] = tile[threadIdx.x];
}
extern "C" __global__ void null(const float* y, int n) { float z = y[0]; }
extern "C" __global__ void misaligned(float* x, int n) {
  float4 four = *reinterpret_cast<const float4*>(x + threadIdx.x);
}
extern "C" __global__ void divided(float* x, int n) { x[0] = (float)(n / (int)threadIdx.x); }
extern "C" __global__ void all_blocks(float* x, int n) { if (threadIdx.x == 0) x[0] = (float)blockIdx.x; }
extern "C" __global__ void waits(volatile int* flag, int n) { while (flag[0] == 0) {} }
extern "C" __global__ void waits_for_later(volatile int* flag, int n) {
  if (blockIdx.x == 0) {
    while (flag[0] == 0) {}
  }
  if (blockIdx.x == 9) flag[0] = 1;
}
extern "C" __global__ void no_fence(float* x, volatile int* flag) {
  if (threadIdx.x > 0) return;
  if (blockIdx.x == 0) {
    x[0] = 1.0f;
    flag[0] = 1;
  } else {
    while (flag[0] == 0) {}
    __threadfence();
    x[1 + blockIdx.x] = x[0];
  }
}
extern "C" __global__ void too_much(float* x, int n) {
  __shared__ float one[8192];
  __shared__ float two[8192];
  one[0] = 0.0f;
  two[0] = 0.0f;
}
"#;

fn faulty(kernel: &str, blocks: u32, order: Order) -> mlnotes::Result<()> {
    let mut plan = Plan::new();
    let flags = plan.flags("flag", 1);
    let x = plan.zeros("x", 64);
    let launch = Launch::line(blocks, 64).shared(128);
    let args: [Arg; 2] = match kernel {
        "waits" | "waits_for_later" => [flags.into(), 64.into()],
        "no_fence" => [x.into(), flags.into()],
        "null" => [Arg::Null, 64.into()],
        "off_by_one" => [x.into(), 63.into()],
        _ => [x.into(), 64.into()],
    };
    plan.launch(kernel, launch, args)?;
    if kernel == "off_by_one" {
        let exact = plan.clone();
        // The buffer ends where n does.
        plan = Plan::new();
        let x = plan.zeros("x", 63);
        plan.launch(kernel, exact.steps()[0].launch, [x.into(), 63.into()])?;
    }
    faulty_module().run_in(&mut plan, order)
}

fn faulty_module() -> Module {
    Module::compile("faulty.cu", FAULTY).unwrap()
}

#[test]
fn what_no_kernel_may_do_ends_with_the_sentence() {
    let line = |text: &str| 1 + FAULTY.lines().position(|line| line.contains(text)).unwrap();
    let at = |what: &str, text: &str| what.replace("LINE", &line(text).to_string());
    let cases = [
        (
            "no_barrier",
            1,
            at("has a race in line LINE: thread 1 of block 0 reads tile[0], which thread 0", "tile[threadIdx.x > 0"),
        ),
        ("count", 1, "thread 1 of block 0 reads c[0], which thread 0 of block 0 writes".into()),
        ("shared_overrun", 1, "uses index 32 of tile in line 14 (thread 32 of block 0), but that axis has 32".into()),
        ("dynamic_overrun", 1, "writes tile[32] in line 18 (thread 32 of block 0), but tile has 32 elements".into()),
        ("off_by_one", 1, "writes x[63] in line 21 (thread 63 of block 0), but x has 63 elements".into()),
        ("before_the_start", 1, "reads x[-1] in line 23 (thread 0 of block 0)".into()),
        ("own_array", 1, "uses index 4 of an array of its own in line 26".into()),
        ("left_before", 1, "waits in line 31, but thread 3 has left the kernel".into()),
        ("two_barriers", 1, "meets different barriers".into()),
        ("left_warp", 1, "names lane 5, which has left the kernel".into()),
        ("half_warp", 1, "waits for thread 16, which waits in line 47".into()),
        ("not_in_mask", 1, "leaves out the caller, thread 16 of block 0".into()),
        ("from_outside", 1, "asks for the value of lane 20, which its mask 0000ffff does not name".into()),
        ("unwritten", 1, "tile[0], which nobody has written".into()),
        ("null", 1, "reads through a null pointer in line 57".into()),
        ("misaligned", 1, "reads 16 bytes of x at byte 4".into()),
        ("divided", 1, "divides integers by 0 in line 61 (thread 0 of block 0)".into()),
        ("all_blocks", 2, "thread 0 of block 1 writes x[0], which thread 0 of block 0 writes".into()),
        ("waits", 1, "waits in line 63 for a value that nobody writes".into()),
        ("waits_for_later", 10, "waits in line 66 for a value that nobody writes".into()),
        ("no_fence", 2, "thread 0 of block 1 reads x[0], which thread 0 of block 0 writes".into()),
        ("too_much", 1, "needs 65664 bytes of shared memory".into()),
    ];
    for (kernel, blocks, sentence) in cases {
        let order = Order { resident: if kernel == "waits_for_later" { 1 } else { 4 }, ..Order::default() };
        let text = message(faulty(kernel, blocks, order));
        assert!(text.starts_with(&format!("the kernel `{kernel}` ")), "{text}");
        assert!(text.contains(&sentence), "{kernel}: {text}");
    }
    // Races are found in every order; the wait for a later block ends where two may be resident.
    for order in ORDERS {
        assert!(faulty("no_barrier", 1, order).is_err() && faulty("count", 1, order).is_err());
    }
    faulty("waits_for_later", 10, Order { resident: 2, ..Order::default() }).unwrap();
}

/// Fibers by the C library find the same.
#[test]
fn portable_fibers_do_the_same() {
    let module = Module::compile_portable("faulty.cu", FAULTY).unwrap();
    let mut plan = Plan::new();
    let x = plan.zeros("x", 64);
    plan.launch("no_barrier", Launch::line(1, 64), [x.into(), 64.into()]).unwrap();
    assert!(message(module.run(&mut plan)).contains("thread 1 of block 0 reads tile[0]"));
}

/// The source once for each edit (where, what, what instead), in namespaces of their own: copy i's kernels begin with
/// `m{i}_`.
fn edited_copies(text: &str, edits: &[(usize, &str, &str)], kernels: &[Vec<&str>]) -> String {
    let mut all = String::new();
    for (i, ((at, what, instead), kernels)) in edits.iter().zip(kernels).enumerate() {
        let copy = format!("{}{instead}{}", &text[..*at], &text[at + what.len()..]);
        let mut copy = only(&copy, kernels);
        for kernel in kernels {
            copy = copy.replace(&format!(" {kernel}("), &format!(" m{i}_{kernel}("));
        }
        all += &format!("namespace m{i} {{\n{copy}}}\nusing namespace m{i};\n");
    }
    all
}

/// The source without its other kernels, which would have to be compiled too.
fn only(text: &str, kernels: &[&str]) -> String {
    let (mut kept, mut skipping) = (String::new(), false);
    for line in text.lines() {
        if line.starts_with("extern \"C\" __global__") {
            skipping = !kernels.iter().any(|kernel| line.contains(&format!(" {kernel}(")));
        }
        if !skipping {
            kept += line;
        }
        kept.push('\n');
        let whole = line.starts_with("extern") && line.ends_with('}');
        skipping &= !whole && line != "}";
    }
    kept
}

/// The plan with every kernel's name for copy `i`.
fn of_copy(plan: &Plan, i: usize) -> Plan {
    let mut copy = Plan::new();
    let buffers: Vec<_> =
        plan.buffers().iter().map(|buffer| copy.buffer(&buffer.name, buffer.role, buffer.data.clone())).collect();
    assert_eq!(buffers.len(), plan.buffers().len());
    for step in plan.steps() {
        copy.launch(&format!("m{i}_{}", step.kernel), step.launch, step.args.iter().copied()).unwrap();
    }
    copy
}

/// Every barrier and fence of a source is needed, and its loss is found in one run, in the order of the numbers, where
/// the numbers themselves may come out right.
#[track_caller]
fn every_barrier_is_missed(name: &str, text: &str, plans: &[Plan]) {
    let kernels: Vec<&str> = plans.iter().flat_map(Plan::steps).map(|step| step.kernel.as_str()).collect();
    let orders = ["__syncthreads();", "__syncwarp();", "__threadfence();"];
    let edits: Vec<(usize, &str, &str)> =
        orders.iter().flat_map(|what| text.match_indices(what)).map(|(at, what)| (at, what, "")).collect();
    assert!(edits.len() > 10);
    let kernels = vec![kernels; edits.len()];
    let module = Module::compile(name, &edited_copies(text, &edits, &kernels)).unwrap();
    let noticed = |i: usize| plans.iter().any(|plan| module.run(&mut of_copy(plan, i)).is_err());
    let line = |at: usize| 1 + text[..at].matches('\n').count();
    let unnoticed: Vec<String> = edits
        .iter()
        .enumerate()
        .filter(|(i, _)| !noticed(*i))
        .map(|(_, (at, what, _))| format!("{what} of line {}", line(*at)))
        .collect();
    assert!(unnoticed.is_empty(), "{name} does without {}", unnoticed.join(", "));
}

/// What a plan's buffers must hold, to a tolerance.
type Wanted<'a> = (Plan, Vec<(&'a str, &'a [f64])>);

/// Each planted fault (plan, text, text instead) makes its plan fail, or a number wrong; without a fault none does.
#[track_caller]
fn every_fault_shows(name: &str, text: &str, plans: &[Wanted<'_>], faults: &[(usize, &str, &str)]) {
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{name} does not hold {what}"));
    let edits: Vec<_> = faults.iter().map(|&(_, what, instead)| (place(what), what, instead)).collect();
    let of = |plan: usize| plans[plan].0.steps().iter().map(|step| step.kernel.as_str()).collect::<Vec<_>>();
    let kernels: Vec<_> = faults.iter().map(|&(plan, ..)| of(plan)).collect();
    let faulty = Module::compile(name, &edited_copies(text, &edits, &kernels)).unwrap();
    let right = |module: &Module, plan: &Plan, wanted: &[(&str, &[f64])]| {
        ORDERS.into_iter().all(|order| {
            let mut plan = plan.clone();
            let runs = module.run_in(&mut plan, order).is_ok();
            runs && wanted.iter().all(|(name, want)| near(&plan.f32(name).unwrap(), want, 1e-4))
        })
    };
    for (i, &(plan, what, instead)) in faults.iter().enumerate() {
        let (plan, wanted) = &plans[plan];
        assert!(!right(&faulty, &of_copy(plan, i), wanted), "{name} with `{instead}` for `{what}` shows nothing");
    }
    let whole = Module::compile(name.trim_start_matches("faults_"), text).unwrap();
    assert!(plans.iter().all(|(plan, wanted)| right(&whole, plan, wanted)), "{name} as it is");
}

/// Carries, bounds, levels and flags of each version.
#[test]
fn planted_faults_in_the_prefix_sums_show() {
    let x = numbers(&mut RandomState::new(3), 20_000);
    let mut sum = 0.0;
    let mut sums = Vec::new();
    for x in &x {
        sum += f64::from(*x);
        sums.push(sum);
    }
    let plans: Vec<Wanted<'_>> = prefix_sum::Version::ALL
        .into_iter()
        .map(|version| (prefix_sum::plan(version, &x).unwrap(), vec![("y", sums.as_slice())]))
        .collect();
    let faults = [
        (1, "carry = combine(carry, last);", ""),
        (1, "if (t >= by) {", "if (t > by) {"),
        (2, "for (int half = 1; half < LEAVES", "for (int half = 2; half < LEAVES"),
        (3, "T warps_before = sums[warp - 1];", "T warps_before = sums[0];"),
        (3, "if (lane == 0) before = identity<T>();", ""),
        (4, "if (what == PREFIX) value = prefixes[there];", "if (what != NOTHING) value = prefixes[there];"),
        (4, "if (known != 0 && lane > __ffs(known) - 1) value = identity<T>();", ""),
        (4, "before = combine(prefix, before);", ""),
    ];
    every_fault_shows("faults_prefix_sum.cu", PREFIX_SUM.text, &plans, &faults);
}

/// Steps, carries and decays, forward and backward.
#[test]
fn planted_faults_in_the_selective_scans_show() {
    let case = Case::new([2, 140, 6, 20], true, Precision::F32);
    let want = case.oracle();
    let mut plans: Vec<Wanted<'_>> = Vec::new();
    for version in [VERSIONS[0], VERSIONS[2], VERSIONS[5]] {
        let plan = selective_scan::forward(version, Precision::F32, &case.inputs()).unwrap();
        plans.push((plan, vec![("y", &want.y), ("last", &want.last)]));
    }
    for version in [Backward::Stored, Backward::Recomputed] {
        let plan = selective_scan::backward(version, Precision::F32, &case.inputs(), &case.dy, case.dlast()).unwrap();
        plans.push((plan, want.gradients.iter().map(|(name, values)| (*name, values.as_slice())).collect()));
    }
    let faults = [
        (0, "now = a_bar[at] * now + h[at];", "now = now + h[at];"),
        (4, "h[n] = expf(step * A[n]) * h[n] + step * u", "h[n] = expf(step * A[n]) * h[n] + u"),
        (1, "if (lane == 31) carry", "if (lane == 30) carry"),
        (1, "b = a * left_b + b;", "b = left_b + b;"),
        (1, "step_tile[quad + j][k] = inside ? step : 0.0f;", "step_tile[quad + j][k] = step;"),
        (2, "if (inside) since += ", "if (inside) since = "),
        (2, "exp2f(own_passed * A[n]) * h[n] + chain.sums[at];", "h[n] + chain.sums[at];"),
        (3, "    dh *= decay;", ""),
        (4, "          dh *= decay;", ""),
        (4, "sum_bias += slope * dstep[k];", "sum_bias += dstep[k];"),
        (4, "float kept = upper ? v[i + HALF] : v[i];", "float kept = upper ? v[i] : v[i + HALF];"),
        (4, "du[k] = D * g[k];", "du[k] = 0.0f;"),
    ];
    every_fault_shows("faults_selective_scan.cu", SELECTIVE_SCAN.text, &plans, &faults);
}

#[test]
fn every_barrier_of_the_prefix_sums_is_needed() {
    let x = numbers(&mut RandomState::new(3), 9_000);
    let plans: Vec<Plan> =
        prefix_sum::Version::ALL.into_iter().map(|version| prefix_sum::plan(version, &x).unwrap()).collect();
    every_barrier_is_missed("barriers.cu", PREFIX_SUM.text, &plans);
}

#[test]
fn every_barrier_of_the_selective_scans_is_needed() {
    let case = Case::new([1, 140, 6, 20], true, Precision::F32);
    // Only the last two versions have barriers.
    let plans: Vec<Plan> = [VERSIONS[2], selective_scan::Version::Chunked { chunks: 3 }]
        .into_iter()
        .map(|version| selective_scan::forward(version, Precision::F32, &case.inputs()).unwrap())
        .collect();
    every_barrier_is_missed("barriers_of_scans.cu", SELECTIVE_SCAN.text, &plans);
}

// -------------------------------------------------------------------------------------------- the module's own promises

#[test]
fn a_trace_is_what_the_threads_of_a_block_did() {
    let mut plan = prefix_sum::plan(prefix_sum::Version::HillisSteele, &[1.0, 2.0, 3.0]).unwrap();
    let events = Module::load(PREFIX_SUM).unwrap().trace(&mut plan, Order::default(), 0, 0).unwrap();
    // log2 256 rounds, the barrier before them and the one after.
    let barriers = events.iter().filter(|event| event.thread == 2 && event.action == Action::Barrier).count();
    assert_eq!(barriers, 10);
    let read = |event: &mlnotes::kernels::emulate::Event| match &event.action {
        Action::Read { memory, index, value } if memory == "level" => Some((event.epoch, *index, *value)),
        _ => None,
    };
    // Thread 2 looks 1 and 2 to the left: at 2 in level 0, at 1 in level 1. Then at the block's last sum.
    let reads: Vec<_> = events.iter().filter(|event| event.thread == 2).filter_map(read).collect();
    assert_eq!(reads, [(1, 1, 2.0), (2, 256, 1.0), (9, 255, 6.0)]);
    assert!(events.windows(2).all(|pair| pair[0].step < pair[1].step));
    let module = Module::load(PREFIX_SUM).unwrap();
    message(module.trace(&mut plan, Order::default(), 1, 0));
    message(module.trace(&mut plan, Order::default(), 0, 1));
}

#[test]
fn what_does_not_fit_is_refused() {
    let module = Module::load(PREFIX_SUM).unwrap();
    let mut plan = Plan::new();
    let (x, y, flags) = (plan.input("x", vec![1.0]), plan.output("y", 1), plan.flags("flags", 1));
    let one = Launch::line(1, 1);
    let wrong: [(&str, Vec<Arg>, &str); 6] = [
        ("prefix_sum_v1", vec![x.into(), y.into()], "takes 3 arguments, but the plan gives 2"),
        ("prefix_sum_v1", vec![x.into(), x.into(), 1.into()], "floats to write as argument 1"),
        ("prefix_sum_v1", vec![x.into(), flags.into(), 1.into()], "`flags`, which holds other elements"),
        ("prefix_sum_v1", vec![x.into(), y.into(), 1.0.into()], "an int as argument 2"),
        ("prefix_sum_v1", vec![x.into(), y.into(), y.into()], "the buffer `y`"),
        ("prefix_sum_v9", vec![x.into(), y.into(), 1.into()], "is not in this source, which has: prefix_sum_v1"),
    ];
    for (kernel, args, sentence) in wrong {
        let mut plan = plan.clone();
        plan.launch(kernel, one, args).unwrap();
        let text = message(module.run(&mut plan));
        assert!(text.contains(sentence), "{text}");
    }
    for launch in [Launch::line(0, 1), Launch::line(1, 0), Launch::line(1, 1025), one.shared(1 << 16)] {
        message(plan.clone().launch("prefix_sum_v1", launch, []));
    }
    message(plan.data("z"));
    message(prefix_sum::plan(prefix_sum::Version::Shuffle, &[]));
    message(prefix_sum::plan_linear(prefix_sum::Version::Shuffle, &[1.0]));
    message(module.run_in(&mut plan, Order { seed: 0, resident: 0 }));
    let text = message(Module::compile("typo.cu", "extern \"C\" __global__ void typo(float* x) {\n  x[0] = y;\n}"));
    assert!(text.contains("typo.cu:2") && text.contains('y'), "{text}");
    let text = message(Module::compile("none.cu", "__device__ void helper() {}"));
    assert!(text.contains("holds no kernel"), "{text}");
    let text = "extern \"C\" __global__ void two(float* x) {\n  __shared__ float a[2], b[2];\n}";
    assert!(message(Module::compile("two.cu", text)).contains("line 2: a __shared__ declaration is of one array"));
}

#[test]
fn a_selective_scan_that_no_kernel_takes_is_refused() {
    use selective_scan::{Version, backward, forward};
    let case = Case::new([1, 2, 3, 100], true, Precision::F32);
    for version in [Version::Fused, Version::WarpScan, Version::Chunked { chunks: 2 }] {
        message(forward(version, Precision::F32, &case.inputs()));
    }
    message(backward(Backward::Recomputed, Precision::F32, &case.inputs(), &case.dy, None));
    message(forward(Version::Materialised, Precision::Bf16, &case.inputs()));
    let case = Case::new([1, 2, 3, 4], true, Precision::F32);
    message(forward(Version::Chunked { chunks: 0 }, Precision::F32, &case.inputs()));
    message(backward(Backward::Stored, Precision::F32, &case.inputs(), &case.dy[1..], None));
    message(backward(Backward::Stored, Precision::F32, &case.inputs(), &case.dy, Some(&case.dlast[1..])));
    let empty = Case::new([1, 0, 3, 4], true, Precision::F32);
    message(forward(Version::Fused, Precision::F32, &empty.inputs()));
    // States beyond what registers hold.
    let case = Case::new([1, 3, 2, 70], true, Precision::F32);
    let want = case.oracle();
    let mut plan = forward(Version::WarpScan, Precision::F32, &case.inputs()).unwrap();
    Module::load(SELECTIVE_SCAN).unwrap().run(&mut plan).unwrap();
    assert_near(&plan.f32("y").unwrap(), &want.y, 2e-5, "70 states");
    // A NaN that goes in comes out, and stays in its channel.
    let mut case = Case::new([1, 3, 2, 2], true, Precision::F32);
    case.u[2] = f32::NAN;
    let mut plan = forward(Version::Chunked { chunks: 2 }, Precision::F32, &case.inputs()).unwrap();
    Module::load(SELECTIVE_SCAN).unwrap().run(&mut plan).unwrap();
    let nan: Vec<bool> = plan.f32("y").unwrap().iter().map(|y| y.is_nan()).collect();
    assert_eq!(nan, [false, false, true, false, true, false]);
}

#[test]
fn every_kernel_is_in_the_table_of_its_source() {
    for source in SOURCES {
        let head = source.text.split("\nconstexpr").next().unwrap();
        for kernel in source.kernels() {
            let version = kernel.split('_').find(|part| {
                let digits = part.trim_start_matches(['v', 'b']);
                !digits.is_empty() && digits.len() < part.len() && digits.chars().all(|c| c.is_ascii_digit())
            });
            let row = format!("\n// {} ", version.unwrap_or("no version"));
            assert!(head.contains(&row), "{kernel} is not in the table of {}", source.name);
            for part in kernel.split(version.unwrap_or("no version")).nth(1).unwrap_or("").split('_').skip(1) {
                assert!(head.contains(&format!("_{part}")), "_{part} of {kernel} is not explained in {}", source.name);
            }
        }
    }
}

#[test]
fn a_float_is_rounded_to_its_nearest_bfloat16() {
    // Half of the last place, to even; a little more; the largest float; an infinity.
    for (x, want) in
        [(1.0 + 1.0 / 256.0, 1.0), (1.004, 1.0078125), (f32::MAX, f32::INFINITY), (-f32::INFINITY, -f32::INFINITY)]
    {
        assert_eq!(Data::bf16(&[x]).to_f32(), [want]);
    }
    let mut plan = Plan::new();
    let bits = Data::Bf16(vec![0x7fc0]);
    let y = plan.buffer("y", Role::State, bits);
    assert!(plan.f32("y").unwrap()[0].is_nan());
    assert_eq!(Arg::from(Some(y)), Arg::Buffer(y));
    assert!(Data::Bf16(Vec::new()).is_empty());
}

#[cfg(feature = "cuda")]
mod cuda {
    use mlnotes::kernels::cuda::{Device, Target, compile};

    use super::*;

    /// Every plan on the GPU; where there is none, the sentence that says so.
    #[test]
    fn a_gpu_computes_what_the_loops_do() {
        let device = match Device::new(0) {
            Ok(device) => device,
            Err(error) => {
                let text = message::<()>(Err(error));
                assert!(text.starts_with("no GPU can be used: "), "{text}");
                return;
            }
        };
        let x = numbers(&mut RandomState::new(5), 20_000);
        let mut sum = 0.0;
        let sums: Vec<f64> = x
            .iter()
            .map(|&x| {
                sum += f64::from(x);
                sum
            })
            .collect();
        for version in prefix_sum::Version::ALL {
            let mut plan = prefix_sum::plan(version, &x).unwrap();
            device.load(PREFIX_SUM).unwrap().run(&mut plan).unwrap();
            assert_near(&plan.f32("y").unwrap(), &sums, 1e-5, &format!("{version:?}"));
        }
        let module = device.load(SELECTIVE_SCAN).unwrap();
        for shape in SHAPES {
            for precision in [Precision::F32, Precision::Bf16] {
                let case = Case::new(shape, true, precision);
                let want = case.oracle();
                for version in VERSIONS {
                    let Ok(mut plan) = selective_scan::forward(version, precision, &case.inputs()) else { continue };
                    module.run(&mut plan).unwrap();
                    assert_near(
                        &plan.f32("y").unwrap(),
                        &want.y,
                        tolerance(precision),
                        &format!("{version:?} {shape:?}"),
                    );
                }
                let mut plan =
                    selective_scan::backward(Backward::Recomputed, precision, &case.inputs(), &case.dy, case.dlast())
                        .unwrap();
                module.run(&mut plan).unwrap();
                for (name, gradient) in &want.gradients {
                    assert_near(&plan.f32(name).unwrap(), gradient, 1e-4, &format!("{name} {shape:?}"));
                }
            }
        }
        // Too few arguments are refused before the driver would read beyond them.
        let mut plan = Plan::new();
        plan.launch("prefix_sum_v1", Launch::line(1, 1), []).unwrap();
        message(device.load(PREFIX_SUM).unwrap().run(&mut plan));
    }

    /// The sentence without the library; with it, the compiler's own.
    #[test]
    fn what_cannot_be_compiled_says_why() {
        let text =
            message(compile("typo.cu", "extern \"C\" __global__ void typo(float* x) { x[0] = y; }", Target::Ptx(90)));
        assert!(
            text.contains("NVRTC, which compiles CUDA kernels, is not there") || text.contains("typo.cu(1)"),
            "{text}"
        );
    }
}

/// Code for three generations of GPUs, into the folder that MLNOTES_KERNEL_CODE names: the first half of
/// `kernels/check`.
#[test]
#[cfg(feature = "cuda")]
#[ignore = "needs NVRTC, which kernels/check installs"]
fn code_for_real_gpus() {
    use mlnotes::kernels::cuda::{Target, compile};

    let folder = std::path::PathBuf::from(std::env::var_os("MLNOTES_KERNEL_CODE").unwrap());
    for source in SOURCES {
        for capability in [75, 80, 90] {
            let ptx = compile(source.name, source.text, Target::Ptx(capability)).unwrap();
            let text = String::from_utf8_lossy(&ptx);
            for kernel in source.kernels() {
                assert!(text.contains(&format!(".entry {kernel}(")), "{kernel} is not in the code for {capability}");
            }
            let text = text.trim_end_matches('\0');
            std::fs::write(folder.join(format!("{}.{capability}.ptx", source.name)), text).unwrap();
        }
    }
}
