//! Exponential families: sums and quadrature over all x, finite differences of A, SciPy; and samples that have no answer.

use mlnotes::expfam::{
    Bernoulli, Beta, Categorical, Dirichlet, ExponentialFamily, Gamma, Gaussian, MultivariateGaussian, Poisson,
};
use mlnotes::mlp::one_hot;
use mlnotes::prelude::*;
use ndarray::{ArrayRef1, ArrayRef2, Ix0};

use crate::{assert_close, message};

/// Points and weights with Σ w f(x) = ∫ f(x) dx: the trapezoidal rule, which for a smooth f that vanishes at both ends is as
/// exact as f64, in a coordinate t that makes the density so.
pub(crate) type Nodes<D> = (ndarray::Array<f64, D>, Array1<f64>);

fn grid(from: f64, to: f64, step: f64) -> Array1<f64> {
    Array1::from_iter((0..=((to - from) / step) as usize).map(|i| from + i as f64 * step))
}

fn logistic(t: f64) -> f64 {
    1.0 / (1.0 + (-t).exp())
}

/// x = e^t.
pub(crate) fn half_line() -> Nodes<ndarray::Ix1> {
    let x = grid(-60.0, 6.0, 0.02).exp();
    let w = &x * 0.02;
    (x, w)
}

/// x = 1/(1 + e^−t).
pub(crate) fn unit_interval() -> Nodes<ndarray::Ix1> {
    let t = grid(-70.0, 30.0, 0.05);
    (t.mapv(logistic), t.mapv(|t| logistic(t) * logistic(-t) * 0.05))
}

pub(crate) fn line(mean: f64, deviation: f64) -> Nodes<ndarray::Ix1> {
    let z = grid(-11.0, 11.0, 0.1);
    (&z * deviation + mean, Array1::from_elem(z.len(), 0.1 * deviation))
}

/// All counts that matter.
fn counts() -> Nodes<ndarray::Ix1> {
    (Array1::from_iter((0..120).map(f64::from)), Array1::ones(120))
}

/// Three shares: the first, and how the rest is divided.
fn triangle() -> Nodes<ndarray::Ix2> {
    let t = grid(-50.0, 30.0, 0.2);
    let (mut x, mut w) = (Vec::new(), Vec::new());
    for &u in &t {
        for &v in &t {
            let rest = logistic(-u);
            x.push([logistic(u), rest * logistic(v), rest * logistic(-v)]);
            w.push(logistic(u) * rest * logistic(v) * logistic(-v) * rest * 0.04);
        }
    }
    (Array2::from(x), Array1::from(w))
}

fn plane() -> Nodes<ndarray::Ix2> {
    let z = grid(-12.0, 12.0, 0.2);
    let (mut x, mut w) = (Vec::new(), Vec::new());
    for &u in &z {
        for &v in &z {
            x.push([1.0 + 2.0 * u, -0.5 + u + v]);
            w.push(2.0 * 0.04);
        }
    }
    (Array2::from(x), Array1::from(w))
}

