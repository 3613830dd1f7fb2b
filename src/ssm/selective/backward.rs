//! The fast backward pass: states are computed anew from one kept per tile (recomputation, 重计算), not stored.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use ndarray::{ArrayViewMut2, ArrayViewMut3, s};

use super::forward::{ELSEWHERE, advance};
use super::lanes::{Lane, Lanes};
use super::parts::{Cut, Part};
use super::tile::{Group, TILE, Tile, Times};
use super::{Gradients, Inputs, Shape};
use crate::numerics::on_threads;

/// Parts of the work, however many threads there are: sums over parts have one order then.
const PARTS: usize = 4;

/// One part's share of a backward pass: what it reads, and which of the gradients are its own.
pub(super) struct Job<'i, 'o, T: Lane> {
    inputs: Inputs<'i, T>,
    dy: &'i [T],
    dlast: Option<&'i [T]>,
    part: Part,
    u: ArrayViewMut3<'o, T>,
    delta: ArrayViewMut3<'o, T>,
    z: Option<ArrayViewMut3<'o, T>>,
    initial: ArrayViewMut3<'o, T>,
}

/// What several parts add to.
pub(super) struct Sums<T> {
    part: Part,
    /// (channels, N) of the part's channels.
    a: Vec<T>,
    /// (channels) of them.
    d: Vec<T>,
    bias: Vec<T>,
    /// (batch, L, N) of the part's sequences.
    b: Vec<T>,
    c: Vec<T>,
    good: bool,
}

/// Fills in every gradient; `None` where an input or a gradient is not finite, or a Δ below 0.
pub(super) fn backward<T: Lane, const W: usize>(
    inputs: &Inputs<'_, T>,
    dy: &[T],
    dlast: Option<&[T]>,
    threads: usize,
    run: fn(Job<'_, '_, T>, &mut Room<T, W>) -> Sums<T>,
    to: &mut Gradients<T>,
) -> Option<()> {
    let Shape { batch, length, channels, state } = inputs.shape;
    let cut = Cut::new(inputs.shape, W, PARTS);
    let whole = (batch, length, channels);
    let split = |values| Some(cut.split(ArrayViewMut3::from_shape(whole, values).ok()?, 2));
    let z: Vec<Option<ArrayViewMut3<'_, T>>> = match &mut to.z {
        Some(z) => split(z)?.into_iter().map(Some).collect(),
        None => cut.parts().iter().map(|_| None).collect(),
    };
    let initial = cut.split(ArrayViewMut3::from_shape((batch, channels, state), &mut to.initial).ok()?, 1);
    let views = split(&mut to.u)?.into_iter().zip(split(&mut to.delta)?).zip(z).zip(initial);
    let job = |(part, (((u, delta), z), initial))| Job { inputs: *inputs, dy, dlast, part, u, delta, z, initial };
    let jobs = cut.parts().into_iter().zip(views).map(job).collect();
    let all = on_threads(threads, jobs, run);
    to.clear_sums();
    for sums in all {
        if !sums.good {
            return None;
        }
        let (rows, columns) = (sums.part.batch.start * length * state, sums.part.channels.start);
        add(&mut to.b[rows..], &sums.b);
        add(&mut to.c[rows..], &sums.c);
        add(&mut to.a[columns * state..], &sums.a);
        to.d.iter_mut().for_each(|d| add(&mut d[columns..], &sums.d));
        to.delta_bias.iter_mut().for_each(|bias| add(&mut bias[columns..], &sums.bias));
    }
    Some(())
}

