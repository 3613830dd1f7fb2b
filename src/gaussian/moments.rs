//! Which Gaussians would have made these points, each counted by a weight?

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};

use super::batch::{Block, POINTS, add_scatter, add_sums};
use super::{Covariance, Gaussians, Spread};
use crate::{Error, Result, validate};

/// Weighted moments of points x_n (N, D) with weights w_nk (N, K), which is all that an M step needs:
///
/// N_k = Σ_n w_nk, μ_k = Σ_n w_nk x_n / N_k, S_k = Σ_n w_nk (x_n − μ_k)(x_n − μ_k)ᵀ.
///
/// ```
/// use mlnotes::gaussian::{Covariance, Moments, Regular, Spread};
/// use ndarray::array;
///
/// // Two points belong to the first Gaussian, and half of the third does.
/// let x = array![[0.0], [2.0], [4.0]];
/// let w = array![[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]];
/// let moments = Moments::of(&[(x.view(), w.view())], Spread::Diagonal)?;
/// assert_eq!(moments.weight, array![2.5, 0.5]);
/// assert_eq!(moments.mean, array![[1.6], [4.0]]); // (0 + 2 + 2) / 2.5
/// let Covariance::Diagonal(scatter) = moments.scatter else { panic!() };
/// assert!((scatter[[0, 0]] - (1.6_f64.powi(2) + 0.4_f64.powi(2) + 0.5 * 2.4_f64.powi(2))).abs() < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Moments {
    /// N_k, shape (K).
    pub weight: Array1<f64>,
    /// μ_k, shape (K, D); 0 without any weight.
    pub mean: Array2<f64>,
    /// S_k, kept as the covariance will be: whole matrices, their sum, their diagonals, or the diagonals' means.
    pub scatter: Covariance,
}

/// How covariances are kept away from a singular one. All zero: not at all, maximum likelihood.
///
/// Σ = (S + m v I) / (N + m) + r I
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Regular {
    /// m: as if so many points more had been seen …
    pub count: f64,
    /// … v: with this variance in each direction, at the mean. With m > 0 the most likely Σ under an inverse Wishart prior,
    /// p(Σ) ∝ |Σ|^(−m/2) exp(−½ m v tr Σ⁻¹), so EM still climbs.
    pub variance: f64,
    /// r: added to the diagonal, scikit-learn's `reg_covar`. It belongs to no prior: near a collapse EM may go down.
    pub ridge: f64,
}

impl Regular {
    /// Three numbers that are finite and not below 0.
    pub(crate) fn validate(&self) -> Result<()> {
        for (arg, value) in [("count", self.count), ("variance", self.variance), ("ridge", self.ridge)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::domain(arg, value, "0 or more, and finite"));
            }
        }
        Ok(())
    }
}

impl Moments {
    /// Of one or more batches of points and weights, two passes over each.
    ///
    /// # Errors
    /// No batch, no point, NaN, weights below 0, shapes that disagree.
    pub fn of(batches: &[(ArrayView2<'_, f64>, ArrayView2<'_, f64>)], spread: Spread) -> Result<Self> {
        let Some((x, w)) = batches.first() else {
            return Err(Error::Empty { arg: "batches", remedy: "give at least one pair of points and weights" });
        };
        let (d, k) = (x.ncols(), w.ncols());
        for (x, w) in batches {
            validate::samples("x", x)?;
            validate::columns("x", x, d)?;
            validate::samples("w", w)?;
            if w.dim() != (x.nrows(), k) {
                return Err(Error::shape(
                    "w",
                    format!("({}, {k}), one weight per point and Gaussian,", x.nrows()),
                    w.shape(),
                ));
            }
            if w.iter().any(|w| *w < 0.0)
                && let Some((at, value)) = w.indexed_iter().find(|(_, w)| **w < 0.0)
            {
                return Err(Error::domain("w", format!("{value} at {at:?}"), "0 or more"));
            }
        }
        Ok(Self::of_valid(batches, spread))
    }

    /// As [`of`](Self::of), of one batch or more that have been checked: the M step's form.
    pub(crate) fn of_valid(batches: &[(ArrayView2<'_, f64>, ArrayView2<'_, f64>)], spread: Spread) -> Self {
        let (d, k) = batches.first().map_or((0, 0), |(x, w)| (x.ncols(), w.ncols()));
        let (mut weight, mut mean) = (Array1::zeros(k), Array2::zeros((k, d)));
        each_block(batches, &mut |points, weights| add_sums(points, weights, &mut weight, &mut mean));
        mean /= &weight.mapv(|n: f64| n.max(f64::MIN_POSITIVE)).insert_axis(Axis(1));
        let scatter = scatter(batches, &mean, spread);
        Self { weight, mean, scatter }
    }

