//! Generalised linear models: the score and Fisher's information from the likelihood itself, cases by hand, statsmodels,
//! scikit-learn; samples without a maximum.

use mlnotes::expfam::{Bernoulli, ExponentialFamily, Gamma, Gaussian, Poisson};
use mlnotes::glm::{Family, Fitted, Glm};
use mlnotes::prelude::*;
use ndarray::{Ix0, Ix1, Ix2};

use crate::expfam::derivative;
use crate::{assert_close, message};

const FAMILIES: [(Family, &str); 4] = [
    (Family::Bernoulli, "bernoulli"),
    (Family::Poisson, "poisson"),
    (Family::Gaussian, "gaussian"),
    (Family::Gamma, "gamma"),
];

fn reference(case: &str) -> (Reference, Array2<f64>, Array1<f64>) {
    let reference = Reference::load("glm", case).unwrap();
    let (x, y) = (reference.array::<Ix2>("x").unwrap(), reference.array::<Ix1>("y").unwrap());
    (reference, x, y)
}

fn full(family: Family, reference: &Reference) -> Glm {
    Glm::new(family).offset(reference.array("offset").unwrap()).weights(reference.array("weights").unwrap())
}

/// Planted: an offset left in the working response; the weight squared; a dispersion divided by the number of samples;
/// a penalty on the intercept.
#[test]
fn statsmodels_and_scikit_learn_give_the_same() {
    for (family, case) in FAMILIES {
        let (reference, x, y) = reference(case);
        for (name, glm) in [("plain", Glm::new(family)), ("full", full(family, &reference))] {
            let fit = glm.fit(&x, &y).unwrap();
            let number = |what: &str| reference.array::<Ix0>(&format!("{name}_{what}")).unwrap().into_scalar();
            let vector = |what: &str| reference.array::<Ix1>(&format!("{name}_{what}")).unwrap();
            assert_close(&fit.coefficients, &vector("coefficients"), 1e-10);
            assert_close(&fit.standard_errors, &vector("standard_errors"), 1e-10);
            for (got, what) in
                [(fit.deviance, "deviance"), (fit.dispersion, "dispersion"), (fit.log_likelihood, "log_likelihood")]
            {
                let want = number(what);
                assert!((got - want).abs() < 1e-10 * (1.0 + want.abs()), "{case} {name} {what}: {got} {want}");
            }
            assert!((fit.degrees_of_freedom - 4.0).abs() < 1e-12);
        }
        let plain = Glm::new(family).fit(&x, &y).unwrap();
        assert_close(&plain.predict(&x).unwrap(), &reference.array("plain_fitted").unwrap(), 1e-10);
        let penalised = Glm::new(family).penalty(3.0).fit(&x, &y).unwrap();
        assert_close(&penalised.coefficients, &reference.array("penalised_coefficients").unwrap(), 1e-8);
        assert!(penalised.degrees_of_freedom < 4.0 && penalised.deviance > plain.deviance);
    }
}

/// Σ w log p(y_i | β)/φ from the exponential family's own density, less what does not depend on β.
fn log_likelihood(family: Family, y: f64, eta: f64) -> f64 {
    let mean = family.mean(eta);
    let at = array![y];
    match family {
        Family::Bernoulli => Bernoulli::from_natural(&array![eta]).unwrap().log_density(&at).unwrap()[0],
        Family::Poisson => Poisson::new(mean).unwrap().log_density(&at).unwrap()[0],
        Family::Gaussian => Gaussian::new(mean, 1.0).unwrap().log_density(&at).unwrap()[0],
        // Shape 1, since the dispersion is a factor.
        Family::Gamma => Gamma::new(1.0, 1.0 / mean).unwrap().log_density(&at).unwrap()[0],
    }
}

