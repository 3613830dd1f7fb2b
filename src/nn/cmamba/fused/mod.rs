//! The same model as fast as a processor allows: some windows at a time through all of it and back, on every core.
//!
//! candle's graph computes each operation for the whole batch before the next begins, so that every number goes out to
//! memory and comes back. Windows do not see each other: here eight of them pass through the model at a time, forward and
//! backward, and what they leave stays in a core's caches. The slopes of all chunks are added up in one order, whatever
//! the number of threads.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `chunk.rs` | the equations of [`CMamba`](super::CMamba), forward and backward, in the order they are computed |
//! | `passes.rs` | what happens between the products of matrices, a pass over memory each |
//! | `gate.rs` | the two MLPs of GDD-MLP |
//! | `matrix.rs`, `weights.rs` | products into slices; one slice as all weights |

mod chunk;
mod gate;
mod matrix;
mod passes;
mod weights;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Tensor, Var};
use candle_nn::VarMap;

use self::chunk::{Compiled, Job, Plan, Room, Wanted};
use self::weights::Parts;
use super::Config;
use super::model::{check_windows, positions};
use crate::nn::Loss;
use crate::nn::slices::{Held, tensor};
use crate::numerics::{on_candle_threads, threads};
use crate::random::{Philox, RandomState};
use crate::{Error, Result, validate};

/// Windows of a chunk: 56 sequences where there are seven channels.
const WINDOWS: usize = 8;

/// [`CMamba`](super::CMamba) for training: values and slopes of the same equations, several times faster, in a few MB
/// whatever the batch.
///
/// # Numerics
/// f32 or f64, on the CPU. exp, softplus and SiLU are own polynomials, as in the selective scan. Of features that are equal
/// and largest the first gets the gradient of GDD-MLP's maximum. The number of threads changes nothing, not even the last
/// bit.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use mlnotes::nn::Loss;
/// use mlnotes::nn::cmamba::{CMamba, Config, Fused};
///
/// let config = Config { d_model: 8, d_ff: 8, pred_len: 24, enc_in: 2, ..Config::paper() };
/// let weights = config.initial(DType::F64, 0)?;
/// let (model, fused) = (
///     CMamba::new(&config, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu))?,
///     Fused::new(&config, &weights)?,
/// );
/// let x = Tensor::arange(0.0, 192.0, &Device::Cpu)?.reshape((1, 96, 2))?.sin()?;
/// let difference = (fused.forward(&x)? - model.forward(&x, None)?)?.abs()?.max_all()?.to_scalar::<f64>()?;
/// assert!(difference < 1e-12);
///
/// let target = Tensor::ones((1, 24, 2), DType::F64, &Device::Cpu)?;
/// let (loss, slopes) = fused.slopes(&x, &target, Loss::Mae, None)?;
/// assert!((loss - Loss::Mae.of(&model.forward(&x, None)?, &target)?.to_scalar::<f64>()?).abs() < 1e-12);
/// assert_eq!(slopes["head.linear.bias"].dims(), [24]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub struct Fused {
    config: Config,
    weights: Vec<(String, Var)>,
    dtype: DType,
    threads: usize,
    rooms: (Mutex<Rooms<f32>>, Mutex<Rooms<f64>>),
}

/// What is used again from call to call.
#[derive(Default)]
struct Rooms<T: Compiled> {
    rooms: Vec<Room<T>>,
    slopes: Vec<Vec<T>>,
}

impl std::fmt::Debug for Fused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fused: {} weights, {:?}, {} threads", self.config.parameter_count(), self.dtype, self.threads)
    }
}

