//! Is a map linear, and does it do the same at all times? Asked of the map's answers alone.

use ndarray::{Array2, ArrayRef2, s};

use crate::{Error, Result, validate};

/// How far a map of signals is from time invariance (时不变): the largest |f(S u) − S f(u)|, where S makes a signal begin
/// `shift` times later, after zeros, and drops its end. Only outputs after those zeros are compared.
///
/// A linear time-invariant model gives rounding alone. A selective one does so too when it works from scratch on the
/// shifted input (what it does depends on the input, not on the clock) but fails [`superposition_error`]; one whose
/// parameters were fixed from one input and are kept for the shifted one fails here.
///
/// # Shapes
/// `u` and the map's results are (L, channels), L the same; the numbers of channels may differ.
///
/// # Errors
/// The map's own; `shift` not below L; NaN or an infinity in u or in a result; a result with another number of rows.
///
/// ```
/// use mlnotes::ssm::lti::shift_error;
/// use ndarray::{Array2, array};
///
/// let u = array![[1.0], [2.0], [0.0], [5.0]];
/// let twice = |u: &Array2<f64>| Ok(2.0 * u);
/// assert_eq!(shift_error(twice, &u, 1)?, 0.0);
/// let by_the_clock = |u: &Array2<f64>| Ok(u * &array![[0.0], [1.0], [2.0], [3.0]]);
/// assert_eq!(shift_error(by_the_clock, &u, 1)?, 2.0); // (0, 1, 4, 0) less (0, 0, 2, 0)
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn shift_error(
    mut map: impl FnMut(&Array2<f64>) -> Result<Array2<f64>>,
    u: &ArrayRef2<f64>,
    shift: usize,
) -> Result<f64> {
    shift_error_of(&mut map, u, shift)
}

/// How far a map of signals is from linearity (线性): the largest |f(α u + β v) − α f(u) − β f(v)|.
///
/// # Shapes
/// `u`, `v` and the map's results are (L, channels), L the same.
///
/// # Errors
/// The map's own; u and v of different shapes or empty; NaN or an infinity in them, in the factors or in a result; a
/// result with another number of rows.
///
/// ```
/// use mlnotes::ssm::lti::superposition_error;
/// use ndarray::{Array2, array};
///
/// let (u, v) = (array![[1.0], [2.0]], array![[3.0], [-1.0]]);
/// assert_eq!(superposition_error(|u: &Array2<f64>| Ok(2.0 * u), [(1.0, &u), (-2.0, &v)])?, 0.0);
/// let gated_by_itself = |u: &Array2<f64>| Ok(u * u);
/// assert_eq!(superposition_error(gated_by_itself, [(1.0, &u), (1.0, &v)])?, 6.0); // 2 u v
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn superposition_error(
    mut map: impl FnMut(&Array2<f64>) -> Result<Array2<f64>>,
    [(alpha, u), (beta, v)]: [(f64, &ArrayRef2<f64>); 2],
) -> Result<f64> {
    superposition_error_of(&mut map, [(alpha, u), (beta, v)])
}

type Map<'a> = &'a mut dyn FnMut(&Array2<f64>) -> Result<Array2<f64>>;

fn shift_error_of(map: Map<'_>, u: &ArrayRef2<f64>, shift: usize) -> Result<f64> {
    validate::samples("u", u)?;
    let length = u.nrows();
    if shift >= length {
        return Err(Error::domain("shift", shift, format!("below {length}, the number of times")));
    }
    let mut later = Array2::zeros(u.dim());
    later.slice_mut(s![shift.., ..]).assign(&u.slice(s![..length - shift, ..]));
    let (now, later) = (answer(map, &u.to_owned())?, answer(map, &later)?);
    same_width(&now, &later)?;
    Ok(largest(&(&later.slice(s![shift.., ..]) - &now.slice(s![..length - shift, ..]))))
}

fn superposition_error_of(map: Map<'_>, [(alpha, u), (beta, v)]: [(f64, &ArrayRef2<f64>); 2]) -> Result<f64> {
    validate::samples("u", u)?;
    validate::samples("v", v)?;
    if u.dim() != v.dim() {
        return Err(Error::shape("v", format!("{:?}, that of `u`,", u.shape()), v.shape()));
    }
    for factor in [alpha, beta] {
        if !factor.is_finite() {
            return Err(Error::domain("factor", factor, "finite, for instance 2"));
        }
    }
    let both = answer(map, &(alpha * u + beta * v))?;
    let (first, second) = (answer(map, &u.to_owned())?, answer(map, &v.to_owned())?);
    same_width(&both, &first)?;
    same_width(&both, &second)?;
    Ok(largest(&(both - alpha * first - beta * second)))
}

/// f(u), a row per row of u.
fn answer(map: Map<'_>, u: &Array2<f64>) -> Result<Array2<f64>> {
    let y = map(u)?;
    if y.nrows() != u.nrows() {
        let expected = format!("({}, channels), a row of answers per row of `u`,", u.nrows());
        return Err(Error::shape("map", expected, y.shape()));
    }
    match y.iter().find(|value| !value.is_finite()) {
        None => Ok(y),
        Some(value) => Err(Error::domain("map", format!("one that answers {value}"), "one with finite answers")),
    }
}

fn same_width(one: &Array2<f64>, other: &Array2<f64>) -> Result<()> {
    if one.ncols() == other.ncols() {
        return Ok(());
    }
    Err(Error::shape("map", format!("(times, {}), as before,", one.ncols()), other.shape()))
}

fn largest(difference: &Array2<f64>) -> f64 {
    difference.iter().fold(0.0, |m, value| value.abs().max(m))
}
