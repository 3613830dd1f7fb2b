//! How much may covariances differ, and in which directions?

use ndarray::{Array1, Array2, Array3, ArrayRef2, Axis};

use crate::numerics::{Cholesky, is_symmetric};
use crate::{Error, Result, validate};

/// The covariances of K Gaussians in D dimensions, from the most to the least free.
#[derive(Clone, Debug, PartialEq)]
pub enum Covariance {
    /// Σ_k, any ellipsoid each: shape (K, D, D).
    Full(Array3<f64>),
    /// One Σ for all: shape (D, D).
    Tied(Array2<f64>),
    /// The variances along the axes: shape (K, D).
    Diagonal(Array2<f64>),
    /// One variance each: shape (K).
    Spherical(Array1<f64>),
}

/// Which kind of [`Covariance`] is to be estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// [`Covariance::Full`].
    Full,
    /// [`Covariance::Tied`].
    Tied,
    /// [`Covariance::Diagonal`].
    Diagonal,
    /// [`Covariance::Spherical`].
    Spherical,
}

/// What a density is computed from: L⁻¹ with Σ = L Lᵀ turns x − μ into coordinates of unit variance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whitening {
    /// L⁻¹ row after row, only the lower triangle; or only its diagonal.
    pub(super) rows: Vec<f64>,
    pub(super) is_diagonal: bool,
    /// −½ (D log 2π + log det Σ).
    pub(super) log_constant: f64,
}

const REMEDY: &str =
    "use more data or fewer components, a simpler kind of covariance, or a larger ridge on its diagonal";

impl Whitening {
    fn full(k: Option<usize>, sigma: &ArrayRef2<f64>) -> Result<Self> {
        let d = sigma.nrows();
        let what = || k.map_or("the tied matrix".to_owned(), |k| format!("matrix {k}"));
        let cholesky = if is_symmetric(sigma) { Cholesky::new(sigma) } else { None };
        let cholesky = cholesky.ok_or_else(|| Error::Singular { what: what(), remedy: REMEDY })?;
        let inverse = cholesky.inverse_lower();
        let rows = (0..d).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|at| inverse[at]).collect();
        Ok(Self { rows, is_diagonal: false, log_constant: constant(d, cholesky.log_determinant()) })
    }

    /// L ε, by solving L⁻¹ x = ε from the first row to the last.
    pub(super) fn colour(&self, noise: &[f64]) -> Array1<f64> {
        let mut x = Array1::zeros(noise.len());
        let mut row = 0;
        for (i, &noise) in noise.iter().enumerate() {
            if self.is_diagonal {
                x[i] = noise / self.rows[i];
                continue;
            }
            let known: f64 = (0..i).map(|j| self.rows[row + j] * x[j]).sum();
            x[i] = (noise - known) / self.rows[row + i];
            row += i + 1;
        }
        x
    }

    fn diagonal(k: usize, variances: impl ExactSizeIterator<Item = f64> + Clone) -> Result<Self> {
        if variances.clone().any(|variance| variance <= 0.0) {
            return Err(Error::Singular { what: format!("the set of variances {k}"), remedy: REMEDY });
        }
        let log_determinant = variances.clone().map(f64::ln).sum();
        let log_constant = constant(variances.len(), log_determinant);
        Ok(Self { rows: variances.map(|v| 1.0 / v.sqrt()).collect(), is_diagonal: true, log_constant })
    }
}

fn constant(dimensions: usize, log_determinant: f64) -> f64 {
    -0.5 * (dimensions as f64 * (2.0 * std::f64::consts::PI).ln() + log_determinant)
}

impl Covariance {
    /// Checks shapes and values.
    pub(super) fn whitenings(&self, (k, d): (usize, usize)) -> Result<Vec<Whitening>> {
        let shape = |expected: &[usize], got: &[usize]| {
            if got == expected { Ok(()) } else { Err(Error::shape("covariance", format!("{expected:?}"), got)) }
        };
        match self {
            Self::Full(sigma) => {
                shape(&[k, d, d], sigma.shape())?;
                validate::finite("covariance", sigma)?;
                let each = sigma.axis_iter(Axis(0)).enumerate();
                each.map(|(k, sigma)| Whitening::full(Some(k), &sigma)).collect()
            }
            Self::Tied(sigma) => {
                shape(&[d, d], sigma.shape())?;
                validate::finite("covariance", sigma)?;
                Ok(vec![Whitening::full(None, sigma)?; k])
            }
            Self::Diagonal(variances) => {
                shape(&[k, d], variances.shape())?;
                validate::finite("covariance", variances)?;
                let each = variances.rows().into_iter().enumerate();
                each.map(|(k, row)| Whitening::diagonal(k, row.iter().copied())).collect()
            }
            Self::Spherical(variances) => {
                shape(&[k], variances.shape())?;
                validate::finite("covariance", variances)?;
                let each = variances.iter().enumerate();
                each.map(|(k, &v)| Whitening::diagonal(k, std::iter::repeat_n(v, d))).collect()
            }
        }
    }

    /// Of K Gaussians that all have these variances along the axes, and no correlation; a spherical one has their mean.
    pub(crate) fn uncorrelated(kind: Spread, components: usize, variances: &Array1<f64>) -> Self {
        let d = variances.len();
        match kind {
            Spread::Full => {
                let entry = |(_, i, j)| if i == j { variances[i] } else { 0.0 };
                Self::Full(Array3::from_shape_fn((components, d, d), entry))
            }
            Spread::Tied => Self::Tied(Array2::from_diag(variances)),
            Spread::Diagonal => Self::Diagonal(Array2::from_shape_fn((components, d), |(_, i)| variances[i])),
            Spread::Spherical => Self::Spherical(Array1::from_elem(components, variances.sum() / d as f64)),
        }
    }

    /// Which kind this is.
    pub fn kind(&self) -> Spread {
        match self {
            Self::Full(_) => Spread::Full,
            Self::Tied(_) => Spread::Tied,
            Self::Diagonal(_) => Spread::Diagonal,
            Self::Spherical(_) => Spread::Spherical,
        }
    }

    /// Σ_k as a matrix (D, D), whatever the kind; `dimensions` is D.
    pub fn matrix(&self, k: usize, dimensions: usize) -> Array2<f64> {
        match self {
            Self::Full(sigma) => sigma.index_axis(Axis(0), k).to_owned(),
            Self::Tied(sigma) => sigma.clone(),
            Self::Diagonal(variances) => Array2::from_diag(&variances.row(k)),
            Self::Spherical(variances) => Array2::eye(dimensions) * variances[k],
        }
    }

    pub(super) fn parameters(&self, dimensions: usize) -> usize {
        let triangle = dimensions * (dimensions + 1) / 2;
        match self {
            Self::Full(sigma) => sigma.len_of(Axis(0)) * triangle,
            Self::Tied(_) => triangle,
            Self::Diagonal(variances) => variances.len(),
            Self::Spherical(variances) => variances.len(),
        }
    }
}
