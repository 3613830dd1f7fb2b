//! The mixture itself.

use ndarray::{Array1, Array2, ArrayRef2, ArrayViewMut1};

use crate::gaussian::Gaussians;
use crate::numerics::largest_columns;
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// p(x) = Σ_k π_k N(x | μ_k, Σ_k).
///
/// ```
/// use mlnotes::gaussian::{Covariance, Gaussians};
/// use mlnotes::mixture::GaussianMixture;
/// use ndarray::array;
///
/// let two = Gaussians::new(array![[-1.0], [1.0]], Covariance::Spherical(array![1.0, 1.0]))?;
/// let mixture = GaussianMixture::new(array![0.5, 0.5], two)?;
/// // Half way between equal components belongs to both; log odds elsewhere are 2 x.
/// let shares = mixture.responsibilities(&array![[0.0], [1.0]])?;
/// assert_eq!(shares[[0, 0]], 0.5);
/// assert!((shares[[1, 1]] - 1.0 / (1.0 + (-2.0_f64).exp())).abs() < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianMixture {
    pub(super) weight: Array1<f64>,
    pub(super) gaussians: Gaussians,
}

impl GaussianMixture {
    /// From π (K) and K Gaussians.
    ///
    /// # Errors
    /// Weights that are no distribution; another number of Gaussians.
    pub fn new(weight: Array1<f64>, gaussians: Gaussians) -> Result<Self> {
        validate::finite("weight", &weight)?;
        validate::distribution("weight", &weight, String::new)?;
        if gaussians.components() != weight.len() {
            let allowed = format!("{}, one for each weight", weight.len());
            return Err(Error::domain("the number of Gaussians", gaussians.components(), allowed));
        }
        Ok(Self { weight, gaussians })
    }

    /// π, shape (K).
    pub fn weight(&self) -> &Array1<f64> {
        &self.weight
    }

    /// The components.
    pub fn gaussians(&self) -> &Gaussians {
        &self.gaussians
    }

    /// log p(x_n), shape (N).
    ///
    /// # Errors
    /// No row, NaN, another width.
    pub fn log_density(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        Ok(self.valid_shares(x)?.1)
    }

    /// Σ_n log p(x_n).
    ///
    /// # Errors
    /// As [`log_density`](Self::log_density).
    pub fn log_likelihood(&self, x: &ArrayRef2<f64>) -> Result<f64> {
        Ok(self.log_density(x)?.sum())
    }

    /// γ_nk = p(k | x_n) = π_k N(x_n | μ_k, Σ_k) / p(x_n), shape (N, K).
    ///
    /// # Errors
    /// As [`log_density`](Self::log_density).
    pub fn responsibilities(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok(self.valid_shares(x)?.0)
    }

    /// The most responsible component of each row, the first of equals.
    ///
    /// # Errors
    /// As [`log_density`](Self::log_density).
    pub fn predict(&self, x: &ArrayRef2<f64>) -> Result<Array1<usize>> {
        Ok(largest_columns(&self.responsibilities(x)?))
    }

    /// N points, and the component of each.
    ///
    /// # Errors
    /// No point.
    pub fn sample(&self, points: usize, random: &mut RandomState) -> Result<(Array2<f64>, Vec<usize>)> {
        validate::at_least_one("points", points)?;
        let mut x = Array2::zeros((points, self.gaussians.dimensions()));
        let mut components = Vec::with_capacity(points);
        for mut row in x.rows_mut() {
            let k = random.draw(self.weight.iter().copied());
            row.assign(&self.gaussians.sample(k, random)?);
            components.push(k);
        }
        Ok((x, components))
    }

    /// How many numbers can be chosen freely, for [`aic`](crate::metrics::aic) and [`bic`](crate::metrics::bic).
    pub fn parameters(&self) -> usize {
        self.weight.len() - 1 + self.gaussians.parameters()
    }

    fn valid_shares(&self, x: &ArrayRef2<f64>) -> Result<(Array2<f64>, Array1<f64>)> {
        self.validate(x)?;
        Ok(self.shares(x))
    }

    /// Points that this mixture gives a density to.
    pub(super) fn validate(&self, x: &ArrayRef2<f64>) -> Result<()> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.gaussians.dimensions())
    }

    /// γ (N, K) and log p(x_n) (N), of points that have been checked.
    pub(super) fn shares(&self, x: &ArrayRef2<f64>) -> (Array2<f64>, Array1<f64>) {
        let mut shares = self.gaussians.log_density_of_valid(x);
        let log_density = normalise(&mut shares, &self.weight, &self.weight.ln());
        (shares, log_density)
    }
}

/// Turns log N(x_n | k) into γ_nk, and returns log p(x_n). A point that every component is infinitely far from keeps the
/// weights as its shares, and −∞.
pub(crate) fn normalise(log_density: &mut Array2<f64>, weight: &Array1<f64>, log_weight: &Array1<f64>) -> Array1<f64> {
    let (weight, log_weight) = (weight.to_vec(), log_weight.to_vec());
    let one = |mut row: ArrayViewMut1<'_, f64>| match row.as_slice_mut() {
        Some(row) => normalise_row(row, &weight, &log_weight),
        None => {
            let mut values = row.to_vec();
            let total = normalise_row(&mut values, &weight, &log_weight);
            row.assign(&Array1::from(values));
            total
        }
    };
    log_density.rows_mut().into_iter().map(one).collect()
}

fn normalise_row(row: &mut [f64], weight: &[f64], log_weight: &[f64]) -> f64 {
    let mut largest = f64::NEG_INFINITY;
    for (entry, log_weight) in row.iter_mut().zip(log_weight) {
        *entry += log_weight;
        largest = if *entry > largest { *entry } else { largest };
    }
    if largest == f64::NEG_INFINITY {
        row.copy_from_slice(weight);
        return largest;
    }
    let mut sum = 0.0;
    for entry in row.iter_mut() {
        *entry = (*entry - largest).exp();
        sum += *entry;
    }
    let scale = 1.0 / sum;
    row.iter_mut().for_each(|entry| *entry *= scale);
    largest + sum.ln()
}
