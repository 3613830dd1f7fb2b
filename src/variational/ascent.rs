//! Coordinate ascent, which no sweep may take downhill.

use super::Elbo;
use crate::em::gain;
use crate::{Result, validate};

/// The driver of coordinate ascent (坐标上升, CAVI): a reader brings the sweep over the factors of q.
///
/// ```
/// use mlnotes::variational::{CoordinateAscent, Elbo};
///
/// // Posterior N(0, Λ⁻¹) with Λ = [[2, 1], [1, 2]]; q = N(m₀, 1/2) N(m₁, 1/2). Each mean in turn: m₀ = −m₁/2, m₁ = −m₀/2.
/// let bound = |[a, b]: [f64; 2]| Elbo::new().term("−½ mᵀΛm", -(a * a + a * b + b * b));
/// let start = [1.0, 1.0];
/// let fit = CoordinateAscent::new().sweeps(4).tolerance(0.0).run((start, bound(start)), |[_, b]| {
///     let a = -b / 2.0;
///     let next = [a, -a / 2.0];
///     Ok((next, bound(next)))
/// })?;
/// assert_eq!(fit.model[1], 1.0 / 256.0); // a quarter at each sweep
/// assert!(fit.history.iter().is_sorted_by(|a, b| a.value() <= b.value()));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoordinateAscent {
    sweeps: usize,
    tolerance: f64,
}

/// Where coordinate ascent ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ascent<M> {
    /// The last q.
    pub model: M,
    /// The bound of the start and after each sweep: it never decreases, but for rounding.
    pub history: Vec<Elbo>,
    /// Whether the last sweep gained less than the tolerance.
    pub converged: bool,
}

impl<M> Ascent<M> {
    /// The bound of [`model`](Self::model).
    pub fn elbo(&self) -> &Elbo {
        &self.history[self.history.len() - 1]
    }

    /// The sums of [`history`](Self::history).
    pub fn values(&self) -> Vec<f64> {
        self.history.iter().map(Elbo::value).collect()
    }

    /// How far the bound and each of its terms have moved since the start: terms trade against each other, the sum climbs.
    #[cfg(feature = "plot")]
    pub fn chart(&self) -> crate::plot::Chart<crate::plot::Line> {
        draw(&self.history)
    }
}

/// Not in the generic method, where each model would compile it anew.
#[cfg(feature = "plot")]
fn draw(history: &[Elbo]) -> crate::plot::Chart<crate::plot::Line> {
    let since = |value: &dyn Fn(&Elbo) -> f64| -> Vec<f64> {
        history.iter().map(|elbo| value(elbo) - value(&history[0])).collect()
    };
    let mut series = vec![("ELBO", since(&Elbo::value))];
    for (i, &(name, _)) in history[0].terms().iter().enumerate() {
        series.push((name, since(&|elbo| elbo.terms().get(i).map_or(f64::NAN, |term| term.1))));
    }
    crate::plot::line(0..history.len(), &series).title("The bound climbs").labels("sweep", "nats since the start")
}

impl Default for CoordinateAscent {
    fn default() -> Self {
        Self { sweeps: 100, tolerance: 1e-3 }
    }
}

impl CoordinateAscent {
    /// At most 100 sweeps, until one gains less than 1e-3.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most this many sweeps.
    pub fn sweeps(self, sweeps: usize) -> Self {
        Self { sweeps, ..self }
    }

    /// Ends when a sweep gains less than this much, in nats; below 0 never.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Repeats `sweep`, which improves every factor of q once and gives the new q with its bound.
    ///
    /// # Errors
    /// Those of the sweep; [`Error::Decreased`](crate::Error::Decreased) where the bound falls, since then some factor is not updated rightly;
    /// a tolerance or a bound that is NaN.
    pub fn run<M>(&self, start: (M, Elbo), mut sweep: impl FnMut(&M) -> Result<(M, Elbo)>) -> Result<Ascent<M>> {
        validate::tolerance("tolerance", self.tolerance)?;
        let mut fit = Ascent { model: start.0, history: vec![start.1], converged: false };
        for iteration in 1..=self.sweeps {
            let (model, elbo) = sweep(&fit.model)?;
            let gain = gain(iteration, fit.elbo().value(), elbo.value(), false)?;
            (fit.model, fit.converged) = (model, gain.abs() < self.tolerance);
            fit.history.push(elbo);
            if fit.converged {
                break;
            }
        }
        Ok(fit)
    }
}
