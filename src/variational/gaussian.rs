//! The Gaussians that stand in for a posterior, and the slopes of their bound.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis};

use super::Elbo;
use crate::gaussian::{Covariance, Gaussians};
use crate::numerics::Cholesky;
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// What a reader brings: log p(x, z) and its gradient at a z.
pub(super) type LogJoint<'a> = dyn FnMut(&ArrayRef1<f64>) -> Result<(f64, Array1<f64>)> + 'a;

/// Fills one row, for one ε.
type OneRow<'a> = dyn FnMut(&ArrayRef1<f64>, &mut [f64]) -> Result<()> + 'a;

/// How much a Gaussian q may say about several variables at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Independent variables, mean field (平均场): D means and D standard deviations.
    Diagonal,
    /// Any covariance: D means and D (D + 1)/2 entries of its Cholesky factor.
    Full,
}

/// q(z) = N(z | μ, L Lᵀ) over z in ℝᴰ, L lower triangular, or diagonal.
///
/// Its [`parameters`](Self::parameters) may be any numbers: μ, then log L_ii, then for [`Family::Full`] what is left of the
/// diagonal, row after row.
///
/// ```
/// use mlnotes::variational::VariationalGaussian;
/// use ndarray::array;
///
/// let q = VariationalGaussian::full(array![1.0, 2.0], array![[4.0, 2.0], [2.0, 2.0]])?; // L = [[2, 0], [1, 1]]
/// assert_eq!(q.parameters(), array![1.0, 2.0, 2.0_f64.ln(), 0.0, 1.0]);
/// assert_eq!(q.point(&array![1.0, -1.0])?, array![3.0, 2.0]); // μ + L ε
/// let unit = 1.0 + (2.0 * std::f64::consts::PI).ln(); // the entropy of two independent standard normals
/// assert!((q.entropy() - unit - 2.0_f64.ln()).abs() < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct VariationalGaussian {
    family: Family,
    mean: Array1<f64>,
    lower: Array2<f64>,
}

impl VariationalGaussian {
    /// Independent variables, from their means and standard deviations.
    ///
    /// # Errors
    /// No variable; another number of deviations; NaN; a deviation that is not above 0.
    pub fn diagonal(mean: Array1<f64>, deviation: Array1<f64>) -> Result<Self> {
        if mean.is_empty() {
            return Err(Error::Empty { arg: "mean", remedy: "give one number per dimension" });
        }
        validate::finite("mean", &mean)?;
        validate::one_per_row("deviation", deviation.shape(), mean.len())?;
        deviation.iter().try_for_each(|&deviation| validate::positive("deviation", deviation, "1"))?;
        Ok(Self { family: Family::Diagonal, mean, lower: Array2::from_diag(&deviation) })
    }

    /// From the mean (D) and a covariance (D, D).
    ///
    /// # Errors
    /// No variable; shapes that disagree; NaN; [`Error::Singular`] unless the covariance is symmetric and positive definite.
    pub fn full(mean: Array1<f64>, covariance: Array2<f64>) -> Result<Self> {
        let one = Covariance::Full(covariance.clone().insert_axis(Axis(0)));
        Gaussians::new(mean.clone().insert_axis(Axis(0)), one)?;
        let remedy = "give one with more spread in each direction";
        let cholesky = Cholesky::new(&covariance)
            .ok_or_else(|| Error::Singular { what: "the covariance of q".to_owned(), remedy })?;
        Ok(Self { family: Family::Full, mean, lower: cholesky.lower().clone() })
    }

    /// N(0, I) in so many dimensions.
    ///
    /// # Errors
    /// No dimension.
    pub fn standard(family: Family, dimensions: usize) -> Result<Self> {
        validate::at_least_one("dimensions", dimensions)?;
        Ok(Self { family, mean: Array1::zeros(dimensions), lower: Array2::eye(dimensions) })
    }

    /// Which family this is of.
    pub fn family(&self) -> Family {
        self.family
    }

    /// μ, shape (D).
    pub fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// L, shape (D, D).
    pub fn lower(&self) -> &Array2<f64> {
        &self.lower
    }

    /// L Lᵀ, shape (D, D).
    pub fn covariance(&self) -> Array2<f64> {
        self.lower.dot(&self.lower.t())
    }

    /// The standard deviation of each variable, shape (D).
    pub fn deviation(&self) -> Array1<f64> {
        self.lower.rows().into_iter().map(|row| row.dot(&row).sqrt()).collect()
    }

    /// ½ D (1 + log 2π) + Σ log L_ii.
    pub fn entropy(&self) -> f64 {
        let unit = 0.5 * (1.0 + (2.0 * std::f64::consts::PI).ln());
        self.lower.diag().iter().map(|l| unit + l.ln()).sum()
    }

    /// z = μ + L ε, shape (D), which follows q where ε is standard normal.
    ///
    /// # Errors
    /// An ε of another length.
    pub fn point(&self, noise: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        if noise.len() != self.mean.len() {
            return Err(Error::shape("noise", format!("({}), as the mean,", self.mean.len()), noise.shape()));
        }
        Ok(self.mean.clone() + self.lower.dot(noise))
    }

