//! Where does a network start?

use ndarray::Array1;

use super::{Activation, Dense, Loss, Network, dense_parameters};
use crate::random::RandomState;
use crate::{Error, Result};

/// How the first weights are drawn; biases start at 0.
///
/// Equal weights would stay equal for ever, and too large or too small ones make the signal grow or fade from layer to
/// layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Uniform in ±√(6 / (inputs + units)): keeps the variance through tanh and sigmoid layers (Glorot and Bengio 2010).
    Glorot,
    /// Normal with the variance 2 / inputs: makes up for the half that a ReLU cuts off (He et al. 2015).
    He,
}

/// What a multilayer perceptron looks like; [`build`](Self::build) draws its first weights, [`Sgd`](super::Sgd) trains it.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let network = Mlp::new(&[4, 8, 3]).hidden(Activation::Relu).init(Init::He).seed(42).build()?;
/// assert_eq!(network.parameters(), (4 + 1) * 8 + (8 + 1) * 3);
/// assert!(Mlp::new(&[4, 3]).loss(Loss::MeanSquared).build().is_err()); // the output is Softmax unless said otherwise
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    widths: Vec<usize>,
    hidden: Activation,
    output: Activation,
    loss: Loss,
    init: Init,
    seed: u32,
}

impl Mlp {
    /// The widths from input to output. At first: tanh inside, softmax with cross-entropy at the end, Glorot's weights,
    /// seed 0.
    pub fn new(widths: &[usize]) -> Self {
        Self {
            widths: widths.to_vec(),
            hidden: Activation::Tanh,
            output: Activation::Softmax,
            loss: Loss::CrossEntropy,
            init: Init::Glorot,
            seed: 0,
        }
    }

    /// The activation of all layers but the last.
    pub fn hidden(mut self, activation: Activation) -> Self {
        self.hidden = activation;
        self
    }

    /// The activation of the last layer.
    pub fn output(mut self, activation: Activation) -> Self {
        self.output = activation;
        self
    }

    /// What training makes small.
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// How the first weights are drawn.
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// The seed of the first weights.
    pub fn seed(mut self, seed: u32) -> Self {
        self.seed = seed;
        self
    }

    /// The untrained network.
    ///
    /// # Errors
    /// - [`Error::Shape`] for fewer than two widths, [`Error::Domain`] for a width of 0 or a layer too large to hold.
    /// - As [`Network::from_layers`] when loss and output do not go together.
    pub fn build(&self) -> Result<Network> {
        if self.widths.len() < 2 {
            return Err(Error::shape("widths", "at least two, input and output,", &self.widths));
        }
        let mut random = RandomState::new(self.seed);
        let last = self.widths.len() - 2;
        let layer = |(index, pair): (usize, &[usize])| {
            let (inputs, units) = (pair[0], pair[1]);
            if !(inputs > 0 && units > 0 && dense_parameters(inputs, units) <= 1 << 28) {
                let allowed = "at least 1, and a layer at most 2^28 parameters";
                return Err(Error::domain("width", format!("{inputs} or {units}"), allowed));
            }
            let weights = match self.init {
                Init::Glorot => {
                    let bound = (6.0 / (inputs + units) as f64).sqrt();
                    (random.uniform_array((units, inputs)) * 2.0 - 1.0) * bound
                }
                Init::He => random.normal_array((units, inputs)) * (2.0 / inputs as f64).sqrt(),
            };
            Dense::new(weights, Array1::zeros(units), if index == last { self.output } else { self.hidden })
        };
        let layers = self.widths.windows(2).enumerate().map(layer).collect::<Result<_>>()?;
        Network::from_layers(layers, self.loss)
    }
}
