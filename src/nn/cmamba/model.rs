//! From a window to the forecast.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::config::{EMBEDDING, HEAD_BIAS, HEAD_WEIGHT};
use super::{Config, GddMlp, MMamba, PatchBlock, normalise, patches};
use crate::nn::mamba::product;
use crate::random::{Philox, RandomState};
use crate::{Error, Result};

/// CMamba: what [the module](super) says, with the weights of a [`Config`].
///
/// `B` is the block of each layer: M-Mamba, unless [`with_blocks`](Self::with_blocks) makes another.
///
/// # Numerics
/// Dropout stands where the published code has it: after the embedding (`head_dropout`), after each block (`dropout`) and
/// on the forecast before it is scaled back (`head_dropout`). What is kept is divided by the share kept. Masks are
/// drawn in this order, in the order of the tensors' entries, from one [`Philox`] whose key the generator gives.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use mlnotes::nn::cmamba::{CMamba, Config};
/// use mlnotes::random::RandomState;
///
/// let config = Config { d_model: 8, d_ff: 8, pred_len: 24, enc_in: 2, ..Config::paper() };
/// let weights = config.initial(DType::F64, 0)?;
/// let model = CMamba::new(&config, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu))?;
/// // A day's wave, and one that is 100 times as large and elsewhere: the model sees the same of both, its GDD-MLP apart.
/// let wave = |t: usize| (t as f64 / 24.0 * std::f64::consts::TAU).sin();
/// let x: Vec<f64> = (0..96).flat_map(|t| [wave(t), 100.0 * wave(t) + 7.0]).collect();
/// let x = Tensor::from_vec(x, (1, 96, 2), &Device::Cpu)?;
/// let y = model.forward(&x, None)?;
/// assert_eq!(y.dims(), [1, 24, 2]);
/// // In training some of it is silenced at random.
/// let trained = model.forward(&x, Some(&mut RandomState::new(1)))?;
/// assert_ne!(trained.to_vec3::<f64>()?, y.to_vec3::<f64>()?);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CMamba<B = MMamba> {
    config: Config,
    embedding: Tensor,
    /// (patches, d_model).
    positions: Tensor,
    layers: Vec<(B, Option<GddMlp>)>,
    head: (Tensor, Tensor),
}

impl CMamba {
    /// The model with these weights, named as in the published code: [`Config::parameters`].
    ///
    /// # Errors
    /// Sizes that make no model; a weight that is missing or has another shape, with its name.
    pub fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        Self::with_blocks(config, weights, |weights| MMamba::new(config, weights))
    }

    /// How many numbers are learned.
    pub fn parameter_count(&self) -> usize {
        self.config.parameter_count()
    }
}

