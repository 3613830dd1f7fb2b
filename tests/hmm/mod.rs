//! Hidden Markov models: every path enumerated, the textbook's log space, hmmlearn, and sequences at the edge of f64.

mod emission;
mod learning;
mod simulation;

use mlnotes::hmm::{Chain, log_space, parallel};
use mlnotes::prelude::*;

use crate::{assert_close, message};

/// A chain and emissions with zeros of each kind, unless `dense`.
fn example(states: usize, length: usize, seed: u32, dense: bool) -> (Chain, Array2<f64>) {
    let mut random = RandomState::new(seed);
    let mut initial = random.uniform_array(states);
    let mut transition: Array2<f64> = random.uniform_array((states, states));
    let mut emission: Array2<f64> = random.uniform_array((length, states));
    if !dense {
        // Left to right, and one state cannot give the observation in the middle.
        transition.indexed_iter_mut().for_each(|((i, j), a)| *a *= f64::from(u8::from(i <= j)));
        initial[states - 1] = 0.0;
        emission[[length / 2, 0]] = 0.0;
    }
    initial /= initial.sum();
    for mut row in transition.rows_mut() {
        let sum = row.sum();
        row /= sum;
    }
    (Chain::new(initial, transition).unwrap(), emission.ln())
}

/// p(x, z) of every path, by the definition.
fn all_paths(chain: &Chain, log_emission: &Array2<f64>) -> Vec<(Vec<usize>, f64)> {
    all_paths_by(chain, |_| chain.transition().to_owned(), log_emission)
}

fn all_paths_by(chain: &Chain, a: impl Fn(usize) -> Array2<f64>, log_emission: &Array2<f64>) -> Vec<(Vec<usize>, f64)> {
    let (length, states) = log_emission.dim();
    (0..states.pow(length as u32))
        .map(|code| {
            let path: Vec<usize> = (0..length).map(|t| code / states.pow(t as u32) % states).collect();
            let mut p = chain.initial()[path[0]];
            for t in 0..length {
                p *= log_emission[[t, path[t]]].exp();
                if t > 0 {
                    p *= a(t - 1)[[path[t - 1], path[t]]];
                }
            }
            (path, p)
        })
        .collect()
}

/// Planted: a_ji for a_ij in the forward step; the last observation left out; the quotient without its denominator.
#[test]
fn every_answer_is_the_sum_over_all_paths() {
    for (states, length, dense) in [(3, 6, true), (3, 6, false), (2, 1, true), (1, 4, true), (4, 5, false)] {
        let (chain, log_emission) = example(states, length, 7, dense);
        let paths = all_paths(&chain, &log_emission);
        let total: f64 = paths.iter().map(|(_, p)| p).sum();
        let mut gamma = Array2::zeros((length, states));
        let mut moves = Array2::zeros((states, states));
        for (path, p) in &paths {
            for t in 0..length {
                gamma[[t, path[t]]] += p / total;
                if t > 0 {
                    moves[[path[t - 1], path[t]]] += p / total;
                }
            }
        }
        let posterior = chain.posterior(&log_emission).unwrap();
        assert!((posterior.log_likelihood - total.ln()).abs() < 1e-12);
        assert_eq!(chain.log_likelihood(&log_emission).unwrap(), posterior.log_likelihood);
        assert_close(&posterior.states, &gamma, 1e-12);
        assert_close(&posterior.transitions, &moves, 1e-12);
        assert!((posterior.visits().sum() - length as f64).abs() < 1e-12);

        // The filter at t is the posterior of the sequence that ends there.
        let filtered = chain.filter(&log_emission).unwrap();
        for t in 0..length {
            let so_far = log_emission.slice(s![..=t, ..]).to_owned();
            let last = chain.posterior(&so_far).unwrap().states.row(t).to_owned();
            assert_close(&filtered.states.row(t).to_owned(), &last, 1e-12);
        }

        let best = paths.iter().map(|(_, p)| *p).fold(0.0, f64::max);
        let path = chain.viterbi(&log_emission).unwrap();
        assert!((path.log_probability - best.ln()).abs() < 1e-12);
        let (_, its) = paths.iter().find(|(states, _)| *states == path.states).unwrap();
        assert!((its / best - 1.0).abs() < 1e-12);
    }
}

