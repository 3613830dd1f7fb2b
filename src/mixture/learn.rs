//! EM for Gaussian mixtures.

use ndarray::{Array1, Array2, ArrayRef2};

use super::{GaussianMixture, KMeans};
use crate::em::{Em, Fit};
use crate::gaussian::{Covariance, Gaussians, Moments, Regular, Spread};
use crate::mlp::one_hot;
use crate::{Error, Result, validate};

/// EM for a mixture of K Gaussians.
///
/// - E: γ_nk = π_k N(x_n | μ_k, Σ_k) / Σ_j π_j N(x_n | μ_j, Σ_j);
/// - M: N_k = Σ_n γ_nk, π_k = N_k / N, μ_k = Σ_n γ_nk x_n / N_k, Σ_k = Σ_n γ_nk (x_n − μ_k)(x_n − μ_k)ᵀ / N_k.
///
/// The likelihood has no maximum: a component that shrinks onto one point makes it infinite. EM finds local maxima short of
/// that, or fails with [`Error::Singular`]; [`regular`](Self::regular) keeps it away.
///
/// ```
/// use mlnotes::gaussian::Spread;
/// use mlnotes::mixture::GaussianEm;
/// use ndarray::array;
///
/// let x = array![[-2.1], [-1.9], [-2.0], [1.8], [2.2], [2.0]];
/// let fit = GaussianEm::new(2, Spread::Spherical).fit(&x)?;
/// assert!(fit.history.is_sorted());
/// let mean = fit.model.gaussians().mean();
/// assert!((mean[[0, 0]] + mean[[1, 0]]).abs() < 1e-6 && (mean[[0, 0]].abs() - 2.0).abs() < 1e-6);
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Sources: Dempster, Laird and Rubin (1977), section 4.3; Bishop, *Pattern Recognition and Machine Learning*, section 9.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianEm {
    components: usize,
    spread: Spread,
    pub(super) em: Em,
    pub(super) regular: Regular,
    starts: usize,
    seed: u32,
}

impl GaussianEm {
    /// K components with such covariances; from one start, at most 100 iterations, until one gains less than 1e-3.
    pub fn new(components: usize, spread: Spread) -> Self {
        Self { components, spread, em: Em::new(), regular: Regular::default(), starts: 1, seed: 0 }
    }

    /// At most this many iterations a start.
    pub fn iterations(self, iterations: usize) -> Self {
        Self { em: self.em.iterations(iterations), ..self }
    }

    /// Ends when an iteration gains less than this much log-likelihood, summed over all points; below 0 never.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { em: self.em.tolerance(tolerance), ..self }
    }

    /// Keeps covariances away from singular ones. With a ridge the likelihood may fall a little, which is then no error.
    pub fn regular(self, regular: Regular) -> Self {
        Self { regular, ..self }
    }

    /// So many starts, each from the clusters of one k-means++ start; the best end is returned.
    pub fn starts(self, starts: usize) -> Self {
        Self { starts, ..self }
    }

    /// The seed of the starts.
    pub fn seed(self, seed: u32) -> Self {
        Self { seed, ..self }
    }

    /// Learns from x (N, D).
    ///
    /// # Errors
    /// No start, no component, fewer points than components, NaN; [`Error::Singular`] where every start ended in a collapse.
    pub fn fit(&self, x: &ArrayRef2<f64>) -> Result<Fit<GaussianMixture>> {
        validate::at_least_one("starts", self.starts)?;
        let mut best: Option<Fit<GaussianMixture>> = None;
        let mut failure = None;
        for start in 0..self.starts {
            let seed = self.seed.wrapping_add(start as u32);
            match self.start(x, seed).and_then(|start| self.fit_from(&start, x)) {
                Ok(fit) if best.as_ref().is_none_or(|best| fit.objective() > best.objective()) => best = Some(fit),
                Ok(_) => {}
                Err(error @ Error::Singular { .. }) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        match (best, failure) {
            (Some(best), _) => Ok(best),
            (None, Some(error)) => Err(error),
            (None, None) => Err(Error::Empty { arg: "starts", remedy: "give at least one" }),
        }
    }

    /// Learns from x, from a mixture with as many components.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), after one collapse already; a start of another size or kind.
    pub fn fit_from(&self, start: &GaussianMixture, x: &ArrayRef2<f64>) -> Result<Fit<GaussianMixture>> {
        self.validate(start)?;
        start.validate(x)?;
        self.em().run(
            start.clone(),
            |mixture| {
                let (shares, log_density) = mixture.shares(x);
                Ok((shares, log_density.sum() + mixture.gaussians.log_prior(&self.regular)))
            },
            |mixture, shares| self.maximise(mixture, x, &shares),
        )
    }

    pub(super) fn validate(&self, start: &GaussianMixture) -> Result<()> {
        self.regular.validate()?;
        if start.weight.len() != self.components {
            let allowed = format!("{}, as many as are to be learned", self.components);
            return Err(Error::domain("the number of components of the start", start.weight.len(), allowed));
        }
        let kind = start.gaussians.covariance().kind();
        if kind != self.spread {
            return Err(Error::domain(
                "the kind of covariance of the start",
                format!("{kind:?}"),
                format!("{:?}", self.spread),
            ));
        }
        Ok(())
    }

    /// The driver; with a ridge an M step does not quite maximise.
    pub(super) fn em(&self) -> Em {
        if self.regular.ridge > 0.0 { self.em.approximate() } else { self.em }
    }

    fn maximise(&self, old: &GaussianMixture, x: &ArrayRef2<f64>, shares: &Array2<f64>) -> Result<GaussianMixture> {
        let moments = Moments::of_valid(&[(x.view(), shares.view())], self.spread);
        let gaussians = moments.gaussians(&self.regular, &old.gaussians)?;
        Ok(GaussianMixture { weight: &moments.weight / moments.weight.sum(), gaussians })
    }

    /// The mixture whose shares are the clusters of k-means.
    fn start(&self, x: &ArrayRef2<f64>, seed: u32) -> Result<GaussianMixture> {
        let clusters = KMeans::new(self.components).starts(1).seed(seed).fit(x)?;
        let shares = one_hot(&clusters.labels, self.components)?;
        // Clusters of one point have no spread yet: a trace of the whole data's keeps the start from being singular.
        let all = Moments::of(&[(x.view(), Array2::ones((x.nrows(), 1)).view())], Spread::Spherical)?;
        let Covariance::Spherical(scatter) = &all.scatter else {
            return Err(Error::Empty { arg: "x", remedy: "give points" });
        };
        let variance = scatter[0] / x.nrows() as f64;
        validate::positive("the variance of x", variance, "points that differ")?;
        let (k, d) = clusters.centres.dim();
        let covariance = Covariance::uncorrelated(self.spread, k, &Array1::from_elem(d, variance));
        let keep = Gaussians::new(clusters.centres, covariance)?;
        let moments = Moments::of(&[(x.view(), shares.view())], self.spread)?;
        let trace = Regular { ridge: self.regular.ridge.max(1e-6 * variance), ..self.regular };
        Ok(GaussianMixture {
            weight: &moments.weight / moments.weight.sum(),
            gaussians: moments.gaussians(&trace, &keep)?,
        })
    }
}
