//! A tile: some times of a group of channels, held so that a vector of channels is one load.

use std::ops::Range;

use super::lanes::{Lane, Lanes, blocks};
use super::{Inputs, Shape};

/// Times that are worked on at once, and from one kept state to the next.
pub(super) const TILE: usize = 32;

/// The shape of the states that are kept, those before each tile but the first: (batch, blocks, what one block keeps).
pub(super) fn kept<const W: usize>(shape: Shape) -> [usize; 3] {
    let tiles = shape.length.div_ceil(TILE).saturating_sub(1);
    [shape.batch, shape.channels.div_ceil(W), tiles * shape.state * W]
}

/// What stays the same for a group of channels: blocks of W lanes, or one that is padded with channels of zeros.
pub(super) struct Group<'a, T: Lane, const W: usize> {
    pub(super) inputs: Inputs<'a, T>,
    pub(super) channels: Range<usize>,
    /// A log₂ e, (blocks, N).
    pub(super) a: Vec<Lanes<T, W>>,
    /// D and the bias of Δ, (blocks), 0 where there is none.
    pub(super) d: Vec<Lanes<T, W>>,
    pub(super) bias: Vec<Lanes<T, W>>,
}

/// One block at one time. What is used together lies together: in arrays of their own these would be multiples of 4096 bytes
/// apart, and each store would hold up the next load.
#[derive(Clone, Copy)]
pub(super) struct Moment<T, const W: usize> {
    pub(super) delta: Lanes<T, W>,
    /// Δ u.
    pub(super) drive: Lanes<T, W>,
    /// D u to begin with.
    pub(super) y: Lanes<T, W>,
}

impl<T: Lane, const W: usize> Moment<T, W> {
    pub(super) const ZERO: Self = Self { delta: Lanes::ZERO, drive: Lanes::ZERO, y: Lanes::ZERO };

    /// From delta + bias and u, with D; also the [`fade`](Lanes::fade) of the first.
    #[inline(always)]
    pub(super) fn new<const FUSED: bool>(
        raw: Lanes<T, W>,
        u: Lanes<T, W>,
        d: Lanes<T, W>,
        softplus: bool,
    ) -> (Self, Lanes<T, W>) {
        let (mut fade, mut delta) = (Lanes::ZERO, raw);
        if softplus {
            fade = raw.fade::<FUSED>();
            delta = raw.soft_plus::<FUSED>(fade);
        }
        (Self { delta, drive: delta.times(u), y: d.times(u) }, fade)
    }

    /// Whether Δ may be so, noted.
    #[inline(always)]
    pub(super) fn watch<const FUSED: bool>(&self, raw: Lanes<T, W>, noted: &mut Lanes<T, W>) {
        noted.watch::<FUSED>(raw.zip(self.delta, |raw, delta| if delta < T::ZERO { T::NAN } else { raw }));
    }

    /// y through the gate.
    #[inline(always)]
    pub(super) fn gated<const FUSED: bool>(&self, z: Lanes<T, W>) -> Lanes<T, W> {
        self.y.times(z).times(z.sigma(z.fade::<FUSED>()))
    }
}

/// A block's moments or the like, and one that is not used: blocks of a multiple of 2048 bytes would share few places of
/// the first cache.
pub(super) type Times<M> = [M; TILE + 1];

/// A tile's moments, (blocks, times).
pub(super) type Tile<T, const W: usize> = Vec<Times<Moment<T, W>>>;

impl<'a, T: Lane, const W: usize> Group<'a, T, W> {
    pub(super) fn new(inputs: &Inputs<'a, T>, channels: Range<usize>) -> Self {
        let each = |values: Option<&[T]>| {
            let zeros = || vec![Lanes::ZERO; channels.len().div_ceil(W)];
            values.map_or_else(zeros, |values| values[channels.clone()].chunks(W).map(Lanes::load).collect())
        };
        let (d, bias) = (each(inputs.d), each(inputs.delta_bias));
        let mut a = vec![Lanes::ZERO; d.len() * inputs.shape.state];
        let mut group = Self { inputs: *inputs, a: Vec::new(), d, bias, channels };
        group.gather(&inputs.a[group.channels.start * inputs.shape.state..], &mut a);
        group.a = a.into_iter().map(|a| a.map(|a| a * T::LOG2_E)).collect();
        group
    }

