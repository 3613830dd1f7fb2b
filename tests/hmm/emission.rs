//! What the states show: each density by its formula, each distribution sums to 1.

use mlnotes::gaussian::{Covariance, Gaussians, Moments, Regular, Spread};
use mlnotes::hmm::{Categorical, Emission, Mixture, Poisson};
use mlnotes::prelude::*;

use crate::{assert_close, message};

/// −½ (2 log 2π + log det Σ + (x − μ)ᵀ Σ⁻¹ (x − μ)) of the plane, with the inverse written out.
fn log_normal_2d(x: [f64; 2], mean: [f64; 2], sigma: &Array2<f64>) -> f64 {
    let determinant = sigma[[0, 0]] * sigma[[1, 1]] - sigma[[0, 1]] * sigma[[1, 0]];
    let [a, b] = [x[0] - mean[0], x[1] - mean[1]];
    let square = (sigma[[1, 1]] * a * a - 2.0 * sigma[[0, 1]] * a * b + sigma[[0, 0]] * b * b) / determinant;
    -0.5 * (2.0 * (2.0 * std::f64::consts::PI).ln() + determinant.ln() + square)
}

fn kinds() -> [Covariance; 4] {
    [
        Covariance::Full(array![[[2.0, 0.6], [0.6, 1.0]], [[0.5, -0.2], [-0.2, 0.3]]]),
        Covariance::Tied(array![[2.0, 0.6], [0.6, 1.0]]),
        Covariance::Diagonal(array![[2.0, 1.0], [0.5, 0.3]]),
        Covariance::Spherical(array![2.0, 0.5]),
    ]
}

/// Planted: each row of the whitening read backwards.
#[test]
fn gaussian_densities_are_the_formula() {
    let mean = array![[0.0, 1.0], [-1.0, 3.0]];
    // More than two blocks of points, and not a whole number of them.
    let x = RandomState::new(1).normal_array((300, 2));
    for covariance in kinds() {
        let gaussians = Gaussians::new(mean.clone(), covariance.clone()).unwrap();
        let got = gaussians.log_density(&x).unwrap();
        let want = Array2::from_shape_fn((300, 2), |(n, k)| {
            log_normal_2d([x[[n, 0]], x[[n, 1]]], [mean[[k, 0]], mean[[k, 1]]], &covariance.matrix(k, 2))
        });
        assert_close(&got, &want, 1e-12);
    }
}

/// Planted: weights of the neighbouring block.
#[test]
fn moments_are_sums_over_the_points() {
    let mut random = RandomState::new(4);
    let (x, y) = (random.normal_array((300, 3)), random.normal_array((5, 3)));
    let (w, v) = (random.uniform_array((300, 2)), random.uniform_array((5, 2)));
    let batches = [(x.view(), w.view()), (y.view(), v.view())];
    let all = ndarray::concatenate![Axis(0), x, y];
    let weights = ndarray::concatenate![Axis(0), w, v];
    let full = Moments::of(&batches, Spread::Full).unwrap();
    let total = weights.sum_axis(Axis(0));
    assert_close(&full.weight, &total, 1e-12);
    let mean = weights.t().dot(&all) / total.view().insert_axis(Axis(1));
    assert_close(&full.mean, &mean, 1e-13);
    let scatter = |k: usize| {
        let centred = &all - &mean.row(k);
        (&centred * &weights.column(k).insert_axis(Axis(1))).t().dot(&centred)
    };
    let Covariance::Full(got) = &full.scatter else { panic!() };
    let Covariance::Tied(tied) = Moments::of(&batches, Spread::Tied).unwrap().scatter else { panic!() };
    let Covariance::Diagonal(diagonal) = Moments::of(&batches, Spread::Diagonal).unwrap().scatter else { panic!() };
    let Covariance::Spherical(spherical) = Moments::of(&batches, Spread::Spherical).unwrap().scatter else { panic!() };
    assert_close(&tied, &(scatter(0) + scatter(1)), 1e-11);
    for k in 0..2 {
        assert_close(&got.index_axis(Axis(0), k).to_owned(), &scatter(k), 1e-11);
        assert_close(&diagonal.row(k).to_owned(), &scatter(k).diag().to_owned(), 1e-11);
        assert!((spherical[k] - scatter(k).diag().sum() / 3.0).abs() < 1e-11);
    }
}

