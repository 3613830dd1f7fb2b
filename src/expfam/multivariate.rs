//! A vector with noise.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, s};

use super::gaussian::LOG_BASE;
use super::{ExponentialFamily, column_means, not_below_zero, same_size};
use crate::numerics::{Cholesky, is_symmetric};
use crate::{Error, Result, validate};

/// N(x | μ, Σ) = (2π)^(−D/2) |Σ|^(−1/2) exp(−½ (x − μ)ᵀ Σ⁻¹ (x − μ)), both unknown.
///
/// T(x) = (x_i; x_i x_j for j ≤ i, row after row), so M = D + D (D + 1)/2. η = (Σ⁻¹μ; −½ (Σ⁻¹)_ii on the diagonal and
/// −(Σ⁻¹)_ij beside it, where one entry of T stands for two). A = ½ (μᵀΣ⁻¹μ + log det Σ), ∇A = (μ; Σ_ij + μ_i μ_j). Of
/// ∇²A: Cov(x_i, x_k x_l) = μ_k Σ_il + μ_l Σ_ik, and with C_ij = Σ_ij + μ_i μ_j (Isserlis' theorem)
/// Cov(x_i x_j, x_k x_l) = C_ik C_jl + C_il C_jk − 2 μ_i μ_j μ_k μ_l.
///
/// # Numerics
/// As for [`Gaussian`](super::Gaussian); Σ by its Cholesky factor.
///
/// ```
/// use mlnotes::expfam::{ExponentialFamily, MultivariateGaussian};
/// use ndarray::array;
///
/// let p = MultivariateGaussian::new(array![1.0, 0.0], array![[2.0, 1.0], [1.0, 1.0]])?;
/// assert_eq!(p.mean_parameters(), array![1.0, 0.0, 3.0, 1.0, 1.0]); // E x₁² = 2 + 1²
/// let eta = p.natural(); // Σ⁻¹ = [[1, −1], [−1, 2]]
/// assert!((eta - array![1.0, -1.0, -0.5, 1.0, -1.0]).iter().all(|d| d.abs() < 1e-15));
/// assert!(MultivariateGaussian::new(array![0.0, 0.0], array![[1.0, 1.0], [1.0, 1.0]]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MultivariateGaussian {
    mean: Array1<f64>,
    covariance: Array2<f64>,
    cholesky: Cholesky,
}

impl MultivariateGaussian {
    /// From μ, shape (D), and Σ, shape (D, D).
    ///
    /// # Errors
    /// No dimension; shapes that disagree; NaN; [`Error::Singular`] unless Σ is symmetric and positive definite; a dimension
    /// that the ones before it predict but for 1e-14 of its variance counts as one without spread.
    pub fn new(mean: Array1<f64>, covariance: Array2<f64>) -> Result<Self> {
        let cholesky = covariance_factor("the covariance", &mean, &covariance)?;
        Ok(Self { mean, covariance, cholesky })
    }

    /// μ, shape (D).
    pub fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// Σ, shape (D, D).
    pub fn covariance(&self) -> &Array2<f64> {
        &self.covariance
    }

    /// (x − μ)ᵀ Σ⁻¹ (x − μ).
    fn distance(&self, x: &ArrayRef1<f64>) -> f64 {
        squared_distance(&self.cholesky, x, &self.mean)
    }
}

/// ‖L⁻¹ (x − m)‖².
pub(super) fn squared_distance(cholesky: &Cholesky, x: &ArrayRef1<f64>, m: &ArrayRef1<f64>) -> f64 {
    let mut centred = (x - m).to_vec();
    cholesky.solve_lower(&mut centred);
    centred.iter().map(|c| c * c).sum()
}

/// The Cholesky factor of a symmetric, positive definite matrix beside a mean of its size.
pub(super) fn covariance_factor(what: &str, mean: &ArrayRef1<f64>, sigma: &ArrayRef2<f64>) -> Result<Cholesky> {
    if mean.is_empty() {
        return Err(Error::Empty { arg: "mean", remedy: "give one number per dimension" });
    }
    validate::finite("mean", mean)?;
    let d = mean.len();
    if sigma.dim() != (d, d) {
        return Err(Error::shape("covariance", format!("({d}, {d}), as the mean,"), sigma.shape()));
    }
    validate::finite("covariance", sigma)?;
    let cholesky = if is_symmetric(sigma) { Cholesky::new(sigma) } else { None };
    let remedy = "give more observations than dimensions, leave out a dimension that depends on the others, or start from a \
                  prior (`NormalInverseWishart`)";
    let has_spread = |c: &Cholesky| (0..d).all(|i| c.lower()[[i, i]].powi(2) > 1e-14 * sigma[[i, i]]);
    cholesky.filter(has_spread).ok_or_else(|| Error::Singular { what: what.to_owned(), remedy })
}

/// x̄ and Σ (x − x̄)(x − x̄)ᵀ, 0 and no rounding in a dimension where all x are the same.
pub(super) fn mean_and_scatter(x: &ArrayRef2<f64>) -> (Array1<f64>, Array2<f64>) {
    let first = x.row(0);
    let from_first = &x.view() - &first;
    let shift = column_means(&from_first);
    let centred = from_first - &shift;
    (&first + &shift, centred.t().dot(&centred))
}

/// (i, j) with j ≤ i, row after row.
fn pairs(d: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..d).flat_map(|i| (0..=i).map(move |j| (i, j)))
}

