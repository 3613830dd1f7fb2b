//! What is drawn is distributed as it should be: six standard errors, fixed seeds.

use std::collections::HashMap;

use mlnotes::gaussian::{Covariance, Gaussians};
use mlnotes::hmm::{Categorical, Chain, Emission, Gaussian, Hmm, Mixture, Poisson};
use mlnotes::prelude::*;

use super::{all_paths, example};
use crate::message;

/// |share − p| within six standard errors of n draws.
#[track_caller]
fn assert_share(count: f64, n: f64, p: f64) {
    let error = (count / n - p).abs();
    assert!(error <= 6.0 * (p * (1.0 - p) / n).sqrt() + 1e-12, "{count} of {n} for {p}");
}

/// Planted: paths backwards by a_ji.
#[test]
fn paths_are_drawn_as_often_as_they_are_probable() {
    for dense in [true, false] {
        let (chain, log_emission) = example(3, 4, 2, dense);
        let paths = all_paths(&chain, &log_emission);
        let total: f64 = paths.iter().map(|(_, p)| p).sum();
        let mut random = RandomState::new(5);
        let mut counts: HashMap<Vec<usize>, f64> = HashMap::new();
        for _ in 0..20_000 {
            *counts.entry(chain.sample_posterior(&log_emission, &mut random).unwrap()).or_default() += 1.0;
        }
        for (path, p) in &paths {
            assert_share(counts.get(path).copied().unwrap_or(0.0), 20_000.0, p / total);
        }
    }
}

#[test]
fn simulated_chains_move_as_they_should() {
    let chain = Chain::new(array![0.3, 0.7], array![[0.9, 0.1], [0.4, 0.6]]).unwrap();
    let states = chain.sample(50_000, &mut RandomState::new(8)).unwrap();
    for i in 0..2 {
        let from = states[..49_999].iter().filter(|&&state| state == i).count() as f64;
        for j in 0..2 {
            let moves = states.windows(2).filter(|pair| **pair == [i, j]).count() as f64;
            assert_share(moves, from, chain.transition()[[i, j]]);
        }
    }
    let mut random = RandomState::new(9);
    let first = (0..20_000).filter(|_| chain.sample(1, &mut random).unwrap() == [0]).count();
    assert_share(first as f64, 20_000.0, 0.3);
    assert!(message(chain.sample(0, &mut random)).contains("length"));
}

#[test]
fn simulated_observations_have_their_states_moments() {
    let n = 40_000;
    let (states, mut random) = (vec![1; n], RandomState::new(11));
    let symbols = Categorical::new(array![[1.0, 0.0], [0.2, 0.8]]).unwrap().sample(&states, &mut random).unwrap();
    assert_share(symbols.sum() as f64, n as f64, 0.8);

    let counts =
        Poisson::new(array![1.0, 7.0]).unwrap().sample(&states, &mut random).unwrap().mapv(|count| count as f64);
    assert!((counts.mean().unwrap() - 7.0).abs() < 6.0 * (7.0 / n as f64).sqrt());
    // Mean and variance of a Poisson distribution are the same.
    assert!((counts.var(0.0) - 7.0).abs() < 0.4);

    let full = Covariance::Full(array![[[1.0, 0.0], [0.0, 1.0]], [[2.0, 1.2], [1.2, 1.0]]]);
    let gaussian = Gaussian::new(Gaussians::new(array![[0.0, 0.0], [3.0, -1.0]], full).unwrap());
    let x = gaussian.sample(&states, &mut random).unwrap();
    let mean = x.mean_axis(Axis(0)).unwrap();
    let centred = &x - &mean;
    let covariance = centred.t().dot(&centred) / n as f64;
    assert!((mean - array![3.0, -1.0]).iter().all(|d: &f64| d.abs() < 0.05));
    assert!((covariance - array![[2.0, 1.2], [1.2, 1.0]]).iter().all(|d: &f64| d.abs() < 0.08));

    let parts =
        Gaussians::new(array![[0.0], [1.0], [-10.0], [10.0]], Covariance::Spherical(array![1.0, 1.0, 1.0, 1.0]))
            .unwrap();
    let mixture = Mixture::new(array![[0.5, 0.5], [0.25, 0.75]], parts).unwrap();
    let x = mixture.sample(&states, &mut random).unwrap();
    assert_share(x.iter().filter(|x| **x > 0.0).count() as f64, n as f64, 0.75);
}

#[test]
fn a_model_is_found_again_in_what_it_shows() {
    let truth = Hmm::new(
        Chain::new(array![0.5, 0.5], array![[0.95, 0.05], [0.1, 0.9]]).unwrap(),
        Categorical::new(array![[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]).unwrap(),
    )
    .unwrap();
    let (states, x) = truth.sample(20_000, &mut RandomState::new(21)).unwrap();
    let right = |path: &[usize]| path.iter().zip(&states).filter(|(a, b)| a == b).count() as f64 / 20_000.0;
    let viterbi = right(&truth.viterbi(&x).unwrap().states);
    let posterior = truth.posterior(&x).unwrap();
    let by_step: Vec<usize> = posterior.states.rows().into_iter().map(|row| usize::from(row[1] > row[0])).collect();
    // The most probable state of each step is right most often, and as often as it says.
    assert!(viterbi > 0.85 && right(&by_step) >= viterbi);
    let expected = posterior.states.rows().into_iter().map(|row| row[0].max(row[1])).sum::<f64>() / 20_000.0;
    assert!((right(&by_step) - expected).abs() < 0.015);
    let draw = truth.sample_posterior(&x, &mut RandomState::new(22)).unwrap();
    assert!(right(&draw) > 0.75 && right(&draw) < right(&by_step));
}
