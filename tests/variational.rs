//! Variational inference: everything enumerated, quadrature, conjugate evidence; scikit-learn, NumPyro, SciPy.

use mlnotes::expfam::conjugate::{Conjugate, NormalInverseWishart};
use mlnotes::expfam::{Dirichlet, ExponentialFamily, Gamma};
use mlnotes::mlp::one_hot;
use mlnotes::prelude::*;
use mlnotes::variational::{
    BayesianMixture, BlackBox, CoordinateAscent, Elbo, FactorGraph, Family, MeanField, MixturePosterior,
    VariationalGaussian,
};
use ndarray::{ArrayRef1, Ix0, Ix1, Ix2, Ix3};

use crate::expfam::derivative;
use crate::{assert_close, message};

fn number(reference: &Reference, name: &str) -> f64 {
    reference.array::<Ix0>(name).unwrap().into_scalar()
}

/// Planted: a fall that is not looked at.
#[test]
fn coordinate_ascent_refuses_sweeps_that_go_down() {
    let bound = |value: f64| (value, Elbo::new().term("bound", -value * value));
    let fit = CoordinateAscent::new().sweeps(200).tolerance(1e-12).run(bound(8.0), |value| Ok(bound(value / 2.0)));
    let fit = fit.unwrap();
    assert!(fit.converged && fit.model.abs() < 1e-5 && fit.values().is_sorted());
    let away = message(CoordinateAscent::new().run(bound(1.0), |value| Ok(bound(value * 2.0))));
    assert!(away.contains("from -1 to -4") && away.contains("iteration 1"), "{away}");
    assert!(message(CoordinateAscent::new().run(bound(1.0), |_| Ok(bound(f64::NAN)))).contains("NaN"));
    let none = CoordinateAscent::new().sweeps(0).run(bound(1.0), |_| Ok(bound(0.0))).unwrap();
    assert_eq!((none.model, none.history.len(), none.converged), (1.0, 1, false));
    assert!(message(CoordinateAscent::new().tolerance(f64::NAN).run(bound(1.0), |_| Ok(bound(0.0)))).contains("NaN"));
}

/// Four variables of 2, 3, 2 and 4 states; the table of all 48 log potentials, by the four loops written out.
fn four_variables(seed: u32) -> (FactorGraph, ndarray::Array4<f64>) {
    let mut random = RandomState::new(seed);
    let alone: Array1<f64> = random.normal_array(4);
    let pair: Array2<f64> = random.normal_array((3, 2));
    let triple: Array3<f64> = random.normal_array((4, 2, 3));
    let graph = FactorGraph::new(&[2, 3, 2, 4]).unwrap();
    let graph = graph.factor(&[3], &alone).unwrap().factor(&[1, 2], &pair).unwrap();
    let graph = graph.factor(&[3, 0, 1], &triple).unwrap();
    let table =
        ndarray::Array4::from_shape_fn((2, 3, 2, 4), |(a, b, c, d)| alone[d] + pair[[b, c]] + triple[[d, a, b]]);
    (graph, table)
}

/// Planted: the last variable's wrap forgotten in the enumeration's counter.
#[test]
fn enumeration_is_four_loops() {
    for seed in 0..5 {
        let (graph, table) = four_variables(seed);
        let z = table.exp().sum();
        assert!((graph.log_partition().unwrap() - z.ln()).abs() < 1e-13);
        let p = table.exp() / z;
        for (i, marginal) in graph.marginals().unwrap().into_iter().enumerate() {
            let others = (0..4).rev().filter(|&j| j != i);
            let want = others.fold(p.clone().into_dyn(), |p, j| p.sum_axis(Axis(j)));
            assert_close(&marginal.into_dyn(), &want, 1e-14);
        }
        let pair = p.sum_axis(Axis(2)).sum_axis(Axis(0));
        assert_close(&graph.pairwise_marginal(1, 3).unwrap(), &pair, 1e-14);
        assert_close(&graph.pairwise_marginal(3, 1).unwrap(), &pair.reversed_axes(), 1e-14);
        // Observing is taking a slice.
        let seen = graph.observe(1, 2).unwrap();
        let slice = table.index_axis(Axis(1), 2).exp();
        assert!((seen.log_partition().unwrap() - slice.sum().ln()).abs() < 1e-13);
        assert_close(&seen.marginals().unwrap()[1], &array![0.0, 0.0, 1.0], 1e-14);
        let of_first = slice.sum_axis(Axis(2)).sum_axis(Axis(1)) / slice.sum();
        assert_close(&seen.marginals().unwrap()[0], &of_first, 1e-14);
    }
}

