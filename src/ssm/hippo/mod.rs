//! How can a few numbers hold all that was ever heard, and be brought up to date with each new sample? HiPPO, High-order
//! Polynomial Projection Operators (高阶多项式投影算子).
//!
//! At every time t the past f(x), x ≤ t, is approximated by a combination of N polynomials, best in the mean square that
//! a measure (测度) over the past defines. Its coefficients c(t) obey a linear differential equation whose matrices follow
//! from the measure alone; nothing is learned:
//!
//! c′ = A c + B f; or, for the measure that stretches with time, c′ = (A c + B f) / t
//!
//! | [`Measure`] | weight of the past at age s = t − x | polynomials | closes |
//! | --- | --- | --- | --- |
//! | [`LegS`](Measure::LegS), scaled Legendre | 1/t on all of \[0, t\] | √(2n+1) P_n(1 − 2s/t) | exactly |
//! | [`LegT`](Measure::LegT), translated Legendre | 1/θ on the window \[t − θ, t\] | √(2n+1) P_n(1 − 2s/θ) | with f(t − θ) taken from the approximation itself |
//! | [`LagT`](Measure::LagT), translated Laguerre | exp(−s/θ)/θ | L_n(s/θ) | exactly |
//!
//! | here | symbol | shape | range |
//! | --- | --- | --- | --- |
//! | `order` | N | | at least 1 |
//! | `a`, `b` | A, B | (N, N), (N) | |
//! | `coefficients` | c | (N) | |
//! | `window`, `timescale` | θ | | above 0 |
//! | `tilt` | β | | 0 to 1 |
//! | `ages` | s, as a share of t under LegS | (M) | 0 or more |
//!
//! [`LegsMemory`] is the online memory (在线记忆) under LegS, without any time scale to choose. Under LegT and LagT the
//! memory is a time-invariant system, [`Measure::memory`], for the tools of [`lti`](crate::ssm::lti).
//!
//! *Signs.* The paper writes c′ = −A c + B f, its code c′ = A c + B f; here it is the code's, which is also that of every
//! later model, so our A is minus the paper's.
//!
//! Not covered: the generalised Laguerre measure with α ≠ 0, Fourier and Chebyshev bases.
//!
//! Source: Gu, Dao, Ermon, Rudra and Ré (Stanford University and University at Buffalo), *HiPPO: Recurrent Memory with
//! Optimal Polynomial Projections*, NeurIPS 2020, arXiv 2008.07669.

mod legs;
mod measure;
mod polynomials;

pub use legs::{LegsMemory, LegsUpdate};
pub use measure::Measure;
pub(crate) use measure::legs;
