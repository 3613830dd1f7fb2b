//! Linear-Gaussian state space models: one joint Gaussian of all times, closed forms, statsmodels, filterpy, pykalman,
//! SciPy, and noise at the edge of f64.

use mlnotes::data::nile;
use mlnotes::prelude::*;
use mlnotes::ssm::kalman::{Filtered, Kalman, KalmanEm, Smoothed};

use crate::{assert_close, message};

const NOTHING: f64 = f64::NAN;

/// A covariance of that rank.
fn covariance(random: &mut RandomState, n: usize, rank: usize) -> Array2<f64> {
    let root: Array2<f64> = random.normal_array((n, rank));
    root.dot(&root.t())
}

/// A model with noise in `rank` directions of its state.
fn example(n: usize, m: usize, rank: usize, random: &mut RandomState) -> Kalman {
    let initial = (random.normal_array(n), covariance(random, n, rank));
    let transition = (random.normal_array((n, n)) * 0.6, covariance(random, n, rank));
    let observation = (random.normal_array((m, n)), covariance(random, m, m) + Array2::<f64>::eye(m) * 0.1);
    let offsets = (random.normal_array(n), random.normal_array(m));
    Kalman::new(initial, transition, observation).unwrap().offsets(offsets.0, offsets.1).unwrap()
}

/// Data of the model, of which a share is lost.
fn observed(model: &Kalman, length: usize, lost: f64, random: &mut RandomState) -> Array2<f64> {
    let (_, mut y) = model.sample(length, random).unwrap();
    y.mapv_inplace(|y| if random.uniform() < lost { NOTHING } else { y });
    y
}

/// A⁻¹ and log |det A|, by Gauss and Jordan.
fn inverse(a: &Array2<f64>) -> (Array2<f64>, f64) {
    let n = a.nrows();
    let (mut a, mut inverse, mut log_determinant) = (a.clone(), Array2::eye(n), 0.0);
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[[i, k]].abs().total_cmp(&a[[j, k]].abs())).unwrap();
        for matrix in [&mut a, &mut inverse] {
            (0..n).for_each(|j| matrix.swap([k, j], [pivot, j]));
        }
        let head = a[[k, k]];
        log_determinant += f64::ln(head.abs());
        for matrix in [&mut a, &mut inverse] {
            matrix.row_mut(k).mapv_inplace(|entry| entry / head);
        }
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[[i, k]];
            for matrix in [&mut a, &mut inverse] {
                let row = matrix.row(k).to_owned();
                matrix.row_mut(i).scaled_add(-factor, &row);
            }
        }
    }
    (inverse, log_determinant)
}

/// The Gaussian of z₁ … z_T and y₁ … y_T, in this order.
struct Joint {
    mean: Array1<f64>,
    covariance: Array2<f64>,
    states: usize,
}

impl Joint {
    /// By the definition: z and y are an affine function of z₁ and all the noise, which are independent.
    fn new(model: &Kalman, length: usize) -> Self {
        let (n, m) = (model.state_dimension(), model.observation_dimension());
        let (states, all) = (length * n, length * (n + m));
        // Noise in the same order: z₁ and w₁ … w_{T−1}, then v₁ … v_T.
        let (mut map, mut noise) = (Array2::zeros((all, all)), Array2::zeros((all, all)));
        let mut mean = Array1::zeros(all);
        for t in 0..length {
            let (now, y) = (t * n..(t + 1) * n, states + t * m..states + (t + 1) * m);
            map.slice_mut(s![now.clone(), now.clone()]).assign(&Array2::eye(n));
            map.slice_mut(s![y.clone(), y.clone()]).assign(&Array2::eye(m));
            if t == 0 {
                mean.slice_mut(s![..n]).assign(model.initial_mean());
                noise.slice_mut(s![..n, ..n]).assign(model.initial_covariance());
            } else {
                let before = (t - 1) * n..t * n;
                let moved = model.transition().dot(&map.slice(s![before.clone(), ..]));
                let mut rows = map.slice_mut(s![now.clone(), ..]);
                rows += &moved;
                let expected = model.transition().dot(&mean.slice(s![before])) + model.transition_offset();
                mean.slice_mut(s![now.clone()]).assign(&expected);
                noise.slice_mut(s![now.clone(), now.clone()]).assign(model.process_noise());
            }
            let seen = model.observation().dot(&map.slice(s![now.clone(), ..]));
            let mut rows = map.slice_mut(s![y.clone(), ..]);
            rows += &seen;
            let expected = model.observation().dot(&mean.slice(s![now])) + model.observation_offset();
            mean.slice_mut(s![y.clone()]).assign(&expected);
            noise.slice_mut(s![y.clone(), y]).assign(model.observation_noise());
        }
        Self { mean, covariance: map.dot(&noise).dot(&map.t()), states }
    }

    /// Mean and covariance of everything given what was observed, and its log density.
    fn given(&self, y: &Array2<f64>) -> (Array1<f64>, Array2<f64>, f64) {
        let there: Vec<usize> = (0..y.len()).filter(|&i| !y.flatten()[i].is_nan()).collect();
        let rows: Vec<usize> = there.iter().map(|i| self.states + i).collect();
        let surprise: Array1<f64> = there.iter().map(|&i| y.flatten()[i] - self.mean[self.states + i]).collect();
        let with = self.covariance.select(Axis(1), &rows);
        let (precision, log_determinant) = inverse(&with.select(Axis(0), &rows));
        let gain = with.dot(&precision);
        let square = surprise.dot(&precision.dot(&surprise));
        let log_density = -0.5 * (rows.len() as f64 * (2.0 * std::f64::consts::PI).ln() + log_determinant + square);
        (&self.mean + &gain.dot(&surprise), &self.covariance - &gain.dot(&with.t()), log_density)
    }
}