/// Planted: an update that weighs a variable's own states by q as well; the entropy's sign; KL without Z.
#[test]
fn the_evidence_is_the_bound_and_the_divergence() {
    for seed in 0..5 {
        let (graph, table) = four_variables(seed);
        for graph in [graph.clone(), graph.observe(1, 2).unwrap()] {
            let log_partition = graph.log_partition().unwrap();
            let mut q = MeanField::random(&graph, seed);
            let mut last = f64::NEG_INFINITY;
            for _ in 0..6 {
                let elbo = q.elbo(&graph).unwrap();
                // The expectation by all four loops.
                let m = q.marginals();
                let weight = |(a, b, c, d): (usize, usize, usize, usize)| m[0][a] * m[1][b] * m[2][c] * m[3][d];
                let joint: f64 = table.indexed_iter().map(|(at, log)| weight(at) * log).sum();
                assert!((elbo.terms()[0].1 - joint).abs() < 1e-13);
                assert!((elbo.value() + q.kl(&graph).unwrap() - log_partition).abs() < 1e-12);
                assert!(elbo.value() >= last - 1e-13);
                last = elbo.value();
                q = q.sweep(&graph).unwrap();
            }
            let fit = q.fit(&graph, &CoordinateAscent::new().sweeps(1000).tolerance(1e-15)).unwrap();
            assert!(fit.converged && fit.elbo().value() < log_partition);
            // No other q_i is better.
            for other in 0..20 {
                let other = MeanField::random(&graph, 100 + other);
                for i in 0..4 {
                    let mut mixed = fit.model.marginals().to_vec();
                    mixed[i] = 0.9 * &mixed[i] + 0.1 * &other.marginals()[i];
                    let mixed = MeanField::new(mixed).unwrap().elbo(&graph).unwrap().value();
                    assert!(mixed <= fit.elbo().value() + 1e-12);
                }
            }
        }
    }
}

/// Two sides that are equally likely: q takes one, and says less is possible than is.
#[test]
fn mean_field_takes_one_side() {
    // A ring of six that agree with their neighbours, strongly.
    let table = array![[1.0, 0.0], [0.0, 1.0]];
    let mut ring = FactorGraph::new(&[2; 6]).unwrap();
    for i in 0..6 {
        ring = ring.factor(&[i, (i + 1) % 6], &table.mapv(|t: f64| 1.5 * t)).unwrap();
    }
    assert_close(&ring.marginals().unwrap()[3], &array![0.5, 0.5], 1e-14);
    let ascent = CoordinateAscent::new().sweeps(500).tolerance(1e-12);
    let fits: Vec<_> = (0..10).map(|seed| MeanField::random(&ring, seed).fit(&ring, &ascent).unwrap()).collect();
    let side = |q: &MeanField| q.marginals()[0][0] > 0.5;
    assert!(fits.iter().any(|fit| side(&fit.model)) && fits.iter().any(|fit| !side(&fit.model)));
    let entropy = |p: f64| -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
    for fit in &fits {
        let p = fit.model.marginals()[0][0];
        assert!((p - 0.5).abs() > 0.3 && entropy(p) < 0.5 * entropy(0.5));
        assert!((fit.elbo().value() - fits[0].elbo().value()).abs() < 1e-10);
        // q's fixed point by hand: two neighbours, log odds 2 · 1.5 · (2p − 1).
        assert!((p - 1.0 / (1.0 + (-3.0 * (2.0 * p - 1.0)).exp())).abs() < 1e-6);
    }
    let even = MeanField::uniform(&ring).fit(&ring, &ascent).unwrap();
    assert!((even.model.marginals()[0][0] - 0.5).abs() < 1e-12 && even.elbo().value() < fits[0].elbo().value());
}

#[test]
fn what_is_no_discrete_model_is_refused_with_a_remedy() {
    let two = || FactorGraph::new(&[2, 3]).unwrap();
    let (ok, q) = (Array2::zeros((2, 3)), MeanField::uniform(&two()));
    let large = FactorGraph::new(&[2; 23]).unwrap();
    let huge = FactorGraph::new(&[1 << 20; 8]).unwrap();
    let seen = two().observe(0, 1).unwrap();
    for (got, words) in [
        (message(FactorGraph::new(&[])), "number of states"),
        (message(FactorGraph::new(&[2, 0])), "at least 1"),
        (message(two().factor(&[], &ok)), "name the variables"),
        (message(two().factor(&[0, 2], &ok)), "below 2, the number of variables"),
        (message(two().factor(&[1, 1], &ok)), "all different"),
        (message(two().factor(&[1, 0], &ok)), "[3, 2]"),
        (message(two().factor(&[0], &array![0.0, f64::NAN])), "NaN"),
        (message(two().factor(&[0], &array![0.0_f64, 1.0].ln())), "observe"),
        (message(two().observe(2, 0)), "below 2"),
        (message(two().observe(0, 2)), "below 2"),
        (message(two().pairwise_marginal(0, 5)), "below 2"),
        (message(large.log_partition()), "8388608"),
        (message(huge.marginals()), "at most 2^22"),
        (message(MeanField::uniform(&large).kl(&large)), "at most 2^22"),
        (message(MeanField::new(vec![])), "each variable"),
        (message(MeanField::new(vec![array![0.5, 0.6]])), "variable 0"),
        (message(MeanField::new(vec![array![f64::NAN]])), "NaN"),
        (message(q.elbo(&large)), "as the model"),
        (message(q.sweep(&seen)), "1: start from"),
        (message(q.fit(&seen, &CoordinateAscent::new())), "0.5 for the observed state"),
    ] {
        assert!(got.contains(words), "{got}");
    }
    // The bound itself needs no enumeration; one variable, one state, all observed.
    assert!((MeanField::uniform(&large).elbo(&large).unwrap().value() - 23.0 * 2.0_f64.ln()).abs() < 1e-12);
    let all = seen.observe(1, 1).unwrap().factor(&[1], &array![1.0, 2.0, 3.0]).unwrap();
    let q = MeanField::random(&all, 3);
    assert_eq!((all.log_partition().unwrap(), q.elbo(&all).unwrap().value(), q.kl(&all).unwrap()), (2.0, 2.0, 0.0));
    assert_eq!(FactorGraph::new(&[1]).unwrap().log_partition().unwrap(), 0.0);
}

