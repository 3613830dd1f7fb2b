//! Which model makes these observations likely? EM for linear-Gaussian state space models.

mod filled;
mod support;

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis, s};

use super::Kalman;
use super::model::flat;
use super::smooth::Backward;
use crate::em::{Em, Fit};
use crate::numerics::Semidefinite;
use crate::{Error, Result};
use filled::Filled;
use support::Support;

/// Shumway and Stoffer's algorithm, from one or more sequences of any lengths, with entries missing anywhere.
///
/// - E: s_t = E\[z_t | y\], V_t = Cov\[z_t | y\] and Cov\[z_{t+1}, z_t | y\] ([`Kalman::smooth`]), at O(T N³);
/// - M: F and H by least squares on the expected products of states (and observations), then Q and R as the mean
///   expected squares of what they leave, m = s₁ and P = V₁, or mean and spread over the sequences' starts.
///
/// What an observation misses is hidden too: given the rest of the observation and the state it is Gaussian, and its
/// expectation, its covariance with the state and its own enter the sums for H and R. Times without any observation
/// take no part in them. c and d stay as they are.
///
/// Where Q has no spread in some direction, F and Q stay what they are there, and so do m and P where P has none: the
/// states follow such an equation exactly, so any other would have likelihood 0. The log-likelihood never falls; it is
/// a local maximum that is found. F, Q, H, R are not unique: another basis of the state space gives the same p(y), so
/// keep what has a meaning.
///
/// ```
/// use mlnotes::ssm::kalman::{Kalman, KalmanEm};
/// use ndarray::array;
///
/// // How noisy is it, if the level is known to be 2? The mean of (y − 2)².
/// let known = Kalman::local_level(0.0, 9.0, 2.0, 0.0)?;
/// let noise = KalmanEm::new().keep_initial_mean().keep_initial_covariance().keep_transition().keep_observation();
/// let fit = noise.fit(&known, &[&array![[1.0], [3.0], [f64::NAN]], &array![[6.0]]])?;
/// assert!((fit.model.observation_noise()[[0, 0]] - (1.0 + 1.0 + 16.0) / 3.0).abs() < 1e-14);
/// assert!(fit.history.is_sorted());
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Source: Shumway and Stoffer, *An approach to time series smoothing and forecasting using the EM algorithm*, Journal
/// of Time Series Analysis 3 (1982); missing entries as in Holmes, *Derivation of the EM algorithm for constrained and
/// unconstrained MARSS models*, arXiv:1302.3919 (2013).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KalmanEm {
    em: Em,
    initial_mean: bool,
    initial_covariance: bool,
    transition: bool,
    process_noise: bool,
    observation: bool,
    observation_noise: bool,
}

impl Default for KalmanEm {
    fn default() -> Self {
        Self {
            em: Em::new(),
            initial_mean: true,
            initial_covariance: true,
            transition: true,
            process_noise: true,
            observation: true,
            observation_noise: true,
        }
    }
}

impl KalmanEm {
    /// At most 100 iterations, until one gains less than 1e-3; learns m, P, F, Q, H and R.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most this many iterations.
    pub fn iterations(self, iterations: usize) -> Self {
        Self { em: self.em.iterations(iterations), ..self }
    }

