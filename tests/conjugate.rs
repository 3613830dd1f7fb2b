//! Conjugate priors: the chain rule of probability, quadrature over the parameters, SciPy's compound distributions.

use mlnotes::expfam::conjugate::{Conjugate, NormalInverseGamma, NormalInverseWishart};
use mlnotes::expfam::{Bernoulli, Beta, Dirichlet, ExponentialFamily, Gamma, Gaussian, Poisson};
use mlnotes::mlp::one_hot;
use mlnotes::prelude::*;
use ndarray::{ArrayRef1, ArrayRef2, Ix0, Ix1, Ix2};

use crate::expfam::{half_line, line, unit_interval};
use crate::{assert_close, message};

fn reference() -> Reference {
    Reference::load("expfam", "conjugate").unwrap()
}

fn vector(name: &str) -> Array1<f64> {
    reference().array::<Ix1>(name).unwrap()
}

fn matrix(name: &str) -> Array2<f64> {
    reference().array::<Ix2>(name).unwrap()
}

fn labels() -> Array2<f64> {
    one_hot(&reference().labels("labels").unwrap(), 3).unwrap()
}

fn gamma() -> Gamma {
    let p = vector("gamma");
    Gamma::new(p[0], p[1]).unwrap()
}

fn nig() -> NormalInverseGamma {
    let p = vector("nig");
    NormalInverseGamma::new(p[0], p[1], p[2], p[3]).unwrap()
}

fn niw() -> NormalInverseWishart {
    let p = vector("niw");
    NormalInverseWishart::new(vector("niw_mean"), p[0], p[1], matrix("niw_scale")).unwrap()
}

type Sample<P> = <<P as Conjugate>::Likelihood as ExponentialFamily>::Sample;

/// log p(x) = Σ log p(x_n | x_1 … x_{n−1}); returns the last posterior.
#[track_caller]
fn one_by_one<P: Conjugate + Clone>(prior: &P, whole: &Sample<P>, parts: &[&Sample<P>]) -> P {
    let (mut now, mut sum) = (prior.clone(), 0.0);
    for part in parts {
        sum += now.log_predictive(part).unwrap()[0];
        now = now.posterior(part).unwrap();
    }
    let evidence = prior.log_evidence(whole).unwrap();
    assert!((evidence - sum).abs() < 1e-12 * (1.0 + sum.abs()), "{evidence} {sum}");
    now
}

#[track_caller]
fn numbers_one_by_one<P>(prior: &P, x: &Array1<f64>) -> [P; 2]
where
    P: Conjugate<Likelihood: ExponentialFamily<Sample = ArrayRef1<f64>>> + Clone,
{
    let parts: Vec<Array1<f64>> = x.iter().map(|&x| array![x]).collect();
    let parts: Vec<&ArrayRef1<f64>> = parts.iter().map(|part| &**part).collect();
    [one_by_one(prior, x, &parts), prior.posterior(x).unwrap()]
}

#[track_caller]
fn vectors_one_by_one<P>(prior: &P, x: &Array2<f64>) -> [P; 2]
where
    P: Conjugate<Likelihood: ExponentialFamily<Sample = ArrayRef2<f64>>> + Clone,
{
    let parts: Vec<Array2<f64>> = x.rows().into_iter().map(|x| x.to_owned().insert_axis(Axis(0))).collect();
    let parts: Vec<&ArrayRef2<f64>> = parts.iter().map(|part| &**part).collect();
    [one_by_one(prior, x, &parts), prior.posterior(x).unwrap()]
}