/// Everything that A says, beside the sums Σ w p(x) f(x), for p itself and for KL(p ‖ q).
#[track_caller]
fn by_integration<F: ExponentialFamily>(p: &F, q: &F, x: &F::Sample, w: &ArrayRef1<f64>) {
    let log_p = p.log_density(x).unwrap();
    let share = log_p.exp() * w;
    assert!((share.sum() - 1.0).abs() < 1e-11, "p sums to {}", share.sum());
    let t = F::statistics(x).unwrap();
    let mean = share.dot(&t);
    assert_close(&p.mean_parameters(), &mean, 1e-10 * (1.0 + mean.mapv(f64::abs).sum()));
    let centred = &t - &mean;
    let covariance = centred.t().dot(&(&centred * &share.view().insert_axis(Axis(1))));
    assert_close(&p.statistic_covariance(), &covariance, 1e-10 * (1.0 + covariance.mapv(f64::abs).sum()));
    assert!((p.expected_log_base() - share.dot(&F::log_base(x).unwrap())).abs() < 1e-10);
    assert!((p.entropy() + share.dot(&log_p)).abs() < 1e-10);
    let kl = share.dot(&(&log_p - &q.log_density(x).unwrap()));
    assert!((p.kl(q).unwrap() - kl).abs() < 1e-10 * (1.0 + kl));
    assert!(kl > 0.01, "p and q of a test should differ");
    assert!(p.kl(p).unwrap() < 1e-14);

    // The general formulas, which the Gaussians replace by others.
    let (eta, a) = (p.natural(), p.log_partition());
    let log_density = F::log_base(x).unwrap() + t.dot(&eta) - a;
    let near = share.iter().zip(log_density.iter().zip(&log_p)).filter(|(share, _)| **share > 1e-30);
    assert!(near.into_iter().all(|(_, (general, own))| (general - own).abs() < 1e-10 * (1.0 + own.abs())));
    assert!((p.entropy() - (a - eta.dot(&p.mean_parameters()) - p.expected_log_base())).abs() < 1e-11);
    let bregman = q.log_partition() - a - (q.natural() - &eta).dot(&p.mean_parameters());
    assert!((p.kl(q).unwrap() - bregman).abs() < 1e-10 * (1.0 + kl));
}

/// f′ of eighth order: the error is about h⁸.
pub(crate) fn derivative(f: impl Fn(f64) -> Array1<f64>, h: f64) -> Array1<f64> {
    let pair = |k: f64| f(k * h) - f(-k * h);
    (pair(1.0) * (4.0 / 5.0) - pair(2.0) / 5.0 + pair(3.0) * (4.0 / 105.0) - pair(4.0) / 280.0) / h
}

/// ∇A and ∇²A by differences of A and ∇A, and both parametrisations there and back.
#[track_caller]
fn by_differences<F: ExponentialFamily>(p: &F) {
    let eta = p.natural();
    let at = |m: usize, step: f64| {
        let mut moved = eta.clone();
        moved[m] += step;
        F::from_natural(&moved).unwrap()
    };
    let (mean, covariance) = (p.mean_parameters(), p.statistic_covariance());
    for m in 0..eta.len() {
        let h = 0.01 * if eta[m] == 0.0 { 1.0 } else { eta[m].abs().min(1.0) };
        let slope = derivative(|step| array![at(m, step).log_partition()], h)[0];
        assert!((slope - mean[m]).abs() < 1e-10 * (1.0 + mean[m].abs()), "{slope} {}", mean[m]);
        let slopes = derivative(|step| at(m, step).mean_parameters(), h);
        assert_close(&covariance.column(m).to_owned(), &slopes, 1e-10 * (1.0 + covariance.mapv(f64::abs).sum()));
    }
    for back in [F::from_natural(&eta).unwrap(), F::from_mean_parameters(&mean).unwrap()] {
        assert_close(&back.natural(), &eta, 1e-10 * (1.0 + eta.mapv(f64::abs).sum()));
    }
}

