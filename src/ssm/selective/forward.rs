//! The fast forward pass: channels side by side in vectors, times in tiles, parts on threads.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use ndarray::{ArrayViewMut3, Axis};

use super::lanes::{Lane, Lanes};
use super::parts::{Cut, Part};
use super::tile::{Group, Moment, TILE, Tile, kept};
use super::{Inputs, Shape};
use crate::numerics::on_threads;

/// One part's share of a forward pass.
pub(super) struct Job<'i, 'o, T: Lane> {
    pub(super) inputs: Inputs<'i, T>,
    pub(super) part: Part,
    pub(super) y: ArrayViewMut3<'o, T>,
    pub(super) last: ArrayViewMut3<'o, T>,
    /// As [`kept`] has it.
    pub(super) kept: Option<ArrayViewMut3<'o, T>>,
}

/// States that are worked on side by side.
pub(super) const STATES: usize = 4;

/// What a thread needs for its parts.
#[derive(Default)]
pub(super) struct Room<T, const W: usize> {
    tile: Tile<T, W>,
    /// (blocks, N).
    h: Vec<Lanes<T, W>>,
}

/// Fills `y`, `last` and what is to be kept; not `true` where an input or a result is not finite, or a Δ below 0.
pub(super) fn forward<T: Lane, const W: usize>(
    inputs: &Inputs<'_, T>,
    threads: usize,
    y: &mut [T],
    last: &mut [T],
    keep: Option<&mut [T]>,
    run: fn(Job<'_, '_, T>, &mut Room<T, W>) -> bool,
) -> Option<bool> {
    let Shape { batch, length, channels, state } = inputs.shape;
    let cut = Cut::new(inputs.shape, W, threads);
    let y = cut.split(ArrayViewMut3::from_shape((batch, length, channels), y).ok()?, 2, 1);
    let last = cut.split(ArrayViewMut3::from_shape((batch, channels, state), last).ok()?, 1, 1);
    let mut keep: Vec<Option<ArrayViewMut3<'_, T>>> = match keep {
        Some(keep) => cut
            .split(ArrayViewMut3::from_shape(kept::<W>(inputs.shape), keep).ok()?, 1, W)
            .into_iter()
            .map(Some)
            .collect(),
        None => y.iter().map(|_| None).collect(),
    };
    let jobs = cut.parts().into_iter().zip(y).zip(last).zip(&mut keep);
    let jobs =
        jobs.map(|(((part, y), last), kept)| Job { inputs: *inputs, part, y, last, kept: kept.take() }).collect();
    Some(on_threads(threads, jobs, run).into_iter().all(|good| good))
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
    let Shape { length, state: n, .. } = job.inputs.shape;
    let Room { tile, h } = room;
    group.fit(tile);
    h.resize(group.blocks() * n, Lanes::ZERO);
    let mut trouble = Lanes::ZERO;
    let outputs = job.y.outer_iter_mut().zip(job.last.outer_iter_mut());
    for (i, (batch, (mut y, last))) in job.part.batch.clone().zip(outputs).enumerate() {
        let mut kept = job.kept.as_mut().map(|kept| kept.index_axis_mut(Axis(0), i));
        group.start(batch, h);
        let mut rows = y.rows_mut().into_iter();
        for start in (0..length).step_by(TILE) {
            if start > 0
                && let Some(kept) = &mut kept
            {
                for (h, kept) in h.chunks_exact(n).zip(kept.outer_iter_mut()) {
                    keep(h, start / TILE, kept.into_slice().unwrap_or_default());
                }
            }
            let [first, steps] = [batch * length + start, TILE.min(length - start)];
            group.load::<FUSED>([first, steps], tile, &mut trouble, |_, _, _| ());
            let [b, c] = [group.inputs.b, group.inputs.c].map(|values| &values[first * n..(first + steps) * n]);
            for ((h, a), moments) in h.chunks_exact_mut(n).zip(group.a.chunks_exact(n)).zip(&mut *tile) {
                advance::<T, W, FUSED>(h, a, [b, c], moments);
            }
            for (t, row) in rows.by_ref().take(steps).enumerate() {
                let Some(row) = row.into_slice() else { return false };
                write::<T, W, FUSED>(&group, first + t, t, tile, row, &mut trouble);
            }
        }
        let Some(last) = last.into_slice() else { return false };
        group.scatter(h, last);
        h.iter().for_each(|&h| trouble.watch::<FUSED>(h));
    }
    trouble.saw_none()
}

