//! How does the error at the output become a gradient for every weight?

use ndarray::{Array1, Array2, ArrayRef2};

use super::dense::{dense_backward, dense_unchecked};
use super::{Activation, Dense, DenseGradient, Loss};
use crate::numerics::largest_columns;
use crate::{Error, Result, validate};

/// Layers in a row and the loss they are trained by: a multilayer perceptron (多层感知机).
///
/// ```
/// use mlnotes::prelude::*;
///
/// // XOR by hand: the hidden units say "at least one" and "both", the output takes the second from the first.
/// let hidden = Dense::new(array![[1.0, 1.0], [1.0, 1.0]], array![0.0, -1.0], Activation::Relu)?;
/// let output = Dense::new(array![[1.0, -2.0]], array![0.0], Activation::Identity)?;
/// let xor = Network::from_layers(vec![hidden, output], Loss::MeanSquared)?;
///
/// let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// assert_eq!(xor.outputs(&x)?, array![[0.0], [1.0], [1.0], [0.0]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Network {
    pub(super) layers: Vec<Dense>,
    pub(super) loss: Loss,
    pub(super) losses: Vec<f64>,
}

/// Everything that a forward pass computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// z of each layer, (samples, units).
    pub sums: Vec<Array2<f64>>,
    /// The input, then a = f(z) of each layer: one more than `sums`.
    pub activations: Vec<Array2<f64>>,
}

impl Network {
    /// A network from its layers.
    ///
    /// # Errors
    /// - [`Error::Empty`] without layers, [`Error::Shape`] when a layer's width is not the one before it.
    /// - [`Error::Domain`] when loss and output do not go together: `CrossEntropy` wants a `Softmax` output of at least
    ///   two units, `MeanSquared` another one.
    pub fn from_layers(layers: Vec<Dense>, loss: Loss) -> Result<Self> {
        for pair in layers.windows(2) {
            if pair[1].weights.ncols() != pair[0].weights.nrows() {
                let expected = format!("(units, {}), the width of the layer before,", pair[0].weights.nrows());
                return Err(Error::shape("weights", expected, pair[1].weights.shape()));
            }
        }
        let Some(output) = layers.last() else {
            return Err(Error::Empty { arg: "layers", remedy: "give at least one" });
        };
        check_output(output.activation, output.bias.len(), loss)?;
        Ok(Self { layers, loss, losses: Vec::new() })
    }

    /// The layers, input side first.
    pub fn layers(&self) -> &[Dense] {
        &self.layers
    }

    /// The loss it is trained by.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// The mean training loss of every epoch so far, as measured on the way.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// The number of weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(Dense::parameters).sum()
    }

    /// All sums and activations for (samples, inputs).
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::Shape`] for samples that do not fit.
    pub fn forward(&self, x: &ArrayRef2<f64>) -> Result<Forward> {
        self.check_inputs(x)?;
        Ok(self.forward_unchecked(x))
    }

    /// The outputs: values, or class probabilities after a `Softmax`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn outputs(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        Ok(self.forward(x)?.activations.pop().unwrap_or_default())
    }

    /// The class with the largest output, for every row.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and [`Error::Domain`] for a network with a single output.
    pub fn predict(&self, x: &ArrayRef2<f64>) -> Result<Array1<usize>> {
        let outputs = self.outputs(x)?;
        if outputs.ncols() < 2 {
            return Err(Error::domain("outputs", 1, "at least 2 to choose from: read a single one with `outputs`"));
        }
        Ok(largest_columns(&outputs))
    }

    /// The loss on these samples.
    ///
    /// # Errors
    /// As [`forward`](Self::forward) and [`Loss::value`].
    pub fn evaluate(&self, x: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> Result<f64> {
        self.check(x, targets)?;
        Ok(self.loss_of(&self.forward_unchecked(x), targets))
    }

    /// Back-propagation: the loss on these samples and its gradient for every layer, input side first.
    ///
    /// # Errors
    /// As [`forward`](Self::forward) and [`Loss::value`].
    ///
    /// ```
    /// use mlnotes::prelude::*;
    ///
    /// // L = (w x + b − t)² with w = 2, x = 3, b = 0, t = 5: ∂L/∂w = 2 (6 − 5) · 3
    /// let layer = Dense::new(array![[2.0]], array![0.0], Activation::Identity)?;
    /// let network = Network::from_layers(vec![layer], Loss::MeanSquared)?;
    /// let (loss, gradients) = network.backward(&array![[3.0]], &array![[5.0]])?;
    /// assert_eq!((loss, gradients[0].weights[[0, 0]], gradients[0].bias[0]), (1.0, 6.0, 2.0));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn backward(&self, x: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> Result<(f64, Vec<DenseGradient>)> {
        self.check(x, targets)?;
        self.backward_unchecked(x, targets)
    }

    pub(super) fn backward_unchecked(
        &self,
        x: &ArrayRef2<f64>,
        targets: &ArrayRef2<f64>,
    ) -> Result<(f64, Vec<DenseGradient>)> {
        let forward = self.forward_unchecked(x);
        let mut gradients = Vec::with_capacity(self.layers.len());
        let mut gradient = self.loss.gradient_unchecked(self.scored(&forward), targets);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            // Cross-entropy's gradient is already that of the sums: softmax and logarithm cancel.
            let is_output = index + 1 == self.layers.len();
            let delta = match self.loss {
                Loss::CrossEntropy if is_output => gradient,
                _ => layer.activation.backward(&forward.activations[index + 1], &gradient)?,
            };
            let (own, input) = dense_backward(&forward.activations[index], &layer.weights, &delta)?;
            gradients.push(own);
            gradient = input;
        }
        gradients.reverse();
        Ok((self.loss_of(&forward, targets), gradients))
    }

    fn forward_unchecked(&self, x: &ArrayRef2<f64>) -> Forward {
        let mut forward = Forward { sums: Vec::new(), activations: vec![x.to_owned()] };
        for (index, layer) in self.layers.iter().enumerate() {
            let sums = dense_unchecked(&forward.activations[index], &layer.weights, &layer.bias);
            forward.activations.push(layer.activation.apply(&sums));
            forward.sums.push(sums);
        }
        forward
    }

    /// What the loss looks at: the sums before a softmax, the outputs otherwise. A network has at least one layer.
    fn scored<'a>(&self, forward: &'a Forward) -> &'a Array2<f64> {
        let last = self.layers.len() - 1;
        match self.loss {
            Loss::CrossEntropy => &forward.sums[last],
            Loss::MeanSquared => &forward.activations[last + 1],
        }
    }

    fn loss_of(&self, forward: &Forward, targets: &ArrayRef2<f64>) -> f64 {
        self.loss.value_unchecked(self.scored(forward), targets)
    }

    pub(super) fn width(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.len())
    }

    fn check_inputs(&self, x: &ArrayRef2<f64>) -> Result<()> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.layers.first().map_or(0, |layer| layer.weights.ncols()))
    }

    pub(super) fn check(&self, x: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> Result<()> {
        self.check_inputs(x)?;
        self.loss.check_targets(targets, &[x.nrows(), self.width()])
    }
}

