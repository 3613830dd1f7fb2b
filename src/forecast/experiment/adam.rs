//! The step downhill.

use std::cell::RefCell;

use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Tensor, Var};

use crate::{Error, Result};

const BETA: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// The means of a weight's slopes and of their squares, in its own kind of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Moments {
    F32(Vec<f32>, Vec<f32>),
    F64(Vec<f64>, Vec<f64>),
}

/// Adam, with its moments in the open so that a checkpoint can hold them.
///
/// m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; w ← w − η / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + ε), with β₁ = 0.9,
/// β₂ = 0.999, ε = 1e-8
///
/// # Numerics
/// Weights change in place, as slices: no graph is built, nothing allocated. A weight without a slope stays.
///
/// Source: Kingma and Ba, *Adam: a method for stochastic optimization* (2015), algorithm 1.
///
/// ```
/// use candle_core::{Device, Var};
/// use mlnotes::forecast::experiment::Adam;
///
/// // The first step goes by the rate, whatever the slope's size.
/// let w = Var::new(&[1.0f64, -2.0], &Device::Cpu)?;
/// let mut adam = Adam::new(vec![("w".to_owned(), w.clone())])?;
/// let slopes = (w.as_tensor() * 1e3)?.sqr()?.sum_all()?.backward()?;
/// adam.step(0.1, |_, w| slopes.get(w))?;
/// let moved = w.to_vec1::<f64>()?;
/// assert!((moved[0] - 0.9).abs() < 1e-12 && (moved[1] + 1.9).abs() < 1e-12);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Adam {
    pub(super) weights: Vec<(String, Var)>,
    pub(super) moments: Vec<Moments>,
    pub(super) steps: u32,
}

impl Adam {
    /// For weights by name, moments at 0.
    ///
    /// # Errors
    /// A weight that is neither f32 nor f64.
    pub fn new(weights: Vec<(String, Var)>) -> Result<Self> {
        let zeros = |(name, weight): &(String, Var)| match (weight.dtype(), weight.elem_count()) {
            (DType::F32, n) => Ok(Moments::F32(vec![0.0; n], vec![0.0; n])),
            (DType::F64, n) => Ok(Moments::F64(vec![0.0; n], vec![0.0; n])),
            (other, _) => Err(Error::domain("weights", format!("{other:?} in `{name}`"), "F32 or F64")),
        };
        Ok(Self { moments: weights.iter().map(zeros).collect::<Result<_>>()?, weights, steps: 0 })
    }

    /// One step at this rate, by the slope of each weight, which is asked for by its name and itself.
    ///
    /// # Errors
    /// A slope that is not finite, and then no weight moves; a slope of another shape or kind of numbers; a weight that is
    /// not on the CPU.
    pub fn step<'a>(&mut self, rate: f64, slope: impl Fn(&str, &Tensor) -> Option<&'a Tensor>) -> Result<()> {
        let mut slopes = Vec::with_capacity(self.weights.len());
        for (name, weight) in &self.weights {
            let slope = slope(name, weight).map(Tensor::contiguous).transpose()?;
            if let Some(slope) = &slope {
                if slope.dims() != weight.dims() {
                    return Err(Error::shape("slope", format!("{:?} as of `{name}`", weight.dims()), slope.dims()));
                }
                // Of absolutes, since ∞ − ∞ must not hide in a sum, and one NaN makes it NaN.
                let sum = slope.abs()?.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
                if !sum.is_finite() {
                    let index = not_finite(slope)?;
                    return Err(Error::NonFinite { arg: "slope", index: vec![index], value: sum });
                }
            }
            slopes.push(slope);
        }
        self.steps = self.steps.saturating_add(1);
        let (first, second) = (1.0 - BETA.0.powf(self.steps.into()), 1.0 - BETA.1.powf(self.steps.into()));
        for (((_, weight), moments), slope) in self.weights.iter().zip(&mut self.moments).zip(&slopes) {
            if let Some(slope) = slope {
                let update = Update { rate: rate / first, second: second.sqrt(), moments: RefCell::new(moments) };
                weight.inplace_op2(slope, &update)?;
            }
        }
        Ok(())
    }
}

fn not_finite(slope: &Tensor) -> Result<usize> {
    let values = slope.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    Ok(values.iter().position(|value| !value.is_finite()).unwrap_or(0))
}

struct Update<'a> {
    /// η / (1 − β₁ᵗ).
    rate: f64,
    /// √(1 − β₂ᵗ).
    second: f64,
    moments: RefCell<&'a mut Moments>,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        weight: &mut CpuStorage,
        to: &Layout,
        slope: &CpuStorage,
        from: &Layout,
    ) -> candle_core::Result<()> {
        let (Some(to), Some(from)) = (to.contiguous_offsets(), from.contiguous_offsets()) else {
            candle_core::bail!("a weight is not contiguous: make the variable from a contiguous tensor")
        };
        macro_rules! update {
            ($number:ty, $m:ident, $v:ident, $weight:ident, $slope:ident) => {{
                let (rate, second, epsilon) = (self.rate as $number, self.second as $number, EPSILON as $number);
                let (b1, b2) = (BETA.0 as $number, BETA.1 as $number);
                let (c1, c2) = ((1.0 - BETA.0) as $number, (1.0 - BETA.1) as $number);
                let weights = $weight[to.0..to.1].iter_mut().zip(&$slope[from.0..from.1]);
                for ((w, g), (m, v)) in weights.zip($m.iter_mut().zip($v.iter_mut())) {
                    *m = b1 * *m + c1 * g;
                    *v = b2 * *v + c2 * g * g;
                    *w -= rate * *m / (v.sqrt() / second + epsilon);
                }
            }};
        }
        match (&mut **self.moments.borrow_mut(), weight, slope) {
            (Moments::F32(m, v), CpuStorage::F32(weight), CpuStorage::F32(slope)) => update!(f32, m, v, weight, slope),
            (Moments::F64(m, v), CpuStorage::F64(weight), CpuStorage::F64(slope)) => update!(f64, m, v, weight, slope),
            _ => candle_core::bail!("a slope is of another kind of numbers than its weight: `to_dtype` turns it"),
        }
        Ok(())
    }
}