fn add<T: Lane>(sums: &mut [T], values: &[T]) {
    sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += value);
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
pub(super) fn run_f32(job: Job<'_, '_, f32>, room: &mut Room<f32, 16>) -> Sums<f32> {
    if target_cfg_f!(target_feature = "fma") {
        part::<f32, 16, true>(job, room)
    } else {
        part::<f32, 16, ELSEWHERE>(job, room)
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
pub(super) fn run_f64(job: Job<'_, '_, f64>, room: &mut Room<f64, 8>) -> Sums<f64> {
    if target_cfg_f!(target_feature = "fma") {
        part::<f64, 8, true>(job, room)
    } else {
        part::<f64, 8, ELSEWHERE>(job, room)
    }
}

/// What one tile of all blocks is worked on with.
#[derive(Default)]
pub(super) struct Room<T, const W: usize> {
    tile: Tile<T, W>,
    /// exp(Δ A) and h after each time of one block, (N, times).
    decay: Vec<Times<T, W>>,
    h: Vec<Times<T, W>>,
    /// The slopes by B and C before they are summed over lanes, (N, times).
    b: Vec<Times<T, W>>,
    c: Vec<Times<T, W>>,
    /// g = ∂loss/∂h and ∂A, (blocks, N).
    g: Vec<Lanes<T, W>>,
    a: Vec<Lanes<T, W>>,
    /// ∂D and that by the bias, (blocks).
    d: Vec<Lanes<T, W>>,
    bias: Vec<Lanes<T, W>>,
    /// The slopes by u, delta and z, (blocks, times).
    by_u: Vec<Times<T, W>>,
    by_raw: Vec<Times<T, W>>,
    by_z: Vec<Times<T, W>>,
    /// The states before each tile, (tiles, blocks, N).
    kept: Vec<Lanes<T, W>>,
}

impl<T: Lane, const W: usize> Room<T, W> {
    /// For a part: sums of 0, the rest as it comes.
    fn fit(&mut self, blocks: usize, n: usize, tiles: usize) {
        self.tile.fit(blocks);
        for times in [&mut self.decay, &mut self.h, &mut self.b, &mut self.c] {
            times.resize(n, [Lanes::ZERO; TILE]);
        }
        for times in [&mut self.by_u, &mut self.by_raw, &mut self.by_z] {
            times.resize(blocks, [Lanes::ZERO; TILE]);
        }
        self.g.resize(blocks * n, Lanes::ZERO);
        self.kept.resize(tiles.max(1) * blocks * n, Lanes::ZERO);
        for (sums, length) in [(&mut self.a, blocks * n), (&mut self.d, blocks), (&mut self.bias, blocks)] {
            sums.clear();
            sums.resize(length, Lanes::ZERO);
        }
    }
}

/// One tile of one sequence: its first time of all B L and how many there are.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    steps: usize,
}

#[inline(always)]
fn part<T: Lane, const W: usize, const FUSED: bool>(mut job: Job<'_, '_, T>, room: &mut Room<T, W>) -> Sums<T> {
    let group = Group::<T, W>::new(&job.inputs, job.part.channels.clone());
    let Shape { length, channels, state, .. } = job.inputs.shape;
    let projection = job.part.batch.len() * length * state;
    let mut sums = Sums {
        a: vec![T::ZERO; group.channels.len() * state],
        d: vec![T::ZERO; group.channels.len()],
        bias: vec![T::ZERO; group.channels.len()],
        b: vec![T::ZERO; projection],
        c: vec![T::ZERO; projection],
        part: job.part.clone(),
        good: true,
    };
    room.fit(group.blocks(), state, length.div_ceil(TILE));
    let mut trouble = Lanes::ZERO;
    for (i, batch) in job.part.batch.clone().enumerate() {
        keep::<T, W, FUSED>(&group, batch, room, &mut trouble);
        match job.dlast {
            Some(dlast) => group.gather(&dlast[(batch * channels + group.channels.start) * state..], &mut room.g),
            None => room.g.fill(Lanes::ZERO),
        }
        for start in (0..length).step_by(TILE).rev() {
            let place = Place { first: batch * length + start, steps: TILE.min(length - start) };
            group.load::<FUSED>(place.first, place.steps, &mut room.tile, &mut trouble);
            room.b.iter_mut().chain(&mut room.c).for_each(|times| *times = [Lanes::ZERO; TILE]);
            for k in 0..group.blocks() {
                block::<T, W, FUSED>(&group, k, place, start / TILE, job.dy, room);
            }
            let times = s![i, start..start + place.steps, ..];
            write(&room.by_u, job.u.slice_mut(times), &mut trouble);
            write(&room.by_raw, job.delta.slice_mut(times), &mut trouble);
            if let Some(z) = &mut job.z {
                write(&room.by_z, z.slice_mut(times), &mut trouble);
            }
            let rows = (i * length + start) * state..(i * length + start + place.steps) * state;
            sum_lanes(&room.b, &mut sums.b[rows.clone()]);
            sum_lanes(&room.c, &mut sums.c[rows]);
        }
        if let Some(initial) = job.initial.outer_iter_mut().nth(i).and_then(|initial| initial.into_slice()) {
            group.scatter(&room.g, initial);
        }
    }
    group.scatter(&room.a, &mut sums.a);
    let blocks = sums.d.chunks_mut(W).zip(sums.bias.chunks_mut(W));
    for ((d, bias), (from_d, from_bias)) in blocks.zip(room.d.iter().zip(&room.bias)) {
        from_d.store(d);
        from_bias.store(bias);
    }
    sums.good = trouble.saw_none();
    sums
}

/// The states before each tile of a sequence.
#[inline(always)]
fn keep<T: Lane, const W: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    batch: usize,
    room: &mut Room<T, W>,
    trouble: &mut Lanes<T, W>,
) {
    let Shape { length, state, .. } = group.inputs.shape;
    let size = room.g.len();
    group.start(batch, &mut room.kept[..size]);
    for (i, start) in (0..length.saturating_sub(TILE)).step_by(TILE).enumerate() {
        let first = batch * length + start;
        group.load::<FUSED>(first, TILE, &mut room.tile, trouble);
        let (before, after) = room.kept[i * size..].split_at_mut(size);
        after[..size].copy_from_slice(before);
        let (b, c) = (&group.inputs.b[first * state..], &group.inputs.c[first * state..]);
        let (b, c) = (&b[..TILE * state], &c[..TILE * state]);
        for (k, (h, a)) in after[..size].chunks_exact_mut(state).zip(group.a.chunks_exact(state)).enumerate() {
            let (delta, drive) = (&room.tile.delta[k], &room.tile.drive[k]);
            advance::<T, W, FUSED>(h, a, delta, drive, [b, c], &mut room.tile.y[k]);
        }
    }
}

