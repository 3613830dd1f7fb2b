//! What if no expectation can be worked out by hand? Gradients from samples of q.

use ndarray::{Array1, ArrayRef1, s};

use super::adam::Adam;
use super::gaussian::LogJoint;
use super::{ElboEstimate, Family, VariationalGaussian};
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// Black-box variational inference (黑箱变分推断) with a Gaussian q: a reader brings log p(x, z), which may lack a constant, and
/// its gradient; stochastic gradient ascent of the bound does the rest.
///
/// Each step draws some ε, averages [`reparameterisation_gradients`](VariationalGaussian::reparameterisation_gradients) and
/// lets Adam (Kingma and Ba 2015) go uphill. A constant learning rate would never come to rest, so in the second half of the
/// T steps it falls to 0 along a line, and the μ, L_ij and squares of L_ii of these steps are averaged, with weights 1 − t/T.
/// (Squares, since 0 is the average of the slope by log L_ii, which for a Gaussian posterior and a diagonal q is 1 − Λ_ii L_ii²;
/// log L_ii would average to too little.)
///
/// It is as good as its family. A diagonal q near a correlated Gaussian posterior has the right means, but the variances
/// 1/Λ_ii of each variable given the others, which are below the true ones.
///
/// ```
/// use mlnotes::variational::{BlackBox, Family};
/// use ndarray::array;
///
/// // A posterior N((1, −1), Λ⁻¹) with Λ = [[2, 1], [1, 2]], whose variances are 2/3.
/// let log_joint = |z: &ndarray::ArrayRef1<f64>| {
///     let slope = array![-2.0 * (z[0] - 1.0) - (z[1] + 1.0), -(z[0] - 1.0) - 2.0 * (z[1] + 1.0)];
///     Ok((0.5 * ((z[0] - 1.0) * slope[0] + (z[1] + 1.0) * slope[1]), slope))
/// };
/// let diagonal = BlackBox::new(Family::Diagonal).fit(2, log_joint)?.q;
/// assert!((diagonal.mean()[0] - 1.0).abs() < 0.05 && (diagonal.covariance()[[0, 0]] - 1.0 / 2.0).abs() < 0.05);
/// let full = BlackBox::new(Family::Full).fit(2, log_joint)?.q;
/// assert!((full.covariance()[[0, 0]] - 2.0 / 3.0).abs() < 0.05 && (full.covariance()[[0, 1]] + 1.0 / 3.0).abs() < 0.05);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlackBox {
    family: Family,
    steps: usize,
    draws: usize,
    learning_rate: f64,
    final_draws: usize,
    seed: u32,
}

/// Where stochastic ascent ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlackBoxFit {
    /// The averaged q.
    pub q: VariationalGaussian,
    /// Its bound, by draws of their own.
    pub estimate: ElboEstimate,
    /// The bound at the beginning of each step, as estimated by that step's draws.
    pub history: Vec<f64>,
}

#[cfg(feature = "plot")]
impl BlackBoxFit {
    /// The estimates of [`history`](Self::history).
    pub fn chart(&self) -> crate::plot::Chart<crate::plot::Line> {
        let series = [("ELBO, estimated", self.history.clone())];
        crate::plot::line(0..self.history.len(), &series).title("The bound climbs, with noise").labels("step", "nats")
    }
}

impl BlackBox {
    /// A q of this family; 2000 steps of 10 draws each, learning rate 0.05, 1000 draws for the bound at the end, seed 0.
    pub fn new(family: Family) -> Self {
        Self { family, steps: 2000, draws: 10, learning_rate: 0.05, final_draws: 1000, seed: 0 }
    }

    /// So many steps.
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// So many draws of ε a step.
    pub fn draws(self, draws: usize) -> Self {
        Self { draws, ..self }
    }

