//! Is there any line at all with one class on each side?
//!
//! Write every sample as z = y (x, 1), with y = ±1. A boundary (w, b) separates the classes strictly exactly when
//! (w, b)·z > 0 for all of them, and by Gordan's theorem exactly one of two things is true:
//!
//! - such a (w, b) exists, or
//! - some weights λ ≥ 0 give Σ λ z = 0: the same point lies in the convex hulls of both classes.
//!
//! So we look for the point of the convex hull of the z that is nearest to the origin. If it is not the origin, it is
//! itself a separating (w, b); if it is, its weights λ name a point in which the two hulls meet.
//!
//! | code | symbol | shape |
//! | --- | --- | --- |
//! | `signed` | z, one per row | (samples, features + 1) |
//! | `nearest` | Σ λ z | (features + 1) |
//! | `corral`, `lambda` | the rows with λ > 0, and their λ | |
//!
//! Source: Wolfe, *Finding the nearest point in a polytope*, Mathematical Programming 11 (1976).

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis, s};

use super::perceptron::{check_two_classes, margins};
use crate::{Error, Result};

/// Hulls nearer than this, in features scaled to [−1, 1], count as meeting.
const TOUCHING: f64 = 1e-9;

/// The answer to [`separability`], with what proves it.
#[derive(Clone, PartialEq)]
pub enum Separability {
    /// A line (plane, hyperplane) separates the classes: y (w·x + b) > 0 for every sample.
    Separable {
        /// w.
        weights: Array1<f64>,
        /// b.
        bias: f64,
        /// The distance of the nearest sample from this boundary (not the widest margin possible).
        margin: f64,
    },
    /// No boundary does: the convex hulls of the two classes have a point in common.
    Meeting {
        /// (samples): weights ≥ 0 that sum to 1 over the samples of each class. Both weighted means are `point`.
        combination: Array1<f64>,
        /// (features): the common point.
        point: Array1<f64>,
        /// The largest difference between the two weighted means, in features scaled to [−1, 1]: at most rounding.
        gap: f64,
    },
}

impl Separability {
    /// Whether a separating boundary exists.
    pub fn is_separable(&self) -> bool {
        matches!(self, Self::Separable { .. })
    }
}

impl std::fmt::Debug for Separability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Separable { weights, bias, margin } => {
                write!(f, "Separable: w = {weights:.4}, b = {bias:.4}, margin {margin:.3e}")
            }
            Self::Meeting { point, gap, .. } => write!(f, "Meeting: both hulls hold {point:.4} (gap {gap:.1e})"),
        }
    }
}

/// Decides whether two classes are strictly linearly separable, and proves it.
///
/// # Shapes
/// - `x`: (samples, features); `y`: (samples), −1 or +1, both present.
///
/// # Errors
/// - Those of [`Perceptron::fit`](super::Perceptron::fit) for data that do not fit.
/// - [`Error::NotConverged`] when rounding lets neither proof be found: the hulls are too close to call.
///
/// # Numerics
/// Features are scaled to [−1, 1] first, which changes no answer. "Separable" is only said after the returned boundary
/// has the right sign on every sample of `x`; "meeting" when the two weighted means agree to about 1e-9.
///
/// # Source
/// Wolfe (1976); Gordan's alternative: Mangasarian, *Nonlinear Programming*, section 2.4.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// let and = array![-1.0, -1.0, -1.0, 1.0];
/// let xor = array![-1.0, 1.0, 1.0, -1.0];
/// assert!(separability(&x, &and)?.is_separable());
/// let Separability::Meeting { point, .. } = separability(&x, &xor)? else { panic!() };
/// assert!(point.iter().all(|&value| (value - 0.5).abs() < 1e-9)); // the two diagonals cross
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn separability(x: &ArrayRef2<f64>, y: &ArrayRef1<f64>) -> Result<Separability> {
    check_two_classes(x, y)?;
    let (scaled, middle, half) = to_unit_box(x);
    let mut signed = Array2::ones((x.nrows(), x.ncols() + 1));
    signed.slice_mut(s![.., ..-1]).assign(&scaled);
    signed *= &y.view().insert_axis(Axis(1));

    let (lambda, iterations) = nearest_to_origin(&signed);
    let nearest = lambda.dot(&signed);
    let weights = &nearest.slice(s![..-1]) / &half;
    let bias = nearest[x.ncols()] - weights.dot(&middle);
    let clearance = margins(&weights, bias, x)? * y.view();
    let smallest = clearance.iter().copied().fold(f64::INFINITY, f64::min);
    let length = nearest.dot(&nearest).sqrt();
    if length > TOUCHING && smallest > 0.0 {
        let margin = smallest / weights.dot(&weights).sqrt();
        return Ok(Separability::Separable { weights, bias, margin });
    }
    if length > TOUCHING {
        let method = "Wolfe's nearest point";
        return Err(Error::NotConverged { method, iterations, residual: length, tolerance: TOUCHING });
    }
    Ok(meeting(lambda, x, &scaled, y))
}

/// The proof that the hulls meet: weights that sum to 1 in each class, and the point they give.
fn meeting(lambda: Array1<f64>, x: &ArrayRef2<f64>, scaled: &Array2<f64>, y: &ArrayRef1<f64>) -> Separability {
    let share = |sign: f64| {
        let part = &lambda * &y.mapv(|label| if label == sign { 1.0 } else { 0.0 });
        let total = part.sum();
        part / total
    };
    let (positive, negative) = (share(1.0), share(-1.0));
    let gap = (positive.dot(scaled) - negative.dot(scaled)).iter().fold(0.0, |gap: f64, part| gap.max(part.abs()));
    Separability::Meeting { point: positive.dot(x), combination: positive + negative, gap }
}

