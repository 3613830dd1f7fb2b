//! Metropolis and Hastings: propose, and refuse as often as must be.

use ndarray::{Array1, ArrayRef1, ArrayRef2, array};

use super::Chains;
use super::run::{Kernel, Place, Schedule, Step, density, point, run, same_length, schedule};
use crate::random::RandomState;
use crate::{Error, Result, validate};

type LogDensity<'a> = &'a mut dyn FnMut(&ArrayRef1<f64>) -> Result<f64>;
type Propose<'a> = &'a mut dyn FnMut(&ArrayRef1<f64>, &mut RandomState) -> Result<(Array1<f64>, f64)>;

/// Metropolis-Hastings (梅特罗波利斯-黑斯廷斯) with any proposal q(x′ | x).
///
/// x′ is accepted with probability α = min(1, f(x′) q(x | x′) / (f(x) q(x′ | x))); otherwise x is drawn once more.
///
/// Source: Hastings, *Monte Carlo sampling methods using Markov chains and their applications*, Biometrika 57 (1970).
///
/// ```
/// use mlnotes::mcmc::MetropolisHastings;
/// use ndarray::array;
///
/// // An exponential distribution, f(x) = exp(−x); the proposal multiplies by exp(ε), for which q(x | x′)/q(x′ | x) = x′/x.
/// let log_density = |x: &ndarray::ArrayRef1<f64>| Ok(-x[0]);
/// let chains = MetropolisHastings::new().draws(4000).seed(1).run(&array![[0.1], [10.0]], log_density, |x, random| {
///     let step = random.normal();
///     Ok((array![x[0] * step.exp()], step))
/// })?;
/// assert!((chains.mean()[0] - 1.0).abs() < 6.0 * chains.standard_error()[0]);
/// assert!((chains.sd()[0] - 1.0).abs() < 0.1);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetropolisHastings {
    schedule: Schedule,
}

impl MetropolisHastings {
    /// 1000 steps of warm-up, 1000 draws.
    pub fn new() -> Self {
        Self::default()
    }

    schedule!();

    /// One chain from each row of `start` (chains, D). `log_density` gives log f(x), −∞ where f is 0; `proposal` gives x′ and
    /// log q(x | x′) − log q(x′ | x), which is 0 for a symmetric one.
    ///
    /// # Errors
    /// Those of both functions; no draws; an empty or not finite start; log f that is −∞ at the start, NaN or +∞ anywhere; an x′
    /// of another length or not finite; a log ratio that is NaN or +∞. The message says where.
    pub fn run(
        &self,
        start: &ArrayRef2<f64>,
        mut log_density: impl FnMut(&ArrayRef1<f64>) -> Result<f64>,
        mut proposal: impl FnMut(&ArrayRef1<f64>, &mut RandomState) -> Result<(Array1<f64>, f64)>,
    ) -> Result<Chains> {
        let mut kernel = Metropolis::new(&mut log_density, Proposal::Given(&mut proposal));
        run(self.schedule, start, &mut kernel)
    }
}

/// Random-walk Metropolis (随机游走): x′ = x + s ⊙ ε with standard normal ε, accepted with probability min(1, f(x′)/f(x)).
///
/// Steps too small are accepted and lead nowhere, steps too large are refused. [`adapt`](Self::adapt) looks for those in
/// between.
///
/// Source: Metropolis, Rosenbluth, Rosenbluth, Teller and Teller, *Equation of state calculations by fast computing
/// machines*, Journal of Chemical Physics 21 (1953).
///
/// ```
/// use mlnotes::mcmc::RandomWalk;
/// use ndarray::array;
///
/// // N(3, 2²) without its constant.
/// let log_density = |x: &ndarray::ArrayRef1<f64>| Ok(-0.5 * ((x[0] - 3.0) / 2.0).powi(2));
/// let chains = RandomWalk::new(1.0).adapt().draws(4000).seed(1).run(&array![[-9.0], [15.0]], log_density)?;
/// assert!((chains.mean()[0] - 3.0).abs() < 6.0 * chains.standard_error()[0]);
/// assert!((chains.sd()[0] - 2.0).abs() < 0.2);
/// // A step of 4 would be accepted with probability 2/π arctan(2 · 2/4) = 0.5; 0.44 is what is looked for.
/// assert!(chains.step_size().unwrap().iter().all(|&step| step > 4.0 && step < 6.5));
/// assert!(RandomWalk::new(-1.0).run(&array![[0.0]], log_density).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RandomWalk {
    schedule: Schedule,
    scale: Array1<f64>,
    adapt: bool,
}

impl RandomWalk {
    /// Steps of standard deviation `scale` in every direction; 1000 steps of warm-up, 1000 draws.
    pub fn new(scale: f64) -> Self {
        Self::per_coordinate(array![scale])
    }

    /// Steps of a standard deviation for each coordinate, shape (D).
    pub fn per_coordinate(scale: Array1<f64>) -> Self {
        Self { schedule: Schedule::default(), scale, adapt: false }
    }

    schedule!();

    /// Multiplies the steps by a factor λ, fitted during the warm-up and fixed after it.
    ///
    /// Robbins and Monro's rule: log λ ← log λ + t^(−0.6) (α_t − α*) after step t = 1, 2, …; α* is 0.44 for one coordinate
    /// and 0.234 for more, where a Gaussian (of independent coordinates, many of them) is explored fastest.
    ///
    /// Source: Andrieu and Thoms, *A tutorial on adaptive MCMC*, Statistics and Computing 18 (2008), section 4.2; Roberts and
    /// Rosenthal, *Optimal scaling for various Metropolis-Hastings algorithms*, Statistical Science 16 (2001).
    pub fn adapt(self) -> Self {
        Self { adapt: true, ..self }
    }

