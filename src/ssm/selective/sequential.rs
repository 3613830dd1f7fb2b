//! The equations as they stand, one step after the other: slow, and what the fast forms must agree with.

use std::ops::Range;

use super::element::Element;
use super::element::sealed::{Numbers, RealNumbers};
use super::inputs::{beyond, finite, fits};
use super::tile::TILE;
use super::{Gradients, Inputs, Outputs, Shape};
use crate::Result;
use crate::numerics::on_candle_threads;

/// The selective scan as its equations are written: every channel's recurrence, step by step.
///
/// h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t u_t, y_t = C_t·h_t + D u_t, times SiLU(z_t) where there is a z; see
/// [`selective`](super).
///
/// # Errors
/// An input that is not finite; a Δ below 0; a result that its type cannot hold.
///
/// ```
/// use mlnotes::ssm::selective::{Inputs, Shape, selective_scan_seq};
///
/// // Ā = exp(−log 2) = ½: each step halves the state and adds log 2 · u.
/// let shape = Shape { batch: 1, length: 3, channels: 1, state: 1 };
/// let (u, delta) = ([1.0, 0.0, 1.0], [2.0_f64.ln(); 3]);
/// let outputs = selective_scan_seq(&Inputs::new(shape, &u, &delta, &[-1.0_f64], &[1.0; 3], &[1.0; 3])?)?;
/// for (y, want) in outputs.y.iter().zip([1.0, 0.5, 1.25]) {
///     assert!((y - want * 2.0_f64.ln()).abs() < 1e-15);
/// }
/// assert_eq!(outputs.last, [outputs.y[2]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn selective_scan_seq<E: Element>(inputs: &Inputs<'_, E>) -> Result<Outputs<E>> {
    inputs.check_values()?;
    let outputs = E::scan_seq(inputs);
    if outputs.y.iter().all(|y| y.is_finite()) && outputs.last.iter().all(|h| h.is_finite()) {
        return Ok(outputs);
    }
    Err(beyond("the state"))
}

/// Every gradient by back-propagation through stored states: (B, L, D, N) of them, which is what
/// [`selective_scan_backward`](super::selective_scan_backward) does not store.
///
/// With g_t = ∂loss/∂h_t, g_t = C_t ∂loss/∂y_t + exp(Δ_{t+1} A) g_{t+1}, from the last time to the first:
/// ∂B_t = Δ_t u_t g_t, ∂C_t = h_t ∂y_t (both summed over channels), ∂u_t = Δ_t B_t·g_t + D ∂y_t,
/// ∂A = Σ_t Δ_t exp(Δ_t A) h_{t−1} g_t, ∂Δ_t = u_t B_t·g_t + Σ_n A exp(Δ_t A) h_{t−1} g_t.
///
/// # Shapes
/// `dy`, the slope of the loss by y, (batch, length, channels); `dlast`, that by the last states, (batch, channels, state).
///
/// # Errors
/// As [`selective_scan_seq`], and the same for `dy` and `dlast`.
pub fn selective_scan_backward_stored<E: Element>(
    inputs: &Inputs<'_, E>,
    dy: &[E::Real],
    dlast: Option<&[E]>,
) -> Result<Gradients<E>> {
    check_slopes(inputs.shape, dy, dlast)?;
    check_slope_values(inputs.shape, dy, dlast)?;
    inputs.check_values()?;
    let gradients = E::backward_stored(inputs, dy, dlast);
    gradients.check()?;
    Ok(gradients)
}

/// That they have their shapes.
pub(super) fn check_slopes<E: Element>(shape: Shape, dy: &[E::Real], dlast: Option<&[E]>) -> Result<()> {
    let Shape { batch, length, channels, state } = shape;
    fits("dy", dy.len(), &[batch, length, channels])?;
    dlast.map_or(Ok(()), |dlast| fits("dlast", dlast.len(), &[batch, channels, state]))
}