/// Planted: log k for ψ(k) in ∇A of the gamma distribution; + for − before 2 μ⁴ in ∇²A of the multivariate Gaussian; ∇A(η_q)
/// for ∇A(η_p) in the divergence; ηᵀ∇A added in the entropy.
#[test]
fn everything_that_a_knows_is_what_sums_over_all_x_give() {
    let (p, q) = (Bernoulli::new(0.3).unwrap(), Bernoulli::new(0.6).unwrap());
    by_integration(&p, &q, &array![0.0, 1.0], &array![1.0, 1.0]);
    by_differences(&p);

    let (p, q) = (array![0.1, 0.2, 0.3, 0.4], array![0.4, 0.1, 0.1, 0.4]);
    let (p, q) = (Categorical::new(p).unwrap(), Categorical::new(q).unwrap());
    by_integration(&p, &q, &Array2::eye(4), &Array1::ones(4));
    by_differences(&p);

    let (x, w) = counts();
    for rate in [0.02, 3.5, 30.0] {
        let (p, q) = (Poisson::new(rate).unwrap(), Poisson::new(4.9).unwrap());
        by_integration(&p, &q, &x, &w);
        by_differences(&p);
    }

    let (p, q) = (Gaussian::new(1.5, 4.0).unwrap(), Gaussian::new(-1.0, 9.0).unwrap());
    let (x, w) = line(1.5, 2.0);
    by_integration(&p, &q, &x, &w);
    by_differences(&p);

    let p = MultivariateGaussian::new(array![1.0, -0.5], array![[4.0, 2.0], [2.0, 2.0]]).unwrap();
    let q = MultivariateGaussian::new(array![0.0, 1.0], array![[3.0, -1.0], [-1.0, 5.0]]).unwrap();
    let (x, w) = plane();
    by_integration(&p, &q, &x, &w);
    by_differences(&p);
    let three = array![[3.0, 1.0, 0.5], [1.0, 2.0, -0.3], [0.5, -0.3, 1.0]];
    by_differences(&MultivariateGaussian::new(array![0.3, 1.0, -2.0], three).unwrap());

    let (x, w) = half_line();
    for (p, q) in [((2.3, 1.7), (1.0, 0.4)), ((0.8, 2.0), (3.0, 2.0))] {
        let (p, q) = (Gamma::new(p.0, p.1).unwrap(), Gamma::new(q.0, q.1).unwrap());
        by_integration(&p, &q, &x, &w);
        by_differences(&p);
    }

    let (p, q) = (Beta::new(0.7, 3.1).unwrap(), Beta::new(2.0, 2.0).unwrap());
    let (x, w) = unit_interval();
    by_integration(&p, &q, &x, &w);
    by_differences(&p);

    let p = Dirichlet::new(array![0.9, 2.0, 5.5]).unwrap();
    let (x, w) = triangle();
    by_integration(&p, &Dirichlet::new(array![1.0, 4.0, 1.5]).unwrap(), &x, &w);
    by_differences(&p);
}

fn reference(case: &str) -> (Reference, impl Fn(&str) -> f64) {
    let reference = Reference::load("expfam", case).unwrap();
    let copy = reference.clone();
    (reference, move |name: &str| copy.array::<Ix0>(name).unwrap().into_scalar())
}

#[track_caller]
fn as_scipy<F: ExponentialFamily>(p: &F, x: &F::Sample, case: &str) {
    let (reference, number) = reference(case);
    let log_density: Array1<f64> = reference.array("log_density").unwrap();
    assert_close(&p.log_density(x).unwrap(), &log_density, 1e-12 * (1.0 + log_density.mapv(f64::abs).sum()));
    assert!((p.entropy() - number("entropy")).abs() < 1e-12 * (1.0 + p.entropy().abs()));
    assert!((p.log_likelihood(x).unwrap() / log_density.sum() - 1.0).abs() < 1e-12);
}

#[test]
fn scipy_gives_the_same_densities_and_entropies() {
    let scalars = |case: &str| -> (Array1<f64>, Array1<f64>) {
        let (reference, _) = reference(case);
        (reference.array("parameters").unwrap(), reference.array("x").unwrap())
    };
    let vectors = |case: &str| -> (Array1<f64>, Array2<f64>) {
        let (reference, _) = reference(case);
        (reference.array("parameters").unwrap(), reference.array("x").unwrap())
    };
    let (p, x) = scalars("bernoulli");
    as_scipy(&Bernoulli::new(p[0]).unwrap(), &x, "bernoulli");
    let (p, x) = vectors("categorical");
    as_scipy(&Categorical::new(p).unwrap(), &x, "categorical");
    let (p, x) = scalars("poisson");
    as_scipy(&Poisson::new(p[0]).unwrap(), &x, "poisson");
    let (p, x) = scalars("gaussian");
    as_scipy(&Gaussian::new(p[0], p[1]).unwrap(), &x, "gaussian");
    let (mean, x) = vectors("multivariate");
    let covariance = reference("multivariate").0.array("covariance").unwrap();
    as_scipy(&MultivariateGaussian::new(mean, covariance).unwrap(), &x, "multivariate");
    let (p, x) = scalars("gamma");
    as_scipy(&Gamma::new(p[0], p[1]).unwrap(), &x, "gamma");
    let (p, x) = scalars("beta");
    as_scipy(&Beta::new(p[0], p[1]).unwrap(), &x, "beta");
    let (p, x) = vectors("dirichlet");
    as_scipy(&Dirichlet::new(p).unwrap(), &x, "dirichlet");
}

