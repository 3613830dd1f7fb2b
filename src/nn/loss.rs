//! How far off is a forecast?

use std::str::FromStr;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A mean over all entries of what a forecast is off by.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mlnotes::nn::Loss;
///
/// let (y, target) = (Tensor::new(&[1.0, 5.0], &Device::Cpu)?, Tensor::new(&[2.0, 2.0], &Device::Cpu)?);
/// assert_eq!(Loss::Mae.of(&y, &target)?.to_scalar::<f64>()?, 2.0);
/// assert_eq!(Loss::Mse.of(&y, &target)?.to_scalar::<f64>()?, 5.0);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// mean |y − target| (平均绝对误差).
    Mae,
    /// mean (y − target)² (均方误差).
    Mse,
}

impl Loss {
    /// The loss, a tensor of one number through which gradients go.
    ///
    /// # Errors
    /// Shapes that differ; no entries.
    pub fn of(self, y: &Tensor, target: &Tensor) -> Result<Tensor> {
        if y.dims() != target.dims() || y.elem_count() == 0 {
            return Err(Error::shape(
                "y",
                format!("the target's, {:?}, and an entry at least", target.dims()),
                y.dims(),
            ));
        }
        let off = (y - target)?;
        let off = match self {
            Self::Mae => off.abs()?,
            Self::Mse => off.sqr()?,
        };
        Ok(off.mean_all()?)
    }
}

/// As on the command line, in capitals or not.
impl FromStr for Loss {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_lowercase().as_str() {
            "mae" => Ok(Self::Mae),
            "mse" => Ok(Self::Mse),
            _ => Err(Error::domain("loss", text, "mae or mse")),
        }
    }
}
