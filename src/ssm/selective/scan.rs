//! The selective scan, as fast as a processor allows.

use super::element::Element;
use super::inputs::{beyond, fits};
use super::sequential::{check_slope_values, check_slopes};
use super::{Gradients, Inputs, Kept, Outputs};
use crate::{Result, validate};

/// What [`selective_scan_seq`](super::selective_scan_seq) gives, many times faster, on up to `threads` threads.
///
/// # Errors
/// As there; 0 threads.
///
/// # Numerics
/// Sixteen channels of f32 (eight of f64) at a time, 32 times after each other. exp, softplus and SiLU are own
/// polynomials: exp(ΔA) to within 2 units in the last place and one more per unit of |ΔA|; decays below the smallest normal number are 0. The number
/// of threads changes nothing, not even the last bit. Complex states take the plain form, a thread per sequence.
///
/// ```
/// use mlnotes::ssm::selective::{Inputs, Shape, selective_scan};
///
/// // Two channels with Ā = 1 and Ā = ½: the first sums, the second forgets.
/// let shape = Shape { batch: 1, length: 3, channels: 2, state: 1 };
/// let u = [1.0_f32; 6];
/// let outputs = selective_scan(&Inputs::new(shape, &u, &u, &[0.0, -2.0_f32.ln()], &[1.0; 3], &[1.0; 3])?, 1)?;
/// for (y, want) in outputs.y.iter().zip([1.0, 1.0, 2.0, 1.5, 3.0, 1.75]) {
///     assert!((y - want).abs() < 1e-6);
/// }
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn selective_scan<E: Element>(inputs: &Inputs<'_, E>, threads: usize) -> Result<Outputs<E>> {
    let mut outputs = Outputs::zeros(inputs.shape);
    selective_scan_into(inputs, threads, &mut outputs.y, Some(&mut outputs.last))?;
    Ok(outputs)
}

/// [`selective_scan`] into slices that are there already: `y` (batch, length, channels) and, where the last states are
/// wanted, `last` (batch, channels, state); of short sequences, to write them takes an eighth of the time. It allocates some
/// kB per thread, whatever the length; what was in the slices does not matter.
///
/// # Errors
/// As [`selective_scan`]; a slice of another length. After an error the slices hold nothing of use.
pub fn selective_scan_into<E: Element>(
    inputs: &Inputs<'_, E>,
    threads: usize,
    y: &mut [E::Real],
    last: Option<&mut [E]>,
) -> Result<()> {
    forward(inputs, threads, y, last, None)
}

/// [`selective_scan_into`] that also leaves in `kept` what [`selective_scan_backward_kept`] needs, and a backward pass would
/// compute anew otherwise: a training step takes some 15 % less time.
///
/// # Errors
/// As there; `kept` of another shape.
pub fn selective_scan_keeping<E: Element>(
    inputs: &Inputs<'_, E>,
    threads: usize,
    y: &mut [E::Real],
    last: Option<&mut [E]>,
    kept: &mut Kept<E>,
) -> Result<()> {
    kept.check_shape(inputs.shape)?;
    forward(inputs, threads, y, last, Some(&mut kept.states))
}

fn forward<E: Element>(
    inputs: &Inputs<'_, E>,
    threads: usize,
    y: &mut [E::Real],
    last: Option<&mut [E]>,
    kept: Option<&mut [E::Real]>,
) -> Result<()> {
    validate::at_least_one("threads", threads)?;
    let shape = inputs.shape;
    fits("y", y.len(), &[shape.batch, shape.length, shape.channels])?;
    let states = [shape.batch, shape.channels, shape.state];
    last.as_ref().map_or(Ok(()), |last| fits("last", last.len(), &states))?;
    if E::scan_into(inputs, threads, y, last, kept) {
        return Ok(());
    }
    // Which it was is looked for only now.
    inputs.check_values()?;
    Err(beyond("the state"))
}

