//! What an observation misses, as the model expects it.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::numerics::Cholesky;
use crate::ssm::kalman::Kalman;

/// An observation less d, with what it misses as the model expects it: y − d = g + G z + e.
pub(super) struct Filled {
    /// g + G s, shape (M).
    pub(super) mean: Array1<f64>,
    /// G (M, N) and Cov\[e\] (M, M), both 0 but for what is missing; `None` where nothing is.
    pub(super) missing: Option<(Array2<f64>, Array2<f64>)>,
}

impl Filled {
    /// `None` where nothing was observed.
    pub(super) fn new(model: &Kalman, y: ArrayView1<'_, f64>, state: ArrayView1<'_, f64>) -> Option<Self> {
        let (there, missing): (Vec<usize>, Vec<usize>) = (0..y.len()).partition(|&i| !y[i].is_nan());
        let mut mean = &y - &model.observation_offset;
        if missing.is_empty() {
            return Some(Self { mean, missing: None });
        }
        if there.is_empty() {
            return None;
        }
        let (h, r) = (&model.observation, &model.observation_noise);
        // R_uo R_oo⁻¹, for u what is missing and o the rest.
        let mut weight = Array2::from_shape_fn((missing.len(), there.len()), |(i, j)| r[[missing[i], there[j]]]);
        let cholesky = Cholesky::new(&r.select(Axis(0), &there).select(Axis(1), &there))?;
        weight.rows_mut().into_iter().filter_map(|row| row.into_slice()).for_each(|row| cholesky.solve(row));
        let known: Array1<f64> = there.iter().map(|&i| mean[i]).collect();
        let slope_there = h.select(Axis(0), &missing) - weight.dot(&h.select(Axis(0), &there));
        let filled = weight.dot(&known) + slope_there.dot(&state);
        let (mut slope, mut noise) = (Array2::zeros(h.dim()), Array2::zeros(r.dim()));
        for (i, &u) in missing.iter().enumerate() {
            mean[u] = filled[i];
            slope.row_mut(u).assign(&slope_there.row(i));
            for &v in &missing {
                let explained: f64 = there.iter().enumerate().map(|(k, &o)| weight[[i, k]] * r[[o, v]]).sum();
                noise[[u, v]] = r[[u, v]] - explained;
            }
        }
        Some(Self { mean, missing: Some((slope, noise)) })
    }
}
