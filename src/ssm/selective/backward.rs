//! The fast backward pass: states are computed anew from one kept per tile (recomputation, 重计算), not stored.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis, s};

use super::forward::{ELSEWHERE, STATES, advance, advance_some, keep};
use super::lanes::{Lane, Lanes, blocks, blocks_mut, leave};
use super::parts::{Cut, Part};
use super::tile::{Group, Moment, TILE, Tile, Times, kept};
use super::{Gradients, Inputs, Shape};
use crate::numerics::on_candle_threads;

/// Parts of the work, however many threads there are: sums over parts have one order then. Of few sequences, no narrower
/// than so many channels: the lines that a processor fetches ahead would be another thread's.
const PARTS: usize = 4;
const NARROWEST: usize = 128;

/// One part's share of a backward pass: what it reads, and which of the gradients are its own.
pub(super) struct Job<'i, 'o, T: Lane> {
    inputs: Inputs<'i, T>,
    dy: &'i [T],
    dlast: Option<&'i [T]>,
    kept: Option<&'i [T]>,
    part: Part,
    u: ArrayViewMut3<'o, T>,
    delta: ArrayViewMut3<'o, T>,
    z: Option<ArrayViewMut3<'o, T>>,
    initial: Option<ArrayViewMut3<'o, T>>,
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
    kept: Option<&[T]>,
    threads: usize,
    run: fn(Job<'_, '_, T>, &mut Room<T, W>) -> Sums<T>,
    to: &mut Gradients<T>,
) -> Option<()> {
    let Shape { batch, length, channels, state } = inputs.shape;
    let cut = Cut::new(inputs.shape, W, PARTS.min(batch * channels.div_ceil(NARROWEST)));
    let whole = [batch, length, channels];
    let split = |values| Some(cut.split(ArrayViewMut3::from_shape(whole, values).ok()?, 2, 1));
    let z = cut.split_some(to.z.as_deref_mut(), whole, 2, 1)?;
    let initial = cut.split_some(to.initial.as_deref_mut(), [batch, channels, state], 1, 1)?;
    let views = split(&mut to.u)?.into_iter().zip(split(&mut to.delta)?).zip(z).zip(initial);
    let job = |(part, (((u, delta), z), initial))| Job { inputs: *inputs, dy, dlast, kept, part, u, delta, z, initial };
    let jobs = cut.parts().into_iter().zip(views).map(job).collect();
    let all = on_candle_threads(threads, jobs, run);
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

/// One block at one time on the way back.
#[derive(Clone, Copy)]
struct Slope<T, const W: usize> {
    /// By y before the gate.
    dy: Lanes<T, W>,
    /// Sums over the states: by Δ u, and by Δ / log 2 as far as it is in the exponent.
    by_drive: Lanes<T, W>,
    by_exponent: Lanes<T, W>,
}

/// What is kept aside until all states are done.
#[derive(Clone, Copy)]
struct Aside<T, const W: usize> {
    u: Lanes<T, W>,
    /// ∂Δ/∂delta.
    rate: Lanes<T, W>,
    /// The slope by z, but for its factor y.
    by_z: Lanes<T, W>,
}

/// S states of one block at one time; the slopes by B and C before they are summed over lanes.
#[derive(Clone, Copy)]
struct States<T, const W: usize, const S: usize> {
    decay: [Lanes<T, W>; S],
    before: [Lanes<T, W>; S],
    b: [Lanes<T, W>; S],
    c: [Lanes<T, W>; S],
}

impl<T: Lane, const W: usize, const S: usize> States<T, W, S> {
    const ZERO: Self =
        Self { decay: [Lanes::ZERO; S], before: [Lanes::ZERO; S], b: [Lanes::ZERO; S], c: [Lanes::ZERO; S] };
}

/// What a thread works with.
#[derive(Default)]
pub(super) struct Room<T: Lane, const W: usize> {
    tile: Tile<T, W>,
    /// (blocks, times).
    slopes: Vec<Times<Slope<T, W>>>,
    asides: Vec<Times<Aside<T, W>>>,
    some: Vec<States<T, W, STATES>>,
    one: Vec<States<T, W, 1>>,
    /// The states before the first tile, (blocks, N), and those before the others, as [`kept`] has them.
    start: Vec<Lanes<T, W>>,
    kept: Vec<T>,
    /// g = ∂loss/∂h and ∂A, (blocks, N).
    g: Vec<Lanes<T, W>>,
    a: Vec<Lanes<T, W>>,
    /// ∂D and that by the bias, (blocks).
    d: Vec<Lanes<T, W>>,
    bias: Vec<Lanes<T, W>>,
}

impl<T: Lane, const W: usize> Room<T, W> {
    /// For a part: sums of 0, the rest as it comes.
    fn fit(&mut self, group: &Group<'_, T, W>) {
        let (blocks, n) = (group.blocks(), group.inputs.shape.state);
        group.fit(&mut self.tile);
        let slope = Slope { dy: Lanes::ZERO, by_drive: Lanes::ZERO, by_exponent: Lanes::ZERO };
        let aside = Aside { u: Lanes::ZERO, rate: Lanes::ZERO, by_z: Lanes::ZERO };
        self.slopes.resize(blocks, [slope; TILE + 1]);
        self.asides.resize(blocks, [aside; TILE + 1]);
        self.some.resize(TILE, States::ZERO);
        self.one.resize(TILE, States::ZERO);
        self.g.resize(blocks * n, Lanes::ZERO);
        self.start.resize(blocks * n, Lanes::ZERO);
        for (sums, length) in [(&mut self.a, blocks * n), (&mut self.d, blocks), (&mut self.bias, blocks)] {
            sums.clear();
            sums.resize(length, Lanes::ZERO);
        }
    }
}

/// One tile of one sequence: its first time of all B L, how many there are, and its number.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    steps: usize,
    tile: usize,
}

