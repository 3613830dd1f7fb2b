//! How near are the selective scan and a training iteration of CMamba to what the processor can do?
//! (`cargo bench --features deep --bench limits > data/bench/limits.csv`)
//!
//! Three rates, on one thread and on two: multiply-adds with nothing else to do, exponentials of numbers that stay in the
//! first cache, and the scan, forward and with its backward pass. A scan needs one exponential per state and time (two
//! with the backward pass), and some 15 arithmetic instructions per vector of 16 (37), each of which takes the place of
//! a multiply-add. Beyond that comes what each channel and time costs whatever the number of states: softplus, gate, memory.
//!
//! CMamba's iteration (ETTh1, 96 steps ahead, the paper's setting) is products of matrices first of all; what they alone
//! would take is seen from the rate of one of them, by the same code and of the size that occurs most.

use std::hint::black_box;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use mlnotes::nn::Loss;
use mlnotes::nn::cmamba::{Config, Fused};
use mlnotes::prelude::*;
use mlnotes::ssm::selective::{
    Gradients, Inputs, Kept, Shape, selective_scan_backward_kept, selective_scan_into, selective_scan_keeping,
};
use multiversion::multiversion;

/// Batch, length, channels; 16 states.
const SHAPES: [(usize, usize, usize); 3] = [(1, 2048, 256), (4, 1024, 256), (448, 12, 128)];
/// Vectors' worth of arithmetic instructions per state and time: forward, and with the backward pass.
const INSTRUCTIONS: [f64; 2] = [15.0, 37.0];
const REPEATS: usize = 200;
/// Rows, inner and columns of a block's first product.
const PRODUCT: (usize, usize, usize) = (672, 128, 256);

/// Seconds of the quickest of several runs; what else the machine does only makes a run longer.
fn quickest(mut run: impl FnMut()) -> f64 {
    (0..REPEATS).fold(f64::INFINITY, |best, _| {
        let start = Instant::now();
        run();
        best.min(start.elapsed().as_secs_f64())
    })
}

/// Twelve chains of vectors, each in a register: enough for two units with a latency of four or five.
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn multiply_adds(times: usize) -> f32 {
    macro_rules! once {
        ($factor:ident $term:ident: $($x:ident)*) => {
            $(for lane in 0..16 {
                $x[lane] = $x[lane].mul_add($factor, $term);
            })*
        };
    }
    let (factor, term) = (black_box(0.999_f32), black_box(0.001));
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h, mut i, mut j, mut k, mut l]: [[f32; 16]; 12] =
        [[term; 16]; 12];
    for _ in 0..times {
        once!(factor term: a b c d e f g h i j k l);
    }
    [a, b, c, d, e, f, g, h, i, j, k, l].iter().flatten().sum()
}

/// The scan's own exponential: 2^x for x ≤ 0, to f32's accuracy.
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn exponentials(from: &[f32], to: &mut [f32]) {
    const SHIFT: f32 = 12_582_912.0;
    #[allow(clippy::approx_constant)]
    const TERMS: [f32; 6] = [0.001_326_470_2, 0.009_671_514, 0.055_507_34, 0.240_222_42, 0.693_147, 1.0];
    for (x, y) in from.iter().zip(to) {
        let shifted = x + SHIFT;
        let rest = x - (shifted - SHIFT);
        let power = TERMS[1..].iter().fold(TERMS[0], |power, &term| power.mul_add(rest, term));
        let scaled = f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23));
        *y = if shifted < SHIFT - 126.0 { 0.0 } else { scaled };
    }
}

/// Rows of eight windows times weights, as [`Fused`] multiplies them, ten times.
fn products() {
    let (rows, inner, columns) = PRODUCT;
    let (a, b) = (vec![0.5_f32; rows * inner], vec![0.25_f32; inner * columns]);
    let mut to = vec![0.0_f32; rows * columns];
    for _ in 0..10 {
        let (a, b) = (black_box(&a), black_box(&b));
        // SAFETY: (rows, inner), (columns, inner) transposed, and (rows, columns), as the slices are.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                inner,
                to.as_mut_ptr(),
                1,
                columns as isize,
                false,
                a.as_ptr(),
                1,
                inner as isize,
                b.as_ptr(),
                inner as isize,
                1,
                1.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
        black_box(&mut to);
    }
}

/// Multiply-adds of the matrix products of an iteration: once forward, twice back, but for the slope by the patches.
fn of_iteration(config: &Config, batch: usize) -> Result<f64> {
    let patches = config.patch_num()?;
    let rows = batch * config.enc_in * patches;
    let Config { d_model, d_ff, d_state, dt_rank, patch_len, pred_len, e_layers, .. } = *config;
    let block = d_model * 2 * d_ff + d_ff * (dt_rank + 2 * d_state + d_ff) + dt_rank * d_ff + d_ff * d_model;
    let all = 3 * (e_layers * block + d_model * pred_len) + 2 * patch_len * d_model;
    Ok((rows * all) as f64)
}

