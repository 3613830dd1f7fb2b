//! Naive Bayes: Bayes' rule multiplied out in plain probabilities, the conjugate priors' predictions, scikit-learn.

use mlnotes::bayes::{
    BernoulliNaiveBayes, CategoricalNaiveBayes, GaussianNaiveBayes, MultinomialNaiveBayes, NaiveBayes,
};
use mlnotes::expfam::conjugate::Conjugate;
use mlnotes::expfam::{Beta, Dirichlet, ExponentialFamily, Gaussian};
use mlnotes::mlp::one_hot;
use mlnotes::prelude::*;

use crate::{assert_close, message};

/// p(c | x) of each class by the rule, from p(c) and the p(x_j | c).
fn bayes_rule(prior: &[f64], likelihood: impl Fn(usize) -> Vec<f64>) -> Array1<f64> {
    let joint: Array1<f64> = prior.iter().enumerate().map(|(c, p)| p * likelihood(c).iter().product::<f64>()).collect();
    &joint / joint.sum()
}

/// Planted: N − 1 for N in σ²; the prior left out; α once for twice in the Bernoulli's denominator; 1 − x forgotten.
#[test]
fn every_model_multiplies_probabilities_as_the_rule_says() {
    let y = array![0, 1, 1, 0, 1];
    let prior = [0.4, 0.6];
    let of_class = |column: Vec<f64>, c: usize| -> Array1<f64> {
        column.into_iter().zip(&y).filter(|(_, class)| **class == c).map(|(x, _)| x).collect()
    };

    let x = array![[1.0, 5.0], [2.0, 3.0], [4.0, 3.5], [2.0, 9.0], [3.0, 1.0]];
    let model = GaussianNaiveBayes::fit(&x, &y, 0.0).unwrap();
    let got = model.predict_log_proba(&x).unwrap().exp();
    for (n, row) in x.rows().into_iter().enumerate() {
        // Each p(x_j | c) the maximum likelihood member of its exponential family.
        let fit = |c, j| Gaussian::maximum_likelihood(&of_class(x.column(j).to_vec(), c)).unwrap();
        let density = |c, j| fit(c, j).log_density(&array![row[j]]).unwrap()[0].exp();
        let want = bayes_rule(&prior, |c| (0..2).map(|j| density(c, j)).collect());
        assert_close(&got.row(n).to_owned(), &want, 1e-12);
    }

    let x = array![[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]];
    let model = BernoulliNaiveBayes::fit(&x, &y, 0.7).unwrap();
    let got = model.predict_log_proba(&x).unwrap().exp();
    for (n, row) in x.rows().into_iter().enumerate() {
        // Each p(x_j | c) the prediction of a Beta prior that has seen the class.
        let prediction = |c, j| {
            let posterior = Beta::new(0.7, 0.7).unwrap().posterior(&of_class(x.column(j).to_vec(), c)).unwrap();
            posterior.log_predictive(&array![row[j]]).unwrap()[0].exp()
        };
        let want = bayes_rule(&prior, |c| (0..3).map(|j| prediction(c, j)).collect());
        assert_close(&got.row(n).to_owned(), &want, 1e-12);
    }

    let categories = array![[0, 2], [1, 0], [1, 1], [0, 0], [2, 2]];
    let model = CategoricalNaiveBayes::fit(&categories, &y, 0.7).unwrap();
    let got = model.predict_log_proba(&categories).unwrap().exp();
    for (n, row) in categories.rows().into_iter().enumerate() {
        let prediction = |c: usize, j: usize| {
            let seen: Array1<usize> =
                categories.column(j).iter().zip(&y).filter(|(_, class)| **class == c).map(|(x, _)| *x).collect();
            let prior = Dirichlet::new(Array1::from_elem(3, 0.7)).unwrap();
            let posterior = prior.posterior(&one_hot(&seen, 3).unwrap()).unwrap();
            posterior.log_predictive(&one_hot(&array![row[j]], 3).unwrap()).unwrap()[0].exp()
        };
        let want = bayes_rule(&prior, |c| (0..2).map(|j| prediction(c, j)).collect());
        assert_close(&got.row(n).to_owned(), &want, 1e-12);
    }

    let words = array![[2.0, 0.0, 1.0], [0.0, 1.0, 3.0], [1.0, 0.0, 0.0], [0.0, 0.0, 4.0], [0.0, 2.0, 2.0]];
    let model = MultinomialNaiveBayes::fit(&words, &y, 0.7).unwrap();
    let got = model.predict_log_proba(&words).unwrap().exp();
    for (n, row) in words.rows().into_iter().enumerate() {
        let share = |c: usize, j: usize| {
            let of = |j: usize| of_class(words.column(j).to_vec(), c).sum() + 0.7;
            (of(j) / (of(0) + of(1) + of(2))).powf(row[j])
        };
        let want = bayes_rule(&prior, |c| (0..3).map(|j| share(c, j)).collect());
        assert_close(&got.row(n).to_owned(), &want, 1e-12);
    }
}