/// Planted: 1/q for −1/q in the working residual of a 0; μ for μ² in the gamma's variance.
#[test]
fn the_score_is_zero_and_the_errors_are_fishers_information() {
    for (family, case) in FAMILIES {
        for penalty in [0.0, 2.5] {
            let (reference, x, y) = reference(case);
            let (offset, weights): (Array1<f64>, Array1<f64>) =
                (reference.array("offset").unwrap(), reference.array("weights").unwrap());
            let fit = full(family, &reference).penalty(penalty).fit(&x, &y).unwrap();
            let objective = |beta: &Array1<f64>| {
                let eta = x.dot(&beta.slice(s![1..])) + beta[0] + &offset;
                let each = (0..y.len()).map(|i| weights[i] * log_likelihood(family, y[i], eta[i]));
                let square: f64 = beta.iter().skip(1).map(|b| b * b).sum();
                each.sum::<f64>() - 0.5 * penalty * square
            };
            let moved = |j: usize, step: f64| {
                let mut beta = fit.coefficients.clone();
                beta[j] += step;
                beta
            };
            for j in 0..4 {
                // 120 terms of size 1, over steps of 0.01.
                let slope = derivative(|step| array![objective(&moved(j, step))], 0.01)[0];
                assert!(slope.abs() < 1e-9, "{case} {slope}");
            }
            // XᵀWX + λ from V(μ), which is Cov[T] of the exponential family, and dμ/dη by differences.
            let eta = x.dot(&fit.coefficients.slice(s![1..])) + fit.coefficients[0] + &offset;
            let mut information = Array2::zeros((4, 4));
            for i in 0..y.len() {
                let mean = family.mean(eta[i]);
                let variance = match family {
                    Family::Bernoulli => Bernoulli::new(mean).unwrap().statistic_covariance()[[0, 0]],
                    Family::Poisson => Poisson::new(mean).unwrap().statistic_covariance()[[0, 0]],
                    Family::Gaussian => 1.0,
                    Family::Gamma => Gamma::new(1.0, 1.0 / mean).unwrap().statistic_covariance()[[1, 1]],
                };
                assert!((family.variance(mean) / variance - 1.0).abs() < 1e-13);
                let slope = derivative(|step| array![family.mean(eta[i] + step)], 0.01)[0];
                let row = ndarray::concatenate![Axis(0), array![1.0], x.row(i)];
                let outer = row.view().insert_axis(Axis(1)).dot(&row.view().insert_axis(Axis(0)));
                information = information + outer * (weights[i] * slope * slope / variance);
            }
            (1..4).for_each(|j| information[[j, j]] += penalty);
            let one = information.dot(&fit.covariance) / fit.dispersion;
            assert_close(&one, &Array2::eye(4), 1e-9);
            never_rises(&fit);
        }
    }
}

#[track_caller]
fn never_rises(fit: &Fitted) {
    for pair in fit.history.windows(2) {
        assert!(pair[1] <= pair[0] + 1e-11 * (1.0 + pair[0].abs()), "{:?}", fit.history);
    }
}

#[test]
fn cases_by_hand() {
    // Only a constant: the link of the weighted mean, with exposures as offsets.
    let (events, years) = (array![3.0, 0.0, 9.0], array![1.0, 2.0, 5.0]);
    let ones = Array2::ones((3, 1));
    let rate = Glm::new(Family::Poisson).intercept(false).offset(years.ln()).fit(&ones, &events).unwrap();
    assert!((rate.coefficients[0] - 1.5_f64.ln()).abs() < 1e-14);
    assert!((rate.standard_errors[0] - 1.0 / 12.0_f64.sqrt()).abs() < 1e-14);
    let wait =
        Glm::new(Family::Gamma).intercept(false).weights(array![2.0, 0.0, 1.0]).fit(&ones, &array![1.0, 7.0, 4.0]);
    assert!((wait.unwrap().coefficients[0] - 2.0_f64.ln()).abs() < 1e-12);

    // A weight of 2 is a row that stands there twice; 0, a row that does not.
    let (x, y) = (array![[0.0], [1.0], [2.0], [3.0], [9.0]], array![0.0, 1.0, 0.0, 1.0, 0.0]);
    let weighted = Glm::new(Family::Bernoulli).weights(array![1.0, 2.0, 1.0, 1.0, 0.0]).fit(&x, &y).unwrap();
    let (x, y) = (array![[0.0], [1.0], [1.0], [2.0], [3.0]], array![0.0, 1.0, 1.0, 0.0, 1.0]);
    let repeated = Glm::new(Family::Bernoulli).fit(&x, &y).unwrap();
    assert_close(&weighted.coefficients, &repeated.coefficients, 1e-12);
    assert_close(&weighted.covariance, &repeated.covariance, 1e-11);
    assert!((weighted.log_likelihood - repeated.log_likelihood).abs() < 1e-13);

    // One sample: its mean, and no error to tell.
    let one = Glm::new(Family::Poisson).intercept(false).fit(&array![[2.0]], &array![5.0]).unwrap();
    assert!((one.coefficients[0] - 0.5 * 5.0_f64.ln()).abs() < 1e-13 && one.deviance.abs() < 1e-13);
    let line = Glm::new(Family::Gaussian).fit(&array![[0.0], [1.0]], &array![1.0, 2.0]);
    assert!(message(line).contains("more than 2 samples"));
    let ridge = Glm::new(Family::Gaussian).penalty(0.5).fit(&array![[0.0], [1.0]], &array![1.0, 2.0]).unwrap();
    assert!((ridge.coefficients[1] - 0.5).abs() < 1e-14); // S_xy/(S_xx + λ) = 0.5/(0.5 + 0.5)
}

