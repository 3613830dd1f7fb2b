//! What if the law itself is a network? The neural differential equation (神经微分方程, NDE), or neural ODE.
//!
//! The state follows a vector field (向量场) with parameters θ, and a loss looks at it at given times:
//!
//! x′(t) = f(x, t; θ), x(t₀) given, ℓ = ℓ(x(t₀), …, x(t_{L−1}))
//!
//! Nothing asks that the times are equally far apart. With f = A x it is a linear state space model without input
//! ([`lti`](super::lti), solved by an exponential); any other f is solved in steps, here by Runge and Kutta's methods of
//! order 4.
//!
//! | gradient | how | memory |
//! | --- | --- | --- |
//! | [`RungeKutta::backpropagate`] | discretise, then differentiate: reverse mode through the steps | grows with the steps |
//! | [`RungeKutta::adjoint`] | differentiate, then discretise: the adjoint equation, solved backwards in time | does not |
//!
//! The first is the gradient of what the solver computes, to rounding; the second is one more approximation of the
//! gradient of the solution. They differ by the solver's error, O(h⁴) for steps of length h.
//!
//! | here | symbol | shape |
//! | --- | --- | --- |
//! | `initial` | x(t₀) | (N) |
//! | `times` | t₀ < t₁ < … | (L) |
//! | `steps` | how many between two times | 1 or more |
//! | `slopes` | g_k = ∂ℓ/∂x(t_k) | (L, N) |
//! | `parameters` | θ | (P) |
//!
//! Not covered: steps that adapt to the error, stiff methods, slopes with respect to the times, inputs, batches.
//!
//! Source: Chen, Rubanova, Bettencourt and Duvenaud, *Neural Ordinary Differential Equations*, NeurIPS 2018, arXiv 1806.07366.

mod field;
mod gradient;
mod runge_kutta;

pub use field::{TanhField, VectorField};
pub use gradient::OdeGradient;
pub use runge_kutta::RungeKutta;
