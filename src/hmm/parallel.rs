//! The filter as an associative scan: time cut into blocks that are worked on side by side.
//!
//! What steps s + 1 … t do to any state of knowledge is a matrix, f(i, j) = p(x_{s+1} … x_t, z_t = j | z_s = i). Two such
//! matrices in a row are their product, and products are associative, so the steps may be joined in any grouping:
//! this is the scan that a linear recurrence has, h_t = A_t h_{t−1}, and Mamba's too. Joining costs S times what filtering
//! does, so it pays with more than S processors; what it buys is depth O(log T) instead of T.
//!
//! Source: Hassan, Särkkä and García-Fernández, *Temporal parallelization of inference in hidden Markov models*, IEEE
//! Transactions on Signal Processing 69 (2021).

use ndarray::{Array1, Array2, ArrayRef2, ArrayViewMut2, Axis, s};

use super::{Chain, Filtered, Likelihoods};
use crate::numerics::{MOST_THREADS, on_threads};
use crate::{Result, validate};

/// What a stretch of steps does to the knowledge of the state: a matrix f (S, S) times exp(log_scale).
///
/// ```
/// use mlnotes::hmm::parallel::Element;
/// use ndarray::array;
///
/// let step = |b| Element::new(array![[0.9, 0.1], [0.2, 0.8]], b);
/// let [one, two, three] = [step([0.5, 0.1]), step([0.3, 0.3]), step([0.1, 0.9])];
/// let (left, right) = (one.then(&two).then(&three), one.then(&two.then(&three)));
/// assert!((left.matrix - right.matrix).iter().all(|difference| difference.abs() < 1e-15));
/// assert!((left.log_scale - right.log_scale).abs() < 1e-15);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// f / exp(log_scale), whose largest entry is 1; all 0 for steps that are impossible.
    pub matrix: Array2<f64>,
    /// The logarithm of what was taken out.
    pub log_scale: f64,
}

impl Element {
    /// One step: f(i, j) = a_ij b_j.
    pub fn new(transition: Array2<f64>, likelihood: impl IntoIterator<Item = f64>) -> Self {
        let mut matrix = transition;
        for (mut column, b) in matrix.columns_mut().into_iter().zip(likelihood) {
            column *= b;
        }
        Self { matrix, log_scale: 0.0 }.scaled()
    }

    /// This stretch and then the next: the matrix product.
    pub fn then(&self, next: &Self) -> Self {
        Self { matrix: self.matrix.dot(&next.matrix), log_scale: self.log_scale + next.log_scale }.scaled()
    }

    fn scaled(mut self) -> Self {
        let largest = self.matrix.iter().copied().fold(0.0, f64::max);
        if largest > 0.0 {
            self.matrix /= largest;
            self.log_scale += largest.ln();
        }
        self
    }
}

/// What [`Chain::filter`] gives, by `blocks` threads (at most 1024): each joins the steps of its block into one
/// [`Element`]; the elements, applied one after the other, give each block the state of knowledge that it begins with;
/// then all filter at once.
///
/// # Errors
/// As [`Chain::filter`]; 0 blocks.
///
/// # Numerics
/// As [`Chain::filter`], which also takes over where a block's states differ by more than f64 holds.
///
/// ```
/// use mlnotes::hmm::{Chain, parallel};
/// use ndarray::{Array2, array};
///
/// let chain = Chain::new(array![0.5, 0.5], array![[0.9, 0.1], [0.2, 0.8]])?;
/// let log_emission = Array2::from_shape_fn((100, 2), |(t, j)| -((t * (j + 3) % 7) as f64));
/// let (one, four) = (chain.filter(&log_emission)?, parallel::filter(&chain, &log_emission, 4)?);
/// assert!((one.states - four.states).iter().all(|difference| difference.abs() < 1e-12));
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn filter(chain: &Chain, log_emission: &ArrayRef2<f64>, blocks: usize) -> Result<Filtered> {
    validate::at_least_one("blocks", blocks)?;
    let x = Likelihoods::from_log(log_emission, chain.states())?;
    chain.validate(&x)?;
    match filter_blocks(chain, &x, blocks) {
        Some(filtered) => Ok(filtered),
        None => chain.filter_of(&x),
    }
}

