//! A covariance as the product of a triangle with itself.

use ndarray::{Array2, ArrayRef2};

/// A = L Lᵀ for a symmetric, positive definite A (n, n); L is lower triangular.
///
/// Source: Golub and Van Loan, *Matrix Computations*, 4th edition, section 4.2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cholesky {
    lower: Array2<f64>,
}

impl Cholesky {
    /// From the lower triangle of A; `None` where A is not positive definite, NaN included.
    pub(crate) fn new(a: &ArrayRef2<f64>) -> Option<Self> {
        let n = a.nrows();
        let mut lower = Array2::zeros((n, n));
        for i in 0..n {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| lower[[i, k]] * lower[[j, k]]).sum();
                let rest = a[[i, j]] - known;
                if i > j {
                    lower[[i, j]] = rest / lower[[j, j]];
                } else if rest > 0.0 && rest.is_finite() {
                    lower[[i, i]] = rest.sqrt();
                } else {
                    return None;
                }
            }
        }
        Some(Self { lower })
    }

    /// L.
    pub(crate) fn lower(&self) -> &Array2<f64> {
        &self.lower
    }

    /// log det A = 2 Σ log L_ii.
    pub(crate) fn log_determinant(&self) -> f64 {
        2.0 * self.lower.diag().iter().map(|l| l.ln()).sum::<f64>()
    }

    /// x with L x = b, in place.
    pub(crate) fn solve_lower(&self, b: &mut [f64]) {
        for i in 0..b.len() {
            let known: f64 = (0..i).map(|k| self.lower[[i, k]] * b[k]).sum();
            b[i] = (b[i] - known) / self.lower[[i, i]];
        }
    }

    /// x with A x = b, in place.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        self.solve_lower(b);
        for i in (0..b.len()).rev() {
            let known: f64 = (i + 1..b.len()).map(|k| self.lower[[k, i]] * b[k]).sum();
            b[i] = (b[i] - known) / self.lower[[i, i]];
        }
    }

    /// L⁻¹, lower triangular.
    pub(crate) fn inverse_lower(&self) -> Array2<f64> {
        let n = self.lower.nrows();
        let mut inverse = Array2::zeros((n, n));
        let mut column = vec![0.0; n];
        for j in 0..n {
            column.fill(0.0);
            column[j] = 1.0;
            self.solve_lower(&mut column);
            (j..n).for_each(|i| inverse[[i, j]] = column[i]);
        }
        inverse
    }

    /// A⁻¹ = L⁻ᵀ L⁻¹.
    pub(crate) fn inverse(&self) -> Array2<f64> {
        let inverse = self.inverse_lower();
        inverse.t().dot(&inverse)
    }
}
