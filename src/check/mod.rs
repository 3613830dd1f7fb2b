//! Did the computation give what an independent reference says?
//!
//! `|got - want| <= abs + rel |want|` for every element: the test that passes nothing it has not looked at. NaN never
//! passes, not even against NaN; shapes must agree; an infinity agrees only with itself; two empty arrays are refused,
//! because nothing was compared.
//!
//! A notebook owns one ledger, [`Checks`]: every check is recorded there, and the last cell shows it.

mod items;
mod ledger;
mod outcome;
mod tolerance;

pub use items::Items;
pub use ledger::Checks;
pub use outcome::Outcome;
pub use tolerance::{Bound, Tolerance};

use crate::display::one_line;

/// Compares numbers of any shape with a reference.
///
/// The result is the [`Outcome`] either way, so a test can say `close(…).unwrap()` and gets the whole sentence.
///
/// # Errors
/// The outcome, if any element is NaN or differs by more than `tolerance` allows, if the shapes differ, or if there is
/// nothing to compare.
///
/// ```
/// use mlnotes::check::{Tolerance, close};
/// use ndarray::array;
///
/// let rounding = Tolerance::abs(1e-15).because("one rounding each");
/// assert!(close(0.1 + 0.2, 0.3, rounding).is_ok());
///
/// let error = close(array![1.0, 2.0, 3.0], [1.0, 2.5, 3.0], rounding).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "✗ got 2.0, want 2.5 at [1]: off by 5.0e-1; 1 of 3 values is out (within 1e-15: one rounding each)"
/// );
/// ```
pub fn close<G, W>(got: G, want: W, tolerance: Tolerance) -> Result<Outcome, Outcome>
where
    G: Items<Item: Into<f64>>,
    W: Items<Item: Into<f64>>,
{
    close_outcome(String::new(), numbers(&got), numbers(&want), tolerance).into_result()
}

/// Compares integers, strings, booleans or arrays of them exactly.
///
/// # Errors
/// The outcome, if the two are not equal.
///
/// ```
/// use mlnotes::check::equal;
///
/// assert!(equal(vec![1, 2, 3], [1, 2, 3]).is_ok());
/// let error = equal(["cat", "dog"], ["cat", "cow"]).unwrap_err();
/// assert_eq!(error.to_string(), "✗ got \"dog\", want \"cow\" at [1]; 1 of 2 values differs (exact)");
/// ```
pub fn equal<G, W>(got: G, want: W) -> Result<Outcome, Outcome>
where
    G: Items + PartialEq<W>,
    W: Items,
{
    equal_outcome(String::new(), got == want, texts(&got), texts(&want)).into_result()
}

// A notebook's cell compiles whatever is generic, while its reader waits. So what is generic ends here: it flattens, and
// the comparisons are compiled once.

/// One side of a comparison: its shape, and the elements as numbers or as texts.
type Side<T> = (Option<Vec<usize>>, Vec<T>);

fn numbers<T: Items<Item: Into<f64>>>(values: &T) -> Side<f64> {
    let mut numbers = Vec::new();
    values.each(&mut |item| numbers.push(item.clone().into()));
    (values.shape(), numbers)
}

fn texts<T: Items>(values: &T) -> Side<String> {
    let mut texts = Vec::new();
    values.each(&mut |item| texts.push(format!("{item:?}")));
    (values.shape(), texts)
}

fn close_outcome(name: String, got: Side<f64>, want: Side<f64>, tolerance: Tolerance) -> Outcome {
    Outcome::new(name, compare_close(got, want, tolerance), tolerance.to_string())
}

fn equal_outcome(name: String, same: bool, got: Side<String>, want: Side<String>) -> Outcome {
    Outcome::new(name, compare_equal(same, got, want), "exact".into())
}

/// Both sides' shapes, or the sentence that refuses them.
fn shapes(got: Option<Vec<usize>>, want: Option<Vec<usize>>) -> Result<Vec<usize>, String> {
    match (got, want) {
        (None, _) => Err("got rows of different lengths".into()),
        (_, None) => Err("want has rows of different lengths".into()),
        (Some(got), Some(want)) if got != want => Err(format!("got the shape {got:?}, want {want:?}")),
        (Some(shape), Some(_)) => Ok(shape),
    }
}

