//! Samples, folds, gaps and spikes against the notes' own functions, scikit-learn and pandas, and against what must hold.

use mlnotes::data::series::{Fill, Fold, Hampel, RollingOrigin, Samples, fill};
use mlnotes::prelude::*;

use crate::{assert_close, message};

fn reference(case: &str) -> Reference {
    Reference::load("series", case).unwrap()
}

fn line(rows: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, 1), |(row, _)| row as f64)
}

/// N-30. Planted: the last pair left out.
#[test]
fn samples_of_single_steps_are_the_notes_slip_windows() {
    let notes = reference("notes");
    for (rows, lookback, x, y) in [(100, 50, "slip_x", "slip_y"), (10, 3, "few_x", "few_y")] {
        let samples = Samples::new(line(rows), lookback).unwrap();
        let (x, y): (Array2<f64>, Array1<f64>) = (notes.array(x).unwrap(), notes.array(y).unwrap());
        assert_eq!(samples.len(), rows - lookback);
        let all = samples.batch(&Vec::from_iter(0..samples.len())).unwrap();
        assert_eq!((all.0.remove_axis(Axis(2)), all.1), (x, y));
        assert_eq!(samples.get(samples.len() - 1).unwrap().1, rows as f64 - 1.0);
    }
}

/// N-31 to N-33: what the notes' generator yields is among ours, but not all of ours. Planted: a delay one shorter.
#[test]
fn samples_hold_what_the_notes_generator_yields_and_what_it_leaves_out() {
    let notes = reference("notes");
    let (x, y): (ndarray::Array4<f64>, Array2<f64>) =
        (notes.array("samples").unwrap(), notes.array("targets").unwrap());
    // It stops where row + delay is 105: `max_index` bounds the row.
    let samples = Samples::new(line(150), 24).unwrap().step(6).unwrap().delay(6).unwrap();
    assert_eq!(samples.len(), 120);
    assert_eq!(samples.get(0).unwrap(), (array![[0.0], [6.0], [12.0], [18.0]].view(), 30.0));
    for (x, y) in x.outer_iter().zip(y.outer_iter()) {
        let numbers: Vec<usize> = y.iter().map(|target| *target as usize - 30).collect();
        let (ours, targets) = samples.batch(&numbers).unwrap();
        assert_eq!((ours.view(), targets.view()), (x, y));
    }
    let visited: std::collections::BTreeSet<usize> = y.iter().map(|target| *target as usize - 6).collect();
    assert_eq!(visited, (24..88).collect()); // rows 88 to 99 never come
    assert_eq!(y.row(0), y.row(4)); // after four batches it begins anew
    let (whole, targets): (Array3<f64>, Array1<f64>) =
        (notes.array("whole_samples").unwrap(), notes.array("whole_targets").unwrap());
    assert_eq!(whole.dim(), (76, 4, 1));
    assert_eq!(samples.batch(&Vec::from_iter(0..76)).unwrap(), (whole, targets));
    // A look-back that is no multiple of the step fails there; here its last part counts.
    let uneven = Samples::new(line(150), 20).unwrap().step(6).unwrap();
    assert_eq!(uneven.get(3).unwrap().0, array![[3.0], [9.0], [15.0], [21.0]]);
}

/// Planted: the last, smaller batch dropped.
#[test]
fn an_epoch_of_batches_has_every_sample_once() {
    let values = Array2::from_shape_fn((61, 3), |(row, column)| (row * 10 + column) as f64);
    let samples = Samples::new(values, 7).unwrap().delay(2).unwrap().target(1).unwrap();
    let order = RandomState::new(1).permutation(samples.len());
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    for batch in samples.batches(&order, 8).unwrap() {
        let (x, y) = batch.unwrap();
        assert_eq!(x.dim(), (y.len(), 7, 3));
        for (x, y) in x.outer_iter().zip(&y) {
            assert_eq!(*y, x[[6, 1]] + 30.0);
            seen.push((y - 91.0) as usize / 10);
        }
        sizes.push(y.len());
    }
    assert_eq!(seen, order);
    assert_eq!(sizes, [8, 8, 8, 8, 8, 8, 4]);
}

/// Planted: a gap left out behind the test, not before it.
#[test]
fn folds_are_scikit_learns_and_never_look_ahead() {
    let folds = reference("folds");
    for case in 0..5 {
        let numbers: Array1<usize> = folds.labels(&format!("case_{case}")).unwrap();
        let [rows, splits, test, gap, most] = numbers.to_vec().try_into().unwrap();
        let rolling = RollingOrigin { folds: splits, test, gap, most: (most > 0).then_some(most) };
        let got = rolling.split(rows).unwrap();
        let want: Array2<usize> = folds.labels(&format!("folds_{case}")).unwrap();
        let bounds = |Fold { train, test }: &Fold| [train.start, train.end, test.start, test.end];
        assert_eq!(got.iter().flat_map(bounds).collect::<Vec<_>>(), want.iter().copied().collect::<Vec<_>>(), "{case}");
        for fold in &got {
            assert!(!fold.train.is_empty() && fold.train.end + gap == fold.test.start && fold.test.len() == test);
        }
        assert!(got.windows(2).all(|pair| pair[0].test.end == pair[1].test.start));
        assert_eq!(got.last().unwrap().test.end, rows);
    }
}