fn with_prior(case: &str, reference: &Reference) -> BayesianMixture {
    let mixture = BayesianMixture::new(4).tolerance(-1.0);
    if case == "mixture_default" {
        return mixture;
    }
    mixture
        .weight_concentration(number(reference, "prior_concentration"))
        .mean_precision(number(reference, "prior_mean_precision"))
        .mean(reference.array("prior_mean").unwrap())
        .degrees(number(reference, "prior_degrees"))
        .scale(reference.array("prior_scale").unwrap())
}

/// scikit-learn's bound leaves out −½ N D log 2π and the prior's normalisers, and π^(D (D − 1)/4) in those of the Wisharts;
/// it takes q(Z) from before the M step, as `elbo` can. Its N_k are 2e-15 larger.
///
/// Planted: ν₀ for ν₀ + N_k; 1/β_k left out of the E step.
#[test]
fn twenty_sweeps_are_scikit_learns() {
    for case in ["mixture_default", "mixture_prior"] {
        let reference = Reference::load("variational", case).unwrap();
        let x: Array2<f64> = reference.array("x").unwrap();
        let start: Array2<f64> = reference.array("start").unwrap();
        let builder = with_prior(case, &reference);
        let fit = builder.clone().sweeps(20).fit_from(&start, &x).unwrap();
        assert!(fit.history.len() == 21 && !fit.converged);
        let q = &fit.model;
        let prior = q.prior();
        assert_close(prior.mean(), &reference.array("prior_mean").unwrap(), 1e-13);
        assert_close(prior.scale(), &reference.array("prior_scale").unwrap(), 1e-12);
        assert_eq!(prior.count(), number(&reference, "prior_mean_precision"));
        assert_eq!(prior.degrees(), number(&reference, "prior_degrees"));
        assert_eq!(q.prior_concentration(), number(&reference, "prior_concentration"));

        assert_close(q.concentration(), &reference.array("concentration").unwrap(), 1e-9);
        assert_close(&q.expected_weight(), &reference.array("weight").unwrap(), 1e-11);
        let (mean, scale) = (reference.array::<Ix2>("mean").unwrap(), reference.array::<Ix3>("scale").unwrap());
        let vector = |name: &str| reference.array::<Ix1>(name).unwrap();
        for (k, q) in q.components().iter().enumerate() {
            assert_close(q.mean(), &mean.row(k), 1e-10);
            assert_close(q.scale(), &scale.index_axis(Axis(0), k), 1e-9);
            assert!((q.count() - vector("mean_precision")[k]).abs() < 1e-9);
            assert!((q.degrees() - vector("degrees")[k]).abs() < 1e-9);
        }
        assert_close(&q.responsibilities(&x).unwrap(), &reference.array("responsibilities").unwrap(), 1e-10);

        let (n, d, k) = (150.0, 3.0, 4.0);
        let dirichlet = Dirichlet::new(Array1::from_elem(4, q.prior_concentration())).unwrap();
        let wishart = prior.log_normaliser() - d * (d - 1.0) / 4.0 * std::f64::consts::PI.ln();
        let left_out = -0.5 * n * d * (2.0 * std::f64::consts::PI).ln() - dirichlet.log_partition() - k * wishart;
        for (sweeps, &bound) in vector("lower_bounds").iter().enumerate() {
            let at = |sweeps: usize| builder.clone().sweeps(sweeps).fit_from(&start, &x).unwrap().model;
            let before = at(sweeps).responsibilities(&x).unwrap();
            let elbo = at(sweeps + 1).elbo(&x, &before).unwrap();
            assert!((elbo.value() - left_out - bound).abs() < 1e-9, "{} {bound}", elbo.value() - left_out);
            // The E step that follows raises it, and the history tells that bound.
            assert!(elbo.value() <= fit.history[sweeps + 1].value() + 1e-10);
            assert!(elbo.value() >= fit.history[sweeps].value() - 1e-10);
        }
        let last = q.elbo(&x, &q.responsibilities(&x).unwrap()).unwrap();
        assert!((last.value() - fit.elbo().value()).abs() < 1e-10 && last.terms().len() == 7);
    }
}

fn wishart(d: usize) -> NormalInverseWishart {
    let scale = Array2::from_shape_fn((d, d), |(i, j)| if i == j { 2.0 + i as f64 } else { 0.5 });
    NormalInverseWishart::new(Array1::from_elem(d, 0.3), 0.7, d as f64 + 0.5, scale).unwrap()
}

fn mixture_with(prior: &NormalInverseWishart, components: usize) -> BayesianMixture {
    BayesianMixture::new(components)
        .mean(prior.mean().clone())
        .mean_precision(prior.count())
        .degrees(prior.degrees())
        .scale(prior.scale().clone())
}

/// Planted: ν_k for ν₀ in E log p(μ, Λ); the scatter's trace left out of E log p(X | Z, μ, Λ).
#[test]
fn with_one_component_the_bound_is_the_evidence() {
    for d in 1..4 {
        for n in [1, 2, 40] {
            let x: Array2<f64> = RandomState::new(d as u32).normal_array((n, d));
            let prior = wishart(d);
            let fit = mixture_with(&prior, 1).fit(&x).unwrap();
            let evidence = prior.log_evidence(&x).unwrap();
            assert!((fit.elbo().value() - evidence).abs() < 1e-11, "{} {evidence}", fit.elbo().value());
            assert_close(
                &fit.model.log_predictive(&x).unwrap(),
                &prior.posterior(&x).unwrap().log_predictive(&x).unwrap(),
                1e-12,
            );
            assert_close(&fit.model.responsibilities(&x).unwrap(), &Array2::ones((n, 1)), 0.0);
        }
    }
}

