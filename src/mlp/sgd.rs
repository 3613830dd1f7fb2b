//! How do the weights follow the gradient down?
//!
//! In torch's form, with the learning rate η and the momentum μ: v ← μ v + ∂L/∂θ, then θ ← θ − η v.

use ndarray::{ArrayRef1, ArrayRef2, Axis};

use super::{DenseGradient, Loss, Network, one_hot};
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// Stochastic gradient descent with momentum: how to train a [`Network`].
///
/// ```
/// use mlnotes::prelude::*;
///
/// let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// let xor = array![0, 1, 1, 0];
/// let network = Mlp::new(&[2, 4, 2]).seed(1).build()?;
/// let trained = Sgd::new().learning_rate(0.5).momentum(0.9).epochs(200).fit(&network, &x, &xor)?;
/// assert_eq!(trained.predict(&x)?, xor);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    learning_rate: f64,
    momentum: f64,
    batch_size: Option<usize>,
    epochs: usize,
    seed: u32,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 0.1, momentum: 0.0, batch_size: None, epochs: 100, seed: 0 }
    }
}

impl Sgd {
    /// At first: η = 0.1, no momentum, all samples in one batch, 100 epochs, seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// η, above 0.
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// μ, from 0 to below 1.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Samples per step; the last batch of an epoch may be smaller. Without it every step uses all samples.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// How often every sample is used.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// The seed of the random order of the samples, drawn anew for every epoch when there are batches.
    pub fn seed(mut self, seed: u32) -> Self {
        self.seed = seed;
        self
    }

    /// Trains a copy of `network` to tell classes, counted from 0, apart.
    ///
    /// # Errors
    /// As [`fit_values`](Self::fit_values), and [`Error::Domain`] when a class has no output or there is one class only.
    pub fn fit(&self, network: &Network, x: &ArrayRef2<f64>, classes: &ArrayRef1<usize>) -> Result<Network> {
        validate::samples("x", x)?;
        validate::one_per_row("classes", classes.shape(), x.nrows())?;
        if network.loss != Loss::CrossEntropy {
            let allowed = "`CrossEntropy` for classes; `fit_values` trains on values";
            return Err(Error::domain("loss", format!("{:?}", network.loss), allowed));
        }
        if classes.iter().all(|class| Some(class) == classes.first()) {
            return Err(Error::domain("classes", "one class only", "of two classes or more: add other samples"));
        }
        self.fit_values(network, x, &one_hot(classes, network.width())?)
    }

    /// Trains a copy of `network` towards target values (or class probabilities).
    ///
    /// # Shapes
    /// - `x`: (samples, inputs); `targets`: (samples, outputs).
    ///
    /// # Errors
    /// - [`Error::Empty`], [`Error::NonFinite`], [`Error::Shape`] for data that do not fit the network.
    /// - [`Error::Domain`] unless η > 0, 0 ≤ μ < 1, epochs ≥ 1 and the batch size ≥ 1; and when the training diverges.
    pub fn fit_values(&self, network: &Network, x: &ArrayRef2<f64>, targets: &ArrayRef2<f64>) -> Result<Network> {
        network.check(x, targets)?;
        validate::positive("learning_rate", self.learning_rate, "0.1")?;
        validate::at_least_one("epochs", self.epochs)?;
        check_momentum(self.momentum)?;
        let batch = self.batch_size.unwrap_or(x.nrows()).min(x.nrows());
        validate::at_least_one("batch_size", batch)?;

        let mut network = network.clone();
        let mut velocity = Vec::new();
        let mut order: Vec<usize> = (0..x.nrows()).collect();
        let mut random = RandomState::new(self.seed);
        for _ in 0..self.epochs {
            if batch < x.nrows() {
                random.shuffle(&mut order);
            }
            let mut total = 0.0;
            for rows in order.chunks(batch) {
                let (x, targets) = (x.select(Axis(0), rows), targets.select(Axis(0), rows));
                let (loss, gradients) = network.backward_unchecked(&x, &targets)?;
                descend(&mut network, &gradients, &mut velocity, self.learning_rate, self.momentum);
                total += loss * rows.len() as f64;
            }
            let loss = total / x.nrows() as f64;
            if !(loss.is_finite() && network.is_finite()) {
                let remedy = format!("smaller: the loss was {loss} in epoch {}", network.losses.len() + 1);
                return Err(Error::domain("learning_rate", self.learning_rate, remedy));
            }
            network.losses.push(loss);
        }
        Ok(network)
    }
}

