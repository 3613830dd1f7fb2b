//! How many Gaussians are there, and how sure is each of them?

use ndarray::{Array1, Array2, Array3, ArrayRef2, ArrayView1, Axis};

use super::{Ascent, CoordinateAscent, Elbo};
use crate::expfam::conjugate::{Conjugate, NormalInverseWishart};
use crate::gaussian::{Covariance, Gaussians, Moments, Spread};
use crate::mixture::{GaussianMixture, KMeans, normalise};
use crate::mlp::one_hot;
use crate::numerics::{digamma, largest_columns, ln_gamma, x_log_x};
use crate::{Error, Result, validate};

/// Variational inference for a Bayesian mixture (贝叶斯混合模型) of K Gaussians, whose weights, means and precisions Λ = Σ⁻¹
/// are random as well:
///
/// π ~ Dirichlet (α₀ … α₀), (μ_k, Σ_k) ~ [`NormalInverseWishart`] (m₀, β₀, ν₀, Ψ₀), z_n ~ π, x_n ~ N(μ_{z_n}, Σ_{z_n})
///
/// With q(Z, π, μ, Λ) = q(Z) q(π, μ, Λ), coordinate ascent takes turns as EM does, but points keep all that is unsure:
///
/// - E: r_nk ∝ exp(E log π_k + ½ E log |Λ_k| − ½ E (x_n − μ_k)ᵀ Λ_k (x_n − μ_k));
/// - M: N_k = Σ_n r_nk, α_k = α₀ + N_k, and each (μ_k, Σ_k) becomes the conjugate posterior of the points, counted by r_nk.
///
/// A component that the data do not need pays for its parameters and loses its points: N_k goes to 0, and it falls back to
/// the prior. A collapse onto one point, which ends EM, has no infinite likelihood here.
///
/// | here | Bishop | scikit-learn's `BayesianGaussianMixture` with `dirichlet_distribution` | default |
/// | --- | --- | --- | --- |
/// | [`weight_concentration`](Self::weight_concentration) | α₀ | `weight_concentration_prior` | 1/K |
/// | [`mean`](Self::mean) | m₀ | `mean_prior` | the mean of x |
/// | [`mean_precision`](Self::mean_precision) | β₀ | `mean_precision_prior` | 1 |
/// | [`degrees`](Self::degrees) | ν₀ | `degrees_of_freedom_prior` | D |
/// | [`scale`](Self::scale) | Ψ₀ = W₀⁻¹ | `covariance_prior` | the covariance of x, by N − 1 |
///
/// ```
/// use mlnotes::variational::BayesianMixture;
/// use ndarray::array;
///
/// let x = array![[-2.1], [-1.9], [-2.0], [-2.2], [1.8], [2.2], [2.0], [2.1]];
/// // Four components are offered; two are enough.
/// let fit = BayesianMixture::new(4).weight_concentration(0.01).scale(array![[0.1]]).sweeps(200).fit(&x)?;
/// let weight = fit.model.expected_weight();
/// assert_eq!(weight.iter().filter(|&&weight| weight > 0.01).count(), 2);
/// assert!(fit.values().is_sorted());
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Sources: Attias, *A variational Bayesian framework for graphical models*, NIPS 1999; Bishop, *Pattern Recognition and
/// Machine Learning*, section 10.2.
#[derive(Clone, Debug, PartialEq)]
pub struct BayesianMixture {
    components: usize,
    weight_concentration: Option<f64>,
    mean_precision: f64,
    mean: Option<Array1<f64>>,
    degrees: Option<f64>,
    scale: Option<Array2<f64>>,
    ascent: CoordinateAscent,
    starts: usize,
    seed: u32,
}

impl BayesianMixture {
    /// At most K components with the default prior; from one start, at most 100 sweeps, until one gains less than 1e-3.
    pub fn new(components: usize) -> Self {
        Self {
            components,
            weight_concentration: None,
            mean_precision: 1.0,
            mean: None,
            degrees: None,
            scale: None,
            ascent: CoordinateAscent::new(),
            starts: 1,
            seed: 0,
        }
    }

