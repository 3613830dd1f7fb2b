//! The loop.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Instant;

use candle_core::{DType, Tensor, Var};

use super::adam::Adam;
use super::checkpoint::{self, Checkpoint, Identity, State};
use super::report::{Epoch, Report, Scores, peak_memory};
use super::settings::Settings;
use super::streams::stream;
use crate::forecast::data::Windows;
use crate::forecast::models::Forecaster;
use crate::nn::Loss;
use crate::nn::cmamba::ChannelMixup;
use crate::{Error, Result};

/// The windows that a part of an experiment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those that choose when to stop.
    Validation,
    /// Those that judge.
    Test,
}

/// What a run tells as it goes. The answer `Break` stops it, at a place from which it can go on.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It goes on from a checkpoint.
    Resumed {
        /// Counted from 1.
        epoch: usize,
        /// How many of its iterations were done.
        iteration: usize,
    },
    /// An iteration has ended.
    Trained {
        /// Counted from 1.
        epoch: usize,
        /// Counted from 1.
        iteration: usize,
        /// How many an epoch has.
        iterations: usize,
        /// Of this iteration.
        loss: f64,
    },
    /// A batch was forecast, without learning.
    Judged {
        /// Which windows.
        part: Part,
        /// How many were forecast.
        windows: usize,
        /// How many there are.
        of: usize,
    },
    /// An epoch has ended, and its checkpoint is written.
    Epoch {
        /// What came out.
        epoch: &'a Epoch,
        /// Epochs since validation was last better; 0 if this one was. At the patience training stops.
        waiting: usize,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // One a run.
pub enum Outcome {
    /// Trained and tested.
    Finished(Report),
    /// Stopped by the caller; with a checkpoint it goes on from here.
    Interrupted {
        /// The epoch under way, counted from 1.
        epoch: usize,
        /// How many of its iterations were done.
        iteration: usize,
    },
}

/// Training and testing one model on one table.
///
/// In each epoch: the windows in an order of its own; batches of `batch_size`, what is left over is dropped; mixup of
/// window and target by one draw; a step of [`Adam`] down the [`Loss`]. Then the validation loss over every window.
/// After `patience` epochs in a row without a better one, or all epochs, the best epoch's weights are put back and judged
/// by MSE and MAE over every test window.
///
/// # Numerics
/// Scores are sums in f64. What is drawn in an iteration is decided by seed, epoch and iteration: so the same seed gives
/// the same result on any number of threads, and a run that was stopped and resumed gives what one in a piece gives, to
/// the bit.
///
/// The published code takes the mean of an epoch's losses over windows, too; counts a validation loss that is equal as
/// better; and judges the best epoch's weights.
///
/// Source: `exp/exp_long_term_forecasting.py` of the published code (zclzcl0223/CMamba, commit 7816659).
///
/// ```
/// use std::ops::ControlFlow;
///
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::{Init, VarMap};
/// use mlnotes::forecast::data::Windows;
/// use mlnotes::forecast::experiment::{Outcome, Run, Settings};
/// use mlnotes::forecast::models::Forecaster;
/// use mlnotes::nn::Loss;
/// use mlnotes::random::RandomState;
/// use ndarray::Array2;
///
/// /// ŷ = w x, from one step to the next.
/// struct Factor(VarMap, Tensor);
///
/// impl Forecaster for Factor {
///     fn name(&self) -> &'static str {
///         "Factor"
///     }
///     fn forward(&self, x: &Tensor, _: Option<&mut RandomState>) -> mlnotes::Result<Tensor> {
///         Ok(x.broadcast_mul(&self.1)?)
///     }
///     fn weights(&self) -> &VarMap {
///         &self.0
///     }
/// }
///
/// // Each step is −1 times the last.
/// let table = |rows| Windows::new(Array2::from_shape_fn((rows, 1), |(t, _)| if t % 2 == 0 { 1.0 } else { -1.0 }), 1, 1);
/// let (train, validation, test) = (table(33)?, table(9)?, table(9)?);
/// let weights = VarMap::new();
/// let w = weights.get(1, "w", Init::Const(0.0), DType::F32, &Device::Cpu)?;
/// let model = Factor(weights, w);
///
/// let settings = Settings { batch_size: 8, learning_rate: 0.1, loss: Loss::Mse, ..Settings::default() };
/// let run = Run::new(&model, "alternating", [&train, &validation, &test], settings)?;
/// let Outcome::Finished(report) = run.train(&mut |_| ControlFlow::Continue(()))? else { panic!("nobody stops it") };
/// assert!(report.test.mse < 0.01);
/// assert!(report.epochs.len() <= 10); // fewer where three in a row bring nothing
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub struct Run<'a> {
    model: &'a dyn Forecaster,
    data: String,
    train: &'a Windows,
    validation: &'a Windows,
    test: &'a Windows,
    settings: Settings,
    notes: BTreeMap<String, String>,
    checkpoint: Option<PathBuf>,
}