impl<B: PatchBlock> CMamba<B> {
    /// The same model around other blocks: `block` makes one of the weights below a layer's name.
    ///
    /// # Errors
    /// As [`new`](CMamba::new), and those of `block`.
    pub fn with_blocks(
        config: &Config,
        weights: VarBuilder<'_>,
        block: impl Fn(VarBuilder<'_>) -> Result<B>,
    ) -> Result<Self> {
        config.validate()?;
        let Config { d_model, pred_len, patch_len, e_layers, gddmlp, .. } = *config;
        let number = config.patch_num()?;
        let layer = |layer: usize| {
            let weights = weights.pp(format!("encoder.layers.{layer}"));
            let gate = gddmlp.then(|| GddMlp::new(config, weights.clone())).transpose()?;
            Ok((block(weights)?, gate))
        };
        let embedding = weights.get((d_model, patch_len), EMBEDDING)?;
        Ok(Self {
            config: *config,
            positions: positions(number, d_model)?.to_dtype(embedding.dtype())?.to_device(embedding.device())?,
            embedding,
            layers: (0..e_layers).map(layer).collect::<Result<Vec<_>>>()?,
            head: (weights.get((pred_len, d_model * number), HEAD_WEIGHT)?, weights.get(pred_len, HEAD_BIAS)?),
        })
    }

    /// The sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A layer's block and gate, from the patches up.
    pub fn layers(&self) -> impl Iterator<Item = (&B, Option<&GddMlp>)> {
        self.layers.iter().map(|(block, gate)| (block, gate.as_ref()))
    }

    /// Windows (batch, seq_len, V) to forecasts (batch, pred_len, V); with a generator as in training, without one the
    /// same each time.
    ///
    /// # Errors
    /// Another shape or kind of numbers than the weights'; on the CPU numbers that are not finite, with their place.
    pub fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> Result<Tensor> {
        check_windows(x, &self.config, self.embedding.dtype())?;
        let Config { enc_in, d_model, patch_len, stride, dropout, head_dropout, .. } = self.config;
        let (batch, number) = (x.dims()[0], self.positions.dims()[0]);
        // Drawn by place in one stream, so that parts of it can be drawn by themselves.
        let masks = self.config.masks(train);
        let mut drawn = 0;
        let mut drop = |tensor: Tensor, share: f64| match masks {
            Some(stream) if share > 0.0 => {
                drawn += tensor.elem_count();
                silence(&tensor, share, stream, drawn - tensor.elem_count())
            }
            _ => Ok(tensor),
        };
        let window = normalise(x)?;
        let pieces = patches(&window.x, patch_len, stride)?.reshape((batch * enc_in, number, patch_len))?;
        let mut u = product(&pieces, &self.embedding)?.broadcast_add(&self.positions)?;
        u = drop(u, head_dropout)?;
        for (block, gate) in &self.layers {
            let mut h = block.forward(&u)?;
            if let Some(gate) = gate {
                let by_channel = gate.forward(&h.reshape((batch, enc_in, number, d_model))?)?;
                h = by_channel.reshape((batch * enc_in, number, d_model))?;
            }
            u = (u + drop(h, dropout)?)?;
        }
        // The published order of the features: all patches of the first, then of the second.
        let features = u.silu()?.transpose(1, 2)?.reshape((batch, enc_in, d_model * number))?;
        let (weight, bias) = &self.head;
        let y = drop(product(&features, weight)?.broadcast_add(bias)?, head_dropout)?;
        window.undo(&y.transpose(1, 2)?)
    }
}

/// An error where these are not windows for such a model.
pub(super) fn check_windows(x: &Tensor, config: &Config, dtype: DType) -> Result<()> {
    check_window(x, config.seq_len, config.enc_in, dtype)
}

/// Windows (batch, seq_len, enc_in) of these numbers, all finite where looking at them is cheap.
pub(crate) fn check_window(x: &Tensor, seq_len: usize, enc_in: usize, dtype: DType) -> Result<()> {
    if x.rank() != 3 || x.dims()[0] == 0 || x.dims()[1..] != [seq_len, enc_in] {
        return Err(Error::shape("x", format!("(batch above 0, {seq_len}, {enc_in})"), x.dims()));
    }
    if x.dtype() != dtype {
        let allowed = format!("{dtype:?} as the weights are: `to_dtype` turns it");
        return Err(Error::domain("x", format!("{:?}", x.dtype()), allowed));
    }
    if x.device().is_cpu() {
        let values = x.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let index = vec![place / (seq_len * enc_in), place / enc_in % seq_len, place % enc_in];
            return Err(Error::NonFinite { arg: "x", index, value: values[place] });
        }
    }
    Ok(())
}

/// Vaswani et al.'s fixed positions: PE_{n,2i} = sin(n / 10000^{2i/E}), PE_{n,2i+1} = cos of the same.
pub(super) fn positions(number: usize, d_model: usize) -> Result<Tensor> {
    let entry = |place: usize| {
        let (patch, feature) = (place / d_model, place % d_model);
        let pair = (feature - feature % 2) as f64;
        let angle = patch as f64 * (-pair / d_model as f64 * 1e4f64.ln()).exp();
        if feature % 2 == 0 { angle.sin() } else { angle.cos() }
    };
    let values: Vec<f64> = (0..number * d_model).map(entry).collect();
    Ok(Tensor::from_vec(values, (number, d_model), &Device::Cpu)?)
}

/// Dropout: 0 for a share of the entries, the rest divided by 1 − share; by the numbers `from` and after of the stream.
pub(crate) fn silence(tensor: &Tensor, share: f64, stream: Philox, from: usize) -> Result<Tensor> {
    let kept = 1.0 / (1.0 - share);
    let mut numbers = vec![0.0; tensor.elem_count()];
    stream.uniform(from, &mut numbers);
    let mask = numbers.into_iter().map(|number| if f64::from(number) < share { 0.0 } else { kept }).collect();
    let mask = Tensor::from_vec::<_, f64>(mask, tensor.shape(), &Device::Cpu)?.to_dtype(tensor.dtype())?;
    Ok((tensor * mask.to_device(tensor.device())?)?)
}