/// KL between two q(μ, Λ) in one dimension, where Λ is gamma distributed.
fn kl(q: &NormalInverseWishart, p: &NormalInverseWishart) -> f64 {
    let gamma = |w: &NormalInverseWishart| Gamma::new(0.5 * w.degrees(), 0.5 * w.scale()[[0, 0]]).unwrap();
    let (ratio, shift) = (p.count() / q.count(), q.mean()[0] - p.mean()[0]);
    let precision = q.degrees() / q.scale()[[0, 0]];
    gamma(q).kl(&gamma(p)).unwrap() + 0.5 * (ratio - 1.0 - ratio.ln() + p.count() * precision * shift * shift)
}

/// Every way to give five points to two components: log p(x), the posterior, and KL(q ‖ posterior), none of them by a bound.
///
/// Planted: α_k cut off at a third of their sum in E log q(π); the sign of E log q(Z).
#[test]
fn the_evidence_of_a_mixture_is_the_bound_and_the_divergence() {
    let (prior, x, alpha) = (wishart(1), array![[-1.2], [-0.9], [0.3], [1.1], [1.6]], 0.8);
    let after = |rows: &[usize]| {
        if rows.is_empty() { prior.clone() } else { prior.posterior(&x.select(Axis(0), rows)).unwrap() }
    };
    let dirichlet = Dirichlet::new(array![alpha, alpha]).unwrap();
    let mixture = mixture_with(&prior, 2).weight_concentration(alpha).sweeps(500).tolerance(1e-13);
    for (seed, sweeps) in [(0, 0), (0, 1), (1, 3), (2, 500)] {
        let share: Array1<f64> = RandomState::new(seed).uniform_array(5);
        let start = Array2::from_shape_fn((5, 2), |(n, k)| if k == 0 { share[n] } else { 1.0 - share[n] });
        let fit = mixture.clone().sweeps(sweeps).fit_from(&start, &x).unwrap();
        let q = &fit.model;
        let r = q.responsibilities(&x).unwrap();
        let of_weights = Dirichlet::new(q.concentration().clone()).unwrap();
        let (mut log_joint, mut divergence) = (vec![], vec![]);
        for code in 0..32 {
            let labels = Array1::from_shape_fn(5, |n| code >> n & 1);
            let rows = |k| (0..5).filter(|&n| labels[n] == k).collect::<Vec<_>>();
            let labels = one_hot(&labels, 2).unwrap();
            let evidence = |rows: &[usize]| {
                if rows.is_empty() { 0.0 } else { prior.log_evidence(&x.select(Axis(0), rows)).unwrap() }
            };
            log_joint.push(dirichlet.log_evidence(&labels).unwrap() + evidence(&rows(0)) + evidence(&rows(1)));
            let of_parameters = of_weights.kl(&dirichlet.posterior(&labels).unwrap()).unwrap()
                + kl(&q.components()[0], &after(&rows(0)))
                + kl(&q.components()[1], &after(&rows(1)));
            divergence.push(((&r * &labels).sum_axis(Axis(1)).product(), of_parameters));
        }
        let evidence = log_joint.iter().map(|log| log.exp()).sum::<f64>().ln();
        let kl: f64 =
            divergence.iter().zip(&log_joint).map(|((q, kl), log)| q * (q.ln() - (log - evidence) + kl)).sum();
        assert!(
            kl > 0.01 && (fit.elbo().value() + kl - evidence).abs() < 1e-11,
            "{} {kl} {evidence}",
            fit.elbo().value()
        );
    }
    // In two dimensions, the bound alone.
    let (prior, x): (_, Array2<f64>) = (wishart(2), RandomState::new(5).normal_array((5, 2)));
    let fit = mixture_with(&prior, 2).weight_concentration(alpha).fit(&x).unwrap();
    let log_joint = (0..32).map(|code| {
        let labels = Array1::from_shape_fn(5, |n| code >> n & 1);
        let rows = |k| (0..5).filter(|&n| labels[n] == k).collect::<Vec<_>>();
        let parts = [rows(0), rows(1)].into_iter().filter(|rows| !rows.is_empty());
        let evidence: f64 = parts.map(|rows| prior.log_evidence(&x.select(Axis(0), &rows)).unwrap()).sum();
        evidence + dirichlet.log_evidence(&one_hot(&labels, 2).unwrap()).unwrap()
    });
    let evidence = log_joint.map(f64::exp).sum::<f64>().ln();
    assert!(fit.elbo().value() < evidence);
}