/// `Ok` holds what to say of a match, `Err` what to say of a mismatch.
fn compare_close(
    (got_shape, got): Side<f64>,
    (want_shape, want): Side<f64>,
    tolerance: Tolerance,
) -> Result<String, String> {
    tolerance.validate()?;
    let shape = shapes(got_shape, want_shape)?;
    if got.is_empty() {
        return Err(format!("nothing was compared: both have the shape {shape:?}"));
    }
    // How far beyond the tolerance each element is: at most 0 passes, NaN and stray infinities count as infinitely far.
    let excess: Vec<f64> = got.iter().zip(&want).map(|(&g, &w)| tolerance.excess(g, w)).collect();
    let out = excess.iter().filter(|&&e| e > 0.0).count();
    if out == 0 {
        let worst = got.iter().zip(&want).map(|(g, w)| if g == w { 0.0 } else { (g - w).abs() }).fold(0.0, f64::max);
        return Ok(match shape.as_slice() {
            [] => format!("{}, off by {}", short(got[0]), short_error(worst)),
            _ => format!("{} {}, off by at most {}", got.len(), plural(got.len(), "value"), short_error(worst)),
        });
    }
    let worst = (0..excess.len()).max_by(|&i, &j| excess[i].total_cmp(&excess[j]).then(j.cmp(&i))).unwrap_or(0);
    let (g, w) = (got[worst], want[worst]);
    let mut text = format!("got {g:?}, want {w:?}{}", at(&shape, worst));
    if g.is_nan() || w.is_nan() {
        text += ": NaN is never close";
    } else if g.is_finite() && w.is_finite() {
        text += &format!(": off by {}", short_error((g - w).abs()));
    }
    if !shape.is_empty() {
        text += &format!("; {out} of {} values {} out", got.len(), if out == 1 { "is" } else { "are" });
    }
    Err(text)
}

/// As [`compare_close`], for exact equality.
fn compare_equal(
    same: bool,
    (got_shape, got): Side<String>,
    (want_shape, want): Side<String>,
) -> Result<String, String> {
    let shape = match shapes(got_shape, want_shape) {
        Ok(shape) => shape,
        // Ragged lists may well be equal; shapes only help to say why two are not.
        Err(_) if same => return Ok(format!("{} values", got.len())),
        Err(why) => return Err(why),
    };
    if same {
        return Ok(match shape.as_slice() {
            [] => clip(&got.concat()),
            _ => format!("{} {}", got.len(), plural(got.len(), "value")),
        });
    }
    // NaN reads like itself but equals nothing.
    let differing: Vec<usize> = (0..got.len()).filter(|&i| got[i] != want[i] || got[i] == "NaN").collect();
    let Some(&first) = differing.first() else {
        return Err(format!("got and want both read {}, and yet they are not equal", clip(&got.join(", "))));
    };
    let mut text = format!("got {}, want {}{}", clip(&got[first]), clip(&want[first]), at(&shape, first));
    if !shape.is_empty() {
        let verb = if differing.len() == 1 { "differs" } else { "differ" };
        text += &format!("; {} of {} {} {verb}", differing.len(), got.len(), plural(got.len(), "value"));
    }
    Err(text)
}

/// ` at [row, column]`, or nothing for a single number.
fn at(shape: &[usize], flat: usize) -> String {
    let mut rest = flat;
    let mut index: Vec<usize> = Vec::with_capacity(shape.len());
    for &length in shape.iter().rev() {
        index.push(rest % length.max(1));
        rest /= length.max(1);
    }
    index.reverse();
    if shape.is_empty() { String::new() } else { format!(" at {index:?}") }
}

/// Six significant digits say enough of a number that passed.
fn short(x: f64) -> String {
    if x != 0.0 && x.is_finite() && !(1e-4..1e7).contains(&x.abs()) {
        return format!("{x:.3e}");
    }
    let decimals =
        if x == 0.0 || !x.is_finite() { 0 } else { (5 - x.abs().log10().floor() as i32).clamp(0, 9) as usize };
    let text = format!("{x:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// Two significant digits of an error.
fn short_error(x: f64) -> String {
    if x == 0.0 { "0".into() } else { format!("{x:.1e}") }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_string() } else { format!("{word}s") }
}

/// Keeps a long text to one short line.
fn clip(text: &str) -> String {
    let line = one_line(text);
    if line.chars().count() <= 80 { line } else { line.chars().take(79).chain(['…']).collect() }
}
