//! Separable or not: linear programs, proofs checked by hand, and all labellings of a square.

use mlnotes::prelude::*;

use crate::{assert_close, message};

/// Checks what the answer claims, from the data alone: the second oracle.
fn verify(x: &Array2<f64>, y: &Array1<f64>, answer: &Separability) {
    match answer {
        Separability::Separable { weights, bias, margin } => {
            let distances = (x.dot(weights) + *bias) * y / weights.dot(weights).sqrt();
            let nearest = distances.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(nearest > 0.0);
            assert!((nearest / margin - 1.0).abs() < 1e-6, "{nearest} is not {margin}");
        }
        Separability::Meeting { combination, point, gap } => {
            assert!(combination.iter().all(|&weight| weight >= 0.0));
            let scale = x
                .map_axis(Axis(0), |column| column.iter().fold(f64::MIN_POSITIVE, |size, value| size.max(value.abs())));
            for sign in [1.0, -1.0] {
                let part = combination * &y.mapv(|label| if label == sign { 1.0 } else { 0.0 });
                assert!((part.sum() - 1.0).abs() < 1e-12);
                assert_close(&(part.dot(x) / &scale), &(point / &scale), 1e-8);
            }
            assert!(*gap < 1e-8);
        }
    }
}

/// Planted: the constant left out of z; weights not divided by the scale.
#[test]
fn the_answers_are_those_of_linear_programs() {
    let reference = Reference::load("perceptron", "separable").unwrap();
    let verdicts: Array1<usize> = reference.labels("separable").unwrap();
    assert!(verdicts.iter().any(|&verdict| verdict == 0) && verdicts.iter().any(|&verdict| verdict == 1));
    for (index, &verdict) in verdicts.iter().enumerate() {
        let x: Array2<f64> = reference.array(&format!("x_{index}")).unwrap();
        let y: Array1<f64> = reference.array(&format!("y_{index}")).unwrap();
        let answer = separability(&x, &y).unwrap();
        assert_eq!(answer.is_separable(), verdict == 1, "set {index}: {answer:?}");
        verify(&x, &y, &answer);
    }
}

/// E-76 and NB-03: setosa can be cut off, the other two cannot; XOR cannot be cut at all.
#[test]
fn iris_and_xor() {
    let iris = iris();
    let separable = |class: usize| {
        let y = iris.targets.mapv(|target| if target == class { 1.0 } else { -1.0 });
        separability(&iris.features, &y).unwrap().is_separable()
    };
    assert_eq!([separable(0), separable(1), separable(2)], [true, false, false]);

    let square = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let xor = array![-1.0, 1.0, 1.0, -1.0];
    let Separability::Meeting { combination, point, .. } = separability(&square, &xor).unwrap() else { panic!() };
    assert_close(&point, &array![0.5, 0.5], 1e-9);
    assert_close(&combination, &array![0.5, 0.5, 0.5, 0.5], 1e-9);
}

/// Touching counts as not separable (no strict line), however the data are moved and scaled.
#[test]
fn hard_cases() {
    let decide = |x: Array2<f64>, y: Array1<f64>| {
        let answer = separability(&x, &y).unwrap();
        verify(&x, &y, &answer);
        answer.is_separable()
    };
    assert!(!decide(array![[1.0], [1.0]], array![1.0, -1.0])); // the same point twice
    assert!(!decide(array![[0.0], [1.0], [1.0], [2.0]], array![-1.0, -1.0, 1.0, 1.0])); // touching at 1
    assert!(!decide(array![[-1.0], [0.0], [1.0]], array![1.0, -1.0, 1.0])); // one inside the other
    assert!(decide(array![[0.0], [1.0], [1.001], [2.0]], array![-1.0, -1.0, 1.0, 1.0]));
    assert!(decide(array![[1e6], [1e6 + 1.0]], array![1.0, -1.0]));
    assert!(decide(array![[1e-30, 5.0], [2e-30, 5.0]], array![1.0, -1.0])); // a constant column, a tiny one
    assert!(!decide(array![[1e200, -1e200], [-1e200, 1e200], [0.0, 0.0]], array![1.0, 1.0, -1.0]));
    // More features than samples: always separable, by distinct directions.
    let x = RandomState::new(3).normal_array((20, 50));
    assert!(decide(x, Array1::from_iter((0..20).map(|row| if row % 2 == 0 { 1.0 } else { -1.0 }))));
    // Many samples, few features: a circle inside a ring.
    let mut random = RandomState::new(4);
    let y = Array1::from_iter((0..600).map(|row| if row % 2 == 0 { 1.0 } else { -1.0 }));
    let ring = Array2::from_shape_fn((600, 2), |(row, _)| random.normal() * if row % 2 == 0 { 1.0 } else { 10.0 });
    assert!(!decide(ring, y));
}

/// In a box that is [−1, 1] already, the boundary is the hull's nearest point p itself, and p·z ≥ p·p for every z.
/// Planted: λ not divided by its sum.
#[test]
fn the_boundary_is_the_nearest_point() {
    let mut random = RandomState::new(9);
    for _ in 0..20 {
        let mut x = random.uniform_array((12, 3)) * 2.0 - 1.0;
        x.row_mut(0).fill(-1.0);
        x.row_mut(1).fill(1.0);
        let y = x.dot(&array![1.0, -0.5, 0.3]).mapv(|value| if value >= 0.1 { 1.0 } else { -1.0 });
        let Separability::Separable { weights, bias, .. } = separability(&x, &y).unwrap() else { panic!() };
        let nearest = ((x.dot(&weights) + bias) * &y).iter().copied().fold(f64::INFINITY, f64::min);
        let square = weights.dot(&weights) + bias * bias;
        assert!((nearest / square - 1.0).abs() < 1e-8, "{nearest} is not {square}");
    }
}

/// Points on a coarse lattice: doubles, lines and planes full of points, hulls that just touch. Every answer proves itself.
#[test]
fn degenerate_sets_are_decided() {
    let mut random = RandomState::new(10);
    let mut separable = 0;
    for _ in 0..3000 {
        let (samples, features) = (2 + random.below(30).unwrap(), 1 + random.below(6).unwrap());
        let (steps, shift) = (2 + random.below(3).unwrap(), random.below(2).unwrap() as f64 * 1000.0);
        let x = Array2::from_shape_fn((samples, features), |_| random.below(steps).unwrap() as f64 * 0.1 + shift);
        let mut y = random.uniform_array(samples).mapv(|value| if value < 0.3 { 1.0 } else { -1.0 });
        (y[0], y[1]) = (1.0, -1.0);
        let answer = separability(&x, &y).unwrap();
        verify(&x, &y, &answer);
        separable += usize::from(answer.is_separable());
    }
    assert!((300..2700).contains(&separable), "{separable}");
}

#[test]
fn impossible_data_are_refused() {
    let x = array![[0.0], [1.0]];
    assert!(message(separability(&x, &array![1.0, 1.0])).contains("one class only"));
    assert!(message(separability(&x, &array![0.0, 1.0])).contains("-1 or +1"));
    assert!(message(separability(&x, &array![1.0])).contains("2 along"));
    assert!(message(separability(&array![[f64::NAN], [1.0]], &array![-1.0, 1.0])).contains("NaN"));
    assert!(message(separability(&Array2::zeros((0, 1)), &array![])).contains("at least one row"));
}