    /// One chain from each row of `start` (chains, D). `log_density` gives log f(x), −∞ where f is 0.
    ///
    /// The chains' [`step_size`](Chains::step_size) is the standard deviation of the first coordinate's steps.
    ///
    /// # Errors
    /// Those of `log_density`; no draws; a scale that is not above 0 and finite, or has another length; adaptation without a
    /// warm-up; an empty or not finite start; log f that is −∞ at the start, NaN or +∞ anywhere. The message says where.
    pub fn run(
        &self,
        start: &ArrayRef2<f64>,
        mut log_density: impl FnMut(&ArrayRef1<f64>) -> Result<f64>,
    ) -> Result<Chains> {
        let walk = self.walk(start.ncols())?;
        run(self.schedule, start, &mut Metropolis::new(&mut log_density, Proposal::Walk(walk)))
    }

    fn walk(&self, dimensions: usize) -> Result<Walk> {
        for &scale in &self.scale {
            validate::positive("scale", scale, "1")?;
        }
        let scale = match self.scale.len() {
            1 => Array1::from_elem(dimensions, self.scale[0]),
            length => same_length("scale", length, dimensions).map(|()| self.scale.clone())?,
        };
        if self.adapt && self.schedule.warm_up == 0 {
            return Err(Error::domain(
                "warm_up",
                0,
                "at least 1 where the steps are adapted: nothing changes after it",
            ));
        }
        let target = if dimensions == 1 { 0.44 } else { 0.234 };
        Ok(Walk { scale, target: self.adapt.then_some(target), log_factor: 0.0, count: 0 })
    }
}

/// Where a proposal comes from.
enum Proposal<'a> {
    Given(Propose<'a>),
    Walk(Walk),
}

struct Walk {
    scale: Array1<f64>,
    /// Of the acceptance, while the steps adapt.
    target: Option<f64>,
    log_factor: f64,
    count: i32,
}

impl Walk {
    fn adapt(&mut self, acceptance: f64) {
        if let Some(target) = self.target {
            self.count += 1;
            self.log_factor += f64::from(self.count).powf(-0.6) * (acceptance - target);
        }
    }
}

struct Metropolis<'a> {
    log_density: LogDensity<'a>,
    proposal: Proposal<'a>,
    x: Array1<f64>,
    log_f: f64,
    candidate: Array1<f64>,
}

impl<'a> Metropolis<'a> {
    fn new(log_density: LogDensity<'a>, proposal: Proposal<'a>) -> Self {
        Self { log_density, proposal, x: Array1::zeros(0), log_f: 0.0, candidate: Array1::zeros(0) }
    }

    /// Fills in x′; the log ratio of its proposal.
    fn propose(&mut self, random: &mut RandomState, place: Place) -> Result<f64> {
        match &mut self.proposal {
            Proposal::Walk(walk) => {
                let factor = walk.log_factor.exp();
                for ((candidate, x), scale) in self.candidate.iter_mut().zip(&self.x).zip(&walk.scale) {
                    *candidate = x + factor * scale * random.normal();
                }
                Ok(0.0)
            }
            Proposal::Given(propose) => {
                let log_ratio;
                (self.candidate, log_ratio) = propose(&self.x, random)?;
                same_length("proposal", self.candidate.len(), self.x.len())?;
                if !self.candidate.iter().all(|x| x.is_finite()) {
                    let value = format!("{} {place}", point(&self.candidate));
                    return Err(Error::domain("proposal", value, "finite in every coordinate"));
                }
                if log_ratio.is_nan() || log_ratio == f64::INFINITY {
                    let value = format!("{log_ratio} from x = {} {place}", point(&self.x));
                    return Err(Error::domain("log ratio of the proposal", value, "log q(x | x') - log q(x' | x)"));
                }
                Ok(log_ratio)
            }
        }
    }
}

impl Kernel for Metropolis<'_> {
    fn start(&mut self, x: &ArrayRef1<f64>, place: Place) -> Result<()> {
        (self.x, self.candidate) = (x.to_owned(), x.to_owned());
        self.log_f = density((self.log_density)(x)?, x, place)?;
        if let Proposal::Walk(walk) = &mut self.proposal {
            (walk.log_factor, walk.count) = (0.0, 0);
        }
        Ok(())
    }

    fn step(&mut self, random: &mut RandomState, place: Place) -> Result<Step> {
        let log_ratio = self.propose(random, place)?;
        let log_f = density((self.log_density)(&self.candidate)?, &self.candidate, place)?;
        let acceptance = (log_f - self.log_f + log_ratio).exp().min(1.0);
        let accepted = random.uniform() < acceptance;
        if accepted {
            std::mem::swap(&mut self.x, &mut self.candidate);
            self.log_f = log_f;
        }
        if let Proposal::Walk(walk) = &mut self.proposal
            && matches!(place, Place::WarmUp { .. })
        {
            walk.adapt(acceptance);
        }
        Ok(Step { accepted, diverged: false })
    }

    fn position(&self) -> &Array1<f64> {
        &self.x
    }

    fn step_size(&self) -> Option<f64> {
        match &self.proposal {
            Proposal::Walk(walk) => Some(walk.log_factor.exp() * walk.scale[0]),
            Proposal::Given(_) => None,
        }
    }
}
