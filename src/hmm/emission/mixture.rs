//! Vectors from several sources in each state.

use ndarray::{Array2, ArrayRef2, Axis};

use super::Emission;
use crate::gaussian::{Gaussians, Moments, Regular};
use crate::hmm::Likelihoods;
use crate::hmm::chain::{free, shared_out};
use crate::numerics::log_sum_exp;
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// b_j(x) = Σ_m c_jm N(x | μ_jm, Σ_jm): a Gaussian mixture per state, M components each.
///
/// ```
/// use mlnotes::gaussian::{Covariance, Gaussians};
/// use mlnotes::hmm::{Emission, Mixture};
/// use ndarray::array;
///
/// // One state, whose observations lie around −1 or around 1.
/// let parts = Gaussians::new(array![[-1.0], [1.0]], Covariance::Diagonal(array![[1.0], [1.0]]))?;
/// let mixture = Mixture::new(array![[0.5, 0.5]], parts.clone())?;
/// let log_b = mixture.likelihoods(&array![[0.0]])?.table();
/// assert!((log_b[[0, 0]] - parts.log_density(&array![[0.0]])?[[0, 0]]).abs() < 1e-15); // both are as far away
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// c_jm, shape (S, M).
    weight: Array2<f64>,
    /// S M of them; those of state j are j M … j M + M − 1.
    gaussians: Gaussians,
    regular: Regular,
}

impl Mixture {
    /// From the weights c (S, M) and S M Gaussians, the M of state 0 first.
    ///
    /// # Errors
    /// Weights that are no distributions; another number of Gaussians.
    pub fn new(weight: Array2<f64>, gaussians: Gaussians) -> Result<Self> {
        if weight.is_empty() {
            return Err(Error::Empty { arg: "weight", remedy: "give one row per state, one column per component" });
        }
        validate::finite("weight", &weight)?;
        for (j, row) in weight.rows().into_iter().enumerate() {
            validate::distribution("weight", &row, || format!(" in row {j}"))?;
        }
        if gaussians.components() != weight.len() {
            let allowed = format!("{}, one for each weight", weight.len());
            return Err(Error::domain("the number of Gaussians", gaussians.components(), allowed));
        }
        Ok(Self { weight, gaussians, regular: Regular::default() })
    }

    /// Keeps the covariances that are learned from becoming singular.
    ///
    /// # Errors
    /// A number below 0.
    pub fn regular(self, regular: Regular) -> Result<Self> {
        regular.validate()?;
        Ok(Self { regular, ..self })
    }

    /// c_jm, shape (S, M).
    pub fn weight(&self) -> &Array2<f64> {
        &self.weight
    }

    /// The Gaussians, the M of state 0 first.
    pub fn gaussians(&self) -> &Gaussians {
        &self.gaussians
    }

    /// log c_jm + log N(x_t | μ_jm, Σ_jm), shape (T, S M).
    fn log_joint(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        let mut log_joint = self.gaussians.log_density(x)?;
        let log_weight: Vec<f64> = self.weight.iter().map(|c| c.ln()).collect();
        for mut row in log_joint.rows_mut() {
            row.iter_mut().zip(&log_weight).for_each(|(log_joint, log_weight)| *log_joint += log_weight);
        }
        Ok(log_joint)
    }
}

impl Emission for Mixture {
    type Observations = ArrayRef2<f64>;
    type Owned = Array2<f64>;

    fn states(&self) -> usize {
        self.weight.nrows()
    }

    fn likelihoods<'a>(&self, x: &'a ArrayRef2<f64>) -> Result<Likelihoods<'a>> {
        let (states, parts) = self.weight.dim();
        let log_joint = self.log_joint(x)?;
        let table = Array2::from_shape_fn((x.nrows(), states), |(t, j)| {
            log_sum_exp((0..parts).map(|m| log_joint[[t, j * parts + m]]))
        });
        Likelihoods::from_owned_log(table, states)
    }

    /// γ_t(j, m) = γ_t(j) c_jm N_jm(x_t) / Σ_m' c_jm' N_jm'(x_t) weighs component m of state j (Rabiner 1989, section IV.A).
    fn estimate(&self, sequences: &[&ArrayRef2<f64>], gamma: &[Array2<f64>]) -> Result<Self> {
        let (states, parts) = self.weight.dim();
        let mut shares = Vec::with_capacity(sequences.len());
        for (x, gamma) in sequences.iter().zip(gamma) {
            let mut share = self.log_joint(x)?;
            for (mut share, gamma) in share.rows_mut().into_iter().zip(gamma.rows()) {
                for (mut share, &gamma) in share.axis_chunks_iter_mut(Axis(0), parts).zip(gamma) {
                    let total = log_sum_exp(share.iter().copied());
                    share.mapv_inplace(|part| if gamma > 0.0 { gamma * (part - total).exp() } else { 0.0 });
                }
            }
            shares.push(share);
        }
        let batches: Vec<_> = sequences.iter().zip(&shares).map(|(x, share)| (x.view(), share.view())).collect();
        let moments = Moments::of(&batches, self.gaussians.covariance().kind())?;
        let mut weight = self.weight.clone();
        for j in 0..states {
            shared_out(&mut weight.row_mut(j), (0..parts).map(|m| moments.weight[j * parts + m]), 1.0);
        }
        Ok(Self { weight, gaussians: moments.gaussians(&self.regular, &self.gaussians)?, ..*self })
    }

    fn log_prior(&self) -> f64 {
        self.gaussians.log_prior(&self.regular)
    }

    fn parameters(&self) -> usize {
        self.weight.rows().into_iter().map(|row| free(&row)).sum::<usize>() + self.gaussians.parameters()
    }

    fn restart(&self, sequences: &[&ArrayRef2<f64>], random: &mut RandomState) -> Result<Self> {
        Ok(Self { gaussians: super::gaussian::around_points(&self.gaussians, sequences, random)?, ..self.clone() })
    }

    fn sample(&self, states: &[usize], random: &mut RandomState) -> Result<Array2<f64>> {
        let mut x = Array2::zeros((states.len(), self.gaussians.dimensions()));
        for (mut x, &j) in x.rows_mut().into_iter().zip(states) {
            let part = random.draw(self.weight.row(j).iter().copied());
            x.assign(&self.gaussians.sample(j * self.weight.ncols() + part, random)?);
        }
        Ok(x)
    }
}
