//! The options of a training run, and the unit that comes out.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, s};

use super::{OneVsRest, check_two_classes, correct, margins, step};
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// How to train a threshold unit: the options of Rosenblatt's rule.
///
/// ```
/// use mlnotes::prelude::*;
///
/// let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// let and = array![-1.0, -1.0, -1.0, 1.0];
/// let unit = Perceptron::new().learning_rate(0.5).epochs(20).fit(&x, &and)?;
/// assert_eq!(unit.predict(&x)?, and);
/// assert_eq!(unit.errors().last(), Some(&0)); // an epoch without a mistake: it stopped there
/// assert!(Perceptron::new().learning_rate(-1.0).fit(&x, &and).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Perceptron {
    learning_rate: f64,
    epochs: usize,
    bias: bool,
    start_seed: Option<u32>,
    shuffle_seed: Option<u32>,
    early_stop: bool,
    keep_history: bool,
}

impl Default for Perceptron {
    fn default() -> Self {
        Self {
            learning_rate: 0.1,
            epochs: 20,
            bias: true,
            start_seed: None,
            shuffle_seed: None,
            early_stop: true,
            keep_history: false,
        }
    }
}

impl Perceptron {
    /// The notes' options: η = 0.1, 20 epochs, with a bias; weights start at 0, samples come in their order.
    pub fn new() -> Self {
        Self::default()
    }

    /// η, above 0. From zero weights it scales w and b and changes no answer.
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// How often the samples are shown, at most.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// Whether there is a bias. Without it the boundary passes through the origin, unless `x` has a constant feature
    /// ([`with_constant`](super::with_constant)): then the two runs are the same.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Starts from uniform weights in [0, 1), the bias drawn first, as `np.random.seed(seed); np.random.rand(1 + d)`.
    /// One stream serves all classes of a one-vs-rest run, the lowest class first.
    pub fn start_uniform(mut self, seed: u32) -> Self {
        self.start_seed = Some(seed);
        self
    }

    /// Shows the samples in a new random order in every epoch, instead of their own.
    pub fn shuffle(mut self, seed: u32) -> Self {
        self.shuffle_seed = Some(seed);
        self
    }

    /// Whether to stop after an epoch without a mistake (on at first). The weights are the same either way, since only
    /// mistakes move them.
    pub fn early_stop(mut self, early_stop: bool) -> Self {
        self.early_stop = early_stop;
        self
    }

    /// Whether to keep the weights of every epoch, for [`ThresholdUnit::at_epoch`].
    pub fn keep_history(mut self, keep_history: bool) -> Self {
        self.keep_history = keep_history;
        self
    }

    /// Trains one unit on labels −1 and +1.
    ///
    /// # Shapes
    /// - `x`: (samples, features); `y`: (samples).
    ///
    /// # Errors
    /// - [`Error::Empty`], [`Error::NonFinite`], [`Error::Shape`] for data that do not fit.
    /// - [`Error::Domain`] for another label than ±1, for one class only, for a learning rate that is not above 0, for
    ///   0 epochs, and when the weights overflow.
    pub fn fit(&self, x: &ArrayRef2<f64>, y: &ArrayRef1<f64>) -> Result<ThresholdUnit> {
        self.fit_from(&mut self.start_seed.map(RandomState::new), x, y)
    }