/// y up to a time, nothing after it.
fn until(y: &Array2<f64>, t: usize) -> Array2<f64> {
    let mut y = y.clone();
    y.slice_mut(s![t.., ..]).fill(NOTHING);
    y
}

/// Planted: K R Kᵀ left out of Joseph's form; d and R of the first entries for those of the ones that are there; F for
/// Fᵀ in J; the cross covariance transposed; Q left out of D; Q^½ left out of the square-root form; the pivots' order
/// forgotten in a root; L's rows not exchanged with the pivots.
#[test]
fn every_answer_is_the_joint_gaussians() {
    let mut random = RandomState::new(3);
    for (n, m, rank, length, lost) in [
        (2, 1, 2, 7, 0.0),
        (3, 2, 3, 6, 0.3),
        (3, 2, 1, 6, 0.3),
        (4, 3, 2, 5, 0.6),
        (1, 1, 1, 1, 0.0),
        (2, 3, 2, 4, 0.0),
        (10, 2, 10, 3, 0.2),
    ] {
        let model = example(n, m, rank, &mut random);
        let y = observed(&model, length, lost, &mut random);
        let joint = Joint::new(&model, length);
        let (mean, covariance, log_density) = joint.given(&y);
        let block = |covariance: &Array2<f64>, s: usize, t: usize| {
            covariance.slice(s![s * n..(s + 1) * n, t * n..(t + 1) * n]).to_owned()
        };

        let Smoothed { mean: got_mean, covariance: got, cross_covariance, log_likelihood, .. } =
            model.smooth(&y).unwrap();
        assert!((log_likelihood - log_density).abs() < 1e-10);
        assert_eq!(model.log_likelihood(&y).unwrap(), log_likelihood);
        for t in 0..length {
            assert_close(&got_mean.row(t), &mean.slice(s![t * n..(t + 1) * n]), 1e-10);
            assert_close(&got.index_axis(Axis(0), t), &block(&covariance, t, t), 1e-10);
            if t > 0 {
                assert_close(&cross_covariance.index_axis(Axis(0), t - 1), &block(&covariance, t, t - 1), 1e-10);
            }
        }

        let roots = model.filter_square_root(&y).unwrap().filtered();
        for Filtered { predicted_mean, predicted_covariance, mean, covariance, log_likelihood, .. } in
            [model.filter(&y).unwrap(), roots]
        {
            assert!((log_likelihood - log_density).abs() < 1e-10);
            for t in 0..length {
                for (known, got_mean, got) in [(t, &predicted_mean, &predicted_covariance), (t + 1, &mean, &covariance)]
                {
                    let (want_mean, want, _) = joint.given(&until(&y, known));
                    assert_close(&got_mean.row(t), &want_mean.slice(s![t * n..(t + 1) * n]), 1e-10);
                    assert_close(&got.index_axis(Axis(0), t), &block(&want, t, t), 1e-10);
                }
            }
        }

        // What comes after y is what is missing at its end.
        let longer = ndarray::concatenate![Axis(0), y, Array2::from_elem((2, m), NOTHING)];
        let (mean, covariance, _) = Joint::new(&model, length + 2).given(&longer);
        let forecast = model.forecast(&y, 2).unwrap();
        for k in 0..2 {
            let (z, at) = (n * (length + k), (length + 2) * n + m * (length + k));
            assert_close(&forecast.state_mean.row(k), &mean.slice(s![z..z + n]), 1e-10);
            assert_close(&forecast.mean.row(k), &mean.slice(s![at..at + m]), 1e-10);
            let block =
                |from: usize, size: usize| covariance.slice(s![from..from + size, from..from + size]).to_owned();
            assert_close(&forecast.state_covariance.index_axis(Axis(0), k), &block(z, n), 1e-10);
            assert_close(&forecast.covariance.index_axis(Axis(0), k), &block(at, m), 1e-10);
        }
    }
}

fn of_reference(reference: &Reference) -> Kalman {
    let vector = |name: &str| reference.array::<ndarray::Ix1>(name).unwrap();
    let matrix = |name: &str| reference.array::<ndarray::Ix2>(name).unwrap();
    Kalman::new(
        (vector("initial_mean"), matrix("initial_covariance")),
        (matrix("transition"), matrix("process_noise")),
        (matrix("observation"), matrix("observation_noise")),
    )
    .unwrap()
    .offsets(vector("transition_offset"), vector("observation_offset"))
    .unwrap()
}

fn number(reference: &Reference, name: &str) -> f64 {
    reference.array::<ndarray::Ix0>(name).unwrap().into_scalar()
}

#[test]
fn statsmodels_gives_the_same() {
    for case in ["complete", "missing"] {
        let reference = Reference::load("kalman", case).unwrap();
        let vectors = |name: &str| reference.array::<ndarray::Ix2>(name).unwrap();
        let matrices = |name: &str| reference.array::<ndarray::Ix3>(name).unwrap();
        let (model, y) = (of_reference(&reference), vectors("y"));
        let log_likelihood = number(&reference, "log_likelihood");
        for filtered in [model.filter(&y).unwrap(), model.filter_square_root(&y).unwrap().filtered()] {
            assert!((filtered.log_likelihood - log_likelihood).abs() < 1e-11);
            assert_close(&filtered.predicted_mean, &vectors("predicted_mean"), 1e-12);
            assert_close(&filtered.predicted_covariance, &matrices("predicted_covariance"), 1e-12);
            assert_close(&filtered.mean, &vectors("mean"), 1e-12);
            assert_close(&filtered.covariance, &matrices("covariance"), 1e-12);
        }
        let smoothed = model.smooth(&y).unwrap();
        assert_close(&smoothed.mean, &vectors("smoothed_mean"), 1e-12);
        assert_close(&smoothed.covariance, &matrices("smoothed_covariance"), 1e-12);
        assert_close(&smoothed.cross_covariance, &matrices("cross_covariance"), 1e-12);
        let forecast = model.forecast(&y, 5).unwrap();
        assert_close(&forecast.mean, &vectors("forecast_mean"), 1e-12);
        assert_close(&forecast.covariance, &matrices("forecast_covariance"), 1e-12);
    }
}

