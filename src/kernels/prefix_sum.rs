//! How do thousands of threads add up one list? Plans for `kernels/prefix_sum.cu`.
//!
//! y_i = x_0 ∘ x_1 ∘ … ∘ x_i (前缀和), for sums and for pairs (a, b), the steps h → a h + b of a linear recurrence:
//! (a₁, b₁) ∘ (a₂, b₂) = (a₁ a₂, a₂ b₁ + b₂).

use super::plan::{Arg, Launch, Plan};
use crate::{Error, Result};

/// Threads of a block, and elements of a block in [`Version::LookBack`]: as in the source.
const THREADS: u32 = 256;
const TILE: usize = 256 * 15;

/// From the simplest to the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One thread, one element after the other.
    Sequential,
    /// Every element looks 1, 2, 4 … to the left.
    HillisSteele,
    /// Sums of pairs up a tree, prefixes down it.
    Blelloch,
    /// Warps pass values by shuffles.
    Shuffle,
    /// Many blocks in one pass, each looking back at its predecessors' sums.
    LookBack,
}

impl Version {
    /// All, in the order of their kernels' numbers.
    pub const ALL: [Self; 5] = [Self::Sequential, Self::HillisSteele, Self::Blelloch, Self::Shuffle, Self::LookBack];

    /// Its number in the kernels' names.
    pub fn number(self) -> usize {
        self as usize + 1
    }
}

/// Plain sums: the buffer `y` (n) from x (n).
///
/// # Errors
/// [`Error::Empty`] for no elements, [`Error::Shape`] for more than an `int` counts.
///
#[cfg_attr(feature = "emulate", doc = "```")]
#[cfg_attr(not(feature = "emulate"), doc = "```ignore")]
/// use mlnotes::kernels::{PREFIX_SUM, emulate::Module, prefix_sum::{Version, plan}};
///
/// let mut plan = plan(Version::Blelloch, &[1.0, 2.0, 3.0, 4.0])?;
/// Module::load(PREFIX_SUM)?.run(&mut plan)?;
/// assert_eq!(plan.f32("y")?, [1.0, 3.0, 6.0, 10.0]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn plan(version: Version, x: &[f32]) -> Result<Plan> {
    plan_of("prefix_sum", version, x, 1)
}

/// Steps of a linear recurrence: the buffer `y` (n, 2) from pairs (a, b), x (n, 2). With h₋₁ = 0, h_i is y_i's second.
///
/// # Errors
/// As [`plan`]; [`Error::Shape`] for an odd number of elements.
pub fn plan_linear(version: Version, x: &[f32]) -> Result<Plan> {
    if !x.len().is_multiple_of(2) {
        return Err(Error::shape("x", "(n, 2), a pair for each step", &[x.len()]));
    }
    plan_of("linear_scan", version, x, 2)
}

fn plan_of(operation: &str, version: Version, x: &[f32], width: usize) -> Result<Plan> {
    let n = x.len() / width;
    if n == 0 {
        return Err(Error::Empty { arg: "x", remedy: "give at least one element" });
    }
    let Some(count) = i32::try_from(n + TILE).ok().map(|_| n as i32) else {
        return Err(Error::shape("x", "at most 2147479807 elements", &[x.len()]));
    };
    let mut plan = Plan::new();
    let (input, output) = (plan.input("x", x.to_vec()), plan.output("y", x.len()));
    let mut args: Vec<Arg> = vec![input.into(), output.into(), count.into()];
    let tiles = n.div_ceil(TILE);
    let launch = match version {
        Version::Sequential => Launch::line(1, 1),
        Version::LookBack => Launch::line(tiles as u32, THREADS),
        _ => Launch::line(1, THREADS),
    };
    if version == Version::LookBack {
        args.push(plan.flags("ticket", 1).into());
        args.push(plan.flags("flags", tiles).into());
        args.push(plan.output("sums", tiles * width).into());
        args.push(plan.output("prefixes", tiles * width).into());
    }
    plan.launch(&format!("{operation}_v{}", version.number()), launch, args)?;
    Ok(plan)
}
