//! Far, and yet mostly accepted: proposals by a motion that keeps the energy.

use ndarray::{Array1, ArrayRef1, ArrayRef2};

use super::dual_averaging::DualAveraging;
use super::leapfrog::{Gradient, Phase, trajectory};
use super::run::{Kernel, Place, Schedule, Step, run, same_length, schedule};
use super::{Chains, Trajectory};
use crate::random::RandomState;
use crate::{Error, Result, validate};

/// Hamiltonian Monte Carlo (哈密顿蒙特卡洛, HMC).
///
/// x gets a momentum p ~ N(0, M), M = diag(m), and both follow Hamilton's equations of H(x, p) = −log f(x) + ½ pᵀ M⁻¹ p by L steps
/// of the leapfrog method (蛙跳法) of size ε:
///
/// p ← p + ε/2 ∇log f(x), x ← x + ε M⁻¹ p, p ← p + ε/2 ∇log f(x).
///
/// That can be run backwards and keeps volumes, so accepting with probability min(1, exp(H before − H after)) gives detailed
/// balance. ε decides how well H is kept (its error is O(ε²)), ε L how far one gets.
///
/// - L is drawn anew for each trajectory, evenly from 1 to 2 [`steps`](Self::steps) − 1: with one L alone, a trajectory may
///   come back to where it began every time.
/// - Unless [`step`](Self::step) gives it, the warm-up looks for ε: first one with which a step is accepted half of the time, then
///   dual averaging, so that on average a trajectory is accepted with probability [`target`](Self::target).
/// - A trajectory whose H rises by more than 1000 has diverged: it is ended, refused, and counted in
///   [`Chains::divergences`]. Many of them mean that the chain cannot enter some region; smaller steps may.
///
/// Source: Neal, *MCMC using Hamiltonian dynamics* (2011); Hoffman and Gelman, *The No-U-Turn Sampler*, JMLR 15 (2014),
/// section 3.2 and algorithms 4 and 5, which fix ε L where this fixes L.
///
/// ```
/// use mlnotes::mcmc::Hmc;
/// use ndarray::array;
///
/// // A standard normal distribution in three dimensions.
/// let normal = |x: &ndarray::ArrayRef1<f64>| Ok((-0.5 * x.dot(x), x.mapv(|x| -x)));
/// let start = array![[5.0, 5.0, 5.0], [-5.0, 0.0, 5.0]];
/// let chains = Hmc::new().seed(1).run(&start, normal)?;
/// let (mean, error) = (chains.mean(), chains.standard_error());
/// assert!((0..3).all(|i| mean[i].abs() < 6.0 * error[i]));
/// assert!(chains.r_hat().iter().all(|&r_hat| r_hat < 1.02));
/// assert!(Hmc::new().step(-0.1).run(&start, normal).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Hmc {
    schedule: Schedule,
    step: StepSize,
    steps: usize,
    mass: Option<Array1<f64>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum StepSize {
    Fixed(f64),
    /// The mean acceptance wanted.
    Adapted(f64),
}

/// A rise of H by more than this is no rounding of the motion.
const DIVERGED: f64 = 1000.0;

impl Default for Hmc {
    fn default() -> Self {
        Self { schedule: Schedule::default(), step: StepSize::Adapted(0.8), steps: 10, mass: None }
    }
}

impl Hmc {
    /// 10 leapfrog steps a trajectory on average, unit masses, ε found for a mean acceptance of 0.8 in 1000 steps of warm-up;
    /// 1000 draws.
    pub fn new() -> Self {
        Self::default()
    }

    schedule!();

    /// ε, the same from the first trajectory to the last.
    pub fn step(self, step: f64) -> Self {
        Self { step: StepSize::Fixed(step), ..self }
    }

    /// The warm-up finds ε for this mean acceptance, 0.8 unless told. Nearer to 1, steps are smaller, and divergences fewer.
    pub fn target(self, acceptance: f64) -> Self {
        Self { step: StepSize::Adapted(acceptance), ..self }
    }

