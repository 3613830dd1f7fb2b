//! What may such a state do, and what will it do next?

use ndarray::{Array1, Array2, Array3, ArrayRef2, Axis, s};

use super::Kalman;
use super::model::{positive_root, root};
use super::recursion::Recursion;
use crate::random::RandomState;
use crate::{Result, validate};

/// What is known of the times after the last observation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Forecast {
    /// E\[z_{T+k} | y\], shape (steps, N).
    pub state_mean: Array2<f64>,
    /// Cov\[z_{T+k} | y\], shape (steps, N, N).
    pub state_covariance: Array3<f64>,
    /// E\[y_{T+k} | y\], shape (steps, M).
    pub mean: Array2<f64>,
    /// Cov\[y_{T+k} | y\], shape (steps, M, M).
    pub covariance: Array3<f64>,
}

impl Kalman {
    /// Draws z₁ … z_T and an observation for each: shapes (T, N) and (T, M).
    ///
    /// # Errors
    /// A length of 0.
    ///
    /// ```
    /// use mlnotes::random::RandomState;
    /// use mlnotes::ssm::kalman::Kalman;
    ///
    /// let (states, y) = Kalman::local_level(0.0, 1.0, 5.0, 0.0)?.sample(3, &mut RandomState::new(0))?;
    /// assert_eq!(states, ndarray::array![[5.0], [5.0], [5.0]]);
    /// assert!(y.iter().all(|y| (y - 5.0).abs() < 5.0));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn sample(&self, length: usize, random: &mut RandomState) -> Result<(Array2<f64>, Array2<f64>)> {
        validate::at_least_one("length", length)?;
        let (initial, process) = (root(&self.initial_covariance), root(&self.process_noise));
        let observation = positive_root(&self.observation_noise);
        let mut noise = |root: &Array2<f64>| root.dot(&random.normal_array(root.ncols()));
        let mut states = Array2::zeros((length, self.state_dimension()));
        let mut y = Array2::zeros((length, self.observation_dimension()));
        let mut state: Array1<f64> = &self.initial_mean + &noise(&initial);
        for t in 0..length {
            if t > 0 {
                state = self.transition.dot(&state) + &self.transition_offset + &noise(&process);
            }
            states.row_mut(t).assign(&state);
            y.row_mut(t).assign(&(self.observation.dot(&state) + &self.observation_offset + &noise(&observation)));
        }
        Ok((states, y))
    }

    /// p(z_{T+k} | y) and p(y_{T+k} | y) for k = 1 … `steps`: the filter, then its prediction step by itself.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood); no steps.
    ///
    /// ```
    /// use mlnotes::ssm::kalman::Kalman;
    /// use ndarray::array;
    ///
    /// // What is known of a random walk is where it was, and less of it with every step.
    /// let forecast = Kalman::local_level(1.0, 2.0, 0.0, 2.0)?.forecast(&array![[4.0]], 2)?;
    /// assert_eq!(forecast.mean, array![[2.0], [2.0]]);
    /// assert_eq!(forecast.state_covariance, array![[[2.0]], [[3.0]]]); // 1 + 1, 1 + 2
    /// assert_eq!(forecast.covariance, array![[[4.0]], [[5.0]]]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn forecast(&self, y: &ArrayRef2<f64>, steps: usize) -> Result<Forecast> {
        validate::at_least_one("steps", steps)?;
        let mut last = (Vec::new(), Vec::new());
        self.run(y, |t, now: &Recursion| {
            if t + 1 == y.nrows() {
                last = (now.mean.clone(), now.covariance.clone());
            }
        })?;
        let (n, m) = (self.state_dimension(), self.observation_dimension());
        let mut state = Array1::from_vec(last.0);
        let mut spread = Array2::from_shape_vec((n, n), last.1).unwrap_or_default();
        let mut forecast = Forecast {
            state_mean: Array2::zeros((steps, n)),
            state_covariance: Array3::zeros((steps, n, n)),
            mean: Array2::zeros((steps, m)),
            covariance: Array3::zeros((steps, m, m)),
        };
        let (f, h) = (&self.transition, &self.observation);
        for k in 0..steps {
            state = f.dot(&state) + &self.transition_offset;
            spread = f.dot(&spread).dot(&f.t()) + &self.process_noise;
            forecast.state_mean.row_mut(k).assign(&state);
            forecast.state_covariance.index_axis_mut(Axis(0), k).assign(&spread);
            forecast.mean.row_mut(k).assign(&(h.dot(&state) + &self.observation_offset));
            let covariance = h.dot(&spread).dot(&h.t()) + &self.observation_noise;
            forecast.covariance.slice_mut(s![k, .., ..]).assign(&covariance);
        }
        Ok(forecast)
    }
}
