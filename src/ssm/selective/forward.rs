//! The fast forward pass: channels side by side in vectors, times in tiles, parts on threads.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use ndarray::ArrayViewMut3;

use super::lanes::{Lane, Lanes};
use super::parts::{Cut, Part};
use super::tile::{Group, TILE, Tile, Times};
use super::{Inputs, Shape};
use crate::numerics::on_threads;

/// One part's share of a forward pass.
pub(super) struct Job<'i, 'o, T: Lane> {
    pub(super) inputs: Inputs<'i, T>,
    pub(super) part: Part,
    pub(super) y: ArrayViewMut3<'o, T>,
    pub(super) last: ArrayViewMut3<'o, T>,
}

/// What a thread needs for its parts.
#[derive(Default)]
pub(super) struct Room<T, const W: usize> {
    tile: Tile<T, W>,
    /// (blocks, N).
    h: Vec<Lanes<T, W>>,
}

/// Fills `y` and `last`; `false` where an input or a result is not finite, or a Δ below 0.
pub(super) fn forward<T: Lane, const W: usize>(
    inputs: &Inputs<'_, T>,
    threads: usize,
    y: &mut [T],
    last: &mut [T],
    run: fn(Job<'_, '_, T>, &mut Room<T, W>) -> bool,
) -> bool {
    let Shape { batch, length, channels, state } = inputs.shape;
    let cut = Cut::new(inputs.shape, W, threads);
    let (Ok(y), Ok(last)) = (
        ArrayViewMut3::from_shape((batch, length, channels), y),
        ArrayViewMut3::from_shape((batch, channels, state), last),
    ) else {
        return false;
    };
    let (y, last) = (cut.split(y, 2), cut.split(last, 1));
    let jobs = cut.parts().into_iter().zip(y).zip(last);
    let jobs = jobs.map(|((part, y), last)| Job { inputs: *inputs, part, y, last }).collect();
    on_threads(threads, jobs, run).into_iter().all(|good| good)
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
pub(super) fn run_f32(job: Job<'_, '_, f32>, room: &mut Room<f32, 16>) -> bool {
    if target_cfg_f!(target_feature = "fma") {
        part::<f32, 16, true>(job, room)
    } else {
        part::<f32, 16, ELSEWHERE>(job, room)
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
pub(super) fn run_f64(job: Job<'_, '_, f64>, room: &mut Room<f64, 8>) -> bool {
    if target_cfg_f!(target_feature = "fma") {
        part::<f64, 8, true>(job, room)
    } else {
        part::<f64, 8, ELSEWHERE>(job, room)
    }
}

/// Whether every processor of this kind multiplies and adds in one instruction.
pub(super) const ELSEWHERE: bool = cfg!(target_arch = "aarch64");

#[inline(always)]
fn part<T: Lane, const W: usize, const FUSED: bool>(mut job: Job<'_, '_, T>, room: &mut Room<T, W>) -> bool {
    let group = Group::<T, W>::new(&job.inputs, job.part.channels.clone());
    let Shape { length, state, .. } = job.inputs.shape;
    let Room { tile, h } = room;
    tile.fit(group.blocks());
    h.resize(group.blocks() * state, Lanes::ZERO);
    let mut trouble = Lanes::ZERO;
    let outputs = job.y.outer_iter_mut().zip(job.last.outer_iter_mut());
    for (batch, (mut y, last)) in job.part.batch.clone().zip(outputs) {
        group.start(batch, h);
        let mut rows = y.rows_mut().into_iter();
        for start in (0..length).step_by(TILE) {
            let (first, steps) = (batch * length + start, TILE.min(length - start));
            group.load::<FUSED>(first, steps, tile, &mut trouble);
            advance_all::<T, W, FUSED>(&group, first, steps, h, tile);
            for (t, row) in rows.by_ref().take(steps).enumerate() {
                let Some(row) = row.into_slice() else { return false };
                write::<T, W, FUSED>(&group, first + t, t, tile, row, &mut trouble);
            }
        }
        let Some(last) = last.into_slice() else { return false };
        group.scatter(h, last);
        h.iter().for_each(|&h| trouble.watch(h));
    }
    trouble.saw_none()
}

#[inline(always)]
fn advance_all<T: Lane, const W: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    first: usize,
    steps: usize,
    h: &mut [Lanes<T, W>],
    tile: &mut Tile<T, W>,
) {
    let n = group.inputs.shape.state;
    let (b, c) = (&group.inputs.b[first * n..][..steps * n], &group.inputs.c[first * n..][..steps * n]);
    let blocks = h.chunks_exact_mut(n).zip(group.a.chunks_exact(n));
    for (k, (h, a)) in blocks.enumerate() {
        advance::<T, W, FUSED>(h, a, &tile.delta[k], &tile.drive[k], [b, c], &mut tile.y[k]);
    }
}

/// h = exp(Δ A) h + B Δ u, y += C h: one block, state by state, so that each h stays in a register.
#[inline(always)]
pub(super) fn advance<T: Lane, const W: usize, const FUSED: bool>(
    h: &mut [Lanes<T, W>],
    a: &[Lanes<T, W>],
    delta: &Times<T, W>,
    drive: &Times<T, W>,
    [b, c]: [&[T]; 2],
    y: &mut Times<T, W>,
) {
    let n = h.len();
    for (i, (kept, &a)) in h.iter_mut().zip(a).enumerate() {
        let mut h = *kept;
        let times = delta.iter().zip(drive).zip(y.iter_mut());
        for (((&delta, &drive), y), (b, c)) in times.zip(b.chunks_exact(n).zip(c.chunks_exact(n))) {
            let decay = delta.times(a).map(T::exp2::<FUSED>);
            h = decay.fma::<FUSED>(h, drive.times(Lanes::splat(b[i])));
            *y = Lanes::splat(c[i]).fma::<FUSED>(h, *y);
        }
        *kept = h;
    }
}

/// One time's y, through the gate where there is one.
#[inline(always)]
fn write<T: Lane, const W: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    time: usize,
    t: usize,
    tile: &Tile<T, W>,
    row: &mut [T],
    trouble: &mut Lanes<T, W>,
) {
    for (k, row) in row.chunks_mut(W).enumerate() {
        let mut y = tile.y[k][t];
        if let Some(z) = group.inputs.z {
            let z = Lanes::load(&group.row(z, time)[k * W..][..row.len()]);
            y = y.times(z.map(|z| z * z.sigma::<FUSED>()));
        }
        trouble.watch(y);
        y.store(row);
    }
}
