//! Coins, dice and counts, whose priors are families of this module themselves.

use ndarray::{Array1, ArrayRef1, ArrayRef2, Axis};

use super::Conjugate;
use crate::expfam::bernoulli::zeros_and_ones;
use crate::expfam::categorical::one_hot_rows;
use crate::expfam::poisson::counts;
use crate::expfam::{Bernoulli, Beta, Categorical, Dirichlet, ExponentialFamily, Gamma, Poisson};
use crate::numerics::ln_gamma;
use crate::{Result, validate};

impl Conjugate for Beta {
    type Likelihood = Bernoulli;

    fn posterior(&self, x: &ArrayRef1<f64>) -> Result<Self> {
        zeros_and_ones(x)?;
        let ones = x.sum();
        Self::new(self.a() + ones, self.b() + (x.len() as f64 - ones))
    }

    fn log_normaliser(&self) -> f64 {
        self.log_partition()
    }

    fn log_predictive(&self, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        zeros_and_ones(x)?;
        let all = self.a() + self.b();
        Ok(x.mapv(|x| if x == 1.0 { (self.a() / all).ln() } else { (self.b() / all).ln() }))
    }
}

impl Conjugate for Dirichlet {
    type Likelihood = Categorical;

    fn posterior(&self, x: &ArrayRef2<f64>) -> Result<Self> {
        one_hot_rows(x)?;
        validate::columns("x", x, self.concentration().len())?;
        Self::new(self.concentration() + x.sum_axis(Axis(0)))
    }

    fn log_normaliser(&self) -> f64 {
        self.log_partition()
    }

    fn log_predictive(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        one_hot_rows(x)?;
        validate::columns("x", x, self.concentration().len())?;
        let all = self.concentration().sum();
        Ok(x.dot(&self.concentration().mapv(|alpha| (alpha / all).ln())))
    }
}

impl Conjugate for Gamma {
    type Likelihood = Poisson;

    fn posterior(&self, x: &ArrayRef1<f64>) -> Result<Self> {
        counts(x)?;
        Self::new(self.shape() + x.sum(), self.rate() + x.len() as f64)
    }

    fn log_normaliser(&self) -> f64 {
        self.log_partition()
    }

    fn log_predictive(&self, x: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        counts(x)?;
        let (k, beta) = (self.shape(), self.rate());
        // k failures with probability β/(β + 1), x successes.
        let none = -k * (1.0 / beta).ln_1p() - ln_gamma(k);
        Ok(x.mapv(|x| none + ln_gamma(k + x) - ln_gamma(x + 1.0) - x * beta.ln_1p()))
    }
}
