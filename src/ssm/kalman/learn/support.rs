//! In which directions has a covariance spread?

use ndarray::{Array1, Array2};

use super::add_square;
use crate::ssm::kalman::model::factor;

/// The directions in which a covariance has spread.
pub(super) struct Support {
    /// An orthogonal projection onto them; `None` where they are all.
    projection: Option<Array2<f64>>,
}

impl Support {
    pub(super) fn of(covariance: &Array2<f64>) -> Self {
        let n = covariance.nrows();
        let Some(factor) = factor(covariance).filter(|factor| factor.rank() < n) else {
            return Self { projection: None };
        };
        // The columns of the root made orthonormal, one after the other and twice, which is enough.
        let mut basis: Vec<Array1<f64>> = Vec::new();
        for column in factor.root().columns().into_iter().take(factor.rank()) {
            let mut column = column.to_owned();
            for _ in 0..2 {
                for other in &basis {
                    let along = column.dot(other);
                    column.scaled_add(-along, other);
                }
                column /= column.dot(&column).sqrt();
            }
            basis.push(column);
        }
        let mut projection = Array2::zeros((n, n));
        basis.iter().for_each(|column| add_square(&mut projection, column));
        Self { projection: Some(projection) }
    }

    /// Π A.
    pub(super) fn project(&self, a: Array2<f64>) -> Array2<f64> {
        self.projection.as_ref().map_or_else(|| a.clone(), |projection| projection.dot(&a))
    }

    /// Π A Π.
    pub(super) fn project_both(&self, a: Array2<f64>) -> Array2<f64> {
        self.projection.as_ref().map_or_else(|| a.clone(), |projection| projection.dot(&a).dot(projection))
    }
}
