//! Vectors.

use ndarray::{Array2, ArrayRef2};

use super::Emission;
use crate::gaussian::{Covariance, Gaussians, Moments, Regular};
use crate::hmm::Likelihoods;
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// b_j(x) = N(x | μ_j, Σ_j): one Gaussian per state.
///
/// ```
/// use mlnotes::gaussian::{Covariance, Gaussians};
/// use mlnotes::hmm::{Emission, Gaussian};
/// use ndarray::array;
///
/// let two = Gaussians::new(array![[0.0], [5.0]], Covariance::Diagonal(array![[1.0], [1.0]]))?;
/// let emission = Gaussian::new(two);
/// // M step: one state has seen 1 and 3, the other 7 and 9.
/// let gamma = array![[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]];
/// let next = emission.estimate(&[&array![[1.0], [3.0], [7.0], [9.0]]], &[gamma])?;
/// assert_eq!(next.gaussians().mean(), array![[2.0], [8.0]]);
/// assert_eq!(next.gaussians().covariance(), &Covariance::Diagonal(array![[1.0], [1.0]]));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    gaussians: Gaussians,
    regular: Regular,
}

impl Gaussian {
    /// From one Gaussian per state; learning keeps the kind of covariance.
    pub fn new(gaussians: Gaussians) -> Self {
        Self { gaussians, regular: Regular::default() }
    }

    /// Keeps the covariances that are learned from becoming singular.
    ///
    /// # Errors
    /// A number below 0.
    pub fn regular(self, regular: Regular) -> Result<Self> {
        regular.validate()?;
        Ok(Self { regular, ..self })
    }

    /// The Gaussians.
    pub fn gaussians(&self) -> &Gaussians {
        &self.gaussians
    }
}

impl Emission for Gaussian {
    type Observations = ArrayRef2<f64>;
    type Owned = Array2<f64>;

    fn states(&self) -> usize {
        self.gaussians.components()
    }

    fn likelihoods<'a>(&self, x: &'a ArrayRef2<f64>) -> Result<Likelihoods<'a>> {
        Likelihoods::from_owned_log(self.gaussians.log_density(x)?, self.states())
    }

    fn estimate(&self, sequences: &[&ArrayRef2<f64>], gamma: &[Array2<f64>]) -> Result<Self> {
        let batches: Vec<_> = sequences.iter().zip(gamma).map(|(x, gamma)| (x.view(), gamma.view())).collect();
        let moments = Moments::of(&batches, self.gaussians.covariance().kind())?;
        Ok(Self { gaussians: moments.gaussians(&self.regular, &self.gaussians)?, ..*self })
    }

    fn log_prior(&self) -> f64 {
        self.gaussians.log_prior(&self.regular)
    }

    fn parameters(&self) -> usize {
        self.gaussians.parameters()
    }

    fn restart(&self, sequences: &[&ArrayRef2<f64>], random: &mut RandomState) -> Result<Self> {
        Ok(Self { gaussians: around_points(&self.gaussians, sequences, random)?, ..*self })
    }

    fn sample(&self, states: &[usize], random: &mut RandomState) -> Result<Array2<f64>> {
        let mut x = Array2::zeros((states.len(), self.gaussians.dimensions()));
        for (mut x, &j) in x.rows_mut().into_iter().zip(states) {
            x.assign(&self.gaussians.sample(j, random)?);
        }
        Ok(x)
    }
}

/// As many Gaussians, around points drawn from the data, with the data's variances.
pub(super) fn around_points(
    like: &Gaussians,
    sequences: &[&ArrayRef2<f64>],
    random: &mut RandomState,
) -> Result<Gaussians> {
    let (k, d) = like.mean().dim();
    let total: usize = sequences.iter().map(|x| x.nrows()).sum();
    if total == 0 {
        return Err(Error::Empty { arg: "sequences", remedy: "give at least one observation" });
    }
    let ones: Vec<Array2<f64>> = sequences.iter().map(|x| Array2::ones((x.nrows(), 1))).collect();
    let batches: Vec<_> = sequences.iter().zip(&ones).map(|(x, ones)| (x.view(), ones.view())).collect();
    let all = Moments::of(&batches, crate::gaussian::Spread::Diagonal)?;
    let Covariance::Diagonal(scatter) = &all.scatter else { return Ok(like.clone()) };
    let variances = scatter.row(0).mapv(|s| s / total as f64);
    variances.iter().try_for_each(|&v| validate::positive("the variance of each column", v, "1"))?;
    let mut mean = Array2::zeros((k, d));
    for mut mean in mean.rows_mut() {
        let mut row = random.below(total)?;
        for x in sequences {
            if row < x.nrows() {
                mean.assign(&x.row(row));
                break;
            }
            row -= x.nrows();
        }
    }
    Gaussians::new(mean, Covariance::uncorrelated(like.covariance().kind(), k, &variances))
}