/// Planted: 1/120 for 1/12 in the series of ψ; the entropy of a large λ without its last term.
#[test]
fn special_functions_are_scipys_from_1e_6_to_1e8() {
    let (gamma, _) = reference("gamma");
    let [shapes, digamma, trigamma]: [Array1<f64>; 3] =
        ["shapes", "digamma", "trigamma"].map(|name| gamma.array(name).unwrap());
    for ((&k, digamma), trigamma) in shapes.iter().zip(digamma).zip(trigamma) {
        let p = Gamma::new(k, 1.0).unwrap();
        assert!((p.mean_parameters()[0] - digamma).abs() < 2e-15 * (1.0 + digamma.abs()), "ψ({k})");
        assert!((p.statistic_covariance()[[0, 0]] / trigamma - 1.0).abs() < 2e-15, "ψ'({k})");
    }
    let (poisson, _) = reference("poisson");
    let (rates, entropies): (Array1<f64>, Array1<f64>) =
        (poisson.array("rates").unwrap(), poisson.array("entropies").unwrap());
    for (&rate, entropy) in rates.iter().zip(entropies) {
        assert!((Poisson::new(rate).unwrap().entropy() - entropy).abs() < 1e-10, "λ = {rate}");
    }
}

/// The mean of T and E\[T\] agree, and no member near by is likelier.
#[track_caller]
fn is_the_maximum<F: ExponentialFamily>(x: &F::Sample) -> F {
    let best = F::maximum_likelihood(x).unwrap();
    let mean = F::statistics(x).unwrap().mean_axis(Axis(0)).unwrap();
    assert_close(&best.mean_parameters(), &mean, 1e-10 * (1.0 + mean.mapv(f64::abs).sum()));
    let (eta, top) = (best.natural(), best.log_likelihood(x).unwrap());
    for m in 0..eta.len() {
        for sign in [-1e-3, 1e-3] {
            let mut moved = eta.clone();
            moved[m] += sign * eta[m].abs().max(0.1);
            assert!(F::from_natural(&moved).unwrap().log_likelihood(x).unwrap() < top);
        }
    }
    best
}

/// Planted: σ² divided by N − 1; a Newton step for the Dirichlet without the shared part.
#[test]
fn maximum_likelihood_matches_moments_and_scipys_fits() {
    let scalars = |case: &str| -> (Array1<f64>, Array1<f64>) {
        let (reference, _) = reference(case);
        (reference.array("x").unwrap(), reference.array("fit").unwrap())
    };
    is_the_maximum::<Bernoulli>(&array![0.0, 1.0, 1.0]);
    is_the_maximum::<Categorical>(&one_hot(&array![0, 1, 1, 2], 3).unwrap());
    is_the_maximum::<Poisson>(&array![0.0, 1.0, 5.0]);
    let (x, fit) = scalars("gaussian");
    let p = is_the_maximum::<Gaussian>(&x);
    assert_close(&array![p.mean(), p.variance()], &fit, 1e-13);
    let (x, fit) = scalars("gamma");
    let p = is_the_maximum::<Gamma>(&x);
    // SciPy's root finder stops at a relative 1e-12 …
    assert_close(&array![p.shape(), p.rate()], &fit, 1e-9);
    let (x, fit) = scalars("beta");
    let p = is_the_maximum::<Beta>(&x);
    // … and its solver for two equations at 1.5e-8.
    assert_close(&array![p.a(), p.b()], &fit, 1e-6);
    let (multivariate, _) = reference("multivariate");
    let p = is_the_maximum::<MultivariateGaussian>(&multivariate.array::<ndarray::Ix2>("x").unwrap());
    assert_close(p.mean(), &multivariate.array("fit_mean").unwrap(), 1e-13);
    assert_close(p.covariance(), &multivariate.array("fit_covariance").unwrap(), 1e-13);
    is_the_maximum::<Dirichlet>(&reference("dirichlet").0.array::<ndarray::Ix2>("x").unwrap());
}

