//! The model itself.

use ndarray::{Array1, Array2, ArrayRef2};

use crate::numerics::{Cholesky, Semidefinite, is_symmetric};
use crate::{Error, Result, validate};

/// A linear-Gaussian state space model with a state of N dimensions and observations of M.
///
/// ```
/// use mlnotes::ssm::kalman::Kalman;
/// use ndarray::array;
///
/// // One number that never changes, drawn from N(0, 1) and measured twice with variance 1.
/// let model = Kalman::new(
///     (array![0.0], array![[1.0]]),
///     (array![[1.0]], array![[0.0]]),
///     (array![[1.0]], array![[1.0]]),
/// )?;
/// let filtered = model.filter(&array![[3.0], [6.0]])?;
/// assert!((filtered.mean[[0, 0]] - 1.5).abs() < 1e-15); // halfway between the guess and the measurement
/// assert!((filtered.mean[[1, 0]] - 3.0).abs() < 1e-15); // (0 + 3 + 6) / 3
/// assert!((filtered.covariance[[1, 0, 0]] - 1.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Kalman {
    pub(super) initial_mean: Array1<f64>,
    pub(super) initial_covariance: Array2<f64>,
    pub(super) transition: Array2<f64>,
    pub(super) transition_offset: Array1<f64>,
    pub(super) process_noise: Array2<f64>,
    pub(super) observation: Array2<f64>,
    pub(super) observation_offset: Array1<f64>,
    pub(super) observation_noise: Array2<f64>,
}

impl Kalman {
    /// From the three distributions: (m, P) of z₁, (F, Q) of z_{t+1} given z_t, (H, R) of y_t given z_t. The offsets
    /// are 0.
    ///
    /// # Errors
    /// No dimension, shapes that disagree, NaN or an infinity; P or Q not symmetric and positive semi-definite;
    /// [`Error::Singular`] where R is not symmetric and positive definite. What misses by 1e-9 of the variances passes
    /// as rounding.
    pub fn new(
        (initial_mean, initial_covariance): (Array1<f64>, Array2<f64>),
        (transition, process_noise): (Array2<f64>, Array2<f64>),
        (observation, observation_noise): (Array2<f64>, Array2<f64>),
    ) -> Result<Self> {
        let (n, m) = (initial_mean.len(), observation.nrows());
        if n == 0 {
            return Err(Error::Empty { arg: "initial_mean", remedy: "give one number per dimension of the state" });
        }
        if m == 0 {
            return Err(Error::Empty { arg: "observation", remedy: "give one row per number that is observed" });
        }
        let of_state = format!("({n}, {n}), as `initial_mean` has {n} entries,");
        shape("initial_covariance", &initial_covariance, (n, n), &of_state)?;
        shape("transition", &transition, (n, n), &of_state)?;
        shape("process_noise", &process_noise, (n, n), &of_state)?;
        shape("observation", &observation, (m, n), &format!("({m}, {n}), one column per dimension of the state,"))?;
        let of_observation = format!("({m}, {m}), as `observation` has {m} rows,");
        shape("observation_noise", &observation_noise, (m, m), &of_observation)?;
        validate::finite("initial_mean", &initial_mean)?;
        validate::finite("transition", &transition)?;
        validate::finite("observation", &observation)?;
        Ok(Self {
            initial_covariance: semidefinite("initial_covariance", initial_covariance)?,
            process_noise: semidefinite("process_noise", process_noise)?,
            observation_noise: definite("observation_noise", observation_noise)?,
            transition_offset: Array1::zeros(n),
            observation_offset: Array1::zeros(m),
            initial_mean,
            transition,
            observation,
        })
    }

