//! Baum and Welch's algorithm: hmmlearn from the same start, the M step of enumerated paths, priors, restarts, bad input.

use mlnotes::em::Fit;
use mlnotes::gaussian::{Covariance, Gaussians, Regular};
use mlnotes::hmm::{BaumWelch, Categorical, Chain, Emission, Gaussian, Hmm, Mixture, Poisson};
use mlnotes::metrics::{aic, bic};
use mlnotes::prelude::*;

use super::all_paths;
use crate::{assert_close, message};

/// Twenty iterations, none of which ends early.
fn twenty() -> BaumWelch {
    BaumWelch::new().iterations(20).tolerance(-1.0)
}

/// The case's first row of each sequence, and one past the last.
fn bounds(reference: &Reference) -> Vec<usize> {
    let lengths: Array1<usize> = reference.labels("lengths").unwrap();
    lengths.iter().fold(vec![0], |mut bounds, length| {
        bounds.push(bounds[bounds.len() - 1] + length);
        bounds
    })
}

fn learn_numbers<E: Emission<Observations = ndarray::ArrayRef1<usize>>>(
    case: &str,
    em: &BaumWelch,
    start: impl Fn(&Reference) -> E,
) -> (Reference, Fit<Hmm<E>>) {
    let reference = Reference::load("hmm", case).unwrap();
    let x: Array1<usize> = reference.labels("observations").unwrap();
    let parts: Vec<_> = bounds(&reference).windows(2).map(|b| x.slice(s![b[0]..b[1]])).collect();
    let sequences: Vec<&ndarray::ArrayRef1<usize>> = parts.iter().map(|part| &**part).collect();
    let fit = em.fit(&Hmm::new(chain(&reference), start(&reference)).unwrap(), &sequences).unwrap();
    (reference, fit)
}

fn learn_vectors<E: Emission<Observations = ndarray::ArrayRef2<f64>>>(
    case: &str,
    start: impl Fn(&Reference) -> E,
) -> (Reference, Fit<Hmm<E>>) {
    let reference = Reference::load("hmm", case).unwrap();
    let x: Array2<f64> = reference.array("observations").unwrap();
    let parts: Vec<_> = bounds(&reference).windows(2).map(|b| x.slice(s![b[0]..b[1], ..])).collect();
    let sequences: Vec<&ndarray::ArrayRef2<f64>> = parts.iter().map(|part| &**part).collect();
    let fit = twenty().fit(&Hmm::new(chain(&reference), start(&reference)).unwrap(), &sequences).unwrap();
    (reference, fit)
}

fn chain(reference: &Reference) -> Chain {
    Chain::new(reference.array("initial").unwrap(), reference.array("transition").unwrap()).unwrap()
}

/// π, A and the log-likelihood of every iteration, to 1e-8.
fn assert_chain_and_history<E>(reference: &Reference, fit: &Fit<Hmm<E>>) {
    assert_close(fit.model.chain.initial(), &reference.array("learned_initial").unwrap(), 1e-8);
    assert_close(&fit.model.chain.transition().to_owned(), &reference.array("learned_transition").unwrap(), 1e-8);
    let history: Array1<f64> = reference.array("history").unwrap();
    assert_eq!(fit.history.len(), 21);
    for (got, want) in fit.history.iter().zip(&history) {
        assert!((got / want - 1.0).abs() < 1e-10, "{got} {want}");
    }
}

