//! k-means and Gaussian mixtures: scikit-learn from the same starts, all partitions enumerated, the slopes at a maximum,
//! missing entries against a general optimiser.

use mlnotes::em::Em;
use mlnotes::gaussian::{Covariance, Gaussians, Regular, Spread};
use mlnotes::metrics::{aic, bic};
use mlnotes::mixture::{GaussianEm, GaussianMixture, KMeans};
use mlnotes::prelude::*;
use ndarray::Ix0;

use crate::{assert_close, message};

fn number(reference: &Reference, name: &str) -> f64 {
    reference.array::<Ix0>(name).unwrap().into_scalar()
}

/// Planted: centres divided by one more than their points.
#[test]
fn k_means_is_scikit_learns() {
    let reference = Reference::load("mixture", "kmeans").unwrap();
    let x: Array2<f64> = reference.array("x").unwrap();
    let clusters = KMeans::new(3).fit_from(&reference.array("start").unwrap(), &x).unwrap();
    assert!(clusters.converged);
    assert_eq!(clusters.labels, reference.labels("labels").unwrap());
    assert_close(&clusters.centres, &reference.array("centres").unwrap(), 1e-12);
    assert!((clusters.inertia / number(&reference, "inertia") - 1.0).abs() < 1e-13);
    assert!(clusters.history.is_sorted_by(|a, b| a >= b));
    assert_eq!(clusters.predict(&x).unwrap(), clusters.labels);
}

#[test]
fn k_means_finds_the_best_of_all_partitions() {
    for seed in 0..5 {
        let x = RandomState::new(seed).normal_array((8, 2));
        // Every way to give eight points to three clusters.
        let inertia = |code: usize| {
            let label = |n: u32| code / 3_usize.pow(n) % 3;
            (0..3)
                .map(|k| {
                    let rows: Vec<usize> = (0..8).filter(|&n| label(n as u32) == k).collect();
                    let part = x.select(Axis(0), &rows);
                    part.mean_axis(Axis(0)).map_or(0.0, |mean| (&part - &mean).mapv(|d| d * d).sum())
                })
                .sum::<f64>()
        };
        let best = (0..3_usize.pow(8)).map(inertia).fold(f64::INFINITY, f64::min);
        let found = KMeans::new(3).starts(50).seed(seed).fit(&x).unwrap();
        assert!((found.inertia - best).abs() < 1e-12, "{} {best}", found.inertia);
        let one = KMeans::new(3).starts(1).seed(seed).fit(&x).unwrap();
        assert!(one.inertia >= best - 1e-12);
        assert_eq!(found, KMeans::new(3).starts(50).seed(seed).fit(&x).unwrap());
    }
}

/// Two centres in one place: one of them loses every point, and gets the farthest.
#[test]
fn an_empty_cluster_gets_a_point() {
    let x = array![[0.0], [1.0], [10.0]];
    let clusters = KMeans::new(2).fit_from(&array![[0.0], [0.0]], &x).unwrap();
    assert_eq!(clusters.labels[0], clusters.labels[1]);
    assert_ne!(clusters.labels[1], clusters.labels[2]);
    assert_eq!(clusters.inertia, 0.5);
    // As many clusters as points, and points that are all the same.
    let clusters = KMeans::new(3).fit(&x).unwrap();
    assert_eq!(clusters.inertia, 0.0);
    let same = KMeans::new(2).fit(&Array2::ones((4, 2))).unwrap();
    assert_eq!((same.inertia, same.converged), (0.0, true));
}

fn covariance(reference: &Reference, kind: &str, name: &str) -> Covariance {
    match kind {
        "full" => Covariance::Full(reference.array(name).unwrap()),
        "tied" => Covariance::Tied(reference.array(name).unwrap()),
        "diag" => Covariance::Diagonal(reference.array(name).unwrap()),
        _ => Covariance::Spherical(reference.array(name).unwrap()),
    }
}

