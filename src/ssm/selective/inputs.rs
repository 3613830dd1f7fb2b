//! What a selective scan reads and gives, and what it refuses.

use super::element::Element;
use super::element::sealed::Numbers;
use crate::{Error, Result};

/// How many of each: sequences, times, channels, states per channel.
///
/// Batch and length may be 0: there is then nothing to compute, and the last state is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// B, sequences side by side.
    pub batch: usize,
    /// L, times.
    pub length: usize,
    /// D, channels (通道), each with a state of its own.
    pub channels: usize,
    /// N, the size of a channel's state (状态维度).
    pub state: usize,
}

impl Shape {
    fn validate(self) -> Result<()> {
        if self.channels == 0 {
            return Err(Error::Empty { arg: "shape.channels", remedy: "give at least one channel" });
        }
        if self.state == 0 {
            return Err(Error::Empty { arg: "shape.state", remedy: "give each channel at least one state" });
        }
        let states = self.batch.checked_mul(self.channels).and_then(|n| n.checked_mul(self.state));
        let rows = self.batch.checked_mul(self.length).and_then(|n| n.checked_mul(self.channels.max(self.state)));
        // Bytes of the largest kind must be countable too.
        if [states, rows, self.channels.checked_mul(self.state)].iter().any(|n| n.is_none_or(|n| n > usize::MAX / 64)) {
            return Err(Error::domain("shape", format!("{self:?}"), "small enough for this machine's memory"));
        }
        Ok(())
    }

    /// B L D, the entries of u, Δ, z and y.
    pub(crate) fn sequence(self) -> usize {
        self.batch * self.length * self.channels
    }

    /// B L N, the entries of B and of C.
    pub(crate) fn projection(self) -> usize {
        self.batch * self.length * self.state
    }

    /// B D N, the entries of a state.
    pub(crate) fn states(self) -> usize {
        self.batch * self.channels * self.state
    }
}

/// The inputs of a selective scan, as slices in row-major order that fit each other.
///
/// Shapes and all that is small (A, D, the bias of Δ) are checked here; the long ones when they are read.
///
/// ```
/// use mlnotes::ssm::selective::{Inputs, Shape, selective_scan_seq};
///
/// // A = 0 keeps, B = C = 1: the scan is a running sum of Δ u.
/// let shape = Shape { batch: 1, length: 3, channels: 1, state: 1 };
/// let (u, delta, ones) = ([1.0, 2.0, 3.0], [1.0, 0.5, 1.0], [1.0; 3]);
/// let inputs = Inputs::new(shape, &u, &delta, &[0.0], &ones, &ones)?;
/// assert_eq!(selective_scan_seq(&inputs)?.y, [1.0, 2.0, 5.0]);
/// assert_eq!(selective_scan_seq(&inputs.initial(&[10.0])?)?.y, [11.0, 12.0, 15.0]);
///
/// let refused = Inputs::new(shape, &u, &delta, &[0.5], &ones, &ones);
/// assert_eq!(
///     refused.unwrap_err().to_string(),
///     "`a` is 0.5 at [0, 0], but it must be 0 or below (its real part where it is complex), or the state grows without \
///      bound: A = −exp(…) is what is usually learned"
/// );
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, E: Element> {
    pub(crate) shape: Shape,
    pub(crate) u: &'a [E::Real],
    pub(crate) delta: &'a [E::Real],
    pub(crate) a: &'a [E],
    pub(crate) b: &'a [E],
    pub(crate) c: &'a [E],
    pub(crate) d: Option<&'a [E::Real]>,
    pub(crate) z: Option<&'a [E::Real]>,
    pub(crate) delta_bias: Option<&'a [E::Real]>,
    pub(crate) softplus: bool,
    pub(crate) initial: Option<&'a [E]>,
}