    /// α₀, as if each component had so many points already. The nearer to 0, the sooner one is given up.
    pub fn weight_concentration(self, concentration: f64) -> Self {
        Self { weight_concentration: Some(concentration), ..self }
    }

    /// m₀, shape (D): about where the means are expected.
    pub fn mean(self, mean: Array1<f64>) -> Self {
        Self { mean: Some(mean), ..self }
    }

    /// β₀, as if so many points had been seen at m₀.
    pub fn mean_precision(self, precision: f64) -> Self {
        Self { mean_precision: precision, ..self }
    }

    /// ν₀, above D − 1: as if so many points had told about the covariance.
    pub fn degrees(self, degrees: f64) -> Self {
        Self { degrees: Some(degrees), ..self }
    }

    /// Ψ₀ = W₀⁻¹, shape (D, D): the scatter of those points.
    pub fn scale(self, scale: Array2<f64>) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// At most this many sweeps a start.
    pub fn sweeps(self, sweeps: usize) -> Self {
        Self { ascent: self.ascent.sweeps(sweeps), ..self }
    }

    /// Ends when a sweep gains less than this much of the bound, in nats; below 0 never.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { ascent: self.ascent.tolerance(tolerance), ..self }
    }

    /// So many starts, each from the clusters of one k-means++ start; the end with the highest bound is returned.
    pub fn starts(self, starts: usize) -> Self {
        Self { starts, ..self }
    }

    /// The seed of the starts.
    pub fn seed(self, seed: u32) -> Self {
        Self { seed, ..self }
    }

    /// The prior of each component's mean and covariance for these data, of which the defaults are made.
    ///
    /// # Errors
    /// NaN; parameters that [`NormalInverseWishart::new`] refuses; [`Error::Singular`] where the covariance of x is to serve as
    /// Ψ₀ but is singular, as that of one point.
    pub fn prior(&self, x: &ArrayRef2<f64>) -> Result<NormalInverseWishart> {
        const REMEDY: &str = "give a prior `scale`, which need not come from the data";
        validate::samples("x", x)?;
        let (n, d) = x.dim();
        let moments = Moments::of_valid(&[(x.view(), Array2::ones((n, 1)).view())], Spread::Tied);
        let is_default = self.scale.is_none();
        let scale = match (&self.scale, moments.scatter) {
            (Some(scale), _) => scale.clone(),
            (None, Covariance::Tied(scatter)) if n > 1 => scatter / (n - 1) as f64,
            _ => return Err(Error::Singular { what: "that of one point".to_owned(), remedy: REMEDY }),
        };
        let mean = self.mean.clone().unwrap_or_else(|| moments.mean.row(0).to_owned());
        let prior = NormalInverseWishart::new(mean, self.mean_precision, self.degrees.unwrap_or(d as f64), scale);
        let prior = prior.map_err(|error| match error {
            Error::Singular { .. } if is_default => {
                Error::Singular { what: "the covariance of x".to_owned(), remedy: REMEDY }
            }
            error => error,
        })?;
        validate::columns("x", x, prior.mean().len())?;
        Ok(prior)
    }

    /// Learns from x (N, D). With fewer points than components, some start without any.
    ///
    /// # Errors
    /// No start, no component, NaN; as [`prior`](Self::prior).
    pub fn fit(&self, x: &ArrayRef2<f64>) -> Result<Ascent<MixturePosterior>> {
        validate::at_least_one("starts", self.starts)?;
        validate::at_least_one("components", self.components)?;
        validate::samples("x", x)?;
        let mut best: Option<Ascent<MixturePosterior>> = None;
        for start in 0..self.starts {
            let seed = self.seed.wrapping_add(start as u32);
            let clusters = KMeans::new(self.components.min(x.nrows())).starts(1).seed(seed).fit(x)?;
            let fit = self.fit_from(&one_hot(&clusters.labels, self.components)?, x)?;
            if best.as_ref().is_none_or(|best| fit.elbo().value() > best.elbo().value()) {
                best = Some(fit);
            }
        }
        best.ok_or(Error::Empty { arg: "starts", remedy: "give at least one" })
    }

    /// Learns from x, from responsibilities r (N, K), of which the first M step is made. The history begins after it and
    /// the E step that follows.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); responsibilities of another shape, or a row that is no distribution.
    pub fn fit_from(&self, responsibilities: &ArrayRef2<f64>, x: &ArrayRef2<f64>) -> Result<Ascent<MixturePosterior>> {
        validate::at_least_one("components", self.components)?;
        let prior = self.prior(x)?;
        validate_responsibilities(responsibilities, x.nrows(), self.components)?;
        let concentration = self.weight_concentration.unwrap_or(1.0 / self.components as f64);
        validate::positive("weight_concentration", concentration, "1")?;
        let moments = Moments::of_valid(&[(x.view(), responsibilities.view())], Spread::Full);
        let step = |moments: &Moments| {
            let posterior = MixturePosterior::of_moments(concentration, &prior, moments)?;
            let shares = posterior.shares(x)?;
            let moments = Moments::of_valid(&[(x.view(), shares.view())], Spread::Full);
            let elbo = posterior.bound(&moments, entropy(&shares));
            Ok(((posterior, moments), elbo))
        };
        let fit = self.ascent.run(step(&moments)?, |(_, moments)| step(moments))?;
        Ok(Ascent { model: fit.model.0, history: fit.history, converged: fit.converged })
    }
}