#[test]
fn badly_scaled_columns_and_bad_starts_are_no_obstacle() {
    // Years beside a constant: XᵀX has a condition of about 1e13.
    let year: Array1<f64> = (1900..2020).map(f64::from).collect();
    let y = year.mapv(|year| 3.0 + 0.02 * (year - 1960.0));
    let fit = Glm::new(Family::Gaussian).fit(&year.clone().insert_axis(Axis(1)), &y).unwrap();
    assert!((fit.coefficients[1] - 0.02).abs() < 1e-13 && (fit.coefficients[0] + 36.2).abs() < 1e-9);

    // Offsets far off.
    let (x, y) = (array![[-1.0], [0.5], [1.0], [2.0]], array![1.0, 3.0, 2.0, 400.0]);
    let fit = Glm::new(Family::Poisson).offset(array![12.0, -9.0, 0.0, 0.0]).fit(&x, &y).unwrap();
    never_rises(&fit);
    let score = |beta: &Array1<f64>| {
        let eta = x.column(0).mapv(|x| beta[0] + beta[1] * x) + array![12.0, -9.0, 0.0, 0.0];
        let residual = &y - &eta.exp();
        array![residual.sum(), residual.dot(&x.column(0))]
    };
    assert_close(&score(&fit.coefficients), &array![0.0, 0.0], 1e-9);
}

/// Planted: every step taken whole.
#[test]
fn steps_that_overshoot_are_halved() {
    // Far more spread than a gamma distribution of any usual shape has.
    let x = array![[0.9, 0.2], [0.2, 0.7], [0.2, -1.1], [-0.2, -0.9], [0.8, -0.9], [0.5, -0.2], [-1.7, 0.2]];
    let y = array![2e-4, 1e-2, 1e-3, 2e-3, 0.5, 40.0, 2.0];
    let fit = Glm::new(Family::Gamma).fit(&x, &y).unwrap();
    never_rises(&fit);
    let residual = &y / &fit.predict(&x).unwrap() - 1.0;
    assert!(residual.sum().abs() < 1e-9);
    assert_close(&residual.dot(&x), &array![0.0, 0.0], 1e-9);
}