impl<'a, E: Element> Inputs<'a, E> {
    /// # Shapes
    /// `u` and `delta` (batch, length, channels), `a` (channels, state), `b` and `c` (batch, length, state).
    ///
    /// # Errors
    /// No channel or no state; a slice of another length; an entry of A that is not finite or has a real part above 0.
    pub fn new(
        shape: Shape,
        u: &'a [E::Real],
        delta: &'a [E::Real],
        a: &'a [E],
        b: &'a [E],
        c: &'a [E],
    ) -> Result<Self> {
        shape.validate()?;
        let Shape { batch, length, channels, state } = shape;
        fits("u", u.len(), &[batch, length, channels])?;
        fits("delta", delta.len(), &[batch, length, channels])?;
        fits("a", a.len(), &[channels, state])?;
        fits("b", b.len(), &[batch, length, state])?;
        fits("c", c.len(), &[batch, length, state])?;
        finite("a", a, &[channels, state])?;
        if let Some(place) = a.iter().position(|a| a.real().into() > 0.0) {
            let (value, index): (f64, _) = (a[place].real().into(), index(place, &[channels, state]));
            return Err(Error::domain("a", format!("{value} at {index:?}"), GROWS));
        }
        let (d, z, delta_bias, initial) = (None, None, None, None);
        Ok(Self { shape, u, delta, a, b, c, d, z, delta_bias, softplus: false, initial })
    }

    /// Adds D u to y; `d` is (channels).
    ///
    /// # Errors
    /// Another length; an entry that is not finite.
    pub fn d(mut self, d: &'a [E::Real]) -> Result<Self> {
        fits("d", d.len(), &[self.shape.channels])?;
        finite("d", d, &[self.shape.channels])?;
        self.d = Some(d);
        Ok(self)
    }

    /// Multiplies y by SiLU(z) = z σ(z), the gate; `z` is (batch, length, channels).
    ///
    /// # Errors
    /// Another length.
    pub fn z(mut self, z: &'a [E::Real]) -> Result<Self> {
        fits("z", z.len(), &[self.shape.batch, self.shape.length, self.shape.channels])?;
        self.z = Some(z);
        Ok(self)
    }

    /// Adds a bias to Δ, before softplus; `bias` is (channels).
    ///
    /// # Errors
    /// Another length; an entry that is not finite.
    pub fn delta_bias(mut self, bias: &'a [E::Real]) -> Result<Self> {
        fits("delta_bias", bias.len(), &[self.shape.channels])?;
        finite("delta_bias", bias, &[self.shape.channels])?;
        self.delta_bias = Some(bias);
        Ok(self)
    }

    /// Whether Δ = softplus(delta + bias) = log(1 + exp(delta + bias)) rather than delta + bias itself.
    pub fn softplus(mut self, softplus: bool) -> Self {
        self.softplus = softplus;
        self
    }

    /// The states before the first time, (batch, channels, state), instead of 0.
    ///
    /// # Errors
    /// Another length.
    pub fn initial(mut self, initial: &'a [E]) -> Result<Self> {
        fits("initial", initial.len(), &[self.shape.batch, self.shape.channels, self.shape.state])?;
        self.initial = Some(initial);
        Ok(self)
    }

    /// How many of each.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Everything that [`new`](Self::new) and the others leave for when it is read.
    pub(super) fn check_values(&self) -> Result<()> {
        let Shape { batch, length, channels, state } = self.shape;
        finite("u", self.u, &[batch, length, channels])?;
        finite("delta", self.delta, &[batch, length, channels])?;
        finite("b", self.b, &[batch, length, state])?;
        finite("c", self.c, &[batch, length, state])?;
        if let Some(z) = self.z {
            finite("z", z, &[batch, length, channels])?;
        }
        if let Some(initial) = self.initial {
            finite("initial", initial, &[batch, channels, state])?;
        }
        if self.softplus {
            return Ok(());
        }
        let is_negative = |place: &usize| self.raw_step(place / channels, place % channels).into() < 0.0;
        match (0..self.delta.len()).find(is_negative) {
            None => Ok(()),
            Some(place) => {
                let value: f64 = self.raw_step(place / channels, place % channels).into();
                Err(negative(value, &index(place, &[batch, length, channels])))
            }
        }
    }