#[test]
fn filterpy_gives_the_same() {
    let reference = Reference::load("kalman", "filterpy").unwrap();
    let vectors = |name: &str| reference.array::<ndarray::Ix2>(name).unwrap();
    let matrices = |name: &str| reference.array::<ndarray::Ix3>(name).unwrap();
    let (model, y) = (of_reference(&reference), vectors("y"));
    let filtered = model.filter(&y).unwrap();
    assert!((filtered.log_likelihood - number(&reference, "log_likelihood")).abs() < 1e-11);
    assert_close(&filtered.mean, &vectors("mean"), 1e-12);
    assert_close(&filtered.covariance, &matrices("covariance"), 1e-12);
    let smoothed = model.smooth(&y).unwrap();
    assert_close(&smoothed.mean, &vectors("smoothed_mean"), 1e-12);
    assert_close(&smoothed.covariance, &matrices("smoothed_covariance"), 1e-12);
}

/// Planted: a gain that stays after a missing entry.
#[test]
fn a_gain_that_has_settled_gives_what_one_that_is_always_computed_gives() {
    let reference = Reference::load("kalman", "long").unwrap();
    let (model, y): (_, Array2<f64>) = (of_reference(&reference), reference.array("y").unwrap());
    let got = model.log_likelihood(&y).unwrap();
    assert!((got / number(&reference, "log_likelihood") - 1.0).abs() < 1e-12);
    assert!((got / model.filter_square_root(&y).unwrap().log_likelihood - 1.0).abs() < 1e-13);
    // It did settle, or this test would show nothing.
    let filtered = model.filter(&y).unwrap();
    let last = filtered.predicted_covariance.index_axis(Axis(0), 1999);
    let first = filtered.predicted_covariance.outer_iter().position(|covariance| covariance == last).unwrap();
    assert!((20..100).contains(&first), "{first}");

    // Entries and rows that are missing after it has settled.
    let mut gaps = y.clone();
    gaps[[500, 0]] = NOTHING;
    gaps.slice_mut(s![900..905, ..]).fill(NOTHING);
    let (plain, roots) = (model.filter(&gaps).unwrap(), model.filter_square_root(&gaps).unwrap().filtered());
    assert!((plain.log_likelihood / roots.log_likelihood - 1.0).abs() < 1e-13);
    assert_close(&plain.mean, &roots.mean, 1e-11);
    assert_close(&plain.covariance, &roots.covariance, 1e-12);
    assert_eq!(model.log_likelihood(&gaps).unwrap(), plain.log_likelihood);
}

/// Planted: J and D kept where only the prediction is the same.
#[test]
fn a_smoother_that_has_settled_is_the_joint_gaussians() {
    let mut random = RandomState::new(11);
    // In the second nothing of the state lasts, so what is predicted is the same whatever was observed.
    for f in [0.9, 0.0] {
        let one = |value| array![[value]];
        let model = Kalman::new((array![0.0], one(3.0)), (one(f), one(2.0)), (one(1.0), one(1.0))).unwrap();
        let mut y = observed(&model, 80, 0.0, &mut random);
        y[[40, 0]] = NOTHING;
        let (mean, covariance, log_density) = Joint::new(&model, 80).given(&y);
        let smoothed = model.smooth(&y).unwrap();
        assert!((smoothed.log_likelihood - log_density).abs() < 1e-10);
        for t in 0..80 {
            assert!((smoothed.mean[[t, 0]] - mean[t]).abs() < 1e-10);
            assert!((smoothed.covariance[[t, 0, 0]] - covariance[[t, t]]).abs() < 1e-10);
        }
    }
}

/// Planted: G replaced instead of added to in the doubling; rows of B not exchanged in the elimination; the filter's
/// covariance taken as settled where one variance is.
#[test]
fn the_steady_state_is_where_the_filter_ends_and_what_scipy_says() {
    let reference = Reference::load("kalman", "long").unwrap();
    let model = of_reference(&reference);
    let limit = model.steady_state().unwrap();
    assert_close(&limit.predicted_covariance, &reference.array("limit").unwrap(), 1e-11);

    let mut random = RandomState::new(8);
    for (n, m, rank) in [(1, 1, 1), (3, 2, 3), (4, 1, 2), (6, 3, 1)] {
        let model = example(n, m, rank, &mut random);
        let limit = model.steady_state().unwrap();
        let filtered = model.filter(&Array2::zeros((3000, m))).unwrap();
        let last = |covariances: &Array3<f64>| covariances.index_axis(Axis(0), 2999).to_owned();
        assert_close(&limit.predicted_covariance, &last(&filtered.predicted_covariance), 1e-11);
        assert_close(&limit.covariance, &last(&filtered.covariance), 1e-11);
        let innovation = model.observation().dot(&limit.predicted_covariance).dot(&model.observation().t());
        assert_close(&limit.innovation_covariance, &(innovation + model.observation_noise()), 1e-11);
        let gain =
            limit.predicted_covariance.dot(&model.observation().t()).dot(&inverse(&limit.innovation_covariance).0);
        assert_close(&limit.gain, &gain, 1e-10);
    }
}