    /// μ, log L_ii, and L_ij below the diagonal: 2 D numbers, or D + D (D + 1)/2.
    pub fn parameters(&self) -> Array1<f64> {
        let diagonal = self.lower.diag().into_iter().map(|l| l.ln());
        let below = self.below().map(|at| self.lower[at]);
        self.mean.iter().copied().chain(diagonal).chain(below).collect()
    }

    /// The Gaussian of the same family with these [`parameters`](Self::parameters).
    ///
    /// # Errors
    /// Another number of them; NaN; a log L_ii too large or small for f64.
    pub fn with_parameters(&self, parameters: &ArrayRef1<f64>) -> Result<Self> {
        let d = self.mean.len();
        let needed = 2 * d + self.below().count();
        if parameters.len() != needed {
            return Err(Error::shape("parameters", format!("({needed}), as this Gaussian's,"), parameters.shape()));
        }
        validate::finite("parameters", parameters)?;
        let mut q = self.clone();
        for i in 0..d {
            q.mean[i] = parameters[i];
            q.lower[[i, i]] = parameters[d + i].exp();
            validate::positive("exp of the parameter log L_ii", q.lower[[i, i]], "1")?;
        }
        self.below().zip(parameters.iter().skip(2 * d)).for_each(|(at, &entry)| q.lower[at] = entry);
        Ok(q)
    }

    /// The places below the diagonal that are free, row after row.
    pub(super) fn below(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let rows = if self.family == Family::Full { self.mean.len() } else { 0 };
        (0..rows).flat_map(|i| (0..i).map(move |j| (i, j)))
    }

    /// The bound, E log p(x, z) estimated by so many draws, two or more.
    ///
    /// # Errors
    /// Fewer than two draws; what `log_joint` refuses; a value or gradient that is NaN or infinite, or of another length.
    pub fn elbo(
        &self,
        draws: usize,
        seed: u32,
        mut log_joint: impl FnMut(&ArrayRef1<f64>) -> Result<(f64, Array1<f64>)>,
    ) -> Result<ElboEstimate> {
        self.estimate(draws, &mut RandomState::new(seed), &mut log_joint)
    }

    pub(super) fn estimate(
        &self,
        draws: usize,
        random: &mut RandomState,
        log_joint: &mut LogJoint<'_>,
    ) -> Result<ElboEstimate> {
        if draws < 2 {
            return Err(Error::domain("draws", draws, "at least 2, since one has no spread"));
        }
        let mut values = Vec::with_capacity(draws);
        for _ in 0..draws {
            let noise: Array1<f64> = random.normal_array(self.mean.len());
            values.push(self.evaluate(&noise, log_joint)?.0);
        }
        let (n, mean) = (draws as f64, values.iter().sum::<f64>() / draws as f64);
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let elbo = Elbo::new().term("E log p(x, z)", mean).term("entropy of q", self.entropy());
        Ok(ElboEstimate { elbo, standard_error: (variance / n).sqrt() })
    }

    /// The reparameterisation trick (重参数化): estimates of the bound's gradient by [`parameters`](Self::parameters), one row for
    /// each row ε of `noise` (S, D).
    ///
    /// E_q log p(x, z) = E_ε log p(x, μ + L ε), where ε does not depend on q, so the gradient can go inside:
    ///
    /// ∂/∂μ = E g, ∂/∂L_ij = E g_i ε_j, with g = ∇ log p(x, z) at z = μ + L ε; and ∂/∂ log L_ii of the entropy is 1.
    ///
    /// ```
    /// use mlnotes::variational::{Family, VariationalGaussian};
    /// use ndarray::array;
    ///
    /// // log p = −z²/2 up to a constant, at z = ε = 2: the slope −2, times ε = 2, and 1 of the entropy.
    /// let q = VariationalGaussian::standard(Family::Diagonal, 1)?;
    /// let gradient = q.reparameterisation_gradients(&array![[2.0]], |z| Ok((-0.5 * z[0] * z[0], array![-z[0]])))?;
    /// assert_eq!(gradient, array![[-2.0, -3.0]]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// # Errors
    /// Noise of another width or NaN; as [`elbo`](Self::elbo).
    ///
    /// Source: Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, section 2.4; Kucukelbir et al., *Automatic
    /// differentiation variational inference*, JMLR 18 (2017), section 2.5.
    pub fn reparameterisation_gradients(
        &self,
        noise: &ArrayRef2<f64>,
        mut log_joint: impl FnMut(&ArrayRef1<f64>) -> Result<(f64, Array1<f64>)>,
    ) -> Result<Array2<f64>> {
        self.gradients(noise, &mut |noise, row| {
            let (_, slope) = self.evaluate(noise, &mut log_joint)?;
            self.add_gradient(&slope, noise, 1.0, row);
            self.of_log_diagonal(row).iter_mut().for_each(|entry| *entry += 1.0);
            Ok(())
        })
    }

