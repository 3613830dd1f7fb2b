//! Measurements.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis};

use super::{NaiveBayes, class_counts, class_sums, log_shares};
use crate::gaussian::{Covariance, Gaussians};
use crate::{Error, Result, validate};

/// p(x_j | c) = N(x_j | μ_cj, σ²_cj + ε): each class an ellipsoid along the axes.
///
/// μ and σ² are the most likely ones (σ² divides by the number of samples). ε = `smoothing` times the largest variance of a
/// feature over all samples keeps σ² away from 0.
///
/// ```
/// use mlnotes::bayes::{GaussianNaiveBayes, NaiveBayes};
/// use mlnotes::data::iris;
/// use mlnotes::metrics::accuracy;
///
/// let flowers = iris();
/// let model = GaussianNaiveBayes::fit(&flowers.features, &flowers.targets, 1e-9)?;
/// assert_eq!(accuracy(&flowers.targets, &model.predict(&flowers.features)?)?, 0.96);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianNaiveBayes {
    log_prior: Array1<f64>,
    gaussians: Gaussians,
    variance: Array2<f64>,
}

impl GaussianNaiveBayes {
    /// Fits samples x, shape (N, features), of classes y, shape (N), counted from 0; scikit-learn's smoothing is 1e-9.
    ///
    /// # Errors
    /// No sample; NaN; shapes that disagree; a class without a sample; smoothing below 0; a feature that does not vary within
    /// a class, without smoothing or without any variance at all.
    pub fn fit(x: &ArrayRef2<f64>, y: &ArrayRef1<usize>, smoothing: f64) -> Result<Self> {
        validate::samples("x", x)?;
        let counts = class_counts(y, x.nrows())?;
        if !(smoothing >= 0.0 && smoothing.is_finite()) {
            return Err(Error::domain("smoothing", smoothing, "0 or more, and finite"));
        }
        let by_class = counts.view().insert_axis(Axis(1));
        let mean = class_sums(x, y, counts.len()) / by_class;
        let mut squares = x.to_owned();
        for (mut row, &class) in squares.rows_mut().into_iter().zip(y) {
            row -= &mean.row(class);
        }
        squares.mapv_inplace(|deviation| deviation * deviation);
        let overall = x.var_axis(Axis(0), 0.0).iter().fold(0.0, |largest: f64, v| largest.max(*v));
        let variance = class_sums(&squares, y, counts.len()) / by_class + smoothing * overall;
        // What rounding of the mean alone makes is no variance.
        let spread = |at: (usize, usize), v: f64| v > (1e-15 * mean[at]).powi(2) && v.is_finite();
        if let Some(((class, feature), v)) = variance.indexed_iter().find(|(at, v)| !spread(*at, **v)) {
            let what = format!("{v} for feature {feature} in class {class}");
            let remedy =
                "above 0 and finite: leave the feature out, rescale it, or give a smoothing, for instance 1e-9";
            return Err(Error::domain("the variance", what, remedy));
        }
        let gaussians = Gaussians::new(mean, Covariance::Diagonal(variance.clone()))?;
        Ok(Self { log_prior: log_shares(&counts), gaussians, variance })
    }

    /// μ, shape (K, features).
    pub fn mean(&self) -> &Array2<f64> {
        self.gaussians.mean()
    }

    /// σ² + ε, shape (K, features).
    pub fn variance(&self) -> &Array2<f64> {
        &self.variance
    }
}

impl NaiveBayes for GaussianNaiveBayes {
    type Samples = ArrayRef2<f64>;

    fn log_joint(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok(self.gaussians.log_density(x)? + &self.log_prior)
    }
}