/// Whether a loss suits an output layer.
fn check_output(activation: Activation, units: usize, loss: Loss) -> Result<()> {
    let softmax = activation == Activation::Softmax;
    let allowed = match loss {
        Loss::CrossEntropy if !softmax => "`Softmax` for `CrossEntropy`, which needs probabilities",
        Loss::CrossEntropy if units < 2 => "two units or more: the softmax of a single one is always 1",
        Loss::MeanSquared if softmax => {
            "another than `Softmax` for `MeanSquared`: train probabilities by `CrossEntropy`"
        }
        _ => return Ok(()),
    };
    Err(Error::domain("output", format!("{activation:?} of {units} units"), allowed))
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Network {}", self.layers.first().map_or(0, |layer| layer.weights.ncols()))?;
        for layer in &self.layers {
            write!(f, " → {} {:?}", layer.bias.len(), layer.activation)?;
        }
        write!(f, ", {:?}, {} parameters", self.loss, self.parameters())?;
        match self.losses.last() {
            Some(loss) => write!(f, ", loss {loss:.4} after {} epochs", self.losses.len()),
            None => f.write_str(", untrained"),
        }
    }
}

/// Back-propagation against central differences: the largest relative error over all parameters.
///
/// For every parameter θ, (L(θ + h) − L(θ − h)) / 2h is compared with the gradient; differences are relative to the
/// larger of the two, but at least to a thousandth of the largest gradient. About 1e-9 when all is well, about 1 after a
/// mistake. Near a kink of `Relu` (a sum within h of 0) the two differ rightly.
///
/// # Errors
/// As [`Network::backward`].
///
/// # Numerics
/// h = 1e-5 · max(1, |θ|), where the error of the difference, h², meets the rounding, ε / h.
///
/// ```
/// use mlnotes::mlp::gradient_check;
/// use mlnotes::prelude::*;
///
/// let network = Mlp::new(&[2, 3, 2]).hidden(Activation::Tanh).seed(1).build()?;
/// assert!(gradient_check(&network, &array![[0.3, -0.8]], &array![[1.0, 0.0]])? < 1e-7);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn gradient_check(network: &Network, x: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> Result<f64> {
    let (_, gradients) = network.backward(x, targets)?;
    let exact: Vec<f64> = gradients.iter().flat_map(|layer| layer.weights.iter().chain(&layer.bias)).copied().collect();
    let largest = exact.iter().fold(0.0, |largest: f64, gradient| largest.max(gradient.abs()));
    let mut probe = network.clone();
    let mut worst: f64 = 0.0;
    for (index, gradient) in exact.into_iter().enumerate() {
        let value = *parameter(&mut probe, index);
        let h = 1e-5 * value.abs().max(1.0);
        let mut loss_at = |value| {
            *parameter(&mut probe, index) = value;
            probe.loss_of(&probe.forward_unchecked(x), targets)
        };
        let difference = (loss_at(value + h) - loss_at(value - h)) / (2.0 * h);
        loss_at(value);
        let size = gradient.abs().max(difference.abs()).max(1e-3 * largest);
        if size > 0.0 {
            worst = worst.max((gradient - difference).abs() / size);
        }
    }
    Ok(worst)
}

/// The parameter of this number, layer by layer, weights before biases.
fn parameter(network: &mut Network, index: usize) -> &mut f64 {
    let all = network.layers.iter_mut().flat_map(|layer| layer.weights.iter_mut().chain(&mut layer.bias));
    all.into_iter().nth(index).expect("as many parameters as gradients")
}
