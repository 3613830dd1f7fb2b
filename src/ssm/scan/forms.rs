//! The scans, each counting what it does.

use super::operator::{Affine, Operator, Recurrence};
use crate::numerics::on_threads;
use crate::{Error, Result, validate};

/// How far the terms of a sum reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// x_1 ∘ … ∘ x_i.
    Inclusive,
    /// x_1 ∘ … ∘ x_{i−1}; the first is the identity.
    Exclusive,
}

/// What a scan took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How often ∘ was applied.
    pub work: usize,
    /// The longest chain of applications each of which needed the one before: the time, with processors enough.
    pub depth: usize,
}

/// A scan's values and its cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan<T> {
    /// As many as came in.
    pub values: Vec<T>,
    /// Counted while it ran.
    pub cost: Cost,
    /// The arrays between input and values, for a picture: after each step for [`hillis_steele`]; for [`blelloch`] those of
    /// the up-sweep, then those of the down-sweep; empty for the others.
    pub levels: Vec<Vec<T>>,
}

/// A value and the longest chain that led to it.
#[derive(Clone)]
struct Node<T> {
    value: T,
    depth: usize,
}

type Nodes<O> = Vec<Node<<O as Operator>::Item>>;

/// An operator that counts.
struct Counter<'a, O: Operator> {
    operator: &'a O,
    work: usize,
}

impl<O: Operator> Counter<'_, O> {
    fn join(&mut self, first: &Node<O::Item>, second: &Node<O::Item>) -> Node<O::Item> {
        self.work += 1;
        let value = self.operator.join(&first.value, &second.value);
        Node { value, depth: 1 + first.depth.max(second.depth) }
    }

    fn identity(&self) -> Node<O::Item> {
        Node { value: self.operator.identity(), depth: 0 }
    }

    /// The inclusive scan, one after the other.
    fn sequential(&mut self, nodes: &[Node<O::Item>]) -> Nodes<O> {
        let mut values: Nodes<O> = Vec::with_capacity(nodes.len());
        for node in nodes {
            let next = values.last().map_or_else(|| node.clone(), |last| self.join(last, node));
            values.push(next);
        }
        values
    }
}

fn nodes<T: Clone>(items: &[T]) -> Vec<Node<T>> {
    items.iter().map(|value| Node { value: value.clone(), depth: 0 }).collect()
}

fn values<T: Clone>(nodes: &[Node<T>]) -> Vec<T> {
    nodes.iter().map(|node| node.value.clone()).collect()
}

fn finish<T: Clone>(nodes: &[Node<T>], work: usize, levels: Vec<Vec<T>>) -> Scan<T> {
    let depth = nodes.iter().map(|node| node.depth).max().unwrap_or(0);
    Scan { values: values(nodes), cost: Cost { work, depth }, levels }
}

/// What an inclusive scan must be of, and what is put before it, for a scan of that extent.
fn split<'a, O: Operator>(operator: &O, items: &'a [O::Item], extent: Extent) -> (&'a [O::Item], Nodes<O>) {
    match (extent, items.split_last()) {
        (Extent::Exclusive, Some((_, rest))) => (rest, vec![Node { value: operator.identity(), depth: 0 }]),
        _ => (items, Vec::new()),
    }
}

/// One after the other: the recurrence itself.
///
/// ```
/// use mlnotes::ssm::scan::{Cost, Extent, Sum, sequential};
///
/// let scan = sequential(&Sum, &[1.0, 2.0, 3.0], Extent::Inclusive);
/// assert_eq!((scan.values, scan.cost), (vec![1.0, 3.0, 6.0], Cost { work: 2, depth: 2 }));
/// assert_eq!(sequential(&Sum, &[1.0, 2.0, 3.0], Extent::Exclusive).values, [0.0, 1.0, 3.0]);
/// ```
pub fn sequential<O: Operator>(operator: &O, items: &[O::Item], extent: Extent) -> Scan<O::Item> {
    let mut counter = Counter { operator, work: 0 };
    let (items, mut out) = split(operator, items, extent);
    out.extend(counter.sequential(&nodes(items)));
    finish(&out, counter.work, Vec::new())
}

/// Doubling: in step k = 0, 1, … every element is joined with the one 2^k before it, all at once. Least depth, n log n work.
///
/// ```
/// use mlnotes::ssm::scan::{Cost, Extent, Sum, hillis_steele};
///
/// let scan = hillis_steele(&Sum, &[1.0, 2.0, 3.0, 4.0], Extent::Inclusive);
/// assert_eq!(scan.levels, [[1.0, 3.0, 5.0, 7.0], [1.0, 3.0, 6.0, 10.0]]);
/// assert_eq!(scan.cost, Cost { work: 3 + 2, depth: 2 });
/// ```
///
/// Source: Hillis and Steele (1986).
pub fn hillis_steele<O: Operator>(operator: &O, items: &[O::Item], extent: Extent) -> Scan<O::Item> {
    let mut counter = Counter { operator, work: 0 };
    let (items, mut out) = split(operator, items, extent);
    let (mut now, mut levels) = (nodes(items), Vec::new());
    let mut distance = 1;
    while distance < now.len() {
        let next = |i: usize| if i < distance { now[i].clone() } else { counter.join(&now[i - distance], &now[i]) };
        now = (0..now.len()).map(next).collect();
        levels.push(values(&now));
        distance *= 2;
    }
    out.extend(now);
    finish(&out, counter.work, levels)
}