/// One step of gradient descent with momentum: v ← μ v + g, θ ← θ − η v.
///
/// `velocity` is empty before the first step, where v = g.
///
/// # Errors
/// [`Error::Domain`] unless η > 0 and 0 ≤ μ < 1, [`Error::Shape`] when gradients or velocities are not those of the
/// network.
///
/// ```
/// use mlnotes::mlp::sgd_step;
/// use mlnotes::prelude::*;
///
/// let layer = Dense::new(array![[2.0]], array![0.0], Activation::Identity)?;
/// let mut network = Network::from_layers(vec![layer], Loss::MeanSquared)?;
/// let (_, gradients) = network.backward(&array![[3.0]], &array![[5.0]])?; // 6 and 2
/// sgd_step(&mut network, &gradients, &mut Vec::new(), 0.1, 0.9)?;
/// assert!((network.layers()[0].weights()[[0, 0]] - 1.4).abs() < 1e-15); // 2 − 0.1 · 6
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn sgd_step(
    network: &mut Network,
    gradients: &[DenseGradient],
    velocity: &mut Vec<DenseGradient>,
    learning_rate: f64,
    momentum: f64,
) -> Result<()> {
    validate::positive("learning_rate", learning_rate, "0.1")?;
    check_momentum(momentum)?;
    check_shapes("gradients", network, gradients)?;
    if !velocity.is_empty() {
        check_shapes("velocity", network, velocity)?;
    }
    descend(network, gradients, velocity, learning_rate, momentum);
    Ok(())
}

fn descend(
    network: &mut Network,
    gradients: &[DenseGradient],
    velocity: &mut Vec<DenseGradient>,
    learning_rate: f64,
    momentum: f64,
) {
    if velocity.is_empty() {
        velocity.extend_from_slice(gradients);
    } else {
        for (velocity, gradient) in velocity.iter_mut().zip(gradients) {
            velocity.weights.zip_mut_with(&gradient.weights, |v, g| *v = momentum * *v + g);
            velocity.bias.zip_mut_with(&gradient.bias, |v, g| *v = momentum * *v + g);
        }
    }
    for (layer, velocity) in network.layers.iter_mut().zip(velocity) {
        layer.weights.scaled_add(-learning_rate, &velocity.weights);
        layer.bias.scaled_add(-learning_rate, &velocity.bias);
    }
}

impl Network {
    fn is_finite(&self) -> bool {
        self.layers.iter().all(|layer| layer.weights.iter().chain(&layer.bias).all(|value| value.is_finite()))
    }
}

fn check_momentum(momentum: f64) -> Result<()> {
    if (0.0..1.0).contains(&momentum) {
        return Ok(());
    }
    Err(Error::domain("momentum", momentum, "from 0 to below 1, for instance 0.9"))
}

fn check_shapes(arg: &'static str, network: &Network, gradients: &[DenseGradient]) -> Result<()> {
    let same = |(layer, gradient): (&super::Dense, &DenseGradient)| {
        layer.weights.dim() == gradient.weights.dim() && layer.bias.dim() == gradient.bias.dim()
    };
    if gradients.len() == network.layers.len() && network.layers.iter().zip(gradients).all(same) {
        return Ok(());
    }
    Err(Error::shape(arg, "one gradient per layer, shaped as its weights and bias,", &[gradients.len()]))
}
