//! What does one fully connected layer (全连接层) do, and how does its error flow back?

use ndarray::{Array, Array1, Array2, ArrayRef, ArrayRef1, ArrayRef2, Axis, Dimension};

use super::Activation;
use crate::{Error, Result, validate};

/// z = x Wᵀ + b along the last axis of `x`, however many axes come before it.
///
/// An image (28, 28, 1) is thus mapped pixel by pixel, and a sequence (batch, time, inputs) step by step with the same
/// W and b, which is all that Keras' `TimeDistributed(Dense)` does.
///
/// # Shapes
/// - `x`: (…, inputs); `weights`: (units, inputs); `bias`: (units); result: (…, units).
///
/// # Errors
/// [`Error::Shape`] when the shapes do not fit, [`Error::NonFinite`] for NaN or infinity.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let (w, b) = (array![[1.0, 2.0]], array![0.5]);
/// assert_eq!(dense(&array![[1.0, 1.0]], &w, &b)?, array![[3.5]]);
/// assert_eq!(dense(&array![[[1.0, 1.0], [0.0, 0.0]]], &w, &b)?, array![[[3.5], [0.5]]]);
/// assert!(dense(&array![[1.0]], &w, &b).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn dense<D: Dimension>(
    x: &ArrayRef<f64, D>,
    weights: &ArrayRef2<f64>,
    bias: &ArrayRef1<f64>,
) -> Result<Array<f64, D>> {
    let (units, inputs) = weights.dim();
    check_bias(bias, units)?;
    let Some((&width, before)) = x.shape().split_last().filter(|(width, _)| **width == inputs) else {
        return Err(Error::shape("x", format!("(…, {inputs}), the width of the weights,"), x.shape()));
    };
    validate::finite("x", x)?;
    validate::finite("weights", weights)?;
    validate::finite("bias", bias)?;
    let mut shape = x.raw_dim();
    shape[before.len()] = units;
    let misfit = |_| Error::shape("x", "a shape that can be laid out in rows", x.shape());
    let rows = x.view().to_shape((before.iter().product::<usize>(), width)).map_err(misfit)?.to_owned();
    // A product may come out column by column.
    let sums = dense_unchecked(&rows, weights, bias).as_standard_layout().into_owned();
    sums.into_shape_with_order(shape).map_err(misfit)
}

pub(super) fn dense_unchecked(x: &ArrayRef2<f64>, weights: &ArrayRef2<f64>, bias: &ArrayRef1<f64>) -> Array2<f64> {
    x.dot(&weights.t()) + bias.view()
}

/// The gradients of one layer: ∂L/∂W and ∂L/∂b.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseGradient {
    /// (units, inputs).
    pub weights: Array2<f64>,
    /// (units).
    pub bias: Array1<f64>,
}

/// The way back through z = x Wᵀ + b: (∂L/∂W = δᵀ x and ∂L/∂b = Σ δ, ∂L/∂x = δ W).
///
/// # Shapes
/// - `x`: (samples, inputs); `weights`: (units, inputs); `delta`, ∂L/∂z: (samples, units).
///
/// # Errors
/// [`Error::Shape`] when the shapes do not fit.
///
/// ```
/// use mlnotes::mlp::dense_backward;
/// use ndarray::array;
///
/// // One sample (2, 3), one unit with W = (10, 20), L = z: ∂L/∂W = x, ∂L/∂b = 1, ∂L/∂x = W.
/// let (layer, input) = dense_backward(&array![[2.0, 3.0]], &array![[10.0, 20.0]], &array![[1.0]])?;
/// assert_eq!((layer.weights, layer.bias), (array![[2.0, 3.0]], array![1.0]));
/// assert_eq!(input, array![[10.0, 20.0]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn dense_backward(
    x: &ArrayRef2<f64>,
    weights: &ArrayRef2<f64>,
    delta: &ArrayRef2<f64>,
) -> Result<(DenseGradient, Array2<f64>)> {
    let (units, inputs) = weights.dim();
    validate::columns("x", x, inputs)?;
    if delta.dim() != (x.nrows(), units) {
        return Err(Error::shape("delta", format!("({}, {units}), as the sums,", x.nrows()), delta.shape()));
    }
    Ok((DenseGradient { weights: delta.t().dot(x), bias: delta.sum_axis(Axis(0)) }, delta.dot(weights)))
}