    /// The same with c (N), added to the state at each step, and d (M), added to each observation.
    ///
    /// # Errors
    /// Other lengths, NaN or an infinity.
    ///
    /// ```
    /// use mlnotes::ssm::kalman::Kalman;
    /// use ndarray::array;
    ///
    /// // A level that rises by 2 a step, seen 100 too high.
    /// let rising = Kalman::local_level(0.0, 1.0, 0.0, 0.0)?.offsets(array![2.0], array![100.0])?;
    /// let forecast = rising.forecast(&array![[100.0]], 3)?;
    /// assert_eq!(forecast.mean, array![[102.0], [104.0], [106.0]]);
    /// assert!(Kalman::local_level(0.0, 1.0, 0.0, 0.0)?.offsets(array![2.0, 1.0], array![0.0]).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn offsets(self, transition_offset: Array1<f64>, observation_offset: Array1<f64>) -> Result<Self> {
        let length = |arg, got: &Array1<f64>, needed: usize| {
            if got.len() == needed {
                validate::finite(arg, got)
            } else {
                Err(Error::shape(arg, format!("({needed}), one number per dimension,"), got.shape()))
            }
        };
        length("transition_offset", &transition_offset, self.state_dimension())?;
        length("observation_offset", &observation_offset, self.observation_dimension())?;
        Ok(Self { transition_offset, observation_offset, ..self })
    }

    /// N.
    pub fn state_dimension(&self) -> usize {
        self.initial_mean.len()
    }

    /// M.
    pub fn observation_dimension(&self) -> usize {
        self.observation.nrows()
    }

    /// m, shape (N).
    pub fn initial_mean(&self) -> &Array1<f64> {
        &self.initial_mean
    }

    /// P, shape (N, N).
    pub fn initial_covariance(&self) -> &Array2<f64> {
        &self.initial_covariance
    }

    /// F, shape (N, N).
    pub fn transition(&self) -> &Array2<f64> {
        &self.transition
    }

    /// c, shape (N).
    pub fn transition_offset(&self) -> &Array1<f64> {
        &self.transition_offset
    }

    /// Q, shape (N, N).
    pub fn process_noise(&self) -> &Array2<f64> {
        &self.process_noise
    }

    /// H, shape (M, N).
    pub fn observation(&self) -> &Array2<f64> {
        &self.observation
    }

    /// d, shape (M).
    pub fn observation_offset(&self) -> &Array1<f64> {
        &self.observation_offset
    }

    /// R, shape (M, M).
    pub fn observation_noise(&self) -> &Array2<f64> {
        &self.observation_noise
    }

    /// At least one row of M numbers, none infinite; NaN is what is missing, but not everywhere.
    pub(super) fn validate(&self, y: &ArrayRef2<f64>) -> Result<()> {
        if y.nrows() == 0 {
            return Err(Error::Empty { arg: "y", remedy: "give at least one row, one time per row" });
        }
        if y.ncols() != self.observation_dimension() {
            let expected = format!("(times, {}), one column per row of `observation`,", self.observation_dimension());
            return Err(Error::shape("y", expected, y.shape()));
        }
        if y.iter().all(|value| value.is_nan()) {
            let remedy = "every entry is missing (NaN), give at least one observation";
            return Err(Error::Empty { arg: "y", remedy });
        }
        if !y.iter().any(|value| value.is_infinite()) {
            return Ok(());
        }
        match y.indexed_iter().find(|(_, value)| value.is_infinite()) {
            None => Ok(()),
            Some(((t, j), value)) => {
                Err(Error::domain("y", format!("{value} at [{t}, {j}]"), "finite, or NaN where nothing was observed"))
            }
        }
    }
}

fn shape(arg: &'static str, got: &Array2<f64>, needed: (usize, usize), expected: &str) -> Result<()> {
    if got.dim() == needed { Ok(()) } else { Err(Error::shape(arg, expected, got.shape())) }
}

/// Made exactly symmetric, where it is but for rounding.
fn symmetric(a: Array2<f64>) -> Option<Array2<f64>> {
    is_symmetric(&a).then(|| Array2::from_shape_fn(a.dim(), |(i, j)| 0.5 * a[[i, j]] + 0.5 * a[[j, i]]))
}

fn semidefinite(arg: &'static str, a: Array2<f64>) -> Result<Array2<f64>> {
    validate::finite(arg, &a)?;
    symmetric(a).filter(|a| factor(a).is_some()).ok_or_else(|| {
        Error::domain(
            arg,
            "no covariance",
            "symmetric and positive semi-definite: no variance below 0, no correlation beyond ±1, no combination of \
             variables with less spread than none",
        )
    })
}

fn definite(arg: &'static str, a: Array2<f64>) -> Result<Array2<f64>> {
    validate::finite(arg, &a)?;
    symmetric(a).filter(|a| Cholesky::new(a).is_some()).ok_or_else(|| Error::Singular {
        what: format!("`{arg}`"),
        remedy: "give every observation some noise of its own, however small",
    })
}

/// The factor of a covariance.
pub(super) fn factor(a: &ArrayRef2<f64>) -> Option<Semidefinite> {
    Semidefinite::new(&flat(a), a.nrows())
}

/// B with B Bᵀ = A, for an A that [`Kalman::new`] let pass.
pub(super) fn root(a: &ArrayRef2<f64>) -> Array2<f64> {
    factor(a).map_or_else(|| Array2::zeros(a.dim()), |factor| factor.root())
}

/// The same of R: its triangle.
pub(super) fn positive_root(a: &ArrayRef2<f64>) -> Array2<f64> {
    Cholesky::new(a).map_or_else(|| Array2::zeros(a.dim()), |cholesky| cholesky.lower().clone())
}

/// Row after row.
pub(super) fn flat(a: &ArrayRef2<f64>) -> Vec<f64> {
    a.iter().copied().collect()
}
