//! How much water came down the river, year by year? The Nile at Aswan.

use super::Series;

const CSV: &str = include_str!("../../data/nile.csv");

/// The annual flow of the Nile at Aswan, 1871 to 1970, in 10⁸ m³: 100 numbers, whose level drops around 1898.
///
/// # Source
/// Cobb, *The problem of the Nile: conditional solution to a changepoint problem*, Biometrika 65 (1978), Table 1; where
/// they come from, and their provenance here: `data/README.md`.
///
/// ```
/// let nile = mlnotes::data::nile();
/// assert_eq!((nile.times[0], nile.values[0]), (1871.0, 1120.0));
/// assert_eq!(nile.values.mean(), Some(919.35));
/// ```
pub fn nile() -> Series {
    let mut lines = CSV.lines();
    let name = lines.next().and_then(|header| header.split_once(',')).map(|(_, name)| name).unwrap_or_default();
    let number = |cell: &str| cell.parse::<f64>().ok();
    let (times, values) = lines
        .filter_map(|line| line.split_once(','))
        .filter_map(|(time, value)| number(time).zip(number(value)))
        .collect::<(Vec<f64>, Vec<f64>)>();
    Series { times: times.into(), values: values.into(), name: format!("Nile, {name}") }
}
