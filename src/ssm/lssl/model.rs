//! The layer and its three views.

use ndarray::{Array1, Array2, ArrayRef2, ArrayView1, Axis};

use crate::ssm::hippo::legs;
use crate::ssm::lti::{Continuous, Discrete, Rule, by_channels, one_per_channel};
use crate::{Error, Result, validate};

/// H channels with one A and B, each with its C, D and Δ.
///
/// ```
/// use mlnotes::prelude::*;
/// use mlnotes::ssm::{lssl::Lssl, lti::Rule};
///
/// let c: Array2<f64> = RandomState::new(1).normal_array((3, 8));
/// let layer = Lssl::legs(c, array![0.0, 1.0, 0.0], (0.01, 0.1), Rule::ZeroOrderHold)?;
/// let u: Array2<f64> = RandomState::new(2).normal_array((40, 3));
/// let y = layer.recurrent(&u)?;
/// for other in [layer.convolutional(&u)?, layer.continuous(&u)?] {
///     assert!((&y - other).iter().all(|difference| difference.abs() < 1e-12));
/// }
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Lssl {
    pub(super) a: Array2<f64>,
    pub(super) b: Array1<f64>,
    pub(super) c: Array2<f64>,
    pub(super) d: Array1<f64>,
    pub(super) steps: Array1<f64>,
    pub(super) rule: Rule,
}

impl Lssl {
    /// From A (N, N), B (N), C (H, N), D (H), Δ (H) and a rule.
    ///
    /// # Errors
    /// No channel, no dimension, shapes that disagree, NaN or an infinity, a step not above 0, a step at which the rule
    /// has no answer.
    pub fn new(
        a: Array2<f64>,
        b: Array1<f64>,
        c: Array2<f64>,
        d: Array1<f64>,
        steps: Array1<f64>,
        rule: Rule,
    ) -> Result<Self> {
        let channels = c.nrows();
        if channels == 0 {
            return Err(Error::Empty { arg: "c", remedy: "give one row per channel" });
        }
        for (arg, values) in [("d", &d), ("steps", &steps)] {
            if values.len() != channels {
                let expected = format!("({channels}), as `c` has {channels} rows,");
                return Err(Error::shape(arg, expected, values.shape()));
            }
            validate::finite(arg, values)?;
        }
        let layer = Self { a, b, c, d, steps, rule };
        // All else is what the systems ask for.
        (0..channels).try_for_each(|channel| layer.discrete(channel).map(|_| ()))?;
        Ok(layer)
    }

    /// With A and B of HiPPO's LegS, N from C (H, N), and the channels' steps [`log_spaced`] between two ends.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`log_spaced`].
    pub fn legs(c: Array2<f64>, d: Array1<f64>, steps: (f64, f64), rule: Rule) -> Result<Self> {
        validate::at_least_one("order", c.ncols())?;
        let (a, b) = legs(c.ncols());
        let steps = log_spaced(steps.0, steps.1, c.nrows())?;
        Self::new(a, b, c, d, steps, rule)
    }

    /// H.
    pub fn channels(&self) -> usize {
        self.c.nrows()
    }

    /// N.
    pub fn order(&self) -> usize {
        self.a.nrows()
    }

    /// A, shape (N, N).
    pub fn a(&self) -> &Array2<f64> {
        &self.a
    }

    /// B, shape (N).
    pub fn b(&self) -> &Array1<f64> {
        &self.b
    }

    /// C, shape (H, N).
    pub fn c(&self) -> &Array2<f64> {
        &self.c
    }

    /// D, shape (H).
    pub fn d(&self) -> &Array1<f64> {
        &self.d
    }

    /// Δ, shape (H).
    pub fn steps(&self) -> &Array1<f64> {
        &self.steps
    }

