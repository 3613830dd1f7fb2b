//! The passes over all points, in blocks that lie column by column, so that one instruction serves several points: four
//! where the processor has AVX2. Sums are taken in the same order everywhere, so that every machine gives the same bits.

use multiversion::multiversion;
use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, ArrayView2, ArrayViewMut2, s};

use super::covariance::Whitening;

/// So many points make a block.
pub(super) const POINTS: usize = 128;
/// So many are worked on side by side, in registers.
const LANES: usize = 8;

/// One column of a block.
pub(super) type Column = [f64; POINTS];

/// A block of points, one column per dimension. What is missing to a whole block is 0.
pub(super) struct Block {
    columns: Vec<Column>,
}

impl Block {
    pub(super) fn new(columns: usize) -> Self {
        Self { columns: vec![[0.0; POINTS]; columns] }
    }

    /// Takes the rows of `x` from `start` on; says how many there were.
    pub(super) fn load(&mut self, x: &ArrayView2<'_, f64>, start: usize) -> usize {
        let count = POINTS.min(x.nrows() - start);
        self.columns.iter_mut().for_each(|column| column[count..].fill(0.0));
        for (i, row) in x.slice(s![start..start + count, ..]).rows().into_iter().enumerate() {
            match row.to_slice() {
                Some(row) => self.columns.iter_mut().zip(row).for_each(|(column, value)| column[i] = *value),
                None => self.columns.iter_mut().zip(row).for_each(|(column, value)| column[i] = *value),
            }
        }
        count
    }

    pub(super) fn column(&self, j: usize) -> &Column {
        &self.columns[j]
    }

    /// x − μ.
    #[inline(always)]
    pub(super) fn centre(&self, mean: &ArrayRef1<f64>, centred: &mut Self) {
        for ((centred, column), &mean) in centred.columns.iter_mut().zip(&self.columns).zip(mean) {
            centred.iter_mut().zip(column).for_each(|(centred, x)| *centred = x - mean);
        }
    }

    /// Each column times one weight per point.
    #[inline(always)]
    fn weigh(&self, weight: &Column, weighted: &mut Self) {
        for (weighted, column) in weighted.columns.iter_mut().zip(&self.columns) {
            weighted.iter_mut().zip(column).zip(weight).for_each(|((weighted, x), w)| *weighted = w * x);
        }
    }
}

/// Σ_n a_n.
#[inline(always)]
fn total(a: &Column) -> f64 {
    let mut sums = [0.0; LANES];
    for a in a.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            sums[lane] += a[lane];
        }
    }
    sums.iter().sum()
}

/// Σ_n a_n b_n.
#[inline(always)]
fn dot(a: &Column, b: &Column) -> f64 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// Adds Σ_n w_nk to `weight`, and Σ_n w_nk x_n to `sums`.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn add_sums(points: &Block, weights: &Block, weight: &mut Array1<f64>, sums: &mut Array2<f64>) {
    for (k, weights) in weights.columns.iter().enumerate() {
        weight[k] += total(weights);
        for (j, points) in points.columns.iter().enumerate() {
            sums[[k, j]] += dot(weights, points);
        }
    }
}

/// Adds the lower triangle of Σ_n w_n (x_n − μ)(x_n − μ)ᵀ, or its diagonal only; `room` holds two blocks.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn add_scatter(
    points: &Block,
    mean: &ArrayRef1<f64>,
    weight: &Column,
    room: &mut [Block; 2],
    mut sum: ArrayViewMut2<'_, f64>,
    only_diagonal: bool,
) {
    let [centred, weighted] = room;
    points.centre(mean, centred);
    centred.weigh(weight, weighted);
    for i in 0..mean.len() {
        for j in if only_diagonal { i..i + 1 } else { 0..i + 1 } {
            sum[[i, j]] += dot(&weighted.columns[i], &centred.columns[j]);
        }
    }
}

/// ‖L⁻¹ (x − μ)‖² of each point of a centred block.
#[multiversion(targets("x86_64+avx2"))]
fn square_distances(centred: &Block, whitening: &Whitening, squares: &mut Column) {
    for (lanes, squares) in squares.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let column = |j: usize| &centred.columns[j].as_chunks::<LANES>().0[lanes];
        *squares = [0.0; LANES];
        let mut entries = whitening.rows.iter();
        for i in 0..centred.columns.len() {
            let mut whitened = [0.0; LANES];
            for j in if whitening.is_diagonal { i..i + 1 } else { 0..i + 1 } {
                let (Some(entry), x) = (entries.next(), column(j)) else { return };
                for lane in 0..LANES {
                    whitened[lane] += entry * x[lane];
                }
            }
            for lane in 0..LANES {
                squares[lane] += whitened[lane] * whitened[lane];
            }
        }
    }
}

/// log N(x_n | μ_k, Σ_k), shape (N, K).
pub(super) fn log_density(mean: &Array2<f64>, whitenings: &[Whitening], x: &ArrayRef2<f64>) -> Array2<f64> {
    let (mut points, mut centred) = (Block::new(x.ncols()), Block::new(x.ncols()));
    let mut squares = [0.0; POINTS];
    let mut log_density = Array2::zeros((x.nrows(), mean.nrows()));
    for start in (0..x.nrows()).step_by(POINTS) {
        let count = points.load(&x.view(), start);
        for (k, (mean, whitening)) in mean.rows().into_iter().zip(whitenings).enumerate() {
            points.centre(&mean, &mut centred);
            square_distances(&centred, whitening, &mut squares);
            let mut column = log_density.slice_mut(s![start..start + count, k]);
            for (log_density, square) in column.iter_mut().zip(&squares) {
                *log_density = whitening.log_constant - 0.5 * square;
            }
        }
    }
    log_density
}