/// Planted: ξ without its last step; counts of the first sequence only; α instead of α − 1 in the prior.
#[test]
fn categorical_learning_is_hmmlearns() {
    let start = |reference: &Reference| Categorical::new(reference.array("start_emission").unwrap()).unwrap();
    let (reference, fit) = learn_numbers("learn_categorical", &twenty(), start);
    assert_chain_and_history(&reference, &fit);
    assert_close(fit.model.emission.probability(), &reference.array("learned_emission").unwrap(), 1e-8);
    assert!(fit.history.is_sorted());

    let em = twenty().concentration(2.5, 2.5);
    let start = |reference: &Reference| start(reference).concentration(2.5).unwrap();
    let (reference, fit) = learn_numbers("learn_categorical_prior", &em, start);
    // hmmlearn's history leaves the prior out; ours is what climbs.
    assert_close(fit.model.chain.initial(), &reference.array("learned_initial").unwrap(), 1e-8);
    assert_close(&fit.model.chain.transition().to_owned(), &reference.array("learned_transition").unwrap(), 1e-8);
    assert_close(fit.model.emission.probability(), &reference.array("learned_emission").unwrap(), 1e-8);
    assert!(fit.history.is_sorted());
}

#[test]
fn poisson_learning_is_hmmlearns() {
    let start = |reference: &Reference| Poisson::new(reference.array("start_rate").unwrap()).unwrap();
    let (reference, fit) = learn_numbers("learn_poisson", &twenty(), start);
    assert_chain_and_history(&reference, &fit);
    assert_close(fit.model.emission.rate(), &reference.array("learned_rate").unwrap(), 1e-8);
}

/// Planted: scatter around a mean that is 1 % off.
#[test]
fn gaussian_learning_is_hmmlearns() {
    let covariance = |reference: &Reference, kind: &str, when: &str| {
        let name = format!("{when}_covariance");
        match kind {
            "full" => Covariance::Full(reference.array(&name).unwrap()),
            "tied" => Covariance::Tied(reference.array(&name).unwrap()),
            "diag" => Covariance::Diagonal(reference.array(&name).unwrap()),
            _ => Covariance::Spherical(reference.array(&name).unwrap()),
        }
    };
    for kind in ["full", "tied", "diag", "spherical"] {
        let (reference, fit) = learn_vectors(&format!("learn_{kind}"), |reference| {
            let gaussians =
                Gaussians::new(reference.array("start_mean").unwrap(), covariance(reference, kind, "start"));
            Gaussian::new(gaussians.unwrap())
        });
        assert_chain_and_history(&reference, &fit);
        let learned = fit.model.emission.gaussians();
        assert_close(learned.mean(), &reference.array("learned_mean").unwrap(), 1e-8);
        let want = covariance(&reference, kind, "learned");
        for k in 0..3 {
            assert_close(&learned.covariance().matrix(k, 2), &want.matrix(k, 2), 1e-8);
        }
    }
}

/// hmmlearn with its M step put right: see `make.py`.
#[test]
fn mixture_learning_is_hmmlearns() {
    let flat = |reference: &Reference, name: &str| {
        let stacked: Array3<f64> = reference.array(name).unwrap();
        stacked.into_shape_with_order((6, 2)).unwrap()
    };
    let (reference, fit) = learn_vectors("learn_mixture", |reference| {
        let covariance = Covariance::Diagonal(flat(reference, "start_covariance"));
        let parts = Gaussians::new(flat(reference, "start_mean"), covariance).unwrap();
        Mixture::new(reference.array("start_weight").unwrap(), parts).unwrap()
    });
    assert_chain_and_history(&reference, &fit);
    assert_close(fit.model.emission.weight(), &reference.array("learned_weight").unwrap(), 1e-8);
    let learned = fit.model.emission.gaussians();
    assert_close(learned.mean(), &flat(&reference, "learned_mean"), 1e-8);
    let want = Covariance::Diagonal(flat(&reference, "learned_covariance"));
    assert!((0..6).all(|k| (learned.covariance().matrix(k, 2) - want.matrix(k, 2)).iter().all(|d| d.abs() < 1e-8)));
}