/// Planted: growth not looked for (2⁶⁰ steps hide it).
#[test]
fn steady_states_at_the_edge() {
    let scalar = |f: f64, q: f64, h: f64, p: f64| {
        let one = |value| array![[value]];
        Kalman::new((array![0.0], one(p)), (one(f), one(q)), (one(h), one(1.0))).unwrap().steady_state()
    };
    // A constant becomes known, at the rate 1 / t.
    assert!(scalar(1.0, 0.0, 1.0, 5.0).unwrap().predicted_covariance[[0, 0]] < 1e-15);
    // What doubles without noise: P = 4 P / (P + 1), so 3, unless it is known where it started.
    assert!((scalar(2.0, 0.0, 1.0, 1e-3).unwrap().predicted_covariance[[0, 0]] - 3.0).abs() < 1e-12);
    assert_eq!(scalar(2.0, 0.0, 1.0, 0.0).unwrap().predicted_covariance[[0, 0]], 0.0);
    // Not observed, but it forgets: q / (1 − f²).
    assert!((scalar(0.5, 3.0, 0.0, 9.0).unwrap().predicted_covariance[[0, 0]] - 4.0).abs() < 1e-12);
    for (f, q) in [(1.0, 1.0), (2.0, 0.0), (1.1, 1.0)] {
        assert!(message(scalar(f, q, 0.0, 1.0)).contains("is every direction"), "{f} {q}");
    }
    // A velocity that is never seen: two directions observed through two others.
    let moving = Kalman::constant_velocity(0.1, 0.01, 1e-8, [0.0; 4], 1e6).unwrap();
    let limit = moving.steady_state().unwrap().predicted_covariance;
    let filtered = moving.filter(&Array2::zeros((2000, 2))).unwrap();
    let last = filtered.predicted_covariance.index_axis(Axis(0), 1999).to_owned();
    let scaled =
        |p: &Array2<f64>| Array2::from_shape_fn((4, 4), |(i, j)| p[[i, j]] / (last[[i, i]] * last[[j, j]]).sqrt());
    assert_close(&scaled(&limit), &scaled(&last), 1e-11);
}

/// Two measurements that nearly agree in direction, h₁ = (1, 1) and h₂ = (1, 1 + δ), with noise r ≪ δ: H P Hᵀ + R loses
/// r. The exact answer for P = I is r (Hᵀ H + r I)⁻¹, whose determinant is r² + r tr(Hᵀ H) + δ², in which nothing
/// cancels.
///
/// Planted: the other sign of β, by which u cancels.
#[test]
fn square_roots_keep_what_covariances_lose() {
    for (delta, r, tolerance) in [(1e-8, 1e-16, 1e-7), (1e-9, 1e-18, 1e-6)] {
        let model = Kalman::new(
            (array![0.0, 0.0], Array2::eye(2)),
            (Array2::eye(2), Array2::zeros((2, 2))),
            (array![[1.0, 1.0], [1.0, 1.0 + delta]], Array2::eye(2) * r),
        )
        .unwrap();
        let (aa, ab, bb) = (2.0, 2.0 + delta, 1.0 + (1.0 + delta).powi(2));
        let determinant: f64 = r * r + r * (aa + bb) + delta * delta;
        let want = array![[bb + r, -ab], [-ab, aa + r]] * (r / determinant);
        // y = H x for x = (1, 1): the mean is x − P⁺ x, and yᵀ S⁻¹ y is xᵀ x − xᵀ P⁺ x.
        let y = array![[2.0, 2.0 + delta]];
        let mean = array![1.0 - r * (delta + delta * delta + r) / determinant, 1.0 - r * (r - delta) / determinant];
        let square = 2.0 - r * (delta * delta + 2.0 * r) / determinant;
        let log_likelihood = -(2.0 * std::f64::consts::PI).ln() - 0.5 * (determinant.ln() + square);
        // The array's smallest singular value is δ of its largest, and known to 2⁻⁵² of that.
        let roots = model.filter_square_root(&y).unwrap();
        assert!((roots.log_likelihood - log_likelihood).abs() < tolerance);
        assert_close(&roots.mean.row(0), &mean, tolerance);
        assert_close(&roots.filtered().covariance.index_axis(Axis(0), 0), &want, tolerance);
        // The plain form refuses, or is far off.
        match model.filter(&y) {
            Err(error) => assert!(error.to_string().contains("filter_square_root"), "{error}"),
            Ok(filtered) => {
                let error = (&filtered.covariance.index_axis(Axis(0), 0) - &want).mapv(f64::abs);
                assert!(error.iter().any(|error| *error > 1e4 * tolerance), "{error}");
            }
        }
    }
}

/// Planted: pivots compared without scaling.
#[test]
fn a_small_state_beside_a_large_one_is_not_lost() {
    // Two models in one, with variances of 1e-20 and 1e10: each gives what it gives alone.
    let small = Kalman::local_level(1e-21, 1e-20, 0.0, 1e-20).unwrap();
    let large = Kalman::local_level(1e9, 1e10, 0.0, 1e10).unwrap();
    let both = |of: fn(&Kalman) -> &Array2<f64>| Array2::from_diag(&array![of(&small)[[0, 0]], of(&large)[[0, 0]]]);
    let pair = Kalman::new(
        (array![0.0, 0.0], both(Kalman::initial_covariance)),
        (Array2::eye(2), both(Kalman::process_noise)),
        (Array2::eye(2), both(Kalman::observation_noise)),
    )
    .unwrap();
    let mut random = RandomState::new(4);
    let (y_small, y_large) = (observed(&small, 50, 0.1, &mut random), observed(&large, 50, 0.1, &mut random));
    let smoothed = pair.smooth(&ndarray::concatenate![Axis(1), y_small, y_large]).unwrap();
    for (k, model, y, scale) in [(0, small, y_small, 1e-10), (1, large, y_large, 1e5)] {
        let alone = model.smooth(&y).unwrap();
        let mean = smoothed.mean.slice(s![.., k..=k]).to_owned();
        assert_close(&(mean / scale), &(alone.mean / scale), 1e-12);
        let variance = smoothed.covariance.slice(s![.., k..=k, k..=k]).to_owned();
        assert_close(&(variance / (scale * scale)), &(alone.covariance / (scale * scale)), 1e-12);
    }
}

