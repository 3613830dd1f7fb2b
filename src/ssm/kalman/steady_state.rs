//! How well will the state be known after a long time?

use ndarray::Array2;

use super::Kalman;
use super::model::flat;
use super::recursion::Recursion;
use crate::numerics::Cholesky;
use crate::numerics::flat::{product, product_transposed, solve_general};
use crate::{Error, Result};

/// What the filter's covariances and gain tend to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SteadyState {
    /// P = lim Cov\[z_t | y₁ … y_{t−1}\], shape (N, N).
    pub predicted_covariance: Array2<f64>,
    /// lim Cov\[z_t | y₁ … y_t\], shape (N, N).
    pub covariance: Array2<f64>,
    /// K = P Hᵀ S⁻¹ with which an innovation updates the mean, shape (N, M). (The gain of one-step prediction is F K.)
    pub gain: Array2<f64>,
    /// S = H P Hᵀ + R, shape (M, M).
    pub innovation_covariance: Array2<f64>,
}

/// 2⁶⁰ steps: what has not settled by then does not.
const DOUBLINGS: usize = 60;
/// How much one more step may change P, as a share of √(P_ii P_jj).
const RESIDUAL: f64 = 1e-9;

impl Kalman {
    /// The limit of the filter's covariances and gain when every observation is complete: the P that solves the
    /// discrete Riccati equation
    ///
    /// P = F P (I + G P)⁻¹ Fᵀ + Q, G = Hᵀ R⁻¹ H,
    ///
    /// and that the filter reaches from its own start. By doubling: what 2ᵏ steps do to any covariance P is
    /// X + Aᵀ P (I + G P)⁻¹ A, and two such stretches in a row are again one, so each iteration doubles the steps:
    ///
    /// A ← A W A, G ← G + A W G Aᵀ, X ← X + Aᵀ X W A, with W = (I + G X)⁻¹ and A = Fᵀ, X = Q for one step.
    ///
    /// # Numerics
    /// It ends when a doubling changes no entry by more than 1e-14 √(P_ii P_jj). A step of the filter from there gives
    /// the answer, and must not change P by more than 1e-9.
    ///
    /// # Errors
    /// [`Error::NotConverged`] where the covariance has no limit, say since it grows in a direction that is not
    /// observed.
    ///
    /// ```
    /// use mlnotes::ssm::kalman::Kalman;
    ///
    /// // A random walk with q = 2 and r = 1: P = P / (P + 1) + 2, so P² − 2 P − 2 = 0.
    /// let limit = Kalman::local_level(2.0, 1.0, 0.0, 10.0)?.steady_state()?;
    /// assert!((limit.predicted_covariance[[0, 0]] - (1.0 + 3.0_f64.sqrt())).abs() < 1e-14);
    /// assert!((limit.gain[[0, 0]] - (3.0_f64.sqrt() - 1.0)).abs() < 1e-14); // P / (P + 1)
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: Anderson and Moore, *Optimal Filtering* (1979), section 6.7; Chu, Fan, Lin and Wang,
    /// *Structure-preserving algorithms for periodic discrete-time algebraic Riccati equations*, International Journal
    /// of Control 77 (2004). Departure: they start from P = 0, we from the model's own P, which matters where something
    /// unstable has no noise.
    pub fn steady_state(&self) -> Result<SteadyState> {
        let (n, m) = (self.state_dimension(), self.observation_dimension());
        let mut stretch = Stretch::one_step(self);
        let start = flat(&self.initial_covariance);
        let mut limit = start.clone();
        let (mut grows, mut iterations) = (false, 0);
        while iterations < DOUBLINGS {
            iterations += 1;
            let Some(next) = stretch.apply(&start).filter(|next| next.iter().all(|entry| entry.is_finite())) else {
                break;
            };
            let change = change(&limit, &next, n);
            grows = (0..n * n).step_by(n + 1).any(|i| next[i] > (1.0 + RESIDUAL) * limit[i]);
            limit = next;
            if change <= 1e-14 || !stretch.double() {
                break;
            }
        }
        let mut step = Recursion::new(self);
        step.restart(&limit);
        let done = step.condition(&vec![0.0; m]).is_some();
        let (gain, covariance) = (step.gain.clone(), step.covariance.clone());
        let innovation_covariance = step.innovation_covariance();
        step.predict();
        let residual = if done { change(&limit, &step.predicted_covariance, n) } else { f64::NAN };
        // Steady growth is no change beside 2⁶⁰ steps of it.
        if grows || residual.is_nan() || residual > RESIDUAL {
            return Err(Error::NotConverged {
                method: "the doubling for the steady state (is every direction that is not stable observed?)",
                iterations,
                residual: if grows { f64::INFINITY } else { residual },
                tolerance: RESIDUAL,
            });
        }
        Ok(SteadyState {
            predicted_covariance: matrix(n, n, step.predicted_covariance),
            covariance: matrix(n, n, covariance),
            gain: matrix(n, m, gain),
            innovation_covariance: matrix(m, m, innovation_covariance),
        })
    }
}