/// One iteration, by counting over all paths of all sequences.
#[test]
fn one_iteration_counts_all_paths() {
    let chain = Chain::new(array![0.6, 0.4], array![[0.7, 0.3], [0.2, 0.8]]).unwrap();
    let emission = Categorical::new(array![[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]]).unwrap();
    let model = Hmm::new(chain.clone(), emission.clone()).unwrap();
    let sequences = [array![0, 1, 2, 2], array![1], array![2, 0, 0]];
    let (mut initial, mut moves, mut shown) =
        (Array1::<f64>::zeros(2), Array2::<f64>::zeros((2, 2)), Array2::<f64>::zeros((2, 3)));
    let mut log_likelihood = 0.0;
    for x in &sequences {
        let log_emission = emission.likelihoods(x).unwrap().table();
        let paths = all_paths(&chain, &log_emission);
        let total: f64 = paths.iter().map(|(_, p)| p).sum();
        log_likelihood += total.ln();
        for (path, p) in paths {
            initial[path[0]] += p / total;
            for t in 0..path.len() {
                shown[[path[t], x[t]]] += p / total;
                if t > 0 {
                    moves[[path[t - 1], path[t]]] += p / total;
                }
            }
        }
    }
    let rows = |counts: Array2<f64>| &counts / &counts.sum_axis(Axis(1)).insert_axis(Axis(1));
    let all: Vec<&ndarray::ArrayRef1<usize>> = sequences.iter().map(|x| &**x).collect();
    let fit = BaumWelch::new().iterations(1).fit(&model, &all).unwrap();
    assert!((fit.history[0] - log_likelihood).abs() < 1e-12);
    assert_close(fit.model.chain.initial(), &(initial / 3.0), 1e-12);
    assert_close(&fit.model.chain.transition().to_owned(), &rows(moves), 1e-12);
    assert_close(fit.model.emission.probability(), &rows(shown), 1e-12);

    let kept =
        BaumWelch::new().iterations(3).keep_initial().keep_transition().keep_emission().fit(&model, &all).unwrap();
    assert_eq!(kept.model, model);
    assert!(kept.converged && kept.history.len() == 2);
}

/// With a prior, the objective's gradient along each free direction vanishes where EM has converged.
#[test]
fn the_end_is_a_maximum_of_likelihood_and_prior() {
    let x = array![[0.1], [0.3], [-0.2], [2.1], [2.3], [1.9], [2.0], [0.2], [-0.1], [0.0]];
    let gaussians = Gaussians::new(array![[0.0], [1.0]], Covariance::Full(ndarray::Array3::ones((2, 1, 1)))).unwrap();
    let regular = Regular { count: 2.0, variance: 0.5, ridge: 0.0 };
    let chain = Chain::new(array![0.5, 0.5], array![[0.8, 0.2], [0.2, 0.8]]).unwrap();
    let start = Hmm::new(chain, Gaussian::new(gaussians).regular(regular).unwrap()).unwrap();
    let em = BaumWelch::new().iterations(2000).tolerance(1e-13).concentration(1.0, 2.0);
    let fit = em.fit(&start, &[&x]).unwrap();
    assert!(fit.converged && fit.history.windows(2).all(|pair| pair[1] > pair[0] - 1e-9));
    // The objective of a model, by none of the code that learned it.
    let objective = |stay: [f64; 2], mean: [f64; 2], variance: [f64; 2]| {
        let a = array![[stay[0], 1.0 - stay[0]], [1.0 - stay[1], stay[1]]];
        let chain = Chain::new(fit.model.chain.initial().clone(), a.clone()).unwrap();
        let log_emission = Array2::from_shape_fn((x.nrows(), 2), |(t, j)| {
            let square = (x[[t, 0]] - mean[j]).powi(2) / variance[j];
            -0.5 * ((2.0 * std::f64::consts::PI * variance[j]).ln() + square)
        });
        let prior = variance.iter().map(|v| -0.5 * 2.0 * (v.ln() + 0.5 / v)).sum::<f64>() + a.ln().sum();
        chain.log_likelihood(&log_emission).unwrap() + prior
    };
    let learned = fit.model.emission.gaussians();
    let at = [
        fit.model.chain.transition()[[0, 0]],
        fit.model.chain.transition()[[1, 1]],
        learned.mean()[[0, 0]],
        learned.mean()[[1, 0]],
        learned.covariance().matrix(0, 1)[[0, 0]],
        learned.covariance().matrix(1, 1)[[0, 0]],
    ];
    let value = |p: [f64; 6]| objective([p[0], p[1]], [p[2], p[3]], [p[4], p[5]]);
    for i in 0..6 {
        let step = |h: f64| value(std::array::from_fn(|j| at[j] + if i == j { h } else { 0.0 }));
        let slope = (step(1e-5) - step(-1e-5)) / 2e-5;
        assert!(slope.abs() < 1e-4, "{i}: {slope}");
        assert!(step(1e-2) < step(0.0) && step(-1e-2) < step(0.0), "{i}");
    }
}

