//! A forecast to look at.

use candle_core::{DType, IndexOp};

use mlnotes::forecast::data::Windows;
use mlnotes::forecast::models::Forecaster;
use mlnotes::plot::{self, Chart};
use mlnotes::{Error, Result};

/// Past, truth and forecast of one window and channel, in the windows' own units; 0 is the first step to forecast.
///
/// # Errors
/// A window or channel that there is not; the model's errors.
pub fn draw(model: &dyn Forecaster, windows: &Windows, window: usize, channel: usize) -> Result<Chart<plot::Line>> {
    if channel >= windows.channels() {
        return Err(Error::domain("channel", channel, format!("below {}, the number of channels", windows.channels())));
    }
    let (x, y) = windows.batch(&[window])?;
    let dtype = model.weights().all_vars().first().map_or(DType::F32, |weight| weight.dtype());
    let forecast = model.forecast(&x.to_dtype(dtype)?)?;
    if forecast.dims() != y.dims() {
        return Err(Error::shape("forecast", format!("{:?} (batch, pred_len, channels)", y.dims()), forecast.dims()));
    }
    let of = |tensor: &candle_core::Tensor| -> Result<Vec<f64>> {
        Ok(tensor.i((0, .., channel))?.to_dtype(DType::F64)?.to_vec1()?)
    };
    let (past, truth, forecast) = (of(&x)?, of(&y)?, of(&forecast)?);
    let before = -(past.len() as i64)..0;
    Ok(plot::line(before, &[("past", past)])
        .series("truth", 0..truth.len(), truth)
        .series("forecast", 0..forecast.len(), forecast)
        .labels("steps", "standardised value")
        .title(format!("{}, window {window}, channel {channel}", model.name())))
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;
    use candle_nn::VarMap;
    use mlnotes::random::RandomState;
    use ndarray::array;

    use super::*;

    /// It can be seen what the last step, repeated, misses.
    struct Last(VarMap);

    impl Forecaster for Last {
        fn name(&self) -> &'static str {
            "Last"
        }
        fn forward(&self, x: &Tensor, _: Option<&mut RandomState>) -> Result<Tensor> {
            Ok(x.narrow(1, 1, 1)?)
        }
        fn weights(&self) -> &VarMap {
            &self.0
        }
    }

    #[test]
    fn past_truth_and_forecast_are_drawn() {
        let windows = Windows::new(array![[1.0], [2.0], [3.0], [4.0]], 2, 1).unwrap();
        let figure = draw(&Last(VarMap::new()), &windows, 0, 0).unwrap().finish().unwrap();
        assert!(["past", "truth", "forecast"].iter().all(|name| figure.svg().contains(name)));
        assert!(draw(&Last(VarMap::new()), &windows, 2, 0).is_err());
        assert!(draw(&Last(VarMap::new()), &windows, 0, 1).is_err());
    }
}
