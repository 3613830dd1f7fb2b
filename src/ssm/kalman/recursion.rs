//! The filter's step on flat slices: nothing is allocated from one step to the next.

use super::Kalman;
use super::model::flat;
use crate::numerics::flat::{
    add_congruent, affine, cholesky, dot, product, product_transposed, solve_lower, solve_lower_transposed,
};

/// The covariance no longer changes where no entry moves by more than this share of √(P_ii P_jj), some units in the last
/// place. What is still to come is below this times the number of steps over which the filter forgets.
const SETTLED: f64 = 1e-14;

/// What is known of the state before and after each observation.
pub(super) struct Recursion {
    n: usize,
    transition: Vec<f64>,
    transition_offset: Vec<f64>,
    process_noise: Vec<f64>,
    /// H, d, R of all entries of an observation, and of those that are there.
    whole: Observation,
    part: Observation,
    /// E\[z_t | y₁ … y_{t−1}\] and its covariance.
    pub(super) predicted_mean: Vec<f64>,
    pub(super) predicted_covariance: Vec<f64>,
    /// E\[z_t | y₁ … y_t\] and its covariance.
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Vec<f64>,
    /// K = P Hᵀ S⁻¹, and L of S = H P Hᵀ + R = L Lᵀ.
    pub(super) gain: Vec<f64>,
    innovation_root: Vec<f64>,
    /// −½ (M log 2π + log det S).
    log_constant: f64,
    innovation: Vec<f64>,
    next: Vec<f64>,
    scratch: [Vec<f64>; 2],
    /// Whether the last observation had all its entries.
    complete: bool,
    /// Whether gain and covariances stay as they are while observations are complete.
    settled: bool,
}

/// H, d and R, and room for a row of y.
struct Observation {
    matrix: Vec<f64>,
    offset: Vec<f64>,
    noise: Vec<f64>,
    y: Vec<f64>,
}

impl Observation {
    /// Takes those entries of `whole` for which `y` has a number.
    fn select(&mut self, whole: &Self, n: usize, y: &[f64]) {
        let there = || y.iter().enumerate().filter(|(_, y)| !y.is_nan()).map(|(i, _)| i);
        [&mut self.matrix, &mut self.offset, &mut self.noise, &mut self.y].into_iter().for_each(Vec::clear);
        for i in there() {
            self.matrix.extend_from_slice(&whole.matrix[i * n..][..n]);
            self.offset.push(whole.offset[i]);
            self.noise.extend(there().map(|j| whole.noise[i * y.len() + j]));
            self.y.push(y[i]);
        }
    }
}

impl Recursion {
    pub(super) fn new(model: &Kalman) -> Self {
        let (n, m) = (model.state_dimension(), model.observation_dimension());
        let whole = Observation {
            matrix: flat(&model.observation),
            offset: model.observation_offset.to_vec(),
            noise: flat(&model.observation_noise),
            y: Vec::new(),
        };
        let room = |length| Vec::with_capacity(length);
        Self {
            n,
            transition: flat(&model.transition),
            transition_offset: model.transition_offset.to_vec(),
            process_noise: flat(&model.process_noise),
            whole,
            part: Observation { matrix: room(m * n), offset: room(m), noise: room(m * m), y: room(m) },
            predicted_mean: model.initial_mean.to_vec(),
            predicted_covariance: flat(&model.initial_covariance),
            mean: vec![0.0; n],
            covariance: vec![0.0; n * n],
            gain: vec![0.0; n * m],
            innovation_root: vec![0.0; m * m],
            log_constant: 0.0,
            innovation: vec![0.0; m],
            next: vec![0.0; n * n],
            scratch: [vec![0.0; n * n.max(m)], vec![0.0; n * n.max(m)]],
            complete: false,
            settled: false,
        }
    }

    /// Takes a row of y in; returns log p(y_t | y₁ … y_{t−1}), or `None` where S is not positive definite in f64.
    pub(super) fn condition(&mut self, y: &[f64]) -> Option<f64> {
        self.complete = !y.iter().any(|y| y.is_nan());
        self.settled &= self.complete;
        if !self.complete {
            self.part.select(&self.whole, self.n, y);
            if self.part.y.is_empty() {
                self.mean.copy_from_slice(&self.predicted_mean);
                self.covariance.copy_from_slice(&self.predicted_covariance);
                return Some(0.0);
            }
        }
        if !self.settled && !self.condition_covariance() {
            return None;
        }
        Some(self.condition_mean(y))
    }

