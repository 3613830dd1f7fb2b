//! Which class, if the features knew nothing of each other? Naive Bayes (朴素贝叶斯).
//!
//! p(c | x) ∝ p(c) ∏_j p(x_j | c)
//!
//! Bayes' rule, with the assumption (the naive part) that within a class the features are independent. It needs one
//! distribution per class and feature, each with its own maximum likelihood, so fitting is counting:
//!
//! | model | x_j, given the class | smoothing |
//! | --- | --- | --- |
//! | [`GaussianNaiveBayes`] | N(μ_cj, σ²_cj) | a share of the largest variance, added to all |
//! | [`CategoricalNaiveBayes`] | category v with probability p_cjv | α: a Dirichlet prior on each p_cj |
//! | [`BernoulliNaiveBayes`] | 0 or 1 | α: a Beta (α, α) prior on each p_cj |
//! | [`MultinomialNaiveBayes`] | counts, sharing one distribution p_c over the features | α: a Dirichlet prior on p_c |
//!
//! All are exponential families ([`crate::expfam`]), so that log p(c | x) − log p(c′ | x) is linear in the statistics T(x).
//! With α, p_cjv is the prediction of the [conjugate prior](crate::expfam::conjugate): a value never seen in a class does
//! not rule the class out.
//!
//! Classes are counted from 0. p(c) is the share of class c in the sample.
//!
//! Source: Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, second edition, section 6.6.3; Manning,
//! Raghavan and Schütze, *Introduction to Information Retrieval*, chapter 13.

mod counts;
mod gaussian;

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis};

pub use counts::{BernoulliNaiveBayes, CategoricalNaiveBayes, MultinomialNaiveBayes};
pub use gaussian::GaussianNaiveBayes;

use crate::numerics::{largest_columns, log_sum_exp};
use crate::{Error, Result, validate};

/// What every kind of naive Bayes answers. N is the number of samples, K of classes.
///
/// ```
/// use mlnotes::bayes::{GaussianNaiveBayes, NaiveBayes};
/// use ndarray::array;
///
/// // Two classes of the same size and spread, around 1 and 5: at 3 they are equally likely.
/// let x = array![[0.0], [2.0], [4.0], [6.0]];
/// let model = GaussianNaiveBayes::fit(&x, &array![0, 0, 1, 1], 0.0)?;
/// let log_probability = model.predict_log_proba(&array![[3.0], [4.0]])?;
/// assert!((log_probability[[0, 0]] - 0.5_f64.ln()).abs() < 1e-15);
/// // At 4 the squared distances are 9 and 1, and σ² = 1: odds of e⁴.
/// assert!((log_probability[[1, 1]] - log_probability[[1, 0]] - 4.0).abs() < 1e-14);
/// assert_eq!(model.predict(&array![[2.9], [3.1]])?, array![0, 1]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub trait NaiveBayes {
    /// N samples: `ArrayRef2<f64>`, or `ArrayRef2<usize>` of categories; one row each.
    type Samples: ?Sized;

    /// log p(c) + Σ_j log p(x_j | c), shape (N, K).
    ///
    /// # Errors
    /// No sample; NaN; another width than in training; a value that the model does not produce.
    fn log_joint(&self, x: &Self::Samples) -> Result<Array2<f64>>;

    /// log p(c | x), shape (N, K).
    ///
    /// # Errors
    /// As [`log_joint`](Self::log_joint).
    fn predict_log_proba(&self, x: &Self::Samples) -> Result<Array2<f64>> {
        Ok(normalised(self.log_joint(x)?))
    }

    /// The most probable class of each sample, shape (N); of equals the lowest.
    ///
    /// # Errors
    /// As [`log_joint`](Self::log_joint).
    fn predict(&self, x: &Self::Samples) -> Result<Array1<usize>> {
        Ok(largest_columns(&self.log_joint(x)?))
    }
}

fn normalised(mut log_joint: Array2<f64>) -> Array2<f64> {
    for mut row in log_joint.rows_mut() {
        row -= log_sum_exp(row.to_vec());
    }
    log_joint
}

/// The number of samples in each class, each at least one.
fn class_counts(y: &ArrayRef1<usize>, samples: usize) -> Result<Array1<f64>> {
    validate::one_per_row("y", y.shape(), samples)?;
    let classes = y.iter().max().map_or(0, |largest| largest.saturating_add(1));
    if classes > samples {
        let allowed = "a class counted from 0, each with at least one sample: number the classes 0, 1, 2, … first";
        return Err(Error::domain("y", classes - 1, allowed));
    }
    let mut counts = Array1::zeros(classes);
    y.iter().for_each(|&class| counts[class] += 1.0);
    match counts.iter().position(|&count: &f64| count == 0.0) {
        None => Ok(counts),
        Some(class) => {
            let what = format!("without a sample of class {class}");
            Err(Error::domain("y", what, "complete from 0 to the largest class: number the classes anew"))
        }
    }
}

fn log_shares(counts: &ArrayRef1<f64>) -> Array1<f64> {
    (counts / counts.sum()).ln()
}

/// Σ of the rows of each class, shape (K, features).
fn class_sums(x: &ArrayRef2<f64>, y: &ArrayRef1<usize>, classes: usize) -> Array2<f64> {
    let mut sums = Array2::zeros((classes, x.ncols()));
    for (row, &class) in x.axis_iter(Axis(0)).zip(y) {
        let mut sum = sums.row_mut(class);
        sum += &row;
    }
    sums
}