/// Planted: no slack for the samples on the boundary.
#[test]
fn separation_by_an_oblique_line_is_found() {
    // Along (sin 1, cos 1) ones only beyond 0, a mixture at 0, whose sines and cosines are not exact.
    let place = |along: f64, across: f64| {
        let (sine, cosine) = 1.0_f64.sin_cos();
        [0.3 + along * sine + across * cosine, along * cosine - across * sine]
    };
    let x = Array2::from(vec![
        place(0.0, 1.0),
        place(0.0, 2.1),
        place(0.0, 1.7),
        place(0.0, 3.3),
        place(0.0, -0.4),
        place(1.0, 0.7),
        place(1.3, -2.2),
    ]);
    let y = array![0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
    assert!(message(Glm::new(Family::Bernoulli).fit(&x, &y)).contains("separation"));
    let counts = array![1.0, 4.0, 2.0, 0.0, 5.0, 0.0, 0.0];
    assert!(message(Glm::new(Family::Poisson).fit(&x, &counts)).contains("separation"));
}

/// Planted: no question whether y has both kinds; columns dependent from 1e-3 on.
#[test]
fn a_likelihood_without_a_maximum_is_found_out() {
    let bernoulli = || Glm::new(Family::Bernoulli);
    let column = |x: &[f64]| Array1::from(x.to_vec()).insert_axis(Axis(1));
    // Complete, in either direction; touching at one x; a group of ones only, beside another that is mixed.
    let groups = array![[0.0, 1.0], [0.0, 2.0], [0.0, 1.5], [0.0, 3.0], [1.0, 1.0], [1.0, 2.0]];
    for (x, y) in [
        (column(&[0.0, 1.0, 2.0, 3.0]), array![0.0, 0.0, 1.0, 1.0]),
        (column(&[0.0, 1.0, 2.0, 3.0]), array![1.0, 1.0, 0.0, 0.0]),
        (column(&[0.0, 1e-6, 2e6, 3e6]), array![0.0, 0.0, 1.0, 1.0]),
        (column(&[0.0, 1.0, 1.0, 3.0]), array![0.0, 0.0, 1.0, 1.0]),
        (groups.clone(), array![0.0, 1.0, 1.0, 0.0, 1.0, 1.0]),
    ] {
        let message = message(bernoulli().fit(&x, &y));
        assert!(message.contains("separation") && message.contains("penalty"), "{message}");
        assert!(bernoulli().penalty(1e-3).fit(&x, &y).is_ok());
    }
    let message_of = message(Glm::new(Family::Poisson).fit(&groups, &array![1.0, 4.0, 3.0, 0.0, 0.0, 0.0]));
    assert!(message_of.contains("separation"), "{message_of}");
    assert!(message(bernoulli().fit(&column(&[0.0, 1.0]), &array![1.0, 1.0])).contains("both kinds"));
    assert!(message(bernoulli().penalty(1.0).fit(&column(&[0.0, 1.0]), &array![1.0, 1.0])).contains("both kinds"));
    assert!(message(Glm::new(Family::Poisson).fit(&column(&[0.0, 1.0]), &array![0.0, 0.0])).contains("above 0"));
    // Without an intercept, x must tell them apart.
    let same = bernoulli().intercept(false).fit(&column(&[1.0, 2.0]), &array![1.0, 1.0]);
    assert!(message(same).contains("separation"));

    // Nearly separated, or by an outlier, is not separated.
    for (x, y) in [
        (column(&[0.0, 1.0, 1.0 - 1e-3, 3.0]), array![0.0, 0.0, 1.0, 1.0]),
        (column(&[-1.0, -2.0, 1.0, 2.0, 0.5, -0.5, 1e7]), array![0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0]),
        (column(&[-1.0, -2.0, 1.0, 2.0, 0.5, 1e3, -1e3]), array![0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]),
    ] {
        never_rises(&bernoulli().fit(&x, &y).unwrap());
    }
}

/// With one feature and an intercept, whether a maximum exists can be seen by the order of x.
#[test]
fn separation_is_found_exactly_where_it_is() {
    let (mut with, mut without) = (0, 0);
    let mut agree = |fit: Result<Fitted>, exists: bool, case: String| {
        assert_eq!(fit.is_ok(), exists, "{case}: {:?}", fit.map(|fit| fit.history));
        if exists { with += 1 } else { without += 1 }
    };
    for x in [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 0.0, 1.0, 1.0, 2.0, 2.0], [0.0, 1.0, 1.0, 1.0, 1.0, 50.0]] {
        let column = Array1::from(x.to_vec()).insert_axis(Axis(1));
        for code in 0..3_usize.pow(6) {
            let y: Array1<f64> = (0..6).map(|i| (code / 3_usize.pow(i) % 3) as f64).collect();
            let of = |wanted: &dyn Fn(f64) -> bool| -> (f64, f64) {
                let those = || x.iter().zip(&y).filter(|(_, y)| wanted(**y)).map(|(x, _)| *x);
                (those().fold(f64::INFINITY, f64::min), those().fold(f64::NEG_INFINITY, f64::max))
            };
            let (zeros, others) = (of(&|y| y == 0.0), of(&|y| y > 0.0));
            // Events at two different x hold both coefficients; at one x, zeros on both sides of it do.
            let both_sides = zeros.0 < others.0 && others.1 < zeros.1 && others.0.is_finite();
            let exists = others.0 < others.1 || both_sides;
            agree(Glm::new(Family::Poisson).fit(&column, &y), exists, format!("{x:?} {y}"));
            if y.iter().all(|&y| y < 2.0) {
                let exists = zeros.1 > others.0 && others.1 > zeros.0;
                agree(Glm::new(Family::Bernoulli).fit(&column, &y), exists, format!("{x:?} {y}"));
            }
        }
    }
    assert!(with > 1000 && without > 80, "{with} {without}");
}

