//! One time at a time: what a model that generates does, with a state of constant size.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

use super::element::Element;
use super::element::sealed::{Numbers, RealNumbers};
use super::forward::{ELSEWHERE, advance as advance_block};
use super::inputs::{beyond, finite, fits};
use super::lanes::{Lane, Lanes, blocks, blocks_mut, leave};
use super::tile::Moment;
use super::{Inputs, Shape};
use crate::{Error, Result};

/// The selective scan's recurrence for one time: what stays the same from one token (词元) to the next.
///
/// ```
/// use mlnotes::ssm::selective::{Step, Token};
///
/// // One channel whose state halves in each step of length 1.
/// let step = Step::new(1, 1, &[-2.0_f64.ln()])?;
/// let mut state = step.start(1);
/// let mut y = [0.0];
/// for want in [1.0, 1.5, 1.75] {
///     let token = Token { u: &[1.0], delta: &[1.0], b: &[1.0], c: &[1.0], z: None };
///     step.advance(&mut state, token, &mut y)?;
///     assert!((y[0] - want).abs() < 1e-15);
/// }
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Step<E: Element> {
    channels: usize,
    state: usize,
    /// A as the arithmetic wants it, (blocks, N).
    a: Vec<E::Block>,
    d: Vec<E::Real>,
    bias: Vec<E::Real>,
    softplus: bool,
}

/// The states of every sequence and channel between two times; [`Step::start`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct State<E: Element> {
    batch: usize,
    /// (batch, blocks, N): a block is a line of the cache.
    h: Vec<E::Block>,
}

/// What one time brings.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a, E: Element> {
    /// (batch, channels).
    pub u: &'a [E::Real],
    /// (batch, channels).
    pub delta: &'a [E::Real],
    /// (batch, state).
    pub b: &'a [E],
    /// (batch, state).
    pub c: &'a [E],
    /// The gate, (batch, channels).
    pub z: Option<&'a [E::Real]>,
}

impl<E: Element> Step<E> {
    /// With A, (channels, state).
    ///
    /// # Errors
    /// As [`Inputs::new`].
    pub fn new(channels: usize, state: usize, a: &[E]) -> Result<Self> {
        Inputs::new(Shape { batch: 0, length: 0, channels, state }, &[], &[], a, &[], &[])?;
        let blocks = channels.div_ceil(E::LANES);
        let mut prepared = vec![E::block(E::ZERO); blocks * state];
        gather(&a.iter().map(|&a| E::prepared(a)).collect::<Vec<E>>(), state, &mut prepared);
        let zeros = || vec![E::Real::ZERO; blocks * E::LANES];
        Ok(Self { channels, state, a: prepared, d: zeros(), bias: zeros(), softplus: false })
    }

    /// Adds D u to y; `d` is (channels).
    ///
    /// # Errors
    /// Another length; an entry that is not finite.
    pub fn d(mut self, d: &[E::Real]) -> Result<Self> {
        fits("d", d.len(), &[self.channels])?;
        finite("d", d, &[self.channels])?;
        self.d[..self.channels].copy_from_slice(d);
        Ok(self)
    }

    /// Adds a bias to Δ, before softplus; `bias` is (channels).
    ///
    /// # Errors
    /// Another length; an entry that is not finite.
    pub fn delta_bias(mut self, bias: &[E::Real]) -> Result<Self> {
        fits("delta_bias", bias.len(), &[self.channels])?;
        finite("delta_bias", bias, &[self.channels])?;
        self.bias[..self.channels].copy_from_slice(bias);
        Ok(self)
    }

    /// Whether Δ = softplus(delta + bias).
    pub fn softplus(mut self, softplus: bool) -> Self {
        self.softplus = softplus;
        self
    }

    /// States of 0 for so many sequences.
    pub fn start(&self, batch: usize) -> State<E> {
        State { batch, h: vec![E::block(E::ZERO); batch * self.a.len()] }
    }

    /// The given states, (batch, channels, state): what a scan gave as its last.
    ///
    /// # Errors
    /// Another length; an entry that is not finite.
    pub fn start_from(&self, batch: usize, states: &[E]) -> Result<State<E>> {
        let mut state = self.start(batch);
        fits("states", states.len(), &[batch, self.channels, self.state])?;
        finite("states", states, &[batch, self.channels, self.state])?;
        let rows = states.chunks_exact(self.channels * self.state);
        for (from, to) in rows.zip(state.h.chunks_exact_mut(self.a.len())) {
            gather(from, self.state, to);
        }
        Ok(state)
    }

