//! Many classes from units that know only two: 一对多.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis, stack};

use super::{ThresholdUnit, step};
use crate::numerics::largest_columns;
use crate::{Error, Result};

/// One threshold unit per class, each trained to say "this class or any other".
///
/// Two ways to make one answer of many: [`predict`](Self::predict) asks which unit is surest,
/// [`predict_by_sign`](Self::predict_by_sign) which is the first to say yes, as the notes' program does.
#[derive(Clone, PartialEq)]
pub struct OneVsRest {
    classes: Vec<usize>,
    units: Vec<ThresholdUnit>,
}

impl OneVsRest {
    pub(super) fn fit(
        x: &ArrayRef2<f64>,
        y: &ArrayRef1<usize>,
        mut fit: impl FnMut(&ArrayRef1<f64>) -> Result<ThresholdUnit>,
    ) -> Result<Self> {
        crate::validate::samples("x", x)?;
        crate::validate::one_per_row("y", y.shape(), x.nrows())?;
        let classes: Vec<usize> = y.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        if let [only] = classes[..] {
            return Err(Error::domain("y", format!("{only} everywhere"), "of two classes or more: add other samples"));
        }
        let units = classes
            .iter()
            .map(|&class| fit(&y.mapv(|label| if label == class { 1.0 } else { -1.0 })))
            .collect::<Result<_>>()?;
        Ok(Self { classes, units })
    }

    /// The classes, in ascending order.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// The unit of each class, in the order of [`classes`](Self::classes).
    pub fn units(&self) -> &[ThresholdUnit] {
        &self.units
    }

    /// (samples, classes): every unit's activation w·x + b.
    ///
    /// # Errors
    /// [`Error::Shape`] for another width than in training, [`Error::NonFinite`].
    pub fn margins(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        let columns = self.units.iter().map(|unit| unit.margins(x)).collect::<Result<Vec<_>>>()?;
        let views: Vec<_> = columns.iter().map(|column| column.view()).collect();
        stack(Axis(1), &views).map_err(|_| Error::Empty { arg: "units", remedy: "train at least one" })
    }

    /// The class with the largest activation.
    ///
    /// # Errors
    /// As [`margins`](Self::margins).
    pub fn predict(&self, x: &ArrayRef2<f64>) -> Result<Array1<usize>> {
        Ok(self.largest(&self.margins(x)?))
    }

    /// The first class whose unit says +1, or the lowest class if all say −1: `argmax` over the signs, which forgets how
    /// sure each unit is.
    ///
    /// # Errors
    /// As [`margins`](Self::margins).
    pub fn predict_by_sign(&self, x: &ArrayRef2<f64>) -> Result<Array1<usize>> {
        Ok(self.largest(&self.margins(x)?.mapv(step)))
    }

    /// The classifier as it stood after `epoch` epochs; see [`ThresholdUnit::at_epoch`].
    ///
    /// # Errors
    /// As there.
    pub fn at_epoch(&self, epoch: usize) -> Result<Self> {
        let units = self.units.iter().map(|unit| unit.at_epoch(epoch)).collect::<Result<_>>()?;
        Ok(Self { classes: self.classes.clone(), units })
    }

    /// (classes, 1 + features): the bias and the weights of each unit.
    pub fn weights(&self) -> Array2<f64> {
        let width = self.units.first().map_or(0, |unit| unit.weights.len());
        let row = |unit: &ThresholdUnit| [unit.bias].into_iter().chain(unit.weights.to_vec()).collect::<Vec<_>>();
        let values = self.units.iter().flat_map(row).collect();
        Array2::from_shape_vec((self.units.len(), 1 + width), values).unwrap_or_default()
    }

    /// The class of each row's largest entry; the first of equals, as `np.argmax`.
    fn largest(&self, scores: &Array2<f64>) -> Array1<usize> {
        largest_columns(scores).mapv(|column| self.classes[column])
    }
}

impl std::fmt::Debug for OneVsRest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OneVsRest: {} classes", self.classes.len())?;
        for (class, unit) in self.classes.iter().zip(&self.units) {
            write!(f, "\n  {class}: {unit:?}")?;
        }
        Ok(())
    }
}