/// One block through one tile: its states anew, then back.
#[inline(always)]
fn block<T: Lane, const W: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    k: usize,
    place: Place,
    tile: usize,
    dy: &[T],
    room: &mut Room<T, W>,
) {
    let n = group.inputs.shape.state;
    let (b, c) = (&group.inputs.b[place.first * n..], &group.inputs.c[place.first * n..]);
    let [b, c] = [b, c].map(|values| &values[..place.steps * n]);
    let before = &room.kept[(tile * group.blocks() + k) * n..][..n];
    let a = &group.a[k * n..][..n];
    let (delta, drive, y) = (&room.tile.delta[k], &room.tile.drive[k], &mut room.tile.y[k]);
    for (j, (decay, h)) in room.decay.iter_mut().zip(&mut room.h).enumerate() {
        states::<T, W, FUSED>(before[j], a[j], [delta, drive], [b, c], j, n, [decay, h], y);
    }
    let columns = k * W..(k * W + W).min(group.channels.len());
    let (from, mut dy) = (dy, [Lanes::ZERO; TILE]);
    for (t, dy) in dy.iter_mut().enumerate().take(place.steps) {
        *dy = Lanes::load(&group.row(from, place.first + t)[columns.clone()]);
        if let Some(z) = group.inputs.z {
            let z = Lanes::load(&group.row(z, place.first + t)[columns.clone()]);
            let sigma = z.map(T::sigma::<FUSED>);
            let slope = z.zip(sigma, |z, sigma| sigma * (T::ONE + z * (T::ONE - sigma)));
            room.by_z[k][t] = dy.times(y[t]).times(slope);
            *dy = dy.times(z).times(sigma);
        }
    }
    let (mut by_input, mut by_delta) = ([Lanes::ZERO; TILE], [Lanes::ZERO; TILE]);
    let slopes = room.b.iter_mut().zip(&mut room.c);
    for (j, (to_b, to_c)) in slopes.enumerate() {
        let known = Known { before: before[j], a: a[j], delta, drive, dy: &dy, decay: &room.decay[j], h: &room.h[j] };
        let to = To { b: to_b, c: to_c, by_input: &mut by_input, by_delta: &mut by_delta };
        let (g, by_a) = back::<T, W, FUSED>(known, [b, c], j, n, room.g[k * n + j], to);
        room.g[k * n + j] = g;
        room.a[k * n + j] = room.a[k * n + j].plus(by_a);
    }
    for t in 0..place.steps {
        let raw = group.raw(place.first + t, k);
        let u = Lanes::load(&group.row(group.inputs.u, place.first + t)[columns.clone()]);
        let by_u = delta[t].fma::<FUSED>(by_input[t], group.d[k].times(dy[t]));
        let by_step = u.fma::<FUSED>(by_input[t], by_delta[t].map(|by_delta| by_delta * T::LN_2));
        let by_raw = if group.inputs.softplus { by_step.times(raw.map(T::sigma::<FUSED>)) } else { by_step };
        room.d[k] = u.fma::<FUSED>(dy[t], room.d[k]);
        room.bias[k] = room.bias[k].plus(by_raw);
        room.by_u[k][t] = by_u;
        room.by_raw[k][t] = by_raw;
    }
}

