//! How does the mean of a coin, a count or a waiting time depend on what else is known? Generalised linear models
//! (广义线性模型).
//!
//! y_i follows an exponential family ([`crate::expfam`]), and a link g makes its mean linear: g(μ_i) = η_i = x_iᵀβ + o_i.
//!
//! | [`Family`] | y | link g(μ) | variance V(μ) | dispersion φ |
//! | --- | --- | --- | --- | --- |
//! | `Bernoulli` | 0, 1 | log μ/(1 − μ), canonical | μ (1 − μ) | 1 |
//! | `Poisson` | 0, 1, 2 … | log μ, canonical | μ | 1 |
//! | `Gaussian` | numbers | μ, canonical | 1 | estimated |
//! | `Gamma` | above 0 | log μ, so that μ > 0 | μ² | estimated |
//!
//! Var y_i = φ V(μ_i)/w_i with a known weight w_i, and with a canonical link V = A″ of the family. Maximum likelihood
//! (极大似然) is iteratively reweighted least squares, IRLS (迭代重加权最小二乘): again and again, solve
//!
//! β ← argmin_β Σ W_i (z_i − x_iᵀβ)² + λ ‖β‖², z_i = η_i − o_i + (y_i − μ_i)(dμ/dη)/V(μ_i) · w_i/W_i.
//!
//! With Fisher's information W_i = w_i (dμ/dη)²/V(μ_i), the expected second derivative of −φ log p(y_i), this is Fisher
//! scoring, and then z_i = η_i − o_i + (y_i − μ_i)/(dμ/dη). With a canonical link that is the second derivative itself, so the
//! method is Newton's. For `Gamma`, whose scoring can need hundreds of steps, the last ones take the second derivative, w_i y_i/μ_i. Standard errors come from Fisher's information.
//!
//! | code | symbol | shape | range |
//! | --- | --- | --- | --- |
//! | `x`, `y` | x, y | (samples, features), (samples) | finite |
//! | `offset`, `weights` | o, w | (samples) | finite; w ≥ 0 |
//! | `coefficients` | β | (1 + features), the intercept first | |
//! | `penalty` | λ | number | ≥ 0 |
//!
//! Source: McCullagh and Nelder, *Generalized Linear Models*, second edition (1989), chapter 2.

mod family;
mod fit;

pub use family::Family;
pub use fit::{Fitted, Glm};