/// That they are finite.
pub(super) fn check_slope_values<E: Element>(shape: Shape, dy: &[E::Real], dlast: Option<&[E]>) -> Result<()> {
    let Shape { batch, length, channels, state } = shape;
    finite("dy", dy, &[batch, length, channels])?;
    dlast.map_or(Ok(()), |dlast| finite("dlast", dlast, &[batch, channels, state]))
}

pub(super) fn scan<E: Element>(inputs: &Inputs<'_, E>) -> Outputs<E> {
    let mut outputs = Outputs::zeros(inputs.shape);
    let Shape { batch, length, channels, state } = inputs.shape;
    for row in 0..batch * channels {
        let (i, d) = (row / channels, row % channels);
        let h = &mut outputs.last[row * state..][..state];
        start(inputs, row, h);
        for t in i * length..(i + 1) * length {
            outputs.y[t * channels + d] = step(inputs, t, d, h);
        }
    }
    outputs
}

/// The same, sequences on threads.
pub(super) fn scan_into<E: Element>(
    inputs: &Inputs<'_, E>,
    threads: usize,
    y: &mut [E::Real],
    last: Option<&mut [E]>,
) -> bool {
    let mut room = Vec::new();
    let last = last.unwrap_or_else(|| {
        room.resize(inputs.shape.states(), E::ZERO);
        &mut room
    });
    let Shape { batch, length, channels, state } = inputs.shape;
    if batch == 0 {
        return true;
    }
    let y: Vec<&mut [E::Real]> = match length {
        0 => (0..batch).map(|_| <&mut [E::Real]>::default()).collect(),
        _ => y.chunks_exact_mut(length * channels).collect(),
    };
    let jobs = y.into_iter().zip(last.chunks_exact_mut(channels * state)).enumerate().collect();
    let good = on_candle_threads(threads, jobs, |(i, (y, last)): (usize, (&mut [E::Real], &mut [E])), _: &mut ()| {
        (0..channels).for_each(|d| start(inputs, i * channels + d, &mut last[d * state..][..state]));
        for (t, y) in y.chunks_exact_mut(channels).enumerate() {
            for (d, (y, h)) in y.iter_mut().zip(last.chunks_exact_mut(state)).enumerate() {
                *y = step(inputs, i * length + t, d, h);
            }
        }
        y.iter().all(|y| y.is_finite()) && last.iter().all(|h| h.is_finite())
    });
    good.into_iter().all(|good| good) && inputs.check_values().is_ok()
}

/// The state that a sequence's channel begins with.
fn start<E: Element>(inputs: &Inputs<'_, E>, row: usize, h: &mut [E]) {
    match inputs.initial {
        Some(initial) => h.copy_from_slice(&initial[row * h.len()..][..h.len()]),
        None => h.fill(E::ZERO),
    }
}

/// Moves one channel's state on and returns y.
fn step<E: Element>(inputs: &Inputs<'_, E>, t: usize, d: usize, h: &mut [E]) -> E::Real {
    let (n, u) = (h.len(), inputs.u[t * inputs.shape.channels + d]);
    let (a, b, c) = (&inputs.a[d * n..], &inputs.b[t * n..], &inputs.c[t * n..]);
    let delta = step_size(inputs, t, d);
    let mut y = inputs.d.map_or(E::Real::ZERO, |skip| skip[d] * u);
    for n in 0..n {
        h[n] = (E::of(delta) * a[n]).exp() * h[n] + E::of(delta * u) * b[n];
        y += E::TIMES * (c[n] * h[n]).real();
    }
    inputs.z.map_or(y, |z| {
        let z = z[t * inputs.shape.channels + d];
        y * z * z.logistic()
    })
}

/// Δ.
fn step_size<E: Element>(inputs: &Inputs<'_, E>, t: usize, d: usize) -> E::Real {
    let raw = inputs.raw_step(t, d);
    if inputs.softplus { raw.softplus() } else { raw }
}