/// A Gaussian without weight is kept, and spoils no other.
#[test]
fn nothing_is_learned_of_nothing() {
    let (x, w) = (array![[0.0, 1.0], [2.0, 2.0], [4.0, 0.0]], array![[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]);
    for covariance in kinds() {
        let old = Gaussians::new(array![[0.0, 1.0], [-1.0, 3.0]], covariance).unwrap();
        let moments = Moments::of(&[(x.view(), w.view())], old.covariance().kind()).unwrap();
        let new = moments.gaussians(&Regular::default(), &old).unwrap();
        assert_eq!(new.mean().row(0), array![2.0, 1.0]);
        assert_eq!(new.mean().row(1), old.mean().row(1));
        if old.covariance().kind() != Spread::Tied {
            assert_eq!(new.covariance().matrix(1, 2), old.covariance().matrix(1, 2));
        }
        assert!(new.log_density(&x).unwrap().iter().all(|density| density.is_finite()));
    }
}

#[test]
fn a_mixture_is_the_sum_of_its_parts() {
    let parts =
        Gaussians::new(array![[0.0], [4.0], [1.0], [2.0]], Covariance::Spherical(array![1.0, 2.0, 0.5, 1.0])).unwrap();
    let mixture = Mixture::new(array![[0.3, 0.7], [1.0, 0.0]], parts.clone()).unwrap();
    let x = array![[0.5], [-60.0]];
    let (got, density) = (mixture.likelihoods(&x).unwrap().table(), parts.log_density(&x).unwrap());
    let want = |t: usize, j: usize| {
        let [a, b] = [density[[t, 2 * j]], density[[t, 2 * j + 1]]];
        let [c, d] = [mixture.weight()[[j, 0]], mixture.weight()[[j, 1]]];
        a + (c + d * (b - a).exp()).ln()
    };
    assert!((0..2).all(|j| (got[[0, j]] - want(0, j)).abs() < 1e-13));
    assert!(got.iter().all(|log_b| log_b.is_finite()));
    assert!((got[[1, 1]] - density[[1, 2]]).abs() < 1e-9);
}

#[test]
fn counts_and_symbols_sum_to_one() {
    let counts = Array1::from_iter(0..400_usize);
    let poisson = Poisson::new(array![0.01, 3.0, 120.0]).unwrap().likelihoods(&counts).unwrap().table();
    for total in poisson.mapv(f64::exp).sum_axis(Axis(0)) {
        assert!((total - 1.0).abs() < 1e-12);
    }
    let probability = array![[0.2, 0.8, 0.0], [0.1, 0.3, 0.6]];
    let table = Categorical::new(probability.clone()).unwrap().likelihoods(&array![0, 1, 2]).unwrap().table();
    assert_close(&table.mapv(f64::exp), &probability.t().to_owned(), 1e-15);
}

#[test]
fn what_is_no_distribution_is_refused_with_a_remedy() {
    let eye = || Covariance::Tied(Array2::eye(2));
    for (got, words) in [
        (message(Gaussians::new(Array2::zeros((0, 2)), eye())), "one row per Gaussian"),
        (message(Gaussians::new(Array2::zeros((1, 3)), eye())), "[3, 3]"),
        (message(Gaussians::new(array![[f64::NAN, 0.0]], eye())), "NaN"),
        (
            message(Gaussians::new(array![[0.0, 0.0]], Covariance::Tied(array![[1.0, 2.0], [2.0, 1.0]]))),
            "the tied matrix",
        ),
        (message(Gaussians::new(array![[0.0, 0.0]], Covariance::Tied(array![[1.0, 0.5], [0.4, 1.0]]))), "symmetric"),
        (message(Gaussians::new(array![[0.0, 0.0]], Covariance::Full(Array3::zeros((1, 2, 2))))), "matrix 0"),
        (message(Gaussians::new(array![[0.0, 0.0]], Covariance::Diagonal(array![[1.0, -1.0]]))), "variances 0"),
        (message(Gaussians::new(array![[0.0, 0.0]], Covariance::Spherical(array![f64::INFINITY]))), "inf"),
    ] {
        assert!(got.contains(words), "{got}");
    }
    let one = Gaussians::new(array![[0.0, 0.0]], eye()).unwrap();
    assert!(message(one.sample(1, &mut RandomState::new(0))).contains("below 1"));
    assert!(message(Mixture::new(array![[0.5, 0.5]], one.clone())).contains("2, one for each weight"));
    assert!(message(Mixture::new(array![[0.5, 0.4]], one)).contains("sums to 0.9"));
    let (x, w) = (array![[0.0], [1.0]], array![[1.0], [-1.0]]);
    assert!(message(Moments::of(&[(x.view(), w.view())], Spread::Full)).contains("-1 at (1, 0)"));
    assert!(message(Moments::of(&[], Spread::Full)).contains("at least one pair"));
}