/// Planted: shares without the weights; N_k + 1 under the covariance.
#[test]
fn twenty_iterations_are_scikit_learns() {
    for kind in ["full", "tied", "diag", "spherical"] {
        for ridge in [0.0, 1e-2] {
            let case = if ridge > 0.0 { format!("{kind}_ridge") } else { kind.to_owned() };
            let reference = Reference::load("mixture", &case).unwrap();
            let x: Array2<f64> = reference.array("x").unwrap();
            let start = Gaussians::new(
                reference.array("start_mean").unwrap(),
                // Identities, which are their own inverses.
                covariance(&reference, kind, "start_covariance"),
            );
            let start = GaussianMixture::new(reference.array("start_weight").unwrap(), start.unwrap()).unwrap();
            let spread = start.gaussians().covariance().kind();
            let em = GaussianEm::new(3, spread)
                .iterations(20)
                .tolerance(-1.0)
                .regular(Regular { ridge, ..Regular::default() });
            let fit = em.fit_from(&start, &x).unwrap();
            assert!(ridge > 0.0 || fit.history.is_sorted());
            assert_close(fit.model.weight(), &reference.array("weight").unwrap(), 1e-9);
            assert_close(fit.model.gaussians().mean(), &reference.array("mean").unwrap(), 1e-9);
            let want = covariance(&reference, kind, "covariance");
            for k in 0..3 {
                assert_close(&fit.model.gaussians().covariance().matrix(k, 3), &want.matrix(k, 3), 1e-9);
            }
            assert_close(&fit.model.log_density(&x).unwrap(), &reference.array("log_density").unwrap(), 1e-9);
            assert_close(&fit.model.responsibilities(&x).unwrap(), &reference.array("responsibilities").unwrap(), 1e-9);
            let (l, k) = (fit.model.log_likelihood(&x).unwrap(), fit.model.parameters());
            assert!((aic(l, k) / number(&reference, "aic") - 1.0).abs() < 1e-12);
            assert!((bic(l, k, 400) / number(&reference, "bic") - 1.0).abs() < 1e-12);
            // The same from data in which nothing is missing.
            let whole = em.fit_missing(&start, &x).unwrap();
            assert_close(whole.model.gaussians().mean(), fit.model.gaussians().mean(), 1e-9);
            assert!((whole.objective() / fit.objective() - 1.0).abs() < 1e-12);
        }
    }
}

/// Where EM has converged, no direction goes up: by differences of a likelihood written out here.
#[test]
fn the_end_is_a_maximum() {
    let mut random = RandomState::new(2);
    let x: Array2<f64> = Array2::from_shape_fn((200, 1), |(n, _)| random.normal() + if n % 3 == 0 { 3.0 } else { 0.0 });
    let regular = Regular { count: 3.0, variance: 2.0, ridge: 0.0 };
    let em = GaussianEm::new(2, Spread::Full).iterations(5000).tolerance(1e-12).regular(regular);
    let fit = em.fit(&x).unwrap();
    assert!(fit.converged);
    let objective = |p: [f64; 5]| {
        let [share, a, b, u, v] = p;
        let density =
            |x: f64, m: f64, v: f64| (-(x - m).powi(2) / (2.0 * v)).exp() / (2.0 * std::f64::consts::PI * v).sqrt();
        let likelihood: f64 =
            x.iter().map(|&x| (share * density(x, a, u) + (1.0 - share) * density(x, b, v)).ln()).sum();
        let prior = |v: f64| -0.5 * 3.0 * (v.ln() + 2.0 / v);
        likelihood + prior(u) + prior(v)
    };
    let gaussians = fit.model.gaussians();
    let variance = |k| gaussians.covariance().matrix(k, 1)[[0, 0]];
    let at = [fit.model.weight()[0], gaussians.mean()[[0, 0]], gaussians.mean()[[1, 0]], variance(0), variance(1)];
    for i in 0..5 {
        let step = |h: f64| objective(std::array::from_fn(|j| at[j] + if i == j { h } else { 0.0 }));
        assert!(((step(1e-4) - step(-1e-4)) / 2e-4).abs() < 1e-3, "{i}");
        assert!(step(0.02) < step(0.0) && step(-0.02) < step(0.0), "{i}");
    }
}