#[test]
fn newton_inverts_the_means_from_tiny_to_huge_parameters() {
    for exponent in -5..=5 {
        let size = 10.0_f64.powi(exponent);
        // E log x tells large parameters apart by differences of about 1/size; a share that is nearly always 0 tells little of
        // the others.
        let tolerance = 1e-11 * (1.0 + size + 1.0 / size);
        let gamma = Gamma::new(size, 3.0).unwrap();
        let back = Gamma::from_mean_parameters(&gamma.mean_parameters()).unwrap();
        assert!((back.shape() / size - 1.0).abs() < tolerance, "{size}: {back:?}");
        for alpha in [array![size, 2.0 * size], array![size, 1.0], array![size, 1.0, 0.01, 7.0]] {
            let p = Dirichlet::new(alpha.clone()).unwrap();
            let back = Dirichlet::from_mean_parameters(&p.mean_parameters()).unwrap();
            assert!((back.concentration() / &alpha - 1.0).iter().all(|d| d.abs() < tolerance), "{alpha}: {back:?}");
        }
    }
}

#[test]
fn a_gaussian_far_from_the_origin_is_not_lost_to_cancellation() {
    let far = 1e9;
    let (p, q) = (Gaussian::new(far, 1.0).unwrap(), Gaussian::new(far + 1.0, 1.0).unwrap());
    assert!((p.kl(&q).unwrap() - 0.5).abs() < 1e-15);
    assert!((p.entropy() - Gaussian::new(0.0, 1.0).unwrap().entropy()).abs() < 1e-15);
    let x = array![far, far + 2.0];
    assert!((p.log_density(&x).unwrap()[1] - p.log_density(&x).unwrap()[0] + 2.0).abs() < 1e-15);
    assert_eq!(Gaussian::maximum_likelihood(&x).unwrap(), Gaussian::new(far + 1.0, 1.0).unwrap());

    let mean = array![far, -far];
    let p = MultivariateGaussian::new(mean.clone(), Array2::eye(2)).unwrap();
    let q = MultivariateGaussian::new(&mean + array![1.0, 0.0], Array2::eye(2)).unwrap();
    assert!((p.kl(&q).unwrap() - 0.5).abs() < 1e-15);
    let x = array![[far, -far], [far + 2.0, -far], [far + 1.0, 3.0 - far]];
    let fit = MultivariateGaussian::maximum_likelihood(&x).unwrap();
    assert_close(fit.covariance(), &array![[2.0 / 3.0, 0.0], [0.0, 2.0]], 1e-14);
}

#[test]
fn a_coin_keeps_log_odds_that_its_probability_cannot() {
    let sure = Bernoulli::from_natural(&array![50.0]).unwrap();
    assert_eq!(sure.probability(), 1.0);
    let log_density = sure.log_density(&array![0.0, 1.0]).unwrap();
    assert!((log_density[0] + 50.0).abs() < 1e-13 && log_density[1].abs() < 1e-20);
    assert!((sure.statistic_covariance()[[0, 0]] / (-50.0_f64).exp() - 1.0).abs() < 1e-14);
}

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

#[track_caller]
fn refuses<T: std::fmt::Debug>(result: Result<T>, words: &str) {
    let message = message(result);
    assert!(message.contains(words), "{message}");
}