#[inline(always)]
fn part<T: Lane, const W: usize, const FUSED: bool>(mut job: Job<'_, '_, T>, room: &mut Room<T, W>) -> Sums<T> {
    let group = Group::<T, W>::new(&job.inputs, job.part.channels.clone());
    let Shape { length, channels, state: n, .. } = job.inputs.shape;
    let projection = job.part.batch.len() * length * n;
    let mut sums = Sums {
        a: vec![T::ZERO; group.channels.len() * n],
        d: vec![T::ZERO; group.channels.len()],
        bias: vec![T::ZERO; group.channels.len()],
        b: vec![T::ZERO; projection],
        c: vec![T::ZERO; projection],
        part: job.part.clone(),
        good: true,
    };
    room.fit(&group);
    let [_, all_blocks, each] = kept::<W>(job.inputs.shape);
    let mut trouble = Lanes::ZERO;
    for (i, batch) in job.part.batch.clone().enumerate() {
        group.start(batch, &mut room.start);
        let mine = (batch * all_blocks + group.channels.start / W) * each;
        match job.kept {
            Some(kept) => {
                room.kept.clear();
                room.kept.extend_from_slice(&kept[mine..mine + group.blocks() * each]);
            }
            None => keep_all::<T, W, FUSED>(&group, batch, room, &mut trouble),
        }
        match job.dlast {
            Some(dlast) => group.gather(&dlast[(batch * channels + group.channels.start) * n..], &mut room.g),
            None => room.g.fill(Lanes::ZERO),
        }
        for (tile, start) in (0..length).step_by(TILE).enumerate().rev() {
            let place = Place { first: batch * length + start, steps: TILE.min(length - start), tile };
            load::<T, W, FUSED>(&group, place, job.dy, room, &mut trouble);
            let rows = (i * length + start) * n..(i * length + start + place.steps) * n;
            all_states::<T, W, FUSED>(&group, place, room, [&mut sums.b[rows.clone()], &mut sums.c[rows]]);
            let times = s![i, start..start + place.steps, ..];
            let to = To {
                u: job.u.slice_mut(times),
                delta: job.delta.slice_mut(times),
                z: job.z.as_mut().map(|z| z.slice_mut(times)),
            };
            finish::<T, W, FUSED>(&group, room, to, &mut trouble);
        }
        let initial = job.initial.as_mut().and_then(|initial| initial.index_axis_mut(Axis(0), i).into_slice());
        if let Some(initial) = initial {
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

/// The states before each tile of a sequence but the first.
#[inline(always)]
fn keep_all<T: Lane, const W: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    batch: usize,
    room: &mut Room<T, W>,
    trouble: &mut Lanes<T, W>,
) {
    let Shape { length, state: n, .. } = group.inputs.shape;
    let [_, _, each] = kept::<W>(group.inputs.shape);
    let Room { tile, start: h, g: now, kept, .. } = room;
    kept.resize(group.blocks() * each, T::ZERO);
    // Room for states that is free until the way back begins.
    now.copy_from_slice(h);
    for (i, start) in (0..length.saturating_sub(TILE)).step_by(TILE).enumerate() {
        let first = batch * length + start;
        group.load::<FUSED>([first, TILE], tile, trouble, |_, _, _| ());
        let [b, c] = [group.inputs.b, group.inputs.c].map(|values| &values[first * n..(first + TILE) * n]);
        let blocks = now.chunks_exact_mut(n).zip(group.a.chunks_exact(n)).zip(kept.chunks_exact_mut(each.max(1)));
        for (((h, a), kept), moments) in blocks.zip(&mut *tile) {
            advance::<T, W, FUSED>(h, a, [b, c], moments, group.fresh(start));
            keep(h, i + 1, kept);
        }
    }
}

/// One tile's inputs, and the slopes by y before the gate; the other sums begin with 0.
#[inline(always)]
fn load<T: Lane, const W: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    place: Place,
    dy: &[T],
    room: &mut Room<T, W>,
    trouble: &mut Lanes<T, W>,
) {
    let Room { tile, slopes, asides, .. } = room;
    let Place { first, steps, .. } = place;
    group.load::<FUSED>([first, steps], tile, trouble, |k, t, [raw, fade, u]| {
        let rate = if group.inputs.softplus { raw.sigma(fade) } else { Lanes::splat(T::ONE) };
        asides[k][t] = Aside { u, rate, by_z: Lanes::ZERO };
    });
    let mut room = [[[T::ZERO; W]]; 2];
    let [room_dy, room_z] = &mut room;
    let mut gates = group.inputs.z.map(|z| group.rows(z, [first, steps]));
    for (t, dy) in group.rows(dy, [first, steps]).enumerate() {
        let row = blocks(dy, room_dy).iter().zip(slopes.iter_mut().zip(&mut *asides));
        let slope = |dy| Slope { dy, by_drive: Lanes::ZERO, by_exponent: Lanes::ZERO };
        if let Some(z) = gates.as_mut().and_then(|gates| gates.next()) {
            for ((&dy, (slopes, asides)), &z) in row.zip(blocks(z, room_z)) {
                let (dy, z) = (Lanes(dy), Lanes(z));
                let sigma = z.sigma(z.fade::<FUSED>());
                let rate = z.zip(sigma, |z, sigma| sigma * (T::ONE + z * (T::ONE - sigma)));
                asides[t].by_z = dy.times(rate);
                slopes[t] = slope(dy.times(z).times(sigma));
            }
        } else {
            row.for_each(|(&dy, (slopes, _))| slopes[t] = slope(Lanes(dy)));
        }
    }
}

/// All states of all blocks through one tile.
#[inline(always)]
fn all_states<T: Lane, const W: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    place: Place,
    room: &mut Room<T, W>,
    [to_b, to_c]: [&mut [T]; 2],
) {
    let n = group.inputs.shape.state;
    let Room { tile, slopes, some, one, start, kept, g, a, .. } = room;
    let whole = n - n % STATES;
    for i in (0..whole).step_by(STATES) {
        some_states::<T, W, STATES, FUSED>(group, place, i, (start, kept), [g, a], tile, slopes, some, [to_b, to_c]);
    }
    for i in whole..n {
        some_states::<T, W, 1, FUSED>(group, place, i, (start, kept), [g, a], tile, slopes, one, [to_b, to_c]);
    }
}