/// Planted: log β started from log 0.5.
#[test]
fn scaled_and_log_space_agree() {
    // Rows of 2, 4, 8, 16 and 32 numbers, exactly full or padded, and one that is too long for these.
    for (states, dense) in
        [(6, true), (6, false), (1, true), (2, true), (3, false), (8, true), (9, false), (20, true), (33, true)]
    {
        let (chain, log_emission) = example(states, 400, 3, dense);
        let (scaled, in_logs) =
            (chain.posterior(&log_emission).unwrap(), log_space::posterior(&chain, &log_emission).unwrap());
        assert!((scaled.log_likelihood / in_logs.log_likelihood - 1.0).abs() < 1e-13);
        assert_close(&scaled.states, &in_logs.states, 1e-10);
        assert_close(&scaled.transitions, &in_logs.transitions, 1e-10);
        // Log α and log β give p(x) at every t.
        let log_alpha = log_space::forward(&chain, &log_emission).unwrap().log_alpha;
        let both = log_alpha + log_space::backward(&chain, &log_emission).unwrap();
        for row in both.rows() {
            assert!((log_space::log_sum_exp(row.to_vec()) / in_logs.log_likelihood - 1.0).abs() < 1e-13);
        }
    }
}

/// Planted: back from step t + 1 by A_{t+1}.
#[test]
fn a_chain_may_change_with_time() {
    let (still, log_emission) = example(3, 5, 1, true);
    let matrices: Vec<Array2<f64>> =
        (0..4).map(|seed| example(3, 5, seed, seed % 2 == 0).0.transition().to_owned()).collect();
    let views: Vec<_> = matrices.iter().map(|a| a.view()).collect();
    let stack = ndarray::stack(Axis(0), &views).unwrap();
    let chain = Chain::varying(still.initial().clone(), stack).unwrap();
    let paths = all_paths_by(&chain, |t| matrices[t].clone(), &log_emission);
    let total: f64 = paths.iter().map(|(_, p)| p).sum();
    let (mut gamma, mut moves) = (Array2::zeros((5, 3)), Array2::zeros((3, 3)));
    for (path, p) in &paths {
        for t in 0..5 {
            gamma[[t, path[t]]] += p / total;
            if t > 0 {
                moves[[path[t - 1], path[t]]] += p / total;
            }
        }
    }
    for posterior in [chain.posterior(&log_emission).unwrap(), log_space::posterior(&chain, &log_emission).unwrap()] {
        assert!((posterior.log_likelihood - total.ln()).abs() < 1e-12);
        assert_close(&posterior.states, &gamma, 1e-12);
        assert_close(&posterior.transitions, &moves, 1e-12);
    }
    let (best, p) = paths.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    let path = chain.viterbi(&log_emission).unwrap();
    assert_eq!(path.states, *best);
    assert!((path.log_probability - p.ln()).abs() < 1e-12);
    assert_close(
        &parallel::filter(&chain, &log_emission, 3).unwrap().states,
        &chain.filter(&log_emission).unwrap().states,
        1e-12,
    );
    let longer = Array2::zeros((6, 3));
    for message in [message(chain.posterior(&longer)), message(log_space::forward(&chain, &longer))] {
        assert!(message.contains("(5, 3)"), "{message}");
    }
    let bad = array![[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.5, 0.6]]];
    assert!(message(Chain::varying(array![0.5, 0.5], bad)).contains("in row 1 of matrix 1"));
    assert!(message(Chain::varying(array![0.5, 0.5], ndarray::Array3::zeros((0, 2, 2)))).contains("empty"));
    assert!(message(Chain::varying(array![0.5, 0.5], ndarray::Array3::zeros((1, 2, 3)))).contains("(moves, 2, 2)"));
}

/// Planted: a block that begins with what is known after it.
#[test]
fn blocks_side_by_side_filter_as_one() {
    for (length, blocks) in [(1, 1), (1, 4), (2, 2), (17, 3), (100, 1), (100, 7), (100, 99), (100, 500)] {
        for dense in [true, false] {
            let (chain, log_emission) = example(3, length, 5, dense || length < 4);
            let (one, many) =
                (chain.filter(&log_emission).unwrap(), parallel::filter(&chain, &log_emission, blocks).unwrap());
            assert_close(&many.states, &one.states, 1e-12);
            assert!((many.log_likelihood / one.log_likelihood - 1.0).abs() < 1e-13);
        }
    }
    let (chain, mut log_emission) = example(3, 50, 5, true);
    // Magnitudes that f64 cannot hold, also within one row.
    log_emission.mapv_inplace(|log_b| 300.0 * log_b - 1e4);
    let want = log_space::forward(&chain, &log_emission).unwrap().log_likelihood;
    assert!((parallel::filter(&chain, &log_emission, 4).unwrap().log_likelihood / want - 1.0).abs() < 1e-12);
    log_emission.row_mut(30).fill(f64::NEG_INFINITY);
    assert!(message(parallel::filter(&chain, &log_emission, 4)).contains("observation 30 "));
    assert!(message(parallel::filter(&chain, &log_emission, 0)).contains("blocks"));
}