fn matrix(rows: usize, columns: usize, values: Vec<f64>) -> Array2<f64> {
    Array2::from_shape_vec((rows, columns), values).unwrap_or_default()
}

/// The largest |ΔP_ij| / √(P_ii P_jj); NaN where there is one.
fn change(old: &[f64], new: &[f64], n: usize) -> f64 {
    let entry = |at: usize| {
        let (i, j) = (at / n, at % n);
        let change = (new[at] - old[at]).abs();
        if change == 0.0 { 0.0 } else { change / (new[i * (n + 1)] * new[j * (n + 1)]).sqrt() }
    };
    let larger = |largest: f64, change: f64| if largest.is_nan() || change <= largest { largest } else { change };
    (0..n * n).map(entry).fold(0.0, larger)
}

/// What some steps do to a covariance.
struct Stretch {
    n: usize,
    a: Vec<f64>,
    g: Vec<f64>,
    x: Vec<f64>,
}

impl Stretch {
    fn one_step(model: &Kalman) -> Self {
        let n = model.state_dimension();
        Self { n, a: flat(&model.transition.t()), g: information(model), x: flat(&model.process_noise) }
    }

    /// X + Aᵀ P (I + G P)⁻¹ A.
    fn apply(&self, p: &[f64]) -> Option<Vec<f64>> {
        let wa = self.solve(p, &self.a)?;
        Some(self.add(&self.x, &self.a, p, &wa))
    }

    /// `base` + Aᵀ P B, made symmetric.
    fn add(&self, base: &[f64], a: &[f64], p: &[f64], b: &[f64]) -> Vec<f64> {
        let n = self.n;
        let (mut pb, mut sum) = (vec![0.0; n * n], vec![0.0; n * n]);
        product(p, b, n, &mut pb);
        product(&transposed(a, n), &pb, n, &mut sum);
        symmetrised(&sum, n).iter().zip(base).map(|(sum, base)| sum + base).collect()
    }

    /// (I + G P)⁻¹ B.
    fn solve(&self, p: &[f64], b: &[f64]) -> Option<Vec<f64>> {
        let n = self.n;
        let mut i_gp = vec![0.0; n * n];
        product(&self.g, p, n, &mut i_gp);
        (0..n).for_each(|i| i_gp[i * n + i] += 1.0);
        let mut solution = b.to_vec();
        solve_general(&mut i_gp, n, &mut solution).then_some(solution)
    }

    /// This stretch twice; `false` where its numbers leave f64.
    fn double(&mut self) -> bool {
        let n = self.n;
        let (Some(wa), Some(wg)) = (self.solve(&self.x, &self.a), self.solve(&self.x, &self.g)) else { return false };
        let x = self.add(&self.x, &self.a, &self.x, &wa);
        // A W G Aᵀ: the outer factors are those of `add`, transposed.
        let (mut awg, mut sum, mut a) = (vec![0.0; n * n], vec![0.0; n * n], vec![0.0; n * n]);
        product(&self.a, &wg, n, &mut awg);
        product_transposed(&awg, &self.a, n, &mut sum);
        let g = symmetrised(&sum, n).iter().zip(&self.g).map(|(sum, g)| sum + g).collect();
        product(&self.a, &wa, n, &mut a);
        (self.a, self.g, self.x) = (a, g, x);
        [&self.a, &self.g, &self.x].iter().all(|matrix| matrix.iter().all(|entry| entry.is_finite()))
    }
}

/// G = Hᵀ R⁻¹ H.
fn information(model: &Kalman) -> Vec<f64> {
    let n = model.state_dimension();
    let mut g = vec![0.0; n * n];
    if let Some(cholesky) = Cholesky::new(&model.observation_noise) {
        let whitened = flat(&cholesky.inverse_lower().dot(&model.observation).t());
        product_transposed(&whitened, &whitened, model.observation_dimension(), &mut g);
    }
    g
}

fn transposed(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| a[at % n * n + at / n]).collect()
}

fn symmetrised(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| 0.5 * (a[at] + a[at % n * n + at / n])).collect()
}