/// S states of all blocks through one tile: forward anew, then back.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn some_states<T: Lane, const W: usize, const S: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    place: Place,
    i: usize,
    (start, kept): (&[Lanes<T, W>], &[T]),
    [g, by_a]: [&mut [Lanes<T, W>]; 2],
    tile: &mut Tile<T, W>,
    slopes: &mut [Times<Slope<T, W>>],
    states: &mut [States<T, W, S>],
    [to_b, to_c]: [&mut [T]; 2],
) {
    let n = group.inputs.shape.state;
    let (b, c) = (&group.inputs.b[place.first * n..], &group.inputs.c[place.first * n..]);
    let [b, c] = [b, c].map(|values| &values[..place.steps * n]);
    // States that one block keeps.
    let each = group.inputs.shape.length.div_ceil(TILE).saturating_sub(1) * n;
    let states = &mut states[..place.steps];
    states.iter_mut().for_each(|states| (states.b, states.c) = ([Lanes::ZERO; S], [Lanes::ZERO; S]));
    for (k, (moments, slopes)) in tile.iter_mut().zip(slopes).enumerate() {
        let here = k * n + i..k * n + i + S;
        let (mut h, mut a) = ([Lanes::ZERO; S], [Lanes::ZERO; S]);
        if place.tile == 0 {
            h.copy_from_slice(&start[here.clone()]);
        } else {
            let kept = &kept[(k * each + (place.tile - 1) * n + i) * W..];
            for (h, &kept) in h.iter_mut().zip(kept.as_chunks().0) {
                *h = Lanes(kept);
            }
        }
        a.copy_from_slice(&group.a[here.clone()]);
        let fresh = place.tile == 0 && group.fresh(0);
        advance_some::<T, W, S, FUSED>(&mut h, &a, [b, c], (i, n), moments, fresh, |t, before, decay| {
            (states[t].decay, states[t].before) = (*decay, *before);
        });
        let to = [&mut g[here.clone()], &mut by_a[here]];
        back::<T, W, S, FUSED>(h, &a, [b, c], (i, n), moments, slopes, states, to);
    }
    for (t, states) in states.iter().enumerate() {
        for s in 0..S {
            to_b[t * n + i + s] = states.b[s].sum();
            to_c[t * n + i + s] = states.c[s].sum();
        }
    }
}