    pub(super) fn blocks(&self) -> usize {
        self.channels.len().div_ceil(W)
    }

    /// (channels, N) to (blocks, N) of lanes.
    pub(super) fn gather(&self, from: &[T], to: &mut [Lanes<T, W>]) {
        let n = self.inputs.shape.state;
        for (channel, row) in from.chunks_exact(n).take(self.channels.len()).enumerate() {
            for (lanes, &value) in to[channel / W * n..].iter_mut().zip(row) {
                lanes.0[channel % W] = value;
            }
        }
    }

    /// And back.
    pub(super) fn scatter(&self, from: &[Lanes<T, W>], to: &mut [T]) {
        let n = self.inputs.shape.state;
        for (channel, row) in to.chunks_exact_mut(n).take(self.channels.len()).enumerate() {
            for (lanes, value) in from[channel / W * n..].iter().zip(row) {
                *value = lanes.0[channel % W];
            }
        }
    }

    /// The states that a sequence begins with.
    pub(super) fn start(&self, batch: usize, h: &mut [Lanes<T, W>]) {
        let shape = self.inputs.shape;
        match self.inputs.initial {
            Some(initial) => self.gather(&initial[(batch * shape.channels + self.channels.start) * shape.state..], h),
            None => h.fill(Lanes::ZERO),
        }
    }

    /// Whether the states are 0 before a sequence's time.
    pub(super) fn fresh(&self, time: usize) -> bool {
        time == 0 && self.inputs.initial.is_none()
    }

    /// Rows of u, delta or z at so many of all B L times, from `first` on: the group's channels.
    #[inline(always)]
    pub(super) fn rows<'b>(&self, values: &'b [T], [first, steps]: [usize; 2]) -> impl Iterator<Item = &'b [T]> {
        let (width, channels) = (self.inputs.shape.channels, self.channels.clone());
        values[first * width..(first + steps) * width].chunks_exact(width).map(move |row| &row[channels.clone()])
    }

    /// Makes a tile fit.
    pub(super) fn fit(&self, tile: &mut Tile<T, W>) {
        tile.resize(self.blocks(), [Moment::ZERO; TILE + 1]);
    }

    /// Reads so many times from the first on into a tile; `trouble` sees what Δ must not be, and `see` is shown block, time,
    /// delta + bias, its [`fade`](Lanes::fade), and u.
    #[inline(always)]
    pub(super) fn load<const FUSED: bool>(
        &self,
        times: [usize; 2],
        tile: &mut Tile<T, W>,
        trouble: &mut Lanes<T, W>,
        mut see: impl FnMut(usize, usize, [Lanes<T, W>; 3]),
    ) {
        let (mut noted, mut room, softplus) = (Lanes::ZERO, [[[T::ZERO; W]]; 2], self.inputs.softplus);
        let rows = self.rows(self.inputs.delta, times).zip(self.rows(self.inputs.u, times));
        for (t, (delta, u)) in rows.enumerate() {
            let [room_delta, room_u] = &mut room;
            let row = blocks(delta, room_delta).iter().zip(blocks(u, room_u));
            let row = row.zip(self.bias.iter().zip(&self.d)).zip(&mut *tile);
            for (k, (((&delta, &u), (&bias, &d)), moments)) in row.enumerate() {
                let (raw, u) = (Lanes(delta).plus(bias), Lanes(u));
                let (moment, fade) = Moment::new::<FUSED>(raw, u, d, softplus);
                moment.watch::<FUSED>(raw, &mut noted);
                moments[t] = moment;
                see(k, t, [raw, fade, u]);
            }
        }
        *trouble = trouble.plus(noted);
    }
}