#[test]
fn draws_have_the_joint_gaussians_moments() {
    let mut random = RandomState::new(5);
    let (n, m, length, count) = (3, 2, 3, 20_000);
    let model = example(n, m, 2, &mut random);
    let joint = Joint::new(&model, length);
    let draws = Array2::from_shape_vec(
        (count, joint.mean.len()),
        (0..count)
            .flat_map(|_| {
                let (z, y) = model.sample(length, &mut random).unwrap();
                z.into_iter().chain(y).collect::<Vec<_>>()
            })
            .collect(),
    )
    .unwrap();
    let centred = &draws - &joint.mean;
    let scatter = centred.t().dot(&centred) / count as f64;
    let variance = |i: usize| joint.covariance[[i, i]];
    for i in 0..joint.mean.len() {
        // Six standard errors.
        assert!(centred.column(i).mean().unwrap().abs() < 6.0 * (variance(i) / count as f64).sqrt());
        for j in 0..=i {
            let error = ((variance(i) * variance(j) + joint.covariance[[i, j]].powi(2)) / count as f64).sqrt();
            assert!((scatter[[i, j]] - joint.covariance[[i, j]]).abs() < 6.0 * error, "{i} {j}");
        }
    }
}

/// What maximises E log p(z, y) under the joint Gaussian given the data, with moments read off it: missing entries and
/// all.
fn maximised(model: &Kalman, sequences: &[Array2<f64>]) -> Kalman {
    let (n, m) = (model.state_dimension(), model.observation_dimension());
    // Expected products of u = x_from less what is fixed, one range of variables with another, summed over some times.
    let regression = |pairs: Vec<(Array1<f64>, Array2<f64>)>, outputs: usize, offset: &Array1<f64>| {
        let inputs = pairs[0].0.len() - outputs;
        let mut second = Array2::<f64>::zeros((outputs + inputs, outputs + inputs));
        for (mean, covariance) in &pairs {
            let mut mean = mean.clone();
            let mut head = mean.slice_mut(s![..outputs]);
            head -= offset;
            second += covariance;
            second += &mean.view().insert_axis(Axis(1)).dot(&mean.view().insert_axis(Axis(0)));
        }
        let both = second.slice(s![..outputs, outputs..]).to_owned();
        let matrix = both.dot(&inverse(&second.slice(s![outputs.., outputs..]).to_owned()).0);
        // Σ u uᵀ less what the inputs explain.
        let noise = (&second.slice(s![..outputs, ..outputs]) - &matrix.dot(&both.t())) / pairs.len() as f64;
        (matrix, noise)
    };
    let (mut starts, mut moves, mut views) = (Vec::new(), Vec::new(), Vec::new());
    for y in sequences {
        let joint = Joint::new(model, y.nrows());
        let (mean, covariance, _) = joint.given(y);
        let pick =
            |rows: Vec<usize>| (mean.select(Axis(0), &rows), covariance.select(Axis(0), &rows).select(Axis(1), &rows));
        for t in 0..y.nrows() {
            let state = t * n..(t + 1) * n;
            if t == 0 {
                starts.push(pick(state.clone().collect()));
            } else {
                moves.push(pick(state.clone().chain((t - 1) * n..t * n).collect()));
            }
            if y.row(t).iter().any(|y| !y.is_nan()) {
                let at = joint.states + t * m;
                views.push(pick((at..at + m).chain(state).collect()));
            }
        }
    }
    let (transition, process_noise) = regression(moves, n, model.transition_offset());
    let (observation, observation_noise) = regression(views, m, model.observation_offset());
    let count = starts.len() as f64;
    let mean = starts.iter().fold(Array1::zeros(n), |sum, (mean, _)| sum + mean) / count;
    let mut spread = Array2::zeros((n, n));
    for (start, covariance) in &starts {
        let shift = (start - &mean).insert_axis(Axis(1));
        spread += covariance;
        spread += &shift.dot(&shift.t());
    }
    Kalman::new((mean, spread / count), (transition, process_noise), (observation, observation_noise))
        .unwrap()
        .offsets(model.transition_offset().clone(), model.observation_offset().clone())
        .unwrap()
}

#[track_caller]
fn assert_same(got: &Kalman, want: &Kalman, tolerance: f64) {
    assert_close(got.initial_mean(), want.initial_mean(), tolerance);
    assert_close(got.initial_covariance(), want.initial_covariance(), tolerance);
    assert_close(got.transition(), want.transition(), tolerance);
    assert_close(got.process_noise(), want.process_noise(), tolerance);
    assert_close(got.observation(), want.observation(), tolerance);
    assert_close(got.observation_noise(), want.observation_noise(), tolerance);
}

fn views(sequences: &[Array2<f64>]) -> Vec<&ndarray::ArrayRef2<f64>> {
    sequences.iter().map(|y| &**y).collect()
}

