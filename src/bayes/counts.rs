//! Categories, yes and no, words.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis};

use super::{NaiveBayes, class_counts, class_sums, log_shares};
use crate::{Error, Result, validate};

/// p(x_j = v | c) = (N_cjv + α)/(N_c + α V_j), where N_cjv of the N_c samples of class c have category v of V_j.
///
/// Categories are counted from 0; V_j is the largest of feature j in training, and 1.
///
/// ```
/// use mlnotes::bayes::{CategoricalNaiveBayes, NaiveBayes};
/// use ndarray::array;
///
/// let model = CategoricalNaiveBayes::fit(&array![[0], [0], [1], [2]], &array![0, 0, 1, 1], 1.0)?;
/// // Category 0: 3/5 in class 0, 1/5 in class 1, by one more of each kind.
/// assert!((model.predict_log_proba(&array![[0]])?[[0, 0]] - 0.75_f64.ln()).abs() < 1e-15);
/// assert!(model.predict(&array![[3]]).is_err()); // no such category
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CategoricalNaiveBayes {
    log_prior: Array1<f64>,
    /// One (K, V_j) per feature.
    log_probability: Vec<Array2<f64>>,
}

impl CategoricalNaiveBayes {
    /// Fits samples x, shape (N, features), of classes y, shape (N), counted from 0.
    ///
    /// # Errors
    /// No sample or feature; shapes that disagree; a class without a sample; α that is not above 0; a category so large that
    /// categories are surely not counted from 0.
    pub fn fit(x: &ArrayRef2<usize>, y: &ArrayRef1<usize>, smoothing: f64) -> Result<Self> {
        not_empty(x.dim())?;
        let counts = class_counts(y, x.nrows())?;
        validate::positive("smoothing", smoothing, "1")?;
        let mut log_probability = Vec::with_capacity(x.ncols());
        for column in x.columns() {
            let largest = column.iter().copied().max().unwrap_or(0);
            if largest >= 1000.max(2 * x.nrows()) {
                let allowed = "a category counted from 0: number the categories 0, 1, 2, … first";
                return Err(Error::domain("x", largest, allowed));
            }
            let mut seen = Array2::from_elem((counts.len(), largest + 1), smoothing);
            column.iter().zip(y).for_each(|(&category, &class)| seen[[class, category]] += 1.0);
            log_probability.push(log_rows(seen));
        }
        Ok(Self { log_prior: log_shares(&counts), log_probability })
    }

    /// log p(x_j = v | c) of feature j, shape (K, V_j).
    ///
    /// # Errors
    /// A feature that does not exist.
    pub fn log_probability(&self, feature: usize) -> Result<&Array2<f64>> {
        let allowed = || format!("below {}, the number of features", self.log_probability.len());
        self.log_probability.get(feature).ok_or_else(|| Error::domain("feature", feature, allowed()))
    }
}

impl NaiveBayes for CategoricalNaiveBayes {
    type Samples = ArrayRef2<usize>;

    fn log_joint(&self, x: &ArrayRef2<usize>) -> Result<Array2<f64>> {
        not_empty(x.dim())?;
        if x.ncols() != self.log_probability.len() {
            let expected = format!("(samples, {}), the width of the training data,", self.log_probability.len());
            return Err(Error::shape("x", expected, x.shape()));
        }
        let mut joint = Array2::zeros((x.nrows(), self.log_prior.len())) + &self.log_prior;
        for ((n, j), &category) in x.indexed_iter() {
            let table = &self.log_probability[j];
            if category >= table.ncols() {
                let allowed = format!("below {}, the categories of feature {j} in training", table.ncols());
                return Err(Error::domain("x", format!("{category} at [{n}, {j}]"), allowed));
            }
            let mut row = joint.row_mut(n);
            row += &table.column(category);
        }
        Ok(joint)
    }
}

/// p(x_j = 1 | c) = p_cj = (N_cj + α)/(N_c + 2α), where N_cj of the N_c samples of class c have a 1. What is 0 counts as
/// well, by log(1 − p_cj).
///
/// ```
/// use mlnotes::bayes::{BernoulliNaiveBayes, NaiveBayes};
/// use ndarray::array;
///
/// let model = BernoulliNaiveBayes::fit(&array![[1.0], [1.0], [0.0]], &array![0, 0, 1], 1.0)?;
/// // 0: 2/3 · 1/4 = 1/6 in class 0, 1/3 · 2/3 = 2/9 in class 1.
/// assert!((model.predict_log_proba(&array![[0.0]])?[[0, 0]] - (3.0_f64 / 7.0).ln()).abs() < 1e-15);
/// assert!(model.predict(&array![[0.5]]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BernoulliNaiveBayes {
    log_prior: Array1<f64>,
    log_one: Array2<f64>,
    log_zero: Array2<f64>,
}