    /// The states, (batch, channels, state).
    pub fn states(&self, state: &State<E>) -> Vec<E> {
        let mut states = vec![E::ZERO; state.batch * self.channels * self.state];
        let rows = states.chunks_exact_mut(self.channels * self.state);
        for (from, to) in state.h.chunks_exact(self.a.len()).zip(rows) {
            for (channel, row) in to.chunks_exact_mut(self.state).enumerate() {
                let blocks = &from[channel / E::LANES * self.state..];
                row.iter_mut().zip(blocks).for_each(|(to, block)| *to = E::lane(block, channel % E::LANES));
            }
        }
        states
    }

    /// One time: moves the states on and fills `y`, (batch, channels). Allocates nothing; one thread.
    ///
    /// # Errors
    /// A slice of another length, a state of another step; an input that is not finite, a Δ below 0, a result that its
    /// type cannot hold: then the state is of no more use.
    pub fn advance(&self, state: &mut State<E>, token: Token<'_, E>, y: &mut [E::Real]) -> Result<()> {
        let (batch, channels) = (state.batch, self.channels);
        if state.h.len() != batch * self.a.len() {
            let made = "made by this step's `start` or `start_from`";
            return Err(Error::domain("state", "of a step of other channels or states", made));
        }
        fits("u", token.u.len(), &[batch, channels])?;
        fits("delta", token.delta.len(), &[batch, channels])?;
        fits("b", token.b.len(), &[batch, self.state])?;
        fits("c", token.c.len(), &[batch, self.state])?;
        fits("y", y.len(), &[batch, channels])?;
        token.z.map_or(Ok(()), |z| fits("z", z.len(), &[batch, channels]))?;
        let mut good = true;
        for i in 0..batch {
            let wide = i * channels..(i + 1) * channels;
            let narrow = i * self.state..(i + 1) * self.state;
            let one = Token {
                u: &token.u[wide.clone()],
                delta: &token.delta[wide.clone()],
                b: &token.b[narrow.clone()],
                c: &token.c[narrow],
                z: token.z.map(|z| &z[wide.clone()]),
            };
            good &= E::advance(self, &mut state.h[i * self.a.len()..][..self.a.len()], one, &mut y[wide]);
        }
        if good { Ok(()) } else { Err(self.cause(batch, token)) }
    }

    /// What was wrong with a token.
    fn cause(&self, batch: usize, token: Token<'_, E>) -> Error {
        let wide = [batch, self.channels];
        let checks = [
            finite("u", token.u, &wide),
            finite("delta", token.delta, &wide),
            finite("b", token.b, &[batch, self.state]),
            finite("c", token.c, &[batch, self.state]),
            token.z.map_or(Ok(()), |z| finite("z", z, &wide)),
        ];
        if let Some(error) = checks.into_iter().find_map(Result::err) {
            return error;
        }
        let raw = |place: usize| token.delta[place] + self.bias[place % self.channels];
        match (0..token.delta.len()).find(|&place| raw(place).into() < 0.0) {
            Some(place) if !self.softplus => {
                let value: f64 = raw(place).into();
                super::inputs::negative(value, &[place / self.channels, place % self.channels])
            }
            _ => beyond("the state"),
        }
    }
}

/// (channels, N) to (blocks, N).
fn gather<E: Element>(from: &[E], n: usize, to: &mut [E::Block]) {
    for (channel, row) in from.chunks_exact(n).enumerate() {
        let blocks = &mut to[channel / E::LANES * n..];
        row.iter().zip(blocks).for_each(|(&value, block)| E::set_lane(block, channel % E::LANES, value));
    }
}

