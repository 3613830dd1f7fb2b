//! Some windows through the whole model, and back.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

use super::super::Config;
use super::super::instance::EPSILON;
use super::gate::Gated;
use super::matrix::{Matrix, product};
use super::passes::{self, Entry};
use super::weights::{Layer, Parts};
use crate::Result;
use crate::nn::Loss;
use crate::random::Philox;
use crate::ssm::selective::{self, Gradients, Inputs, Shape};

/// What all chunks of a call share.
pub(super) struct Plan<'a, T> {
    pub(super) config: Config,
    pub(super) patches: usize,
    pub(super) weights: Parts<&'a [T]>,
    /// (patches, d_model).
    pub(super) positions: &'a [T],
    /// A = −exp(A_log) of each layer, for every channel of the scan.
    pub(super) a: Vec<Vec<T>>,
    /// Windows of the whole batch.
    pub(super) batch: usize,
    /// Where masks come from in training.
    pub(super) masks: Option<Philox>,
    pub(super) loss: Loss,
}

/// Some windows: what goes in, and what comes out.
pub(super) struct Job<'a, T> {
    pub(super) plan: &'a Plan<'a, T>,
    /// The first, of the batch.
    pub(super) first: usize,
    /// (windows, seq_len, V).
    pub(super) x: &'a [T],
    pub(super) to: Wanted<'a, T>,
}

/// The forecasts, (windows, pred_len, V); or from the targets a share of the loss, and slopes by all weights.
pub(super) enum Wanted<'a, T> {
    Forecast(&'a mut [T]),
    Slopes(&'a [T], &'a mut [T]),
}

/// What a thread works with, used again from call to call.
#[derive(Default)]
pub(super) struct Room<T: Entry> {
    /// Instance norm's means and deviations, (sequences).
    means: Vec<T>,
    deviations: Vec<T>,
    /// (sequences, patches, patch_len).
    pieces: Vec<T>,
    embedded_mask: Vec<T>,
    layers: Vec<LayerRoom<T>>,
    /// After the last block, and its slope through all of them.
    last: Vec<T>,
    du: Vec<T>,
    features: Vec<T>,
    dfeatures: Vec<T>,
    /// (sequences, pred_len).
    y: Vec<T>,
    y_mask: Vec<T>,
    /// Slopes within a block.
    wide: Vec<T>,
    dread: Vec<T>,
    narrow: [Vec<T>; 2],
    low: Vec<T>,
    scan: Option<Gradients<T>>,
}

/// What a block computed.
#[derive(Default)]
struct LayerRoom<T: Entry> {
    u: Vec<T>,
    scales: Vec<T>,
    n: Vec<T>,
    /// x and z before SiLU, and x after.
    both: Vec<T>,
    x: Vec<T>,
    /// Low-rank Δ, B, C and D; the first three again by themselves.
    read: Vec<T>,
    low: Vec<T>,
    b: Vec<T>,
    c: Vec<T>,
    delta: Vec<T>,
    y: Vec<T>,
    g: Vec<T>,
    h: Vec<T>,
    gated: Gated<T>,
    mask: Vec<T>,
}