#[track_caller]
fn as_sklearn<M: NaiveBayes>(model: &M, x: &M::Samples, reference: &Reference) {
    let joint: Array2<f64> = reference.array("joint").unwrap();
    let log_probability: Array2<f64> = reference.array("log_probability").unwrap();
    // Relative to the logarithms' size: some are below −1000.
    let relative = |got: Array2<f64>, want: &Array2<f64>| (got - want) / &want.mapv(|want| want.abs().max(1.0));
    let zeros = Array2::zeros(joint.dim());
    assert_close(&relative(model.log_joint(x).unwrap(), &joint), &zeros, 1e-13);
    assert_close(&relative(model.predict_log_proba(x).unwrap(), &log_probability), &zeros, 1e-12);
    assert_eq!(model.predict(x).unwrap(), reference.labels::<ndarray::Ix1>("predicted").unwrap());
}

#[test]
fn scikit_learn_gives_the_same() {
    let flowers = iris();
    let load = |case: &str| Reference::load("bayes", case).unwrap();
    let rows: Vec<usize> =
        (0..150).filter(|n| load("gaussian").labels::<ndarray::Ix1>("train").unwrap()[*n] == 1).collect();
    let y = flowers.targets.select(Axis(0), &rows);
    let part = |x: &Array2<f64>| x.select(Axis(0), &rows);
    for (case, smoothing) in [("gaussian", 1e-9), ("gaussian_smooth", 0.1)] {
        let x = load(case).array("x").unwrap();
        assert_eq!(x, flowers.features);
        as_sklearn(&GaussianNaiveBayes::fit(&part(&x), &y, smoothing).unwrap(), &x, &load(case));
    }
    let pieces: Array2<usize> = load("categorical").labels("x").unwrap();
    let model = CategoricalNaiveBayes::fit(&pieces.select(Axis(0), &rows), &y, 0.7).unwrap();
    as_sklearn(&model, &pieces, &load("categorical"));
    let x = load("bernoulli").array("x").unwrap();
    as_sklearn(&BernoulliNaiveBayes::fit(&part(&x), &y, 0.3).unwrap(), &x, &load("bernoulli"));
    let x = load("multinomial").array("x").unwrap();
    as_sklearn(&MultinomialNaiveBayes::fit(&part(&x), &y, 1.5).unwrap(), &x, &load("multinomial"));
}

#[test]
fn probabilities_sum_to_1_far_from_all_classes() {
    let x = array![[0.0], [1.0], [2.0], [3.0]];
    let model = GaussianNaiveBayes::fit(&x, &array![0, 0, 1, 1], 0.0).unwrap();
    let log_probability = model.predict_log_proba(&array![[1e6], [-1e6]]).unwrap();
    assert_close(&log_probability.exp().sum_axis(Axis(1)), &array![1.0, 1.0], 1e-15);
    assert_eq!(model.predict(&array![[1e6], [-1e6]]).unwrap(), array![1, 0]);
    // One sample, one class: nothing to choose.
    let one = MultinomialNaiveBayes::fit(&array![[1.0, 0.0]], &array![0], 1.0).unwrap();
    assert_eq!(one.predict_log_proba(&array![[0.0, 5.0]]).unwrap(), array![[0.0]]);
}

