//! Accuracy and confusion, which agree with each other.

use mlnotes::metrics::{mae, mse, rmse};
use mlnotes::prelude::*;

use crate::{assert_close, message};

/// The counts by hand, and accuracy as the diagonal's share. Planted: rows and columns exchanged.
#[test]
fn counts_are_right() {
    let truth = array![0, 0, 1, 2, 2, 2];
    let predicted = array![0, 1, 1, 0, 2, 2];
    let counts = confusion_matrix(&truth, &predicted).unwrap();
    assert_eq!(counts, array![[1, 1, 0], [0, 1, 0], [1, 0, 2]]);
    let diagonal: usize = counts.diag().sum();
    assert_eq!(accuracy(&truth, &predicted).unwrap(), diagonal as f64 / 6.0);
    assert_eq!(accuracy(&array![-1.0, 1.0], &array![-1.0, -1.0]).unwrap(), 0.5);
    assert_eq!(confusion_matrix(&array![0], &array![3]).unwrap().dim(), (4, 4)); // a class that only one side knows
}

/// scikit-learn's own score of its perceptron.
#[test]
fn accuracy_is_scikit_learns() {
    let sklearn = Reference::load("perceptron", "sklearn").unwrap();
    let notes = Reference::load("perceptron", "notes").unwrap();
    let truth: Array1<usize> = notes.labels("y_test").unwrap();
    let predicted: Array1<usize> = sklearn.labels("perceptron_predicted").unwrap();
    let scores: Array1<f64> = sklearn.array("perceptron_accuracy").unwrap();
    assert_eq!(accuracy(&truth, &predicted).unwrap(), scores[1]);
}

/// Planted: the root not taken.
#[test]
fn errors_are_scikit_learns() {
    let case = Reference::load("series", "errors").unwrap();
    let (truth, forecast): (Array3<f64>, Array3<f64>) = (case.array("truth").unwrap(), case.array("forecast").unwrap());
    let got =
        array![mse(&truth, &forecast).unwrap(), rmse(&truth, &forecast).unwrap(), mae(&truth, &forecast).unwrap()];
    assert_close(&got, &case.array("mse_rmse_mae").unwrap(), 1e-15);
    assert!(got[1] >= got[2] && mse(&truth, &truth).unwrap() == 0.0);
    // All errors of one size: then root mean square and mean absolute error are the same.
    let (truth, forecast) = (array![1.0, 2.0], array![4.0, -1.0]);
    assert_eq!((rmse(&truth, &forecast).unwrap(), mae(&truth, &forecast).unwrap()), (3.0, 3.0));
}

#[test]
fn impossible_comparisons_are_refused() {
    let none: Array1<usize> = array![];
    assert!(message(accuracy(&none, &none)).contains("at least one"));
    assert!(message(accuracy(&array![1, 2], &array![1])).contains("2 along the first axis"));
    assert!(message(confusion_matrix(&array![1, 2], &array![1])).contains("2 along"));
    assert!(message(confusion_matrix(&array![0, usize::MAX], &array![0, 1])).contains("counted from 0"));
    assert!(message(mse(&Array1::zeros(0), &Array1::zeros(0))).contains("at least one"));
    assert!(message(mae(&array![1.0, 2.0], &array![1.0])).contains("that of the truth"));
    assert!(message(rmse(&array![1.0, 2.0], &array![1.0, f64::NAN])).contains("predicted"));
    assert!(message(rmse(&array![f64::INFINITY], &array![1.0])).contains("truth"));
}
