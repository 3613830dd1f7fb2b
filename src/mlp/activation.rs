//! What makes more than one layer worth while? A bend between them.

use ndarray::{Array2, ArrayRef2, Zip};

use crate::{Error, Result};

/// The function f in a = f(z).
///
/// | | f(z) | f′, from a | range |
/// | --- | --- | --- | --- |
/// | `Identity` | z | 1 | all |
/// | `Tanh` | tanh z | 1 − a² | (−1, 1) |
/// | `Relu` | max(0, z) | 1 where a > 0, else 0 | ≥ 0 |
/// | `Sigmoid` | 1 / (1 + e⁻ᶻ) | a (1 − a) | (0, 1) |
/// | `Softmax` | eᶻ / Σ eᶻ over a row | a matrix: diag(a) − a aᵀ | (0, 1), rows sum to 1 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// z itself.
    Identity,
    /// The hyperbolic tangent.
    Tanh,
    /// The positive part.
    Relu,
    /// The logistic function.
    Sigmoid,
    /// Exponentials that share one row's total: class probabilities.
    Softmax,
}

impl Activation {
    /// f(z), entry by entry (`Softmax`: row by row).
    ///
    /// # Numerics
    /// `Softmax` subtracts the row's largest entry first, so that no exponential overflows.
    ///
    /// ```
    /// use mlnotes::prelude::*;
    ///
    /// assert_eq!(Activation::Relu.apply(&array![[-1.0, 2.0]]), array![[0.0, 2.0]]);
    /// assert_eq!(Activation::Softmax.apply(&array![[1000.0, 1000.0]]), array![[0.5, 0.5]]);
    /// ```
    pub fn apply(self, sums: &ArrayRef2<f64>) -> Array2<f64> {
        match self {
            Self::Identity => sums.to_owned(),
            Self::Tanh => sums.mapv(f64::tanh),
            Self::Relu => sums.mapv(|z| if z <= 0.0 { 0.0 } else { z }), // NaN stays NaN
            Self::Sigmoid => sums.mapv(|z| 1.0 / (1.0 + (-z).exp())),
            Self::Softmax => {
                let mut shares = sums.to_owned();
                for mut row in shares.rows_mut() {
                    let largest = row.fold(f64::NEG_INFINITY, |largest, &z| largest.max(z));
                    row.mapv_inplace(|z| (z - largest).exp());
                    row /= row.sum();
                }
                shares
            }
        }
    }

    /// ∂L/∂z from ∂L/∂a and the activations a = f(z).
    ///
    /// # Errors
    /// [`Error::Shape`] when the two differ in shape.
    ///
    /// ```
    /// use mlnotes::prelude::*;
    ///
    /// let a = array![[0.5]]; // sigmoid(0)
    /// assert_eq!(Activation::Sigmoid.backward(&a, &array![[1.0]])?, array![[0.25]]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn backward(self, activations: &ArrayRef2<f64>, gradient: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        if activations.shape() != gradient.shape() {
            let expected = format!("{:?}, as the activations,", activations.shape());
            return Err(Error::shape("gradient", expected, gradient.shape()));
        }
        let times = |derivative: fn(f64) -> f64| {
            Zip::from(activations.view()).and(gradient.view()).map_collect(|&a, &gradient| gradient * derivative(a))
        };
        Ok(match self {
            Self::Identity => gradient.to_owned(),
            Self::Tanh => times(|a| 1.0 - a * a),
            Self::Relu => times(|a| if a > 0.0 { 1.0 } else { 0.0 }),
            Self::Sigmoid => times(|a| a * (1.0 - a)),
            Self::Softmax => {
                let mut sums = gradient.to_owned();
                for (mut row, shares) in sums.rows_mut().into_iter().zip(activations.rows()) {
                    let mean = row.dot(&shares);
                    row.zip_mut_with(&shares, |gradient, share| *gradient = share * (*gradient - mean));
                }
                sums
            }
        })
    }
}