    /// One of the sequences alone.
    pub(super) fn sequence(&self, i: usize) -> Self {
        let Shape { length, channels, state, .. } = self.shape;
        let wide = |values: &'a [E::Real]| &values[i * length * channels..][..length * channels];
        let narrow = |values: &'a [E]| &values[i * length * state..][..length * state];
        Self {
            shape: Shape { batch: 1, ..self.shape },
            u: wide(self.u),
            delta: wide(self.delta),
            b: narrow(self.b),
            c: narrow(self.c),
            z: self.z.map(wide),
            initial: self.initial.map(|initial| &initial[i * channels * state..][..channels * state]),
            ..*self
        }
    }

    /// delta + bias at one of all B L times.
    pub(super) fn raw_step(&self, time: usize, channel: usize) -> E::Real {
        let delta = self.delta[time * self.shape.channels + channel];
        self.delta_bias.map_or(delta, |bias| delta + bias[channel])
    }
}

const GROWS: &str = "0 or below (its real part where it is complex), or the state grows without bound: A = −exp(…) is what \
                     is usually learned";
const NEGATIVE: &str = "0 or above, a stretch of time: use `softplus(true)`, which makes it so";

/// An error for a Δ below 0.
pub(super) fn negative(value: f64, index: &[usize]) -> Error {
    Error::domain("delta", format!("{value} at {index:?} (with its bias)"), NEGATIVE)
}

/// An error where a slice has another number of entries than such an array.
pub(super) fn fits(arg: &'static str, got: usize, shape: &[usize]) -> Result<()> {
    if got == shape.iter().product::<usize>() {
        return Ok(());
    }
    Err(Error::shape(arg, format!("{shape:?}, row-major, {} entries,", shape.iter().product::<usize>()), &[got]))
}

/// An error at the first entry that is NaN or infinite.
pub(super) fn finite<E: Numbers>(arg: &'static str, values: &[E], shape: &[usize]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(place) => {
            let value = values[place].real().into();
            Err(Error::NonFinite { arg, index: index(place, shape), value })
        }
    }
}

/// Whether none is NaN or infinite; without a branch for each, some at a time are one vector.
fn all_finite<E: Numbers>(values: &[E]) -> bool {
    values.chunks(64).all(|some| some.iter().fold(true, |good, value| good & value.is_finite()))
}

/// Where an entry stands.
fn index(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|length| {
            let here = place % length;
            place /= length;
            here
        })
        .collect();
    index.reverse();
    index
}

/// What a selective scan gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs<E: Element> {
    /// (batch, length, channels).
    pub y: Vec<E::Real>,
    /// The states after the last time, (batch, channels, state).
    pub last: Vec<E>,
}

impl<E: Element> Outputs<E> {
    /// Of that shape, all 0.
    pub(super) fn zeros(shape: Shape) -> Self {
        Self { y: vec![E::Real::ZERO; shape.sequence()], last: vec![E::ZERO; shape.states()] }
    }
}

/// States that a forward pass leaves for the backward pass of the same inputs, which computes them anew otherwise: one in
/// 32 times, so half as many numbers as u has where there are 16 states.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept<E: Element> {
    shape: Shape,
    pub(super) states: Vec<E::Real>,
}

impl<E: Element> Kept<E> {
    /// Room for those of a scan of this shape.
    pub fn new(shape: Shape) -> Self {
        Self { shape, states: vec![E::Real::ZERO; E::kept(shape)] }
    }

    /// An error where it is room for another shape.
    pub(super) fn check_shape(&self, shape: Shape) -> Result<()> {
        if self.shape == shape {
            return Ok(());
        }
        Err(Error::domain(
            "kept",
            format!("of a scan of {:?}", self.shape),
            "made by `Kept::new` for the shape of these inputs",
        ))
    }
}

/// The slope of a loss by every input, each shaped as its input.
///
/// For a complex entry this is ∂/∂Re + i ∂/∂Im, the direction in which the loss grows fastest, as in torch.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<E: Element> {
    /// (batch, length, channels).
    pub u: Vec<E::Real>,
    /// By delta before bias and softplus, (batch, length, channels).
    pub delta: Vec<E::Real>,
    /// (channels, state).
    pub a: Vec<E>,
    /// (batch, length, state).
    pub b: Vec<E>,
    /// (batch, length, state).
    pub c: Vec<E>,
    /// (channels), where there is a D.
    pub d: Option<Vec<E::Real>>,
    /// (batch, length, channels), where there is a z.
    pub z: Option<Vec<E::Real>>,
    /// (channels), where there is a bias.
    pub delta_bias: Option<Vec<E::Real>>,
    /// (batch, channels, state), where there are initial states.
    pub initial: Option<Vec<E>>,
}