/// Columns moved and scaled to [−1, 1]: (scaled, middle, half the range).
fn to_unit_box(x: &ArrayRef2<f64>) -> (Array2<f64>, Array1<f64>, Array1<f64>) {
    let low = x.fold_axis(Axis(0), f64::INFINITY, |low, &value| low.min(value));
    let high = x.fold_axis(Axis(0), f64::NEG_INFINITY, |high, &value| high.max(value));
    let middle = &low / 2.0 + &high / 2.0;
    let half = (&high / 2.0 - &low / 2.0).mapv(|half| if half > 0.0 { half } else { 1.0 });
    ((&x.view() - &middle) / &half, middle, half)
}

/// Wolfe's algorithm: the convex weights of the hull's point nearest to the origin, and the number of steps.
///
/// A major step adds the row that looks furthest towards the origin; minor steps move to the nearest point of the plane
/// through the chosen rows, dropping rows whose weight would become negative.
fn nearest_to_origin(points: &Array2<f64>) -> (Array1<f64>, usize) {
    let squares = points.map_axis(Axis(1), |row| row.dot(&row));
    let mut corral = vec![smallest(&squares)];
    let mut lambda = vec![1.0];
    let limit = 100 * (points.nrows() + points.ncols());
    for iteration in 0..limit {
        let nearest = combine(points, &corral, &lambda);
        let heights = points.dot(&nearest);
        let (next, square) = (smallest(&heights), nearest.dot(&nearest));
        let done = square.sqrt() <= TOUCHING / 10.0 || heights[next] >= square * (1.0 - 1e-9);
        if done || corral.contains(&next) {
            return (spread(points.nrows(), &corral, &lambda), iteration);
        }
        corral.push(next);
        lambda.push(0.0);
        while let Some(affine) = nearest_in_plane(points, &corral) {
            if affine.iter().all(|&weight| weight > 1e-14) {
                lambda = affine;
                break;
            }
            step_towards(&affine, &mut corral, &mut lambda);
        }
    }
    (spread(points.nrows(), &corral, &lambda), limit)
}

/// As far from `lambda` towards `affine` as no weight becomes negative; rows that reach 0 leave the corral.
fn step_towards(affine: &[f64], corral: &mut Vec<usize>, lambda: &mut Vec<f64>) {
    let reach = |(&old, &new): (&f64, &f64)| if new <= 1e-14 { old / (old - new) } else { 1.0 };
    let ratios: Vec<f64> = lambda.iter().zip(affine).map(reach).collect();
    let theta = ratios.iter().copied().fold(1.0, f64::min);
    let leaving = ratios.iter().position(|&ratio| ratio <= theta).unwrap_or(0);
    for (old, new) in lambda.iter_mut().zip(affine) {
        *old += theta * (new - *old);
    }
    lambda[leaving] = 0.0;
    let kept: Vec<bool> = lambda.iter().map(|&weight| weight > 1e-14).collect();
    let mut keep = kept.iter();
    corral.retain(|_| *keep.next().unwrap_or(&true));
    lambda.retain(|&weight| weight > 1e-14);
    let total: f64 = lambda.iter().sum();
    lambda.iter_mut().for_each(|weight| *weight /= total);
}

/// Weights, of any sign and with sum 1, of the nearest point to the origin in the plane through the chosen rows: from
/// (1 1ᵀ + Q Qᵀ) u = 1 and λ = u / Σ u. `None` if rounding makes the rows dependent.
fn nearest_in_plane(points: &Array2<f64>, corral: &[usize]) -> Option<Vec<f64>> {
    let chosen = points.select(Axis(0), corral);
    let mut matrix = chosen.dot(&chosen.t()) + 1.0;
    let mut u = Array1::<f64>::ones(corral.len());
    for column in 0..u.len() {
        let pivot =
            (column..u.len()).max_by(|&a, &b| matrix[[a, column]].abs().total_cmp(&matrix[[b, column]].abs()))?;
        if matrix[[pivot, column]].abs() <= 1e-14 {
            return None;
        }
        u.swap(column, pivot);
        (0..u.len()).for_each(|k| matrix.swap([column, k], [pivot, k]));
        for row in column + 1..u.len() {
            let factor = matrix[[row, column]] / matrix[[column, column]];
            (column..u.len()).for_each(|k| matrix[[row, k]] -= factor * matrix[[column, k]]);
            u[row] -= factor * u[column];
        }
    }
    for row in (0..u.len()).rev() {
        let known: f64 = (row + 1..u.len()).map(|k| matrix[[row, k]] * u[k]).sum();
        u[row] = (u[row] - known) / matrix[[row, row]];
    }
    let total = u.sum();
    (total > 0.0).then(|| (u / total).to_vec())
}

fn combine(points: &Array2<f64>, corral: &[usize], lambda: &[f64]) -> Array1<f64> {
    spread(points.nrows(), corral, lambda).dot(points)
}

/// The weights of all rows: `lambda` in the corral, 0 elsewhere.
fn spread(rows: usize, corral: &[usize], lambda: &[f64]) -> Array1<f64> {
    let mut all = Array1::zeros(rows);
    for (&row, &weight) in corral.iter().zip(lambda) {
        all[row] = weight;
    }
    all
}

fn smallest(values: &Array1<f64>) -> usize {
    (1..values.len()).fold(0, |best, index| if values[index] < values[best] { index } else { best })
}