/// Planted: no check of the rank.
#[test]
fn columns_that_depend_on_each_other_are_named() {
    let y = array![1.0, 0.0, 1.0, 0.0, 1.0];
    for (family, y) in [(Family::Bernoulli, y.clone()), (Family::Gamma, &y + 1.0)] {
        for (x, words) in [
            (array![[2.0], [2.0], [2.0], [2.0], [2.0]], "column 0 depends"),
            (array![[1.0, 2.0, 3.0], [0.0, 1.0, 1.0], [4.0, 0.1, 4.1], [2.0, 2.0, 4.0], [3.0, 1.0, 4.0]], "column 2"),
            (array![[0.0, 1.0], [0.0, 2.0], [0.0, 0.0], [0.0, 1.0], [0.0, 5.0]], "column 0 depends"),
            (Array2::from_shape_fn((5, 7), |(i, j)| ((i * i + 3 * i * j + j * j) as f64).sin()), "column 4"),
        ] {
            let message = message(Glm::new(family).fit(&x, &y));
            assert!(message.contains(words) && message.contains("penalty"), "{message}");
            assert!(Glm::new(family).penalty(0.1).fit(&x, &y).is_ok());
        }
    }
}

#[test]
fn data_and_options_that_do_not_fit_are_refused_with_a_remedy() {
    let (x, y) = (array![[0.0], [1.0], [2.0]], array![1.0, 3.0, 2.0]);
    let glm = || Glm::new(Family::Poisson);
    let nan = f64::NAN;
    for (glm, x, y, words) in [
        (glm(), Array2::zeros((0, 1)), array![], "at least one row"),
        (glm(), Array2::zeros((3, 0)), y.clone(), "at least one column"),
        (glm(), x.clone(), array![1.0], "one entry per sample"),
        (glm(), array![[0.0], [nan], [2.0]], y.clone(), "NaN"),
        (glm(), x.clone(), array![1.0, nan, 2.0], "NaN"),
        (glm(), x.clone(), array![1.0, 0.5, 2.0], "count"),
        (glm(), x.clone(), array![1.0, -1.0, 2.0], "count"),
        (Glm::new(Family::Bernoulli), x.clone(), y.clone(), "0 or 1"),
        (Glm::new(Family::Gamma), x.clone(), array![1.0, 0.0, 2.0], "above 0"),
        (Glm::new(Family::Gaussian), x.clone(), array![1.0, f64::INFINITY, 2.0], "inf"),
        (glm().penalty(-1.0), x.clone(), y.clone(), "penalty"),
        (glm().penalty(nan), x.clone(), y.clone(), "penalty"),
        (glm().iterations(0), x.clone(), y.clone(), "at least 1"),
        (glm().tolerance(0.0), x.clone(), y.clone(), "tolerance"),
        (glm().tolerance(nan), x.clone(), y.clone(), "tolerance"),
        (glm().offset(array![1.0]), x.clone(), y.clone(), "offset"),
        (glm().offset(array![1.0, nan, 0.0]), x.clone(), y.clone(), "NaN"),
        (glm().weights(array![1.0]), x.clone(), y.clone(), "weights"),
        (glm().weights(array![1.0, -1.0, 1.0]), x.clone(), y.clone(), "0 or more"),
        (glm().weights(array![0.0, 0.0, 0.0]), x.clone(), y.clone(), "0 everywhere"),
        (glm().weights(array![1.0, 0.0, 0.0]), x.clone(), y.clone(), "depends linearly"),
        (glm().iterations(1), x.clone(), y.clone(), "more iterations"),
    ] {
        let message = message(glm.fit(&x, &y));
        assert!(message.contains(words), "{message}");
    }
    let fit = glm().fit(&x, &y).unwrap();
    for (x, words) in
        [(Array2::zeros((0, 1)), "at least one row"), (array![[1.0, 2.0]], "(samples, 1)"), (array![[nan]], "NaN")]
    {
        let message = message(fit.predict(&x));
        assert!(message.contains(words), "{message}");
    }
}