    /// Trains one unit per class, "this class or any other", on classes counted from 0.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    ///
    /// ```
    /// use mlnotes::prelude::*;
    ///
    /// let (x, y) = (array![[-1.0], [-2.0], [1.0], [2.0]], array![0, 0, 1, 1]);
    /// let model = Perceptron::new().fit_one_vs_rest(&x, &y)?;
    /// assert_eq!(model.predict(&array![[-9.0], [9.0]])?, array![0, 1]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn fit_one_vs_rest(&self, x: &ArrayRef2<f64>, y: &ArrayRef1<usize>) -> Result<OneVsRest> {
        let mut start = self.start_seed.map(RandomState::new);
        OneVsRest::fit(x, y, |labels| self.fit_from(&mut start, x, labels))
    }

    fn fit_from(
        &self,
        start: &mut Option<RandomState>,
        x: &ArrayRef2<f64>,
        y: &ArrayRef1<f64>,
    ) -> Result<ThresholdUnit> {
        check_two_classes(x, y)?;
        validate::positive("learning_rate", self.learning_rate, "0.1")?;
        validate::at_least_one("epochs", self.epochs)?;
        let bias = start.as_mut().filter(|_| self.bias).map_or(0.0, RandomState::uniform);
        let weights = match start {
            Some(random) => random.uniform_array(x.ncols()),
            None => Array1::zeros(x.ncols()),
        };
        let unit = ThresholdUnit { weights, bias, errors: Vec::new(), history: None };
        self.train(unit, x, y)
    }

    fn train(&self, mut unit: ThresholdUnit, x: &ArrayRef2<f64>, y: &ArrayRef1<f64>) -> Result<ThresholdUnit> {
        let (rate, constant) = (self.learning_rate, f64::from(u8::from(self.bias)));
        let samples: Vec<f64> = x.iter().copied().collect(); // row after row, whatever the layout
        let mut weights = unit.weights.to_vec();
        let mut history = vec![unit.bias];
        history.extend(&weights);
        let mut order: Vec<usize> = (0..x.nrows()).collect();
        let mut random = self.shuffle_seed.map(RandomState::new);
        for _ in 0..self.epochs {
            if let Some(random) = &mut random {
                random.shuffle(&mut order);
            }
            let mut wrong = 0;
            for &row in &order {
                let sample = &samples[row * weights.len()..][..weights.len()];
                wrong += usize::from(correct(&mut weights, &mut unit.bias, constant, sample, y[row], rate));
            }
            unit.errors.push(wrong);
            if self.keep_history {
                history.push(unit.bias);
                history.extend(&weights);
            }
            if self.early_stop && wrong == 0 {
                break;
            }
        }
        if !(unit.bias.is_finite() && weights.iter().all(|w| w.is_finite())) {
            let remedy = "smaller, or the features scaled (`Standardizer`): the weights overflowed";
            return Err(Error::domain("learning_rate", self.learning_rate, remedy));
        }
        unit.weights = weights.into();
        if self.keep_history {
            let shape = (unit.errors.len() + 1, 1 + unit.weights.len());
            unit.history = Array2::from_shape_vec(shape, history).ok();
        }
        Ok(unit)
    }
}

/// A trained threshold unit: ŷ = step(w·x + b).
#[derive(Clone, PartialEq)]
pub struct ThresholdUnit {
    /// w, one weight per feature.
    pub weights: Array1<f64>,
    /// b.
    pub bias: f64,
    errors: Vec<usize>,
    history: Option<Array2<f64>>,
}

impl ThresholdUnit {
    /// The answers, −1 or +1 for every row.
    ///
    /// # Errors
    /// [`Error::Shape`] for another width than in training, [`Error::NonFinite`].
    pub fn predict(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        Ok(self.margins(x)?.mapv(step))
    }

    /// The activations w·x + b.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn margins(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        margins(&self.weights, self.bias, x)
    }

    /// The number of mistakes in each epoch of the training.
    pub fn errors(&self) -> &[usize] {
        &self.errors
    }

    /// (epochs + 1, 1 + features): the bias and the weights before the training and after each epoch, if the training
    /// was asked to [keep](Perceptron::keep_history) them.
    pub fn history(&self) -> Option<&Array2<f64>> {
        self.history.as_ref()
    }

    /// Whether the training ended with an epoch without a mistake.
    pub fn converged(&self) -> bool {
        self.errors.last() == Some(&0)
    }

    /// The unit as it stood after `epoch` epochs; 0 is the start. A unit that stopped early stays as it is from there on.
    ///
    /// # Errors
    /// [`Error::Empty`] when the training kept no history, [`Error::Domain`] for an epoch that was not run.
    pub fn at_epoch(&self, epoch: usize) -> Result<Self> {
        let Some(history) = &self.history else {
            return Err(Error::Empty { arg: "history", remedy: "train with `.keep_history(true)`" });
        };
        let run = self.errors.len();
        if epoch > run && !self.converged() {
            return Err(Error::domain("epoch", epoch, format!("at most {run}, the epochs of the training")));
        }
        let row = history.row(epoch.min(run));
        Ok(Self {
            weights: row.slice(s![1..]).to_owned(),
            bias: row[0],
            errors: self.errors[..epoch.min(run)].to_vec(),
            history: Some(history.slice(s![..=epoch.min(run), ..]).to_owned()),
        })
    }
}

impl std::fmt::Debug for ThresholdUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ThresholdUnit: w = {:.4}, b = {:.4}, {} epochs", self.weights, self.bias, self.errors.len())?;
        match self.errors.last() {
            Some(wrong) => write!(f, ", {wrong} mistakes in the last"),
            None => Ok(()),
        }
    }
}