/// For any kind of number, as the equation is written.
pub(super) fn advance_plain<E: Element<Block = E>>(
    step: &Step<E>,
    h: &mut [E],
    token: Token<'_, E>,
    y: &mut [E::Real],
) -> bool {
    let n = step.state;
    let mut good = true;
    for (d, (y, h)) in y.iter_mut().zip(h.chunks_exact_mut(n)).enumerate() {
        let raw = token.delta[d] + step.bias[d];
        let delta = if step.softplus { raw.softplus() } else { raw };
        good &= raw.is_finite() && delta.into() >= 0.0;
        *y = step.d[d] * token.u[d];
        for (i, h) in h.iter_mut().enumerate() {
            *h = (E::of(delta) * step.a[d * n + i]).exp() * *h + E::of(delta * token.u[d]) * token.b[i];
            *y += E::TIMES * (token.c[i] * *h).real();
            good &= h.is_finite();
        }
        if let Some(z) = token.z {
            *y = *y * z[d] * z[d].logistic();
        }
        good &= y.is_finite();
    }
    good
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
pub(super) fn advance_f32(step: &Step<f32>, h: &mut [Lanes<f32, 16>], token: Token<'_, f32>, y: &mut [f32]) -> bool {
    if target_cfg_f!(target_feature = "fma") {
        advance::<f32, 16, true>(step, h, token, y)
    } else {
        advance::<f32, 16, ELSEWHERE>(step, h, token, y)
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
pub(super) fn advance_f64(step: &Step<f64>, h: &mut [Lanes<f64, 8>], token: Token<'_, f64>, y: &mut [f64]) -> bool {
    if target_cfg_f!(target_feature = "fma") {
        advance::<f64, 8, true>(step, h, token, y)
    } else {
        advance::<f64, 8, ELSEWHERE>(step, h, token, y)
    }
}

/// Blocks of one pass: done alone, each would wait for its softplus, then for its sum, then for its gate.
const AT_ONCE: usize = 8;

#[inline(always)]
fn advance<T: Lane + Element<Block = Lanes<T, W>>, const W: usize, const FUSED: bool>(
    step: &Step<T>,
    h: &mut [Lanes<T, W>],
    token: Token<'_, T>,
    y: &mut [T],
) -> bool {
    let n = step.state;
    let [bias, d] = [&step.bias, &step.d].map(|values| values.as_chunks().0);
    let (mut noted, mut room) = (Lanes::ZERO, [[[T::ZERO; W]]; 4]);
    let whole = y.len() / W * W;
    // The channels that fill blocks, and those that do not.
    for columns in [0..whole, whole..y.len()] {
        let [room_delta, room_u, room_z, room_y] = &mut room;
        let first = columns.start / W;
        let delta =
            blocks(&token.delta[columns.clone()], room_delta).chunks(AT_ONCE).zip(bias[first..].chunks(AT_ONCE));
        let u = blocks(&token.u[columns.clone()], room_u).chunks(AT_ONCE).zip(d[first..].chunks(AT_ONCE));
        let h = h[first * n..].chunks_mut(AT_ONCE * n).zip(step.a[first * n..].chunks(AT_ONCE * n));
        let mut z = token.z.map(|z| blocks(&z[columns.clone()], room_z).chunks(AT_ONCE));
        let y = &mut y[columns];
        let to = blocks_mut(y, room_y).chunks_mut(AT_ONCE);
        for ((((delta, bias), (u, d)), (h, a)), to) in delta.zip(u).zip(h).zip(to) {
            let mut moments = [Moment::ZERO; AT_ONCE];
            let inputs = delta.iter().zip(bias).zip(u.iter().zip(d));
            for (moment, ((&delta, &bias), (&u, &d))) in moments.iter_mut().zip(inputs) {
                let raw = Lanes(delta).plus(Lanes(bias));
                (*moment, _) = Moment::new::<FUSED>(raw, Lanes(u), Lanes(d), step.softplus);
                moment.watch::<FUSED>(raw, &mut noted);
            }
            for ((h, a), moment) in h.chunks_exact_mut(n).zip(a.chunks_exact(n)).zip(&mut moments) {
                advance_block::<T, W, FUSED>(h, a, [token.b, token.c], std::slice::from_mut(moment), false);
            }
            let z = z.as_mut().and_then(|z| z.next());
            for (k, (moment, to)) in moments.iter().zip(to).enumerate() {
                let mut y = moment.y;
                if let Some(z) = z {
                    y = moment.gated::<FUSED>(Lanes(z[k]));
                }
                noted.watch::<FUSED>(y);
                *to = y.0;
            }
        }
        leave(y, *room_y);
    }
    noted.saw_none()
}
