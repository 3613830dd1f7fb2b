//! Least squares without forming XᵀX, which would square the condition.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

/// X = Q R for a tall X (n, p), by Householder's reflections.
///
/// Source: Golub and Van Loan, *Matrix Computations*, 4th edition, section 5.2.
pub(crate) struct Qr {
    /// R in the upper triangle; below and on the diagonal of column j, reflection j's vector.
    reflections: Array2<f64>,
    diagonal: Vec<f64>,
}

/// A column of which less than this share is its own depends on the others.
const DEPENDENT: f64 = 1e-11;

impl Qr {
    /// The first column that depends linearly on those before it is the error; with fewer rows than columns there is one.
    pub(crate) fn new(x: &ArrayRef2<f64>) -> Result<Self, usize> {
        let (n, p) = x.dim();
        let mut a = x.to_owned();
        let mut diagonal = Vec::with_capacity(p);
        for j in 0..p {
            let length = norm(x.column(j).iter().copied());
            let rest = if j < n { norm((j..n).map(|i| a[[i, j]])) } else { 0.0 };
            let independent = rest > DEPENDENT * length;
            // Negated, so that NaN is refused as well.
            if !independent {
                return Err(j);
            }
            let r = if a[[j, j]] > 0.0 { -rest } else { rest };
            a[[j, j]] -= r;
            diagonal.push(r);
            for k in j + 1..p {
                let share = (j..n).map(|i| a[[i, j]] * a[[i, k]]).sum::<f64>() / (r * a[[j, j]]);
                (j..n).for_each(|i| a[[i, k]] += share * a[[i, j]]);
            }
        }
        Ok(Self { reflections: a, diagonal })
    }

    /// argmin_b ‖X b − y‖².
    pub(crate) fn solve(&self, y: &ArrayRef1<f64>) -> Array1<f64> {
        let (n, p) = self.reflections.dim();
        let (a, mut y) = (&self.reflections, y.to_owned());
        for j in 0..p {
            let share = (j..n).map(|i| a[[i, j]] * y[i]).sum::<f64>() / (self.diagonal[j] * a[[j, j]]);
            (j..n).for_each(|i| y[i] += share * a[[i, j]]);
        }
        let mut b = Array1::zeros(p);
        for j in (0..p).rev() {
            let known: f64 = (j + 1..p).map(|k| a[[j, k]] * b[k]).sum();
            b[j] = (y[j] - known) / self.diagonal[j];
        }
        b
    }

    /// R⁻¹, upper triangular: (XᵀX)⁻¹ = R⁻¹ R⁻ᵀ.
    pub(crate) fn inverse_upper(&self) -> Array2<f64> {
        let p = self.diagonal.len();
        let mut inverse = Array2::zeros((p, p));
        for column in 0..p {
            for j in (0..=column).rev() {
                let known: f64 = (j + 1..=column).map(|k| self.reflections[[j, k]] * inverse[[k, column]]).sum();
                inverse[[j, column]] = (f64::from(u8::from(j == column)) - known) / self.diagonal[j];
            }
        }
        inverse
    }
}

/// √Σ v², scaled against overflow.
fn norm(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(0.0, |m: f64, v| m.max(v.abs()));
    if largest == 0.0 {
        return values.sum();
    }
    largest * values.map(|v| (v / largest).powi(2)).sum::<f64>().sqrt()
}
