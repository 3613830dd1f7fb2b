//! Rosenblatt's rule against the notes' own program, a second program in NumPy, and what must hold of any run.

use mlnotes::linear::perceptron::{epoch, predict, step, update, with_constant};
use mlnotes::prelude::*;

use crate::{assert_close, message};

fn notes_split() -> Split<usize> {
    let iris = iris();
    train_test_split(&iris.features, &iris.targets, 0.2, 42).unwrap()
}

fn notes_run() -> OneVsRest {
    let split = notes_split();
    let options = Perceptron::new().learning_rate(0.1).epochs(30).start_uniform(42).keep_history(true);
    options.fit_one_vs_rest(&split.x_train, &split.y_train).unwrap()
}

fn signs(classes: &Array1<usize>, class: usize) -> Array1<f64> {
    classes.mapv(|label| if label == class { 1.0 } else { -1.0 })
}

/// Planted: a stream of its own for every class; η y in place of η (y − ŷ).
#[test]
fn the_notes_run_is_reproduced_epoch_by_epoch() {
    let reference = Reference::load("perceptron", "notes").unwrap();
    let (split, model) = (notes_split(), notes_run());
    assert_eq!(split.train_rows, reference.labels::<ndarray::Ix1>("train_rows").unwrap().to_vec());
    assert_eq!(split.test_rows, reference.labels::<ndarray::Ix1>("test_rows").unwrap().to_vec());
    assert_eq!(split.y_test, reference.labels("y_test").unwrap());
    assert_eq!(model.at_epoch(0).unwrap().weights(), reference.array("start").unwrap());

    let weights: Array3<f64> = reference.array("weights").unwrap();
    let by_sign: Array2<usize> = reference.labels("predicted_by_sign").unwrap();
    let by_margin: Array2<usize> = reference.labels("predicted_by_margin").unwrap();
    let accuracies: Array1<f64> = reference.array("accuracy_by_sign").unwrap();
    for epochs in 1..=30 {
        let model = model.at_epoch(epochs).unwrap();
        assert_close(&model.weights(), &weights.index_axis(Axis(0), epochs - 1), 1e-12);
        let predicted = model.predict_by_sign(&split.x_test).unwrap();
        assert_eq!(predicted, by_sign.row(epochs - 1), "epoch {epochs}");
        assert_eq!(model.predict(&split.x_test).unwrap(), by_margin.row(epochs - 1), "epoch {epochs}");
        assert_eq!(accuracy(&split.y_test, &predicted).unwrap(), accuracies[epochs - 1]);
    }
}

/// What the notes print belongs to ten epochs (0.8333); the twenty of their program give 0.70.
#[test]
fn the_printed_accuracy_is_that_of_ten_epochs() {
    let split = notes_split();
    let score = |epochs: usize| {
        let model = Perceptron::new().epochs(epochs).start_uniform(42).fit_one_vs_rest(&split.x_train, &split.y_train);
        accuracy(&split.y_test, &model.unwrap().predict_by_sign(&split.x_test).unwrap()).unwrap()
    };
    assert_eq!((score(10), score(20)), (25.0 / 30.0, 21.0 / 30.0));
    let printed = [1, 0, 1, 0, 1, 0, 0, 2, 1, 1, 2, 0, 0, 0, 0, 0, 2, 1, 1, 2, 0, 2, 0, 2, 2, 2, 1, 2, 0, 0];
    let ten = notes_run().at_epoch(10).unwrap().predict_by_sign(&split.x_test).unwrap();
    assert_eq!(ten.to_vec(), printed);
}