/// Who watches a run: see [`Event`].
pub type Watch<'a> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 'a;

impl<'a> Run<'a> {
    /// A model, the name of the data, its windows for training, validation and test, and how to train.
    ///
    /// # Errors
    /// Settings with which nothing can be trained; windows of different lengths or channels; fewer of them for training
    /// than one batch takes.
    pub fn new(
        model: &'a dyn Forecaster,
        data: impl Into<String>,
        windows: [&'a Windows; 3],
        settings: Settings,
    ) -> Result<Self> {
        settings.validate()?;
        let [train, validation, test] = windows;
        let sizes = |windows: &Windows| [windows.seq_len(), windows.pred_len(), windows.channels()];
        for (arg, other) in [("validation", validation), ("test", test)] {
            if sizes(other) != sizes(train) {
                let expected =
                    format!("{:?} (seq_len, pred_len, channels), as the training windows have,", sizes(train));
                return Err(Error::shape(arg, expected, &sizes(other)));
            }
        }
        let learns = !model.weights().all_vars().is_empty();
        if learns && train.len() < settings.batch_size {
            let allowed =
                format!("at most {}, the number of training windows: an incomplete batch is dropped", train.len());
            return Err(Error::domain("batch_size", settings.batch_size, allowed));
        }
        let (data, notes) = (data.into(), BTreeMap::new());
        Ok(Self { model, data, train, validation, test, settings, notes, checkpoint: None })
    }

    /// What else the result depends on, such as a size of the model: reports show it, and a checkpoint is only resumed
    /// where it is the same.
    pub fn note(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.notes.insert(name.into(), value.to_string());
        self
    }

    /// The file to write after each epoch and when stopped.
    pub fn checkpoint(mut self, path: impl Into<PathBuf>) -> Self {
        self.checkpoint = Some(path.into());
        self
    }

    /// Trains from the model's weights as they are, then tests; the model keeps the best weights.
    ///
    /// # Errors
    /// A loss or slope that is not finite, with its place and remedy; a checkpoint that cannot be written, the one before
    /// stays; the model's errors.
    pub fn train(&self, watch: &mut Watch<'_>) -> Result<Outcome> {
        let adam = Adam::new(self.weights())?;
        self.go(State::start(), adam, Vec::new(), watch)
    }

    /// Goes on where the checkpoint is; one of a finished run is tested again.
    ///
    /// # Errors
    /// As [`train`](Self::train); a checkpoint that is missing, damaged, or of another model, data or setting, with what
    /// differs.
    pub fn resume(&self, watch: &mut Watch<'_>) -> Result<Outcome> {
        let Some(path) = &self.checkpoint else {
            return Err(Error::Empty { arg: "checkpoint", remedy: "name the file to resume from" });
        };
        let checkpoint = Checkpoint::load(path)?;
        checkpoint.is_of(&self.identity(), |_| true)?;
        let mut adam = Adam::new(self.weights())?;
        let best = checkpoint.best(&adam.weights)?;
        checkpoint.restore(&mut adam)?;
        let state = checkpoint.state;
        match watch(Event::Resumed { epoch: state.epoch, iteration: state.iteration }) {
            ControlFlow::Continue(()) => self.go(state, adam, best, watch),
            ControlFlow::Break(()) => Ok(Outcome::Interrupted { epoch: state.epoch, iteration: state.iteration }),
        }
    }

    /// Tests the best weights of a checkpoint, without training: `--is_training 0`. The model keeps them. How it was
    /// trained does not matter, nor on what data.
    ///
    /// # Errors
    /// As [`resume`](Self::resume); a checkpoint from before the first epoch's end.
    pub fn test(&self, path: &Path, watch: &mut Watch<'_>) -> Result<Outcome> {
        let checkpoint = Checkpoint::load(path)?;
        checkpoint.is_of(&self.identity(), |key| key == "model")?;
        let weights = self.weights();
        let best = checkpoint.best(&weights)?;
        if checkpoint.state.best.is_none() {
            return Err(Error::file(path, "is from before the end of the first epoch: resume it and let one end"));
        }
        self.finish(checkpoint.state, &weights, &best, Vec::new(), watch)
    }

    fn go(&self, mut state: State, mut adam: Adam, mut best: Vec<Tensor>, watch: &mut Watch<'_>) -> Result<Outcome> {
        let Settings { batch_size, patience, train_epochs, loss, seed, .. } = self.settings;
        let identity = self.identity();
        let save = |state: &State, adam: &Adam, best: &[Tensor]| match &self.checkpoint {
            Some(path) if !adam.weights.is_empty() => checkpoint::save(path, &identity, state, adam, best),
            _ => Ok(()),
        };
        let mut times = Vec::new();
        state.finished |= adam.weights.is_empty();
        while !state.finished {
            let (start, before) = (Instant::now(), state.seconds);
            let rate = self.settings.schedule.rate(self.settings.learning_rate, state.epoch, train_epochs);
            let order = stream(seed, state.epoch, 0).permutation(self.train.len());
            // What is left over is no batch.
            let batches = order.chunks_exact(batch_size);
            let iterations = batches.len();
            for batch in batches.skip(state.iteration) {
                let begun = Instant::now();
                let value = self.iteration(&mut adam, batch, rate, (state.epoch, state.iteration + 1))?;
                state.loss += value;
                state.iteration += 1;
                state.seconds = before + start.elapsed().as_secs_f64();
                times.push(begun.elapsed().as_secs_f64());
                let event = Event::Trained { epoch: state.epoch, iteration: state.iteration, iterations, loss: value };
                if watch(event).is_break() {
                    save(&state, &adam, &best)?;
                    return Ok(Outcome::Interrupted { epoch: state.epoch, iteration: state.iteration });
                }
            }
            let place = (state.epoch, iterations);
            let validation = self.judge(Part::Validation, adam.steps, place, watch)?;
            // Only looked at: the published code prints it.
            let test = match &validation {
                Some(_) => self.judge(Part::Test, adam.steps, place, watch)?,
                None => None,
            };
            let (Some(validation), Some(test)) = (validation, test) else {
                save(&state, &adam, &best)?;
                return Ok(Outcome::Interrupted { epoch: state.epoch, iteration: state.iteration });
            };
            state.seconds = before + start.elapsed().as_secs_f64();
            let judged = |scores: Scores| if loss == Loss::Mae { scores.mae } else { scores.mse };
            if !judged(validation).is_finite() {
                return Err(diverged("the validation loss", state.epoch, iterations));
            }
            let spent = state.seconds - state.epochs.iter().map(|epoch| epoch.seconds).sum::<f64>();
            let train = state.loss / iterations as f64;
            let epoch = Epoch { epoch: state.epoch, learning_rate: rate, train, validation, test, seconds: spent };
            let lowest =
                state.best.and_then(|best| state.epochs.get(best.checked_sub(1)?)).map(|best| judged(best.validation));
            state.epochs.push(epoch);
            if lowest.is_none_or(|lowest| judged(validation) <= lowest) {
                (state.best, state.waiting) = (Some(state.epoch), 0);
                best = adam.weights.iter().map(|(_, weight)| weight.copy()).collect::<candle_core::Result<_>>()?;
            } else {
                state.waiting += 1;
            }
            state.finished = state.waiting >= patience || state.epoch >= train_epochs;
            (state.epoch, state.iteration, state.loss) = (state.epoch + 1, 0, 0.0);
            save(&state, &adam, &best)?;
            if watch(Event::Epoch { epoch: &epoch, waiting: state.waiting }).is_break() {
                return Ok(Outcome::Interrupted { epoch: state.epoch, iteration: 0 });
            }
        }
        self.finish(state, &adam.weights, &best, times, watch)
    }

    /// The best weights put back, and tested.
    fn finish(
        &self,
        state: State,
        weights: &[(String, Var)],
        best: &[Tensor],
        mut times: Vec<f64>,
        watch: &mut Watch<'_>,
    ) -> Result<Outcome> {
        checkpoint::set(weights, best)?;
        let place = (state.epoch, state.iteration);
        let Some(test) = self.judge(Part::Test, 0, place, watch)? else {
            return Ok(Outcome::Interrupted { epoch: state.epoch, iteration: state.iteration });
        };
        times.sort_by(f64::total_cmp);
        Ok(Outcome::Finished(Report {
            model: self.model.name().to_owned(),
            data: self.data.clone(),
            seq_len: self.train.seq_len(),
            pred_len: self.train.pred_len(),
            channels: self.train.channels(),
            windows: [self.train, self.validation, self.test].map(Windows::len),
            parameters: self.model.parameter_count(),
            settings: self.settings,
            notes: self.notes.clone(),
            best_epoch: state.best,
            epochs: state.epochs,
            test,
            seconds: state.seconds,
            seconds_per_iteration: times.get(times.len() / 2).copied(),
            peak_memory: peak_memory(),
        }))
    }

    /// One step; the loss before it.
    fn iteration(&self, adam: &mut Adam, batch: &[usize], rate: f64, place: (usize, usize)) -> Result<f64> {
        let mut random = stream(self.settings.seed, place.0, place.1);
        let (mut x, mut y) = self.batch(self.train, batch)?;
        if let Some(sigma) = self.settings.mixup {
            let mixup = ChannelMixup::draw(batch.len(), self.train.channels(), sigma, &mut random)?;
            (x, y) = (mixup.apply(&x)?, mixup.apply(&y)?);
        }
        let (value, slopes) =
            self.model.slopes(&x, &y, self.settings.loss, &mut random).map_err(refused(adam.steps, place))?;
        if !value.is_finite() {
            return Err(diverged("the training loss", place.0, place.1));
        }
        adam.step(rate, |name, _| slopes.get(name)).map_err(|error| match error {
            Error::NonFinite { .. } => diverged("a slope", place.0, place.1),
            other => other,
        })?;
        Ok(value)
    }

    fn batch(&self, windows: &Windows, batch: &[usize]) -> Result<(Tensor, Tensor)> {
        let (x, y) = windows.batch(batch)?;
        let dtype = self.model.weights().all_vars().first().map_or(DType::F32, |weight| weight.dtype());
        Ok((x.to_dtype(dtype)?, y.to_dtype(dtype)?))
    }

    /// None if stopped.
    fn judge(&self, part: Part, steps: u32, place: (usize, usize), watch: &mut Watch<'_>) -> Result<Option<Scores>> {
        let windows = if part == Part::Validation { self.validation } else { self.test };
        let (mut squares, mut absolutes, mut count) = (0.0, 0.0, 0_usize);
        let all: Vec<usize> = (0..windows.len()).collect();
        for batch in all.chunks(self.settings.batch_size) {
            let (x, y) = self.batch(windows, batch)?;
            let forecast = self.model.forecast(&x).map_err(refused(steps, place))?;
            if forecast.dims() != y.dims() {
                let expected = format!("{:?} (batch, pred_len, channels)", y.dims());
                return Err(Error::shape("forecast", expected, forecast.dims()));
            }
            let forecast = forecast.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
            let target = y.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
            for (forecast, target) in forecast.iter().zip(&target) {
                let difference = forecast - target;
                squares += difference * difference;
                absolutes += difference.abs();
            }
            count += target.len();
            let done = batch[batch.len() - 1] + 1;
            if watch(Event::Judged { part, windows: done, of: windows.len() }).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(Scores { mse: squares / count as f64, mae: absolutes / count as f64 }))
    }

    /// By name, so that their order is always the same.
    fn weights(&self) -> Vec<(String, Var)> {
        let data = self.model.weights().data().lock().unwrap_or_else(PoisonError::into_inner);
        let mut weights: Vec<_> = data.iter().map(|(name, weight)| (name.clone(), weight.clone())).collect();
        weights.sort_by(|(a, _), (b, _)| a.cmp(b));
        weights
    }

    fn identity(&self) -> Identity {
        let mut identity = self.notes.clone();
        if let Ok(serde_json::Value::Object(settings)) = serde_json::to_value(self.settings) {
            identity.extend(settings.into_iter().map(|(name, value)| (name, value.to_string())));
        }
        let data = [self.train, self.validation, self.test].map(checkpoint::fingerprint).join(" ");
        let also = [
            ("model", self.model.name().to_owned()),
            ("data", self.data.clone()),
            ("windows", data),
            ("seq_len", self.train.seq_len().to_string()),
            ("pred_len", self.train.pred_len().to_string()),
        ];
        identity.extend(also.map(|(name, value)| (name.to_owned(), value)));
        identity
    }
}

/// Once a step was made, shapes are known to fit: whatever a model refuses then is a number that its weights lead to.
fn refused(steps: u32, place: (usize, usize)) -> impl Fn(Error) -> Error {
    move |error| if steps == 0 { error } else { diverged("a number within the model", place.0, place.1) }
}

fn diverged(what: &'static str, epoch: usize, iteration: usize) -> Error {
    Error::Diverged { what, epoch, iteration }
}
