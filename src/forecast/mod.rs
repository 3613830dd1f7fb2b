//! How far into the future can several series be known, and which model knows it best? Long-term forecasting, as the
//! notes' `run.py` does it (feature `deep`).
//!
//! ŷ_{t+1 … t+H} = f(x_{t−L+1 … t}), x_t ∈ ℝ^V; MSE and MAE are means over windows, steps and channels of standardised
//! data.
//!
//! | code | paper | meaning |
//! | --- | --- | --- |
//! | `seq_len` | L | steps of the look-back window (回看窗口) |
//! | `pred_len` | H, T | steps to forecast (预测长度) |
//! | `enc_in` | V, C | channels (通道) |
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`data`] | tables of series, splits in time, standardisation by the training rows, windows |
//! | [`models`] | what forecasts: the trait [`Forecaster`](models::Forecaster) and those that implement it |
//! | [`experiment`] | training, early stopping, testing; checkpoints, reports, the published settings |

pub mod data;
pub mod experiment;
pub mod models;