    /// The Gaussians with these moments. One without any weight is taken from `keep`: any would do.
    ///
    /// # Errors
    /// [`Error::Singular`] where a covariance is, for instance of fewer points than dimensions; a regularisation below 0.
    pub fn gaussians(&self, regular: &Regular, keep: &Gaussians) -> Result<Gaussians> {
        regular.validate()?;
        let &Regular { count, variance, ridge } = regular;
        let empty = |k: usize| self.weight[k] < f64::MIN_POSITIVE;
        let mut mean = self.mean.clone();
        for k in (0..mean.nrows()).filter(|&k| empty(k)) {
            mean.row_mut(k).assign(&keep.mean().row(k));
        }
        let d = mean.ncols();
        // One number of S, and whether it stands on the diagonal.
        let regularised = |s: f64, n: f64, diagonal: bool| {
            let (prior, ridge) = if diagonal { (count * variance, ridge) } else { (0.0, 0.0) };
            (s + prior) / (n + count) + ridge
        };
        let covariance = match &self.scatter {
            Covariance::Full(scatter) => Covariance::Full(Array3::from_shape_fn(scatter.dim(), |(k, i, j)| {
                if empty(k) {
                    keep.covariance().matrix(k, d)[[i, j]]
                } else {
                    regularised(scatter[[k, i, j]], self.weight[k], i == j)
                }
            })),
            Covariance::Tied(scatter) => {
                let total = self.weight.sum();
                Covariance::Tied(Array2::from_shape_fn(scatter.dim(), |(i, j)| {
                    regularised(scatter[[i, j]], total, i == j)
                }))
            }
            Covariance::Diagonal(scatter) => Covariance::Diagonal(Array2::from_shape_fn(scatter.dim(), |(k, i)| {
                if empty(k) {
                    keep.covariance().matrix(k, d)[[i, i]]
                } else {
                    regularised(scatter[[k, i]], self.weight[k], true)
                }
            })),
            Covariance::Spherical(scatter) => Covariance::Spherical(Array1::from_shape_fn(scatter.dim(), |k| {
                if empty(k) {
                    keep.covariance().matrix(k, d)[[0, 0]]
                } else {
                    regularised(scatter[k], self.weight[k], true)
                }
            })),
        };
        Gaussians::new(mean, covariance)
    }
}

/// Calls `each` with blocks of points and of their weights.
fn each_block(batches: &[(ArrayView2<'_, f64>, ArrayView2<'_, f64>)], each: &mut dyn FnMut(&Block, &Block)) {
    for (x, w) in batches {
        let (mut points, mut weights) = (Block::new(x.ncols()), Block::new(w.ncols()));
        for start in (0..x.nrows()).step_by(POINTS) {
            points.load(x, start);
            weights.load(w, start);
            each(&points, &weights);
        }
    }
}

fn scatter(batches: &[(ArrayView2<'_, f64>, ArrayView2<'_, f64>)], mean: &Array2<f64>, spread: Spread) -> Covariance {
    let (k, d) = mean.dim();
    let only_diagonal = matches!(spread, Spread::Diagonal | Spread::Spherical);
    let each = if spread == Spread::Tied { 1 } else { k };
    let mut sums = Array3::zeros((each, d, d));
    let mut room = [Block::new(d), Block::new(d)];
    each_block(batches, &mut |points, weights| {
        for (k, mean) in mean.rows().into_iter().enumerate() {
            let sum = sums.index_axis_mut(Axis(0), k % each);
            add_scatter(points, &mean, weights.column(k), &mut room, sum, only_diagonal);
        }
    });
    for mut sum in sums.outer_iter_mut() {
        for i in 0..d {
            (0..i).for_each(|j| sum[[j, i]] = sum[[i, j]]);
        }
    }
    let diagonals = || Array2::from_shape_fn((k, d), |(k, i)| sums[[k, i, i]]);
    match spread {
        Spread::Full => Covariance::Full(sums),
        Spread::Tied => Covariance::Tied(sums.index_axis_move(Axis(0), 0)),
        Spread::Diagonal => Covariance::Diagonal(diagonals()),
        Spread::Spherical => Covariance::Spherical(diagonals().sum_axis(Axis(1)) / d as f64),
    }
}
