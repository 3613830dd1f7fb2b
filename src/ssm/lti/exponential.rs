//! e to the power of a matrix.

use ndarray::{Array1, Array2, ArrayRef2};

use crate::numerics::Lu;
use crate::{Error, Result, validate};

/// The tenth power of this is the largest that has to stay in the range of f64.
const LARGEST_NORM: f64 = 1e30;

/// Padé's numerator of degree m is Σ b_j A^j; the denominator has −A for A.
struct Pade {
    degree: usize,
    /// Up to which size of A the approximation is A's exponential to f64's rounding.
    reach: f64,
    /// 1 / c, where c A^{2m+1} leads the approximation's backward error.
    inverse_error: f64,
    b: &'static [f64],
}

const LOW: [Pade; 4] = [
    Pade { degree: 3, reach: 1.495585217958292e-2, inverse_error: 100800.0, b: &[120.0, 60.0, 12.0, 1.0] },
    Pade {
        degree: 5,
        reach: 2.53939833006323e-1,
        inverse_error: 10059033600.0,
        b: &[30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0],
    },
    Pade {
        degree: 7,
        reach: 9.504178996162932e-1,
        inverse_error: 4487938430976000.0,
        b: &[17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0],
    },
    Pade {
        degree: 9,
        reach: 2.097847961257068,
        inverse_error: 5914384781877411840000.0,
        b: &[
            17643225600.0,
            8821612800.0,
            2075673600.0,
            302702400.0,
            30270240.0,
            2162160.0,
            110880.0,
            3960.0,
            90.0,
            1.0,
        ],
    },
];

const HIGH: Pade = Pade {
    degree: 13,
    reach: 4.25,
    inverse_error: 113250775606021113483283660800000000.0,
    b: &[
        64764752532480000.0,
        32382376266240000.0,
        7771770303897600.0,
        1187353796428800.0,
        129060195264000.0,
        10559470521600.0,
        670442572800.0,
        33522128640.0,
        1323241920.0,
        40840800.0,
        960960.0,
        16380.0,
        182.0,
        1.0,
    ],
};

/// The matrix exponential (矩阵指数) e^A = I + A + A²/2! + A³/3! + …: x(t) = e^{tA} x(0) solves x′ = A x. The notes call
/// it the Lie exponential map, which for matrices it is.
///
/// # Shapes
/// A and the result are (n, n).
///
/// # Errors
/// Not square, empty, NaN or an infinity, entries of which a column sums to more than 1e30, a result beyond the range of
/// f64.
///
/// # Numerics
/// Padé's quotient of A / 2^s, squared s times; the result is the exact exponential of some A + E with ‖E‖ ≤ 1e-16 ‖A‖
/// but for the rounding of the squarings. An entry of A that is off by its rounding changes e^A by up to 1e-16 ‖A‖ ‖e^A‖
/// (by more, where A is far from normal), so at ‖A‖ = 1e3 some 13 digits remain and beyond 1e16 none need do. What decays
/// (A = −1e6, say) does so to 0. Of a triangular A the result's diagonal is right to the last digits. O(n³), with about
/// log₂ ‖A‖ products on top of ten.
///
/// # Source
/// Al-Mohy and Higham, *A new scaling and squaring algorithm for the matrix exponential*, SIAM Journal on Matrix Analysis
/// and Applications 31 (2009), algorithm 5.1; the norms of powers, which it estimates, are computed.
///
/// ```
/// use mlnotes::ssm::lti::expm;
/// use ndarray::array;
///
/// // A turn by a right angle: the generator squared is −(π/2)².
/// let quarter = std::f64::consts::FRAC_PI_2;
/// let turn = expm(&array![[0.0, -quarter], [quarter, 0.0]])?;
/// assert!((turn - array![[0.0, -1.0], [1.0, 0.0]]).iter().all(|difference| difference.abs() < 1e-15));
/// // Here A² = 0, so that the series ends.
/// assert_eq!(expm(&array![[0.0, 3.0], [0.0, 0.0]])?, array![[1.0, 3.0], [0.0, 1.0]]);
/// assert!(expm(&array![[1000.0]]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn expm(a: &ArrayRef2<f64>) -> Result<Array2<f64>> {
    if a.nrows() != a.ncols() {
        return Err(Error::shape("a", "(n, n), as many rows as columns,", a.shape()));
    }
    if a.is_empty() {
        return Err(Error::Empty { arg: "a", remedy: "give at least one row and column" });
    }
    validate::finite("a", a)?;
    let norm = one_norm(a);
    if norm > LARGEST_NORM {
        let allowed = "such that no column's absolute values sum to more than 1e30: count time in smaller units";
        return Err(Error::domain("a", format!("a matrix of norm {norm:.3e}"), allowed));
    }
    let mut result = scaled_and_squared(a).unwrap_or_else(|| Array2::from_elem(a.dim(), f64::NAN));
    if is_triangular(a) {
        exact_diagonal(&mut result, a, 0);
    }
    if result.iter().all(|entry| entry.is_finite()) {
        return Ok(result);
    }
    let allowed = "one whose exponential is in the range of f64: count time in smaller units";
    Err(Error::domain("a", format!("a matrix of norm {norm:.3e}"), allowed))
}

