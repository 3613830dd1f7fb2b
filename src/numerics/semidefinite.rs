//! A covariance that may leave some directions without spread, as the product of a matrix with its transpose.

use ndarray::Array2;

use super::flat::{dot, solve_lower, solve_lower_transposed};

/// A = B Bᵀ for a symmetric, positive semi-definite A (n, n), by Cholesky's method with pivots: the variable with the
/// most spread of its own goes first, until none has any left.
///
/// Variables are scaled to variance 1 first, so that "none" means the same for a large and for a small one: below
/// 8 n · 2⁻⁵².
///
/// Source: Higham, *Analysis of the Cholesky decomposition of a semi-definite matrix* (1990).
#[derive(Clone, Debug)]
pub(crate) struct Semidefinite {
    n: usize,
    rank: usize,
    /// The variables, pivots first.
    order: Vec<usize>,
    /// √a_jj.
    scale: Vec<f64>,
    /// L (n, n), the rows in that order, of the scaled matrix.
    lower: Vec<f64>,
    rest: Vec<f64>,
}

/// What counts as rounding in a matrix that somebody computed: of this share of the variances.
const ROUNDING: f64 = 1e-9;

impl Semidefinite {
    /// `None` where `a` is not positive semi-definite, NaN included.
    pub(crate) fn new(a: &[f64], n: usize) -> Option<Self> {
        let mut this = Self::with_size(n);
        this.factorise(a);
        this.explains(a).then_some(this)
    }

    /// Room for a matrix.
    pub(crate) fn with_size(n: usize) -> Self {
        let zeros = || vec![0.0; n];
        Self { n, rank: 0, order: vec![0; n], scale: zeros(), lower: vec![0.0; n * n], rest: zeros() }
    }

    /// Factorises a covariance that is known to be one; where it is not, what is negative counts as 0.
    pub(crate) fn factorise(&mut self, a: &[f64]) {
        let n = self.n;
        for i in 0..n {
            let variance = a[i * n + i];
            self.order[i] = i;
            self.scale[i] = if variance > 0.0 { variance.sqrt() } else { 0.0 };
            self.rest[i] = if variance > 0.0 { 1.0 } else { 0.0 };
        }
        self.lower.fill(0.0);
        self.rank = 0;
        while self.rank < n && self.pivot(a) {
            self.rank += 1;
        }
    }

    /// One more column of L.
    fn pivot(&mut self, a: &[f64]) -> bool {
        let (n, k) = (self.n, self.rank);
        let rest = |&i: &usize| self.rest[self.order[i]];
        let best = (k..n).max_by(|i, j| rest(i).total_cmp(&rest(j)).then(j.cmp(i))).unwrap_or(k);
        let variance = rest(&best);
        if variance.is_nan() || variance <= 8.0 * n as f64 * f64::EPSILON {
            return false;
        }
        self.order.swap(k, best);
        (0..k).for_each(|j| self.lower.swap(k * n + j, best * n + j));
        let (p, root) = (self.order[k], variance.sqrt());
        let (above, below) = self.lower.split_at_mut((k + 1) * n);
        let pivot_row = &mut above[k * n..];
        pivot_row[k] = root;
        for (row, &i) in below.chunks_exact_mut(n).zip(&self.order[k + 1..]) {
            if self.scale[i] > 0.0 {
                let correlation = a[i * n + p] / self.scale[i] / self.scale[p];
                row[k] = (correlation - dot(&row[..k], &pivot_row[..k])) / root;
                self.rest[i] -= row[k] * row[k];
            }
        }
        true
    }

    /// Whether A is B Bᵀ but for rounding.
    fn explains(&self, a: &[f64]) -> bool {
        let n = self.n;
        let largest = self.scale.iter().fold(0.0, |s: f64, &x| s.max(x));
        (0..n * n).all(|at| {
            let (row, column) = (at / n, at % n);
            let (i, j) = (self.order[row], self.order[column]);
            let known = dot(&self.lower[row * n..][..n], &self.lower[column * n..][..n]);
            let (si, sj) = (self.scale[i], self.scale[j]);
            // What has no variance has no scale of its own.
            let size = if si > 0.0 && sj > 0.0 { si * sj } else { largest * largest };
            (a[i * n + j] - si * sj * known).abs() <= ROUNDING * size
        })
    }

    /// How many directions have spread.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// B (n, n), whose columns from the rank on are 0.
    pub(crate) fn root(&self) -> Array2<f64> {
        let n = self.n;
        let mut root = Array2::zeros((n, n));
        for (row, &i) in self.lower.chunks_exact(n).zip(&self.order) {
            row.iter().enumerate().for_each(|(j, l)| root[[i, j]] = self.scale[i] * l);
        }
        root
    }

    /// An x with A x = b, in place, for a b in the range of A: 0 where the other variables say it all.
    pub(crate) fn solve(&mut self, b: &mut [f64]) {
        let pivots = &self.order[..self.rank];
        let x = &mut self.rest[..self.rank];
        x.iter_mut().zip(pivots).for_each(|(x, &p)| *x = b[p] / self.scale[p]);
        solve_lower(&self.lower, self.n, x);
        solve_lower_transposed(&self.lower, self.n, x);
        b.fill(0.0);
        x.iter().zip(pivots).for_each(|(x, &p)| b[p] = x / self.scale[p]);
    }
}