/// D from M = D (D + 3)/2, the vector's part and the symmetric matrix made of the rest.
fn split(arg: &'static str, values: &ArrayRef1<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let Some(d) = (1..=values.len()).find(|d| d * (d + 3) / 2 == values.len()) else {
        let needed = "D + D (D + 1)/2 numbers for D dimensions: 2, 5, 9 …,";
        return Err(Error::shape(arg, needed, values.shape()));
    };
    validate::finite(arg, values)?;
    let mut matrix = Array2::zeros((d, d));
    for ((i, j), &value) in pairs(d).zip(values.iter().skip(d)) {
        (matrix[[i, j]], matrix[[j, i]]) = (value, value);
    }
    Ok((values.slice(s![..d]).to_owned(), matrix))
}

/// The inverse of [`split`].
fn joined(vector: &ArrayRef1<f64>, matrix: impl Fn(usize, usize) -> f64) -> Array1<f64> {
    vector.iter().copied().chain(pairs(vector.len()).map(|(i, j)| matrix(i, j))).collect()
}

impl ExponentialFamily for MultivariateGaussian {
    type Sample = ArrayRef2<f64>;

    fn natural(&self) -> Array1<f64> {
        let precision = self.cholesky.inverse();
        let mut vector = self.mean.to_vec();
        self.cholesky.solve(&mut vector);
        joined(&Array1::from(vector), |i, j| if i == j { -0.5 } else { -1.0 } * precision[[i, j]])
    }

    fn from_natural(eta: &ArrayRef1<f64>) -> Result<Self> {
        let (vector, matrix) = split("eta", eta)?;
        let d = vector.len();
        let precision = Array2::from_shape_fn((d, d), |(i, j)| if i == j { -2.0 } else { -1.0 } * matrix[[i, j]]);
        let covariance = covariance_factor("the precision -2 η₂", &vector, &precision)?.inverse();
        Self::new(covariance.dot(&vector), covariance)
    }

    fn statistics(x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        validate::samples("x", x)?;
        let rows = x.rows().into_iter().flat_map(|row| joined(&row, |i, j| row[i] * row[j]));
        let d = x.ncols();
        let statistics = Array1::from_iter(rows).into_shape_with_order((x.nrows(), d * (d + 3) / 2));
        statistics.map_err(|_| Error::shape("x", "(samples, dimensions)", x.shape()))
    }

    fn log_base(x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        validate::samples("x", x)?;
        Ok(Array1::from_elem(x.nrows(), x.ncols() as f64 * LOG_BASE))
    }

    fn log_partition(&self) -> f64 {
        let origin = Array1::zeros(self.mean.len());
        0.5 * (self.distance(&origin) + self.cholesky.log_determinant())
    }

    fn mean_parameters(&self) -> Array1<f64> {
        joined(&self.mean, |i, j| self.covariance[[i, j]] + self.mean[i] * self.mean[j])
    }

    fn statistic_covariance(&self) -> Array2<f64> {
        let (m, sigma) = (&self.mean, &self.covariance);
        let c = |i: usize, j: usize| sigma[[i, j]] + m[i] * m[j];
        let which: Vec<(usize, Option<usize>)> =
            (0..m.len()).map(|i| (i, None)).chain(pairs(m.len()).map(|(i, j)| (i, Some(j)))).collect();
        let mixed = |i: usize, (k, l): (usize, usize)| m[k] * sigma[[i, l]] + m[l] * sigma[[i, k]];
        Array2::from_shape_fn((which.len(), which.len()), |(a, b)| match (which[a], which[b]) {
            ((i, None), (k, None)) => sigma[[i, k]],
            ((i, None), (k, Some(l))) | ((k, Some(l)), (i, None)) => mixed(i, (k, l)),
            ((i, Some(j)), (k, Some(l))) => c(i, k) * c(j, l) + c(i, l) * c(j, k) - 2.0 * m[i] * m[j] * m[k] * m[l],
        })
    }

    fn from_mean_parameters(mean: &ArrayRef1<f64>) -> Result<Self> {
        let (vector, squares) = split("mean", mean)?;
        let d = vector.len();
        let covariance = Array2::from_shape_fn((d, d), |(i, j)| squares[[i, j]] - vector[i] * vector[j]);
        Self::new(vector, covariance)
    }

    fn expected_log_base(&self) -> f64 {
        self.mean.len() as f64 * LOG_BASE
    }

    fn log_density(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.mean.len())?;
        let constant = self.expected_log_base() - 0.5 * self.cholesky.log_determinant();
        Ok(x.rows().into_iter().map(|x| constant - 0.5 * self.distance(&x)).collect())
    }

    fn entropy(&self) -> f64 {
        0.5 * (self.mean.len() as f64 + self.cholesky.log_determinant()) - self.expected_log_base()
    }

    fn kl(&self, q: &Self) -> Result<f64> {
        same_size(q.natural().len(), self.natural().len())?;
        let d = self.mean.len();
        // L_q⁻¹ L_p, whose squares sum to tr Σ_q⁻¹ Σ_p.
        let whitened = q.cholesky.inverse_lower().dot(self.cholesky.lower());
        let trace: f64 = whitened.iter().map(|entry| entry * entry).sum();
        let determinants = q.cholesky.log_determinant() - self.cholesky.log_determinant();
        Ok(not_below_zero(0.5 * (trace - d as f64 + determinants + q.distance(&self.mean))))
    }

    fn maximum_likelihood(x: &ArrayRef2<f64>) -> Result<Self> {
        validate::samples("x", x)?;
        let (mean, scatter) = mean_and_scatter(x);
        Self::new(mean, scatter / x.nrows() as f64)
    }
}