/// At the end each factor of q is the best: whatever is moved, the bound falls, and in the second order.
///
/// Planted: ψ(α_k) without ψ(Σ α), which cancels from the bound itself as long as α_k = α₀ + N_k.
#[test]
fn no_factor_of_the_mixtures_posterior_can_be_improved() {
    let reference = Reference::load("variational", "mixture_prior").unwrap();
    let x: Array2<f64> = reference.array("x").unwrap();
    let builder = with_prior("mixture_prior", &reference).sweeps(5000).tolerance(1e-13);
    let fit = builder.fit_from(&reference.array("start").unwrap(), &x).unwrap();
    assert!(fit.converged);
    let (q, r, best) = (&fit.model, fit.model.responsibilities(&x).unwrap(), fit.elbo().value());
    let elbo = |alpha: Array1<f64>, parts: Vec<NormalInverseWishart>| {
        let q = MixturePosterior::new(q.prior_concentration(), q.prior().clone(), alpha, parts).unwrap();
        q.elbo(&x, &r).unwrap().value()
    };
    let is_below = |elbo: &dyn Fn(f64) -> f64| {
        for step in [1e-2, -1e-2] {
            let loss = best - elbo(step);
            // A slope of 0: half the step costs a quarter.
            assert!(loss > 1e-9 && (best - elbo(0.5 * step)) < 0.35 * loss, "{loss}");
        }
    };
    let alpha = q.concentration().clone();
    for k in 0..4 {
        is_below(&|step| {
            let mut moved = alpha.clone();
            moved[k] *= 1.0 + step;
            elbo(moved, q.components().to_vec())
        });
        for which in 0..4 {
            is_below(&|step| {
                let (mut parts, by) = (q.components().to_vec(), 1.0 + step);
                let [mean, count, degrees, scale] = std::array::from_fn(|i| if i == which { by } else { 1.0 });
                let part = &parts[k];
                let (degrees, count) = (part.degrees() * degrees, part.count() * count);
                parts[k] = NormalInverseWishart::new(part.mean() * mean, count, degrees, part.scale() * scale).unwrap();
                elbo(alpha.clone(), parts)
            });
        }
    }
    let even = Array2::from_elem(r.dim(), 0.25);
    assert!(q.elbo(&x, &(&r * 0.99 + &even * 0.01)).unwrap().value() < best);
}

#[test]
fn components_that_are_not_needed_are_emptied() {
    let mut random = RandomState::new(7);
    let centres = array![[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]];
    let x = Array2::from_shape_fn((240, 2), |(n, i)| centres[[n % 3, i]] + random.normal());
    let fit = BayesianMixture::new(8).weight_concentration(1e-3).sweeps(1000).starts(3).fit(&x).unwrap();
    assert!(fit.converged && fit.values().windows(2).all(|pair| pair[1] > pair[0] - 1e-9));
    let weight = fit.model.expected_weight();
    let used: Vec<usize> = (0..8).filter(|&k| weight[k] > 0.01).collect();
    assert_eq!(used.len(), 3);
    for k in (0..8).filter(|k| !used.contains(k)) {
        // Back at the prior.
        let q = &fit.model.components()[k];
        assert!(
            (q.degrees() - 2.0).abs() < 1e-6
                && (&fit.model.prior().scale().view() - q.scale()).iter().all(|d| d.abs() < 1e-4)
        );
    }
    // The predictive density is the sum of the three Student's t, and close to the plug-in mixture's.
    let at = array![[0.5, 0.5], [7.0, 1.0], [100.0, -100.0]];
    let log_predictive = fit.model.log_predictive(&at).unwrap();
    let by_hand: Array1<f64> = (0..8)
        .map(|k| fit.model.components()[k].log_predictive(&at).unwrap().exp() * weight[k])
        .fold(Array1::zeros(3), |sum: Array1<f64>, part| sum + part);
    assert_close(&log_predictive, &by_hand.ln(), 1e-12);
    let plug_in = fit.model.mixture().unwrap().log_density(&at).unwrap();
    assert!((plug_in[0] - log_predictive[0]).abs() < 0.1);
    // Far away the tails are a power, not e^(−x²/2): even an empty component's variance there, about 11, leaves the plug-in
    // −141²/22.
    assert!(log_predictive[2] > -100.0 && plug_in[2] < -500.0);
    let same = BayesianMixture::new(8).weight_concentration(1e-3).sweeps(1000).starts(3).fit(&x).unwrap();
    assert_eq!(same, fit);
    assert_eq!(fit.model.predict(&x).unwrap()[0], fit.model.predict(&x).unwrap()[3]);
    assert!((fit.model.responsibilities(&array![[1e200, 0.0]]).unwrap().sum() - 1.0).abs() < 1e-12);
}