/// Planted: Cov\[e\] left out where an entry is missing; G V left out of E\[y zᵀ\]; Q divided by the times instead of
/// the moves; V for D in Q.
#[test]
fn an_iteration_of_em_is_the_maximum_of_the_expectation() {
    let mut random = RandomState::new(6);
    for (n, m, lengths, lost) in
        [(2, 2, vec![8], 0.0), (2, 3, vec![5, 1, 7], 0.3), (1, 2, vec![6, 6, 2], 0.5), (3, 2, vec![9, 4, 3, 6], 0.2)]
    {
        let (truth, start) = (example(n, m, n, &mut random), example(n, m, n, &mut random));
        let sequences: Vec<_> = lengths.iter().map(|&length| observed(&truth, length, lost, &mut random)).collect();
        let fit = KalmanEm::new().iterations(1).fit(&start, &views(&sequences)).unwrap();
        assert_same(&fit.model, &maximised(&start, &sequences), 1e-10);
    }
}

#[test]
fn pykalman_learns_the_same() {
    let reference = Reference::load("kalman", "em").unwrap();
    let start = of_reference(&reference);
    for case in ["complete", "rows_missing"] {
        let of_case = |name: &str| format!("{case}_{name}");
        let y: Array2<f64> = reference.array(&of_case("y")).unwrap();
        let fit = KalmanEm::new().iterations(20).tolerance(-1.0).fit(&start, &[&y]).unwrap();
        assert!((fit.history[0] - number(&reference, &of_case("start_log_likelihood"))).abs() < 1e-9);
        assert!((fit.objective() - number(&reference, &of_case("log_likelihood"))).abs() < 1e-9);
        assert!(fit.history.len() == 21 && fit.history.is_sorted());
        let matrix = |name: &str| reference.array::<ndarray::Ix2>(&of_case(name)).unwrap();
        assert_close(fit.model.initial_mean(), &reference.array(&of_case("initial_mean")).unwrap(), 1e-9);
        assert_close(fit.model.initial_covariance(), &matrix("initial_covariance"), 1e-9);
        assert_close(fit.model.transition(), &matrix("transition"), 1e-9);
        assert_close(fit.model.process_noise(), &matrix("process_noise"), 1e-9);
        assert_close(fit.model.observation(), &matrix("observation"), 1e-9);
        assert_close(fit.model.observation_noise(), &matrix("observation_noise"), 1e-9);
    }
}

#[test]
fn em_ends_where_the_likelihood_is_flat() {
    let mut random = RandomState::new(7);
    let truth = Kalman::new(
        (array![1.0], array![[1.0]]),
        (array![[0.8]], array![[1.0]]),
        (array![[1.0], [-0.5]], array![[1.0, 0.2], [0.2, 0.8]]),
    )
    .unwrap();
    let sequences: Vec<_> = [60, 40, 50, 30].iter().map(|&length| observed(&truth, length, 0.2, &mut random)).collect();
    // H's scale is Q's: one of the two must be kept. The noise is large enough for a maximum that is none of a
    // collapse.
    let fit =
        KalmanEm::new().keep_process_noise().iterations(1500).tolerance(-1.0).fit(&truth, &views(&sequences)).unwrap();
    assert!(fit.history.windows(2).all(|pair| pair[1] >= pair[0] - 1e-10) && fit.objective() > fit.history[0] + 0.5);
    assert_eq!(fit.model.process_noise(), truth.process_noise());
    // P, F, H, R and m moved one number at a time.
    let objective = |which: usize, (i, j): (usize, usize), by: f64| {
        let model = &fit.model;
        let [p, f, h, r] =
            [model.initial_covariance(), model.transition(), model.observation(), model.observation_noise()];
        let mut moved = [p.clone(), f.clone(), h.clone(), r.clone(), model.initial_mean().clone().insert_axis(Axis(1))];
        moved[which][[i, j]] += by;
        if which == 3 && i != j {
            moved[which][[j, i]] += by;
        }
        let [p, f, h, r, mean] = moved;
        let moved = Kalman::new((mean.column(0).to_owned(), p), (f, model.process_noise().clone()), (h, r)).unwrap();
        sequences.iter().map(|y| moved.log_likelihood(y).unwrap()).sum::<f64>()
    };
    let step = 1e-5;
    for (which, i, j) in [(0, 0, 0), (1, 0, 0), (2, 0, 0), (2, 1, 0), (3, 0, 0), (3, 0, 1), (3, 1, 1), (4, 0, 0)] {
        let gradient = (objective(which, (i, j), step) - objective(which, (i, j), -step)) / (2.0 * step);
        assert!(gradient.abs() < 1e-6, "matrix {which} at {i}, {j}: {gradient}");
    }
}

/// Planted: F, Q, m and P learned in directions without spread, too.
#[test]
fn em_keeps_what_it_is_told_and_what_is_exact() {
    let mut random = RandomState::new(9);
    // Nothing disturbs the position but its velocity, and the start is known in one direction.
    let start = Kalman::new(
        (array![0.0, 1.0], array![[1.0, 2.0], [2.0, 4.0]]),
        (array![[1.0, 0.5], [0.0, 0.9]], array![[0.0, 0.0], [0.0, 0.3]]),
        (array![[1.0, 0.0]], array![[2.0]]),
    )
    .unwrap();
    let sequences: Vec<_> = (0..5).map(|_| observed(&start, 30, 0.1, &mut random)).collect();
    let fit =
        KalmanEm::new().keep_observation().iterations(200).tolerance(-1.0).fit(&start, &views(&sequences)).unwrap();
    let model = &fit.model;
    assert_eq!(model.observation(), start.observation());
    assert_close(&model.transition().row(0), &start.transition().row(0), 1e-15);
    assert_close(&model.process_noise().row(0), &array![0.0, 0.0], 1e-15);
    // P ∝ (1, 2)(1, 2)ᵀ, and m moves along (1, 2) only.
    let p = model.initial_covariance();
    assert_close(&(p / p[[0, 0]]), start.initial_covariance(), 1e-12);
    assert!(((model.initial_mean()[1] - 1.0) / model.initial_mean()[0] - 2.0).abs() < 1e-9);
    assert!(fit.objective() > fit.history[0] + 0.5);

    let all = KalmanEm::new().keep_initial_mean().keep_initial_covariance().keep_transition().keep_process_noise();
    let none = all.keep_observation().keep_observation_noise().fit(&start, &views(&sequences)).unwrap();
    assert_eq!(none.model, start);
    // One time: no move to learn from.
    let once = KalmanEm::new().iterations(1).fit(&start, &[&array![[1.0]]]).unwrap();
    assert_eq!(once.model.transition(), start.transition());
    assert_eq!(once.model.process_noise(), start.process_noise());
}

