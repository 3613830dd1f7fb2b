//! What is known of the state from all observations, the later ones too?

use ndarray::{Array2, Array3, ArrayRef2};

use super::filter::{matrices, vectors};
use super::model::flat;
use super::{Filtered, Kalman};
use crate::Result;
use crate::numerics::Semidefinite;
use crate::numerics::flat::{add_congruent, dot, product, product_transposed};

/// What is known of each state from all observations.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Smoothed {
    /// E\[z_t | y\], shape (T, N).
    pub mean: Array2<f64>,
    /// Cov\[z_t | y\], shape (T, N, N).
    pub covariance: Array3<f64>,
    /// Cov\[z_{t+1}, z_t | y\], shape (T − 1, N, N): rows belong to t + 1, columns to t.
    pub cross_covariance: Array3<f64>,
    /// log p(y), natural logarithm.
    pub log_likelihood: f64,
}

/// The smoother and how it got there.
pub(super) struct Backward {
    pub(super) smoothed: Smoothed,
    /// J_t with E\[z_t | z_{t+1}, y\] = m_t + J_t (z_{t+1} − F m_t − c), shape (T − 1, N, N).
    pub(super) gain: Array3<f64>,
    /// D_t = Cov\[z_t | z_{t+1}, y\], shape (T − 1, N, N).
    pub(super) rest: Array3<f64>,
}

impl Kalman {
    /// p(z_t | y) for each t, and the covariances of neighbours: the filter forwards, then from the last time to the
    /// first, with m and C the filter's, s and V the smoother's mean and covariance,
    ///
    /// J_t = C_t Fᵀ (F C_t Fᵀ + Q)⁻¹, s_t = m_t + J_t (s_{t+1} − F m_t − c), V_t = J_t V_{t+1} J_tᵀ + D_t,
    ///
    /// where D_t = (I − J_t F) C_t (I − J_t F)ᵀ + J_t Q J_tᵀ; the cross covariance is V_{t+1} J_tᵀ. Rauch, Tung and
    /// Striebel's smoother, with the covariance as a sum of squares. O(T N³) time, O(T N²) memory.
    ///
    /// # Numerics
    /// Where F C Fᵀ + Q is singular, as it may be without noise in some direction, any generalised inverse gives the
    /// same answer; one on a largest set of independent variables is taken.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    ///
    /// ```
    /// use mlnotes::ssm::kalman::Kalman;
    /// use ndarray::array;
    ///
    /// // A level that does not move is the mean of what was measured and guessed, at all times.
    /// let smoothed = Kalman::local_level(0.0, 1.0, 0.0, 1.0)?.smooth(&array![[3.0], [6.0]])?;
    /// assert!(smoothed.mean.iter().all(|mean| (mean - 3.0).abs() < 1e-15));
    /// assert!((smoothed.cross_covariance[[0, 0, 0]] - 1.0 / 3.0).abs() < 1e-15);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: Rauch, Tung and Striebel, *Maximum likelihood estimates of linear dynamic systems*, AIAA Journal 3
    /// (1965); Särkkä and Svensson (2023), chapter 12.
    pub fn smooth(&self, y: &ArrayRef2<f64>) -> Result<Smoothed> {
        Ok(self.backward(self.filter(y)?).smoothed)
    }

    pub(super) fn backward(&self, filtered: Filtered) -> Backward {
        let (length, n) = filtered.mean.dim();
        let (moves, nn) = (length - 1, n * n);
        let predicted_mean = filtered.predicted_mean.into_raw_vec_and_offset().0;
        let predicted_covariance = filtered.predicted_covariance.into_raw_vec_and_offset().0;
        // The filter's answers, which become the smoother's from the end.
        let mut mean = filtered.mean.into_raw_vec_and_offset().0;
        let mut covariance = filtered.covariance.into_raw_vec_and_offset().0;
        let zeros = || vec![0.0; moves * nn];
        let (mut gain, mut rest, mut cross) = (zeros(), zeros(), zeros());
        let mut step = Step::new(self);
        for t in (0..moves).rev() {
            let (gain, rest) = (&mut gain[t * nn..][..nn], &mut rest[t * nn..][..nn]);
            let (now, later) = covariance[t * nn..][..2 * nn].split_at_mut(nn);
            step.prepare(now, &predicted_covariance[(t + 1) * nn..][..nn]);
            gain.copy_from_slice(&step.gain);
            rest.copy_from_slice(&step.rest);
            now.copy_from_slice(rest);
            add_congruent(gain, later, n, &mut step.scratch, now);
            product_transposed(later, gain, n, &mut cross[t * nn..][..nn]);

            let (now, later) = mean[t * n..][..2 * n].split_at_mut(n);
            let surprise = &mut step.scratch[..n];
            let predicted = &predicted_mean[(t + 1) * n..];
            surprise.iter_mut().zip(later).zip(predicted).for_each(|((s, later), p)| *s = *later - p);
            now.iter_mut().zip(gain.chunks_exact(n)).for_each(|(now, row)| *now += dot(row, surprise));
        }
        let smoothed = Smoothed {
            mean: vectors(length, n, mean),
            covariance: matrices(length, n, covariance),
            cross_covariance: matrices(moves, n, cross),
            log_likelihood: filtered.log_likelihood,
        };
        Backward { smoothed, gain: matrices(moves, n, gain), rest: matrices(moves, n, rest) }
    }
}

/// J and D of one time, which are those of the next where the filter's covariances have settled.
struct Step {
    n: usize,
    transition: Vec<f64>,
    process_noise: Vec<f64>,
    filtered: Vec<f64>,
    predicted: Vec<f64>,
    factor: Semidefinite,
    gain: Vec<f64>,
    rest: Vec<f64>,
    keep: Vec<f64>,
    scratch: Vec<f64>,
}

impl Step {
    fn new(model: &Kalman) -> Self {
        let n = model.state_dimension();
        let unknown = || vec![f64::NAN; n * n];
        Self {
            n,
            transition: flat(&model.transition),
            process_noise: flat(&model.process_noise),
            filtered: unknown(),
            predicted: unknown(),
            factor: Semidefinite::with_size(n),
            gain: unknown(),
            rest: unknown(),
            keep: unknown(),
            scratch: unknown(),
        }
    }

    /// For the filter's covariance at a time and its prediction of the next.
    fn prepare(&mut self, filtered: &[f64], predicted: &[f64]) {
        if self.filtered == filtered && self.predicted == predicted {
            return;
        }
        self.filtered.copy_from_slice(filtered);
        self.predicted.copy_from_slice(predicted);
        let Self { n, transition, process_noise, factor, gain, rest, keep, scratch, .. } = self;
        let n = *n;
        product_transposed(filtered, transition, n, gain);
        factor.factorise(predicted);
        gain.chunks_exact_mut(n).for_each(|row| factor.solve(row));
        product(gain, transition, n, keep);
        keep.iter_mut().for_each(|jf| *jf = -*jf);
        (0..n).for_each(|i| keep[i * n + i] += 1.0);
        rest.fill(0.0);
        add_congruent(keep, filtered, n, scratch, rest);
        add_congruent(gain, process_noise, n, scratch, rest);
    }
}
