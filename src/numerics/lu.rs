//! A general square system of linear equations.

use ndarray::{Array2, ArrayRef2};

/// P D A = L U for any regular A (n, n): Gauss' elimination with partial pivoting, after each row was divided by a power
/// of 2 (D) that brings its largest entry near 1, without rounding.
///
/// Source: Golub and Van Loan, *Matrix Computations*, 4th edition, sections 3.4 and 3.5.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lu {
    /// U on and above the diagonal; L below it, whose diagonal is 1.
    factors: Array2<f64>,
    /// Row i of L U is row `rows[i]` of D A.
    rows: Vec<usize>,
    /// D's diagonal.
    scale: Vec<f64>,
}

impl Lu {
    /// `None` where a column depends on those before it but for rounding, or anything is not finite. Neither a row's nor
    /// a column's unit matters for that.
    pub(crate) fn new(a: &ArrayRef2<f64>) -> Option<Self> {
        let n = a.nrows();
        let scale: Vec<f64> = a.rows().into_iter().map(|row| power_of_two(row.iter())).collect::<Option<_>>()?;
        let mut factors = Array2::from_shape_fn((n, n), |(i, j)| a[[i, j]] * scale[i]);
        let mut rows: Vec<usize> = (0..n).collect();
        // The size of each column, which tells what a small pivot is.
        let sizes: Vec<f64> =
            factors.columns().into_iter().map(|c| c.iter().fold(0.0, |m, v| v.abs().max(m))).collect();
        for k in 0..n {
            let pivot =
                (k..n).fold(k, |best, i| if factors[[i, k]].abs() > factors[[best, k]].abs() { i } else { best });
            let regular = factors[[pivot, k]].abs() > n as f64 * f64::EPSILON * sizes[k];
            // Negated, so that NaN is refused as well.
            if !regular || !factors[[pivot, k]].is_finite() {
                return None;
            }
            rows.swap(k, pivot);
            (0..n).for_each(|j| factors.swap([k, j], [pivot, j]));
            let (top, mut below) = factors.view_mut().split_at(ndarray::Axis(0), k + 1);
            let head = top.row(k);
            for mut row in below.rows_mut() {
                let factor = row[k] / head[k];
                row[k] = factor;
                if factor != 0.0 {
                    (k + 1..n).for_each(|j| row[j] -= factor * head[j]);
                }
            }
        }
        Some(Self { factors, rows, scale })
    }

    /// X with A X = B, for B (n, m); a vector is one column.
    pub(crate) fn solve_matrix(&self, b: &ArrayRef2<f64>) -> Array2<f64> {
        let mut x = Array2::from_shape_fn(b.dim(), |(i, j)| b[[self.rows[i], j]] * self.scale[self.rows[i]]);
        let n = x.nrows();
        for i in 0..n {
            let (known, mut rest) = x.view_mut().split_at(ndarray::Axis(0), i);
            (0..i).for_each(|k| rest.row_mut(0).scaled_add(-self.factors[[i, k]], &known.row(k)));
        }
        for i in (0..n).rev() {
            let (mut rest, known) = x.view_mut().split_at(ndarray::Axis(0), i + 1);
            (i + 1..n).for_each(|k| rest.row_mut(i).scaled_add(-self.factors[[i, k]], &known.row(k - i - 1)));
            rest.row_mut(i).mapv_inplace(|x| x / self.factors[[i, i]]);
        }
        x
    }
}

/// The power of 2 that brings the largest of the values to [1, 2); `None` if that is 0 or not finite.
fn power_of_two<'a>(values: impl Iterator<Item = &'a f64>) -> Option<f64> {
    let largest = values.fold(0.0, |m: f64, v| if v.is_nan() { f64::INFINITY } else { m.max(v.abs()) });
    let known = largest > 0.0 && largest.is_finite();
    // Not beyond what 2^−k can still hold.
    known.then(|| libm::ldexp(1.0, -libm::ilogb(largest).clamp(-1000, 1000)))
}
