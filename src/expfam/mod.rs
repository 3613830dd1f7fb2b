//! What do the coin, the count, the bell curve and a random distribution have in common? Exponential families (指数族分布).
//!
//! p(x | η) = h(x) exp(ηᵀ T(x) − A(η)), A(η) = log ∫ h(x) exp(ηᵀ T(x)) dx
//!
//! A alone knows the rest, so each of these is written once, in [`ExponentialFamily`], and serves every family:
//!
//! | question | answer | method |
//! | --- | --- | --- |
//! | expected statistics | E\[T\] = ∇A | [`mean_parameters`](ExponentialFamily::mean_parameters) |
//! | their covariance (= Fisher's information of η) | Cov\[T\] = ∇²A | [`statistic_covariance`](ExponentialFamily::statistic_covariance) |
//! | density | log h + ηᵀT − A | [`log_density`](ExponentialFamily::log_density) |
//! | entropy (熵) | A − ηᵀ∇A − E\[log h\] | [`entropy`](ExponentialFamily::entropy) |
//! | KL divergence (KL散度) | A(η′) − A(η) − (η′ − η)ᵀ∇A(η) | [`kl`](ExponentialFamily::kl) |
//! | maximum likelihood (极大似然) | the η with ∇A(η) = the mean of T(x) | [`maximum_likelihood`](ExponentialFamily::maximum_likelihood) |
//! | Bayes' rule | adds T(x) to the prior's parameters | [`conjugate`] |
//!
//! | family | x | T(x) | η | A | h(x) |
//! | --- | --- | --- | --- | --- | --- |
//! | [`Bernoulli`] | 0, 1 | x | log p/(1 − p) | log(1 + e^η) | 1 |
//! | [`Categorical`] | one-hot, K | x without its last entry | log p_k/p_K | log(1 + Σ e^η) | 1 |
//! | [`Poisson`] | 0, 1, 2 … | x | log λ | e^η | 1/x! |
//! | [`Gaussian`] | number | x, x² | μ/σ², −1/(2σ²) | μ²/(2σ²) + log σ | (2π)^(−1/2) |
//! | [`MultivariateGaussian`] | vector, D | x, x_i x_j for j ≤ i | Σ⁻¹μ, −½Σ⁻¹ (twice off the diagonal) | ½(μᵀΣ⁻¹μ + log det Σ) | (2π)^(−D/2) |
//! | [`Gamma`] | above 0 | log x, x | k − 1, −β | log Γ(k) − k log β | 1 |
//! | [`Beta`] | in (0, 1) | log x, log(1 − x) | a − 1, b − 1 | log B(a, b) | 1 |
//! | [`Dirichlet`] | shares of 1, K | log x | α − 1 | Σ log Γ(α_k) − log Γ(Σ α) | 1 |
//!
//! T has as few entries as possible, so that ∇²A is invertible and different η are different distributions. Therefore a
//! probability of 0 or a variance of 0 has no η; such parameters are refused.
//!
//! Source: Wainwright and Jordan, *Graphical models, exponential families, and variational inference* (2008), chapter 3.

mod bernoulli;
mod beta;
mod categorical;
pub mod conjugate;
mod dirichlet;
mod gamma;
mod gaussian;
mod multivariate;
mod poisson;

pub use bernoulli::Bernoulli;
pub use beta::Beta;
pub use categorical::Categorical;
pub use dirichlet::Dirichlet;
pub use gamma::Gamma;
pub use gaussian::Gaussian;
pub use multivariate::MultivariateGaussian;
pub use poisson::Poisson;

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis};

use crate::{Error, Result, validate};