/// A NumPy program with zero weights at the start; shuffling; no bias. Planted: `>` for `>=` in `step`; a bias that moves although it is off; a
/// new generator in every epoch.
#[test]
fn other_options_agree_with_numpy() {
    let reference = Reference::load("perceptron", "variants").unwrap();
    let split = notes_split();
    let base = Perceptron::new().learning_rate(0.3).epochs(12).early_stop(false).keep_history(true);
    let variants = [("plain", base.clone()), ("shuffled", base.clone().shuffle(7)), ("no_bias", base.bias(false))];
    for (name, options) in variants {
        for class in 0..3 {
            let unit = options.fit(&split.x_train, &signs(&split.y_train, class)).unwrap();
            let want: Array2<f64> = reference.array(&format!("{name}_{class}_weights")).unwrap();
            assert_close(&unit.history().unwrap().slice(s![1.., ..]), &want, 1e-12);
            let errors: Array1<usize> = reference.labels(&format!("{name}_{class}_errors")).unwrap();
            assert_eq!(unit.errors(), errors.to_vec(), "{name}, class {class}");
        }
    }
}

/// The readable functions are the oracle of the fast loop.
#[test]
fn the_fast_loop_is_the_readable_one() {
    let split = notes_split();
    let y = signs(&split.y_train, 1);
    let unit = Perceptron::new().epochs(9).fit(&split.x_train, &y).unwrap();
    let (mut w, mut b) = (Array1::zeros(4), 0.0);
    let errors: Vec<usize> = (0..9).map(|_| epoch(&mut w, &mut b, &split.x_train, &y, 0.1).unwrap()).collect();
    assert_eq!((&unit.weights, unit.bias, unit.errors()), (&w, b, &errors[..]));
    assert_eq!(unit.predict(&split.x_test).unwrap(), predict(&w, b, &split.x_test).unwrap());
    // Columns stored one after the other, and every second row: the layout makes no difference.
    let wide = ndarray::concatenate(Axis(0), &[split.x_train.view(), split.x_train.view()]).unwrap();
    let fortran = split.x_train.t().as_standard_layout().into_owned();
    let strided = wide.slice(s![..;2, ..]).to_owned();
    assert_eq!(Perceptron::new().epochs(9).fit(&fortran.t(), &y).unwrap(), unit);
    let halves = ndarray::concatenate(Axis(0), &[y.view(), y.view()]).unwrap();
    let from_view = Perceptron::new().fit(&wide.slice(s![..;2, ..]), &halves.slice(s![..;2])).unwrap();
    assert_eq!(from_view, Perceptron::new().fit(&strided, &halves.slice(s![..;2]).to_owned()).unwrap());
}

/// NB-04: a bias is the weight of a constant feature.
#[test]
fn explicit_and_augmented_bias_are_one() {
    let split = notes_split();
    let augmented = with_constant(&split.x_train);
    for options in [Perceptron::new(), Perceptron::new().start_uniform(42), Perceptron::new().shuffle(3)] {
        let options = options.keep_history(true).epochs(15);
        for class in 0..3 {
            let y = signs(&split.y_train, class);
            let explicit = options.fit(&split.x_train, &y).unwrap();
            let constant = options.clone().bias(false).fit(&augmented, &y).unwrap();
            assert_eq!(constant.bias, 0.0);
            assert_eq!(constant.errors(), explicit.errors());
            let history = constant.history().unwrap().slice(s![.., 1..]).to_owned();
            assert_eq!(&history, explicit.history().unwrap());
        }
    }
}

/// Novikoff: on separable data with |x| ≤ R and margin γ, at most (R / γ)² mistakes, whatever the order.
#[test]
fn novikoffs_bound_holds() {
    let iris = iris();
    let y = signs(&iris.targets, 0);
    let Separability::Separable { weights, bias, .. } = separability(&iris.features, &y).unwrap() else { panic!() };
    let x = with_constant(&iris.features);
    let direction: Array1<f64> = std::iter::once(bias).chain(weights).collect();
    let length = direction.dot(&direction).sqrt();
    let margin = (x.dot(&direction) * &y).iter().copied().fold(f64::INFINITY, f64::min) / length;
    let radius = x.rows().into_iter().map(|row| row.dot(&row).sqrt()).fold(0.0, f64::max);
    for seed in 0..20 {
        let unit = Perceptron::new().epochs(10_000).shuffle(seed).fit(&iris.features, &y).unwrap();
        assert!(unit.converged());
        assert!((unit.errors().iter().sum::<usize>() as f64) <= (radius / margin).powi(2));
        assert_eq!(unit.predict(&iris.features).unwrap(), y);
    }
}

