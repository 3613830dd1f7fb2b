//! The state at given times, by explicit steps of order 4.

use ndarray::{Array2, ArrayRef1, ArrayView1};

use super::VectorField;
use super::field::add;
use crate::{Error, Result, validate};

/// A method of four stages and order 4: f is asked four times a step, at points made of the answers so far.
///
/// k_i = f(x + h Σ_{j<i} a_ij k_j, t + c_i h), x(t + h) ≈ x + h Σ b_i k_i
///
/// The error of a step is O(h⁵), of a stretch of time O(h⁴). On x′ = A x both are the series of e^{hA} up to (hA)⁴/24.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RungeKutta {
    /// The slope at the beginning, twice in the middle, at the end, weighted 1 : 2 : 2 : 1. Kutta's and everybody's.
    Classical,
    /// At 0, 1/3, 2/3 and 1, weighted 1 : 3 : 3 : 1, also Kutta's; torchdiffeq's `rk4` is this one.
    ThreeEighths,
}

/// Butcher's table: `a` below its diagonal.
pub(super) struct Tableau {
    pub(super) a: [[f64; 4]; 4],
    pub(super) b: [f64; 4],
    pub(super) c: [f64; 4],
}

const CLASSICAL: Tableau = Tableau {
    a: [[0.0; 4], [0.5, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
    b: [1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    c: [0.0, 0.5, 0.5, 1.0],
};

const THREE_EIGHTHS: Tableau = Tableau {
    a: [[0.0; 4], [1.0 / 3.0, 0.0, 0.0, 0.0], [-1.0 / 3.0, 1.0, 0.0, 0.0], [1.0, -1.0, 1.0, 0.0]],
    b: [0.125, 0.375, 0.375, 0.125],
    c: [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0],
};

/// Where a step asked, and what it was told; room for the next step too.
#[derive(Clone, Default)]
pub(super) struct Stages {
    pub(super) points: [Vec<f64>; 4],
    slopes: [Vec<f64>; 4],
}

impl Stages {
    pub(super) fn new(dimension: usize) -> Self {
        let zeros = || [(); 4].map(|()| vec![0.0; dimension]);
        Self { points: zeros(), slopes: zeros() }
    }
}

impl RungeKutta {
    pub(super) fn tableau(self) -> &'static Tableau {
        match self {
            Self::Classical => &CLASSICAL,
            Self::ThreeEighths => &THREE_EIGHTHS,
        }
    }

    /// x(t_k) for every k, in `steps` equal steps from each time to the next.
    ///
    /// # Shapes
    /// `initial` (N), which is x(t₀); `times` (L), increasing; the result (L, N), with `initial` as its first row.
    ///
    /// # Errors
    /// No time, times that do not increase, no step, no dimension, another length of `initial`, NaN or an infinity, a state that
    /// leaves f64.
    ///
    /// # Numerics
    /// 4 (L − 1) `steps` values of f. The steps must be short by the fastest rate λ in f: h |λ| below 2.78 where it decays, or
    /// the solver grows where the solution does not.
    ///
    /// # Source
    /// Hairer, Nørsett and Wanner, *Solving Ordinary Differential Equations I*, 2nd edition (1993), section II.1, table 1.2.
    ///
    /// ```
    /// use mlnotes::ssm::ode::{RungeKutta, TanhField};
    /// use ndarray::{Array2, array};
    ///
    /// // x′ = x: a step of 1 gives 1 + 1 + 1/2 + 1/6 + 1/24.
    /// let grows = TanhField::new(array![[1.0]], Array2::zeros((1, 0)), Array2::zeros((0, 1)), array![])?;
    /// let path = RungeKutta::Classical.solve(&grows, &array![1.0], &array![0.0, 1.0], 1)?;
    /// assert!((path[[1, 0]] - 65.0 / 24.0).abs() < 1e-15);
    /// // A hundred steps, between times that are not equally far apart: e.
    /// let path = RungeKutta::Classical.solve(&grows, &array![1.0], &array![0.0, 0.3, 1.0], 50)?;
    /// assert!((path[[2, 0]] - 1f64.exp()).abs() < 1e-8);
    /// assert!(RungeKutta::Classical.solve(&grows, &array![1.0], &array![0.0, 0.0], 1).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn solve(
        self,
        field: &dyn VectorField,
        initial: &ArrayRef1<f64>,
        times: &ArrayRef1<f64>,
        steps: usize,
    ) -> Result<Array2<f64>> {
        let n = field.dimension();
        if n == 0 {
            return Err(Error::Empty { arg: "field", remedy: "give one whose state has at least one number" });
        }
        if initial.len() != n {
            return Err(Error::shape("initial", format!("({n}), the dimension of the field,"), initial.shape()));
        }
        validate::finite("initial", initial)?;
        if times.is_empty() {
            return Err(Error::Empty { arg: "times", remedy: "give at least one, the time of `initial`" });
        }
        validate::finite("times", times)?;
        if let Some(k) = (1..times.len()).find(|&k| times[k] <= times[k - 1]) {
            let value = format!("{} after {} at {k}", times[k], times[k - 1]);
            return Err(Error::domain("times", value, "increasing: sort them, and keep one of those that are equal"));
        }
        validate::at_least_one("steps", steps)?;
        let mut states = Array2::zeros((times.len(), n));
        states.row_mut(0).assign(initial);
        let mut x = initial.to_vec();
        let mut stages = Stages::new(n);
        for k in 1..times.len() {
            let slope = |x: &[f64], t: f64, slope: &mut [f64]| field.value(x, t, slope);
            self.walk(&slope, &mut x, (times[k - 1], times[k]), steps, &mut stages, |_| ());
            if !x.iter().all(|x| x.is_finite()) {
                return Err(out_of_range(k));
            }
            states.row_mut(k).assign(&ArrayView1::from(&x));
        }
        Ok(states)
    }

    /// From one time to another, which may be earlier; `before` sees the state before each step.
    pub(super) fn walk(
        self,
        slope: &impl Fn(&[f64], f64, &mut [f64]),
        x: &mut [f64],
        (from, to): (f64, f64),
        steps: usize,
        stages: &mut Stages,
        mut before: impl FnMut(&[f64]),
    ) {
        let h = (to - from) / steps as f64;
        for j in 0..steps {
            before(x);
            self.stages(slope, x, from + j as f64 * h, h, stages);
            for (b, slope) in self.tableau().b.iter().zip(&stages.slopes) {
                add(h * b, slope, x);
            }
        }
    }

    /// The points and slopes of the step from x at t.
    pub(super) fn stages(
        self,
        slope: &impl Fn(&[f64], f64, &mut [f64]),
        x: &[f64],
        t: f64,
        h: f64,
        stages: &mut Stages,
    ) {
        let Tableau { a, c, .. } = self.tableau();
        for i in 0..4 {
            let point = &mut stages.points[i];
            point.copy_from_slice(x);
            for (a, slope) in a[i].iter().zip(&stages.slopes).filter(|(a, _)| **a != 0.0) {
                add(h * a, slope, point);
            }
            slope(point, t + c[i] * h, &mut stages.slopes[i]);
        }
    }
}

fn out_of_range(k: usize) -> Error {
    let value = format!("such that the state leaves the range of f64 between times {} and {k} (counted from 0)", k - 1);
    Error::domain("field", value, "one whose state stays finite: take more steps, shorter times or smaller parameters")
}