/// Planted: the line between neighbours drawn one row too early.
#[test]
fn gaps_are_filled_as_by_pandas() {
    let case = reference("fill");
    let missing: Array2<usize> = case.labels("missing").unwrap();
    let mut values: Array2<f64> = case.array("values").unwrap();
    values.zip_mut_with(&missing, |value, missing| *value = if *missing == 1 { f64::NAN } else { *value });
    assert_close(&fill(&values, Fill::Linear).unwrap(), &case.array("linear").unwrap(), 1e-14);
    let want: Array2<f64> = case.array("previous").unwrap();
    // The second column begins with a gap.
    for columns in [s![.., 0..1], s![3.., 1..2], s![.., 2..3]] {
        assert_eq!(fill(&values.slice(columns), Fill::Previous).unwrap(), want.slice(columns));
    }
    assert!(message(fill(&values, Fill::Previous)).contains("before row 3 of column 1"));
    let whole = fill(&values, Fill::Linear).unwrap();
    assert_eq!(fill(&whole, Fill::Linear).unwrap(), whole);
    // What is not known yet changes nothing.
    let mut later = values.slice(s![.., ..1]).to_owned();
    later.slice_mut(s![40.., ..]).fill(7.0);
    let (before, after) = (fill(&values.slice(s![.., ..1]), Fill::Previous), fill(&later, Fill::Previous));
    assert_eq!(before.unwrap().slice(s![..40, ..]), after.unwrap().slice(s![..40, ..]));
}

/// Planted: the spread taken about 0 and not about the median; windows not cut off at the end.
#[test]
fn spikes_are_those_of_pandas_medians() {
    let case = reference("hampel");
    let values: Array2<f64> = case.array("values").unwrap();
    for (name, hampel) in [
        ("centred", Hampel::centred(4)),
        ("causal", Hampel::causal(9)),
        ("uneven", Hampel { past: 2, ahead: 5, threshold: 3.0 }),
    ] {
        assert_eq!(hampel.medians(&values).unwrap(), case.array(&format!("{name}_median")).unwrap());
        let got = hampel.flags(&values).unwrap();
        assert_eq!(got.mapv(usize::from), case.labels(&format!("{name}_flags")).unwrap(), "{name}");
        let repaired = hampel.repair(&values).unwrap();
        assert!(repaired.iter().zip(&values).zip(&got).all(|((new, old), flagged)| (new == old) != *flagged));
    }
    let flagged = Hampel::centred(4).flags(&values).unwrap();
    assert!([20, 21, 90].iter().all(|&spike| flagged[[spike, 0]]));
    // Moved and stretched, the same readings stand out.
    assert_eq!(Hampel::centred(4).flags(&(&values * -8.0 + 1024.0)).unwrap(), flagged);
    let none = Hampel { threshold: f64::INFINITY, ..Hampel::centred(4) };
    assert_eq!(none.repair(&values).unwrap(), values);
}

#[test]
fn what_cannot_be_cut_or_cleaned_is_refused() {
    let refused = |result: Result<Samples>, words: &str| {
        let message = message(result);
        assert!(message.contains(words), "{message}");
    };
    refused(Samples::new(line(3), 3), "more than 3");
    refused(Samples::new(line(3), usize::MAX), "look-back");
    refused(Samples::new(line(3), 0), "at least 1");
    refused(Samples::new(Array2::zeros((0, 1)), 1), "at least one row");
    refused(Samples::new(array![[1.0], [f64::NAN]], 1), "[1, 0]");
    let samples = Samples::new(line(9), 3).unwrap();
    refused(samples.clone().delay(6), "more than 9");
    refused(samples.clone().delay(usize::MAX), "a delay of");
    refused(samples.clone().step(0), "at least 1");
    refused(samples.clone().target(1), "below 1");
    assert_eq!(samples.clone().step(usize::MAX).unwrap().get(5).unwrap(), (array![[5.0]].view(), 8.0));
    assert!(message(samples.get(6)).contains("below 6"));
    assert!(message(samples.batch(&[])).contains("at least one"));
    assert!(message(samples.batches(&[0], 0).map(|_| ())).contains("batch_size"));
    assert!(samples.batches(&[9], 1).unwrap().next().unwrap().is_err());
    for (rolling, rows, words) in [
        (RollingOrigin::new(0, 1), 9, "folds"),
        (RollingOrigin::new(1, 0), 9, "test"),
        (RollingOrigin::new(3, 3), 9, "more than 9"),
        (RollingOrigin { gap: usize::MAX, ..RollingOrigin::new(3, 2) }, 9, "rows"),
        (RollingOrigin { most: Some(0), ..RollingOrigin::new(3, 2) }, 9, "most"),
        (RollingOrigin::new(usize::MAX, 2), 9, "rows"),
    ] {
        let message = message(rolling.split(rows));
        assert!(message.contains(words), "{message}");
    }
    let nothing = array![[1.0, f64::NAN], [2.0, f64::NAN]];
    assert!(message(fill(&nothing, Fill::Linear)).contains("column 1"));
    assert!(message(fill(&array![[f64::INFINITY], [f64::NAN]], Fill::Linear)).contains("[0, 0]"));
    assert!(fill(&Array2::zeros((0, 2)), Fill::Previous).is_err());
    assert_eq!(fill(&array![[3.0]], Fill::Previous).unwrap(), array![[3.0]]);
    for threshold in [f64::NAN, -1.0] {
        assert!(message(Hampel { threshold, ..Hampel::causal(2) }.flags(&line(3))).contains("threshold"));
    }
    assert!(Hampel::causal(2).flags(&array![[f64::NAN]]).is_err());
    let wide = Hampel { past: usize::MAX, ahead: usize::MAX, threshold: 3.0 };
    assert_eq!(wide.medians(&array![[1.0], [5.0], [2.0]]).unwrap(), array![[2.0], [2.0], [2.0]]);
    assert_eq!(Hampel::causal(0).flags(&array![[1.0], [9.0]]).unwrap(), array![[false], [false]]);
}