pub(super) trait Compiled: Entry {
    /// The share of the loss, 0 where a forecast is wanted.
    fn run(job: Job<'_, Self>, room: &mut Room<Self>) -> Result<f64>;
}

impl Compiled for f32 {
    fn run(job: Job<'_, f32>, room: &mut Room<f32>) -> Result<f64> {
        run_f32(job, room)
    }
}

impl Compiled for f64 {
    fn run(job: Job<'_, f64>, room: &mut Room<f64>) -> Result<f64> {
        run_f64(job, room)
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
fn run_f32(job: Job<'_, f32>, room: &mut Room<f32>) -> Result<f64> {
    if target_cfg_f!(target_feature = "fma") { run::<f32, true>(job, room) } else { run::<f32, ELSEWHERE>(job, room) }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
fn run_f64(job: Job<'_, f64>, room: &mut Room<f64>) -> Result<f64> {
    if target_cfg_f!(target_feature = "fma") { run::<f64, true>(job, room) } else { run::<f64, ELSEWHERE>(job, room) }
}

/// Where one instruction multiplies and adds without being asked for.
const ELSEWHERE: bool = cfg!(target_arch = "aarch64");

#[inline(always)]
fn run<T: Entry, const FUSED: bool>(job: Job<'_, T>, room: &mut Room<T>) -> Result<f64> {
    let Job { plan, first, x, to } = job;
    let train = matches!(to, Wanted::Slopes(..));
    let chunk = Chunk::new(plan, first, x);
    chunk.embed(x, room);
    for layer in 0..plan.config.e_layers {
        chunk.block::<FUSED>(layer, train, room)?;
    }
    chunk.head::<FUSED>(room);
    match to {
        Wanted::Forecast(y) => {
            chunk.forecast(room, y);
            Ok(0.0)
        }
        Wanted::Slopes(target, slopes) => {
            slopes.fill(T::zero());
            let mut rest = slopes;
            let mut slopes = Parts::new(&plan.config, plan.patches, |length| {
                rest.split_off_mut(..length).expect("as many as there are parameters")
            });
            let loss = chunk.loss(target, room);
            chunk.head_back::<FUSED>(&mut slopes, room);
            for layer in (0..plan.config.e_layers).rev() {
                chunk.block_back::<FUSED>(layer, &mut slopes.layers[layer], room)?;
            }
            chunk.embed_back(slopes.embedding, room);
            Ok(loss)
        }
    }
}

/// Sizes of a chunk.
struct Chunk<'a, T> {
    plan: &'a Plan<'a, T>,
    first: usize,
    /// windows · V, and that times the patches.
    sequences: usize,
    rows: usize,
}

fn fit<T: Entry>(values: &mut Vec<T>, length: usize) -> &mut [T] {
    values.resize(length, T::zero());
    values
}

impl<'a, T: Entry> Chunk<'a, T> {
    fn new(plan: &'a Plan<'a, T>, first: usize, x: &[T]) -> Self {
        let windows = x.len() / (plan.config.seq_len * plan.config.enc_in);
        let sequences = windows * plan.config.enc_in;
        Self { plan, first, sequences, rows: sequences * plan.patches }
    }

    /// The mask of one place of the model, where each sequence draws so many numbers: places of the batch come one after
    /// the other in the stream, those without dropout draw nothing.
    #[inline(always)]
    fn mask<'m>(&self, place: Place, mask: &'m mut Vec<T>) -> Option<&'m [T]> {
        let Config { d_model, pred_len, e_layers, dropout, head_dropout, enc_in, .. } = self.plan.config;
        let stream = self.plan.masks?;
        let inner = self.plan.patches * d_model;
        let (share, each, before) = match place {
            Place::Embedded => (head_dropout, inner, 0),
            Place::Block(layer) => (dropout, inner, inner * layer + if head_dropout > 0.0 { inner } else { 0 }),
            Place::Forecast => (head_dropout, pred_len, inner + if dropout > 0.0 { inner * e_layers } else { 0 }),
        };
        if share == 0.0 {
            return None;
        }
        let from = (before * self.plan.batch + each * self.first) * enc_in;
        passes::draw_mask(stream, from, share, fit(mask, each * self.sequences));
        Some(mask)
    }

    /// Instance norm, patches, projection and positions.
    #[inline(always)]
    fn embed(&self, x: &[T], room: &mut Room<T>) {
        let Config { seq_len, enc_in, patch_len, stride, d_model, .. } = self.plan.config;
        let (means, deviations) = (fit(&mut room.means, self.sequences), fit(&mut room.deviations, self.sequences));
        let pieces = fit(&mut room.pieces, self.rows * patch_len);
        let length = T::from_f64(seq_len as f64);
        for sequence in 0..self.sequences {
            let at = |t: usize| x[(sequence / enc_in * seq_len + t) * enc_in + sequence % enc_in];
            let mean = (0..seq_len).fold(T::zero(), |sum, t| sum + at(t)) / length;
            let squares = (0..seq_len).fold(T::zero(), |sum, t| sum + (at(t) - mean) * (at(t) - mean));
            let deviation = T::one() / (squares / length + T::from_f64(EPSILON)).rsqrt();
            (means[sequence], deviations[sequence]) = (mean, deviation);
            let pieces = &mut pieces[sequence * self.plan.patches * patch_len..][..self.plan.patches * patch_len];
            for (place, piece) in pieces.iter_mut().enumerate() {
                let t = (place / patch_len * stride + place % patch_len).min(seq_len - 1);
                *piece = (at(t) - mean) / deviation;
            }
        }
        let layers = &mut room.layers;
        if layers.is_empty() {
            layers.push(LayerRoom::default());
        }
        let u = fit(&mut layers[0].u, self.rows * d_model);
        let weight = Matrix::rows(self.plan.weights.embedding, patch_len);
        product(u, false, Matrix::rows(&room.pieces, patch_len), weight.t());
        let mask = self.mask(Place::Embedded, &mut room.embedded_mask);
        for (place, u) in u.chunks_exact_mut(self.plan.positions.len()).enumerate() {
            passes::add_bias(u, self.plan.positions);
            if let Some(mask) = mask {
                let mask = &mask[place * u.len()..];
                u.iter_mut().zip(mask).for_each(|(u, &mask)| *u *= mask);
            }
        }
    }