    /// The score function's estimates (REINFORCE) of the same gradient, which do without that of log p:
    ///
    /// ∇ E_q log p(x, z) = E_q\[log p(x, z) ∇ log q(z)\], with ∂ log q/∂μ = u and ∂ log q/∂L_ij = u_i ε_j − \[i = j\]/L_ii, where
    /// u = L⁻ᵀ ε. Their mean is the same, their variance far larger.
    ///
    /// ```
    /// use mlnotes::variational::{Family, VariationalGaussian};
    /// use ndarray::array;
    ///
    /// // log p = −2 at z = ε = 2; ∂ log q/∂μ = 2, ∂ log q/∂ log L = ε² − 1 = 3; and 1 of the entropy.
    /// let q = VariationalGaussian::standard(Family::Diagonal, 1)?;
    /// let gradient = q.score_function_gradients(&array![[2.0]], |z| Ok((-0.5 * z[0] * z[0], array![-z[0]])))?;
    /// assert_eq!(gradient, array![[-4.0, -5.0]]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`reparameterisation_gradients`](Self::reparameterisation_gradients).
    ///
    /// Source: Ranganath, Gerrish and Blei, *Black box variational inference*, AISTATS 2014, section 2.
    pub fn score_function_gradients(
        &self,
        noise: &ArrayRef2<f64>,
        mut log_joint: impl FnMut(&ArrayRef1<f64>) -> Result<(f64, Array1<f64>)>,
    ) -> Result<Array2<f64>> {
        self.gradients(noise, &mut |noise, row| {
            let (value, _) = self.evaluate(noise, &mut log_joint)?;
            self.add_gradient(&self.score(noise), noise, value, row);
            self.of_log_diagonal(row).iter_mut().for_each(|entry| *entry += 1.0 - value);
            Ok(())
        })
    }

    /// L⁻ᵀ ε.
    fn score(&self, noise: &ArrayRef1<f64>) -> Array1<f64> {
        let mut u = noise.to_owned();
        for i in (0..u.len()).rev() {
            let known: f64 = (i + 1..u.len()).map(|k| self.lower[[k, i]] * u[k]).sum();
            u[i] = (u[i] - known) / self.lower[[i, i]];
        }
        u
    }

    /// A row for each row of the noise, which begins as 0.
    fn gradients(&self, noise: &ArrayRef2<f64>, one: &mut OneRow<'_>) -> Result<Array2<f64>> {
        validate::samples("noise", noise)?;
        let parameters = 2 * self.mean.len() + self.below().count();
        let mut rows = vec![0.0; noise.nrows() * parameters];
        for (noise, row) in noise.rows().into_iter().zip(rows.chunks_exact_mut(parameters)) {
            one(&noise, row)?;
        }
        let shape = (noise.nrows(), parameters);
        Array2::from_shape_vec(shape, rows).map_err(|_| Error::shape("noise", "(draws, dimensions)", noise.shape()))
    }

    /// Adds factor · (g, g_i ε_i L_ii, g_i ε_j): what a slope g at z = μ + L ε means for the parameters.
    pub(super) fn add_gradient(&self, g: &ArrayRef1<f64>, noise: &ArrayRef1<f64>, factor: f64, into: &mut [f64]) {
        let d = g.len();
        for i in 0..d {
            into[i] += factor * g[i];
            into[d + i] += factor * g[i] * noise[i] * self.lower[[i, i]];
        }
        let below = into[2 * d..].iter_mut().zip(self.below());
        below.for_each(|(entry, (i, j))| *entry += factor * g[i] * noise[j]);
    }

    pub(super) fn of_log_diagonal<'a>(&self, gradient: &'a mut [f64]) -> &'a mut [f64] {
        let d = self.mean.len();
        &mut gradient[d..2 * d]
    }

    /// log p(x, z) and its gradient at z = μ + L ε.
    pub(super) fn evaluate(&self, noise: &ArrayRef1<f64>, log_joint: &mut LogJoint<'_>) -> Result<(f64, Array1<f64>)> {
        const ALLOWED: &str = "finite wherever q may draw: map variables with bounds to the whole line (a scale by its \
                               logarithm), or lower the learning rate";
        let z = self.point(noise)?;
        let (value, slope) = log_joint(&z)?;
        if slope.len() != z.len() {
            return Err(Error::shape("the gradient of log p", format!("({}), as z,", z.len()), slope.shape()));
        }
        if !value.is_finite() {
            return Err(Error::domain("log p(x, z)", format!("{value} at z = {z}"), ALLOWED));
        }
        if slope.iter().any(|slope| !slope.is_finite()) {
            return Err(Error::domain("the gradient of log p", format!("{slope} at z = {z}"), ALLOWED));
        }
        Ok((value, slope))
    }
}

/// A bound of which one term was estimated by sampling.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ElboEstimate {
    /// E log p(x, z) as the mean of the draws, and the entropy of q, which is exact.
    pub elbo: Elbo,
    /// The standard error (标准误) of that mean.
    pub standard_error: f64,
}