#[test]
fn stopping_early_changes_nothing_but_the_time() {
    let split = notes_split();
    let options = Perceptron::new().epochs(30).start_uniform(42).shuffle(5).keep_history(true);
    let stopped = options.fit_one_vs_rest(&split.x_train, &split.y_train).unwrap();
    let whole = options.early_stop(false).fit_one_vs_rest(&split.x_train, &split.y_train).unwrap();
    assert_eq!(stopped.weights(), whole.weights());
    assert!(stopped.units()[0].errors().len() < 30);
    assert_eq!(whole.units()[0].errors().len(), 30);
    for epoch in [1, 5, 30] {
        assert_eq!(stopped.at_epoch(epoch).unwrap().weights(), whole.at_epoch(epoch).unwrap().weights());
    }
}

/// E-80: from zero weights η only scales them; powers of two, so that the scaling is exact.
#[test]
fn the_learning_rate_only_scales() {
    let split = notes_split();
    let fit =
        |rate: f64| Perceptron::new().learning_rate(rate).fit_one_vs_rest(&split.x_train, &split.y_train).unwrap();
    let one = fit(1.0);
    for rate in [0.0625, 0.5, 8.0] {
        assert_eq!(fit(rate).weights(), one.weights() * rate);
        assert_eq!(fit(rate).predict(&split.x_test).unwrap(), one.predict(&split.x_test).unwrap());
    }
    let reference = Reference::load("perceptron", "sklearn").unwrap();
    let (rates, coef): (Array1<f64>, Array3<f64>) =
        (reference.array("rates").unwrap(), reference.array("rate_coef").unwrap());
    for (rate, coef) in rates.iter().zip(coef.outer_iter()) {
        assert_eq!(&coef / *rate, &coef.to_owned() / *rate); // scikit-learn's, by the same powers of two
        assert_close(&(&coef / *rate), &coef_of(&reference), 0.0);
    }
}

fn coef_of(reference: &Reference) -> Array2<f64> {
    let coef: Array3<f64> = reference.array("rate_coef").unwrap();
    let rates: Array1<f64> = reference.array("rates").unwrap();
    &coef.index_axis(Axis(0), 0) / rates[0]
}

/// E-78: with flipped labels the rule does not settle; the same accuracies as a NumPy program, run by run.
#[test]
fn label_noise_hurts_as_much_as_in_numpy() {
    let reference = Reference::load("perceptron", "noise").unwrap();
    let want: Array2<f64> = reference.array("perceptron").unwrap();
    for (level, row) in [0.0, 0.1, 0.2, 0.3].into_iter().zip(want.rows()) {
        for run in 0..20 {
            let mut random = RandomState::new(run);
            let x = random.normal_array((400, 2));
            let y = x.dot(&array![1.0, 2.0]).mapv(|value| step(value + 0.5));
            let flips = random.uniform_array(200);
            let noisy: Array1<f64> = y.iter().zip(&flips).map(|(y, &u)| if u < level { -y } else { *y }).collect();
            let unit = Perceptron::new().epochs(50).fit(&x.slice(s![..200, ..]), &noisy).unwrap();
            let answers = unit.predict(&x.slice(s![200.., ..])).unwrap();
            assert_eq!(accuracy(&y.slice(s![200..]), &answers).unwrap(), row[run as usize], "{level}, run {run}");
        }
    }
}