/// Planted: N/κ for N/(κ + N) in the mean's shift; the shift left out of Ψ′; κ for κ + 1 in Student's scale; 1/x! left
/// out of the evidence.
#[test]
fn the_evidence_is_the_product_of_the_predictions_one_by_one() {
    let [a, b] = numbers_one_by_one(&Beta::new(1.5, 2.5).unwrap(), &vector("throws"));
    assert_eq!(a, b);
    let [a, b] = vectors_one_by_one(&Dirichlet::new(vector("alpha")).unwrap(), &labels());
    assert_eq!(a, b);
    let [a, b] = numbers_one_by_one(&gamma(), &vector("counts"));
    assert_close(&array![a.shape(), a.rate()], &array![b.shape(), b.rate()], 1e-13);
    let [a, b] = numbers_one_by_one(&nig(), &vector("numbers"));
    let parameters = |p: NormalInverseGamma| array![p.mean(), p.count(), p.shape(), p.scale()];
    assert_close(&parameters(a), &parameters(b), 1e-13);
    let [a, b] = vectors_one_by_one(&niw(), &matrix("vectors"));
    assert_close(a.mean(), b.mean(), 1e-13);
    assert_close(a.scale(), b.scale(), 1e-12);
    assert_eq!((a.count(), a.degrees()), (b.count(), b.degrees()));
}

/// p(x) = ∫ p(x | θ) p(θ) dθ, and p(θ | x) = p(x | θ) p(θ)/p(x) at every θ.
#[test]
fn the_evidence_is_the_integral_over_the_parameters() {
    let prior = Beta::new(1.5, 2.5).unwrap();
    let (x, (p, w)) = (vector("throws"), unit_interval());
    let likelihood = p.mapv(|p| Bernoulli::new(p).unwrap().log_likelihood(&x).unwrap());
    let joint = prior.log_density(&p).unwrap() + likelihood;
    let evidence = prior.log_evidence(&x).unwrap();
    assert!((joint.exp().dot(&w).ln() - evidence).abs() < 1e-11);
    let posterior = prior.posterior(&x).unwrap();
    assert_close(&posterior.log_density(&p).unwrap(), &(joint - evidence), 1e-11 * 1e3);

    let (prior, x, (rate, w)) = (gamma(), vector("counts"), half_line());
    let likelihood = rate.mapv(|rate| Poisson::new(rate).unwrap().log_likelihood(&x).unwrap());
    let joint = prior.log_density(&rate).unwrap() + likelihood;
    let evidence = prior.log_evidence(&x).unwrap();
    assert!((joint.exp().dot(&w).ln() - evidence).abs() < 1e-11 * evidence.abs());

    // Two parameters: σ² = e^t, and μ on the line around the posterior's mean.
    let (prior, x) = (nig(), vector("numbers"));
    let posterior = prior.posterior(&x).unwrap();
    let (variances, w) = half_line();
    let precision = Gamma::new(prior.shape(), prior.scale()).unwrap();
    let mut sum = 0.0;
    for (&variance, &w) in variances.iter().zip(&w).filter(|(v, _)| (1e-3..1e3).contains(*v)) {
        let spread = Gaussian::new(prior.mean(), variance / prior.count()).unwrap();
        // 1/σ² is gamma distributed, so σ² has that density times σ⁻⁴.
        let of_variance = precision.log_density(&array![1.0 / variance]).unwrap()[0] - 2.0 * variance.ln();
        let (means, w_mean) = line(posterior.mean(), (variance / posterior.count()).sqrt());
        let of_mean = spread.log_density(&means).unwrap();
        let likelihood = means.mapv(|mean| Gaussian::new(mean, variance).unwrap().log_likelihood(&x).unwrap());
        sum += w * (of_mean + likelihood + of_variance).exp().dot(&w_mean);
    }
    let evidence = prior.log_evidence(&x).unwrap();
    assert!((sum.ln() - evidence).abs() < 1e-10, "{} {evidence}", sum.ln());
}