/// Durbin and Koopman (2012), section 2: the variances 1469.1 and 15099, found by maximum likelihood. Their start is
/// diffuse; here z₁ ~ N(y₁, 15099), which is what a diffuse start makes of y₁, and y₁ is missing.
///
/// Planted: the noise's variance for the level's.
#[test]
fn the_nile_is_durbin_and_koopmans() {
    let reference = Reference::load("kalman", "nile").unwrap();
    let column = |name: &str| reference.array::<ndarray::Ix1>(name).unwrap().insert_axis(Axis(1));
    let flow = nile().values.insert_axis(Axis(1));
    let mut rest = flow.clone();
    rest[[0, 0]] = NOTHING;
    let model = |level: f64, noise: f64| Kalman::local_level(level, noise, flow[[0, 0]], noise).unwrap();
    let published = model(1469.1, 15099.0);
    let log_likelihood = published.log_likelihood(&rest).unwrap();
    // Published as −632.54, cut off; statsmodels counts −½ log 2π for y₁, too.
    assert!((log_likelihood + 632.54).abs() < 0.006);
    assert!(
        (log_likelihood - 0.5 * (2.0 * std::f64::consts::PI).ln() - number(&reference, "log_likelihood")).abs() < 1e-9
    );
    let filtered = published.filter(&rest).unwrap();
    assert_close(&filtered.mean, &column("filtered_mean"), 1e-9);
    assert_close(&filtered.covariance.index_axis(Axis(2), 0), &column("filtered_variance"), 1e-8);
    let smoothed = published.smooth(&rest).unwrap();
    assert_close(&smoothed.mean, &column("smoothed_mean"), 1e-9);
    assert_close(&smoothed.covariance.index_axis(Axis(2), 0), &column("smoothed_variance"), 1e-8);
    // They are a maximum, to the digits printed.
    let at = |level: f64, noise: f64| model(level, noise).log_likelihood(&rest).unwrap();
    for (level, noise) in [(1468.1, 15099.0), (1470.1, 15099.0), (1469.1, 15089.0), (1469.1, 15109.0)] {
        assert!(at(level, noise) < log_likelihood, "{level} {noise}");
    }
    // A variance of 1e7, as in many programs, is near.
    let large = Kalman::local_level(1469.1, 15099.0, 0.0, 1e7).unwrap();
    assert_close(&large.smooth(&flow).unwrap().mean, &smoothed.mean, 2.0);
}

/// The noise of a step, integrated: Q = ∫ exp(A s) b q bᵀ exp(A s)ᵀ ds over a step, by Simpson's rule, which is exact
/// here.
///
/// Planted: dt³ / 2.
#[test]
fn constant_velocity_integrates_its_noise() {
    let (dt, q) = (0.7, 3.0);
    let model = Kalman::constant_velocity(dt, q, 2.0, [1.0, 2.0, 3.0, 4.0], 5.0).unwrap();
    let mut want: Array2<f64> = Array2::zeros((4, 4));
    for (s, weight) in [(0.0, 1.0), (dt / 2.0, 4.0), (dt, 1.0)] {
        for axis in 0..2 {
            // A push of 1 moves the velocity by 1 and, s later, the place by s.
            let mut effect = Array1::zeros(4);
            (effect[axis], effect[axis + 2]) = (s, 1.0);
            let effect = effect.insert_axis(Axis(1));
            want += &(effect.dot(&effect.t()) * (q * weight * dt / 6.0));
        }
    }
    assert_close(model.process_noise(), &want, 1e-15);
    assert_eq!(model.transition().dot(&array![1.0, 2.0, 3.0, 4.0]), array![1.0 + dt * 3.0, 2.0 + dt * 4.0, 3.0, 4.0]);
    assert_eq!(model.observation().dot(&array![1.0, 2.0, 3.0, 4.0]), array![1.0, 2.0]);
    assert_eq!(model.initial_covariance(), Array2::<f64>::eye(4) * 5.0);
}