/// Seconds of an iteration, but for Adam and mixup.
fn iteration(config: &Config, batch: usize, threads: usize) -> Result<f64> {
    let fused = Fused::new(config, &config.initial(DType::F32, 1)?)?.threads(threads)?;
    let mut random = RandomState::new(1);
    let mut draw = |steps: usize| -> Result<Tensor> {
        let values = (0..batch * steps * config.enc_in).map(|_| random.normal() as f32);
        Ok(Tensor::from_iter(values, &Device::Cpu)?.reshape((batch, steps, config.enc_in))?)
    };
    let (x, target) = (draw(config.seq_len)?, draw(config.pred_len)?);
    let mut masks = RandomState::new(2);
    fused.slopes(&x, &target, Loss::Mae, Some(&mut masks))?;
    Ok(quickest(|| {
        let _ = fused.slopes(black_box(&x), &target, Loss::Mae, Some(&mut masks));
    }))
}

/// The same on so many threads at once; the rate of all of them, in 10⁹ a second.
fn rate(threads: usize, each: f64, run: impl Fn() + Sync) -> f64 {
    let seconds = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| quickest(&run))).collect();
        all.into_iter().filter_map(|thread| thread.join().ok()).fold(0.0, f64::max)
    });
    threads as f64 * each / seconds / 1e9
}

fn main() -> Result<()> {
    let mut rows = vec!["what,threads,giga_per_second,of_exponentials,of_multiply_adds".to_owned()];
    for threads in [1, 2] {
        let adds = rate(threads, 100_000.0 * 12.0 * 16.0, || {
            black_box(multiply_adds(100_000));
        });
        let from: Vec<f32> = (0..2048).map(|i| -0.01 * i as f32).collect();
        let exponentials = rate(threads, 100.0 * 2048.0, || {
            let mut to = [0.0; 2048];
            for _ in 0..100 {
                exponentials(black_box(&from), black_box(&mut to));
            }
        });
        rows.push(format!("multiply-adds,{threads},{adds:.1},,1.00"));
        rows.push(format!("exponentials,{threads},{exponentials:.2},1.00,"));
        for (batch, length, channels) in SHAPES {
            let shape = Shape { batch, length, channels, state: 16 };
            let mut random = RandomState::new(1);
            let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| random.normal() as f32).collect() };
            let (sequence, projection) = (batch * length * channels, batch * length * 16);
            let (u, delta, z) = (draw(sequence), draw(sequence), draw(sequence));
            let a: Vec<f32> = draw(channels * 16).iter().map(|a| -a.exp()).collect();
            let (b, c, d) = (draw(projection), draw(projection), draw(channels));
            let inputs = Inputs::new(shape, &u, &delta, &a, &b, &c)?.d(&d)?.z(&z)?.softplus(true);
            let (mut y, mut kept, mut gradients) = (vec![0.0; sequence], Kept::new(shape), Gradients::zeros(&inputs));
            // Once for the errors, which the timed runs cannot have then.
            selective_scan_into(&inputs, threads, &mut y, None)?;
            let forward = quickest(|| {
                let _ = selective_scan_into(black_box(&inputs), threads, &mut y, None);
            });
            let both = quickest(|| {
                let _ = selective_scan_keeping(black_box(&inputs), threads, &mut y, None, &mut kept);
                let _ = selective_scan_backward_kept(&inputs, &kept, &u, None, threads, &mut gradients);
            });
            for (i, (what, seconds)) in [("forward", forward), ("forward and backward", both)].into_iter().enumerate() {
                let elements = sequence as f64 * 16.0 / seconds / 1e9;
                let (of_exponentials, of_adds) =
                    ((i + 1) as f64 * elements / exponentials, INSTRUCTIONS[i] * elements / adds);
                rows.push(format!(
                    "{what} {batch}x{length}x{channels}x16,{threads},{elements:.2},{of_exponentials:.2},{of_adds:.2}"
                ));
            }
        }
        let (m, k, n) = PRODUCT;
        let product = rate(threads, 10.0 * (m * k * n) as f64, products);
        rows.push(format!("product {m}x{k}x{n},{threads},{product:.1},,{:.2}", product / adds));
        let (config, batch) = (Config::paper(), 64);
        let reached = of_iteration(&config, batch)? / iteration(&config, batch, threads)? / 1e9;
        rows.push(format!("products of CMamba's iteration,{threads},{reached:.1},,{:.2}", reached / adds));
    }
    println!("{}", rows.join("\n"));
    Ok(())
}