    /// Ends when an iteration gains less than this, in nats; below 0 never.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { em: self.em.tolerance(tolerance), ..self }
    }

    /// Leaves m as it is.
    pub fn keep_initial_mean(self) -> Self {
        Self { initial_mean: false, ..self }
    }

    /// Leaves P as it is.
    pub fn keep_initial_covariance(self) -> Self {
        Self { initial_covariance: false, ..self }
    }

    /// Leaves F as it is.
    pub fn keep_transition(self) -> Self {
        Self { transition: false, ..self }
    }

    /// Leaves Q as it is.
    pub fn keep_process_noise(self) -> Self {
        Self { process_noise: false, ..self }
    }

    /// Leaves H as it is.
    pub fn keep_observation(self) -> Self {
        Self { observation: false, ..self }
    }

    /// Leaves R as it is.
    pub fn keep_observation_noise(self) -> Self {
        Self { observation_noise: false, ..self }
    }

    /// Learns from sequences y of shape (T, M) each; NaN is what was not observed.
    ///
    /// # Errors
    /// No sequence; what [`Kalman::smooth`] refuses; [`Error::Singular`] where R collapses, as it does where the states
    /// can explain some observation without noise.
    pub fn fit(&self, start: &Kalman, sequences: &[&ArrayRef2<f64>]) -> Result<Fit<Kalman>> {
        if sequences.is_empty() {
            return Err(Error::Empty { arg: "sequences", remedy: "give at least one sequence of observations" });
        }
        self.em.run(
            start.clone(),
            |model| {
                let expected = sequences.iter().map(|y| Ok(model.backward(model.filter(y)?)));
                let expected = expected.collect::<Result<Vec<_>>>()?;
                let objective = expected.iter().map(|each| each.smoothed.log_likelihood).sum();
                Ok((expected, objective))
            },
            |model, expected| self.maximise(model, sequences, &expected),
        )
    }

    fn maximise(&self, model: &Kalman, sequences: &[&ArrayRef2<f64>], expected: &[Backward]) -> Result<Kalman> {
        let mut next = model.clone();
        self.start(&mut next, expected);
        self.dynamics(&mut next, expected);
        self.measurement(&mut next, model, sequences, expected);
        let initial = (next.initial_mean, next.initial_covariance);
        let (transition, observation) =
            ((next.transition, next.process_noise), (next.observation, next.observation_noise));
        Kalman::new(initial, transition, observation)?.offsets(next.transition_offset, next.observation_offset)
    }

    /// m and P.
    fn start(&self, next: &mut Kalman, expected: &[Backward]) {
        let starts =
            || expected.iter().map(|each| (each.smoothed.mean.row(0), each.smoothed.covariance.index_axis(Axis(0), 0)));
        let count = expected.len() as f64;
        let support = Support::of(&next.initial_covariance);
        if self.initial_mean {
            let mean =
                starts().map(|(mean, _)| mean.to_owned()).fold(Array1::zeros(next.state_dimension()), |sum, s| sum + s)
                    / count;
            let shift = support.project((mean - &next.initial_mean).insert_axis(Axis(1)));
            next.initial_mean += &shift.column(0);
        }
        if self.initial_covariance {
            let mut sum = Array2::zeros(next.initial_covariance.dim());
            for (mean, covariance) in starts() {
                sum += &covariance;
                add_square(&mut sum, &(&mean - &next.initial_mean));
            }
            next.initial_covariance = support.project_both(sum / count);
        }
    }

    /// F and Q; where no sequence has a second time, they stay.
    fn dynamics(&self, next: &mut Kalman, expected: &[Backward]) {
        let moves: usize = expected.iter().map(|each| each.gain.shape()[0]).sum();
        if moves == 0 {
            return;
        }
        let n = next.state_dimension();
        let support = Support::of(&next.process_noise);
        let old = next.transition.clone();
        if self.transition {
            let (mut both, mut square) = (Array2::zeros((n, n)), Array2::zeros((n, n)));
            for Backward { smoothed, .. } in expected {
                let length = smoothed.mean.nrows();
                let (now, later) = (smoothed.mean.slice(s![..length - 1, ..]), smoothed.mean.slice(s![1.., ..]));
                both += &(&later - &next.transition_offset).t().dot(&now);
                both += &smoothed.cross_covariance.sum_axis(Axis(0));
                square += &now.t().dot(&now);
                square += &smoothed.covariance.slice(s![..length - 1, .., ..]).sum_axis(Axis(0));
            }
            next.transition = &old + &support.project(divided(both, &square) - &old);
        }
        if self.process_noise {
            let mut sum = Array2::zeros((n, n));
            for Backward { smoothed, gain, rest } in expected {
                for (t, (gain, rest)) in gain.outer_iter().zip(rest.outer_iter()).enumerate() {
                    let f = &next.transition;
                    let expected = f.dot(&smoothed.mean.row(t)) + &next.transition_offset;
                    add_square(&mut sum, &(&smoothed.mean.row(t + 1) - &expected));
                    // z_{t+1} − F z_t, of which z_t given z_{t+1} is J z_{t+1} and something independent: no difference
                    // of large covariances.
                    let keep = Array2::eye(n) - f.dot(&gain);
                    let later = smoothed.covariance.index_axis(Axis(0), t + 1);
                    sum += &keep.dot(&later).dot(&keep.t());
                    sum += &f.dot(&rest).dot(&f.t());
                }
            }
            next.process_noise = support.project_both(sum / moves as f64);
        }
    }

    /// H and R; where nothing was observed, they stay.
    fn measurement(&self, next: &mut Kalman, model: &Kalman, sequences: &[&ArrayRef2<f64>], expected: &[Backward]) {
        let (n, m) = (next.state_dimension(), next.observation_dimension());
        if !(self.observation || self.observation_noise) {
            return;
        }
        let mut times = Vec::new();
        for (y, Backward { smoothed, .. }) in sequences.iter().zip(expected) {
            for (y, (mean, covariance)) in
                y.rows().into_iter().zip(smoothed.mean.rows().into_iter().zip(smoothed.covariance.outer_iter()))
            {
                if let Some(filled) = Filled::new(model, y, mean) {
                    times.push((filled, mean, covariance));
                }
            }
        }
        if times.is_empty() {
            return;
        }
        if self.observation {
            let (mut both, mut square) = (Array2::zeros((m, n)), Array2::zeros((n, n)));
            for (filled, mean, covariance) in &times {
                add_product(&mut both, &filled.mean, mean);
                if let Some((slope, _)) = &filled.missing {
                    both += &slope.dot(covariance);
                }
                add_product(&mut square, mean, mean);
                square += covariance;
            }
            next.observation = divided(both, &square);
        }
        if self.observation_noise {
            let h = &next.observation;
            let mut sum = Array2::zeros((m, m));
            for (filled, mean, covariance) in &times {
                add_square(&mut sum, &(&filled.mean - &h.dot(mean)));
                let spread = match &filled.missing {
                    None => h.dot(covariance).dot(&h.t()),
                    Some((slope, noise)) => {
                        let rest = slope - h;
                        rest.dot(covariance).dot(&rest.t()) + noise
                    }
                };
                sum += &spread;
            }
            next.observation_noise = sum / times.len() as f64;
        }
    }
}

/// A B⁻¹ for a covariance B; where B is singular, one of the X with X B = A.
fn divided(mut a: Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let n = b.nrows();
    let mut factor = Semidefinite::with_size(n);
    factor.factorise(&flat(b));
    let mut row = vec![0.0; n];
    for mut target in a.rows_mut() {
        row.iter_mut().zip(&target).for_each(|(row, &value)| *row = value);
        factor.solve(&mut row);
        target.iter_mut().zip(&row).for_each(|(value, row)| *value = *row);
    }
    a
}

/// A += x xᵀ.
fn add_square(a: &mut Array2<f64>, x: &ArrayRef1<f64>) {
    add_product(a, x, x);
}

/// A += x yᵀ.
fn add_product(a: &mut Array2<f64>, x: &ArrayRef1<f64>, y: &ArrayRef1<f64>) {
    for (mut row, x) in a.rows_mut().into_iter().zip(x) {
        row.scaled_add(*x, y);
    }
}
