//! Why is LegS's A not simply diagonalised?

use ndarray::Array2;

use crate::ssm::hippo::legs;
use crate::{Result, validate};

/// The eigenvectors of LegS's A as columns of Euclidean length 1, shape (N, N); column j belongs to the eigenvalue
/// −(j+1).
///
/// A is triangular, so forward substitution finds them: v_j = 1 and, for n > j, v_n = Σ_{k=j}^{n−1} A_nk v_k / (n − j).
///
/// # Errors
/// `order` 0.
///
/// ```
/// use mlnotes::ssm::s4::legs_eigenvectors;
/// use ndarray::array;
///
/// // A = (−1, 0; −√3, −2): (1, −√3)/2 and (0, 1).
/// let v = legs_eigenvectors(2)?;
/// assert!((v - array![[0.5, 0.0], [-0.5 * 3.0_f64.sqrt(), 1.0]]).iter().all(|difference| difference.abs() < 1e-15));
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn legs_eigenvectors(order: usize) -> Result<Array2<f64>> {
    validate::at_least_one("order", order)?;
    let (a, _) = legs(order);
    let mut vectors = Array2::zeros((order, order));
    for (j, mut v) in vectors.columns_mut().into_iter().enumerate() {
        v[j] = 1.0;
        for n in j + 1..order {
            v[n] = (j..n).map(|k| a[[n, k]] * v[k]).sum::<f64>() / (n - j) as f64;
        }
        let largest = v.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        v /= largest;
        let length = v.dot(&v).sqrt();
        v /= length;
    }
    Ok(vectors)
}

/// The condition number ‖V‖ ‖V⁻¹‖ (spectral norms) of the eigenvectors of LegS's A: by how much a diagonal form may
/// magnify rounding: 86 for N = 4, 7.7·10⁴ for N = 8, 8.3·10¹⁰ for N = 16. For S4's [`Nplr`](super::Nplr) it is 1.
///
/// # Errors
/// `order` 0 or above 48.
///
/// # Numerics
/// V⁻¹ by substitution, each norm by 200 power iterations on VᵀV. The result is off by 1e-14 of itself for N = 16, by
/// 1e-7 for N = 48.
///
/// ```
/// let condition = mlnotes::ssm::s4::eigenvector_condition(2)?;
/// assert!((condition - (2.0 + 3.0_f64.sqrt())).abs() < 1e-9); // (1, −√3)/2 and (0, 1) are 30° apart: 1 / tan 15°
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Source: Lemma 3.2 of the S4 paper, by which V in another scaling has entries up to 2^{4N/3}.
pub fn eigenvector_condition(order: usize) -> Result<f64> {
    if order > 48 {
        return Err(crate::Error::domain("order", order, "at most 48: beyond, rounding is all that f64 has of V⁻¹"));
    }
    let v = legs_eigenvectors(order)?;
    let mut inverse = Array2::<f64>::zeros((order, order));
    for j in 0..order {
        inverse[[j, j]] = 1.0 / v[[j, j]];
        for i in j + 1..order {
            let known: f64 = (j..i).map(|k| v[[i, k]] * inverse[[k, j]]).sum();
            inverse[[i, j]] = -known / v[[i, i]];
        }
    }
    Ok(norm(&v) * norm(&inverse))
}

/// The largest singular value.
fn norm(a: &Array2<f64>) -> f64 {
    let largest = a.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let a = a / largest;
    // Some entry of A x may be 0 by chance, not all of them for a start without structure.
    let mut x = ndarray::Array1::from_shape_fn(a.ncols(), |j| 1.0 + (j as f64).sin());
    let mut size = 0.0;
    for _ in 0..200 {
        x /= x.dot(&x).sqrt();
        let y = a.dot(&x);
        size = y.dot(&y).sqrt();
        x = a.t().dot(&y);
    }
    largest * size
}