/// h = exp(Δ A) h + B Δ u, y += C h: one block through a tile.
#[inline(always)]
pub(super) fn advance<T: Lane, const W: usize, const FUSED: bool>(
    h: &mut [Lanes<T, W>],
    a: &[Lanes<T, W>],
    [b, c]: [&[T]; 2],
    moments: &mut [Moment<T, W>],
) {
    let n = h.len();
    let ((h, h_rest), (a, a_rest)) = (h.as_chunks_mut::<STATES>(), a.as_chunks::<STATES>());
    let mut i = 0;
    for (h, a) in h.iter_mut().zip(a) {
        advance_some::<T, W, STATES, FUSED>(h, a, [b, c], (i, n), moments, |_, _| ());
        i += STATES;
    }
    for (h, a) in h_rest.as_chunks_mut::<1>().0.iter_mut().zip(a_rest.as_chunks::<1>().0) {
        advance_some::<T, W, 1, FUSED>(h, a, [b, c], (i, n), moments, |_, _| ());
        i += 1;
    }
}

/// The same for S states from the i-th of n on; `see` is shown each time with h before, exp(Δ A) and h after it.
#[inline(always)]
pub(super) fn advance_some<T: Lane, const W: usize, const S: usize, const FUSED: bool>(
    h: &mut [Lanes<T, W>; S],
    a: &[Lanes<T, W>; S],
    [b, c]: [&[T]; 2],
    (i, n): (usize, usize),
    moments: &mut [Moment<T, W>],
    mut see: impl FnMut(usize, [&[Lanes<T, W>; S]; 3]),
) {
    // In registers from the first time to the last.
    let mut now = *h;
    let rows = b.chunks_exact(n).zip(c.chunks_exact(n));
    for (t, (moment, (b, c))) in moments.iter_mut().zip(rows).enumerate() {
        let (b, c) = (&b[i..i + S], &c[i..i + S]);
        let (before, mut decay, mut y) = (now, [Lanes::ZERO; S], moment.y);
        for s in 0..S {
            decay[s] = moment.delta.exp2_of::<FUSED>(a[s]);
            now[s] = decay[s].fma::<FUSED>(now[s], moment.drive.times(Lanes::splat(b[s])));
            y = Lanes::splat(c[s]).fma::<FUSED>(now[s], y);
        }
        moment.y = y;
        see(t, [&before, &decay, &now]);
    }
    *h = now;
}

/// One block's states before a tile, to where the block keeps them.
#[inline(always)]
pub(super) fn keep<T: Lane, const W: usize>(h: &[Lanes<T, W>], tile: usize, kept: &mut [T]) {
    let rows = kept.chunks_exact_mut(W).skip((tile - 1) * h.len());
    h.iter().zip(rows).for_each(|(h, kept)| h.store(kept));
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
    let mut noted = *trouble;
    if let Some(z) = group.inputs.z {
        for ((z, row), moments) in group.row(z, time).chunks(W).zip(row.chunks_mut(W)).zip(tile) {
            let z = Lanes::load(z);
            let y = moments[t].y.times(z).times(z.sigma(z.fade::<FUSED>()));
            noted.watch::<FUSED>(y);
            y.store(row);
        }
    } else {
        for (row, moments) in row.chunks_mut(W).zip(tile) {
            noted.watch::<FUSED>(moments[t].y);
            moments[t].y.store(row);
        }
    }
    *trouble = noted;
}
