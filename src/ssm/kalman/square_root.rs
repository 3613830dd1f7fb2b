//! What if the noise is so small that a covariance loses it? The filter on square roots.

use ndarray::{Array2, Array3, ArrayRef2, Axis};

use super::Kalman;
use super::filter::{Filtered, beyond, is_finite, matrices, vectors};
use super::model::{flat, positive_root, root};
use crate::Result;
use crate::numerics::flat::{affine, dot, product, solve_lower, triangularise};
use crate::numerics::row_major;

/// As [`Filtered`], with lower triangular B in place of the covariances B Bᵀ.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SquareRoots {
    /// E\[z_t | y₁ … y_{t−1}\], shape (T, N).
    pub predicted_mean: Array2<f64>,
    /// B with B Bᵀ = Cov\[z_t | y₁ … y_{t−1}\], shape (T, N, N).
    pub predicted_root: Array3<f64>,
    /// E\[z_t | y₁ … y_t\], shape (T, N).
    pub mean: Array2<f64>,
    /// B with B Bᵀ = Cov\[z_t | y₁ … y_t\], shape (T, N, N).
    pub root: Array3<f64>,
    /// log p(y), natural logarithm.
    pub log_likelihood: f64,
}

impl SquareRoots {
    /// The covariances multiplied out.
    pub fn filtered(&self) -> Filtered {
        Filtered {
            predicted_mean: self.predicted_mean.clone(),
            predicted_covariance: multiplied(&self.predicted_root),
            mean: self.mean.clone(),
            covariance: multiplied(&self.root),
            log_likelihood: self.log_likelihood,
        }
    }
}

fn multiplied(roots: &Array3<f64>) -> Array3<f64> {
    let mut covariances = Array3::zeros(roots.dim());
    for (mut covariance, root) in covariances.axis_iter_mut(Axis(0)).zip(roots.axis_iter(Axis(0))) {
        covariance.assign(&root.dot(&root.t()));
    }
    covariances
}

impl Kalman {
    /// What [`filter`](Self::filter) gives, with each covariance as the product of a triangle with itself. Both steps
    /// turn an array of roots into a triangle by rotations from the right (Θ), which leave its product with its
    /// transpose as it is:
    ///
    /// - update: \[R^½ H B; 0 B\] Θ = \[S^½ 0; K̄ B⁺\], with S = H P Hᵀ + R and K = K̄ S^−½;
    /// - prediction: \[F B⁺ Q^½\] Θ = \[B 0\].
    ///
    /// # Numerics
    /// No covariance is formed: rounding is a share of standard deviations, not of variances. So it stays right for
    /// measurements so precise that H P Hᵀ + R is H P Hᵀ in f64. It takes somewhat longer, and much longer once the
    /// covariance has settled, of which this form makes no use.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    ///
    /// ```
    /// use mlnotes::ssm::kalman::Kalman;
    /// use ndarray::array;
    ///
    /// let walk = Kalman::local_level(7.0, 16.0, 0.0, 9.0)?;
    /// let roots = walk.filter_square_root(&array![[50.0], [f64::NAN]])?;
    /// assert!((roots.mean[[0, 0]] - 18.0).abs() < 1e-13); // 50 · 9 / 25
    /// assert!((roots.root[[0, 0, 0]] - 2.4).abs() < 1e-15); // √(9 · 16 / 25)
    /// assert!((roots.predicted_root[[1, 0, 0]] - (5.76_f64 + 7.0).sqrt()).abs() < 1e-15);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: Kailath, Sayed and Hassibi, *Linear Estimation* (2000), chapter 12.
    pub fn filter_square_root(&self, y: &ArrayRef2<f64>) -> Result<SquareRoots> {
        self.validate(y)?;
        let (length, n) = (y.nrows(), self.state_dimension());
        let mut now = Roots::new(self);
        let room = |width: usize| Vec::with_capacity(length * width);
        let (mut predicted_mean, mut predicted_root, mut mean, mut root) = (room(n), room(n * n), room(n), room(n * n));
        let mut log_likelihood = 0.0;
        for (t, row) in row_major(y).chunks_exact(self.observation_dimension()).enumerate() {
            predicted_mean.extend_from_slice(&now.mean);
            predicted_root.extend_from_slice(&now.root);
            log_likelihood += now.condition(row);
            if !is_finite(log_likelihood, &now.root, n) {
                return Err(beyond(t));
            }
            mean.extend_from_slice(&now.mean);
            root.extend_from_slice(&now.root);
            now.predict();
        }
        Ok(SquareRoots {
            predicted_mean: vectors(length, n, predicted_mean),
            predicted_root: matrices(length, n, predicted_root),
            mean: vectors(length, n, mean),
            root: matrices(length, n, root),
            log_likelihood,
        })
    }
}