/// The steps of each block: 1 … T − 1 cut evenly. Step 0 has no move.
fn cut(length: usize, blocks: usize) -> Vec<std::ops::Range<usize>> {
    let blocks = blocks.min(length - 1).clamp(1, MOST_THREADS);
    (0..blocks).map(|b| 1 + b * (length - 1) / blocks..1 + (b + 1) * (length - 1) / blocks).collect()
}

fn filter_blocks(chain: &Chain, x: &Likelihoods<'_>, blocks: usize) -> Option<Filtered> {
    let ranges = cut(x.length(), blocks);
    // Up: each block by itself.
    let elements = on_threads(ranges.len(), ranges.clone(), |range, _: &mut ()| element(chain, x, range));
    // Across: what is known before each block.
    let mut states = Array2::zeros((x.length(), chain.states()));
    let mut alpha = chain.initial.clone();
    let mut log_likelihood = condition(x, 0, &mut alpha)?;
    states.row_mut(0).assign(&alpha);
    let mut before = Vec::with_capacity(ranges.len());
    for element in &elements {
        before.push(alpha.clone());
        alpha = alpha.dot(&element.matrix);
        let sum = alpha.sum();
        if sum < f64::MIN_POSITIVE {
            return None;
        }
        alpha /= sum;
    }
    // Down: each block filters.
    let mut rest = states.slice_mut(s![1.., ..]);
    let mut jobs = Vec::with_capacity(ranges.len());
    for (range, alpha) in ranges.into_iter().zip(before) {
        let (block, after) = rest.split_at(Axis(0), range.len());
        rest = after;
        jobs.push((range, alpha, block));
    }
    let sums = on_threads(jobs.len(), jobs, |(range, alpha, block), _: &mut ()| run(chain, x, range, alpha, block));
    let sums: Vec<f64> = sums.into_iter().collect::<Option<_>>()?;
    log_likelihood += sums.iter().sum::<f64>();
    Some(Filtered { states, log_likelihood })
}

/// All steps of a range joined.
fn element(chain: &Chain, x: &Likelihoods<'_>, range: std::ops::Range<usize>) -> Element {
    let mut joined = Element { matrix: Array2::eye(chain.states()), log_scale: 0.0 };
    for t in range {
        let a = chain.transition.index_axis(Axis(0), chain.matrix(t - 1)).to_owned();
        let row = x.log_row(t);
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut step = Element::new(
            a,
            row.iter().map(|log_b| if largest > f64::NEG_INFINITY { (log_b - largest).exp() } else { 0.0 }),
        );
        step.log_scale += largest;
        joined = joined.then(&step);
    }
    joined
}

/// α ∝ α b; returns the logarithm of the sum.
fn condition(x: &Likelihoods<'_>, t: usize, alpha: &mut Array1<f64>) -> Option<f64> {
    let log_factor = x.weigh(t, alpha.as_slice_mut()?);
    let sum = alpha.sum();
    if sum < f64::MIN_POSITIVE {
        return None;
    }
    *alpha /= sum;
    Some(log_factor + sum.ln())
}

fn run(
    chain: &Chain,
    x: &Likelihoods<'_>,
    range: std::ops::Range<usize>,
    mut alpha: Array1<f64>,
    mut states: ArrayViewMut2<'_, f64>,
) -> Option<f64> {
    let mut log_likelihood = 0.0;
    for (t, mut kept) in range.zip(states.rows_mut()) {
        alpha = alpha.dot(&chain.transition.index_axis(Axis(0), chain.matrix(t - 1)));
        log_likelihood += condition(x, t, &mut alpha)?;
        kept.assign(&alpha);
    }
    Some(log_likelihood)
}