    /// One block, from `u` to the `u` of the next, which is in the same place where nothing has to be kept for the way back.
    #[inline(always)]
    fn block<const FUSED: bool>(&self, layer: usize, train: bool, room: &mut Room<T>) -> Result<()> {
        let Config { d_model, d_ff, d_state, dt_rank, e_layers, .. } = self.plan.config;
        let (weights, columns) = (&self.plan.weights.layers[layer], self.columns());
        if train && room.layers.len() < e_layers {
            room.layers.resize_with(e_layers, LayerRoom::default);
        }
        let rows = self.rows;
        let (here, after) = room.layers.split_at_mut(if train { layer + 1 } else { 1 });
        let Some(LayerRoom { u, scales, n, both, x, read, low, b, c, delta, y, g, h, gated, mask }) = here.last_mut()
        else {
            return Ok(());
        };
        passes::normalise::<T, FUSED>(u, weights.norm, fit(n, rows * d_model), fit(scales, rows));
        product(
            fit(both, rows * 2 * d_ff),
            false,
            Matrix::rows(n, d_model),
            Matrix::rows(weights.in_proj, d_model).t(),
        );
        passes::activate::<T, FUSED>(both, weights.in_bias, fit(x, rows * d_ff));
        product(fit(read, rows * columns), false, Matrix::rows(x, d_ff), Matrix::rows(weights.x_proj, d_ff).t());
        let parts = [(&mut *low, 0, dt_rank), (&mut *b, dt_rank, d_state), (&mut *c, dt_rank + d_state, d_state)];
        for (to, from, width) in parts {
            let to = fit(to, rows * width).chunks_exact_mut(width);
            to.zip(read.chunks_exact(columns)).for_each(|(to, read)| to.copy_from_slice(&read[from..][..width]));
        }
        product(fit(delta, rows * d_ff), false, Matrix::rows(low, dt_rank), Matrix::rows(weights.dt_proj, dt_rank).t());
        let inputs = self.scan(layer, x, delta, b, c)?;
        selective::selective_scan_into(&inputs, 1, fit(y, rows * d_ff), None)?;
        passes::gate::<T, FUSED>((y, x, both, read), (d_ff, columns), fit(g, rows * d_ff));
        product(fit(h, rows * d_model), false, Matrix::rows(g, d_ff), Matrix::rows(weights.out_proj, d_ff).t());
        passes::add_bias(h, weights.out_bias);
        if let Some(gate) = &weights.gate {
            gated.fit(rows);
            passes::pool(h, d_model, (&mut gated.means, &mut gated.maxima, &mut gated.places));
            gated.forward(gate, self.plan.config.enc_in, self.plan.patches);
        }
        let gates = weights.gate.is_some().then_some((&gated.scales[..], &gated.shifts[..]));
        let mask = self.mask(Place::Block(layer), mask);
        let next = match after.first_mut() {
            Some(next) if train && layer + 1 < e_layers => &mut next.u,
            _ => &mut room.last,
        };
        passes::residual((u, h), (gates, mask), d_model, fit(next, rows * d_model));
        if !train && layer + 1 < e_layers {
            std::mem::swap(u, &mut room.last);
        }
        Ok(())
    }

    /// Columns of what is read off x.
    fn columns(&self) -> usize {
        let Config { d_ff, d_state, dt_rank, .. } = self.plan.config;
        dt_rank + 2 * d_state + d_ff
    }