/// A layer a = f(x Wᵀ + b).
///
/// ```
/// use mlnotes::prelude::*;
///
/// let nand = Dense::new(array![[-1.0, -1.0]], array![1.5], Activation::Relu)?;
/// assert_eq!(nand.forward(&array![[0.0, 0.0], [1.0, 1.0]])?, array![[1.5], [0.0]]);
/// assert_eq!(nand.parameters(), 3);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Dense {
    pub(super) weights: Array2<f64>,
    pub(super) bias: Array1<f64>,
    pub(super) activation: Activation,
}

impl Dense {
    /// A layer from its parameters.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NonFinite`], and [`Error::Shape`] when `bias` has not one entry per row of `weights`.
    pub fn new(weights: Array2<f64>, bias: Array1<f64>, activation: Activation) -> Result<Self> {
        validate::samples("weights", &weights)?;
        validate::finite("bias", &bias)?;
        check_bias(&bias, weights.nrows())?;
        Ok(Self { weights, bias, activation })
    }

    /// W, (units, inputs).
    pub fn weights(&self) -> &Array2<f64> {
        &self.weights
    }

    /// b, (units).
    pub fn bias(&self) -> &Array1<f64> {
        &self.bias
    }

    /// f.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// f(x Wᵀ + b) for (samples, inputs).
    ///
    /// # Errors
    /// As [`dense`].
    pub fn forward(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok(self.activation.apply(&dense(x, &self.weights, &self.bias)?))
    }

    /// The number of weights and biases.
    pub fn parameters(&self) -> usize {
        self.weights.len() + self.bias.len()
    }
}

impl std::fmt::Debug for Dense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (units, inputs) = self.weights.dim();
        write!(f, "Dense {inputs} → {units} ({:?}), {} parameters", self.activation, self.parameters())
    }
}

/// How many parameters a layer has: (inputs + 1) · units, whatever axes come before the last.
///
/// ```
/// use mlnotes::mlp::dense_parameters;
///
/// assert_eq!(dense_parameters(32, 32), 1056); // shared by all steps of a sequence
/// assert_eq!(dense_parameters(28 * 28, 10), 7850); // a flattened image
/// ```
pub fn dense_parameters(inputs: usize, units: usize) -> usize {
    inputs.saturating_add(1).saturating_mul(units)
}

/// (samples, …) as (samples, features): all axes but the first in one row, as Keras' `Flatten`.
///
/// # Errors
/// [`Error::Shape`] for an array without axes.
///
/// ```
/// use mlnotes::mlp::flatten;
/// use ndarray::{Array4, array};
///
/// assert_eq!(flatten(&array![[[1, 2], [3, 4]]])?, array![[1, 2, 3, 4]]);
/// assert_eq!(flatten(&Array4::<f64>::zeros((2, 28, 28, 1)))?.dim(), (2, 784));
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn flatten<T: Clone, D: Dimension>(x: &ArrayRef<T, D>) -> Result<Array2<T>> {
    let misfit = || Error::shape("x", "at least one axis, the samples,", x.shape());
    let (&samples, rest) = x.shape().split_first().ok_or_else(misfit)?;
    let rows = x.view().to_shape((samples, rest.iter().product::<usize>())).map_err(|_| misfit())?.to_owned();
    Ok(rows)
}

fn check_bias(bias: &ArrayRef1<f64>, units: usize) -> Result<()> {
    if bias.len() == units {
        return Ok(());
    }
    Err(Error::shape("bias", format!("({units}), one entry per row of the weights,"), bias.shape()))
}
