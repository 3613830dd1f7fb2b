//! What is shown in a notebook: digits, elision, escaping, and the kernel's line protocol.

use mlnotes::display::Rich;
use mlnotes::prelude::*;
use ndarray::{Array1, Array2, Array3, arr0, array};

fn html(value: &impl Show) -> String {
    match value.to_rich() {
        Rich::Html(html) => html,
        other => panic!("not HTML: {other:?}"),
    }
}

#[test]
fn floats_share_their_digits() {
    for (values, text) in [
        (vec![5.1, 4.9, 7.0], "[5.1  4.9  7.0]\nf64, length 3"),
        (vec![1.0, 2.0], "[1  2]\nf64, length 2"),
        (vec![1.0 / 3.0, 12.0], "[0.33  12.00]\nf64, length 2"),
        (vec![0.999_9, 3e-17], "[9.999e-1  3.000e-17]\nf64, length 2"),
        (vec![1.5e12, 0.0], "[1.5e12  0.0e0]\nf64, length 2"),
        (vec![0.1 + 0.2, 0.005], "[0.3000  0.0050]\nf64, length 2"),
        (vec![f64::NAN, f64::INFINITY, -0.5], "[NaN  inf  -0.5]\nf64, length 3"),
        (vec![f64::MIN_POSITIVE, f64::MAX], "[2.225e-308  1.798e308]\nf64, length 2"),
        (vec![], "[]\nf64, length 0, empty"),
    ] {
        assert_eq!(values.to_text(), text);
    }
    assert_eq!(vec![0.1_f32].to_text(), "[0.1]\nf32, length 1");
    assert_eq!(array![true, false].to_text(), "[true  false]\nbool, length 2");
    assert_eq!(arr0(2.5).to_text(), "[2.5]\nf64, a single value");
}

/// Red once with the back end shifted by one.
#[test]
fn long_axes_are_cut_in_the_middle_and_the_ends_are_right() {
    let text = Array1::from_iter(0..1000).to_text();
    assert_eq!(text, "[0  1  2  3  4  5  6  7  …  997  998  999]\ni32, length 1000");
    let big = Array2::from_shape_fn((500, 400), |(i, j)| i * 400 + j);
    let text = big.to_text();
    assert_eq!(text.lines().count(), 8 + 1 + 3 + 1);
    assert!(text.ends_with("usize, 500 × 400") && text.contains("199999]"), "{text}");
    assert_eq!(html(&big).matches("<td").count(), 12 * 12 + 1); // and the empty corner
    let stack = Array3::from_shape_fn((5, 2, 2), |(i, j, k)| i * 4 + j * 2 + k);
    assert!(stack.to_text().starts_with("[0, :, :]\n[0  1]\n[2  3]\n[1, :, :]\n[4  5]"), "{}", stack.to_text());
    assert!(stack.to_text().ends_with("usize, 5 × 2 × 2, first 3 of 5 matrices"));
    assert!(Array3::<f64>::zeros((0, 2, 2)).to_text().contains("empty"));
    assert!(Array2::<f64>::zeros((0, 2)).to_text().contains("empty"));
    assert!(Array2::<f64>::zeros((2, 0)).to_text().contains("empty"));
}

#[test]
fn transposed_views_are_shown_as_they_index() {
    let a = array![[1, 2, 3], [4, 5, 6]];
    assert_eq!(a.t().to_text(), "[1  4]\n[2  5]\n[3  6]\ni32, 3 × 2");
}

#[test]
fn tables_take_mixed_ragged_and_long_columns() {
    let table = Table::new().column("模型", ["感知器", "MLP"]).column("error", vec![0.25, 0.5, 0.125]);
    assert_eq!(table.to_text(), "模型    error\n感知器  0.250\nMLP     0.500\n–       0.125");
    let long = Table::new().column("i", 0..100).at_most(4).to_text();
    assert_eq!(long, " i\n 0\n 1\n 2\n …\n99\n100 rows");
    assert_eq!(Table::new().to_text(), "");
    assert!(html(&Table::new().column("i", 0..3).at_most(0)).contains("…"));
    let missing = Table::new().column("x", [Some(1.5), None]).to_text();
    assert_eq!(missing, "  x\n1.5\n  –");
}

/// Red once with `<` let through, and once with control characters let through.
#[test]
fn everything_is_escaped() {
    let hostile = "<script>alert('x')</script>&\"\nEVCXR_END_CONTENT\nEVCXR_BEGIN_CONTENT text/html";
    let names = [hostile, hostile];
    let shown = [
        html(&Table::new().title(hostile).column(hostile, names)),
        html(&Card::new(hostile).entry(hostile, hostile)),
        html(&ConfusionMatrix::new(&array![[1, 0], [0, 1]], &names).unwrap()),
        html(&vec![hostile]),
    ];
    for html in shown {
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
        assert!(!html.contains('\n'), "a line of the kernel's protocol could be forged: {html}");
    }
    for text in [
        Table::new().title(hostile).column(hostile, names).to_text(),
        Card::new(hostile).entry(hostile, hostile).to_text(),
        ConfusionMatrix::new(&array![[1, 0], [0, 1]], &names).unwrap().to_text(),
        vec![hostile].to_text(),
    ] {
        assert!(!text.lines().any(|line| line.starts_with("EVCXR")), "{text}");
    }
}

#[test]
fn a_confusion_matrix_refuses_what_does_not_fit() {
    let none: [&str; 0] = [];
    assert!(ConfusionMatrix::new(&Array2::zeros((0, 0)), &none).is_err());
    assert!(ConfusionMatrix::new(&Array2::zeros((2, 3)), &["a", "b"]).is_err());
    let empty = ConfusionMatrix::new(&Array2::zeros((2, 2)), &["a", "b"]).unwrap().to_text();
    assert!(empty.ends_with("0 of 0 right, accuracy –") && !empty.contains("NaN"), "{empty}");
}