/// q(π, μ, Λ) = Dirichlet (π | α) ∏_k [`NormalInverseWishart`] (μ_k, Σ_k | m_k, β_k, ν_k, Ψ_k), and the prior it came from.
///
/// q(Z) is not kept: [`responsibilities`](Self::responsibilities) computes it for any points.
///
/// ```
/// use mlnotes::expfam::conjugate::NormalInverseWishart;
/// use mlnotes::variational::MixturePosterior;
/// use ndarray::array;
///
/// let prior = NormalInverseWishart::new(array![0.0], 1.0, 1.0, array![[1.0]])?;
/// let at = |m: f64| NormalInverseWishart::new(array![m], 4.0, 4.0, array![[2.0]]);
/// let q = MixturePosterior::new(0.5, prior, array![1.0, 3.0], vec![at(-1.0)?, at(1.0)?])?;
/// assert_eq!(q.expected_weight(), array![0.25, 0.75]);
/// // Half way between equal components E log π decides, and ψ(3) − ψ(1) = 1 + 1/2.
/// let r = q.responsibilities(&array![[0.0]])?;
/// assert!((r[[0, 1]] / r[[0, 0]] - 1.5_f64.exp()).abs() < 1e-13);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MixturePosterior {
    prior_concentration: f64,
    prior: NormalInverseWishart,
    concentration: Array1<f64>,
    components: Vec<NormalInverseWishart>,
}

impl MixturePosterior {
    /// From the prior's α₀ and component, and from α (K) and K components of q.
    ///
    /// # Errors
    /// No component, or another number of them than of α; widths that disagree; an α that is not above 0.
    pub fn new(
        prior_concentration: f64,
        prior: NormalInverseWishart,
        concentration: Array1<f64>,
        components: Vec<NormalInverseWishart>,
    ) -> Result<Self> {
        if components.is_empty() {
            return Err(Error::Empty { arg: "components", remedy: "give at least one" });
        }
        if components.len() != concentration.len() {
            let allowed = format!("{}, one for each entry of the concentration", concentration.len());
            return Err(Error::domain("the number of components", components.len(), allowed));
        }
        let d = prior.mean().len();
        if let Some(odd) = components.iter().find(|component| component.mean().len() != d) {
            return Err(Error::shape("components", format!("({d}), as the prior's mean,"), odd.mean().shape()));
        }
        validate::positive("prior_concentration", prior_concentration, "1")?;
        concentration.iter().try_for_each(|&alpha| validate::positive("concentration", alpha, "1"))?;
        Ok(Self { prior_concentration, prior, concentration, components })
    }