#[test]
fn parameters_that_no_member_has_are_refused_with_a_remedy() {
    for p in [0.0, 1.0, -0.1, NAN, INF] {
        refuses(Bernoulli::new(p), "above 0 and below 1");
    }
    for value in [0.0, -1.0, NAN, INF] {
        refuses(Poisson::new(value), "above 0 and finite");
        refuses(Gaussian::new(0.0, value), "above 0 and finite");
        refuses(Gamma::new(value, 1.0), "shape");
        refuses(Gamma::new(1.0, value), "rate");
        refuses(Beta::new(value, 1.0), "`a`");
        refuses(Beta::new(1.0, value), "`b`");
        refuses(Dirichlet::new(array![1.0, value]), "concentration");
    }
    refuses(Gaussian::new(NAN, 1.0), "mean");
    refuses(Dirichlet::new(array![1.0]), "two shares");
    refuses(Dirichlet::new(array![]), "two shares");
    for (p, words) in [
        (array![], "two classes"),
        (array![1.0], "two classes"),
        (array![0.5, NAN], "NaN"),
        (array![1.0, 0.0], "above 0"),
        (array![0.5, 0.4], "divide"),
    ] {
        refuses(Categorical::new(p), words);
    }
    for (mean, covariance, words) in [
        (array![], Array2::zeros((0, 0)), "per dimension"),
        (array![0.0], array![[1.0, 0.0]], "(1, 1)"),
        (array![NAN], array![[1.0]], "NaN"),
        (array![0.0], array![[INF]], "inf"),
        (array![0.0], array![[0.0]], "spread"),
        (array![0.0, 0.0], array![[1.0, 0.5], [0.2, 1.0]], "symmetric"),
        (array![0.0, 0.0], array![[1.0, 2.0], [2.0, 1.0]], "spread"),
    ] {
        refuses(MultivariateGaussian::new(mean, covariance), words);
    }
}

#[test]
fn natural_and_mean_parameters_outside_are_refused() {
    fn both<F: ExponentialFamily + std::fmt::Debug>(eta: &[f64], mean: &[f64]) {
        let (wrong, empty) = (Array1::zeros(7), Array1::zeros(0));
        for values in [&wrong, &empty, &array![NAN], &array![NAN, 1.0], &array![INF, -1.0]] {
            message(F::from_natural(values));
            message(F::from_mean_parameters(values));
        }
        message(F::from_natural(&Array1::from(eta.to_vec())));
        message(F::from_mean_parameters(&Array1::from(mean.to_vec())));
    }
    both::<Poisson>(&[800.0], &[0.0]);
    both::<Gaussian>(&[0.0, 0.0], &[2.0, 4.0]);
    both::<Gamma>(&[-1.0, -1.0], &[0.0, 1.0]);
    both::<Beta>(&[0.0, -1.0], &[-0.1, -0.1]);
    refuses(MultivariateGaussian::from_natural(&array![0.0, 0.0, 0.0]), "2, 5, 9");
    refuses(MultivariateGaussian::from_natural(&array![0.0, 0.5]), "precision");
    refuses(MultivariateGaussian::from_mean_parameters(&array![2.0, 4.0]), "covariance");
    refuses(Bernoulli::from_natural(&array![]), "(1)");
    refuses(Bernoulli::from_mean_parameters(&array![1.0]), "below 1");
    refuses(Categorical::from_natural(&array![800.0]), "above 0");
    refuses(Categorical::from_natural(&array![]), "(1)");
    refuses(Categorical::from_mean_parameters(&array![0.5, 0.5]), "above 0");
    refuses(Dirichlet::from_natural(&array![-1.0, 0.0]), "above -1");
    refuses(Dirichlet::from_mean_parameters(&array![0.5_f64.ln(), 0.5_f64.ln()]), "differ");
    refuses(Gamma::from_mean_parameters(&array![1.0, 1.0]), "differ");
}

/// Empty, NaN, infinite, and what the family does not produce: everywhere.
fn refuses_samples<F: ExponentialFamily + std::fmt::Debug>(p: &F, samples: &[&F::Sample]) {
    for x in samples {
        message(F::statistics(x));
        message(F::log_base(x));
        message(p.log_density(x));
        message(p.log_likelihood(x));
        message(F::maximum_likelihood(x));
    }
}

