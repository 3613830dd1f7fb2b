//! A die.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, s};

use super::{ExponentialFamily, numbers};
use crate::numerics::log_sum_exp;
use crate::{Error, Result, validate};

/// p(x) = ∏ p_k^(x_k) for a one-hot x of length K.
///
/// T(x) = (x_1 … x_{K−1}), since the last entry follows from the others; η_k = log p_k/p_K, A = log(1 + Σ e^η_k) = −log p_K,
/// ∇A = (p_1 … p_{K−1}), ∇²A = diag(p) − p pᵀ of those.
///
/// ```
/// use mlnotes::expfam::{Categorical, ExponentialFamily};
/// use mlnotes::mlp::one_hot;
/// use ndarray::array;
///
/// let die = Categorical::maximum_likelihood(&one_hot(&array![0, 2, 1, 2], 3)?)?;
/// assert_eq!(die.probability(), array![0.25, 0.25, 0.5]);
/// assert!((die.natural()[0] + 2.0_f64.ln()).abs() < 1e-15); // log 0.25/0.5
/// assert!(Categorical::maximum_likelihood(&one_hot(&array![0, 1], 3)?).is_err()); // no class 2: log 0
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Categorical {
    probability: Array1<f64>,
}

impl Categorical {
    /// From p, shape (K).
    ///
    /// # Errors
    /// Fewer than two classes; NaN; a probability that is not above 0; a sum that is not 1 within 1e-8.
    pub fn new(probability: Array1<f64>) -> Result<Self> {
        if probability.len() < 2 {
            let needed = "(classes) with two classes or more";
            return Err(Error::shape("probability", needed, probability.shape()));
        }
        validate::finite("probability", &probability)?;
        if let Some((k, p)) = probability.indexed_iter().find(|(_, p)| **p <= 0.0) {
            let allowed = "above 0: leave out a class that cannot occur, or start from a prior (`Dirichlet`)";
            return Err(Error::domain("probability", format!("{p} at {k}"), allowed));
        }
        let sum = probability.sum();
        if (sum - 1.0).abs() > 1e-8 {
            return Err(Error::domain("the sum of probability", sum, "1: divide by it"));
        }
        // What is left of the sum's rounding would be a factor of every density.
        Ok(Self { probability: probability / sum })
    }

    /// p, shape (K).
    pub fn probability(&self) -> &Array1<f64> {
        &self.probability
    }

    fn last(&self) -> f64 {
        self.probability[self.probability.len() - 1]
    }
}

/// Rows with one 1 and zeros.
pub(super) fn one_hot_rows(x: &ArrayRef2<f64>) -> Result<()> {
    validate::samples("x", x)?;
    for (n, row) in x.rows().into_iter().enumerate() {
        let ones = row.iter().filter(|&&entry| entry == 1.0).count();
        if ones != 1 || row.iter().any(|&entry| entry != 0.0 && entry != 1.0) {
            return Err(Error::domain("x", format!("{row} in row {n}"), "one 1 and zeros: see `mlp::one_hot`"));
        }
    }
    Ok(())
}

impl ExponentialFamily for Categorical {
    type Sample = ArrayRef2<f64>;

    fn natural(&self) -> Array1<f64> {
        let last = self.last().ln();
        self.mean_parameters().mapv(|p| p.ln() - last)
    }

    fn from_natural(eta: &ArrayRef1<f64>) -> Result<Self> {
        numbers("eta", eta, eta.len().max(1))?;
        let a = log_sum_exp(eta.iter().copied().chain([0.0]));
        Self::new(eta.iter().copied().chain([0.0]).map(|eta| (eta - a).exp()).collect())
    }

    fn statistics(x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        one_hot_rows(x)?;
        Ok(x.slice(s![.., ..x.ncols() - 1]).to_owned())
    }

    fn log_base(x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        one_hot_rows(x)?;
        Ok(Array1::zeros(x.nrows()))
    }

    fn log_partition(&self) -> f64 {
        -self.last().ln()
    }

    fn mean_parameters(&self) -> Array1<f64> {
        self.probability.slice(s![..self.probability.len() - 1]).to_owned()
    }

    fn statistic_covariance(&self) -> Array2<f64> {
        let p = self.mean_parameters();
        Array2::from_shape_fn((p.len(), p.len()), |(i, j)| if i == j { p[i] * (1.0 - p[i]) } else { -p[i] * p[j] })
    }

    fn from_mean_parameters(mean: &ArrayRef1<f64>) -> Result<Self> {
        numbers("mean", mean, mean.len().max(1))?;
        Self::new(mean.iter().copied().chain([1.0 - mean.sum()]).collect())
    }
}