/// Planted: the uncertainty of what is missing left out, as if imputed values had been seen.
#[test]
fn missing_entries_are_as_a_general_optimiser_has_them() {
    let reference = Reference::load("mixture", "missing").unwrap();
    let mut x: Array2<f64> = reference.array("x").unwrap();
    let missing: Array2<i64> = reference.integers("missing").unwrap();
    x.zip_mut_with(&missing, |x, &missing| {
        if missing == 1 {
            *x = f64::NAN
        }
    });
    let one = Gaussians::new(
        array![[0.0, 0.0]],
        Covariance::Full(Array3::from_shape_fn((1, 2, 2), |(_, i, j)| f64::from(u8::from(i == j)))),
    );
    let start = GaussianMixture::new(array![1.0], one.unwrap()).unwrap();
    let em = GaussianEm::new(1, Spread::Full).iterations(10_000).tolerance(1e-13);
    let fit = em.fit_missing(&start, &x).unwrap();
    assert!(fit.history.windows(2).all(|pair| pair[1] > pair[0] - 1e-9));
    assert!((fit.objective() - number(&reference, "log_likelihood")).abs() < 1e-9);
    assert_close(&fit.model.gaussians().mean().row(0).to_owned(), &reference.array("mean").unwrap(), 1e-5);
    assert_close(&fit.model.gaussians().covariance().matrix(0, 2), &reference.array("covariance").unwrap(), 1e-5);

    // Imputed values lie on the line of regression, and what was seen stays.
    let filled = fit.model.impute(&x).unwrap();
    let (mean, sigma) = (fit.model.gaussians().mean(), fit.model.gaussians().covariance().matrix(0, 2));
    for (row, seen) in filled.rows().into_iter().zip(x.rows()) {
        match (seen[0].is_nan(), seen[1].is_nan()) {
            (false, true) => {
                let line = mean[[0, 1]] + sigma[[1, 0]] / sigma[[0, 0]] * (row[0] - mean[[0, 0]]);
                assert!((row[1] - line).abs() < 1e-12 && row[0] == seen[0]);
            }
            (false, false) => assert_eq!(row, seen),
            _ => assert!(row[0].is_finite()),
        }
    }
    // Where y is missing for large x, the mean of those seen is too small; EM's is not.
    let seen: Vec<f64> = x.column(1).iter().copied().filter(|y| !y.is_nan()).collect();
    assert!(mean[[0, 1]] > seen.iter().sum::<f64>() / seen.len() as f64 + 0.1);
}

/// A mixture with missing entries: densities of the observed parts, summed by hand.
#[test]
fn a_mixture_sees_what_is_observed() {
    let diagonal = Covariance::Diagonal(array![[1.0, 4.0], [0.5, 2.0]]);
    let parts = Gaussians::new(array![[0.0, 1.0], [2.0, -1.0]], diagonal).unwrap();
    let mixture = GaussianMixture::new(array![0.3, 0.7], parts).unwrap();
    let nan = f64::NAN;
    let x = array![[0.5, nan], [nan, 0.5], [nan, nan], [0.0, 0.0]];
    let density =
        |x: f64, m: f64, v: f64| (-(x - m).powi(2) / (2.0 * v)).exp() / (2.0 * std::f64::consts::PI * v).sqrt();
    let want = (0.3 * density(0.5, 0.0, 1.0) + 0.7 * density(0.5, 2.0, 0.5)).ln()
        + (0.3 * density(0.5, 1.0, 4.0) + 0.7 * density(0.5, -1.0, 2.0)).ln()
        + (0.3 * density(0.0, 0.0, 1.0) * density(0.0, 1.0, 4.0)
            + 0.7 * density(0.0, 2.0, 0.5) * density(0.0, -1.0, 2.0))
        .ln();
    let fit = GaussianEm::new(2, Spread::Diagonal).iterations(0).fit_missing(&mixture, &x).unwrap();
    assert!((fit.objective() - want).abs() < 1e-12);
    let filled = mixture.impute(&x).unwrap();
    assert!((filled[[2, 0]] - 0.7 * 2.0).abs() < 1e-12 && (filled[[2, 1]] - (0.3 - 0.7)).abs() < 1e-12);
}

#[test]
fn starts_find_the_groups_and_a_prior_prevents_collapse() {
    let truth =
        Gaussians::new(array![[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]], Covariance::Spherical(array![1.0, 0.5, 2.0]))
            .unwrap();
    let truth = GaussianMixture::new(array![0.2, 0.3, 0.5], truth).unwrap();
    let (x, components) = truth.sample(600, &mut RandomState::new(4)).unwrap();
    let fit = GaussianEm::new(3, Spread::Spherical).starts(5).fit(&x).unwrap();
    assert!(fit.objective() > truth.log_likelihood(&x).unwrap());
    let predicted = fit.model.predict(&x).unwrap();
    // Each true component is one found one, whatever its number.
    for k in 0..3 {
        let mut votes = [0; 3];
        components.iter().zip(&predicted).filter(|(c, _)| **c == k).for_each(|(_, p)| votes[*p] += 1);
        assert!(votes.iter().max() > Some(&(votes.iter().sum::<usize>() * 97 / 100)));
    }
    // Two points of one place, far from all others: a component that shrinks onto them has an infinite likelihood.
    let mut trap = x.to_owned();
    trap.row_mut(0).assign(&array![40.0, 40.0]);
    trap.row_mut(1).assign(&array![40.0, 40.0]);
    let em = GaussianEm::new(4, Spread::Full).starts(3);
    assert!(message(em.fit(&trap)).contains("ridge"));
    for regular in [Regular { count: 2.0, variance: 1.0, ridge: 0.0 }, Regular { ridge: 1e-3, ..Regular::default() }] {
        assert!(em.regular(regular).fit(&trap).unwrap().objective().is_finite());
    }
    // Far from every component, in logarithms, nothing is lost.
    let far = fit.model.responsibilities(&array![[1e6, -1e6]]).unwrap();
    assert!((far.sum() - 1.0).abs() < 1e-12);
    assert!(fit.model.log_density(&array![[1e6, -1e6]]).unwrap()[0] < -1e11);
}

