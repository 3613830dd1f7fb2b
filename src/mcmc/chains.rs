//! Draws of several chains, and what can be said of them.

use ndarray::{Array1, Array2, Array3, ArrayRef2, ArrayView2, Axis};

use super::diagnostics::{ess_bulk, mcse, mean, quantile_of_sorted, r_hat, sd, sorted};
use crate::display::{Rich, Show, Table};
use crate::{Error, Result, validate};

/// Draws of a D-dimensional x by several chains.
///
/// It shows itself as a table with a row for each coordinate.
///
/// ```
/// use mlnotes::prelude::*;
/// use mlnotes::mcmc::Chains;
///
/// let chains = Chains::new(array![[[1.0], [2.0], [1.0], [2.0]], [[2.0], [1.0], [2.0], [3.0]]])?.named(["rate"])?;
/// assert_eq!(chains.mean(), array![1.75]);
/// assert_eq!(chains.quantile(0.5)?, array![2.0]);
/// assert!(chains.to_text().starts_with("2 chains, 4 draws each\nparameter  mean"));
/// assert!(chains.named(["rate", "scale"]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chains {
    draws: Array3<f64>,
    names: Vec<String>,
    acceptance: Option<Array1<f64>>,
    step_size: Option<Array1<f64>>,
    divergences: Array1<usize>,
}

impl Chains {
    /// From draws that something else made, shape (chains, N, D).
    ///
    /// # Errors
    /// No chain, no draw, no coordinate; NaN or an infinity.
    pub fn new(draws: Array3<f64>) -> Result<Self> {
        if draws.is_empty() {
            let remedy = "give at least one chain, one draw and one coordinate: (chains, draws, coordinates)";
            return Err(Error::Empty { arg: "draws", remedy });
        }
        validate::finite("draws", &draws)?;
        let divergences = Array1::zeros(draws.len_of(Axis(0)));
        let names = (0..draws.len_of(Axis(2))).map(|i| format!("x[{i}]")).collect();
        Ok(Self { draws, names, acceptance: None, step_size: None, divergences })
    }

    pub(super) fn of_run(
        draws: Array3<f64>,
        acceptance: Array1<f64>,
        step_size: Option<Array1<f64>>,
        divergences: Array1<usize>,
    ) -> Result<Self> {
        Ok(Self { acceptance: Some(acceptance), step_size, divergences, ..Self::new(draws)? })
    }

    /// What the coordinates are called.
    ///
    /// # Errors
    /// Not one name for each.
    pub fn named<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Result<Self> {
        let mut list = Vec::new();
        for name in names {
            list.push(name.into());
        }
        if list.len() != self.names.len() {
            let expected = format!("({}), one name per coordinate,", self.names.len());
            return Err(Error::shape("names", expected, &[list.len()]));
        }
        self.names = list;
        Ok(self)
    }

    /// All draws, shape (chains, N, D).
    pub fn draws(&self) -> &Array3<f64> {
        &self.draws
    }