/// A tree up and down: neighbours are joined until one is left (up-sweep, 上扫); then every node hands what is before it
/// to its left child, and that joined with its left child's value to its right one (down-sweep, 下扫). Any length: a node
/// without a neighbour goes up alone.
///
/// ```
/// use mlnotes::ssm::scan::{Cost, Extent, Sum, blelloch};
///
/// let scan = blelloch(&Sum, &[1.0, 2.0, 3.0, 4.0], Extent::Exclusive);
/// assert_eq!(scan.levels, [vec![3.0, 7.0], vec![10.0], vec![0.0], vec![0.0, 3.0], vec![0.0, 1.0, 3.0, 6.0]]);
/// assert_eq!((scan.values, scan.cost), (vec![0.0, 1.0, 3.0, 6.0], Cost { work: 6, depth: 3 }));
/// ```
///
/// Source: Blelloch (1990), section 1.2, who counts 2 log₂ n steps: the last one up and the first one down, which he takes
/// one after the other, do not need each other.
pub fn blelloch<O: Operator>(operator: &O, items: &[O::Item], extent: Extent) -> Scan<O::Item> {
    let mut counter = Counter { operator, work: 0 };
    if items.is_empty() {
        return finish(&[], 0, Vec::new());
    }
    let mut up = vec![nodes(items)];
    while let Some(below) = up.last().filter(|below| below.len() > 1) {
        let join = |pair: &[Node<O::Item>]| match pair {
            [left, right] => counter.join(left, right),
            _ => pair[0].clone(),
        };
        let above = below.chunks(2).map(join).collect();
        up.push(above);
    }
    let mut levels: Vec<_> = up.iter().skip(1).map(|level| values(level)).collect();
    let total = up.pop().unwrap_or_default();
    let mut before = vec![counter.identity()];
    levels.push(values(&before));
    for below in up.iter().rev() {
        let children = before.iter().zip(below.chunks(2)).flat_map(|(before, pair)| {
            let right = (pair.len() == 2).then(|| counter.join(before, &pair[0]));
            [Some(before.clone()), right]
        });
        before = children.flatten().collect();
        levels.push(values(&before));
    }
    if extent == Extent::Inclusive {
        before.remove(0);
        before.extend(total);
    }
    finish(&before, counter.work, levels)
}

/// Blocks of at most `block` elements on up to `threads` threads: a scan of each block, a scan of the blocks' last values
/// (their aggregates), and what was before each block joined to its elements, once.
///
/// ```
/// use mlnotes::ssm::scan::{Extent, Sum, blocked};
///
/// let items: Vec<f64> = (1..=8).map(f64::from).collect();
/// let scan = blocked(&Sum, &items, Extent::Inclusive, 4, 2)?;
/// assert_eq!(scan.values, [1.0, 3.0, 6.0, 10.0, 15.0, 21.0, 28.0, 36.0]);
/// assert!(blocked(&Sum, &items, Extent::Inclusive, 0, 2).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// # Errors
/// Blocks of 0 elements; 0 threads.
pub fn blocked<O: Operator>(
    operator: &O,
    items: &[O::Item],
    extent: Extent,
    block: usize,
    threads: usize,
) -> Result<Scan<O::Item>> {
    validate::at_least_one("block", block)?;
    validate::at_least_one("threads", threads)?;
    let (items, mut out) = split(operator, items, extent);
    let scanned = on_threads(threads, items.chunks(block).collect(), |items: &[O::Item], _: &mut ()| {
        let mut counter = Counter { operator, work: 0 };
        (counter.sequential(&nodes(items)), counter.work)
    });
    let mut work: usize = scanned.iter().map(|(_, work)| work).sum();
    let mut counter = Counter { operator, work: 0 };
    let aggregates: Nodes<O> = scanned.iter().filter_map(|(nodes, _)| nodes.last().cloned()).collect();
    // What is before block 1, 2, …; nothing is before block 0.
    let before = counter.sequential(&aggregates[..aggregates.len().saturating_sub(1)]);
    work += counter.work;
    let jobs = scanned.into_iter().enumerate().map(|(i, (nodes, _))| (i.checked_sub(1).map(|i| &before[i]), nodes));
    let joined =
        on_threads(threads, jobs.collect(), |(before, nodes): (Option<&Node<O::Item>>, Nodes<O>), _: &mut ()| {
            let mut counter = Counter { operator, work: 0 };
            let Some(before) = before else { return (nodes, 0) };
            let joined: Nodes<O> = nodes.iter().map(|node| counter.join(before, node)).collect();
            (joined, counter.work)
        });
    for (nodes, more) in joined {
        out.extend(nodes);
        work += more;
    }
    Ok(finish(&out, work, Vec::new()))
}

/// h_t = a_t h_{t−1} + b_t for t = 1 … T, by [`blocked`] on up to `threads` threads.
///
/// # Errors
/// `a` and `b` of different lengths; 0 threads.
///
/// ```
/// use mlnotes::ssm::scan::recurrence;
///
/// assert_eq!(recurrence(&[0.5, 0.5, 2.0], &[1.0, 1.0, 0.0], 4.0, 1)?, [3.0, 2.5, 5.0]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn recurrence(a: &[f64], b: &[f64], start: f64, threads: usize) -> Result<Vec<f64>> {
    if a.len() != b.len() {
        return Err(Error::shape("b", format!("({}), as `a`,", a.len()), &[b.len()]));
    }
    let steps: Vec<Affine> = a.iter().zip(b).map(|(&a, &b)| Affine { a, b }).collect();
    let block = steps.len().div_ceil(threads.max(1)).max(1);
    let scan = blocked(&Recurrence, &steps, Extent::Inclusive, block, threads)?;
    Ok(scan.values.into_iter().map(|step| step.a * start + step.b).collect())
}