#[test]
fn scipys_compound_distributions_give_the_same() {
    let number = |name: &str| reference().array::<Ix0>(name).unwrap().into_scalar();
    let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-12 * (1.0 + want.abs()), "{got} {want}");
    close(Beta::new(1.5, 2.5).unwrap().log_evidence(&vector("throws")).unwrap(), number("throws_evidence"));
    close(Dirichlet::new(vector("alpha")).unwrap().log_evidence(&labels()).unwrap(), number("labels_evidence"));
    assert_close(&gamma().log_predictive(&vector("counts")).unwrap(), &vector("counts_predictive"), 1e-12);
    assert_close(&nig().log_predictive(&vector("numbers")).unwrap(), &vector("numbers_predictive"), 1e-12);
    close(nig().log_evidence(&vector("numbers")).unwrap(), number("numbers_evidence"));
    assert_close(&niw().log_predictive(&matrix("vectors")).unwrap(), &vector("vectors_predictive"), 1e-12);
}

#[test]
fn in_one_dimension_wishart_is_gamma() {
    let x = vector("numbers");
    let (column, one) = (x.clone().insert_axis(Axis(1)), nig());
    let many =
        NormalInverseWishart::new(array![one.mean()], one.count(), 2.0 * one.shape(), array![[2.0 * one.scale()]]);
    let many = many.unwrap();
    assert_close(&many.log_predictive(&column).unwrap(), &one.log_predictive(&x).unwrap(), 1e-13);
    assert!((many.log_evidence(&column).unwrap() - one.log_evidence(&x).unwrap()).abs() < 1e-12);
    let (many, one) = (many.posterior(&column).unwrap(), one.posterior(&x).unwrap());
    assert!((many.mean()[0] - one.mean()).abs() < 1e-14 && (many.scale()[[0, 0]] - 2.0 * one.scale()).abs() < 1e-12);
}

#[test]
fn what_is_no_prior_and_no_sample_is_refused_with_a_remedy() {
    let nan = f64::NAN;
    for value in [0.0, -1.0, nan, f64::INFINITY] {
        assert!(message(NormalInverseGamma::new(0.0, value, 1.0, 1.0)).contains("count"));
        assert!(message(NormalInverseGamma::new(0.0, 1.0, value, 1.0)).contains("shape"));
        assert!(message(NormalInverseGamma::new(0.0, 1.0, 1.0, value)).contains("scale"));
        assert!(message(NormalInverseWishart::new(array![0.0], value, 1.0, array![[1.0]])).contains("count"));
        assert!(message(NormalInverseWishart::new(array![0.0], 1.0, value, array![[1.0]])).contains("degrees"));
    }
    assert!(message(NormalInverseGamma::new(nan, 1.0, 1.0, 1.0)).contains("mean"));
    for (mean, scale, words) in [
        (array![], Array2::zeros((0, 0)), "per dimension"),
        (array![0.0, 0.0], array![[1.0]], "(2, 2)"),
        (array![nan], array![[1.0]], "NaN"),
        (array![0.0], array![[nan]], "NaN"),
        (array![0.0], array![[-1.0]], "scale"),
    ] {
        let message = message(NormalInverseWishart::new(mean, 1.0, 3.0, scale));
        assert!(message.contains(words), "{message}");
    }
    fn refuses<P: Conjugate + std::fmt::Debug>(prior: &P, samples: &[&Sample<P>]) {
        for x in samples {
            message(prior.posterior(x));
            message(prior.log_predictive(x));
            message(prior.log_evidence(x));
        }
    }
    let (empty, not_a_number, half): (Array1<f64>, _, _) = (array![], array![1.0, nan], array![0.5]);
    refuses(&Beta::new(1.0, 1.0).unwrap(), &[&empty, &not_a_number, &half, &array![2.0]]);
    refuses(&gamma(), &[&empty, &not_a_number, &half, &array![-1.0]]);
    refuses(&nig(), &[&empty, &not_a_number, &array![f64::INFINITY]]);
    let (none, not_a_number): (Array2<f64>, _) = (Array2::zeros((0, 2)), array![[nan, 1.0]]);
    let wide = array![[1.0, 0.0, 0.0, 0.0]];
    refuses(&niw(), &[&none, &not_a_number, &wide]);
    refuses(&Dirichlet::new(array![1.0, 1.0]).unwrap(), &[&none, &not_a_number, &wide, &array![[0.5, 0.5]]]);
}