#[test]
fn what_is_no_mixture_is_refused_with_a_remedy() {
    let (x, nan) = (array![[0.0, 1.0], [2.0, 3.0], [4.0, 4.0]], f64::NAN);
    let two = BayesianMixture::new(2);
    let q = two.fit(&x).unwrap().model;
    let part = || q.components()[0].clone();
    for (got, words) in [
        (message(BayesianMixture::new(0).fit(&x)), "at least 1"),
        (message(two.clone().starts(0).fit(&x)), "at least 1"),
        (message(two.fit(&Array2::zeros((0, 2)))), "at least one row"),
        (message(two.fit(&Array2::zeros((2, 0)))), "at least one column"),
        (message(two.fit(&array![[nan, 1.0], [1.0, 2.0]])), "NaN"),
        (message(two.fit(&array![[0.0, 1.0]])), "prior `scale`"),
        (message(two.fit(&Array2::zeros((5, 2)))), "prior `scale`"),
        (message(two.fit(&array![[0.0, 1.0], [1.0, 1.0]])), "prior `scale`"),
        (message(two.clone().weight_concentration(0.0).fit(&x)), "weight_concentration"),
        (message(two.clone().weight_concentration(nan).fit(&x)), "weight_concentration"),
        (message(two.clone().mean_precision(-1.0).fit(&x)), "above 0"),
        (message(two.clone().degrees(1.0).fit(&x)), "above 1"),
        (message(two.clone().mean(array![0.0]).fit(&x)), "(1, 1)"),
        (message(two.clone().mean(array![0.0]).scale(array![[1.0]]).fit(&x)), "(samples, 1)"),
        (message(two.clone().scale(array![[1.0, 2.0], [2.0, 1.0]]).fit(&x)), "not a covariance"),
        (message(two.clone().tolerance(nan).fit(&x)), "NaN"),
        (message(two.fit_from(&Array2::ones((3, 1)), &x)), "(3, 2)"),
        (message(two.fit_from(&Array2::ones((3, 2)), &x)), "sums to 2 in row 0"),
        (message(two.fit_from(&Array2::from_elem((3, 2), nan), &x)), "NaN"),
        (message(q.elbo(&x, &Array2::ones((3, 1)))), "(3, 2)"),
        (message(q.responsibilities(&array![[1.0]])), "(samples, 2)"),
        (message(q.log_predictive(&array![[nan, 0.0]])), "NaN"),
        (message(MixturePosterior::new(1.0, part(), array![], vec![])), "at least one"),
        (message(MixturePosterior::new(1.0, part(), array![1.0], vec![part(), part()])), "1, one for each"),
        (message(MixturePosterior::new(1.0, part(), array![0.0], vec![part()])), "above 0"),
        (message(MixturePosterior::new(nan, part(), array![1.0], vec![part()])), "above 0"),
        (message(MixturePosterior::new(1.0, wishart(1), array![1.0], vec![part()])), "(1)"),
    ] {
        assert!(got.contains(words), "{got}");
    }
    // One point, and fewer points than components, given a scale.
    let few = BayesianMixture::new(5).scale(Array2::eye(2)).fit(&array![[1.0, 2.0]]).unwrap();
    assert!(few.elbo().value().is_finite() && few.model.concentration().len() == 5);
    assert!((few.model.concentration().sum() - 2.0).abs() < 1e-12);
}

/// A log density that is not Gaussian, and its gradient.
fn bumps(z: &ArrayRef1<f64>) -> Result<(f64, Array1<f64>)> {
    let (a, b) = (z[0] + 0.5 * z[1] - 0.3, z[1] - 0.4 * z[0]);
    let value = -0.5 * a * a - b.cosh().ln() + 0.3 * z[0].sin();
    Ok((value, array![-a + 0.4 * b.tanh() + 0.3 * z[0].cos(), -0.5 * a - b.tanh()]))
}

/// Rows of ε and weights: the trapezoidal rule for a standard normal in the plane.
fn plane() -> (Array2<f64>, Array1<f64>) {
    let axis = |i: usize| -9.0 + 0.25 * i as f64;
    let noise = Array2::from_shape_fn((73 * 73, 2), |(n, i)| axis(if i == 0 { n / 73 } else { n % 73 }));
    let weight =
        noise.rows().into_iter().map(|e| (-0.5 * e.dot(&e)).exp() / (2.0 * std::f64::consts::PI) * 0.0625).collect();
    (noise, weight)
}

/// E over ε by quadrature, the slopes of the bound by differences of the bound itself, also by quadrature.
///
/// Planted: ε_i for ε_j below the diagonal; a score that leaves out what L has there; L_ii left out of the slope by log L_ii.
#[test]
fn both_estimators_expect_the_slope_of_the_bound() {
    let (noise, weight) = plane();
    let full = VariationalGaussian::full(array![0.4, -0.2], array![[0.8, 0.3], [0.3, 0.5]]).unwrap();
    let diagonal = VariationalGaussian::diagonal(array![0.4, -0.2], array![0.9, 0.6]).unwrap();
    for q in [full, diagonal] {
        let at = q.parameters();
        let elbo = |q: &VariationalGaussian| {
            let values: Array1<f64> =
                noise.rows().into_iter().map(|e| bumps(&q.point(&e).unwrap()).unwrap().0).collect();
            values.dot(&weight) + q.entropy()
        };
        let slopes: Array1<f64> = (0..at.len())
            .map(|i| {
                let moved = |step: f64| {
                    let mut moved = at.clone();
                    moved[i] += step;
                    array![elbo(&q.with_parameters(&moved).unwrap())]
                };
                derivative(moved, 0.02)[0]
            })
            .collect();
        let mean = |rows: &Array2<f64>| weight.dot(rows);
        let path = q.reparameterisation_gradients(&noise, bumps).unwrap();
        let score = q.score_function_gradients(&noise, bumps).unwrap();
        assert_close(&mean(&path), &slopes, 1e-10);
        assert_close(&mean(&score), &slopes, 1e-10);
        let variance = |rows: &Array2<f64>| weight.dot(&(rows - &slopes).mapv(|d| d * d));
        // The estimators differ in what a draw is worth.
        assert!(variance(&score).iter().zip(&variance(&path)).all(|(score, path)| *score > 2.0 * path));
        // With the same few draws, what the rows average to is the slope of the estimate.
        let few: Array2<f64> = RandomState::new(3).normal_array((7, 2));
        let estimate = |q: &VariationalGaussian| {
            let values = few.rows().into_iter().map(|e| bumps(&q.point(&e).unwrap()).unwrap().0);
            values.sum::<f64>() / 7.0 + q.entropy()
        };
        let rows = q.reparameterisation_gradients(&few, bumps).unwrap();
        for i in 0..at.len() {
            let moved = |step: f64| {
                let mut moved = at.clone();
                moved[i] += step;
                array![estimate(&q.with_parameters(&moved).unwrap())]
            };
            assert!((derivative(moved, 0.01)[0] - rows.column(i).mean().unwrap()).abs() < 1e-10);
        }
    }
}

