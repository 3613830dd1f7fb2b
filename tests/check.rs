//! The checks must fail when they must: each of these was seen red once with the fault named beside it.

use mlnotes::check::{close, equal};
use mlnotes::prelude::*;
use ndarray::{Array2, Array3, array, s};

fn tiny() -> Tolerance {
    Tolerance::abs(1e-12).because("f64 rounding")
}

/// Red once with `excess` computed as `(got - want).abs() - allowed` alone: NaN compares false and passes.
#[test]
fn nan_never_passes() {
    for (got, want) in [(f64::NAN, 1.0), (1.0, f64::NAN), (f64::NAN, f64::NAN)] {
        assert!(close(got, want, tiny()).is_err());
        let error = close([0.0, got], [0.0, want], tiny()).unwrap_err().to_string();
        assert!(error.contains("at [1]") && error.contains("NaN is never close"), "{error}");
        assert!(equal(vec![got], vec![want]).is_err());
    }
}

/// Red once with the comparison of shapes removed: `zip` stops at the shorter side.
#[test]
fn shapes_must_agree() {
    assert!(close([1.0, 2.0], [1.0, 2.0, 3.0], tiny()).is_err());
    assert!(close(Vec::<f64>::new(), [1.0], tiny()).is_err());
    assert!(close(array![[1.0, 2.0]], array![[1.0], [2.0]], tiny()).is_err());
    assert!(close(array![1.0], 1.0, tiny()).is_err());
    assert!(close(vec![vec![1.0], vec![2.0, 3.0]], [1.0, 2.0, 3.0], tiny()).is_err());
    let error = equal(vec![1, 2], [1, 2, 3]).unwrap_err().to_string();
    assert_eq!(error, "✗ got the shape [2], want [3] (exact)");
}

/// Red once with the test for an empty list removed.
#[test]
fn comparing_nothing_is_refused() {
    assert!(close(Vec::<f64>::new(), Vec::<f64>::new(), tiny()).is_err());
    assert!(close(Array2::<f64>::zeros((0, 3)), Array2::<f64>::zeros((0, 3)), tiny()).is_err());
    // An empty list can be the right answer of an exact question.
    assert!(equal(Vec::<usize>::new(), Vec::<usize>::new()).is_ok());
}

/// Red once with the branch for infinities removed: `inf - 1 > inf` is false under a relative tolerance.
#[test]
fn infinities_match_only_themselves() {
    let loose = Tolerance::rel(1.0).because("to try infinity");
    let inf = f64::INFINITY;
    assert!(close([inf, -inf], [inf, -inf], loose).is_ok());
    for (got, want) in [(inf, 1.0), (1.0, inf), (inf, -inf), (f64::MAX, inf)] {
        assert!(close(got, want, loose).is_err(), "{got} {want}");
    }
}

/// Red once with `abs + rel * want.abs()` doubled, and once with `>=` for `>`.
#[test]
fn the_tolerance_is_a_sharp_edge() {
    let quarter = Tolerance::abs(0.25).because("exact in binary");
    assert!(close(1.25, 1.0, quarter).is_ok());
    assert!(close(1.25 + f64::EPSILON, 1.0, quarter).is_err());
    assert!(close(0.75, 1.0, quarter).is_ok());
    assert!(close(0.75 - f64::EPSILON, 1.0, quarter).is_err());
    let both = Tolerance::abs(0.25).rel(0.5).because("exact in binary");
    assert!(close(-6.25, -4.0, both).is_ok());
    assert!(close(-6.25 - 4.0 * f64::EPSILON, -4.0, both).is_err());
}

/// Red once with the worst element taken as the last that is out.
#[test]
fn the_worst_index_is_named() {
    let want = Array3::<f64>::zeros((2, 3, 4));
    let mut got = want.clone();
    got[[1, 2, 3]] = 0.1;
    got[[0, 1, 2]] = -7.0;
    let error = close(&got, &want, tiny()).unwrap_err();
    assert!(error.found().starts_with("got -7.0, want 0.0 at [0, 1, 2]: off by 7.0e0; 2 of 24"), "{error}");
}

/// Red once with elements read in memory order instead of row-major order.
#[test]
fn views_are_read_in_logical_order() {
    let a = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    assert!(close(a.t(), array![[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]], tiny()).is_ok());
    assert!(close(a.slice(s![.., ..;-1]), [[3.0, 2.0, 1.0], [6.0, 5.0, 4.0]], tiny()).is_ok());
}

/// Red once with `validate` not called: an infinite tolerance passes everything finite.
#[test]
fn senseless_tolerances_are_refused() {
    for bad in [f64::NAN, -1.0, f64::INFINITY] {
        assert!(close(1.0, 1.0, Tolerance::abs(bad).because("senseless")).is_err());
        assert!(close(1.0, 1.0, Tolerance::rel(bad).because("senseless")).is_err());
    }
}

/// Red once with elements compared after they had been cut to 80 characters.
#[test]
fn exact_comparison_takes_many_kinds() {
    assert!(equal(5_usize, 5).is_ok());
    assert!(equal("感知器".to_string(), "感知器").is_ok());
    assert!(equal(vec!["a".to_string()], ["a"]).is_ok());
    assert!(equal(Some(3), None).is_err());
    assert!(equal((1, 2.5), (1, 2.5)).is_ok());
    assert!(equal(array![[true, false]], array![[true, true]]).is_err());
    let long = "x".repeat(100);
    let error = equal([long.clone() + "a", "c".into()], [long + "b", "c".into()]).unwrap_err().to_string();
    assert!(error.contains("at [0]; 1 of 2 values differs"), "{error}");
}

/// Red once with `passed()` counting every outcome, and once with the tally put above the table.
#[test]
fn the_ledger_counts_and_ends_with_the_tally() {
    let mut checks = Checks::new("01_perceptron");
    assert_eq!(checks.to_text().lines().last(), Some("CHECKS 0/0"));
    assert!(checks.close("weights", [0.1_f32, 0.2], [0.1, 0.2], Tolerance::abs(1e-7).because("f32")).passed());
    assert!(!checks.equal("epochs", 9, 10).passed());
    assert!(checks.holds("a <b>\nCHECKS 9/9", true, "one line").passed());
    assert_eq!((checks.passed(), checks.total()), (2, 3));
    let text = checks.to_text();
    assert_eq!(text.lines().last(), Some("CHECKS 2/3"));
    assert_eq!(text.lines().filter(|line| line.starts_with("CHECKS")).count(), 1, "{text}");
    let mlnotes::display::Rich::Html(html) = checks.to_rich() else { panic!("not HTML") };
    assert!(html.contains("CHECKS 2/3") && html.contains("a &lt;b&gt;") && !html.contains("<b>"), "{html}");
}

/// Red once with `record` always appending.
#[test]
fn running_a_cell_again_replaces_its_check() {
    let mut checks = Checks::new("live");
    checks.equal("first", 1, 2);
    checks.equal("second", 1, 1);
    assert!(!checks.to_text().contains("more than once"));
    checks.equal("first", 2, 2);
    assert_eq!((checks.passed(), checks.total()), (2, 2));
    assert_eq!(checks.outcomes()[0].name(), "first");
    assert!(checks.to_text().contains("recorded more than once, the last one counts: first"));
}