/// Every gradient, as [`selective_scan_backward_stored`](super::selective_scan_backward_stored), many times faster, on up
/// to `threads` threads and in memory that grows with B L D rather than B L D N: one state in 32 is kept, the others are
/// computed anew from it, tile by tile, from the last to the first.
///
/// # Shapes
/// `dy`, the slope of the loss by y, (batch, length, channels); `dlast`, that by the last states, (batch, channels, state).
///
/// # Errors
/// As [`selective_scan`], and the same for `dy` and `dlast`.
///
/// # Numerics
/// As [`selective_scan`]; the number of threads changes nothing, not even the last bit.
///
/// ```
/// use mlnotes::ssm::selective::{Inputs, Shape, selective_scan_backward};
///
/// // A running sum, y = (u₁, u₁ + u₂): u₁ counts in both.
/// let shape = Shape { batch: 1, length: 2, channels: 1, state: 1 };
/// let inputs = Inputs::new(shape, &[3.0, 4.0], &[1.0; 2], &[0.0_f64], &[1.0; 2], &[1.0; 2])?;
/// let gradients = selective_scan_backward(&inputs, &[1.0, 1.0], None, 1)?;
/// assert_eq!(gradients.u, [2.0, 1.0]);
/// assert_eq!(gradients.c, [3.0, 7.0]); // ∂y_t/∂C_t = h_t
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn selective_scan_backward<E: Element>(
    inputs: &Inputs<'_, E>,
    dy: &[E::Real],
    dlast: Option<&[E]>,
    threads: usize,
) -> Result<Gradients<E>> {
    let mut gradients = Gradients::zeros(inputs);
    selective_scan_backward_into(inputs, dy, dlast, threads, &mut gradients)?;
    Ok(gradients)
}

/// [`selective_scan_backward`] into gradients that are there already, of the same shapes ([`Gradients::zeros`] makes them);
/// what was in them does not matter. Memory fresh from the system costs as much time as the computation.
///
/// # Errors
/// As [`selective_scan_backward`]; gradients of other shapes. After an error they hold nothing of use.
pub fn selective_scan_backward_into<E: Element>(
    inputs: &Inputs<'_, E>,
    dy: &[E::Real],
    dlast: Option<&[E]>,
    threads: usize,
    gradients: &mut Gradients<E>,
) -> Result<()> {
    backward(inputs, dy, dlast, None, threads, gradients)
}

/// [`selective_scan_backward_into`] with the states that [`selective_scan_keeping`] left for the same inputs. Of other
/// inputs, they give wrong gradients.
///
/// # Errors
/// As there; `kept` of another shape.
///
/// ```
/// use mlnotes::ssm::selective::*;
///
/// let shape = Shape { batch: 1, length: 100, channels: 1, state: 1 };
/// let (u, delta, ones) = ([0.5_f64; 100], [0.1; 100], [1.0; 100]);
/// let inputs = Inputs::new(shape, &u, &delta, &[-1.0], &ones, &ones)?;
///
/// let (mut y, mut kept) = ([0.0; 100], Kept::new(shape));
/// selective_scan_keeping(&inputs, 1, &mut y, None, &mut kept)?;
/// let mut gradients = Gradients::zeros(&inputs);
/// selective_scan_backward_kept(&inputs, &kept, &ones, None, 1, &mut gradients)?;
/// assert_eq!(gradients, selective_scan_backward(&inputs, &ones, None, 1)?);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn selective_scan_backward_kept<E: Element>(
    inputs: &Inputs<'_, E>,
    kept: &Kept<E>,
    dy: &[E::Real],
    dlast: Option<&[E]>,
    threads: usize,
    gradients: &mut Gradients<E>,
) -> Result<()> {
    kept.check_shape(inputs.shape)?;
    backward(inputs, dy, dlast, Some(&kept.states), threads, gradients)
}

fn backward<E: Element>(
    inputs: &Inputs<'_, E>,
    dy: &[E::Real],
    dlast: Option<&[E]>,
    kept: Option<&[E::Real]>,
    threads: usize,
    gradients: &mut Gradients<E>,
) -> Result<()> {
    validate::at_least_one("threads", threads)?;
    check_slopes(inputs.shape, dy, dlast)?;
    gradients.check_shapes(inputs)?;
    if E::backward(inputs, dy, dlast, kept, threads, gradients).is_some() && gradients.check_sums().is_ok() {
        return Ok(());
    }
    inputs.check_values()?;
    check_slope_values(inputs.shape, dy, dlast)?;
    Err(beyond("a gradient"))
}