/// Planted: a fall that is not looked at.
#[test]
fn the_driver_refuses_steps_that_go_down() {
    let up = |value: &f64| Ok((*value, -value * value));
    let fit = Em::new().iterations(200).tolerance(1e-12).run(8.0, up, |_, value| Ok(value / 2.0)).unwrap();
    assert!(fit.converged && fit.model.abs() < 1e-5);
    let away = message(Em::new().run(1.0, up, |_, value| Ok(value * 2.0)));
    assert!(away.contains("from -1 to -4") && away.contains("iteration 1"), "{away}");
    assert!(Em::new().iterations(3).approximate().run(1.0, up, |_, value| Ok(value * 2.0)).is_ok());
    let lost = message(Em::new().run(1.0, |v: &f64| Ok((*v, *v)), |_, _| Ok(f64::NAN)));
    assert!(lost.contains("NaN"));
    let none = Em::new().iterations(0).run(1.0, up, |_, value| Ok(value)).unwrap();
    assert_eq!((none.model, none.history.len(), none.converged), (1.0, 1, false));
}

#[test]
fn what_cannot_be_grouped_is_refused_with_a_remedy() {
    let x = array![[0.0, 1.0], [2.0, 3.0], [4.0, 4.0]];
    let em = GaussianEm::new(2, Spread::Full);
    let one = GaussianMixture::new(
        array![1.0],
        Gaussians::new(array![[0.0, 0.0]], Covariance::Tied(Array2::eye(2))).unwrap(),
    )
    .unwrap();
    let tied = GaussianEm::new(1, Spread::Tied);
    for (got, words) in [
        (message(KMeans::new(0).fit(&x)), "at least 1"),
        (message(KMeans::new(4).fit(&x)), "at most 3, the number of points"),
        (message(KMeans::new(1).starts(0).fit(&x)), "at least 1"),
        (message(KMeans::new(2).fit_from(&array![[0.0]], &x)), "(2, 2)"),
        (message(KMeans::new(1).fit(&array![[f64::NAN]])), "NaN"),
        (message(KMeans::new(1).fit(&Array2::zeros((0, 2)))), "at least one row"),
        (message(em.fit(&array![[0.0, 1.0]])), "at most 1, the number of points"),
        (message(em.fit(&Array2::zeros((5, 2)))), "points that differ"),
        (message(em.fit(&array![[0.0, f64::NAN], [1.0, 1.0]])), "NaN"),
        (message(em.regular(Regular { ridge: -1.0, ..Regular::default() }).fit(&x)), "0 or more"),
        (message(em.fit_from(&one, &x)), "2, as many as are to be learned"),
        (message(GaussianEm::new(1, Spread::Full).fit_from(&one, &x)), "must be Full"),
        (message(one.log_density(&array![[0.0]])), "(samples, 2)"),
        (message(one.sample(0, &mut RandomState::new(0))), "at least 1"),
        (message(tied.fit_missing(&one, &array![[f64::NAN, 1.0], [f64::NAN, 2.0]])), "all of column 0"),
        (message(tied.fit_missing(&one, &array![[f64::INFINITY, 1.0]])), "inf"),
        (message(one.impute(&array![[0.0]])), "(samples, 2)"),
        (message(GaussianMixture::new(array![0.5, 0.6], one.gaussians().clone())), "sums to 1.1"),
        (message(GaussianMixture::new(array![0.5, 0.5], one.gaussians().clone())), "2, one for each weight"),
    ] {
        assert!(got.contains(words), "{got}");
    }
}
