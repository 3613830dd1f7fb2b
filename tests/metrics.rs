//! Accuracy and confusion, which agree with each other.

use mlnotes::prelude::*;

use crate::message;

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

#[test]
fn impossible_comparisons_are_refused() {
    let none: Array1<usize> = array![];
    assert!(message(accuracy(&none, &none)).contains("at least one"));
    assert!(message(accuracy(&array![1, 2], &array![1])).contains("2 along the first axis"));
    assert!(message(confusion_matrix(&array![1, 2], &array![1])).contains("2 along"));
    assert!(message(confusion_matrix(&array![0, usize::MAX], &array![0, 1])).contains("counted from 0"));
}