pub(super) fn backward<E: Element>(inputs: &Inputs<'_, E>, dy: &[E::Real], dlast: Option<&[E]>) -> Gradients<E> {
    let shape = inputs.shape;
    let mut to = Gradients::zeros(inputs);
    // h₀ … h_L of one channel.
    let mut states = vec![E::ZERO; (shape.length + 1) * shape.state];
    for row in 0..shape.batch * shape.channels {
        let mut g = last_slope(shape, dlast, row);
        start(inputs, row, &mut states[..shape.state]);
        stretch_back(inputs, dy, row, 0..shape.length, &mut states, &mut g, &mut to);
        if let Some(initial) = &mut to.initial {
            initial[row * shape.state..][..shape.state].copy_from_slice(&g);
        }
    }
    to
}

/// The slope by one channel's last state.
fn last_slope<E: Element>(shape: Shape, dlast: Option<&[E]>, row: usize) -> Vec<E> {
    dlast.map_or_else(|| vec![E::ZERO; shape.state], |dlast| dlast[row * shape.state..][..shape.state].to_vec())
}

/// The same with one state kept per [`TILE`] times, sequences on threads.
pub(super) fn backward_on_threads<E: Element>(
    inputs: &Inputs<'_, E>,
    dy: &[E::Real],
    dlast: Option<&[E]>,
    threads: usize,
    to: &mut Gradients<E>,
) -> Option<()> {
    inputs.check_values().ok()?;
    let jobs = (0..inputs.shape.batch).collect();
    let parts = on_candle_threads(threads, jobs, |batch: usize, _: &mut ()| sequence_back(inputs, dy, dlast, batch));
    to.clear_sums();
    let Shape { length, channels, state, .. } = inputs.shape;
    for (i, part) in parts.into_iter().enumerate() {
        to.u[i * length * channels..][..length * channels].copy_from_slice(&part.u);
        to.delta[i * length * channels..][..length * channels].copy_from_slice(&part.delta);
        to.b[i * length * state..][..length * state].copy_from_slice(&part.b);
        to.c[i * length * state..][..length * state].copy_from_slice(&part.c);
        if let (Some(to), Some(initial)) = (&mut to.initial, &part.initial) {
            to[i * channels * state..][..channels * state].copy_from_slice(initial);
        }
        if let (Some(to), Some(z)) = (&mut to.z, &part.z) {
            to[i * length * channels..][..length * channels].copy_from_slice(z);
        }
        to.a.iter_mut().zip(&part.a).for_each(|(sum, &a)| *sum += a);
        for (to, part) in [(&mut to.d, &part.d), (&mut to.delta_bias, &part.delta_bias)] {
            if let (Some(to), Some(part)) = (to, part) {
                to.iter_mut().zip(part).for_each(|(sum, &value)| *sum += value);
            }
        }
    }
    let real = [Some(&to.u), Some(&to.delta), to.z.as_ref()];
    real.into_iter().flatten().all(|values| values.iter().all(|value| value.is_finite())).then_some(())
}

/// The gradients of one sequence.
fn sequence_back<E: Element>(
    inputs: &Inputs<'_, E>,
    dy: &[E::Real],
    dlast: Option<&[E]>,
    batch: usize,
) -> Gradients<E> {
    let Shape { length, channels, state, .. } = inputs.shape;
    let one = inputs.sequence(batch);
    let dy = &dy[batch * length * channels..][..length * channels];
    let dlast = dlast.map(|dlast| &dlast[batch * channels * state..][..channels * state]);
    let mut to = Gradients::zeros(&one);
    let mut kept = vec![E::ZERO; (length / TILE + 1) * state];
    let mut states = vec![E::ZERO; (TILE + 1) * state];
    for d in 0..channels {
        let mut g = last_slope(one.shape, dlast, d);
        let mut h = vec![E::ZERO; state];
        start(&one, d, &mut h);
        for t in 0..length {
            if t % TILE == 0 {
                kept[t / TILE * state..][..state].copy_from_slice(&h);
            }
            step(&one, t, d, &mut h);
        }
        for first in (0..length).step_by(TILE).rev() {
            states[..state].copy_from_slice(&kept[first / TILE * state..][..state]);
            stretch_back(&one, dy, d, first..length.min(first + TILE), &mut states, &mut g, &mut to);
        }
        if let Some(initial) = &mut to.initial {
            initial[d * state..][..state].copy_from_slice(&g);
        }
    }
    to
}

