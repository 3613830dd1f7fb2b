//! Small data that everyone knows.

use ndarray::Array2;

const FAITHFUL: &str = include_str!("../../data/faithful.csv");

/// Old Faithful: 272 eruptions, their length and the wait for the next one in minutes, shape (272, 2). There are two kinds.
///
/// # Source
/// Azzalini and Bowman, *A look at some data on the Old Faithful geyser*, Applied Statistics 39 (1990); the selection of R.
///
/// ```
/// use mlnotes::data::faithful;
///
/// let x = faithful();
/// assert_eq!(x.dim(), (272, 2));
/// assert_eq!(x.row(0).to_vec(), [3.6, 79.0]);
/// ```
pub fn faithful() -> Array2<f64> {
    let values: Vec<f64> =
        FAITHFUL.lines().skip(1).flat_map(|line| line.split(',')).filter_map(|v| v.parse().ok()).collect();
    Array2::from_shape_vec((values.len() / 2, 2), values).unwrap_or_default()
}

/// The beginning of Shakespeare's *Coriolanus*, some 20,000 characters.
///
/// ```
/// assert!(mlnotes::data::coriolanus().starts_with("First Citizen:"));
/// ```
pub fn coriolanus() -> &'static str {
    include_str!("../../data/coriolanus.txt")
}