/// A distribution p(x | η) = h(x) exp(ηᵀ T(x) − A(η)); M is the length of T and η, N the number of observations.
///
/// ```
/// use mlnotes::expfam::{ExponentialFamily, Gaussian, Poisson};
/// use ndarray::array;
///
/// // The same three lines for counts and for numbers.
/// let counts = Poisson::maximum_likelihood(&array![2.0, 3.0, 7.0])?;
/// assert!((counts.rate() - 4.0).abs() < 1e-14); // the mean
/// let kl = counts.kl(&Poisson::new(2.0)?)?;
/// assert!((kl - (4.0 * 2.0_f64.ln() - 2.0)).abs() < 1e-14); // λ log(λ/λ′) − λ + λ′
///
/// let numbers = Gaussian::maximum_likelihood(&array![2.0, 3.0, 7.0])?;
/// assert!((numbers.variance() - 14.0 / 3.0).abs() < 1e-14);
/// let kl = numbers.kl(&Gaussian::new(4.0, 14.0)?)?;
/// assert!((kl - 0.5 * (3.0_f64.ln() + 1.0 / 3.0 - 1.0)).abs() < 1e-14);
///
/// assert!(Poisson::maximum_likelihood(&array![2.5]).is_err()); // no count
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub trait ExponentialFamily: Sized {
    /// N observations: `ArrayRef1<f64>` of numbers, or `ArrayRef2<f64>` of vectors in rows.
    type Sample: ?Sized;

    /// η, shape (M).
    fn natural(&self) -> Array1<f64>;

    /// The distribution with these natural parameters, shape (M).
    ///
    /// # Errors
    /// Another length than a family's; NaN; an η for which A(η) is infinite, or so large that the ordinary parameters
    /// leave f64.
    fn from_natural(eta: &ArrayRef1<f64>) -> Result<Self>;

    /// T(x) of each observation, shape (N, M).
    ///
    /// # Errors
    /// No observation; NaN; one that the family does not produce.
    fn statistics(x: &Self::Sample) -> Result<Array2<f64>>;

    /// log h(x) of each observation, shape (N).
    ///
    /// # Errors
    /// As [`statistics`](Self::statistics).
    fn log_base(x: &Self::Sample) -> Result<Array1<f64>>;

    /// A(η).
    fn log_partition(&self) -> f64;

    /// E\[T(x)\] = ∇A(η), shape (M).
    fn mean_parameters(&self) -> Array1<f64>;

    /// Cov\[T(x)\] = ∇²A(η), shape (M, M): how much one observation tells about η, and how ∇A moves with it.
    fn statistic_covariance(&self) -> Array2<f64>;

    /// The distribution with these E\[T(x)\], shape (M): the inverse of ∇A.
    ///
    /// # Errors
    /// Another length than a family's; NaN; means that no member has, because they are on the edge of those that T(x) can
    /// take or beyond; [`Error::NotConverged`] where Newton's method does not get there.
    fn from_mean_parameters(mean: &ArrayRef1<f64>) -> Result<Self>;

    /// E\[log h(x)\], which is 0 where h = 1.
    fn expected_log_base(&self) -> f64 {
        0.0
    }

    /// log p(x) of each observation, shape (N): log h(x) + ηᵀT(x) − A(η).
    ///
    /// # Numerics
    /// A difference of terms as large as A: its error is about 1e-16 A. The Gaussians, whose A grows with μ²/σ², use
    /// (x − μ)²/σ² instead.
    ///
    /// # Errors
    /// As [`statistics`](Self::statistics), vectors of another length.
    fn log_density(&self, x: &Self::Sample) -> Result<Array1<f64>> {
        log_density(Self::statistics(x)?, Self::log_base(x)?, &self.natural(), self.log_partition())
    }

    /// −E\[log p(x)\] = A(η) − ηᵀ∇A(η) − E\[log h(x)\], in nats; of a density, below 0 where it is narrow.
    fn entropy(&self) -> f64 {
        self.log_partition() - self.natural().dot(&self.mean_parameters()) - self.expected_log_base()
    }

    /// KL(p ‖ q) = E_p log p(x)/q(x) of this p and another member q.
    ///
    /// It is the Bregman divergence of A from η_p to η_q: by how much A(η_q) lies above the tangent of A at η_p. h does not
    /// occur.
    ///
    /// # Numerics
    /// A difference of terms as large as A, so what is below 1e-16 A is rounding; rounding below 0 is returned as 0.
    ///
    /// # Errors
    /// A member of another size: other numbers of classes or dimensions.
    fn kl(&self, q: &Self) -> Result<f64> {
        let eta = (self.natural(), q.natural());
        bregman((&eta.0, self.log_partition()), (&eta.1, q.log_partition()), &self.mean_parameters())
    }

    /// Σ log p(x) over the sample.
    ///
    /// # Errors
    /// As [`log_density`](Self::log_density).
    fn log_likelihood(&self, x: &Self::Sample) -> Result<f64> {
        Ok(self.log_density(x)?.sum())
    }

    /// The most likely member, given the sample: the one whose E\[T(x)\] is the sample's mean of T(x).
    ///
    /// The log-likelihood N (ηᵀT̄ − A(η)) + const is concave, and its gradient N (T̄ − ∇A(η)) is 0 there.
    ///
    /// # Errors
    /// As [`statistics`](Self::statistics) and [`from_mean_parameters`](Self::from_mean_parameters): a sample too small or
    /// too uniform has no most likely member. A [conjugate prior](conjugate) has an answer even then.
    fn maximum_likelihood(x: &Self::Sample) -> Result<Self> {
        Self::from_mean_parameters(&column_means(&Self::statistics(x)?))
    }
}

