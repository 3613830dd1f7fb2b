//! NumPy's generator, word for word.

use mlnotes::prelude::*;

use crate::{assert_close, message};

const CASES: [(&str, u32); 3] = [("seed_0", 0), ("seed_42", 42), ("seed_4294967295", u32::MAX)];

/// Planted: `>> 5` and `>> 6` exchanged in `uniform`.
#[test]
fn uniform_numbers_are_numpys_to_the_last_bit() {
    for (case, seed) in CASES {
        let numpy = Reference::load("random", case).unwrap();
        let want: Array1<f64> = numpy.array("uniform").unwrap();
        assert_eq!(RandomState::new(seed).uniform_array(1000), want);
        let want: Array3<f64> = numpy.array("uniform_array").unwrap();
        assert_eq!(RandomState::new(seed).uniform_array((3, 4, 5)), want);
    }
}

/// Planted: the pair returned in the other order; the second value forgotten (`mixed` fails).
#[test]
fn normal_numbers_are_numpys() {
    for (case, seed) in CASES {
        let numpy = Reference::load("random", case).unwrap();
        // Values up to 5, and a logarithm that may differ by one unit in the last place.
        assert_close(&RandomState::new(seed).normal_array(1001), &numpy.array("normal").unwrap(), 4e-15);
        let mut random = RandomState::new(seed);
        let mixed: Array1<f64> = (0..40).map(|k| if k % 2 == 0 { random.uniform() } else { random.normal() }).collect();
        assert_close(&mixed, &numpy.array("mixed").unwrap(), 4e-15);
    }
}

/// Planted: the mask one bit too narrow; a 64-bit bound with its words exchanged.
#[test]
fn bounded_integers_are_numpys() {
    for (case, seed) in CASES {
        let numpy = Reference::load("random", case).unwrap();
        let bounds: Array1<usize> = numpy.labels("bounds").unwrap();
        let want: Array2<usize> = numpy.labels("below").unwrap();
        let mut random = RandomState::new(seed);
        for row in want.rows() {
            let got: Array1<usize> = bounds.iter().map(|&bound| random.below(bound).unwrap()).collect();
            assert_eq!(got, row);
        }
    }
    assert!(message(RandomState::new(0).below(0)).contains("at least 1"));
}

/// Planted: Fisher and Yates from the first item up.
#[test]
fn permutations_are_numpys() {
    for (case, seed) in CASES {
        let numpy = Reference::load("random", case).unwrap();
        let want: Array1<usize> = numpy.labels("permutation").unwrap();
        assert_eq!(RandomState::new(seed).permutation(1000), want.to_vec());
    }
    assert!(RandomState::new(0).permutation(0).is_empty());
    assert_eq!(RandomState::new(0).permutation(1), [0]);
}

/// The other oracle: what the distributions must be, within six standard errors.
#[test]
fn moments_and_frequencies_are_right() {
    let n = 100_000;
    let mut random = RandomState::new(1);
    let uniform = random.uniform_array(n);
    let normal = random.normal_array(n);
    let error = |spread: f64| 6.0 * spread / (n as f64).sqrt();
    assert!((uniform.mean().unwrap() - 0.5).abs() < error((1.0f64 / 12.0).sqrt()));
    assert!(uniform.iter().all(|&value| (0.0..1.0).contains(&value)));
    assert!(normal.mean().unwrap().abs() < error(1.0));
    assert!((normal.var(0.0) - 1.0).abs() < error(2f64.sqrt()));
    let mut orders = std::collections::BTreeMap::new();
    for _ in 0..n {
        *orders.entry(random.permutation(3)).or_insert(0usize) += 1;
    }
    assert_eq!(orders.len(), 6);
    for count in orders.values() {
        assert!((*count as f64 / n as f64 - 1.0 / 6.0).abs() < error((5.0f64 / 36.0).sqrt()));
    }
}
