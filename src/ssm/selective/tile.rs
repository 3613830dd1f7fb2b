//! A tile: some times of a group of channels, held so that a vector of channels is one load.

use std::ops::Range;

use super::Inputs;
use super::lanes::{Lane, Lanes};

/// Times that are worked on at once, and from one kept state to the next.
pub(super) const TILE: usize = 32;

/// What stays the same for a group of channels: blocks of W lanes, padded with channels of zeros.
pub(super) struct Group<'a, T: Lane, const W: usize> {
    pub(super) inputs: Inputs<'a, T>,
    pub(super) channels: Range<usize>,
    /// A log₂ e, (blocks, N).
    pub(super) a: Vec<Lanes<T, W>>,
    /// D and the bias of Δ, (blocks), 0 where there is none.
    pub(super) d: Vec<Lanes<T, W>>,
    pub(super) bias: Vec<Lanes<T, W>>,
}

/// One block's vectors at a tile's times.
pub(super) type Times<T, const W: usize> = [Lanes<T, W>; TILE];

/// A tile's Δ, Δ u and y (D u to begin with), each (blocks, times).
#[derive(Default)]
pub(super) struct Tile<T, const W: usize> {
    pub(super) delta: Vec<Times<T, W>>,
    pub(super) drive: Vec<Times<T, W>>,
    pub(super) y: Vec<Times<T, W>>,
}

impl<T: Lane, const W: usize> Tile<T, W> {
    pub(super) fn fit(&mut self, blocks: usize) {
        for times in [&mut self.delta, &mut self.drive, &mut self.y] {
            times.resize(blocks, [Lanes::ZERO; TILE]);
        }
    }
}

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

    /// A row of u, delta or z at one of all B L times: the group's channels.
    #[inline(always)]
    pub(super) fn row<'b>(&self, values: &'b [T], time: usize) -> &'b [T] {
        let width = self.inputs.shape.channels;
        &values[time * width..][..width][self.channels.clone()]
    }

    /// Reads times from `first` on into a tile; `trouble` sees what Δ must not be.
    #[inline(always)]
    pub(super) fn load<const FUSED: bool>(
        &self,
        first: usize,
        steps: usize,
        tile: &mut Tile<T, W>,
        trouble: &mut Lanes<T, W>,
    ) {
        for t in 0..steps {
            let (delta, u) = (self.row(self.inputs.delta, first + t), self.row(self.inputs.u, first + t));
            for (k, (delta, u)) in delta.chunks(W).zip(u.chunks(W)).enumerate() {
                let (raw, u) = (Lanes::load(delta).plus(self.bias[k]), Lanes::load(u));
                let delta = self.step_size::<FUSED>(raw);
                trouble.watch(raw.zip(delta, |raw, delta| if delta < T::ZERO { T::NAN } else { raw }));
                tile.delta[k][t] = delta;
                tile.drive[k][t] = delta.times(u);
                tile.y[k][t] = self.d[k].times(u);
            }
        }
    }

    /// delta + bias of one block.
    #[inline(always)]
    pub(super) fn raw(&self, time: usize, k: usize) -> Lanes<T, W> {
        let row = self.row(self.inputs.delta, time);
        Lanes::load(&row[k * W..(k * W + W).min(row.len())]).plus(self.bias[k])
    }

    #[inline(always)]
    fn step_size<const FUSED: bool>(&self, raw: Lanes<T, W>) -> Lanes<T, W> {
        if self.inputs.softplus { raw.map(|raw| raw.soft_plus::<FUSED>()) } else { raw }
    }
}