    fn scan<'s>(&'s self, layer: usize, x: &'s [T], delta: &'s [T], b: &'s [T], c: &'s [T]) -> Result<Inputs<'s, T>> {
        let Config { d_ff, d_state, .. } = self.plan.config;
        let shape = Shape { batch: self.sequences, length: self.plan.patches, channels: d_ff, state: d_state };
        let inputs = Inputs::new(shape, x, delta, &self.plan.a[layer], b, c)?;
        inputs.softplus(true).delta_bias(self.plan.weights.layers[layer].dt_bias)
    }

    /// SiLU, flatten, the linear head, dropout.
    #[inline(always)]
    fn head<const FUSED: bool>(&self, room: &mut Room<T>) {
        let Config { d_model, pred_len, .. } = self.plan.config;
        let (patches, width) = (self.plan.patches, self.plan.patches * d_model);
        let features = fit(&mut room.features, self.rows * d_model);
        passes::features::<T, FUSED>(&room.last, (patches, d_model), features);
        let y = fit(&mut room.y, self.sequences * pred_len);
        product(y, false, Matrix::rows(features, width), Matrix::rows(self.plan.weights.head, width).t());
        passes::add_bias(y, self.plan.weights.head_bias);
        if let Some(mask) = self.mask(Place::Forecast, &mut room.y_mask) {
            y.iter_mut().zip(mask).for_each(|(y, &mask)| *y *= mask);
        }
    }

    /// Where (sequence, step) of a forecast is in (windows, pred_len, V).
    fn place(&self, sequence: usize, step: usize) -> usize {
        let Config { enc_in, pred_len, .. } = self.plan.config;
        (sequence / enc_in * pred_len + step) * enc_in + sequence % enc_in
    }

    #[inline(always)]
    fn forecast(&self, room: &Room<T>, to: &mut [T]) {
        for (sequence, y) in room.y.chunks_exact(self.plan.config.pred_len).enumerate() {
            for (step, &y) in y.iter().enumerate() {
                to[self.place(sequence, step)] = room.means[sequence] + room.deviations[sequence] * y;
            }
        }
    }

    /// This chunk's share of the batch's mean; the slopes by the head's results take their place.
    #[inline(always)]
    fn loss(&self, target: &[T], room: &mut Room<T>) -> f64 {
        let Config { enc_in, pred_len, .. } = self.plan.config;
        let count = (self.plan.batch * enc_in * pred_len) as f64;
        let mut loss = 0.0;
        for (sequence, y) in room.y.chunks_exact_mut(pred_len).enumerate() {
            let (mean, deviation) = (room.means[sequence], room.deviations[sequence]);
            for (step, y) in y.iter_mut().enumerate() {
                let off = mean + deviation * *y - target[self.place(sequence, step)];
                let (lost, slope) = of_loss(self.plan.loss, off.into());
                loss += lost;
                *y = T::from_f64(slope / count) * deviation;
            }
        }
        loss / count
    }

    #[inline(always)]
    fn head_back<const FUSED: bool>(&self, slopes: &mut Parts<&mut [T]>, room: &mut Room<T>) {
        let Config { d_model, pred_len, head_dropout, .. } = self.plan.config;
        let (patches, width) = (self.plan.patches, self.plan.patches * d_model);
        if self.plan.masks.is_some() && head_dropout > 0.0 {
            room.y.iter_mut().zip(&room.y_mask).for_each(|(dy, &mask)| *dy *= mask);
        }
        let dy = Matrix::rows(&room.y, pred_len);
        passes::add_rows(&room.y, slopes.head_bias);
        product(slopes.head, false, dy.t(), Matrix::rows(&room.features, width));
        let dfeatures = fit(&mut room.dfeatures, self.rows * d_model);
        product(dfeatures, false, dy, Matrix::rows(self.plan.weights.head, width));
        let du = fit(&mut room.du, self.rows * d_model);
        passes::features_back::<T, FUSED>((&room.last, dfeatures), (patches, d_model), du);
    }

    /// From the slope by what the block gives, `du`, to that by what it takes, in the same place.
    #[inline(always)]
    fn block_back<const FUSED: bool>(
        &self,
        layer: usize,
        slopes: &mut Layer<&mut [T]>,
        room: &mut Room<T>,
    ) -> Result<()> {
        let Config { d_model, d_ff, d_state, dt_rank, dropout, .. } = self.plan.config;
        let (weights, columns, rows) = (&self.plan.weights.layers[layer], self.columns(), self.rows);
        let LayerRoom { u, scales, n, both, x, read, low, b, c, delta, y, g, h, gated, mask } = &mut room.layers[layer];
        let mask = (self.plan.masks.is_some() && dropout > 0.0).then_some(&mask[..]);
        let du = &mut room.du;

        let [first, second] = &mut room.narrow;
        let dh = fit(first, rows * d_model);
        let Gated { scales: gates, dscales, dshifts, .. } = gated;
        let gates = weights.gate.is_some().then_some((&gates[..], &mut dscales[..], &mut dshifts[..]));
        passes::residual_back((du, h, mask), gates, d_model, dh);
        if let (Some(weights), Some(slopes)) = (&weights.gate, &mut slopes.gate) {
            gated.backward(weights, slopes, self.plan.config.enc_in, self.plan.patches);
            passes::pool_back((&gated.dmeans, &gated.dmaxima, &gated.places), d_model, dh);
        }
        passes::add_rows(dh, slopes.out_bias);
        product(slopes.out_proj, false, Matrix::rows(dh, d_model).t(), Matrix::rows(g, d_ff));
        // Of g nothing is needed any more: the slope takes its place.
        product(g, false, Matrix::rows(dh, d_model), Matrix::rows(weights.out_proj, d_ff));

        let (dboth, dread) = (fit(&mut room.wide, rows * 2 * d_ff), fit(&mut room.dread, rows * columns));
        let through_d = fit(second, rows * d_ff);
        passes::gate_back::<T, FUSED>((y, x, both, read), (d_ff, columns), g, (dboth, dread, through_d));
        let inputs = self.scan(layer, x, delta, b, c)?;
        let fits = |scan: &Gradients<T>| scan.u.len() == x.len() && scan.b.len() == b.len();
        let mut scan = room.scan.take().filter(fits).unwrap_or_else(|| Gradients::zeros(&inputs));
        selective::selective_scan_backward_into(&inputs, g, None, 1, &mut scan)?;
        // A = −exp(A_log), the same of every channel.
        for (place, &da) in scan.a.iter().enumerate() {
            let state = place % d_state;
            slopes.a_log[state] += da * self.plan.a[layer][state];
        }
        if let Some(bias) = &scan.delta_bias {
            passes::add_rows(bias, slopes.dt_bias);
        }
        let ddelta = Matrix::rows(&scan.delta, d_ff);
        product(slopes.dt_proj, false, ddelta.t(), Matrix::rows(low, dt_rank));
        let dlow = fit(&mut room.low, rows * dt_rank);
        product(dlow, false, ddelta, Matrix::rows(weights.dt_proj, dt_rank));
        let parts = [(&dlow[..], 0, dt_rank), (&scan.b, dt_rank, d_state), (&scan.c, dt_rank + d_state, d_state)];
        for (values, to, width) in parts {
            let values = values.chunks_exact(width);
            values
                .zip(dread.chunks_exact_mut(columns))
                .for_each(|(from, row)| row[to..][..width].copy_from_slice(from));
        }
        let dread = Matrix::rows(dread, columns);
        product(slopes.x_proj, false, dread.t(), Matrix::rows(x, d_ff));
        product(through_d, true, dread, Matrix::rows(weights.x_proj, d_ff));
        passes::activate_back::<T, FUSED>(both, (through_d, &scan.u), d_ff, dboth);
        room.scan = Some(scan);

        passes::add_rows(dboth, slopes.in_bias);
        let dboth = Matrix::rows(dboth, 2 * d_ff);
        product(slopes.in_proj, false, dboth.t(), Matrix::rows(n, d_model));
        product(n, false, dboth, Matrix::rows(weights.in_proj, d_model));
        passes::normalise_back::<T, FUSED>((n, u, weights.norm, scales), du, slopes.norm);
        Ok(())
    }

    #[inline(always)]
    fn embed_back(&self, slopes: &mut [T], room: &mut Room<T>) {
        let Config { d_model, patch_len, head_dropout, .. } = self.plan.config;
        if self.plan.masks.is_some() && head_dropout > 0.0 {
            room.du.iter_mut().zip(&room.embedded_mask).for_each(|(du, &mask)| *du *= mask);
        }
        product(slopes, false, Matrix::rows(&room.du, d_model).t(), Matrix::rows(&room.pieces, patch_len));
    }
}

/// Where the model has dropout.
#[derive(Clone, Copy)]
enum Place {
    Embedded,
    Block(usize),
    Forecast,
}

/// What one entry adds to the loss, and the slope by how far it is off.
fn of_loss(loss: Loss, off: f64) -> (f64, f64) {
    match loss {
        Loss::Mae if off == 0.0 => (0.0, 0.0),
        Loss::Mae => (off.abs(), off.signum()),
        Loss::Mse => (off * off, 2.0 * off),
    }
}