    /// The mean of L, 10 unless told; with 1 this is the Langevin algorithm (MALA).
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// m (D), 1 unless told. It is best near 1/Var x_i: then all coordinates go round equally fast.
    pub fn mass(self, mass: Array1<f64>) -> Self {
        Self { mass: Some(mass), ..self }
    }

    /// One chain from each row of `start` (chains, D). `log_density` gives log f(x), −∞ where f is 0, and its gradient (D).
    ///
    /// # Errors
    /// Those of `log_density`; no draws, no steps; ε or a mass that is not above 0 and finite; a target outside (0, 1); no warm-up to
    /// find ε in; an empty or not finite start; log f that is −∞ at the start, NaN or +∞ anywhere; a gradient of
    /// another length, or not finite where log f is. The message says where.
    pub fn run(
        &self,
        start: &ArrayRef2<f64>,
        mut log_density: impl FnMut(&ArrayRef1<f64>) -> Result<(f64, Array1<f64>)>,
    ) -> Result<Chains> {
        run(self.schedule, start, &mut self.kernel(start.ncols(), &mut log_density)?)
    }

    /// `steps` leapfrog steps of size `step` from x (D) with momentum p (D), to be looked at: nothing is drawn, and nothing
    /// refused. It ends early where f is 0.
    ///
    /// # Errors
    /// Those of `log_density`; lengths that differ; a step that is 0 or not finite (a negative one goes back in time); what
    /// [`run`](Self::run) refuses of masses and of `log_density`.
    ///
    /// ```
    /// use mlnotes::mcmc::Hmc;
    /// use ndarray::array;
    ///
    /// let normal = |x: &ndarray::ArrayRef1<f64>| Ok((-0.5 * x.dot(x), x.mapv(|x| -x)));
    /// let there = Hmc::new().trajectory(&array![1.0], &array![0.0], 1.0, 1, normal)?;
    /// assert_eq!((there.position[[1, 0]], there.momentum[[1, 0]]), (0.5, -0.75)); // p = −½, x = 1 − ½, p = −½ − ¼
    /// assert_eq!(there.energy, array![0.5, 0.40625]); // ½ (¼ + 9/16)
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn trajectory(
        &self,
        x: &ArrayRef1<f64>,
        p: &ArrayRef1<f64>,
        step: f64,
        steps: usize,
        mut log_density: impl FnMut(&ArrayRef1<f64>) -> Result<(f64, Array1<f64>)>,
    ) -> Result<Trajectory> {
        if x.is_empty() {
            return Err(Error::Empty { arg: "x", remedy: "give at least one coordinate" });
        }
        validate::finite("x", x)?;
        validate::finite("p", p)?;
        if p.len() != x.len() {
            return Err(Error::shape("p", format!("({}), as `x`,", x.len()), p.shape()));
        }
        if step == 0.0 || !step.is_finite() {
            return Err(Error::domain("step", step, "finite and not 0, for instance 0.1"));
        }
        let mass = self.masses(x.len())?;
        let mut phase = Phase::new(x, &mut log_density, Place::Trajectory(0))?;
        phase.p.assign(p);
        trajectory(phase, step, steps, &mass, &mut log_density)
    }

    fn masses(&self, dimensions: usize) -> Result<Array1<f64>> {
        let Some(mass) = &self.mass else { return Ok(Array1::ones(dimensions)) };
        mass.iter().try_for_each(|&mass| validate::positive("mass", mass, "1"))?;
        same_length("mass", mass.len(), dimensions)?;
        Ok(mass.clone())
    }