#[test]
fn samples_that_no_member_produces_are_refused() {
    let (empty, nan, infinite, negative, half): (Array1<f64>, _, _, _, _) =
        (array![], array![1.0, NAN], array![INF], array![1.0, -1.0], array![0.5]);
    refuses_samples(&Bernoulli::new(0.5).unwrap(), &[&empty, &nan, &infinite, &negative, &half]);
    refuses_samples(&Poisson::new(0.5).unwrap(), &[&empty, &nan, &infinite, &negative, &half]);
    refuses_samples(&Gaussian::new(0.0, 1.0).unwrap(), &[&empty, &nan, &infinite]);
    refuses_samples(&Gamma::new(1.0, 1.0).unwrap(), &[&empty, &nan, &infinite, &negative, &array![0.0]]);
    refuses_samples(&Beta::new(1.0, 1.0).unwrap(), &[&empty, &nan, &infinite, &negative, &array![1.0], &array![0.0]]);
    let (none, nan, thin): (Array2<f64>, _, Array2<f64>) =
        (Array2::zeros((0, 2)), array![[NAN, 1.0]], Array2::zeros((2, 0)));
    let wrong: [&ArrayRef2<f64>; 4] = [&none, &nan, &thin, &array![[0.5, 0.6]]];
    refuses_samples(&Categorical::new(array![0.5, 0.5]).unwrap(), &wrong);
    refuses_samples(&Dirichlet::new(array![0.5, 0.5]).unwrap(), &wrong);
    refuses_samples(&MultivariateGaussian::new(array![0.0, 0.0], Array2::eye(2)).unwrap(), &wrong[..3]);

    // Another number of classes or dimensions than this member's.
    refuses(Categorical::new(array![0.5, 0.5]).unwrap().log_density(&Array2::eye(3)), "(samples, 1)");
    refuses(Dirichlet::new(array![0.5, 0.5]).unwrap().log_density(&array![[0.2, 0.3, 0.5]]), "(samples, 2)");
    let plane = MultivariateGaussian::new(array![0.0, 0.0], Array2::eye(2)).unwrap();
    refuses(plane.log_density(&array![[1.0]]), "(samples, 2)");
    refuses(plane.kl(&MultivariateGaussian::new(array![0.0], array![[1.0]]).unwrap()), "as many");
    let thirds = Categorical::new(Array1::from_elem(3, 1.0 / 3.0)).unwrap();
    refuses(thirds.kl(&Categorical::new(array![0.5, 0.5]).unwrap()), "as many");
}

#[test]
fn samples_without_a_most_likely_member_are_refused() {
    refuses(Bernoulli::maximum_likelihood(&array![1.0]), "prior");
    refuses(Poisson::maximum_likelihood(&array![0.0, 0.0]), "prior");
    refuses(Gaussian::maximum_likelihood(&array![3.0]), "prior");
    // The mean of these is not 0.1 to the last digit, if they are just added.
    refuses(Gaussian::maximum_likelihood(&array![0.1, 0.1, 0.1]), "prior");
    refuses(MultivariateGaussian::maximum_likelihood(&array![[0.1, 0.0], [0.1, 1.0], [0.1, 3.0]]), "prior");
    refuses(MultivariateGaussian::maximum_likelihood(&array![[0.1, 0.2], [0.7, 1.4], [0.3, 0.6]]), "prior");
    refuses(Gamma::maximum_likelihood(&array![0.3]), "differ");
    refuses(Beta::maximum_likelihood(&array![0.3, 0.3]), "differ");
    refuses(Dirichlet::maximum_likelihood(&array![[0.25, 0.75]]), "differ");
    refuses(Categorical::maximum_likelihood(&array![[1.0, 0.0]]), "prior");
    refuses(MultivariateGaussian::maximum_likelihood(&array![[0.0, 1.0], [1.0, 0.0]]), "prior");
}
