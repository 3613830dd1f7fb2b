//! Which thread does what: sequences and channels cut into parts.

use std::ops::Range;

use ndarray::{ArrayViewMut3, Axis};

use super::Shape;

/// Chunks of a batch, if it has sequences enough.
const CHUNKS: usize = 32;
/// Channels whose tiles still fit the second cache.
const CHANNELS: usize = 256;

/// Sequences and channels of one part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) batch: Range<usize>,
    pub(super) channels: Range<usize>,
}

/// How a scan is cut: batch into `chunks`, channels into groups of whole blocks of so many lanes, and one of those channels
/// that do not fill a block.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) chunks: Vec<Range<usize>>,
    pub(super) groups: Vec<Range<usize>>,
}

impl Cut {
    /// Into at least so many parts, where there are sequences and channels enough.
    pub(super) fn new(shape: Shape, lanes: usize, parts: usize) -> Self {
        let chunks = shape.batch.min(CHUNKS);
        let blocks = shape.channels / lanes;
        let groups = parts.div_ceil(chunks.max(1)).max(shape.channels.div_ceil(CHANNELS)).min(blocks);
        let channel = |group: usize| group * blocks / groups * lanes;
        let rest = blocks * lanes..shape.channels;
        let whole = (0..groups).map(|group| channel(group)..channel(group + 1));
        Self {
            chunks: (0..chunks).map(|i| i * shape.batch / chunks..(i + 1) * shape.batch / chunks).collect(),
            groups: whole.chain((!rest.is_empty()).then_some(rest)).collect(),
        }
    }

    /// All parts, those of one chunk after each other.
    pub(super) fn parts(&self) -> Vec<Part> {
        let of = |batch: &Range<usize>| {
            let batch = batch.clone();
            self.groups.iter().map(move |channels| Part { batch: batch.clone(), channels: channels.clone() })
        };
        self.chunks.iter().flat_map(of).collect()
    }

    /// The same of values of that shape, or as many times nothing; `None` if they are not of that shape.
    pub(super) fn split_some<'a, T>(
        &self,
        values: Option<&'a mut [T]>,
        shape: [usize; 3],
        axis: usize,
        channels: usize,
    ) -> Option<Vec<Option<ArrayViewMut3<'a, T>>>> {
        let Some(values) = values else {
            return Some((0..self.chunks.len() * self.groups.len()).map(|_| None).collect());
        };
        let array = ArrayViewMut3::from_shape(shape, values).ok()?;
        Some(self.split(array, axis, channels).into_iter().map(Some).collect())
    }

    /// An array (batch, …) in these parts, so many channels an entry along `axis`.
    pub(super) fn split<'a, T>(
        &self,
        array: ArrayViewMut3<'a, T>,
        axis: usize,
        channels: usize,
    ) -> Vec<ArrayViewMut3<'a, T>> {
        let mut parts = Vec::with_capacity(self.chunks.len() * self.groups.len());
        let mut rest = array;
        for chunk in &self.chunks {
            let (mut here, after) = rest.split_at(Axis(0), chunk.len());
            rest = after;
            for group in &self.groups {
                let (part, others) = here.split_at(Axis(axis), group.len().div_ceil(channels));
                parts.push(part);
                here = others;
            }
        }
        parts
    }
}
