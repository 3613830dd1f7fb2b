//! Where is it, given noisy measurements of it? The linear-Gaussian state space model (线性高斯状态空间模型) and the Kalman
//! filter (卡尔曼滤波).
//!
//! z₁ ~ N(m, P), z_{t+1} = F z_t + c + w_t with w_t ~ N(0, Q), y_t = H z_t + d + v_t with v_t ~ N(0, R)
//!
//! All of z and y are jointly Gaussian, so every question has an exact answer, found in O(T) steps instead of by one
//! covariance of all times. Times count from 1 in the text, from 0 in arrays.
//!
//! | here | symbol | shape | range |
//! | --- | --- | --- | --- |
//! | `initial_mean`, `initial_covariance` | m, P | (N), (N, N) | P positive semi-definite |
//! | `transition`, `transition_offset` | F, c | (N, N), (N) | |
//! | `process_noise` | Q | (N, N) | positive semi-definite |
//! | `observation`, `observation_offset` | H, d | (M, N), (M) | |
//! | `observation_noise` | R | (M, M) | positive definite |
//! | `y` | y_t | (T, M) | NaN where nothing was observed: whole rows or single entries, but not all |
//!
//! | question | answer |
//! | --- | --- |
//! | p(y) | [`log_likelihood`](Kalman::log_likelihood) |
//! | p(z_t \| y₁ … y_t) | [`filter`](Kalman::filter), [`filter_square_root`](Kalman::filter_square_root) |
//! | p(z_t \| y), p(z_t, z_{t+1} \| y) | [`smooth`](Kalman::smooth) |
//! | p(y_{T+1}, … \| y) | [`forecast`](Kalman::forecast) |
//! | the filter's covariance after a long time | [`steady_state`](Kalman::steady_state) |
//! | which F, Q, H, R, m, P | [`KalmanEm`] |
//!
//! Not covered: matrices that change with time, inputs other than the constants c and d, non-linear f and h.
//!
//! Sources: Kalman, *A new approach to linear filtering and prediction problems*, Journal of Basic Engineering 82
//! (1960); Särkkä and Svensson, *Bayesian Filtering and Smoothing*, 2nd edition (2023), chapters 6 and 12; Durbin and
//! Koopman, *Time Series Analysis by State Space Methods*, 2nd edition (2012).

mod build;
mod filter;
mod learn;
mod model;
mod recursion;
mod simulate;
mod smooth;
mod square_root;
mod steady_state;

pub use filter::Filtered;
pub use learn::KalmanEm;
pub use model::Kalman;
pub use simulate::Forecast;
pub use smooth::Smoothed;
pub use square_root::SquareRoots;
pub use steady_state::SteadyState;