/// Back-propagation of S states of one block through a tile.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn back<T: Lane, const W: usize, const S: usize, const FUSED: bool>(
    mut after: [Lanes<T, W>; S],
    a: &[Lanes<T, W>; S],
    [b, c]: [&[T]; 2],
    (i, n): (usize, usize),
    moments: &Times<Moment<T, W>>,
    slopes: &mut Times<Slope<T, W>>,
    states: &mut [States<T, W, S>],
    [g, by_a]: [&mut [Lanes<T, W>]; 2],
) {
    let (mut now, mut sums) = ([Lanes::ZERO; S], [Lanes::ZERO; S]);
    now.copy_from_slice(g);
    let rows = b.chunks_exact(n).zip(c.chunks_exact(n)).zip(moments.iter().zip(slopes)).zip(states);
    for (((b, c), (moment, slope)), states) in rows.rev() {
        let (b, c) = (&b[i..i + S], &c[i..i + S]);
        let (mut by_drive, mut by_exponent) = (slope.by_drive, slope.by_exponent);
        for s in 0..S {
            states.c[s] = slope.dy.fma::<FUSED>(after[s], states.c[s]);
            now[s] = Lanes::splat(c[s]).fma::<FUSED>(slope.dy, now[s]);
            states.b[s] = now[s].fma::<FUSED>(moment.drive, states.b[s]);
            by_drive = now[s].fma::<FUSED>(Lanes::splat(b[s]), by_drive);
            now[s] = now[s].times(states.decay[s]);
            after[s] = states.before[s];
            let exponent = now[s].times(after[s]);
            by_exponent = exponent.fma::<FUSED>(a[s], by_exponent);
            sums[s] = exponent.fma::<FUSED>(moment.delta, sums[s]);
        }
        (slope.by_drive, slope.by_exponent) = (by_drive, by_exponent);
    }
    for s in 0..S {
        g[s] = now[s];
        by_a[s] = by_a[s].plus(sums[s]);
    }
}

/// Where a tile's slopes by u, delta and z go.
struct To<'a, T> {
    u: ArrayViewMut2<'a, T>,
    delta: ArrayViewMut2<'a, T>,
    z: Option<ArrayViewMut2<'a, T>>,
}

/// What the sums over states mean for u, delta and z; the sums by D and the bias.
#[inline(always)]
fn finish<T: Lane, const W: usize, const FUSED: bool>(
    group: &Group<'_, T, W>,
    room: &mut Room<T, W>,
    mut to: To<'_, T>,
    trouble: &mut Lanes<T, W>,
) {
    let Room { tile, slopes, asides, d, bias, .. } = room;
    let (mut noted, mut padded) = (Lanes::ZERO, [[[T::ZERO; W]]; 2]);
    let [padded_u, padded_delta] = &mut padded;
    for (t, (u, delta)) in to.u.outer_iter_mut().zip(to.delta.outer_iter_mut()).enumerate() {
        let (u, delta) = (u.into_slice().unwrap_or_default(), delta.into_slice().unwrap_or_default());
        let row = blocks_mut(u, padded_u).iter_mut().zip(blocks_mut(delta, padded_delta));
        let row = row.zip(tile.iter().zip(&*slopes).zip(&*asides)).zip(d.iter_mut().zip(&mut *bias)).zip(&group.d);
        for ((((to_u, to_delta), ((moments, slopes), asides)), (d, bias)), &by_dy) in row {
            let (moment, slope, aside) = (&moments[t], &slopes[t], &asides[t]);
            let by_u = moment.delta.fma::<FUSED>(slope.by_drive, by_dy.times(slope.dy));
            let by_step = aside.u.fma::<FUSED>(slope.by_drive, slope.by_exponent.times(Lanes::splat(T::LN_2)));
            let by_raw = by_step.times(aside.rate);
            *d = aside.u.fma::<FUSED>(slope.dy, *d);
            *bias = bias.plus(by_raw);
            noted.watch::<FUSED>(by_u);
            noted.watch::<FUSED>(by_raw);
            (*to_u, *to_delta) = (by_u.0, by_raw.0);
        }
        leave(u, *padded_u);
        leave(delta, *padded_delta);
    }
    for (t, z) in to.z.iter_mut().flat_map(|z| z.outer_iter_mut()).enumerate() {
        let z = z.into_slice().unwrap_or_default();
        for (to_z, (moments, asides)) in blocks_mut(z, padded_u).iter_mut().zip(tile.iter().zip(&*asides)) {
            let by_z = asides[t].by_z.times(moments[t].y);
            noted.watch::<FUSED>(by_z);
            *to_z = by_z.0;
        }
        leave(z, *padded_u);
    }
    *trouble = trouble.plus(noted);
}