    /// The M step.
    fn of_moments(concentration: f64, prior: &NormalInverseWishart, moments: &Moments) -> Result<Self> {
        let components = each(moments).map(|(n, mean, scatter)| prior.after(n, &mean, &scatter));
        Self::new(concentration, prior.clone(), concentration + &moments.weight, components.collect::<Result<_>>()?)
    }

    /// α, shape (K): α₀ and the number of points N_k.
    pub fn concentration(&self) -> &Array1<f64> {
        &self.concentration
    }

    /// q(μ_k, Σ_k): κ is Bishop's β_k, Ψ his W_k⁻¹.
    pub fn components(&self) -> &[NormalInverseWishart] {
        &self.components
    }

    /// α₀, the same for each component.
    pub fn prior_concentration(&self) -> f64 {
        self.prior_concentration
    }

    /// The prior of each component.
    pub fn prior(&self) -> &NormalInverseWishart {
        &self.prior
    }

    /// E π_k = α_k / Σ α, shape (K).
    pub fn expected_weight(&self) -> Array1<f64> {
        &self.concentration / self.concentration.sum()
    }

    /// One mixture for all of them, to draw or to compare: E π, E μ_k and (E Λ_k)⁻¹ = Ψ_k/ν_k.
    ///
    /// # Errors
    /// [`Error::Singular`] where rounding has left no spread in a direction.
    pub fn mixture(&self) -> Result<GaussianMixture> {
        GaussianMixture::new(self.expected_weight(), self.gaussians()?)
    }

    /// r_nk = q(z_n = k) of the E step, shape (N, K). It takes averages of logarithms, hence is not p(k | x_n, data).
    ///
    /// # Errors
    /// No row, NaN, another width.
    pub fn responsibilities(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.validate(x)?;
        self.shares(x)
    }

    /// The most responsible component of each row, the first of equals.
    ///
    /// # Errors
    /// As [`responsibilities`](Self::responsibilities).
    pub fn predict(&self, x: &ArrayRef2<f64>) -> Result<Array1<usize>> {
        Ok(largest_columns(&self.responsibilities(x)?))
    }

    /// log of p(x_n | data) ≈ Σ_k α_k/Σα · t(x_n | k), for each further point by itself, shape (N): a mixture of Student's t,
    /// since q stands in for the posterior and π, μ, Σ are integrated out (Bishop, 10.81).
    ///
    /// # Errors
    /// As [`responsibilities`](Self::responsibilities).
    pub fn log_predictive(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        self.validate(x)?;
        let mut log_density = Array2::zeros((x.nrows(), self.components.len()));
        for (mut column, component) in log_density.columns_mut().into_iter().zip(&self.components) {
            column.assign(&component.log_predictive(x)?);
        }
        let weight = self.expected_weight();
        Ok(normalise(&mut log_density, &weight, &weight.ln()))
    }

    /// The bound of q(Z) q(π, μ, Λ) for the points x (N, D) and any q(Z) given as responsibilities (N, K), with nothing left
    /// out: its seven terms are Bishop's (10.71) to (10.77).
    ///
    /// # Errors
    /// As [`responsibilities`](Self::responsibilities); responsibilities of another shape, or a row that is no distribution.
    pub fn elbo(&self, x: &ArrayRef2<f64>, responsibilities: &ArrayRef2<f64>) -> Result<Elbo> {
        self.validate(x)?;
        validate_responsibilities(responsibilities, x.nrows(), self.components.len())?;
        let moments = Moments::of_valid(&[(x.view(), responsibilities.view())], Spread::Full);
        Ok(self.bound(&moments, entropy(responsibilities)))
    }

