//! Models that have names.

use ndarray::{Array1, Array2, array};

use super::Kalman;
use crate::{Result, validate};

impl Kalman {
    /// The local level model: a random walk seen through noise, z_{t+1} = z_t + w_t, y_t = z_t + v_t.
    ///
    /// `level_variance` is that of w, `observation_variance` that of v; z₁ ~ N(`initial_mean`, `initial_variance`).
    ///
    /// # A start of which nothing is known
    /// A diffuse start, z₁ ~ N(0, κ) with κ → ∞, makes z₁ after y₁ exactly N(y₁, `observation_variance`). So begin with
    /// that and with y₁ set to NaN: no large number that stands for ∞, none of its rounding. The log-likelihood is then
    /// that of y₂ … y_T given y₁; some programs count −½ log 2π for y₁ too.
    ///
    /// # Errors
    /// A variance below 0, an `observation_variance` of 0, NaN or an infinity.
    ///
    /// ```
    /// use mlnotes::data::nile;
    /// use mlnotes::ssm::kalman::Kalman;
    /// use ndarray::Axis;
    ///
    /// let mut flow = nile().values.insert_axis(Axis(1));
    /// let first = std::mem::replace(&mut flow[[0, 0]], f64::NAN);
    /// let model = Kalman::local_level(1469.1, 15099.0, first, 15099.0)?;
    /// assert!((model.log_likelihood(&flow)? - -632.5456).abs() < 1e-4); // Durbin and Koopman's estimates
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: Durbin and Koopman (2012), chapter 2; the diffuse start is section 2.9.
    pub fn local_level(
        level_variance: f64,
        observation_variance: f64,
        initial_mean: f64,
        initial_variance: f64,
    ) -> Result<Self> {
        let one = || array![[1.0]];
        Self::new(
            (array![initial_mean], array![[initial_variance]]),
            (one(), array![[level_variance]]),
            (one(), array![[observation_variance]]),
        )
    }

    /// A point in the plane that keeps its velocity but for white noise in its acceleration; its place is measured
    /// every `dt`.
    ///
    /// The state is (x₁, x₂, ẋ₁, ẋ₂). Along each axis
    ///
    /// F = \[1 dt; 0 1\], Q = q \[dt³/3 dt²/2; dt²/2 dt\], H = \[1 0\], R = r,
    ///
    /// with q = `acceleration_density` (distance² / time³) and r = `observation_variance`; z₁ ~ N(`initial_mean`,
    /// `initial_variance` I).
    ///
    /// # Errors
    /// `dt` not above 0; a variance or a density below 0, an `observation_variance` of 0, NaN or an infinity.
    ///
    /// ```
    /// use mlnotes::ssm::kalman::Kalman;
    /// use ndarray::array;
    ///
    /// // All is known and nothing pushes: half a step further at velocity (2, 4).
    /// let model = Kalman::constant_velocity(0.5, 0.0, 1.0, [0.0, 1.0, 2.0, 4.0], 0.0)?;
    /// let forecast = model.forecast(&array![[0.0, 1.0]], 1)?;
    /// assert_eq!(forecast.mean, array![[1.0, 3.0]]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: Särkkä and Svensson (2023), chapter 4, whose Q integrates the noise over a step. Noise that is
    /// constant within a step, Q = q \[dt⁴/4 dt³/2; dt³/2 dt²\] with another q, is another model.
    pub fn constant_velocity(
        dt: f64,
        acceleration_density: f64,
        observation_variance: f64,
        initial_mean: [f64; 4],
        initial_variance: f64,
    ) -> Result<Self> {
        validate::positive("dt", dt, "1")?;
        let mut transition = Array2::eye(4);
        let mut process_noise = Array2::zeros((4, 4));
        for place in 0..2 {
            let velocity = place + 2;
            transition[[place, velocity]] = dt;
            process_noise[[place, place]] = acceleration_density * dt.powi(3) / 3.0;
            process_noise[[place, velocity]] = acceleration_density * dt.powi(2) / 2.0;
            process_noise[[velocity, place]] = acceleration_density * dt.powi(2) / 2.0;
            process_noise[[velocity, velocity]] = acceleration_density * dt;
        }
        Self::new(
            (Array1::from_iter(initial_mean), Array2::eye(4) * initial_variance),
            (transition, process_noise),
            (array![[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], Array2::eye(2) * observation_variance),
        )
    }
}