/// (blocks, times) of lanes to (times, channels).
#[inline(always)]
fn write<T: Lane, const W: usize>(from: &[Times<T, W>], mut to: ArrayViewMut2<'_, T>, trouble: &mut Lanes<T, W>) {
    for (t, row) in to.outer_iter_mut().enumerate() {
        for (from, to) in from.iter().zip(row.into_slice().unwrap_or_default().chunks_mut(W)) {
            trouble.watch(from[t]);
            from[t].store(to);
        }
    }
}

/// exp(Δ A) and h of one state at each time; adds C h to y.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn states<T: Lane, const W: usize, const FUSED: bool>(
    before: Lanes<T, W>,
    a: Lanes<T, W>,
    [delta, drive]: [&Times<T, W>; 2],
    [b, c]: [&[T]; 2],
    j: usize,
    n: usize,
    [decay, h]: [&mut Times<T, W>; 2],
    y: &mut Times<T, W>,
) {
    let mut now = before;
    let times = delta.iter().zip(drive).zip(decay.iter_mut().zip(h)).zip(y);
    for ((((&delta, &drive), (decay, h)), y), (b, c)) in times.zip(b.chunks_exact(n).zip(c.chunks_exact(n))) {
        *decay = delta.times(a).map(T::exp2::<FUSED>);
        now = decay.fma::<FUSED>(now, drive.times(Lanes::splat(b[j])));
        *h = now;
        *y = Lanes::splat(c[j]).fma::<FUSED>(now, *y);
    }
}

/// What is known of one state of a block in a tile.
struct Known<'a, T, const W: usize> {
    before: Lanes<T, W>,
    a: Lanes<T, W>,
    delta: &'a Times<T, W>,
    drive: &'a Times<T, W>,
    dy: &'a Times<T, W>,
    decay: &'a Times<T, W>,
    h: &'a Times<T, W>,
}

/// And what it adds to.
struct To<'a, T, const W: usize> {
    b: &'a mut Times<T, W>,
    c: &'a mut Times<T, W>,
    by_input: &'a mut Times<T, W>,
    by_delta: &'a mut Times<T, W>,
}

/// Back-propagation of one state through a tile: g before it, and ∂A.
#[inline(always)]
fn back<T: Lane, const W: usize, const FUSED: bool>(
    known: Known<'_, T, W>,
    [b, c]: [&[T]; 2],
    j: usize,
    n: usize,
    mut g: Lanes<T, W>,
    to: To<'_, T, W>,
) -> (Lanes<T, W>, Lanes<T, W>) {
    let mut by_a = Lanes::ZERO;
    let rows = b.chunks_exact(n).zip(c.chunks_exact(n));
    for (t, (b, c)) in rows.enumerate().take(TILE).rev() {
        to.c[t] = known.dy[t].fma::<FUSED>(known.h[t], to.c[t]);
        g = Lanes::splat(c[j]).fma::<FUSED>(known.dy[t], g);
        to.b[t] = g.fma::<FUSED>(known.drive[t], to.b[t]);
        to.by_input[t] = g.fma::<FUSED>(Lanes::splat(b[j]), to.by_input[t]);
        g = g.times(known.decay[t]);
        let before = if t > 0 { known.h[t - 1] } else { known.before };
        let by_exponent = g.times(before);
        to.by_delta[t] = by_exponent.fma::<FUSED>(known.a, to.by_delta[t]);
        by_a = by_exponent.fma::<FUSED>(known.delta[t], by_a);
    }
    (g, by_a)
}

/// (N, times) of lanes to (times, N).
#[inline(always)]
fn sum_lanes<T: Lane, const W: usize>(from: &[Times<T, W>], to: &mut [T]) {
    let n = from.len();
    for (t, row) in to.chunks_exact_mut(n).enumerate() {
        for (from, to) in from.iter().zip(row) {
            *to = from[t].sum();
        }
    }
}
