//! One coordinate after the other, each from what all others say of it.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use super::Chains;
use super::run::{Kernel, Place, Schedule, Step, run, same_length, schedule};
use crate::numerics::{Cholesky, is_symmetric};
use crate::random::RandomState;
use crate::{Error, Result, validate};

type Conditional<'a> = &'a mut dyn FnMut(usize, &ArrayRef1<f64>, &mut RandomState) -> Result<f64>;

/// Gibbs sampling (吉布斯采样): x_i ~ p(x_i | all other x) for i = 0 … D − 1 in turn; a draw is what x is after each such sweep.
///
/// Each of these moves is one of Metropolis and Hastings that is always accepted. Coordinates that depend on each other
/// strongly move little at a time: see [`GaussianConditionals`].
///
/// Source: Geman and Geman, *Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images*, IEEE PAMI 6
/// (1984); Gelfand and Smith, *Sampling-based approaches to calculating marginal densities*, JASA 85 (1990).
///
/// ```
/// use mlnotes::mcmc::Gibbs;
/// use ndarray::array;
///
/// // Two coins that like to agree: p(same) = 0.8, so each shows what the other does with probability 0.8.
/// let chains = Gibbs::new().draws(4000).seed(1).run(&array![[0.0, 0.0], [0.0, 1.0]], |i, x, random| {
///     let other = x[1 - i];
///     Ok(if random.uniform() < 0.8 { other } else { 1.0 - other })
/// })?;
/// let same = chains.draws().rows().into_iter().filter(|x| x[0] == x[1]).count();
/// assert!((same as f64 / 8000.0 - 0.8).abs() < 0.03);
/// assert_eq!(chains.acceptance().unwrap(), &array![1.0, 1.0]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gibbs {
    schedule: Schedule,
}

impl Gibbs {
    /// 1000 sweeps of warm-up, 1000 draws.
    pub fn new() -> Self {
        Self::default()
    }

    schedule!();

    /// One chain from each row of `start` (chains, D). `conditional` is given i and x, and draws x_i given all others.
    ///
    /// # Errors
    /// Those of `conditional`, and a draw of it that is not finite (the message says where); no draws; an empty or not finite
    /// start.
    pub fn run(
        &self,
        start: &ArrayRef2<f64>,
        mut conditional: impl FnMut(usize, &ArrayRef1<f64>, &mut RandomState) -> Result<f64>,
    ) -> Result<Chains> {
        run(self.schedule, start, &mut Sweeps { conditional: &mut conditional, x: Array1::zeros(0) })
    }
}

struct Sweeps<'a> {
    conditional: Conditional<'a>,
    x: Array1<f64>,
}

impl Kernel for Sweeps<'_> {
    fn start(&mut self, x: &ArrayRef1<f64>, _: Place) -> Result<()> {
        self.x = x.to_owned();
        Ok(())
    }

    fn step(&mut self, random: &mut RandomState, place: Place) -> Result<Step> {
        for i in 0..self.x.len() {
            let draw = (self.conditional)(i, &self.x, random)?;
            if !draw.is_finite() {
                let value = format!("{draw} for coordinate {i} {place}");
                return Err(Error::domain("conditional", value, "finite: a draw of this coordinate given all others"));
            }
            self.x[i] = draw;
        }
        Ok(Step { accepted: true, diverged: false })
    }

    fn position(&self) -> &Array1<f64> {
        &self.x
    }
}

/// What each coordinate of N(μ, Σ) is, given the others: with Λ = Σ⁻¹,
///
/// x_i | others ~ N(μ_i − Σ_{j ≠ i} Λ_ij (x_j − μ_j)/Λ_ii, 1/Λ_ii).
///
/// In the plane, with correlation ρ: x_0 | x_1 ~ N(μ_0 + ρ σ_0/σ_1 (x_1 − μ_1), σ_0² (1 − ρ²)). A sweep then turns each
/// coordinate into ρ² times what it was and noise, an autoregression of which N draws are worth N (1 − ρ²)/(1 + ρ²).
///
/// Source: Bishop, *Pattern Recognition and Machine Learning* (2006), equations 2.69 and 2.73.
///
/// ```
/// use mlnotes::mcmc::{GaussianConditionals, Gibbs};
/// use ndarray::array;
///
/// let target = GaussianConditionals::new(array![0.0, 1.0], array![[4.0, 1.0], [1.0, 1.0]])?; // ρ = ½
/// let (mean, variance) = target.conditional(0, &array![7.0, 2.0])?;
/// assert!((mean - 1.0).abs() < 1e-15); // 0 + ½ · 2/1 · (2 − 1)
/// assert!((variance - 3.0).abs() < 1e-15); // 4 (1 − ¼)
/// let chains = Gibbs::new().seed(1).run(&array![[9.0, 9.0]], |i, x, random| target.draw(i, x, random))?;
/// assert!((chains.mean()[0] - 0.0).abs() < 6.0 * chains.standard_error()[0]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianConditionals {
    mean: Array1<f64>,
    precision: Array2<f64>,
}

impl GaussianConditionals {
    /// From μ (D) and Σ (D, D).
    ///
    /// # Errors
    /// No dimension, shapes that disagree, NaN; [`Error::Singular`] where Σ is not symmetric and positive definite.
    pub fn new(mean: Array1<f64>, covariance: Array2<f64>) -> Result<Self> {
        let dimensions = mean.len();
        if dimensions == 0 {
            return Err(Error::Empty { arg: "mean", remedy: "give at least one coordinate" });
        }
        if covariance.dim() != (dimensions, dimensions) {
            let expected = format!("({dimensions}, {dimensions}), a row and a column per coordinate of `mean`,");
            return Err(Error::shape("covariance", expected, covariance.shape()));
        }
        validate::finite("mean", &mean)?;
        validate::finite("covariance", &covariance)?;
        match Cholesky::new(&covariance).filter(|_| is_symmetric(&covariance)) {
            Some(factor) => Ok(Self { mean, precision: factor.inverse() }),
            None => {
                let remedy = "a coordinate that the others determine has no distribution of its own: leave it out";
                Err(Error::Singular { what: "`covariance`".into(), remedy })
            }
        }
    }

    /// Mean and variance of x_i given all other entries of x (D); x_i itself plays no part.
    ///
    /// # Errors
    /// A coordinate that does not exist, x of another length.
    pub fn conditional(&self, i: usize, x: &ArrayRef1<f64>) -> Result<(f64, f64)> {
        let dimensions = self.mean.len();
        if i >= dimensions {
            return Err(Error::domain("i", i, format!("below {dimensions}, the number of coordinates")));
        }
        same_length("x", x.len(), dimensions)?;
        let row = self.precision.row(i);
        let pull: f64 = (0..dimensions).filter(|&j| j != i).map(|j| row[j] * (x[j] - self.mean[j])).sum();
        Ok((self.mean[i] - pull / row[i], 1.0 / row[i]))
    }

    /// A draw of x_i given all others, as [`Gibbs::run`] asks for.
    ///
    /// # Errors
    /// As [`conditional`](Self::conditional).
    pub fn draw(&self, i: usize, x: &ArrayRef1<f64>, random: &mut RandomState) -> Result<f64> {
        let (mean, variance) = self.conditional(i, x)?;
        Ok(mean + variance.sqrt() * random.normal())
    }
}
