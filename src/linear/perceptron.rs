//! Can a single threshold unit learn from its mistakes?
//!
//! It answers ŷ = +1 when w·x + b ≥ 0 and −1 otherwise. After a wrong answer, and only then, Rosenblatt's rule moves the
//! boundary: w ← w + η (y − ŷ) x and b ← b + η (y − ŷ).
//!
//! | code | symbol | shape | range |
//! | --- | --- | --- | --- |
//! | `x` | x | (samples, features) | finite |
//! | `y` | y | (samples) | −1 or +1 |
//! | `weights`, `bias` | w, b | (features), number | |
//! | `learning_rate` | η | number | > 0 |
//!
//! Read [`update`], then [`epoch`], then [`Perceptron`]; [`OneVsRest`] makes many classes of it.
//! Source: Rosenblatt, *The perceptron*, Psychological Review 65 (1958); convergence: Novikoff (1962).

mod one_vs_rest;
mod options;

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis, concatenate};

pub use one_vs_rest::OneVsRest;
pub use options::{Perceptron, ThresholdUnit};

use crate::{Error, Result, validate};

/// The step function: +1 at 0 and above, −1 below.
///
/// ```
/// use mlnotes::linear::perceptron::step;
///
/// assert_eq!((step(0.0), step(-0.1)), (1.0, -1.0));
/// ```
pub fn step(activation: f64) -> f64 {
    if activation >= 0.0 { 1.0 } else { -1.0 }
}

/// The unit's answers ŷ = step(x w + b), −1 or +1 for every row of `x`.
///
/// # Errors
/// [`Error::Shape`] when `x` is not as wide as `weights`, [`Error::NonFinite`] for NaN or infinity in `x`.
///
/// ```
/// use mlnotes::linear::perceptron::predict;
/// use ndarray::array;
///
/// let x = array![[1.0, 1.0], [0.0, 1.0]];
/// assert_eq!(predict(&array![1.0, 1.0], -1.5, &x)?, array![1.0, -1.0]); // logical AND
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn predict(weights: &ArrayRef1<f64>, bias: f64, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
    Ok(margins(weights, bias, x)?.mapv(step))
}

/// The activations x w + b: their sign is the answer, their size a measure of distance from the boundary.
///
/// # Errors
/// As [`predict`].
pub fn margins(weights: &ArrayRef1<f64>, bias: f64, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
    validate::columns("x", x, weights.len())?;
    validate::finite("x", x)?;
    Ok(x.dot(weights) + bias)
}

/// Shows the unit one sample; returns whether its answer was wrong and the weights moved.
///
/// # Errors
/// [`Error::Shape`] when `x` and `weights` differ in length, [`Error::Domain`] unless `y` is −1 or +1 and
/// `learning_rate` > 0.
///
/// ```
/// use mlnotes::linear::perceptron::update;
/// use ndarray::array;
///
/// let (mut w, mut b) = (array![-1.0, 0.0], 0.0);
/// let wrong = update(&mut w, &mut b, &array![1.0, 2.0], 1.0, 0.5)?; // said −1: y − ŷ = 2, so w += x
/// assert!(wrong);
/// assert_eq!((w, b), (array![0.0, 2.0], 1.0));
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn update(
    weights: &mut Array1<f64>,
    bias: &mut f64,
    x: &ArrayRef1<f64>,
    y: f64,
    learning_rate: f64,
) -> Result<bool> {
    if x.len() != weights.len() {
        return Err(Error::shape("x", format!("({}), as the weights,", weights.len()), x.shape()));
    }
    check_label(y)?;
    validate::finite("x", x)?;
    validate::positive("learning_rate", learning_rate, "0.1")?;
    let mut moved = weights.to_vec();
    let wrong = correct(&mut moved, bias, 1.0, &x.to_vec(), y, learning_rate);
    *weights = moved.into();
    Ok(wrong)
}

/// Shows the unit all samples once, in their order; returns how many it got wrong on the way.
///
/// # Errors
/// [`Error::Empty`], [`Error::Shape`], [`Error::NonFinite`] and [`Error::Domain`] for data or labels that do not fit.
///
/// ```
/// use mlnotes::linear::perceptron::epoch;
/// use ndarray::array;
///
/// let (x, y) = (array![[1.0], [-1.0]], array![-1.0, 1.0]);
/// let (mut w, mut b) = (array![0.0], 0.0);
/// assert_eq!(epoch(&mut w, &mut b, &x, &y, 0.5)?, 1); // +1 for the first is wrong: w = −1, b = −1; the second is right
/// assert_eq!(epoch(&mut w, &mut b, &x, &y, 0.5)?, 0);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn epoch(
    weights: &mut Array1<f64>,
    bias: &mut f64,
    x: &ArrayRef2<f64>,
    y: &ArrayRef1<f64>,
    learning_rate: f64,
) -> Result<usize> {
    check_samples(x, y)?;
    validate::columns("x", x, weights.len())?;
    let mut wrong = 0;
    for (row, &label) in x.rows().into_iter().zip(y) {
        wrong += usize::from(update(weights, bias, &row, label, learning_rate)?);
    }
    Ok(wrong)
}

/// Puts a constant feature 1 before the others, so that its weight is the bias: (1, x)·(b, w) = w·x + b.
///
/// ```
/// use mlnotes::linear::perceptron::with_constant;
/// use ndarray::array;
///
/// assert_eq!(with_constant(&array![[7.0, 8.0]]), array![[1.0, 7.0, 8.0]]);
/// ```
pub fn with_constant(x: &ArrayRef2<f64>) -> Array2<f64> {
    let ones = Array2::ones((x.nrows(), 1));
    concatenate(Axis(1), &[ones.view(), x.view()]).expect("both have the same number of rows")
}

/// Rosenblatt's rule on slices: what the fast loop and [`update`] share. `constant` is the bias's own input: 1, or 0 for
/// a unit without a bias.
fn correct(weights: &mut [f64], bias: &mut f64, constant: f64, x: &[f64], y: f64, learning_rate: f64) -> bool {
    let mut activation = *bias * constant;
    for (w, x) in weights.iter().zip(x) {
        activation += w * x;
    }
    let error = y - step(activation);
    if error == 0.0 {
        return false;
    }
    let size = learning_rate * error;
    for (w, x) in weights.iter_mut().zip(x) {
        *w += size * x;
    }
    *bias += size * constant;
    true
}

fn check_label(y: f64) -> Result<()> {
    if y == 1.0 || y == -1.0 {
        return Ok(());
    }
    Err(Error::domain("y", y, "-1 or +1; for classes counted from 0 use `fit_one_vs_rest`"))
}

fn check_samples(x: &ArrayRef2<f64>, y: &ArrayRef1<f64>) -> Result<()> {
    validate::samples("x", x)?;
    validate::one_per_row("y", y.shape(), x.nrows())?;
    y.iter().try_for_each(|&label| check_label(label))
}

/// Both signs occur: otherwise there is nothing to tell apart.
pub(super) fn check_two_classes(x: &ArrayRef2<f64>, y: &ArrayRef1<f64>) -> Result<()> {
    check_samples(x, y)?;
    if y.iter().all(|label| Some(label) == y.first()) {
        return Err(Error::domain("y", "one class only", "of both classes: add samples of the other one"));
    }
    Ok(())
}