impl Fused {
    /// The model that reads these variables, named as in [`Config::parameters`]: setting them changes it. As many threads as
    /// the machine has cores, or as `RAYON_NUM_THREADS` says.
    ///
    /// # Errors
    /// Sizes that make no model; one without selection; a weight that is missing, has another shape, or is neither f32 nor
    /// f64 on the CPU.
    pub fn new(config: &Config, weights: &VarMap) -> Result<Self> {
        if !config.selective {
            let allowed = "true, as the fused form has no other scan: take `CMamba` for a model without selection";
            return Err(Error::domain("selective", false, allowed));
        }
        let data = weights.data().lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = Vec::new();
        for (name, shape) in config.parameters()? {
            let Some(variable) = data.get(&name) else {
                return Err(Error::domain("weights", format!("without {name}"), "all that `Config::parameters` names"));
            };
            if variable.dims() != shape {
                let allowed = format!("{shape:?} for this configuration");
                return Err(Error::domain("weights", format!("{name} of the shape {:?}", variable.dims()), allowed));
            }
            own.push((name, variable.clone()));
        }
        let dtype = own[0].1.dtype();
        if let Some((name, odd)) = own.iter().find(|(_, variable)| {
            variable.dtype() != dtype || !matches!(dtype, DType::F32 | DType::F64) || !variable.device().is_cpu()
        }) {
            let value = format!("{name} in {:?} on {:?}", odd.dtype(), odd.device().location());
            return Err(Error::domain("weights", value, "all f32 or all f64, on the CPU"));
        }
        Ok(Self { config: *config, weights: own, dtype, threads: threads(), rooms: Default::default() })
    }

    /// On so many threads.
    ///
    /// # Errors
    /// None at all.
    pub fn threads(mut self, threads: usize) -> Result<Self> {
        validate::at_least_one("threads", threads)?;
        self.threads = threads;
        Ok(self)
    }