    /// Coordinate i of all draws, shape (chains, N): what the functions of [`diagnostics`](super::diagnostics) take.
    ///
    /// # Errors
    /// A coordinate that does not exist.
    pub fn coordinate(&self, i: usize) -> Result<ArrayView2<'_, f64>> {
        if i >= self.names.len() {
            return Err(Error::domain("i", i, format!("below {}, the number of coordinates", self.names.len())));
        }
        Ok(self.draws.index_axis(Axis(2), i))
    }

    /// The draws of all chains, one chain after the other, shape (chains · N, D).
    pub fn pooled(&self) -> Array2<f64> {
        let width = self.names.len();
        let rows = self.draws.iter().copied().collect();
        Array2::from_shape_vec((self.draws.len() / width, width), rows).unwrap_or_default()
    }

    /// The share of proposals that each chain accepted after its warm-up, shape (chains); unknown for draws that something else
    /// made.
    pub fn acceptance(&self) -> Option<&Array1<f64>> {
        self.acceptance.as_ref()
    }

    /// The size of steps after the warm-up, shape (chains), where the sampler has one.
    pub fn step_size(&self) -> Option<&Array1<f64>> {
        self.step_size.as_ref()
    }

    /// How many of each chain's trajectories diverged after the warm-up, shape (chains); 0 but for [`Hmc`](super::Hmc).
    pub fn divergences(&self) -> &Array1<usize> {
        &self.divergences
    }

    /// The mean of all chains, shape (D).
    pub fn mean(&self) -> Array1<f64> {
        self.each(|draws| mean(draws))
    }

    /// The standard deviation of all chains' draws together, with N − 1, shape (D); NaN for a single draw.
    pub fn sd(&self) -> Array1<f64> {
        self.each(sd)
    }

    /// Below which a share p of all draws lies, linear between draws (as NumPy), shape (D).
    ///
    /// # Errors
    /// A p outside \[0, 1\].
    pub fn quantile(&self, p: f64) -> Result<Array1<f64>> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::domain("p", p, "from 0 to 1, for instance 0.5 for the median"));
        }
        Ok(self.each(|draws| quantile_of_sorted(&sorted(draws.iter().copied()), p)))
    }

    /// How many independent draws these are worth, shape (D): [`ess_bulk`].
    pub fn effective_sample_size(&self) -> Array1<f64> {
        self.each(|draws| ess_bulk(draws).unwrap_or(f64::NAN))
    }

    /// Whether the chains agree, shape (D), 1 where they do: [`r_hat`](super::diagnostics::r_hat).
    pub fn r_hat(&self) -> Array1<f64> {
        self.each(|draws| r_hat(draws).unwrap_or(f64::NAN))
    }

    /// How wrong [`mean`](Self::mean) may be, shape (D): [`mcse`].
    pub fn standard_error(&self) -> Array1<f64> {
        self.each(|draws| mcse(draws).unwrap_or(f64::NAN))
    }

    fn each(&self, f: impl Fn(&ArrayRef2<f64>) -> f64) -> Array1<f64> {
        self.draws.axis_iter(Axis(2)).map(|draws| f(&draws)).collect()
    }

    /// Coordinate i, draw by draw, a line for each chain: chains that agree cannot be told apart. Of more than 1000 draws, evenly
    /// spaced ones are shown.
    ///
    /// # Errors
    /// A coordinate that does not exist.
    #[cfg(feature = "plot")]
    pub fn trace(&self, i: usize) -> Result<crate::plot::Chart<crate::plot::Line>> {
        let draws = self.coordinate(i)?;
        let stride = draws.ncols().div_ceil(1000);
        let series: Vec<(String, Vec<f64>)> = draws
            .rows()
            .into_iter()
            .enumerate()
            .map(|(chain, row)| (format!("chain {chain}"), row.iter().step_by(stride).copied().collect()))
            .collect();
        let chart = crate::plot::line((0..draws.ncols()).step_by(stride), &series);
        Ok(chart.title(format!("Trace of {}", self.names[i])).labels("draw", self.names[i].clone()))
    }

    fn table(&self) -> Table {
        let (chains, draws, _) = self.draws.dim();
        let mut title = format!("{chains} chain{}, {draws} draws each", if chains == 1 { "" } else { "s" });
        if let Some(acceptance) = &self.acceptance {
            title += &format!(", {:.0} % accepted", 100.0 * mean(acceptance));
        }
        if self.divergences.sum() > 0 {
            title += &format!(", {} diverged", self.divergences.sum());
        }
        Table::new()
            .title(title)
            .column("parameter", &self.names)
            .column("mean", self.mean())
            .column("sd", self.sd())
            .column("mcse", self.standard_error())
            .column("ess", self.effective_sample_size())
            .column("r_hat", self.r_hat())
    }
}

impl Show for Chains {
    fn to_text(&self) -> String {
        self.table().to_text()
    }

    fn to_rich(&self) -> Rich {
        self.table().to_rich()
    }
}
