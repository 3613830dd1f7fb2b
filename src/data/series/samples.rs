//! A series cut into pairs of what was and what came.

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, s};

use crate::{Error, Result, validate};

/// Every pair of a look-back and a later reading of one channel.
///
/// Sample i is rows i, i + k, i + 2 k, … below i + L, and its target is the channel's reading in row i + L + d: with a look-back
/// of L rows, of which each k-th is taken (`step`), d rows (`delay`) after the next one. That makes n − L − d samples of n rows,
/// ⌈L / k⌉ rows long each; every target that has L + d rows before it occurs once.
///
/// Overlapping samples repeat each row L / k times, so they are cut out of the series when asked for.
///
/// # Source
/// F. Chollet, *Deep Learning with Python* (2017), section 6.3, has the generator that the notes copy.
///
/// ```
/// use mlnotes::data::series::Samples;
/// use ndarray::array;
///
/// let series = array![[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]];
/// let next = Samples::new(series.clone(), 3)?; // three rows, then the one after them
/// assert_eq!(next.len(), 3);
/// assert_eq!(next.get(2)?, (array![[2.0], [3.0], [4.0]].view(), 5.0));
///
/// let sparse = Samples::new(series, 3)?.step(2)?.delay(1)?; // each second of three rows, and what comes two rows later
/// assert_eq!(sparse.len(), 2);
/// assert_eq!(sparse.get(1)?, (array![[1.0], [3.0]].view(), 5.0));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    values: Array2<f64>,
    lookback: usize,
    step: usize,
    delay: usize,
    target: usize,
}

impl Samples {
    /// Samples of `values`, (rows, V), with every row of the look-back and the next reading of the last channel as target.
    ///
    /// # Errors
    /// No row or column, a number that is not finite, a look-back of 0 or with nothing behind it.
    pub fn new(values: Array2<f64>, lookback: usize) -> Result<Self> {
        validate::samples("values", &values)?;
        validate::at_least_one("lookback", lookback)?;
        let target = values.ncols() - 1;
        Self { values, lookback, step: 1, delay: 0, target }.checked()
    }

    /// One row of the look-back in so many.
    ///
    /// # Errors
    /// 0.
    pub fn step(self, step: usize) -> Result<Self> {
        validate::at_least_one("step", step)?;
        // A longer one leaves the first row alone, too.
        Ok(Self { step: step.min(self.lookback), ..self })
    }

    /// So many rows between the look-back and the target.
    ///
    /// # Errors
    /// More than the series has behind the first look-back.
    pub fn delay(self, delay: usize) -> Result<Self> {
        Self { delay, ..self }.checked()
    }

    /// The channel to forecast.
    ///
    /// # Errors
    /// One that is not there.
    pub fn target(self, channel: usize) -> Result<Self> {
        if channel >= self.values.ncols() {
            let allowed = format!("below {}, the number of channels", self.values.ncols());
            return Err(Error::domain("target", channel, allowed));
        }
        Ok(Self { target: channel, ..self })
    }

    fn checked(self) -> Result<Self> {
        let (rows, needed) = (self.values.nrows(), self.lookback.saturating_add(self.delay));
        if needed >= rows {
            let (lookback, delay) = (self.lookback, self.delay);
            let expected =
                format!("(more than {needed}, V), for a look-back of {lookback}, a delay of {delay} and a target,");
            return Err(Error::shape("values", expected, self.values.shape()));
        }
        Ok(self)
    }

    /// How many there are, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.values.nrows() - self.lookback - self.delay
    }

    /// Sample i, (⌈L / k⌉, V), a view into the series, and its target.
    ///
    /// # Errors
    /// A number that is not below [`len`](Self::len).
    pub fn get(&self, i: usize) -> Result<(ArrayView2<'_, f64>, f64)> {
        if i >= self.len() {
            return Err(Error::domain("sample", i, format!("below {}, the number of samples", self.len())));
        }
        let past = self.values.slice(s![i..i + self.lookback; self.step, ..]);
        Ok((past, self.values[[i + self.lookback + self.delay, self.target]]))
    }

    /// The samples of these numbers, (batch, ⌈L / k⌉, V), and their targets, (batch).
    ///
    /// # Errors
    /// No number at all; one that is not below [`len`](Self::len).
    pub fn batch(&self, samples: &[usize]) -> Result<(Array3<f64>, Array1<f64>)> {
        if samples.is_empty() {
            return Err(Error::Empty { arg: "samples", remedy: "name at least one sample" });
        }
        let mut x = Array3::zeros((samples.len(), self.lookback.div_ceil(self.step), self.values.ncols()));
        let mut y = Array1::zeros(samples.len());
        for ((mut x, y), &i) in x.axis_iter_mut(Axis(0)).zip(&mut y).zip(samples) {
            let (past, target) = self.get(i)?;
            x.assign(&past);
            *y = target;
        }
        Ok((x, y))
    }

    /// The samples of `order` in batches of this size, each made when it is its turn; the last has what is left. For an epoch
    /// in a random order: [`permutation`](crate::random::RandomState::permutation).
    ///
    /// # Errors
    /// A size of 0; in a batch, as [`batch`](Self::batch).
    ///
    /// ```
    /// use mlnotes::data::series::Samples;
    /// use ndarray::{Array2, array};
    ///
    /// let samples = Samples::new(Array2::from_shape_fn((7, 1), |(row, _)| row as f64), 2)?;
    /// let targets = samples.batches(&[4, 3, 2, 1, 0], 2)?.map(|batch| Ok(batch?.1)).collect::<Result<Vec<_>, mlnotes::Error>>()?;
    /// assert_eq!(targets, [array![6.0, 5.0], array![4.0, 3.0], array![2.0]]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn batches<'a>(
        &'a self,
        order: &'a [usize],
        batch_size: usize,
    ) -> Result<impl Iterator<Item = Result<(Array3<f64>, Array1<f64>)>> + 'a> {
        validate::at_least_one("batch_size", batch_size)?;
        Ok(order.chunks(batch_size).map(|samples| self.batch(samples)))
    }
}