impl BernoulliNaiveBayes {
    /// Fits zeros and ones x, shape (N, features), of classes y, shape (N), counted from 0. (scikit-learn takes any number
    /// above 0 for a 1; here that is refused.)
    ///
    /// # Errors
    /// No sample; NaN; another number than 0 and 1; shapes that disagree; a class without a sample; α that is not above 0.
    pub fn fit(x: &ArrayRef2<f64>, y: &ArrayRef1<usize>, smoothing: f64) -> Result<Self> {
        each("x", x, |x| x == 0.0 || x == 1.0, "0 or 1: compare with a threshold first")?;
        let counts = class_counts(y, x.nrows())?;
        validate::positive("smoothing", smoothing, "1")?;
        let ones = class_sums(x, y, counts.len());
        let by_class = counts.view().insert_axis(Axis(1));
        let zeros = &by_class - &ones;
        let all = (&by_class + 2.0 * smoothing).ln();
        let log_share = |seen: Array2<f64>| (seen + smoothing).ln() - &all;
        Ok(Self { log_prior: log_shares(&counts), log_one: log_share(ones), log_zero: log_share(zeros) })
    }

    /// log p_cj, shape (K, features).
    pub fn log_probability(&self) -> &Array2<f64> {
        &self.log_one
    }
}

impl NaiveBayes for BernoulliNaiveBayes {
    type Samples = ArrayRef2<f64>;

    fn log_joint(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        each("x", x, |x| x == 0.0 || x == 1.0, "0 or 1: compare with a threshold first")?;
        validate::columns("x", x, self.log_one.ncols())?;
        // Σ_j x_j log p + (1 − x_j) log(1 − p): linear in x.
        let constant = self.log_zero.sum_axis(Axis(1)) + &self.log_prior;
        Ok(x.dot(&(&self.log_one - &self.log_zero).t()) + &constant)
    }
}

/// p(x | c) ∝ ∏_j p_cj^(x_j), p_cj = (N_cj + α)/(N_c + α D), where feature j was counted N_cj times in class c, and all D
/// features together N_c times: documents as bags of words.
///
/// ```
/// use mlnotes::bayes::{MultinomialNaiveBayes, NaiveBayes};
/// use ndarray::array;
///
/// let model = MultinomialNaiveBayes::fit(&array![[3.0, 0.0], [1.0, 2.0]], &array![0, 1], 1.0)?;
/// // p = (4, 1)/5 and (2, 3)/5, so one of each word has the odds 4/25 to 6/25.
/// assert!((model.predict_log_proba(&array![[1.0, 1.0]])?[[0, 0]] - 0.4_f64.ln()).abs() < 1e-15);
/// assert!(model.predict(&array![[-1.0, 0.0]]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MultinomialNaiveBayes {
    log_prior: Array1<f64>,
    log_probability: Array2<f64>,
}

impl MultinomialNaiveBayes {
    /// Fits counts x, shape (N, features), of classes y, shape (N), counted from 0. Counts may be weighted: any numbers from
    /// 0 on.
    ///
    /// # Errors
    /// No sample; NaN; a number below 0; shapes that disagree; a class without a sample; α that is not above 0.
    pub fn fit(x: &ArrayRef2<f64>, y: &ArrayRef1<usize>, smoothing: f64) -> Result<Self> {
        each("x", x, |x| x >= 0.0, "a count, 0 or more")?;
        let counts = class_counts(y, x.nrows())?;
        validate::positive("smoothing", smoothing, "1")?;
        let log_probability = log_rows(class_sums(x, y, counts.len()) + smoothing);
        Ok(Self { log_prior: log_shares(&counts), log_probability })
    }

    /// log p_cj, shape (K, features).
    pub fn log_probability(&self) -> &Array2<f64> {
        &self.log_probability
    }
}

impl NaiveBayes for MultinomialNaiveBayes {
    type Samples = ArrayRef2<f64>;

    /// Without the multinomial coefficient, which is the same for each class.
    fn log_joint(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        each("x", x, |x| x >= 0.0, "a count, 0 or more")?;
        validate::columns("x", x, self.log_probability.ncols())?;
        Ok(x.dot(&self.log_probability.t()) + &self.log_prior)
    }
}

/// Rows divided by their sums, as logarithms.
fn log_rows(seen: Array2<f64>) -> Array2<f64> {
    let sums = seen.sum_axis(Axis(1)).insert_axis(Axis(1));
    seen.ln() - sums.ln()
}

fn not_empty((rows, columns): (usize, usize)) -> Result<()> {
    if rows > 0 && columns > 0 {
        return Ok(());
    }
    Err(Error::Empty { arg: "x", remedy: "give at least one row, one sample per row, and one column per feature" })
}

/// Samples whose entries are all inside.
fn each(arg: &'static str, x: &ArrayRef2<f64>, inside: fn(f64) -> bool, allowed: &'static str) -> Result<()> {
    validate::samples(arg, x)?;
    match x.indexed_iter().find(|(_, x)| !inside(**x)) {
        None => Ok(()),
        Some((at, x)) => Err(Error::domain(arg, format!("{x} at {at:?}"), allowed)),
    }
}
