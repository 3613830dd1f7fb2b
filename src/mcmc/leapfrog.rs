//! A ball that rolls without friction on −log f.

use ndarray::{Array1, Array2, ArrayRef1};

use super::run::{Place, density, point, same_length};
use crate::{Error, Result};

pub(super) type Gradient<'a> = &'a mut dyn FnMut(&ArrayRef1<f64>) -> Result<(f64, Array1<f64>)>;

/// A trajectory of Hamilton's equations, as the leapfrog method has it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trajectory {
    /// x at the start and after each step, shape (steps + 1, D).
    pub position: Array2<f64>,
    /// p, shape (steps + 1, D).
    pub momentum: Array2<f64>,
    /// H = −log f(x) + ½ Σ p_i²/m_i, shape (steps + 1): the true motion keeps it, the leapfrog method nearly.
    pub energy: Array1<f64>,
}

/// Where the ball is.
pub(super) struct Phase {
    pub(super) x: Array1<f64>,
    pub(super) p: Array1<f64>,
    pub(super) log_f: f64,
    gradient: Array1<f64>,
}

impl Phase {
    /// At rest in x.
    pub(super) fn new(x: &ArrayRef1<f64>, f: Gradient<'_>, place: Place) -> Result<Self> {
        let zeros = Array1::zeros(x.len());
        let mut this = Self { x: x.to_owned(), p: zeros.clone(), log_f: 0.0, gradient: zeros };
        this.evaluate(f, place)?;
        Ok(this)
    }

    /// Nowhere yet.
    pub(super) fn empty() -> Self {
        let none = || Array1::zeros(0);
        Self { x: none(), p: none(), log_f: 0.0, gradient: none() }
    }

    /// As `other`, without an allocation.
    pub(super) fn copy(&mut self, other: &Self) {
        self.x.clone_from(&other.x);
        self.p.clone_from(&other.p);
        self.gradient.clone_from(&other.gradient);
        self.log_f = other.log_f;
    }

    /// log f and its gradient at x. Where f is 0, the gradient may be anything.
    fn evaluate(&mut self, f: Gradient<'_>, place: Place) -> Result<()> {
        let (log_f, gradient) = f(&self.x)?;
        self.log_f = density(log_f, &self.x, place)?;
        same_length("gradient", gradient.len(), self.x.len())?;
        if let Some((i, slope)) = gradient.indexed_iter().find(|(_, slope)| !slope.is_finite())
            && self.log_f > f64::NEG_INFINITY
        {
            let value = format!("{slope} in coordinate {i} at x = {} {place}", point(&self.x));
            return Err(Error::domain("gradient", value, "finite wherever the log density is"));
        }
        self.gradient = gradient;
        Ok(())
    }

    /// p ← p + ε/2 ∇log f(x), x ← x + ε p/m, p ← p + ε/2 ∇log f(x).
    ///
    /// Where x overflows, f is 0.
    pub(super) fn leapfrog(&mut self, step: f64, mass: &Array1<f64>, f: Gradient<'_>, place: Place) -> Result<()> {
        self.p.scaled_add(0.5 * step, &self.gradient);
        for ((x, p), m) in self.x.iter_mut().zip(&self.p).zip(mass) {
            *x += step * p / m;
        }
        if !self.x.iter().all(|x| x.is_finite()) {
            self.log_f = f64::NEG_INFINITY;
            return Ok(());
        }
        self.evaluate(f, place)?;
        self.p.scaled_add(0.5 * step, &self.gradient);
        Ok(())
    }

    /// H, +∞ where f is 0.
    pub(super) fn energy(&self, mass: &Array1<f64>) -> f64 {
        if self.log_f == f64::NEG_INFINITY {
            return f64::INFINITY;
        }
        0.5 * self.p.iter().zip(mass).map(|(p, m)| p * p / m).sum::<f64>() - self.log_f
    }
}

/// The trajectory from x with p; it ends early where f is 0.
pub(super) fn trajectory(
    mut phase: Phase,
    step: f64,
    steps: usize,
    mass: &Array1<f64>,
    f: Gradient<'_>,
) -> Result<Trajectory> {
    let (mut position, mut momentum, mut energy) = (Vec::new(), Vec::new(), Vec::new());
    for count in 0..=steps {
        if count > 0 {
            phase.leapfrog(step, mass, f, Place::Trajectory(count))?;
        }
        let h = phase.energy(mass);
        if !h.is_finite() {
            break;
        }
        position.extend(&phase.x);
        momentum.extend(&phase.p);
        energy.push(h);
    }
    let shape = (energy.len(), mass.len());
    let matrix = |entries| Array2::from_shape_vec(shape, entries).map_err(|_| Error::domain("steps", steps, "fewer"));
    Ok(Trajectory { position: matrix(position)?, momentum: matrix(momentum)?, energy: energy.into() })
}
