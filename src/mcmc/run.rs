//! What all samplers share: how many steps, and where something went wrong.

use std::fmt;

use ndarray::{Array1, Array3, ArrayRef1, ArrayRef2};

use super::Chains;
use crate::random::RandomState;
use crate::{Error, Result, validate};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Schedule {
    pub(super) warm_up: usize,
    pub(super) draws: usize,
    pub(super) seed: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { warm_up: 1000, draws: 1000, seed: 0 }
    }
}

/// The setters of a sampler's schedule.
macro_rules! schedule {
    () => {
        /// How many steps at the beginning of each chain are not kept, 1000 unless told.
        pub fn warm_up(mut self, warm_up: usize) -> Self {
            self.schedule.warm_up = warm_up;
            self
        }

        /// How many draws are kept of each chain, 1000 unless told.
        pub fn draws(mut self, draws: usize) -> Self {
            self.schedule.draws = draws;
            self
        }

        /// Chain c is drawn with seed + c; 0 unless told.
        pub fn seed(mut self, seed: u32) -> Self {
            self.schedule.seed = seed;
            self
        }
    };
}
pub(super) use schedule;

/// Where in a run: what an error says.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Start {
        chain: usize,
    },
    WarmUp {
        chain: usize,
        step: usize,
    },
    Draw {
        chain: usize,
        draw: usize,
    },
    /// Of no chain: how many steps into a trajectory.
    Trajectory(usize),
}

impl Place {
    fn is_start(&self) -> bool {
        matches!(self, Self::Start { .. } | Self::Trajectory(0))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { chain } => write!(f, "at the start of chain {chain}"),
            Self::WarmUp { chain, step } => write!(f, "in step {step} of the warm-up of chain {chain}"),
            Self::Draw { chain, draw } => write!(f, "in draw {draw} of chain {chain}"),
            Self::Trajectory(step) => write!(f, "after {step} steps"),
        }
    }
}

/// One chain in motion.
pub(super) trait Kernel {
    fn start(&mut self, x: &ArrayRef1<f64>, place: Place) -> Result<()>;

    fn step(&mut self, random: &mut RandomState, place: Place) -> Result<Step>;

    /// The end of the warm-up, from which on nothing may adapt.
    fn settle(&mut self) {}

    fn position(&self) -> &Array1<f64>;

    fn step_size(&self) -> Option<f64> {
        None
    }
}

/// How a step ended.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) accepted: bool,
    pub(super) diverged: bool,
}

/// One chain for each row of `start`.
pub(super) fn run(schedule: Schedule, start: &ArrayRef2<f64>, kernel: &mut dyn Kernel) -> Result<Chains> {
    validate::at_least_one("draws", schedule.draws)?;
    if start.is_empty() {
        return Err(Error::Empty { arg: "start", remedy: "give one row per chain, one column per coordinate" });
    }
    validate::finite("start", start)?;
    let Schedule { warm_up, draws, seed } = schedule;
    let (mut kept, mut acceptance, mut divergences, mut step_sizes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (chain, x) in start.rows().into_iter().enumerate() {
        let mut random = RandomState::new(seed.wrapping_add(chain as u32));
        kernel.start(&x, Place::Start { chain })?;
        for step in 0..warm_up {
            kernel.step(&mut random, Place::WarmUp { chain, step })?;
        }
        kernel.settle();
        let (mut accepted, mut diverged) = (0, 0);
        for draw in 0..draws {
            let end = kernel.step(&mut random, Place::Draw { chain, draw })?;
            accepted += usize::from(end.accepted);
            diverged += usize::from(end.diverged);
            kept.extend(kernel.position());
        }
        acceptance.push(accepted as f64 / draws as f64);
        divergences.push(diverged);
        step_sizes.extend(kernel.step_size());
    }
    let shape = (start.nrows(), draws, start.ncols());
    let kept = Array3::from_shape_vec(shape, kept).map_err(|_| Error::domain("draws", draws, "less than that"))?;
    let step_sizes = (!step_sizes.is_empty()).then(|| step_sizes.into());
    Chains::of_run(kept, acceptance.into(), step_sizes, divergences.into())
}

/// A point, in as many words as a message bears.
pub(super) fn point(x: &ArrayRef1<f64>) -> String {
    let shown: Vec<String> = x.iter().take(6).map(f64::to_string).collect();
    format!("[{}{}]", shown.join(", "), if x.len() > 6 { ", …" } else { "" })
}

/// A log density that a chain can go on from: a number or −∞, at the start a number.
pub(super) fn density(log_density: f64, x: &ArrayRef1<f64>, place: Place) -> Result<f64> {
    let allowed = if log_density.is_nan() || log_density == f64::INFINITY {
        "a number, or -inf where the density is 0: look for logarithms and roots of what is below 0, for 0/0, for inf - inf"
    } else if place.is_start() && log_density == f64::NEG_INFINITY {
        "finite at the start: begin where the density is above 0"
    } else {
        return Ok(log_density);
    };
    Err(Error::domain("log_density", format!("{log_density} at x = {} {place}", point(x)), allowed))
}

/// As many entries as there are coordinates.
pub(super) fn same_length(arg: &'static str, got: usize, dimensions: usize) -> Result<()> {
    if got == dimensions {
        return Ok(());
    }
    Err(Error::shape(arg, format!("({dimensions}), one entry per coordinate of `start`,"), &[got]))
}