impl<E: Element> Gradients<E> {
    /// Room for the gradients by these inputs, all 0.
    pub fn zeros(inputs: &Inputs<'_, E>) -> Self {
        let shape = inputs.shape;
        let zeros = |length| vec![E::Real::ZERO; length];
        Self {
            u: zeros(shape.sequence()),
            delta: zeros(shape.sequence()),
            a: vec![E::ZERO; shape.channels * shape.state],
            b: vec![E::ZERO; shape.projection()],
            c: vec![E::ZERO; shape.projection()],
            d: inputs.d.map(|_| zeros(shape.channels)),
            z: inputs.z.map(|_| zeros(shape.sequence())),
            delta_bias: inputs.delta_bias.map(|_| zeros(shape.channels)),
            initial: inputs.initial.map(|_| vec![E::ZERO; shape.states()]),
        }
    }

    /// An error where they are not of the shapes of these inputs.
    pub(super) fn check_shapes(&self, inputs: &Inputs<'_, E>) -> Result<()> {
        let Shape { batch, length, channels, state } = inputs.shape;
        let given = [self.d.is_some(), self.z.is_some(), self.delta_bias.is_some(), self.initial.is_some()];
        let wanted = [inputs.d.is_some(), inputs.z.is_some(), inputs.delta_bias.is_some(), inputs.initial.is_some()];
        if given != wanted {
            let allowed = "made by `Gradients::zeros` for inputs with the same of D, z, bias and initial states";
            return Err(Error::domain("gradients", "of other inputs", allowed));
        }
        let length_of = |values: &Option<Vec<E::Real>>, otherwise: usize| values.as_ref().map_or(otherwise, Vec::len);
        let sequence = inputs.shape.sequence();
        fits("gradients.u", self.u.len(), &[batch, length, channels])?;
        fits("gradients.delta", self.delta.len(), &[batch, length, channels])?;
        fits("gradients.z", length_of(&self.z, sequence), &[batch, length, channels])?;
        fits("gradients.a", self.a.len(), &[channels, state])?;
        fits("gradients.b", self.b.len(), &[batch, length, state])?;
        fits("gradients.c", self.c.len(), &[batch, length, state])?;
        fits("gradients.d", length_of(&self.d, channels), &[channels])?;
        fits("gradients.delta_bias", length_of(&self.delta_bias, channels), &[channels])?;
        let initial = self.initial.as_ref().map_or(inputs.shape.states(), Vec::len);
        fits("gradients.initial", initial, &[batch, channels, state])
    }

    /// Takes back what is summed over channels, times or sequences.
    pub(super) fn clear_sums(&mut self) {
        for sums in [&mut self.a, &mut self.b, &mut self.c] {
            sums.fill(E::ZERO);
        }
        self.d.iter_mut().chain(&mut self.delta_bias).for_each(|sums| sums.fill(E::Real::ZERO));
    }

    /// An error where a gradient is beyond what its type holds.
    pub(super) fn check(&self) -> Result<()> {
        let real = [Some(&self.u), Some(&self.delta), self.z.as_ref()];
        if real.into_iter().flatten().all(|values| all_finite(values)) {
            return self.check_sums();
        }
        Err(beyond("a gradient"))
    }

    /// The same for what is summed.
    pub(super) fn check_sums(&self) -> Result<()> {
        let real = [self.d.as_ref(), self.delta_bias.as_ref()];
        let real = real.into_iter().flatten().all(|values| all_finite(values));
        let entries = [Some(&self.a), Some(&self.b), Some(&self.c), self.initial.as_ref()];
        if real && entries.into_iter().flatten().all(|values| all_finite(values)) {
            return Ok(());
        }
        Err(beyond("a gradient"))
    }
}

/// An error for results that are too large.
pub(super) fn beyond(what: &'static str) -> Error {
    let allowed = "within it: rescale the inputs, or use f64";
    Error::domain(what, "beyond the range of its type", allowed)
}