fn log_density(t: Array2<f64>, log_base: Array1<f64>, eta: &Array1<f64>, a: f64) -> Result<Array1<f64>> {
    validate::columns("the statistics of x", &t, eta.len())?;
    Ok(t.dot(eta) + log_base - a)
}

fn bregman((eta_p, a_p): (&Array1<f64>, f64), (eta_q, a_q): (&Array1<f64>, f64), mean: &Array1<f64>) -> Result<f64> {
    same_size(eta_q.len(), eta_p.len())?;
    Ok(not_below_zero(a_q - a_p - (eta_q - eta_p).dot(mean)))
}

/// Two distributions over the same set.
fn same_size(q: usize, p: usize) -> Result<()> {
    if q == p {
        return Ok(());
    }
    Err(Error::shape("q", format!("({p}), as many natural parameters as p,"), &[q]))
}

/// What only rounding puts below 0; NaN stays NaN.
fn not_below_zero(value: f64) -> f64 {
    if value < 0.0 { 0.0 } else { value }
}

fn column_means(t: &ArrayRef2<f64>) -> Array1<f64> {
    t.sum_axis(Axis(0)) / t.nrows() as f64
}

/// Parameters in a vector of known length.
fn numbers(arg: &'static str, values: &ArrayRef1<f64>, length: usize) -> Result<()> {
    if values.len() != length {
        return Err(Error::shape(arg, format!("({length}), one number per statistic,"), values.shape()));
    }
    validate::finite(arg, values)
}

/// At least one observation, each a number inside.
fn observations(x: &ArrayRef1<f64>, inside: fn(f64) -> bool, allowed: &'static str) -> Result<()> {
    if x.is_empty() {
        return Err(Error::Empty { arg: "x", remedy: "give at least one observation" });
    }
    validate::finite("x", x)?;
    match x.indexed_iter().find(|(_, value)| !inside(**value)) {
        None => Ok(()),
        Some((n, value)) => Err(Error::domain("x", format!("{value} at {n}"), allowed)),
    }
}

/// One row per number, one column per function.
fn statistics_of(x: &ArrayRef1<f64>, functions: &[fn(f64) -> f64]) -> Array2<f64> {
    Array2::from_shape_fn((x.len(), functions.len()), |(n, m)| functions[m](x[n]))
}

/// A spread that is this small, relative to the logarithms it is computed from, is none.
const ROUNDING: f64 = 2e-15;

/// A relative step below this is the last that Newton's method needs: the next would be its square.
const SETTLED: f64 = 1e-9;

/// Whether Newton's method has arrived: by its step, or because rounding keeps steps from becoming smaller.
fn settled(step: f64, last: f64) -> bool {
    step <= SETTLED || (last <= 1e-4 && step >= 0.5 * last)
}
