//! The fast forward pass: channels side by side in vectors, times in tiles, parts on threads.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis, s};

use super::lanes::{Lane, Lanes, blocks, blocks_mut, leave};
use super::parts::{Cut, Part};
use super::tile::{Group, Moment, TILE, Tile, kept};
use super::{Inputs, Shape};
use crate::numerics::on_candle_threads;

/// One part's share of a forward pass.
pub(super) struct Job<'i, 'o, T: Lane> {
    pub(super) inputs: Inputs<'i, T>,
    pub(super) part: Part,
    pub(super) y: ArrayViewMut3<'o, T>,
    pub(super) last: Option<ArrayViewMut3<'o, T>>,
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
    last: Option<&mut [T]>,
    keep: Option<&mut [T]>,
    run: fn(Job<'_, '_, T>, &mut Room<T, W>) -> bool,
) -> Option<bool> {
    let Shape { batch, length, channels, state } = inputs.shape;
    let cut = Cut::new(inputs.shape, W, threads);
    let y = cut.split(ArrayViewMut3::from_shape((batch, length, channels), y).ok()?, 2, 1);
    let last = cut.split_some(last, [batch, channels, state], 1, 1)?;
    let kept = cut.split_some(keep, kept::<W>(inputs.shape), 1, W)?;
    let jobs = cut.parts().into_iter().zip(y).zip(last).zip(kept);
    let jobs = jobs.map(|(((part, y), last), kept)| Job { inputs: *inputs, part, y, last, kept }).collect();
    Some(on_candle_threads(threads, jobs, run).into_iter().all(|good| good))
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
    for (i, (batch, mut y)) in job.part.batch.clone().zip(job.y.outer_iter_mut()).enumerate() {
        let mut kept = job.kept.as_mut().map(|kept| kept.index_axis_mut(Axis(0), i));
        group.start(batch, h);
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
                advance::<T, W, FUSED>(h, a, [b, c], moments, group.fresh(start));
            }
            let rows = y.slice_mut(s![start..start + steps, ..]);
            write::<T, W, FUSED>(&group, [first, steps], tile, rows, &mut trouble);
        }
        if let Some(last) = &mut job.last {
            let Some(last) = last.index_axis_mut(Axis(0), i).into_slice() else { return false };
            group.scatter(h, last);
        }
        if length == 0 {
            // Otherwise y is not finite where a state is not.
            h.iter().for_each(|&h| trouble.watch::<FUSED>(h));
        }
    }
    trouble.saw_none()
}

/// h = exp(Δ A) h + B Δ u, y += C h: one block through a tile; `fresh` if it begins with h = 0, which needs no exponential.
#[inline(always)]
pub(super) fn advance<T: Lane, const W: usize, const FUSED: bool>(
    h: &mut [Lanes<T, W>],
    a: &[Lanes<T, W>],
    [b, c]: [&[T]; 2],
    moments: &mut [Moment<T, W>],
    fresh: bool,
) {
    let n = h.len();
    let ((h, h_rest), (a, a_rest)) = (h.as_chunks_mut::<STATES>(), a.as_chunks::<STATES>());
    let mut i = 0;
    for (h, a) in h.iter_mut().zip(a) {
        advance_some::<T, W, STATES, FUSED>(h, a, [b, c], (i, n), moments, fresh, |_, _, _| ());
        i += STATES;
    }
    for (h, a) in h_rest.as_chunks_mut::<1>().0.iter_mut().zip(a_rest.as_chunks::<1>().0) {
        advance_some::<T, W, 1, FUSED>(h, a, [b, c], (i, n), moments, fresh, |_, _, _| ());
        i += 1;
    }
}

/// The same for S states from the i-th of n on; `see` is shown each time with h before and exp(Δ A).
#[inline(always)]
pub(super) fn advance_some<T: Lane, const W: usize, const S: usize, const FUSED: bool>(
    h: &mut [Lanes<T, W>; S],
    a: &[Lanes<T, W>; S],
    [b, c]: [&[T]; 2],
    (i, n): (usize, usize),
    moments: &mut [Moment<T, W>],
    fresh: bool,
    mut see: impl FnMut(usize, &[Lanes<T, W>; S], &[Lanes<T, W>; S]),
) {
    // In registers from the first time to the last.
    let mut now = *h;
    let rows = b.chunks_exact(n).zip(c.chunks_exact(n));
    for (t, (moment, (b, c))) in moments.iter_mut().zip(rows).enumerate() {
        let (b, c) = (&b[i..i + S], &c[i..i + S]);
        let (before, mut decay, mut y) = (now, [Lanes::ZERO; S], moment.y);
        for s in 0..S {
            now[s] = if fresh && t == 0 {
                moment.drive.times(Lanes::splat(b[s]))
            } else {
                decay[s] = moment.delta.exp2_of::<FUSED>(a[s]);
                decay[s].fma::<FUSED>(now[s], moment.drive.times(Lanes::splat(b[s])))
            };
            y = Lanes::splat(c[s]).fma::<FUSED>(now[s], y);
        }
        moment.y = y;
        see(t, &before, &decay);
    }
    *h = now;
}

/// One block's states before a tile, to where the block keeps them.
#[inline(always)]
pub(super) fn keep<T: Lane, const W: usize>(h: &[Lanes<T, W>], tile: usize, kept: &mut [T]) {
    let rows = kept.as_chunks_mut().0.iter_mut().skip((tile - 1) * h.len());
    h.iter().zip(rows).for_each(|(h, kept)| *kept = h.0);
}

/// A tile's y, through the gate where there is one.
#[inline(always)]
fn write<T: Lane, const W: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    times: [usize; 2],
    tile: &Tile<T, W>,
    mut y: ArrayViewMut2<'_, T>,
    trouble: &mut Lanes<T, W>,
) {
    let (mut noted, mut room) = (Lanes::ZERO, [[[T::ZERO; W]]; 2]);
    let [room_y, room_z] = &mut room;
    let mut gates = group.inputs.z.map(|z| group.rows(z, times));
    for (t, y) in y.outer_iter_mut().enumerate() {
        let y = y.into_slice().unwrap_or_default();
        let row = blocks_mut(y, room_y).iter_mut().zip(tile);
        if let Some(z) = gates.as_mut().and_then(|gates| gates.next()) {
            for ((y, moments), &z) in row.zip(blocks(z, room_z)) {
                let gated = moments[t].gated::<FUSED>(Lanes(z));
                noted.watch::<FUSED>(gated);
                *y = gated.0;
            }
        } else {
            for (y, moments) in row {
                noted.watch::<FUSED>(moments[t].y);
                *y = moments[t].y.0;
            }
        }
        leave(y, *room_y);
    }
    *trouble = trouble.plus(noted);
}
