//! On which rows do we learn, and on which do we judge?

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis};

use crate::random::RandomState;
use crate::{Error, Result, validate};

/// Samples divided into a part to learn from and a part to judge by. Take it apart by name:
/// `let Split { x_train, x_test, y_train, y_test, .. } = …`.
#[derive(Clone, PartialEq)]
pub struct Split<T> {
    /// (training samples, features).
    pub x_train: Array2<f64>,
    /// (test samples, features).
    pub x_test: Array2<f64>,
    /// (training samples).
    pub y_train: Array1<T>,
    /// (test samples).
    pub y_test: Array1<T>,
    /// Which rows of the whole the training samples are, in their order.
    pub train_rows: Vec<usize>,
    /// Which rows of the whole the test samples are, in their order.
    pub test_rows: Vec<usize>,
}

impl<T> std::fmt::Debug for Split<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Split: {} samples to train on, {} to test with", self.train_rows.len(), self.test_rows.len())
    }
}

/// Divides samples at random, exactly as scikit-learn's `train_test_split(x, y, test_size=…, random_state=seed)`.
///
/// # Shapes
/// - `x`: (samples, features), `y`: (samples) of anything.
///
/// # Errors
/// As [`split_rows`], and [`Error::Shape`] when `x` and `y` differ in length.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let iris = iris();
/// let split = train_test_split(&iris.features, &iris.targets, 0.2, 42)?;
/// assert_eq!((split.x_train.nrows(), split.x_test.nrows()), (120, 30));
/// assert_eq!(split.y_test.iter().take(5).collect::<Vec<_>>(), [&1, &0, &2, &1, &1]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn train_test_split<T: Clone>(x: &ArrayRef2<f64>, y: &ArrayRef1<T>, test_size: f64, seed: u32) -> Result<Split<T>> {
    validate::one_per_row("y", y.shape(), x.nrows())?;
    let (train_rows, test_rows) = split_rows(x.nrows(), test_size, seed)?;
    Ok(Split {
        x_train: x.select(Axis(0), &train_rows),
        x_test: x.select(Axis(0), &test_rows),
        y_train: y.select(Axis(0), &train_rows),
        y_test: y.select(Axis(0), &test_rows),
        train_rows,
        test_rows,
    })
}

/// The row numbers of such a division: (to train on, to test with).
///
/// The rows are permuted by [`RandomState`]; the first ⌈`test_size` · `samples`⌉ of them are for the test.
///
/// # Errors
/// - [`Error::Domain`] unless 0 < `test_size` < 1, and when no row would be left to train on.
/// - [`Error::Empty`] without samples.
///
/// ```
/// let (train, test) = mlnotes::data::split_rows(5, 0.3, 0)?; // ⌈1.5⌉ = 2 for the test
/// assert_eq!((train, test), (vec![1, 3, 4], vec![2, 0]));
/// assert!(mlnotes::data::split_rows(5, 1.5, 0).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn split_rows(samples: usize, test_size: f64, seed: u32) -> Result<(Vec<usize>, Vec<usize>)> {
    if samples == 0 {
        return Err(Error::Empty { arg: "x", remedy: "give at least two rows, one for each side" });
    }
    if !(test_size > 0.0 && test_size < 1.0) {
        return Err(Error::domain("test_size", test_size, "a fraction between 0 and 1, for instance 0.2"));
    }
    let tests = (test_size * samples as f64).ceil() as usize;
    if tests >= samples {
        let allowed = format!("smaller: of {samples} samples it leaves none to train on");
        return Err(Error::domain("test_size", test_size, allowed));
    }
    let mut test = RandomState::new(seed).permutation(samples);
    let train = test.split_off(tests);
    Ok((train, test))
}