/// Means over 16 seeds, and their standard errors.
fn over_seeds(one: impl Fn(u32) -> Array1<f64>) -> (Array1<f64>, Array1<f64>) {
    let runs: Vec<Array1<f64>> = (0..16).map(one).collect();
    let sum = |f: &dyn Fn(&Array1<f64>) -> Array1<f64>| runs.iter().map(f).reduce(|a, b| a + b).unwrap();
    let mean = sum(&|run| run.clone()) / 16.0;
    let variance = sum(&|run| (run - &mean).mapv(|d| d * d)) / 15.0;
    (mean, (variance / 16.0).sqrt())
}

#[track_caller]
fn within_six(got: &Array1<f64>, want: &Array1<f64>, error: &Array1<f64>) {
    for ((got, want), error) in got.iter().zip(want).zip(error) {
        assert!((got - want).abs() < 6.0 * error && *error < 0.01, "{got} {want} ± {error}");
    }
}

/// The best Gaussian is known: the posterior itself, or the one with the variances 1/Λ_ii.
///
/// Planted: log L_ii averaged instead of L_ii², which the large rate shows; Adam downhill; a standard error for a hundred
/// times as many draws.
#[test]
fn a_gaussian_posterior_is_found() {
    let precision = array![[2.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]];
    let covariance = array![[1.75, -1.0, 0.5], [-1.0, 2.0, -1.0], [0.5, -1.0, 3.0]] / 2.5; // det Λ = 5/2
    assert_close(&precision.dot(&covariance), &Array2::eye(3), 1e-14);
    let mean = array![1.0, -2.0, 0.5];
    let log_constant = 0.5 * (2.5_f64.ln() - 3.0 * (2.0 * std::f64::consts::PI).ln());
    let log_joint = |z: &ArrayRef1<f64>| {
        let centred = &z.view() - &mean;
        let slope = -precision.dot(&centred);
        Ok((log_constant + 0.5 * centred.dot(&slope), slope))
    };
    let diagonal = VariationalGaussian::diagonal(mean.clone(), precision.diag().mapv(|p| p.powf(-0.5))).unwrap();
    let full = VariationalGaussian::full(mean.clone(), covariance.clone()).unwrap();
    for (best, rate) in [(diagonal.clone(), 0.05), (full, 0.05), (diagonal, 0.2)] {
        let fit = |seed| BlackBox::new(best.family()).learning_rate(rate).seed(seed).fit(3, log_joint).unwrap();
        let (got, error) = over_seeds(|seed| fit(seed).q.parameters());
        within_six(&got, &best.parameters(), &error);
        let one = fit(0);
        assert_eq!(one, fit(0));
        assert_eq!(one.history.len(), 2000);
        // log p(x) = 0, so the bound is −KL.
        let shift = &mean - one.q.mean();
        let trace = (&precision * &one.q.covariance()).sum();
        let log_q = 2.0 * one.q.lower().diag().ln().sum();
        let kl = 0.5 * (trace + shift.dot(&precision.dot(&shift)) - 3.0 - 2.5_f64.ln() - log_q);
        let estimate = &one.estimate;
        assert!((estimate.elbo.value() + kl).abs() < 6.0 * estimate.standard_error && estimate.standard_error < 0.1);
        // Mean field is too sure of each variable.
        if best.family() == Family::Diagonal {
            assert!(one.q.deviation().iter().zip(covariance.diag()).all(|(sd, variance)| *sd < 0.99 * variance.sqrt()));
        }
    }
}

