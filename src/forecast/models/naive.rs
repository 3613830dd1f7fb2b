//! The floor: what is known without learning.

use candle_core::{DType, Tensor};
use candle_nn::VarMap;

use super::{Forecaster, Sizes};
use crate::nn::cmamba::check_window;
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// The naive forecast: ŷ_h = x_L, of every channel.
///
/// For a random walk no forecast has a smaller squared error.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::forecast::models::{Forecaster, LastValue, Sizes};
///
/// let model = LastValue::new(Sizes { seq_len: 3, pred_len: 2, enc_in: 1 })?;
/// let x = Tensor::new(&[[[1.0], [2.0], [5.0]]], &Device::Cpu)?;
/// assert_eq!(model.forward(&x, None)?.to_vec3::<f64>()?, [[[5.0], [5.0]]]);
/// assert_eq!(model.parameter_count(), 0);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct LastValue(SeasonalNaive);

impl LastValue {
    /// # Errors
    /// A size of 0.
    pub fn new(sizes: Sizes) -> Result<Self> {
        Ok(Self(SeasonalNaive::new(sizes, 1)?))
    }
}

impl Forecaster for LastValue {
    fn name(&self) -> &'static str {
        "LastValue"
    }

    fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> Result<Tensor> {
        self.0.forward(x, train)
    }

    fn weights(&self) -> &VarMap {
        &self.0.none
    }
}

/// The seasonal naive forecast (季节朴素预测): the last period of the window again and again.
///
/// ŷ_h = x_{L − P + ((h − 1) mod P) + 1}, h = 1 … H; P = 24 for hours that make days
///
/// Source: Hyndman and Athanasopoulos, *Forecasting: principles and practice* (third edition, 2021), section 5.2.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::forecast::models::{Forecaster, SeasonalNaive, Sizes};
///
/// let sizes = Sizes { seq_len: 3, pred_len: 5, enc_in: 1 };
/// let x = Tensor::new(&[[[1.0], [2.0], [5.0]]], &Device::Cpu)?;
/// let y = SeasonalNaive::new(sizes, 2)?.forward(&x, None)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f64>()?, [2.0, 5.0, 2.0, 5.0, 2.0]);
/// // No more can be repeated than was seen.
/// assert!(SeasonalNaive::new(sizes, 4).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone)]
pub struct SeasonalNaive {
    sizes: Sizes,
    period: usize,
    none: VarMap,
}

impl SeasonalNaive {
    /// # Errors
    /// A size or period of 0; a period that is longer than the window.
    pub fn new(sizes: Sizes, period: usize) -> Result<Self> {
        sizes.validate()?;
        validate::at_least_one("period", period)?;
        if period > sizes.seq_len {
            let allowed = format!("at most `seq_len`, {}: choose a longer window or a shorter period", sizes.seq_len);
            return Err(Error::domain("period", period, allowed));
        }
        Ok(Self { sizes, period, none: VarMap::new() })
    }
}

impl Forecaster for SeasonalNaive {
    fn name(&self) -> &'static str {
        "SeasonalNaive"
    }

    fn forward(&self, x: &Tensor, _: Option<&mut RandomState>) -> Result<Tensor> {
        let Sizes { seq_len, pred_len, enc_in } = self.sizes;
        if !matches!(x.dtype(), DType::F32 | DType::F64) {
            return Err(Error::domain("x", format!("{:?}", x.dtype()), "F32 or F64: `to_dtype` turns it"));
        }
        check_window(x, seq_len, enc_in, x.dtype())?;
        let times = (0..pred_len).map(|step| (seq_len - self.period + step % self.period) as u32);
        Ok(x.contiguous()?.index_select(&Tensor::from_iter(times, x.device())?, 1)?)
    }

    fn weights(&self) -> &VarMap {
        &self.none
    }
}