    fn bound(&self, moments: &Moments, entropy: f64) -> Elbo {
        let log_weight = self.expected_log_weight();
        let sum = |term: &dyn Fn(&NormalInverseWishart) -> f64| self.components.iter().map(term).sum::<f64>();
        let likelihood =
            each(moments).zip(&self.components).map(|((n, mean, s), q)| q.expected_log_likelihood(n, &mean, &s));
        let prior_concentration = Array1::from_elem(self.components.len(), self.prior_concentration);
        Elbo::new()
            .term("E log p(X|Z,μ,Λ)", likelihood.sum())
            .term("E log p(Z|π)", moments.weight.dot(&log_weight))
            .term("E log p(π)", expected_log_dirichlet(&prior_concentration, &log_weight))
            .term("E log p(μ,Λ)", sum(&|q| self.prior.expected_log_density(q)))
            .term("−E log q(Z)", entropy)
            .term("−E log q(π)", -expected_log_dirichlet(&self.concentration, &log_weight))
            .term("−E log q(μ,Λ)", -sum(&|q| q.expected_log_density(q)))
    }

    /// The E step.
    fn shares(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        let mut shares = self.gaussians()?.log_density_of_valid(x);
        let d = x.ncols() as f64;
        // What E log N(x | μ, Σ) has more than log N(x | E μ, (E Λ)⁻¹).
        let more = |q: &NormalInverseWishart| {
            0.5 * (q.expected_log_precision() + q.log_scale() - d * q.degrees().ln() - d / q.count())
        };
        let log_weight = self.expected_log_weight() + Array1::from_iter(self.components.iter().map(more));
        normalise(&mut shares, &self.expected_weight(), &log_weight);
        Ok(shares)
    }

    /// E log π_k = ψ(α_k) − ψ(Σ α).
    fn expected_log_weight(&self) -> Array1<f64> {
        self.concentration.mapv(digamma) - digamma(self.concentration.sum())
    }

    fn gaussians(&self) -> Result<Gaussians> {
        let (k, d) = (self.components.len(), self.prior.mean().len());
        let mean = Array2::from_shape_fn((k, d), |(k, i)| self.components[k].mean()[i]);
        let covariance = Array3::from_shape_fn((k, d, d), |(k, i, j)| {
            let q = &self.components[k];
            q.scale()[[i, j]] / q.degrees()
        });
        Gaussians::new(mean, Covariance::Full(covariance))
    }

    fn validate(&self, x: &ArrayRef2<f64>) -> Result<()> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.prior.mean().len())
    }
}

/// N_k, mean and scatter of each component.
fn each(moments: &Moments) -> impl Iterator<Item = (f64, ArrayView1<'_, f64>, Array2<f64>)> {
    let d = moments.mean.ncols();
    let one = move |(k, mean)| (moments.weight[k], mean, moments.scatter.matrix(k, d));
    moments.mean.axis_iter(Axis(0)).enumerate().map(one)
}

/// E log Dirichlet (π | α) for a π with these E log π_k; 0 for a single weight, which is 1.
fn expected_log_dirichlet(alpha: &Array1<f64>, log_weight: &Array1<f64>) -> f64 {
    let log_normaliser = alpha.iter().map(|&alpha| ln_gamma(alpha)).sum::<f64>() - ln_gamma(alpha.sum());
    (alpha - 1.0).dot(log_weight) - log_normaliser
}

/// −Σ r log r.
fn entropy(responsibilities: &ArrayRef2<f64>) -> f64 {
    -responsibilities.iter().map(|&r| x_log_x(r)).sum::<f64>()
}

fn validate_responsibilities(r: &ArrayRef2<f64>, points: usize, components: usize) -> Result<()> {
    if r.dim() != (points, components) {
        let expected = format!("({points}, {components}), a share for each point and component,");
        return Err(Error::shape("responsibilities", expected, r.shape()));
    }
    validate::finite("responsibilities", r)?;
    let mut rows = r.rows().into_iter().enumerate();
    rows.try_for_each(|(n, row)| validate::distribution("responsibilities", &row, || format!(" in row {n}")))
}
