//! How far back does a layer remember whose state is diagonal? S4D (对角状态空间层), to be trained.

use candle_core::{D, DType, Tensor};
use candle_nn::{VarBuilder, VarMap};

use super::slices::insert;
use super::{exponential_kernel, long_convolution};
use crate::random::RandomState;
use crate::ssm::lti::Rule;
use crate::ssm::s4::{self, S4dInit};
use crate::{Result, validate};

/// A layer of independent diagonal state space models, one a channel: (batch, length, channels) to the same.
///
/// y = K ∗ u + D u, K_l = 2 Re Σ_n C_n B̄_n e^{Δ A_n l}, B̄_n = (e^{Δ A_n} − 1) / A_n, the zero-order hold of B = 1
///
/// | parameter | shape | |
/// | --- | --- | --- |
/// | `log_dt` | (channels) | log Δ |
/// | `log_A_real` | (channels, modes) | log(−Re A), so that nothing grows |
/// | `A_imag` | (channels, modes) | Im A |
/// | `C` | (channels, modes, 2) | real and imaginary part |
/// | `D` | (channels) | |
///
/// What mixes channels and is not linear (a dense layer, an activation) comes after it and is not in it. Values at a
/// length of 16,384 and other rules than the zero-order hold: [`ssm::s4`](crate::ssm).
///
/// Source: Gu, Gupta, Goel and Ré, *On the parameterization and initialization of diagonal state space models* (2022).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use mlnotes::nn::S4d;
/// use mlnotes::ssm::s4::S4dInit;
///
/// let weights = S4d::initial(3, 8, S4dInit::Lin, (0.001, 0.1), DType::F64, 1)?;
/// let layer = S4d::new(3, 8, VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu))?;
/// let impulse = Tensor::cat(&[Tensor::ones((1, 1, 3), DType::F64, &Device::Cpu)?, Tensor::zeros((1, 9, 3), DType::F64, &Device::Cpu)?], 1)?;
/// // The answer to an impulse is the kernel, but for D at once.
/// let (y, kernel) = (layer.forward(&impulse)?.get(0)?.t()?, layer.kernel(10)?);
/// let difference = (y.narrow(1, 1, 9)? - kernel.narrow(1, 1, 9)?)?.abs()?.max_all()?.to_scalar::<f64>()?;
/// assert!(difference < 1e-14);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct S4d {
    log_dt: Tensor,
    log_a_real: Tensor,
    a_imag: Tensor,
    c: Tensor,
    d: Tensor,
}

impl S4d {
    /// The layer with the weights that `weights` names as above.
    ///
    /// # Errors
    /// A weight that is missing or has another shape, with its name; no channel or no mode.
    pub fn new(channels: usize, modes: usize, weights: VarBuilder<'_>) -> Result<Self> {
        validate::at_least_one("channels", channels)?;
        validate::at_least_one("modes", modes)?;
        Ok(Self {
            log_dt: weights.get(channels, "log_dt")?,
            log_a_real: weights.get((channels, modes), "log_A_real")?,
            a_imag: weights.get((channels, modes), "A_imag")?,
            c: weights.get((channels, modes, 2), "C")?,
            d: weights.get(channels, "D")?,
        })
    }

    /// Weights to start from, drawn as [`ssm::s4::S4d::random`](crate::ssm::s4::S4d::random) draws them.
    ///
    /// # Errors
    /// No channel or no mode; steps that are not above 0 and in order; a `dtype` that is neither f32 nor f64.
    pub fn initial(
        channels: usize,
        modes: usize,
        init: S4dInit,
        steps: (f64, f64),
        dtype: DType,
        seed: u32,
    ) -> Result<VarMap> {
        let mut random = RandomState::new(seed);
        let drawn = s4::S4d::random(init, channels, modes, steps, Rule::ZeroOrderHold, &mut random)?;
        let (a, each) = (drawn.eigenvalues(), [channels, modes]);
        let weights = VarMap::new();
        insert(&weights, "log_dt", drawn.steps().mapv(f64::ln).to_vec(), &[channels], dtype)?;
        insert(&weights, "log_A_real", a.iter().map(|a| (-a.re).ln()).collect(), &each, dtype)?;
        insert(&weights, "A_imag", a.iter().map(|a| a.im).collect(), &each, dtype)?;
        insert(&weights, "C", drawn.c().iter().flat_map(|c| [c.re, c.im]).collect(), &[channels, modes, 2], dtype)?;
        insert(&weights, "D", drawn.d().to_vec(), &[channels], dtype)?;
        Ok(weights)
    }

    /// K, (channels, length).
    ///
    /// # Errors
    /// candle's.
    pub fn kernel(&self, length: usize) -> Result<Tensor> {
        let step = self.log_dt.exp()?.unsqueeze(1)?;
        let (a_real, a_imag) = (self.log_a_real.exp()?.neg()?, &self.a_imag);
        let (s_real, s_imag) = (a_real.broadcast_mul(&step)?, a_imag.broadcast_mul(&step)?);
        // B̄ = (e^s − 1) / A, with 1 / A = conj(A) / |A|².
        // e^s − 1 without a difference of nearly equal numbers, as s is small: e^a − 1 = 2 t / (1 − t) with t = tanh(a/2), and
        // e^{a+bi} − 1 = (e^a − 1) cos b − 2 sin²(b/2) + i e^a sin b.
        let t = (&s_real / 2.0)?.tanh()?;
        let less_one = ((&t * 2.0)? / (1.0 - &t)?)?;
        let up = (less_one.mul(&s_imag.cos()?)? - ((&s_imag / 2.0)?.sin()?.sqr()? * 2.0)?)?;
        let turned = s_real.exp()?.mul(&s_imag.sin()?)?;
        let norm = (a_real.sqr()? + a_imag.sqr()?)?;
        let b_real = ((up.mul(&a_real)? + turned.mul(a_imag)?)? / &norm)?;
        let b_imag = ((turned.mul(&a_real)? - up.mul(a_imag)?)? / &norm)?;
        let (c_real, c_imag) = (self.c.narrow(2, 0, 1)?.squeeze(2)?, self.c.narrow(2, 1, 1)?.squeeze(2)?);
        let real = (c_real.mul(&b_real)? - c_imag.mul(&b_imag)?)?;
        let imag = (c_real.mul(&b_imag)? + c_imag.mul(&b_real)?)?;
        exponential_kernel(&Tensor::stack(&[s_real, s_imag], 2)?, &Tensor::stack(&[real, imag], 2)?, length)
    }

    /// (batch, length, channels) to the same.
    ///
    /// # Errors
    /// Another shape or kind of numbers; numbers that are not finite.
    pub fn forward(&self, u: &Tensor) -> Result<Tensor> {
        let y = long_convolution(u, &self.kernel(u.dim(D::Minus2)?)?)?;
        Ok((y + u.broadcast_mul(&self.d)?)?)
    }
}