/// One channel through a stretch of times and back: `states` begins with the state before it, `g` comes as the slope by that
/// after it and goes as that by the one before it.
fn stretch_back<E: Element>(
    inputs: &Inputs<'_, E>,
    dy: &[E::Real],
    row: usize,
    times: Range<usize>,
    states: &mut [E],
    g: &mut [E],
    to: &mut Gradients<E>,
) {
    let Shape { length, channels, state, .. } = inputs.shape;
    let (i, d) = (row / channels, row % channels);
    let mut y = vec![E::Real::ZERO; times.len()];
    for (t, y) in y.iter_mut().enumerate() {
        let (before, after) = states[t * state..].split_at_mut(state);
        after[..state].copy_from_slice(before);
        *y = step(&Inputs { z: None, ..*inputs }, i * length + times.start + t, d, &mut after[..state]);
    }
    for (t, y) in y.into_iter().enumerate().rev() {
        let (before, after) = states[t * state..].split_at(state);
        let time = i * length + times.start + t;
        let x = time * channels + d;
        let dy = through_gate(inputs, x, dy[x], y, to);
        step_back(inputs, (time, d), dy, [before, after], g, to);
    }
}

/// The slope by y before the gate, from that by what the gate let through; notes the slope by z.
fn through_gate<E: Element>(
    inputs: &Inputs<'_, E>,
    x: usize,
    dy: E::Real,
    y: E::Real,
    to: &mut Gradients<E>,
) -> E::Real {
    let (Some(z), Some(dz)) = (inputs.z, &mut to.z) else { return dy };
    let (z, sigma) = (z[x], z[x].logistic());
    // SiLU′ = σ (1 + z (1 − σ))
    dz[x] = dy * y * sigma * (E::Real::ONE + z * (E::Real::ONE - sigma));
    dy * z * sigma
}

/// One step of back-propagation: g comes as the slope by h_t from later times, goes as that by h_{t−1}.
fn step_back<E: Element>(
    inputs: &Inputs<'_, E>,
    (t, d): (usize, usize),
    dy: E::Real,
    [before, after]: [&[E]; 2],
    g: &mut [E],
    to: &mut Gradients<E>,
) {
    let (n, x) = (g.len(), t * inputs.shape.channels + d);
    let (a, b, c) = (&inputs.a[d * n..], &inputs.b[t * n..], &inputs.c[t * n..]);
    let (u, delta) = (inputs.u[x], step_size(inputs, t, d));
    let (mut by_input, mut by_delta) = (E::Real::ZERO, E::Real::ZERO);
    for n in 0..n {
        let by_y = E::of(E::TIMES * dy);
        g[n] += by_y * c[n].conj();
        to.c[t * inputs.shape.state + n] += by_y * after[n].conj();
        to.b[t * inputs.shape.state + n] += E::of(delta * u) * g[n];
        by_input += (g[n] * b[n].conj()).real();
        let decay = (E::of(delta) * a[n]).exp().conj();
        g[n] = decay * g[n];
        let by_exponent = g[n] * before[n].conj();
        to.a[d * inputs.shape.state + n] += E::of(delta) * by_exponent;
        by_delta += (by_exponent * a[n].conj()).real();
    }
    let by_delta = by_delta + u * by_input;
    let slope = if inputs.softplus { inputs.raw_step(t, d).logistic() } else { E::Real::ONE };
    to.delta[x] = by_delta * slope;
    to.u[x] = delta * by_input;
    if let (Some(skip), Some(to_skip)) = (inputs.d, &mut to.d) {
        to.u[x] += skip[d] * dy;
        to_skip[d] += u * dy;
    }
    if let Some(to_bias) = &mut to.delta_bias {
        to_bias[d] += by_delta * slope;
    }
}