#[test]
fn what_is_no_model_is_refused_with_a_remedy() {
    let one = || array![[1.0]];
    let eye = || Array2::<f64>::eye(2);
    let new = |m: Array1<f64>, p, f, q, h, r| message(Kalman::new((m, p), (f, q), (h, r)));
    for (message, words) in [
        (new(array![], Array2::zeros((0, 0)), one(), one(), one(), one()), "`initial_mean` is empty"),
        (new(array![0.0], one(), one(), one(), Array2::zeros((0, 1)), one()), "`observation` is empty"),
        (new(array![0.0], eye(), one(), one(), one(), one()), "`initial_covariance` has the shape [2, 2]"),
        (new(array![0.0], one(), eye(), one(), one(), one()), "`transition` has the shape"),
        (new(array![0.0], one(), one(), array![[1.0, 0.0]], one(), one()), "`process_noise` has the shape"),
        (new(array![0.0], one(), one(), one(), array![[1.0, 0.0]], one()), "(1, 1), one column per"),
        (new(array![0.0], one(), one(), one(), one(), eye()), "`observation_noise` has the shape"),
        (new(array![NOTHING], one(), one(), one(), one(), one()), "`initial_mean` holds NaN"),
        (new(array![0.0], one(), array![[f64::INFINITY]], one(), one(), one()), "`transition` holds inf"),
        (new(array![0.0], one(), one(), array![[NOTHING]], one(), one()), "`process_noise` holds NaN"),
        (new(array![0.0], array![[-1.0]], one(), one(), one(), one()), "no variance below 0"),
        (new(array![0.0], one(), one(), one(), one(), array![[0.0]]), "`observation_noise` is not a covariance"),
        (new(Array1::zeros(2), array![[1.0, 2.0], [2.0, 1.0]], eye(), eye(), eye(), eye()), "no correlation beyond"),
        (
            new(Array1::zeros(2), eye(), eye(), array![[1.0, 0.5], [0.4, 1.0]], eye(), eye()),
            "`process_noise` is no cov",
        ),
        (
            new(Array1::zeros(2), eye(), eye(), array![[0.0, 0.5], [0.5, 1.0]], eye(), eye()),
            "`process_noise` is no cov",
        ),
        (
            new(Array1::zeros(2), eye(), eye(), eye(), eye(), array![[1.0, 0.5], [0.4, 1.0]]),
            "`observation_noise` is not",
        ),
        (message(Kalman::local_level(-1.0, 1.0, 0.0, 1.0)), "`process_noise`"),
        (message(Kalman::local_level(1.0, NOTHING, 0.0, 1.0)), "`observation_noise` holds NaN"),
        (message(Kalman::constant_velocity(0.0, 1.0, 1.0, [0.0; 4], 1.0)), "`dt` is 0"),
        (message(Kalman::constant_velocity(1.0, 1.0, 0.0, [0.0; 4], 1.0)), "`observation_noise`"),
    ] {
        assert!(message.contains(words), "{message}");
    }

    let walk = Kalman::local_level(1.0, 1.0, 0.0, 1.0).unwrap();
    for (y, words) in [
        (Array2::zeros((0, 1)), "at least one row"),
        (Array2::zeros((3, 2)), "(times, 1)"),
        (Array2::zeros((3, 0)), "(times, 1)"),
        (Array2::from_elem((3, 2), NOTHING), "(times, 1)"),
        (array![[1.0], [f64::INFINITY]], "inf at [1, 0]"),
        (array![[NOTHING], [NOTHING]], "every entry is missing"),
    ] {
        for message in [
            message(walk.log_likelihood(&y)),
            message(walk.filter(&y)),
            message(walk.filter_square_root(&y)),
            message(walk.smooth(&y)),
            message(walk.forecast(&y, 1)),
            message(KalmanEm::new().fit(&walk, &[&y])),
        ] {
            assert!(message.contains(words), "{message}");
        }
    }
    assert!(message(walk.forecast(&array![[1.0]], 0)).contains("`steps` is 0"));
    assert!(message(walk.sample(0, &mut RandomState::new(0))).contains("`length` is 0"));
    assert!(message(KalmanEm::new().fit(&walk, &[])).contains("at least one sequence"));
    assert!(message(KalmanEm::new().tolerance(NOTHING).fit(&walk, &[&array![[1.0]]])).contains("`tolerance` is NaN"));
    assert!(message(walk.clone().offsets(array![NOTHING], array![0.0])).contains("NaN"));
    // The states are where the observations are: R falls to 0.
    let exact = Kalman::local_level(0.0, 1.0, 2.0, 0.0).unwrap();
    let collapse = KalmanEm::new().keep_observation().fit(&exact, &[&array![[2.0], [2.0]]]);
    assert!(message(collapse).contains("`observation_noise` is not a covariance"));
}

#[test]
fn numbers_that_leave_f64_are_an_error_and_not_a_nan() {
    let explosive =
        Kalman::new((array![1.0], array![[1.0]]), (array![[1e10]], array![[1.0]]), (array![[1.0]], array![[1.0]]))
            .unwrap();
    let mut y = Array2::from_elem((100, 1), NOTHING);
    y[[0, 0]] = 1.0;
    for message in [
        message(explosive.log_likelihood(&y)),
        message(explosive.smooth(&y)),
        message(explosive.filter_square_root(&y)),
    ] {
        assert!(message.contains("beyond the range of f64 at time") && message.contains("`transition`"), "{message}");
    }
    let mut last = y;
    last[[99, 0]] = 1.0;
    assert!(message(explosive.forecast(&last, 1)).contains("range of f64"));
    let far = Kalman::local_level(1.0, 1e-300, 0.0, 1.0).unwrap();
    assert!(message(far.log_likelihood(&array![[1e200]])).contains("range of f64"));
}

#[test]
fn views_in_any_layout_are_the_same_data() {
    let mut random = RandomState::new(10);
    let model = example(3, 2, 3, &mut random);
    let y = observed(&model, 20, 0.2, &mut random);
    let columns = y.t().to_owned();
    assert_eq!(model.filter(&columns.t()).unwrap(), model.filter(&y).unwrap());
    let every_second = Array2::from_shape_fn((40, 2), |(t, j)| y[[t / 2, j]]);
    let view = every_second.slice(s![..;2, ..]);
    assert_eq!(model.filter_square_root(&view).unwrap(), model.filter_square_root(&y).unwrap());
    let transposed = Kalman::new(
        (model.initial_mean().clone(), model.initial_covariance().clone()),
        (model.transition().t().to_owned().reversed_axes(), model.process_noise().clone()),
        (model.observation().t().to_owned().reversed_axes(), model.observation_noise().clone()),
    )
    .unwrap()
    .offsets(model.transition_offset().clone(), model.observation_offset().clone())
    .unwrap();
    assert_eq!(transposed.smooth(&y).unwrap(), model.smooth(&y).unwrap());
}