    /// About how far a mean or log L_ii moves in one step, as long as its slope keeps its sign.
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        Self { learning_rate, ..self }
    }

    /// So many draws for the bound at the end.
    pub fn final_draws(self, draws: usize) -> Self {
        Self { final_draws: draws, ..self }
    }

    /// The seed of all draws.
    pub fn seed(self, seed: u32) -> Self {
        Self { seed, ..self }
    }

    /// Learns q over z in so many dimensions from N(0, I). `log_joint` gives log p(x, z) and its gradient, shape (D).
    ///
    /// # Errors
    /// No dimension, no step, no draw, a learning rate that is not above 0; as [`VariationalGaussian::elbo`].
    pub fn fit(
        &self,
        dimensions: usize,
        mut log_joint: impl FnMut(&ArrayRef1<f64>) -> Result<(f64, Array1<f64>)>,
    ) -> Result<BlackBoxFit> {
        self.run(&VariationalGaussian::standard(self.family, dimensions)?, &mut log_joint)
    }

    /// Learns q from this start, for instance the mode and a small spread.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); a start of the other family.
    pub fn fit_from(
        &self,
        start: &VariationalGaussian,
        mut log_joint: impl FnMut(&ArrayRef1<f64>) -> Result<(f64, Array1<f64>)>,
    ) -> Result<BlackBoxFit> {
        self.run(start, &mut log_joint)
    }

    fn run(&self, start: &VariationalGaussian, log_joint: &mut LogJoint<'_>) -> Result<BlackBoxFit> {
        self.validate(start)?;
        let mut random = RandomState::new(self.seed);
        let (mut q, mut parameters) = (start.clone(), start.parameters());
        let mut adam = Adam::new(parameters.len());
        let mut average = Average { dimensions: start.mean().len(), sum: 0.0 * start.parameters(), weight: 0.0 };
        let mut history = Vec::with_capacity(self.steps);
        for step in 0..self.steps {
            let (value, gradient) = self.gradient(&q, &mut random, log_joint)?;
            history.push(value);
            let left = 1.0 - step as f64 / self.steps as f64;
            let rate = self.learning_rate * (2.0 * left).min(1.0);
            adam.ascend(&mut parameters, &gradient, rate);
            q = q.with_parameters(&parameters)?;
            if left <= 0.5 || step + 1 == self.steps {
                average.add(&parameters, left);
            }
        }
        let q = q.with_parameters(&average.end())?;
        let estimate = q.estimate(self.final_draws, &mut random, log_joint)?;
        Ok(BlackBoxFit { q, estimate, history })
    }

    /// The bound and its gradient, averaged over the draws of one step.
    fn gradient(
        &self,
        q: &VariationalGaussian,
        random: &mut RandomState,
        log_joint: &mut LogJoint<'_>,
    ) -> Result<(f64, Vec<f64>)> {
        let d = q.mean().len();
        let (mut value, share) = (q.entropy(), 1.0 / self.draws as f64);
        let mut gradient = vec![0.0; 2 * d + q.below().count()];
        for _ in 0..self.draws {
            let noise: Array1<f64> = random.normal_array(d);
            let (log_joint, slope) = q.evaluate(&noise, log_joint)?;
            value += share * log_joint;
            q.add_gradient(&slope, &noise, share, &mut gradient);
        }
        q.of_log_diagonal(&mut gradient).iter_mut().for_each(|entry| *entry += 1.0);
        Ok((value, gradient))
    }

    fn validate(&self, start: &VariationalGaussian) -> Result<()> {
        validate::at_least_one("steps", self.steps)?;
        validate::at_least_one("draws", self.draws)?;
        validate::positive("learning_rate", self.learning_rate, "0.05")?;
        if start.family() != self.family {
            let (value, allowed) = (format!("{:?}", start.family()), format!("{:?}, as is to be learned", self.family));
            return Err(Error::domain("the family of the start", value, allowed));
        }
        Ok(())
    }
}

/// Σ w over steps of μ, L_ii² and L_ij.
struct Average {
    dimensions: usize,
    sum: Array1<f64>,
    weight: f64,
}

impl Average {
    fn add(&mut self, parameters: &Array1<f64>, weight: f64) {
        let mut squared = parameters.clone();
        squared.slice_mut(s![self.dimensions..2 * self.dimensions]).mapv_inplace(|log| (2.0 * log).exp());
        self.sum.scaled_add(weight, &squared);
        self.weight += weight;
    }

    /// The averages, as parameters again.
    fn end(self) -> Array1<f64> {
        let mut mean = self.sum / self.weight;
        mean.slice_mut(s![self.dimensions..2 * self.dimensions]).mapv_inplace(|square| 0.5 * square.ln());
        mean
    }
}