    /// K, L and P⁺ = (I − K H) P (I − K H)ᵀ + K R Kᵀ: Joseph's form, a sum of squares whatever the rounding of K.
    fn condition_covariance(&mut self) -> bool {
        let Self { n, part, whole, predicted_covariance, covariance, gain, innovation_root, scratch, .. } = self;
        let seen = if self.complete { &*whole } else { &*part };
        let (n, m) = (*n, seen.offset.len());
        let (gain, root) = (&mut gain[..n * m], &mut innovation_root[..m * m]);
        let [left, right] = scratch;
        root.copy_from_slice(&seen.noise);
        add_congruent(&seen.matrix, predicted_covariance, n, &mut left[..m * n], root);
        if !cholesky(root, m) {
            return false;
        }
        let log_root: f64 = (0..m).map(|i| root[i * m + i].ln()).sum();
        self.log_constant = -0.5 * m as f64 * (2.0 * std::f64::consts::PI).ln() - log_root;
        product_transposed(predicted_covariance, &seen.matrix, n, gain);
        for row in gain.chunks_exact_mut(m) {
            solve_lower(root, m, row);
            solve_lower_transposed(root, m, row);
        }
        let keep = &mut left[..n * n];
        product(gain, &seen.matrix, n, keep);
        keep.iter_mut().for_each(|kh| *kh = -*kh);
        (0..n).for_each(|i| keep[i * n + i] += 1.0);
        covariance.fill(0.0);
        add_congruent(keep, predicted_covariance, n, &mut right[..n * n], covariance);
        add_congruent(gain, &seen.noise, m, &mut right[..n * m], covariance);
        true
    }

    /// E + K (y − H E − d), and the density of y.
    fn condition_mean(&mut self, y: &[f64]) -> f64 {
        let Self { part, whole, predicted_mean, mean, gain, innovation_root, innovation, .. } = self;
        let (seen, y) = if self.complete { (&*whole, y) } else { (&*part, &part.y[..]) };
        let m = y.len();
        let innovation = &mut innovation[..m];
        affine(&seen.matrix, predicted_mean, &seen.offset, innovation);
        innovation.iter_mut().zip(y).for_each(|(v, y)| *v = y - *v);
        affine(&gain[..predicted_mean.len() * m], innovation, predicted_mean, mean);
        solve_lower(&innovation_root[..m * m], m, innovation);
        self.log_constant - 0.5 * dot(innovation, innovation)
    }

    /// On to the next time: F E + c and F P Fᵀ + Q.
    pub(super) fn predict(&mut self) {
        affine(&self.transition, &self.mean, &self.transition_offset, &mut self.predicted_mean);
        if self.settled {
            return;
        }
        let n = self.n;
        self.next.copy_from_slice(&self.process_noise);
        add_congruent(&self.transition, &self.covariance, n, &mut self.scratch[0][..n * n], &mut self.next);
        self.settled = self.complete && self.agrees();
        std::mem::swap(&mut self.next, &mut self.predicted_covariance);
    }

    /// Whether the predicted covariance and the next are the same but for rounding: see [`SETTLED`].
    fn agrees(&self) -> bool {
        let (n, old, new) = (self.n, &self.predicted_covariance, &self.next);
        (0..n).all(|i| {
            (0..=i).all(|j| {
                let change = new[i * n + j] - old[i * n + j];
                change * change <= SETTLED * SETTLED * new[i * n + i] * new[j * n + j]
            })
        })
    }

    /// Puts other numbers in place of the predicted covariance.
    pub(super) fn restart(&mut self, covariance: &[f64]) {
        self.predicted_covariance.copy_from_slice(covariance);
        self.settled = false;
    }

    /// S = L Lᵀ of the last observation, if it was complete.
    pub(super) fn innovation_covariance(&self) -> Vec<f64> {
        let m = self.whole.offset.len();
        let entry = |i: usize, j: usize| {
            let k = i.min(j) + 1;
            dot(&self.innovation_root[i * m..][..k], &self.innovation_root[j * m..][..k])
        };
        (0..m * m).map(|at| entry(at / m, at % m)).collect()
    }
}