/// A logistic regression with twelve points, whose posterior is skewed: the best q by Gauss and Hermite's quadrature, NumPyro's
/// SVI, and the posterior itself by quadrature on a grid.
#[test]
fn a_logistic_regression_is_as_numpyro_and_quadrature_have_it() {
    let reference = Reference::load("variational", "logistic").unwrap();
    let (design, labels): (Array2<f64>, Array1<f64>) =
        (reference.array("design").unwrap(), reference.array("labels").unwrap());
    let variance = number(&reference, "prior_sd").powi(2);
    let log_joint = |z: &ArrayRef1<f64>| {
        let eta = design.dot(z);
        let likelihood: f64 = eta.iter().zip(&labels).map(|(eta, y)| y * eta - eta.exp().ln_1p()).sum();
        let prior = -0.5 * z.dot(z) / variance - (2.0 * std::f64::consts::PI * variance).ln();
        let residual = &labels - &eta.mapv(|eta| 1.0 / (1.0 + (-eta).exp()));
        Ok((likelihood + prior, residual.dot(&design) - &(&z.view() / variance)))
    };
    let vector = |name: String| reference.array::<Ix1>(&name).unwrap();
    let matrix = |name: String| reference.array::<Ix2>(&name).unwrap();
    let posterior = matrix("covariance".into());
    for (family, kind) in [(Family::Diagonal, "diagonal"), (Family::Full, "full")] {
        let fit = |seed| BlackBox::new(family).learning_rate(0.02).draws(20).seed(seed).fit(2, log_joint).unwrap();
        let (best_mean, best_covariance) = (vector(format!("{kind}_mean")), matrix(format!("{kind}_covariance")));
        let moments = |q: &VariationalGaussian| ndarray::concatenate![Axis(0), *q.mean(), q.deviation()];
        let (got, error) = over_seeds(|seed| moments(&fit(seed).q));
        within_six(&got, &ndarray::concatenate![Axis(0), best_mean, best_covariance.diag().sqrt()], &error);
        let theirs = vector(format!("{kind}_numpyro_error"));
        let both = (&error * &error + &theirs * &theirs).sqrt();
        within_six(&got, &vector(format!("{kind}_numpyro")), &both);

        let best = match family {
            Family::Full => VariationalGaussian::full(best_mean, best_covariance.clone()),
            Family::Diagonal => VariationalGaussian::diagonal(best_mean, best_covariance.diag().sqrt()),
        };
        let (elbo, log_evidence) = (number(&reference, &format!("{kind}_elbo")), number(&reference, "log_evidence"));
        let estimate = best.unwrap().elbo(20_000, 1, log_joint).unwrap();
        assert!((estimate.elbo.value() - elbo).abs() < 6.0 * estimate.standard_error && estimate.standard_error < 0.01);
        assert!(elbo < log_evidence && elbo > log_evidence - 0.2);
        // The mean of q is nearer to the posterior's than the mode, about which Laplace's Gaussian lies.
        let distance = |mean: &Array1<f64>| (mean - &vector("mean".into())).mapv(|d| d * d).sum();
        let q = fit(0).q;
        assert!(distance(q.mean()) < 0.1 * distance(&vector("mode".into())));
        assert!((0..2).all(|i| q.covariance()[[i, i]] < 0.95 * posterior[[i, i]]));
        assert!(fit(0).history[0] < elbo - 0.3 && fit(0).estimate.elbo.value() > elbo - 0.3);
    }
}

#[test]
fn what_is_no_log_density_is_refused_with_a_remedy() {
    let nan = f64::NAN;
    let square = |z: &ArrayRef1<f64>| Ok((-0.5 * z.dot(z), -&z.view()));
    let value = |value: f64| move |z: &ArrayRef1<f64>| Ok((value, -&z.view()));
    let slope = |slope: Array1<f64>| move |_: &ArrayRef1<f64>| Ok((0.0, slope.clone()));
    let diagonal = BlackBox::new(Family::Diagonal).steps(50);
    let q = VariationalGaussian::standard(Family::Full, 2).unwrap();
    let full = |mean, covariance| message(VariationalGaussian::full(mean, covariance));
    for (got, words) in [
        (message(diagonal.fit(0, square)), "at least 1"),
        (message(diagonal.steps(0).fit(1, square)), "at least 1"),
        (message(diagonal.draws(0).fit(1, square)), "at least 1"),
        (message(diagonal.final_draws(1).fit(1, square)), "at least 2"),
        (message(diagonal.learning_rate(0.0).fit(1, square)), "above 0"),
        (message(diagonal.learning_rate(nan).fit(1, square)), "above 0"),
        (message(diagonal.learning_rate(1e3).fit(1, square)), "it must be above 0"),
        (message(diagonal.fit(1, value(nan))), "NaN at z"),
        (message(diagonal.fit(1, value(f64::NEG_INFINITY))), "map variables with bounds"),
        (message(diagonal.fit(1, slope(array![nan]))), "gradient"),
        (message(diagonal.fit(1, slope(array![1.0, 2.0]))), "(1), as z"),
        (message(diagonal.fit(1, |_| Err(Error::domain("z", 0.0, "another")))), "another"),
        (message(diagonal.fit_from(&q, square)), "Diagonal, as is to be learned"),
        (message(q.elbo(1, 0, square)), "at least 2"),
        (message(q.point(&array![1.0])), "(2), as the mean"),
        (message(q.with_parameters(&array![1.0])), "(5), as this"),
        (message(q.with_parameters(&array![0.0, 0.0, 0.0, nan, 0.0])), "NaN"),
        (message(q.with_parameters(&array![0.0, 0.0, 0.0, -1e3, 0.0])), "log L_ii"),
        (message(q.reparameterisation_gradients(&Array2::zeros((0, 2)), square)), "at least one row"),
        (message(q.score_function_gradients(&array![[1.0]], square)), "(2), as the mean"),
        (message(VariationalGaussian::diagonal(array![], array![])), "per dimension"),
        (message(VariationalGaussian::diagonal(array![0.0], array![1.0, 1.0])), "1 along the first axis"),
        (message(VariationalGaussian::diagonal(array![0.0], array![0.0])), "above 0"),
        (message(VariationalGaussian::diagonal(array![nan], array![1.0])), "NaN"),
        (message(VariationalGaussian::standard(Family::Full, 0)), "at least 1"),
        (full(array![], Array2::zeros((0, 0))), "dimension"),
        (full(array![0.0], Array2::eye(2)), "1"),
        (full(array![0.0, 0.0], array![[1.0, 2.0], [2.0, 1.0]]), "not a covariance"),
        (full(array![0.0], array![[nan]]), "NaN"),
    ] {
        assert!(got.contains(words), "{got}");
    }
    // One step, one draw.
    let one = diagonal.steps(1).draws(1).fit(1, square).unwrap();
    assert!(one.q.mean()[0].abs() <= 0.05 + 1e-9 && one.history.len() == 1);
}