    /// Windows (batch, seq_len, V) to forecasts (batch, pred_len, V), without dropout.
    ///
    /// # Errors
    /// As [`CMamba::forward`](super::CMamba::forward).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        check_windows(x, &self.config, self.dtype)?;
        match self.dtype {
            DType::F32 => self.forecast::<f32>(x, &self.rooms.0),
            _ => self.forecast::<f64>(x, &self.rooms.1),
        }
    }

    /// The loss against the targets (batch, pred_len, V), and its slope by every weight, by name. With a generator as in
    /// training: the masks are those of [`CMamba::forward`](super::CMamba::forward).
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and the same for the targets.
    pub fn slopes(
        &self,
        x: &Tensor,
        target: &Tensor,
        loss: Loss,
        train: Option<&mut RandomState>,
    ) -> Result<(f64, HashMap<String, Tensor>)> {
        check_windows(x, &self.config, self.dtype)?;
        let shape = [x.dims()[0], self.config.pred_len, self.config.enc_in];
        if target.dims() != shape || target.dtype() != self.dtype {
            let expected = format!("{shape:?} of {:?}", self.dtype);
            return Err(Error::shape("target", expected, target.dims()));
        }
        let masks = self.config.masks(train);
        match self.dtype {
            DType::F32 => self.slopes_in::<f32>(x, target, loss, masks, &self.rooms.0),
            _ => self.slopes_in::<f64>(x, target, loss, masks, &self.rooms.1),
        }
    }

    fn forecast<T: Compiled>(&self, x: &Tensor, rooms: &Mutex<Rooms<T>>) -> Result<Tensor> {
        let (flat, positions) = self.flat::<T>()?;
        let plan = self.plan(&flat, &positions, x.dims()[0], None, Loss::Mae)?;
        let x = x.contiguous()?;
        let held = Held::of(&x);
        let Config { seq_len, enc_in, pred_len, .. } = self.config;
        let shape = (plan.batch, pred_len, enc_in);
        let mut y = vec![T::zero(); plan.batch * pred_len * enc_in];
        let inputs = held.entries::<T>()?.chunks(WINDOWS * seq_len * enc_in);
        let jobs = inputs.zip(y.chunks_mut(WINDOWS * pred_len * enc_in)).enumerate();
        let jobs = jobs.map(|(i, (x, y))| Job { plan: &plan, first: i * WINDOWS, x, to: Wanted::Forecast(y) });
        self.run(jobs.collect(), rooms)?;
        Ok(tensor(y, shape)?)
    }

    fn slopes_in<T: Compiled>(
        &self,
        x: &Tensor,
        target: &Tensor,
        loss: Loss,
        masks: Option<Philox>,
        rooms: &Mutex<Rooms<T>>,
    ) -> Result<(f64, HashMap<String, Tensor>)> {
        let (flat, positions) = self.flat::<T>()?;
        let plan = self.plan(&flat, &positions, x.dims()[0], masks, loss)?;
        let (x, target) = (x.contiguous()?, target.contiguous()?);
        let (x, target) = (Held::of(&x), Held::of(&target));
        let Config { seq_len, enc_in, pred_len, .. } = self.config;
        let inputs = x.entries::<T>()?.chunks(WINDOWS * seq_len * enc_in);
        let targets = target.entries::<T>()?.chunks(WINDOWS * pred_len * enc_in);
        let mut slopes = std::mem::take(&mut rooms.lock().unwrap_or_else(PoisonError::into_inner).slopes);
        slopes.resize_with(inputs.len(), Vec::new);
        slopes.iter_mut().for_each(|slopes| slopes.resize(flat.len(), T::zero()));
        let jobs = inputs.zip(targets).zip(&mut slopes).enumerate();
        let jobs = jobs.map(|(i, ((x, target), slopes))| {
            let to = Wanted::Slopes(target, slopes);
            Job { plan: &plan, first: i * WINDOWS, x, to }
        });
        let losses = self.run(jobs.collect(), rooms)?;
        let mut by_name = HashMap::with_capacity(self.weights.len());
        let mut from = 0;
        for (name, weight) in &self.weights {
            let to = from + weight.elem_count();
            let mut sum = slopes[0][from..to].to_vec();
            for slopes in &slopes[1..] {
                sum.iter_mut().zip(&slopes[from..to]).for_each(|(sum, &slope)| *sum += slope);
            }
            by_name.insert(name.clone(), tensor(sum, weight.shape())?);
            from = to;
        }
        rooms.lock().unwrap_or_else(PoisonError::into_inner).slopes = slopes;
        Ok((losses.iter().sum(), by_name))
    }

    /// All weights in one, and the positions.
    fn flat<T: Compiled>(&self) -> Result<(Vec<T>, Vec<T>)> {
        let mut flat = Vec::with_capacity(self.config.parameter_count());
        for (_, weight) in &self.weights {
            let weight = weight.as_tensor().contiguous()?;
            flat.extend_from_slice(Held::of(&weight).entries::<T>()?);
        }
        let positions = positions(self.config.patch_num()?, self.config.d_model)?.to_dtype(self.dtype)?;
        let positions = Held::of(&positions).entries::<T>()?.to_vec();
        Ok((flat, positions))
    }

    fn plan<'a, T: Compiled>(
        &self,
        flat: &'a [T],
        positions: &'a [T],
        batch: usize,
        masks: Option<Philox>,
        loss: Loss,
    ) -> Result<Plan<'a, T>> {
        let (config, patches) = (self.config, self.config.patch_num()?);
        let mut rest = flat;
        let weights = Parts::new(&config, patches, |length| {
            let (here, after) = rest.split_at(length);
            rest = after;
            here
        });
        let a = |layer: &weights::Layer<&[T]>| {
            let a: Vec<T> = layer.a_log.iter().map(|&log| T::from_f64(-Into::<f64>::into(log).exp())).collect();
            a.repeat(config.d_ff)
        };
        let a = weights.layers.iter().map(a).collect();
        Ok(Plan { config, patches, weights, positions, a, batch, masks, loss })
    }

    /// Each job's share of the loss, in the jobs' order.
    fn run<T: Compiled>(&self, jobs: Vec<Job<'_, T>>, rooms: &Mutex<Rooms<T>>) -> Result<Vec<f64>> {
        let work = |job, _: &mut ()| {
            let room = rooms.lock().unwrap_or_else(PoisonError::into_inner).rooms.pop();
            let mut room = room.unwrap_or_default();
            let done = T::run(job, &mut room);
            rooms.lock().unwrap_or_else(PoisonError::into_inner).rooms.push(room);
            done
        };
        on_candle_threads(self.threads, jobs, work).into_iter().collect()
    }
}
