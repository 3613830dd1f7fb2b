//! How likely is each observation in each state? The one thing that a chain asks of the emissions.

use std::borrow::Cow;

use ndarray::{Array2, ArrayRef1, ArrayRef2};

use crate::numerics::row_major;
use crate::{Error, Result};

/// b_j(x_t) for each step t and state j, as logarithms or, for symbols, as one row of probabilities per symbol.
///
/// ```
/// use mlnotes::hmm::Likelihoods;
/// use ndarray::array;
///
/// let log_emission = array![[0.5_f64.ln(), f64::NEG_INFINITY]];
/// assert_eq!(Likelihoods::from_log(&log_emission, 2)?.table(), log_emission);
/// assert!(Likelihoods::from_log(&array![[f64::NAN, 0.0]], 2).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Likelihoods<'a>(Form<'a>);

#[derive(Clone, Debug)]
enum Form<'a> {
    /// log b_j(x_t), shape (T, S), in row-major order.
    Log(Cow<'a, [f64]>, usize),
    /// Row o of the first holds b_j(o) for all j, of the second their logarithms; the third holds x.
    Symbols { probability: Vec<f64>, log: Vec<f64>, symbols: Cow<'a, [usize]>, states: usize },
}

impl<'a> Likelihoods<'a> {
    /// From log b_j(x_t), shape (T, S); a likelihood of 0 is −∞.
    ///
    /// # Errors
    /// No row, another number of columns than `states`, NaN, +∞.
    pub fn from_log(log_emission: &'a ArrayRef2<f64>, states: usize) -> Result<Self> {
        validate(log_emission, states)?;
        Ok(Self(Form::Log(row_major(log_emission), states)))
    }

    /// As [`from_log`](Self::from_log), keeping the table.
    ///
    /// # Errors
    /// As there.
    pub fn from_owned_log(log_emission: Array2<f64>, states: usize) -> Result<Likelihoods<'static>> {
        validate(&log_emission, states)?;
        Ok(Likelihoods(Form::Log(Cow::Owned(in_order(log_emission)), states)))
    }

    /// From b_j(o), shape (S, M), and symbols o below M: no logarithm is taken, no table of T rows made.
    ///
    /// # Errors
    /// No symbol; one that is M or more.
    pub fn from_symbols(probability: &ArrayRef2<f64>, symbols: &'a ArrayRef1<usize>) -> Result<Self> {
        let (states, kinds) = probability.dim();
        if symbols.is_empty() {
            return Err(Error::Empty { arg: "symbols", remedy: "give at least one observation" });
        }
        if let Some((t, symbol)) = symbols.indexed_iter().find(|(_, symbol)| **symbol >= kinds) {
            let allowed = format!("below {kinds}, the number of symbols: symbols are counted from 0");
            return Err(Error::domain("symbols", format!("{symbol} at {t}"), allowed));
        }
        let probability: Vec<f64> = probability.t().iter().copied().collect();
        let log = probability.iter().map(|p| p.ln()).collect();
        Ok(Self(Form::Symbols { probability, log, symbols: row_major(symbols), states }))
    }

    /// T.
    pub fn length(&self) -> usize {
        match &self.0 {
            Form::Log(table, states) => table.len() / states,
            Form::Symbols { symbols, .. } => symbols.len(),
        }
    }

    /// S.
    pub fn states(&self) -> usize {
        match self.0 {
            Form::Log(_, states) | Form::Symbols { states, .. } => states,
        }
    }

    /// log b_j(x_t), shape (T, S).
    pub fn table(&self) -> Array2<f64> {
        let (length, states) = (self.length(), self.states());
        Array2::from_shape_fn((length, states), |(t, j)| self.log_row(t)[j])
    }

    /// b_j(o), row o after row o − 1, and x; where these are symbols.
    pub(super) fn symbols(&self) -> Option<(&[f64], &[usize])> {
        match &self.0 {
            Form::Log(..) => None,
            Form::Symbols { probability, symbols, .. } => Some((probability, symbols)),
        }
    }

    /// log b_j(x_t) for all j.
    pub(super) fn log_row(&self, t: usize) -> &[f64] {
        match &self.0 {
            Form::Log(table, states) => &table[t * states..][..*states],
            Form::Symbols { log, symbols, states, .. } => &log[symbols[t] * states..][..*states],
        }
    }

    /// Multiplies p_j by b_j(x_t) / c, for a c that makes the most of f64; returns log c, −∞ where every product is 0.
    /// `p` may be longer than S, with zeros at its end.
    pub(super) fn weigh(&self, t: usize, p: &mut [f64]) -> f64 {
        match &self.0 {
            Form::Symbols { probability, symbols, states, .. } => {
                let row = &probability[symbols[t] * states..][..*states];
                p.iter_mut().zip(row).for_each(|(p, b)| *p *= b);
                0.0
            }
            Form::Log(table, states) => {
                let row = &table[t * states..][..*states];
                // The largest likelihood among the states that can be reached becomes 1.
                let mut largest = f64::NEG_INFINITY;
                for (&p, &log_b) in p.iter().zip(row) {
                    if p > 0.0 && log_b > largest {
                        largest = log_b;
                    }
                }
                for (p, &log_b) in p.iter_mut().zip(row) {
                    // A likelihood of 0 is 0 even where it is the largest.
                    let possible = *p > 0.0 && log_b > f64::NEG_INFINITY;
                    *p = if possible { *p * (log_b - largest).exp() } else { 0.0 };
                }
                largest
            }
        }
    }
}

/// The elements in row-major order: taken out of the array where they lie so.
fn in_order(array: Array2<f64>) -> Vec<f64> {
    if !array.is_standard_layout() {
        return array.iter().copied().collect();
    }
    let length = array.len();
    let (mut values, offset) = array.into_raw_vec_and_offset();
    values.drain(..offset.unwrap_or(0));
    values.truncate(length);
    values
}

fn validate(log_emission: &ArrayRef2<f64>, states: usize) -> Result<()> {
    if log_emission.nrows() == 0 {
        return Err(Error::Empty { arg: "log_emission", remedy: "give at least one observation, one per row" });
    }
    if log_emission.ncols() != states {
        let expected = format!("(observations, {states}), one column per state,");
        return Err(Error::shape("log_emission", expected, log_emission.shape()));
    }
    let wrong = |value: &f64| value.is_nan() || *value == f64::INFINITY;
    if !log_emission.iter().any(wrong) {
        return Ok(());
    }
    match log_emission.indexed_iter().find(|(_, value)| wrong(value)) {
        None => Ok(()),
        Some(((t, j), &value)) => Err(Error::NonFinite { arg: "log_emission", index: vec![t, j], value }),
    }
}
