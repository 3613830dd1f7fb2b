//! Scans: every form against the recurrence, their costs against the formulas, and the notes' two slips with carries.

use mlnotes::prelude::*;
use mlnotes::ssm::scan::{
    Affine, Cost, Diagonal, DiagonalAffine, Extent, Max, Operator, Recurrence, Scan, Sum, blelloch, blocked,
    hillis_steele, recurrence, sequential,
};

use crate::message;

const LENGTHS: [usize; 14] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 33, 100, 1000];

fn forms<O: Operator>(operator: &O, items: &[O::Item], extent: Extent) -> Vec<Scan<O::Item>> {
    let mut scans = vec![
        sequential(operator, items, extent),
        hillis_steele(operator, items, extent),
        blelloch(operator, items, extent),
    ];
    for (block, threads) in [(1, 1), (4, 2), (7, 3), (10_000, 2)] {
        scans.push(blocked(operator, items, extent, block, threads).unwrap());
    }
    scans
}

/// Σ x_j written out, of whole numbers: exact in any grouping.
///
/// Planted: doubling from 2; a left-over node joined with itself on the way up; the first block joined with the last one's
/// aggregate.
#[test]
fn every_form_gives_prefix_sums() {
    for n in LENGTHS {
        let items: Vec<f64> = (0..n).map(|i| ((i * 37) % 101) as f64).collect();
        let inclusive: Vec<f64> = (0..n).map(|i| items[..=i].iter().sum()).collect();
        let exclusive: Vec<f64> = (0..n).map(|i| items[..i].iter().sum()).collect();
        for (extent, want) in [(Extent::Inclusive, inclusive), (Extent::Exclusive, exclusive)] {
            for (form, scan) in forms(&Sum, &items, extent).into_iter().enumerate() {
                assert_eq!(scan.values, want, "{n} {extent:?} {form}");
            }
        }
        let largest: Vec<f64> = (0..n).map(|i| items[..=i].iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect();
        for scan in forms(&Max, &items, Extent::Inclusive) {
            assert_eq!(scan.values, largest);
        }
    }
}

/// Planted: (a₁ a₂, a₁ b₂ + b₁), the order of maps turned round.
#[test]
fn scans_are_recurrences() {
    for n in LENGTHS {
        let mut random = RandomState::new(n as u32 + 1);
        let steps: Vec<Affine> = (0..n).map(|_| Affine { a: random.uniform(), b: random.normal() }).collect();
        let mut h = 0.0;
        let states: Vec<f64> = steps
            .iter()
            .map(|step| {
                h = step.a * h + step.b;
                h
            })
            .collect();
        for scan in forms(&Recurrence, &steps, Extent::Inclusive) {
            for (step, want) in scan.values.iter().zip(&states) {
                assert!((step.b - want).abs() < 4e-15, "{} for {want}", step.b);
            }
        }
        let (a, b): (Vec<f64>, Vec<f64>) = steps.iter().map(|step| (step.a, step.b)).unzip();
        for threads in [1, 2, 5] {
            let got = recurrence(&a, &b, 0.0, threads).unwrap();
            assert!(got.iter().zip(&states).all(|(got, want)| (got - want).abs() < 4e-15));
        }
    }
    assert!(message(recurrence(&[1.0], &[], 0.0, 1)).contains("`b`"));
    assert!(message(recurrence(&[1.0], &[1.0], 0.0, 0)).contains("`threads`"));
    assert!(recurrence(&[f64::NAN, 1.0], &[1.0, 1.0], 0.0, 2).unwrap()[1].is_nan());
}

/// (x ∘ y) ∘ z = x ∘ (y ∘ z), and what the identity does.
#[test]
fn joining_is_associative() {
    let mut random = RandomState::new(5);
    for _ in 0..100 {
        let mut step = || Affine { a: random.normal(), b: random.normal() };
        let [x, y, z] = [step(), step(), step()];
        let left = Recurrence.join(&Recurrence.join(&x, &y), &z);
        let right = Recurrence.join(&x, &Recurrence.join(&y, &z));
        assert!((left.a - right.a).abs() < 1e-14 && (left.b - right.b).abs() < 1e-14);
        assert_eq!(Recurrence.join(&Recurrence.identity(), &x), x);
        assert_eq!(Recurrence.join(&x, &Recurrence.identity()), x);
    }
}

#[test]
fn states_side_by_side_are_their_scalars() {
    let mut random = RandomState::new(5);
    let steps: Vec<DiagonalAffine> =
        (0..37).map(|_| DiagonalAffine { a: random.uniform_array(3), b: random.normal_array(3) }).collect();
    for scan in forms(&Diagonal(3), &steps, Extent::Inclusive) {
        for n in 0..3 {
            let scalars: Vec<Affine> = steps.iter().map(|step| Affine { a: step.a[n], b: step.b[n] }).collect();
            let want = sequential(&Recurrence, &scalars, Extent::Inclusive).values;
            assert!(scan.values.iter().zip(&want).all(|(got, want)| (got.b[n] - want.b).abs() < 1e-14));
        }
    }
    let short = DiagonalAffine { a: array![2.0], b: array![1.0] };
    assert_eq!(Diagonal(2).join(&short, &Diagonal(2).identity()).a, array![2.0, 1.0]);
}

/// Counted while running, against the textbooks' formulas.
///
/// Planted: a join that is not counted in the down-sweep; a chain's length as the sum of both.
#[test]
fn costs_are_what_the_formulas_say() {
    for n in LENGTHS.into_iter().filter(|&n| n > 0) {
        let items = vec![1.0; n];
        let log = n.next_power_of_two().trailing_zeros() as usize;
        let cost = |scan: Scan<f64>| scan.cost;
        assert_eq!(cost(sequential(&Sum, &items, Extent::Inclusive)), Cost { work: n - 1, depth: n - 1 });
        let doubling = Cost { work: n * log + 1 - (1 << log), depth: log };
        assert_eq!(cost(hillis_steele(&Sum, &items, Extent::Inclusive)), doubling);
        for extent in [Extent::Inclusive, Extent::Exclusive] {
            let tree = cost(blelloch(&Sum, &items, extent));
            assert_eq!(tree.work, 2 * (n - 1));
            assert!(tree.depth <= (2 * log).saturating_sub(1) && tree.depth >= log.min(n - 1), "{n}: {tree:?}");
            if n.is_power_of_two() {
                assert_eq!(tree.depth, (2 * log).saturating_sub(1));
            }
        }
        for block in [1, 4, 10] {
            let blocks = n.div_ceil(block);
            let got = cost(blocked(&Sum, &items, Extent::Inclusive, block, 2).unwrap());
            let want = (n - blocks) + blocks.saturating_sub(2) + n.saturating_sub(block.min(n));
            assert_eq!(got.work, want, "{n} in blocks of {block}");
            assert!(got.depth < block.min(n) + blocks);
        }
    }
}

/// The picture's arrays.
#[test]
fn levels_by_hand() {
    let items: Vec<f64> = (1..=5).map(f64::from).collect();
    let doubling = hillis_steele(&Sum, &items, Extent::Inclusive).levels;
    assert_eq!(doubling, [[1.0, 3.0, 5.0, 7.0, 9.0], [1.0, 3.0, 6.0, 10.0, 14.0], [1.0, 3.0, 6.0, 10.0, 15.0]]);
    let tree = blelloch(&Sum, &items, Extent::Exclusive).levels;
    let up = [vec![3.0, 7.0, 5.0], vec![10.0, 5.0], vec![15.0]];
    let down = [vec![0.0], vec![0.0, 10.0], vec![0.0, 3.0, 10.0], vec![0.0, 1.0, 3.0, 6.0, 10.0]];
    assert_eq!(tree, [&up[..], &down[..]].concat());
}

/// F0 L553-563: a block's offset is said to be its own prefix, and to be added twice.
#[test]
fn offsets_are_exclusive_and_added_once() {
    let items: Vec<f64> = (1..=8).map(f64::from).collect();
    let scans: Vec<Vec<f64>> = items.chunks(4).map(|block| sequential(&Sum, block, Extent::Inclusive).values).collect();
    let aggregates: Vec<f64> = scans.iter().map(|scan| scan[3]).collect();
    let with = |offsets: &[f64]| -> Vec<f64> {
        scans.iter().zip(offsets).flat_map(|(scan, offset)| scan.iter().map(move |x| x + offset)).collect()
    };
    let exclusive = sequential(&Sum, &aggregates, Extent::Exclusive).values;
    let inclusive = sequential(&Sum, &aggregates, Extent::Inclusive).values;
    assert_eq!(with(&exclusive), [1.0, 3.0, 6.0, 10.0, 15.0, 21.0, 28.0, 36.0]);
    assert_eq!(with(&exclusive), blocked(&Sum, &items, Extent::Inclusive, 4, 2).unwrap().values);
    assert_eq!(with(&inclusive), [11.0, 13.0, 16.0, 20.0, 41.0, 47.0, 54.0, 62.0]);
    let twice: Vec<f64> = exclusive.iter().map(|offset| 2.0 * offset).collect();
    assert_eq!(with(&twice)[4..], [25.0, 31.0, 38.0, 46.0]);
}

/// For a recurrence a carried state that is added, as an offset is, is wrong: it decays inside the block.
#[test]
fn a_carried_state_is_multiplied() {
    let steps = [Affine { a: 0.5, b: 1.0 }; 8];
    let block = sequential(&Recurrence, &steps[..4], Extent::Inclusive).values;
    let carry = block[3].b;
    let right = blocked(&Recurrence, &steps, Extent::Inclusive, 4, 2).unwrap().values;
    for (t, step) in block.iter().enumerate() {
        let added = step.b + carry;
        let multiplied = step.a * carry + step.b;
        assert_eq!(right[4 + t].b, multiplied);
        // h_∞ = 2: the sum has gone beyond it.
        assert!(added - multiplied == carry * (1.0 - step.a) && added > 2.0);
    }
}

#[test]
fn blocks_and_threads_of_nothing_are_refused() {
    assert!(message(blocked(&Sum, &[1.0], Extent::Inclusive, 0, 1)).contains("`block`"));
    assert!(message(blocked(&Sum, &[1.0], Extent::Inclusive, 1, 0)).contains("`threads`"));
}
