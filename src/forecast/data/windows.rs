//! A table cut into pairs of past and future.

use candle_core::{Device, Tensor};
use ndarray::Array2;

use crate::{Error, Result, validate};

/// Every window of a table: window i looks back at rows i … i + L − 1, and its future is rows i + L … i + L + H − 1.
///
/// ```
/// use mlnotes::forecast::data::Windows;
/// use ndarray::array;
///
/// let windows = Windows::new(array![[1.0], [2.0], [3.0], [4.0]], 2, 1)?;
/// assert_eq!(windows.len(), 2);
/// let (x, y) = windows.batch(&[1])?;
/// assert_eq!(x.to_vec3::<f32>()?, [[[2.0], [3.0]]]);
/// assert_eq!(y.to_vec3::<f32>()?, [[[4.0]]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Windows {
    values: Array2<f32>,
    seq_len: usize,
    pred_len: usize,
}

impl Windows {
    /// The windows of `values`, (rows, V).
    ///
    /// # Errors
    /// A length of 0, no columns, too few rows for one window, a number that is not finite.
    pub fn new(values: Array2<f32>, seq_len: usize, pred_len: usize) -> Result<Self> {
        validate::at_least_one("seq_len", seq_len)?;
        validate::at_least_one("pred_len", pred_len)?;
        let (rows, columns) = values.dim();
        if columns == 0 || rows < seq_len.saturating_add(pred_len) {
            let expected = format!("(at least {seq_len} + {pred_len} rows for one window, at least 1)");
            return Err(Error::shape("values", expected, &[rows, columns]));
        }
        if let Some(((row, column), value)) = values.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NonFinite { arg: "values", index: vec![row, column], value: (*value).into() });
        }
        Ok(Self { values: values.as_standard_layout().into_owned(), seq_len, pred_len })
    }

    /// How many there are, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.values.nrows() - self.seq_len - self.pred_len + 1
    }

    /// The rows they are cut from, (rows, V).
    pub fn values(&self) -> &Array2<f32> {
        &self.values
    }

    /// V.
    pub fn channels(&self) -> usize {
        self.values.ncols()
    }

    /// L.
    pub fn seq_len(&self) -> usize {
        self.seq_len
    }

    /// H.
    pub fn pred_len(&self) -> usize {
        self.pred_len
    }

    /// The windows of these numbers: (batch, L, V) and (batch, H, V), f32 on the CPU.
    ///
    /// # Errors
    /// No number at all; one that is not below [`len`](Self::len).
    pub fn batch(&self, windows: &[usize]) -> Result<(Tensor, Tensor)> {
        if windows.is_empty() {
            return Err(Error::Empty { arg: "windows", remedy: "name at least one window" });
        }
        if let Some(window) = windows.iter().find(|window| **window >= self.len()) {
            return Err(Error::domain("windows", window, format!("below {}, the number of windows", self.len())));
        }
        let channels = self.channels();
        let values = self.values.as_slice().expect("standard layout since `new`");
        let cut = |from: usize, steps: usize| -> Result<Tensor> {
            let rows = windows.iter().flat_map(|window| &values[(window + from) * channels..][..steps * channels]);
            Ok(Tensor::from_iter(rows.copied(), &Device::Cpu)?.reshape((windows.len(), steps, channels))?)
        };
        Ok((cut(0, self.seq_len)?, cut(self.seq_len, self.pred_len)?))
    }
}