#[test]
fn data_that_do_not_fit_are_refused_with_a_remedy() {
    type Fit = fn(&Array2<f64>, &Array1<usize>, f64) -> Result<Box<dyn NaiveBayes<Samples = ndarray::ArrayRef2<f64>>>>;
    let models: [Fit; 3] = [
        |x, y, s| Ok(Box::new(GaussianNaiveBayes::fit(x, y, s)?)),
        |x, y, s| Ok(Box::new(BernoulliNaiveBayes::fit(x, y, s)?)),
        |x, y, s| Ok(Box::new(MultinomialNaiveBayes::fit(x, y, s)?)),
    ];
    let (good, y) = (array![[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], array![0, 0, 1, 1]);
    for fit in models {
        for (x, y, smoothing, words) in [
            (Array2::zeros((0, 2)), array![], 1.0, "at least one row"),
            (Array2::zeros((2, 0)), array![0, 1], 1.0, "at least one column"),
            (array![[f64::NAN, 1.0]], array![0], 1.0, "NaN"),
            (array![[f64::INFINITY, 1.0]], array![0], 1.0, "inf"),
            (good.clone(), array![0, 1], 1.0, "one entry per sample"),
            (good.clone(), array![0, 2, 0, 2], 1.0, "class 1"),
            (good.clone(), array![0, usize::MAX, 0, 2], 1.0, "counted from 0"),
            (good.clone(), y.clone(), -1.0, "smoothing"),
            (good.clone(), y.clone(), f64::NAN, "smoothing"),
        ] {
            let message = message(fit(&x, &y, smoothing).map(|_| ()));
            assert!(message.contains(words), "{message}");
        }
        let model = fit(&good, &y, 1.0).unwrap();
        for (x, words) in [
            (Array2::zeros((0, 2)), "at least one row"),
            (array![[0.0]], "(samples, 2)"),
            (array![[f64::NAN, 0.0]], "NaN"),
        ] {
            for message in
                [message(model.log_joint(&x)), message(model.predict_log_proba(&x)), message(model.predict(&x))]
            {
                assert!(message.contains(words), "{message}");
            }
        }
    }
    assert!(message(BernoulliNaiveBayes::fit(&array![[2.0]], &array![0], 1.0)).contains("0 or 1"));
    assert!(message(MultinomialNaiveBayes::fit(&array![[-2.0]], &array![0], 1.0)).contains("0 or more"));
    assert!(message(MultinomialNaiveBayes::fit(&array![[2.0]], &array![0], 0.0)).contains("above 0"));
    let same = Array2::from_elem((3, 1), 0.1);
    assert!(message(GaussianNaiveBayes::fit(&same, &array![0, 0, 0], 0.0)).contains("smoothing"));
    assert!(
        message(GaussianNaiveBayes::fit(&array![[2.0], [3.0]], &array![0, 1], 0.0)).contains("feature 0 in class 0")
    );

    let (x, y) = (array![[0, 1], [1, 0]], array![0, 1]);
    for (x, y, smoothing, words) in [
        (Array2::zeros((0, 2)), array![], 1.0, "at least one row"),
        (Array2::zeros((2, 0)), array![0, 1], 1.0, "one column"),
        (x.clone(), array![0], 1.0, "one entry per sample"),
        (x.clone(), array![1, 1], 1.0, "class 0"),
        (x.clone(), y.clone(), 0.0, "smoothing"),
        (array![[usize::MAX], [0]], y.clone(), 1.0, "counted from 0"),
    ] {
        let message = message(CategoricalNaiveBayes::fit(&x, &y, smoothing));
        assert!(message.contains(words), "{message}");
    }
    let model = CategoricalNaiveBayes::fit(&x, &y, 1.0).unwrap();
    for (x, words) in
        [(Array2::zeros((0, 2)), "at least one row"), (array![[0]], "(samples, 2)"), (array![[0, 2]], "below 2")]
    {
        let message = message(model.predict(&x));
        assert!(message.contains(words), "{message}");
    }
    assert!(message(model.log_probability(2)).contains("below 2"));
}