/// scikit-learn's weights, put into our units, give scikit-learn's answers.
#[test]
fn scikit_learns_weights_give_its_answers() {
    let reference = Reference::load("perceptron", "sklearn").unwrap();
    let split = notes_split();
    for model in ["perceptron", "logistic"] {
        let coef: Array2<f64> = reference.array(&format!("{model}_coef")).unwrap();
        let intercept: Array1<f64> = reference.array(&format!("{model}_intercept")).unwrap();
        let margins = split.x_test.dot(&coef.t()) + &intercept;
        let largest = |row: ndarray::ArrayView1<f64>| (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        let answers: Array1<usize> = margins.rows().into_iter().map(largest).collect();
        assert_eq!(answers, reference.labels(&format!("{model}_predicted")).unwrap());
        let score: Array1<f64> = reference.array(&format!("{model}_accuracy")).unwrap();
        assert_eq!(accuracy(&split.y_test, &answers).unwrap(), score[1]);
    }
}

#[test]
fn one_feature_one_sample_a_class_and_sparse_classes() {
    let unit = Perceptron::new().fit(&array![[-1.0], [2.0]], &array![-1.0, 1.0]).unwrap();
    assert!(unit.converged());
    let x = array![[0.0, 0.0], [0.0, 9.0], [9.0, 0.0]];
    let model = Perceptron::new().epochs(1000).fit_one_vs_rest(&x, &array![7, 3, 900]).unwrap();
    assert_eq!(model.classes(), [3, 7, 900]);
    assert_eq!(model.predict(&x).unwrap(), array![7, 3, 900]);
    assert_eq!(model.units()[0].errors().last(), Some(&0));
    assert!(format!("{model:?}").lines().count() == 4 && format!("{unit:?}").lines().count() == 1);
}

#[test]
fn impossible_data_are_refused() {
    let x = array![[0.0, 1.0], [1.0, 0.0]];
    let y = array![-1.0, 1.0];
    let new = Perceptron::new;
    assert!(message(new().fit(&Array2::zeros((0, 2)), &array![])).contains("at least one row"));
    assert!(message(new().fit(&Array2::zeros((2, 0)), &y)).contains("at least one column"));
    assert!(message(new().fit(&x, &array![1.0])).contains("2 along the first axis"));
    assert!(message(new().fit(&x, &array![1.0, 1.0])).contains("one class only"));
    assert!(message(new().fit(&x, &array![0.0, 1.0])).contains("-1 or +1"));
    assert!(message(new().fit(&x, &array![f64::NAN, 1.0])).contains("NaN"));
    assert!(message(new().fit(&array![[0.0, f64::NAN], [1.0, 0.0]], &y)).contains("[0, 1]"));
    assert!(message(new().epochs(0).fit(&x, &y)).contains("`epochs` is 0"));
    for rate in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        assert!(message(new().learning_rate(rate).fit(&x, &y)).contains("above 0"));
    }
    let huge = array![[1e308, 1e308], [1e308, -1e308], [-1e308, 1e308]];
    assert!(message(new().learning_rate(1e3).fit(&huge, &array![-1.0, 1.0, -1.0])).contains("overflowed"));
    let unit = new().fit(&x, &y).unwrap();
    assert!(message(unit.predict(&array![[1.0]])).contains("(samples, 2)"));
    assert!(message(unit.predict(&array![[1.0, f64::NAN]])).contains("[0, 1]"));
    assert!(message(unit.at_epoch(1)).contains("keep_history"));
    let cycling = new().epochs(3).keep_history(true).fit(&array![[0.0], [0.0]], &array![1.0, -1.0]).unwrap();
    assert!(message(cycling.at_epoch(4)).contains("at most 3"));
    assert!(message(new().fit_one_vs_rest(&x, &array![1, 1])).contains("two classes"));
    assert!(message(new().fit_one_vs_rest(&x, &array![1])).contains("2 along"));
    assert!(message(new().fit_one_vs_rest(&Array2::zeros((0, 2)), &array![])).contains("at least one row"));
    let (mut w, mut b) = (array![0.0], 0.0);
    assert!(message(update(&mut w, &mut b, &array![1.0, 2.0], 1.0, 0.1)).contains("(1), as the weights"));
    assert!(message(update(&mut w, &mut b, &array![f64::NAN], 1.0, 0.1)).contains("NaN"));
    assert!(message(update(&mut w, &mut b, &array![1.0], 0.5, 0.1)).contains("-1 or +1"));
    assert!(message(epoch(&mut w, &mut b, &x, &y, 0.1)).contains("(samples, 1)"));
}