    /// One channel in continuous time.
    ///
    /// # Errors
    /// There is no such channel.
    pub fn system(&self, channel: usize) -> Result<Continuous> {
        if channel >= self.channels() {
            return Err(Error::domain("channel", channel, format!("below {}, counted from 0", self.channels())));
        }
        Continuous::siso(self.a.clone(), self.b.clone(), self.c.row(channel).to_owned(), self.d[channel])
    }

    /// One channel in its steps.
    ///
    /// # Errors
    /// As [`system`](Self::system).
    pub fn discrete(&self, channel: usize) -> Result<Discrete> {
        self.system(channel)?.discretise(self.rule, self.steps[channel])
    }

    /// K_l = C Ā^l B̄ per channel, shape (H, L).
    ///
    /// # Errors
    /// A kernel that leaves f64.
    pub fn kernel(&self, length: usize) -> Result<Array2<f64>> {
        let mut kernel = Array2::zeros((self.channels(), length));
        for (channel, mut row) in kernel.rows_mut().into_iter().enumerate() {
            row.iter_mut().zip(&self.discrete(channel)?.kernel(length)?).for_each(|(k, value)| *k = *value);
        }
        Ok(kernel)
    }

    /// y by the recurrence; `u` and y are (L, H).
    ///
    /// # Errors
    /// Another number of columns, NaN or an infinity, a state that leaves f64.
    pub fn recurrent(&self, u: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.per_channel(u, |channel, u| self.discrete(channel)?.recurrent(&u.insert_axis(Axis(1))))
    }

    /// y by one convolution a channel.
    ///
    /// # Errors
    /// As [`recurrent`](Self::recurrent).
    pub fn convolutional(&self, u: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        by_channels(u, &self.d, |length| self.kernel(length))
    }

    /// y at the ends of the steps by the differential equation's own solution, u held during each: what the recurrence is
    /// under zero-order hold, whatever this layer's rule.
    ///
    /// # Errors
    /// As [`recurrent`](Self::recurrent).
    pub fn continuous(&self, u: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.per_channel(u, |channel, u| {
            let durations = Array1::from_elem(u.len(), self.steps[channel]);
            let rest = Array1::zeros(self.order());
            Ok(self.system(channel)?.simulate(&rest, &u.insert_axis(Axis(1)), &durations)?.outputs)
        })
    }

    fn per_channel(
        &self,
        u: &ArrayRef2<f64>,
        run: impl Fn(usize, ArrayView1<'_, f64>) -> Result<Array2<f64>>,
    ) -> Result<Array2<f64>> {
        one_per_channel(u, self.channels())?;
        let mut y = Array2::zeros(u.dim());
        for (channel, mut column) in y.columns_mut().into_iter().enumerate() {
            column.assign(&run(channel, u.column(channel))?.column(0));
        }
        Ok(y)
    }
}

/// `count` steps from the shortest to the longest, each the same multiple of the one before: channels that hear at
/// different speeds. One step alone is their geometric mean.
///
/// # Errors
/// `count` 0, ends that are not above 0 and in order.
///
/// ```
/// use mlnotes::ssm::lssl::log_spaced;
///
/// let steps = log_spaced(0.001, 0.1, 3)?;
/// assert!((steps[0] - 0.001).abs() < 1e-15 && (steps[1] - 0.01).abs() < 1e-15 && (steps[2] - 0.1).abs() < 1e-15);
/// assert!(log_spaced(0.1, 0.001, 3).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn log_spaced(shortest: f64, longest: f64, count: usize) -> Result<Array1<f64>> {
    validate::at_least_one("count", count)?;
    validate::positive("shortest step", shortest, "0.001")?;
    validate::positive("longest step", longest, "0.1")?;
    if shortest > longest {
        return Err(Error::domain("shortest step", shortest, format!("at most the longest, {longest}")));
    }
    let (from, to) = (shortest.ln(), longest.ln());
    let share = |i: usize| if count == 1 { 0.5 } else { i as f64 / (count - 1) as f64 };
    Ok((0..count).map(|i| (from + share(i) * (to - from)).exp()).collect())
}
