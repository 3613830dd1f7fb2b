//! The slopes of a loss with respect to the initial state and the parameters, in two ways.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use super::field::add;
use super::runge_kutta::{Stages, Tableau};
use super::{RungeKutta, VectorField};
use crate::{Error, Result, validate};

/// ∂ℓ/∂x(t₀) and ∂ℓ/∂θ.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OdeGradient {
    /// With respect to x(t₀), shape (N).
    pub initial: Array1<f64>,
    /// With respect to θ, shape (P).
    pub parameters: Array1<f64>,
}

impl RungeKutta {
    /// The gradient of what [`solve`](Self::solve) computes: reverse mode through its steps (通过求解器反向传播).
    ///
    /// With λ = ∂ℓ/∂x after a step and y_i its points, from the last stage to the first:
    ///
    /// κ_i = h (b_i λ + Σ_{j>i} a_ji μ_j), μ_i = (∂f/∂x)(y_i)ᵀ κ_i, ∂θ += (∂f/∂θ)(y_i)ᵀ κ_i
    ///
    /// and λ + Σ μ_i is ∂ℓ/∂x before it. At each time t_k, g_k is added to λ.
    ///
    /// # Shapes
    /// As [`solve`](Self::solve); `slopes` (L, N), g_k = ∂ℓ/∂x(t_k).
    ///
    /// # Errors
    /// As [`solve`](Self::solve); other shapes, NaN or an infinity in `slopes`, slopes that leave f64, more steps than fit into
    /// memory.
    ///
    /// # Numerics
    /// Exact but for rounding. The states at the L times and at the steps of one interval are kept, and each step is taken
    /// once more on the way back.
    ///
    /// # Source
    /// The chain rule; that it is itself a Runge-Kutta method for the adjoint equation: Hager, *Runge-Kutta methods in optimal
    /// control and the transformed adjoint system*, Numerische Mathematik 87 (2000).
    ///
    /// ```
    /// use mlnotes::ssm::ode::{RungeKutta, TanhField};
    /// use ndarray::{Array2, array};
    ///
    /// // x′ = a x, one step of 1: x(1) = (1 + a + a²/2 + a³/6 + a⁴/24) x(0); the loss is x(1).
    /// let grows = TanhField::new(array![[1.0]], Array2::zeros((1, 0)), Array2::zeros((0, 1)), array![])?;
    /// let (initial, times, slopes) = (array![1.0], array![0.0, 1.0], array![[0.0], [1.0]]);
    /// let gradient = RungeKutta::Classical.backpropagate(&grows, &initial, &times, 1, &slopes)?;
    /// assert!((gradient.initial[0] - 65.0 / 24.0).abs() < 1e-14);
    /// assert!((gradient.parameters[0] - 8.0 / 3.0).abs() < 1e-14); // 1 + a + a²/2 + a³/6
    /// assert!(RungeKutta::Classical.backpropagate(&grows, &initial, &times, 0, &slopes).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn backpropagate(
        self,
        field: &dyn VectorField,
        initial: &ArrayRef1<f64>,
        times: &ArrayRef1<f64>,
        steps: usize,
        slopes: &ArrayRef2<f64>,
    ) -> Result<OdeGradient> {
        let n = field.dimension();
        // Before the solution, which would take years with so many.
        let mut kept = Vec::new();
        if steps.checked_mul(n).is_none_or(|numbers| kept.try_reserve_exact(numbers).is_err()) {
            let allowed = "fewer, so that their states fit into memory: the adjoint method keeps none of them";
            return Err(Error::domain("steps", steps, allowed));
        }
        let states = self.solve(field, initial, times, steps)?;
        same_shape(slopes, &states)?;
        let value = |x: &[f64], t: f64, slope: &mut [f64]| field.value(x, t, slope);
        let mut stages = Stages::new(n);
        let mut adjoint = vec![0.0; n];
        let mut of_parameters = vec![0.0; field.parameter_count()];
        for k in (1..times.len()).rev() {
            add(1.0, &slopes.row(k).to_vec(), &mut adjoint);
            kept.clear();
            let mut x = states.row(k - 1).to_vec();
            self.walk(&value, &mut x, (times[k - 1], times[k]), steps, &mut stages, |x| kept.extend_from_slice(x));
            let h = (times[k] - times[k - 1]) / steps as f64;
            for (j, x) in kept.chunks_exact(n).enumerate().rev() {
                let t = times[k - 1] + j as f64 * h;
                self.stages(&value, x, t, h, &mut stages);
                self.step_back(field, &stages, (t, h), &mut adjoint, &mut of_parameters);
            }
        }
        add(1.0, &slopes.row(0).to_vec(), &mut adjoint);
        in_range(OdeGradient { initial: adjoint.into(), parameters: of_parameters.into() })
    }

    /// λ before a step from λ after it.
    fn step_back(
        self,
        field: &dyn VectorField,
        stages: &Stages,
        (t, h): (f64, f64),
        adjoint: &mut [f64],
        of_parameters: &mut [f64],
    ) {
        let Tableau { a, b, c } = self.tableau();
        let mut of_points = [(); 4].map(|()| vec![0.0; adjoint.len()]);
        let mut of_slope = vec![0.0; adjoint.len()];
        for i in (0..4).rev() {
            of_slope.fill(0.0);
            add(h * b[i], adjoint, &mut of_slope);
            for j in i + 1..4 {
                add(h * a[j][i], &of_points[j], &mut of_slope);
            }
            field.vjp(&stages.points[i], t + c[i] * h, &of_slope, &mut of_points[i], of_parameters);
        }
        of_points.iter().for_each(|of_point| add(1.0, of_point, adjoint));
    }

    /// The gradient by the adjoint method (伴随法): λ(t) = ∂ℓ/∂x(t) has a differential equation of its own, which is solved
    /// backwards in time, together with x and with the parameters' slopes.
    ///
    /// λ′ = −(∂f/∂x)ᵀ λ, λ jumps by g_k at t_k; ∂ℓ/∂θ = ∫ (∂f/∂θ)ᵀ λ dt
    ///
    /// # Shapes
    /// As [`backpropagate`](Self::backpropagate).
    ///
    /// # Errors
    /// As [`backpropagate`](Self::backpropagate), but for the memory.
    ///
    /// # Numerics
    /// O(h⁴) from the gradient of the solution, and from [`backpropagate`](Self::backpropagate). Nothing is kept but the states
    /// at the L times, at each of which x starts afresh, because a law that forgets at a rate λ is one that remembers wrongly
    /// when run backwards: an error of x grows by e^{λ(t_k − t_{k−1})} over an interval. Where that is large, give more times or
    /// use [`backpropagate`](Self::backpropagate).
    ///
    /// # Source
    /// Chen et al. (2018), section 2, algorithm 1, and appendices B and C; that x starts afresh at each time, as in torchdiffeq.
    /// Pontryagin et al., *The Mathematical Theory of Optimal Processes* (1962).
    ///
    /// ```
    /// use mlnotes::ssm::ode::{RungeKutta, TanhField};
    /// use ndarray::{Array2, array};
    ///
    /// // x′ = a x and ℓ = x(1) = e^a x(0): the slope is e by x(0), and e by a.
    /// let grows = TanhField::new(array![[1.0]], Array2::zeros((1, 0)), Array2::zeros((0, 1)), array![])?;
    /// let (initial, times, slopes) = (array![1.0], array![0.0, 1.0], array![[0.0], [1.0]]);
    /// let gradient = RungeKutta::Classical.adjoint(&grows, &initial, &times, 100, &slopes)?;
    /// assert!((gradient.initial[0] - 1f64.exp()).abs() < 1e-8);
    /// assert!((gradient.parameters[0] - 1f64.exp()).abs() < 1e-8);
    /// assert!(RungeKutta::Classical.adjoint(&grows, &initial, &times, 100, &array![[1.0]]).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn adjoint(
        self,
        field: &dyn VectorField,
        initial: &ArrayRef1<f64>,
        times: &ArrayRef1<f64>,
        steps: usize,
        slopes: &ArrayRef2<f64>,
    ) -> Result<OdeGradient> {
        let states = self.solve(field, initial, times, steps)?;
        same_shape(slopes, &states)?;
        let n = field.dimension();
        // (x, λ, ∂ℓ/∂θ so far), and its rate of change.
        let rate = |z: &[f64], t: f64, rate: &mut [f64]| {
            let (x, adjoint) = z[..2 * n].split_at(n);
            let (of_x, rest) = rate.split_at_mut(n);
            field.value(x, t, of_x);
            rest.fill(0.0);
            let (of_adjoint, of_parameters) = rest.split_at_mut(n);
            field.vjp(x, t, adjoint, of_adjoint, of_parameters);
            rest.iter_mut().for_each(|rate| *rate = -*rate);
        };
        let mut z = vec![0.0; 2 * n + field.parameter_count()];
        let mut stages = Stages::new(z.len());
        for k in (1..times.len()).rev() {
            z[..n].copy_from_slice(&states.row(k).to_vec());
            add(1.0, &slopes.row(k).to_vec(), &mut z[n..2 * n]);
            self.walk(&rate, &mut z, (times[k], times[k - 1]), steps, &mut stages, |_| ());
        }
        add(1.0, &slopes.row(0).to_vec(), &mut z[n..2 * n]);
        in_range(OdeGradient { initial: z[n..2 * n].to_vec().into(), parameters: z[2 * n..].to_vec().into() })
    }
}

fn same_shape(slopes: &ArrayRef2<f64>, states: &Array2<f64>) -> Result<()> {
    if slopes.shape() != states.shape() {
        let expected = format!("{:?}, one row per time and one column per dimension,", states.dim());
        return Err(Error::shape("slopes", expected, slopes.shape()));
    }
    validate::finite("slopes", slopes)
}

fn in_range(gradient: OdeGradient) -> Result<OdeGradient> {
    if gradient.initial.iter().chain(&gradient.parameters).all(|slope| slope.is_finite()) {
        return Ok(gradient);
    }
    Err(Error::domain(
        "slopes",
        "such that what follows from them leaves f64",
        "smaller, or taken back over shorter times: divide the loss by its size, or give more times",
    ))
}