/// `None` where a quotient has no value, which needs entries beyond f64.
fn scaled_and_squared(a: &ArrayRef2<f64>) -> Option<Array2<f64>> {
    let a2 = a.dot(a);
    let a4 = a2.dot(&a2);
    let a6 = a4.dot(&a2);
    let root = |power: &Array2<f64>, k: f64| one_norm(power).powf(1.0 / k);
    let (d4, d6) = (root(&a4, 4.0), root(&a6, 6.0));
    let a8 = a4.dot(&a4);
    let d8 = root(&a8, 8.0);
    for pade in &LOW {
        let size = if pade.degree < 7 { d4.max(d6) } else { d6.max(d8) };
        if size <= pade.reach && more_squarings(a, pade) == 0 {
            return low_degree(a, [&a2, &a4, &a6, &a8], pade);
        }
    }
    let d10 = root(&a4.dot(&a6), 10.0);
    let size = d6.max(d8).min(d8.max(d10));
    // At a size of 0 a power of A is 0 and the logarithm is −∞.
    let squarings = (size / HIGH.reach).log2().ceil().max(0.0) as i32;
    let squarings = squarings + more_squarings(&(a * libm::ldexp(1.0, -squarings)), &HIGH);
    let scale = |matrix: &ArrayRef2<f64>, power: i32| matrix * libm::ldexp(1.0, -squarings * power);
    let mut e = high_degree(&scale(a, 1), &scale(&a2, 2), &scale(&a4, 4), &scale(&a6, 6))?;
    let triangular = is_triangular(a);
    for k in (1..=squarings).rev() {
        if triangular {
            // Squaring would double its relative error each time.
            exact_diagonal(&mut e, a, k);
        }
        e = e.dot(&e);
    }
    Some(e)
}

/// The largest column sum of absolute values.
fn one_norm(a: &ArrayRef2<f64>) -> f64 {
    a.columns().into_iter().map(|column| column.iter().map(|entry| entry.abs()).sum()).fold(0.0, f64::max)
}

fn is_triangular(a: &ArrayRef2<f64>) -> bool {
    let zero =
        |below: bool| a.indexed_iter().all(|((i, j), &entry)| entry == 0.0 || if below { i <= j } else { i >= j });
    zero(true) || zero(false)
}

/// The diagonal of e^{A / 2^k} for a triangular A.
fn exact_diagonal(e: &mut Array2<f64>, a: &ArrayRef2<f64>, k: i32) {
    e.diag_mut().zip_mut_with(&a.diag(), |e, &a| *e = libm::ldexp(a, -k).exp());
}

/// How often A has still to be halved for the error of its largest terms, taken without their signs, to be rounding.
fn more_squarings(a: &ArrayRef2<f64>, pade: &Pade) -> i32 {
    let absolute = a.mapv(f64::abs);
    let power = (0..2 * pade.degree + 1).fold(Array1::<f64>::ones(a.nrows()), |row, _| row.dot(&absolute));
    let largest = power.iter().copied().fold(0.0, f64::max);
    let error = largest / (one_norm(a) * pade.inverse_error);
    let halvings = (error / (0.5 * f64::EPSILON)).log2() / (2 * pade.degree) as f64;
    // NaN for A = 0, which needs none.
    halvings.ceil().max(0.0) as i32
}

/// The quotient for degrees 3 to 9, from the even powers.
fn low_degree(a: &ArrayRef2<f64>, powers: [&Array2<f64>; 4], pade: &Pade) -> Option<Array2<f64>> {
    let sum = |first: usize| {
        let mut sum = Array2::eye(a.nrows()) * pade.b[first];
        (1..=pade.degree / 2).for_each(|k| sum.scaled_add(pade.b[2 * k + first], powers[k - 1]));
        sum
    };
    quotient(&a.dot(&sum(1)), &sum(0))
}

/// The quotient for degree 13, with six products in all.
fn high_degree(a: &Array2<f64>, a2: &Array2<f64>, a4: &Array2<f64>, a6: &Array2<f64>) -> Option<Array2<f64>> {
    let b = HIGH.b;
    let eye = Array2::<f64>::eye(a.nrows());
    let sum = |k: usize| {
        let above = a6 * b[12 + k] + a4 * b[10 + k] + a2 * b[8 + k];
        a6.dot(&above) + a6 * b[6 + k] + a4 * b[4 + k] + a2 * b[2 + k] + &eye * b[k]
    };
    quotient(&a.dot(&sum(1)), &sum(0))
}

/// (V − U)⁻¹ (V + U), with U and V the odd and the even terms.
fn quotient(odd: &Array2<f64>, even: &Array2<f64>) -> Option<Array2<f64>> {
    Some(Lu::new(&(even - odd))?.solve_matrix(&(even + odd)))
}