#[test]
fn restarts_find_what_one_start_misses() {
    let truth = Hmm::new(
        Chain::new(array![0.5, 0.5], array![[0.95, 0.05], [0.05, 0.95]]).unwrap(),
        Categorical::new(array![[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]).unwrap(),
    )
    .unwrap();
    let (_, x) = truth.sample(400, &mut RandomState::new(3)).unwrap();
    // Two states that are the same never part.
    let start = Hmm::new(
        Chain::new(array![0.5, 0.5], array![[0.5, 0.5], [0.5, 0.5]]).unwrap(),
        Categorical::new(array![[0.4, 0.2, 0.4], [0.4, 0.2, 0.4]]).unwrap(),
    )
    .unwrap();
    let alone = BaumWelch::new().fit(&start, &[&x]).unwrap();
    let restarted = BaumWelch::new().restarts(5, 1).fit(&start, &[&x]).unwrap();
    assert!(restarted.objective() > alone.objective() + 50.0);
    assert!(restarted.objective() > truth.log_likelihood(&x).unwrap());
    assert_eq!(restarted, BaumWelch::new().restarts(5, 1).fit(&start, &[&x]).unwrap());
    // Left to right stays left to right, restarts included.
    let right =
        Hmm::new(Chain::new(array![1.0, 0.0], array![[0.9, 0.1], [0.0, 1.0]]).unwrap(), truth.emission).unwrap();
    let fit = BaumWelch::new().restarts(3, 1).fit(&right, &[&x]).unwrap();
    assert_eq!(fit.model.chain.transition()[[1, 0]], 0.0);
    assert_eq!(fit.model.chain.initial()[1], 0.0);
}

#[test]
fn criteria_choose_the_number_of_states() {
    let means = array![[-4.0], [0.0], [4.0]];
    let gaussians = |mean: Array2<f64>| {
        let ones = Array2::ones(mean.dim());
        Gaussian::new(Gaussians::new(mean, Covariance::Diagonal(ones)).unwrap())
    };
    let even = |states: usize| {
        let stay = |(i, j)| if i == j { 0.9 } else { 0.1 / (states - 1).max(1) as f64 };
        let a = if states == 1 { array![[1.0]] } else { Array2::from_shape_fn((states, states), stay) };
        Chain::new(Array1::from_elem(states, 1.0 / states as f64), a).unwrap()
    };
    let truth = Hmm::new(even(3), gaussians(means)).unwrap();
    let (_, x) = truth.sample(500, &mut RandomState::new(1)).unwrap();
    let (_, held_out) = truth.sample(500, &mut RandomState::new(2)).unwrap();
    let mut scores = Vec::new();
    for states in 1..=5 {
        let spread = Array2::from_shape_fn((states, 1), |(k, _)| k as f64 - 2.0);
        let start = Hmm::new(even(states), gaussians(spread)).unwrap();
        let fit = BaumWelch::new().restarts(4, 7).fit(&start, &[&x]).unwrap();
        // π and A, and a mean and a variance per state.
        assert_eq!(start.parameters(), (states - 1) + states * (states - 1) + 2 * states);
        let (l, k) = (fit.objective(), start.parameters());
        scores.push((bic(l, k, x.nrows()), aic(l, k), -fit.model.log_likelihood(&held_out).unwrap()));
    }
    let best = |score: fn(&(f64, f64, f64)) -> f64| {
        (1..=5).min_by(|a, b| score(&scores[a - 1]).total_cmp(&score(&scores[b - 1])))
    };
    assert_eq!(best(|s| s.0), Some(3));
    // Akaike's may ask for too many, never for too few; held-out data punish only what they see.
    assert!(best(|s| s.1) >= Some(3) && best(|s| s.2) >= Some(3));
    assert!(scores[1].2 > scores[2].2 + 50.0);
}

#[test]
fn what_cannot_be_learned_is_refused_with_a_remedy() {
    let chain = Chain::new(array![0.5, 0.5], array![[0.5, 0.5], [0.5, 0.5]]).unwrap();
    let coins = Hmm::new(chain.clone(), Categorical::new(array![[0.5, 0.5], [0.9, 0.1]]).unwrap()).unwrap();
    let em = BaumWelch::new();
    for (got, words) in [
        (message(em.fit(&coins, &[])), "at least one sequence"),
        (message(em.fit(&coins, &[&array![0, 1], &array![]])), "at least one observation"),
        (message(em.fit(&coins, &[&array![0, 1, 2]])), "2 at 2"),
        (message(em.concentration(0.5, 1.0).fit(&coins, &[&array![0]])), "1 or more"),
        (message(em.tolerance(f64::NAN).fit(&coins, &[&array![0]])), "tolerance"),
        (message(coins.emission.clone().concentration(f64::NAN)), "1 or more"),
        (message(Categorical::new(array![[0.5, 0.6]])), "sums to 1.1"),
        (message(Categorical::new(Array2::zeros((2, 0)))), "empty"),
        (message(Hmm::new(chain.clone(), Poisson::new(array![1.0]).unwrap())), "2, the number of states"),
        (message(Poisson::new(array![0.0])), "above 0"),
        (message(Poisson::new(array![1.0]).unwrap().prior(0.5, 0.0)), "1 or more"),
    ] {
        assert!(got.contains(words), "{got}");
    }
    let varying = Chain::varying(array![0.5, 0.5], ndarray::Array3::from_elem((1, 2, 2), 0.5)).unwrap();
    let coins = Hmm::new(varying, coins.emission).unwrap();
    assert!(message(em.fit(&coins, &[&array![0, 1]])).contains("same at all times"));

    // Points on a line have no covariance in the plane; a prior gives them one.
    let plane = |regular| {
        let gaussians = Gaussians::new(array![[0.0, 0.0], [1.0, 1.0]], Covariance::Tied(Array2::eye(2))).unwrap();
        Hmm::new(chain.clone(), Gaussian::new(gaussians).regular(regular).unwrap()).unwrap()
    };
    let line = array![[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]];
    assert!(message(em.fit(&plane(Regular::default()), &[&line])).contains("ridge"));
    assert!(em.fit(&plane(Regular { count: 1.0, variance: 0.1, ridge: 0.0 }), &[&line]).is_ok());
    for (x, words) in [
        (array![[0.0, f64::NAN]], "NaN"),
        (Array2::zeros((0, 2)), "at least one row"),
        (Array2::zeros((3, 1)), "(samples, 2)"),
    ] {
        let message = message(em.fit(&plane(Regular::default()), &[&x]));
        assert!(message.contains(words), "{message}");
    }
    // One observation, and a symbol that no state shows.
    assert!(em.fit(&Hmm::new(chain.clone(), Poisson::new(array![1.0, 2.0]).unwrap()).unwrap(), &[&array![0]]).is_ok());
    let never = Categorical::new(array![[1.0, 0.0], [1.0, 0.0]]).unwrap();
    assert!(message(Hmm::new(chain, never).unwrap().posterior(&array![0, 0, 1])).contains("observation 2 "));
}