    fn kernel<'a>(&self, dimensions: usize, f: Gradient<'a>) -> Result<Hamilton<'a>> {
        validate::at_least_one("steps", self.steps)?;
        match self.step {
            StepSize::Fixed(step) => validate::positive("step", step, "0.1")?,
            StepSize::Adapted(target) if !(target > 0.0 && target < 1.0) => {
                return Err(Error::domain("target", target, "above 0 and below 1, for instance 0.8"));
            }
            StepSize::Adapted(_) if self.schedule.warm_up == 0 => {
                let allowed = "at least 1, in which the step size is found, unless `step` gives it";
                return Err(Error::domain("warm_up", 0, allowed));
            }
            StepSize::Adapted(_) => {}
        }
        let step = match self.step {
            StepSize::Fixed(step) => step,
            StepSize::Adapted(_) => 1.0,
        };
        let (mass, here, there) = (self.masses(dimensions)?, Phase::empty(), Phase::empty());
        Ok(Hamilton { f, mass, rule: self.step, steps: self.steps, step, averaging: None, here, there })
    }
}

struct Hamilton<'a> {
    f: Gradient<'a>,
    mass: Array1<f64>,
    rule: StepSize,
    steps: usize,
    step: f64,
    /// While the step size adapts.
    averaging: Option<DualAveraging>,
    here: Phase,
    there: Phase,
}

impl Hamilton<'_> {
    /// p ~ N(0, M).
    fn push(&mut self, random: &mut RandomState) {
        self.here.p.iter_mut().zip(&self.mass).for_each(|(p, m)| *p = m.sqrt() * random.normal());
    }

    /// H before − H after so many steps, −∞ where it diverges.
    fn travel(&mut self, steps: usize, place: Place) -> Result<f64> {
        self.there.copy(&self.here);
        let before = self.here.energy(&self.mass);
        let mut gain = 0.0;
        for _ in 0..steps {
            self.there.leapfrog(self.step, &self.mass, self.f, place)?;
            gain = before - self.there.energy(&self.mass);
            if gain.is_nan() || gain < -DIVERGED {
                return Ok(f64::NEG_INFINITY);
            }
        }
        Ok(gain)
    }

    /// Doubles or halves ε until the acceptance of one step crosses ½ (Hoffman and Gelman's algorithm 4).
    fn find_step(&mut self, random: &mut RandomState, place: Place) -> Result<()> {
        self.step = 1.0;
        self.push(random);
        let likely = |gain: f64| gain > -std::f64::consts::LN_2;
        let up = likely(self.travel(1, place)?);
        // Bounded, for a density that is flat.
        for _ in 0..60 {
            self.step *= if up { 2.0 } else { 0.5 };
            if likely(self.travel(1, place)?) != up {
                break;
            }
        }
        Ok(())
    }
}

impl Kernel for Hamilton<'_> {
    fn start(&mut self, x: &ArrayRef1<f64>, place: Place) -> Result<()> {
        self.here = Phase::new(x, self.f, place)?;
        Ok(())
    }

    fn step(&mut self, random: &mut RandomState, place: Place) -> Result<Step> {
        if let (StepSize::Adapted(target), Place::WarmUp { step: 0, .. }) = (self.rule, place) {
            self.find_step(random, place)?;
            self.averaging = Some(DualAveraging::new(self.step, target));
        }
        self.push(random);
        let steps = 1 + random.below(self.steps.saturating_mul(2) - 1)?;
        let gain = self.travel(steps, place)?;
        let acceptance = gain.exp().min(1.0);
        let accepted = random.uniform() < acceptance;
        if accepted {
            std::mem::swap(&mut self.here, &mut self.there);
        }
        if let Some(averaging) = &mut self.averaging {
            averaging.adapt(acceptance);
            self.step = averaging.step();
        }
        Ok(Step { accepted, diverged: gain == f64::NEG_INFINITY })
    }

    fn settle(&mut self) {
        if let Some(averaging) = self.averaging.take() {
            self.step = averaging.average();
        }
    }

    fn position(&self) -> &Array1<f64> {
        &self.here.x
    }

    fn step_size(&self) -> Option<f64> {
        Some(self.step)
    }
}