#[test]
fn hmmlearn_gives_the_same() {
    for case in ["everywhere", "left_to_right"] {
        let reference = Reference::load("hmm", case).unwrap();
        let number = |name| reference.array::<ndarray::Ix0>(name).unwrap().into_scalar();
        let chain = Chain::new(reference.array("initial").unwrap(), reference.array("transition").unwrap()).unwrap();
        let log_emission: Array2<f64> = reference.array("log_emission").unwrap();
        let posterior = chain.posterior(&log_emission).unwrap();
        assert!((posterior.log_likelihood / number("log_likelihood") - 1.0).abs() < 1e-13);
        assert_close(&posterior.states, &reference.array("posterior").unwrap(), 1e-10);
        let moves = &posterior.transitions / &posterior.transitions.sum_axis(Axis(1)).insert_axis(Axis(1));
        assert_close(&moves, &reference.array("moves").unwrap(), 1e-10);

        let path = chain.viterbi(&log_emission).unwrap();
        assert_eq!(Array1::from(path.states), reference.labels("path").unwrap());
        assert!((path.log_probability / number("path_log_probability") - 1.0).abs() < 1e-13);
    }
}

#[test]
fn likelihoods_near_1e_300_do_not_underflow_in_a_million_steps() {
    let chain = Chain::new(array![0.5, 0.5], array![[0.9, 0.1], [0.2, 0.8]]).unwrap();
    let log_emission = Array2::from_elem((1_000_000, 2), -690.0);
    let posterior = chain.posterior(&log_emission).unwrap();
    assert!((posterior.log_likelihood / -690e6 - 1.0).abs() < 1e-12);
    // Observations that say nothing: the chain's own stationary distribution.
    assert!((posterior.states[[500_000, 0]] - 2.0 / 3.0).abs() < 1e-12);
    assert!((posterior.transitions.sum() - 999_999.0).abs() < 1e-3);
}

#[test]
fn a_state_below_every_f64_is_not_lost_where_it_matters() {
    // State 0 is e^1000 times likelier at first, and impossible later; nobody changes state.
    let chain = Chain::new(array![0.5, 0.5], array![[1.0, 0.0], [0.0, 1.0]]).unwrap();
    let log_emission = array![[0.0, -1000.0], [f64::NEG_INFINITY, 0.0]];
    let want = 0.5_f64.ln() - 1000.0;
    assert!((chain.log_likelihood(&log_emission).unwrap() - want).abs() < 1e-9);
    let posterior = chain.posterior(&log_emission).unwrap();
    assert_close(&posterior.states, &array![[0.0, 1.0], [0.0, 1.0]], 1e-12);
    assert_close(&chain.filter(&log_emission).unwrap().states, &array![[1.0, 0.0], [0.0, 1.0]], 1e-12);
    assert_eq!(chain.viterbi(&log_emission).unwrap().states, [1, 1]);
}

#[test]
fn what_is_no_chain_or_no_table_is_refused_with_a_remedy() {
    let half = || array![0.5, 0.5];
    let stay = || array![[1.0, 0.0], [0.0, 1.0]];
    for (initial, transition, words) in [
        (array![], Array2::zeros((0, 0)), "at least one state"),
        (half(), array![[1.0, 0.0]], "(2, 2)"),
        (array![0.5, 0.4], stay(), "sums to 0.9"),
        (half(), array![[1.0, 0.0], [0.5, 0.6]], "in row 1"),
        (array![1.5, -0.5], stay(), "-0.5 at 1"),
        (array![f64::NAN, 1.0], stay(), "NaN"),
        (half(), array![[1.0, f64::INFINITY], [0.0, 1.0]], "inf"),
    ] {
        let message = message(Chain::new(initial, transition));
        assert!(message.contains(words), "{message}");
    }
    let chain = Chain::new(half(), stay()).unwrap();
    let never = f64::NEG_INFINITY;
    for (table, words) in [
        (Array2::zeros((0, 2)), "at least one observation"),
        (Array2::zeros((3, 1)), "(observations, 2)"),
        (array![[0.0, f64::NAN]], "NaN"),
        (array![[0.0, f64::INFINITY]], "inf"),
        (array![[never, 0.0], [0.0, never]], "observation 1 "),
        (array![[never, never]], "observation 0 "),
    ] {
        for message in [
            message(chain.log_likelihood(&table)),
            message(chain.filter(&table)),
            message(chain.posterior(&table)),
            message(chain.viterbi(&table)),
            message(log_space::posterior(&chain, &table)),
        ] {
            assert!(message.contains(words), "{message}");
        }
    }
}