/// What is known of the state, as a mean and a root.
struct Roots {
    transition: Vec<f64>,
    transition_offset: Vec<f64>,
    observation: Vec<f64>,
    observation_offset: Vec<f64>,
    process_root: Vec<f64>,
    observation_root: Vec<f64>,
    mean: Vec<f64>,
    root: Vec<f64>,
    next: Vec<f64>,
    innovation: Vec<f64>,
    product: Vec<f64>,
    array: Vec<f64>,
}

impl Roots {
    fn new(model: &Kalman) -> Self {
        let (n, m) = (model.state_dimension(), model.observation_dimension());
        let mut initial = flat(&root(&model.initial_covariance));
        triangularise(&mut initial, n);
        Self {
            transition: flat(&model.transition),
            transition_offset: model.transition_offset.to_vec(),
            observation: flat(&model.observation),
            observation_offset: model.observation_offset.to_vec(),
            process_root: flat(&root(&model.process_noise)),
            observation_root: flat(&positive_root(&model.observation_noise)),
            mean: model.initial_mean.to_vec(),
            root: initial,
            next: vec![0.0; n],
            innovation: Vec::with_capacity(m),
            product: vec![0.0; n * n.max(m)],
            array: Vec::with_capacity((n + m) * (n + m)),
        }
    }

    /// Takes a row of y in; returns log p(y_t | y₁ … y_{t−1}).
    fn condition(&mut self, y: &[f64]) -> f64 {
        let (n, whole) = (self.mean.len(), y.len());
        self.innovation.clear();
        self.array.clear();
        let product_of_all = &mut self.product[..whole * n];
        product(&self.observation, &self.root, n, product_of_all);
        for (i, y) in y.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            let expected = self.observation_offset[i] + dot(&self.observation[i * n..][..n], &self.mean);
            self.innovation.push(y - expected);
            // A part of R has these rows of R^½ for its root, which are as wide as the whole.
            self.array.extend_from_slice(&self.observation_root[i * whole..][..whole]);
            self.array.extend_from_slice(&product_of_all[i * n..][..n]);
        }
        let m = self.innovation.len();
        if m == 0 {
            return 0.0;
        }
        let columns = whole + n;
        for row in self.root.chunks_exact(n) {
            self.array.extend(std::iter::repeat_n(0.0, whole));
            self.array.extend_from_slice(row);
        }
        triangularise(&mut self.array, columns);
        let (upper, lower) = self.array.split_at(m * columns);
        solve_lower(upper, columns, &mut self.innovation);
        for ((mean, row), root) in
            self.mean.iter_mut().zip(lower.chunks_exact(columns)).zip(self.root.chunks_exact_mut(n))
        {
            *mean += dot(&row[..m], &self.innovation);
            root.copy_from_slice(&row[m..m + n]);
        }
        let log_root: f64 = (0..m).map(|i| upper[i * columns + i].ln()).sum();
        -0.5 * (m as f64 * (2.0 * std::f64::consts::PI).ln() + dot(&self.innovation, &self.innovation)) - log_root
    }

    fn predict(&mut self) {
        let n = self.mean.len();
        affine(&self.transition, &self.mean, &self.transition_offset, &mut self.next);
        std::mem::swap(&mut self.mean, &mut self.next);
        let moved = &mut self.product[..n * n];
        product(&self.transition, &self.root, n, moved);
        self.array.clear();
        for (moved, noise) in moved.chunks_exact(n).zip(self.process_root.chunks_exact(n)) {
            self.array.extend_from_slice(moved);
            self.array.extend_from_slice(noise);
        }
        triangularise(&mut self.array, 2 * n);
        for (root, row) in self.root.chunks_exact_mut(n).zip(self.array.chunks_exact(2 * n)) {
            root.copy_from_slice(&row[..n]);
        }
    }
}
