//! How does a model with a changing recurrence train in parallel? Plans for `kernels/selective_scan.cu`.
//!
//! h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t u_t, y_t = (C_t·h_t + D u_t) SiLU(z_t): the selective scan (选择性扫描) of
//! [`ssm::selective`](crate::ssm::selective), whose [`Inputs`] these plans take and whose slices they copy. Values are
//! not checked here: a NaN that goes in comes out.

use super::plan::{Arg, BufferId, Data, Launch, Plan, Role};
use crate::ssm::selective::{Inputs, Shape};
use crate::{Error, Result};

/// As in the source.
const THREADS: usize = 128;
const BACK_THREADS: usize = 64;
const INTERVAL: usize = 8;
const TILE_CHANNELS: usize = 16;
const WIDE: usize = 64;

/// The forward versions, from the simplest to the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// exp(ΔA), ΔBu and every state through memory, in three kernels; floats only.
    Materialised,
    /// A thread has a channel and keeps its states.
    Fused,
    /// A warp scans 128 steps of a channel at once.
    WarpScan,
    /// Time in that many chunks, each a block's, that look back for the state they start from.
    Chunked {
        /// At least 1.
        chunks: usize,
    },
}

/// How a gradient gets at the states that the forward pass had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backward {
    /// All are stored, (batch, length, channels, state); floats only.
    Stored,
    /// Every eighth is stored, the others are computed again (重计算).
    Recomputed,
}

/// In what u, delta, B, C, z and y are stored. A, D, the bias, the states and all sums are floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// The upper half of them: 8 bits of mantissa.
    Bf16,
}

/// The forward pass: buffers `y` (batch, length, channels) and `last` (batch, channels, state).
///
/// # Errors
/// [`Error::Domain`] for an empty batch or length, 0 chunks, a state above 64 in a version that keeps it in registers,
/// bfloat16 with [`Version::Materialised`], or more elements than an `int` counts.
///
#[cfg_attr(feature = "emulate", doc = "```")]
#[cfg_attr(not(feature = "emulate"), doc = "```ignore")]
/// use mlnotes::kernels::selective_scan::{Precision, Version, forward};
/// use mlnotes::kernels::{SELECTIVE_SCAN, emulate::Module};
/// use mlnotes::ssm::selective::{Inputs, Shape};
///
/// // A = 0 keeps, B = C = 1: the scan is a running sum of Δ u.
/// let shape = Shape { batch: 1, length: 3, channels: 1, state: 1 };
/// let inputs = Inputs::new(shape, &[1.0, 2.0, 3.0], &[1.0, 0.5, 1.0], &[0.0_f32], &[1.0; 3], &[1.0; 3])?;
/// let mut plan = forward(Version::Fused, Precision::F32, &inputs)?;
/// Module::load(SELECTIVE_SCAN)?.run(&mut plan)?;
/// assert_eq!(plan.f32("y")?, [1.0, 2.0, 5.0]);
/// assert_eq!(plan.f32("last")?, [5.0]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn forward(version: Version, precision: Precision, inputs: &Inputs<'_, f32>) -> Result<Plan> {
    let mut planner = Planner::new(precision, inputs)?;
    let y = planner.sequence_output("y");
    let last = planner.plan.output("last", inputs.shape.states());
    planner.forward(version, y, last)?;
    Ok(planner.plan)
}

/// The forward pass and the gradients of Σ dy y + Σ dlast last: buffers `y`, `last`, and `du`, `ddelta`, `dz` (batch,
/// length, channels), `dA` (channels, state), `dB`, `dC` (batch, length, state), `dD`, `ddelta_bias` (channels), `dinitial`
/// (batch, channels, state), those of optional inputs where these are given. `dy` is (batch, length, channels), `dlast` (batch, channels,
/// state).
///
/// # Errors
/// As [`forward`]; [`Error::Shape`] for a slope of another length; [`Error::Domain`] for a state above 64, recomputed.
pub fn backward(
    version: Backward,
    precision: Precision,
    inputs: &Inputs<'_, f32>,
    dy: &[f32],
    dlast: Option<&[f32]>,
) -> Result<Plan> {
    let shape = inputs.shape;
    fits("dy", dy, shape.sequence(), "(batch, length, channels)")?;
    if let Some(dlast) = dlast {
        fits("dlast", dlast, shape.states(), "(batch, channels, state)")?;
    }
    let mut planner = Planner::new(precision, inputs)?;
    let y = planner.sequence_output("y");
    let last = planner.plan.output("last", shape.states());
    let stored = match version {
        Backward::Stored => planner.materialised(y, last)?,
        Backward::Recomputed => planner.fused(y, last, true)?,
    };
    planner.backward(version, stored, dy, dlast)?;
    Ok(planner.plan)
}

fn fits(arg: &'static str, values: &[f32], len: usize, shape: &str) -> Result<()> {
    if values.len() == len {
        Ok(())
    } else {
        Err(Error::shape(arg, format!("{shape}, {len} entries,"), &[values.len()]))
    }
}

struct Planner<'a> {
    plan: Plan,
    inputs: &'a Inputs<'a, f32>,
    precision: Precision,
    args: Vec<Arg>,
}

impl<'a> Planner<'a> {
    fn new(precision: Precision, inputs: &'a Inputs<'a, f32>) -> Result<Self> {
        let Shape { batch, length, channels, state } = inputs.shape;
        if batch == 0 || length == 0 {
            return Err(Error::domain(
                "shape",
                format!("{:?}", inputs.shape),
                "at least one sequence of at least one step",
            ));
        }
        // Kernels count rows and channels in an int, places in a long long.
        if [batch * length, batch * channels * state, channels * state].iter().any(|&n| n > i32::MAX as usize / 2) {
            let allowed = "at most 1073741823 steps in all and states of a step: split the batch";
            return Err(Error::domain("shape", format!("{:?}", inputs.shape), allowed));
        }
        if batch > 65_535 {
            return Err(Error::domain("shape.batch", batch, "at most 65535, the blocks along y: split the batch"));
        }
        let mut planner = Self { plan: Plan::new(), inputs, precision, args: Vec::new() };
        planner.inputs();
        Ok(planner)
    }

    /// The buffers of the inputs, and the arguments that every kernel begins with.
    fn inputs(&mut self) {
        let inputs = self.inputs;
        let u = self.sequence("u", inputs.u).into();
        let delta = self.sequence("delta", inputs.delta).into();
        let a = self.plan.input("A", inputs.a.to_vec()).into();
        let b = self.sequence("B", inputs.b).into();
        let c = self.sequence("C", inputs.c).into();
        let d = inputs.d.map(|d| self.plan.input("D", d.to_vec())).into();
        let z = inputs.z.map(|z| self.sequence("z", z)).into();
        let bias = inputs.delta_bias.map(|bias| self.plan.input("delta_bias", bias.to_vec())).into();
        let initial = inputs.initial.map(|initial| self.plan.input("initial", initial.to_vec())).into();
        let Shape { batch, length, channels, state } = inputs.shape;
        let int = |n: usize| Arg::Int(n as i32);
        let softplus = Arg::Int(inputs.softplus.into());
        self.args = vec![u, delta, a, b, c, d, z, bias, initial];
        self.args.extend([int(batch), int(length), int(channels), int(state), softplus]);
    }

    fn sequence(&mut self, name: &str, values: &[f32]) -> BufferId {
        let data = match self.precision {
            Precision::F32 => Data::F32(values.to_vec()),
            Precision::Bf16 => Data::bf16(values),
        };
        self.plan.buffer(name, Role::Input, data)
    }

    fn sequence_output(&mut self, name: &str) -> BufferId {
        let nan = vec![f32::NAN; self.inputs.shape.sequence()];
        let data = match self.precision {
            Precision::F32 => Data::F32(nan),
            Precision::Bf16 => Data::bf16(&nan),
        };
        self.plan.buffer(name, Role::Output, data)
    }

    fn launch(&mut self, kernel: &str, launch: Launch, more: impl IntoIterator<Item = Arg>) -> Result<()> {
        let args: Vec<Arg> = self.args.iter().copied().chain(more).collect();
        self.plan.launch(kernel, launch, args)
    }

    /// `selective_scan_v2` with `_wide` and `_bf16` as they are needed.
    fn kernel(&self, version: &str, by_state: bool) -> Result<String> {
        let state = self.inputs.shape.state;
        if by_state && state > WIDE {
            let allowed = "at most 64 where states lie in registers: use Version::WarpScan or Version::Materialised";
            return Err(Error::domain("shape.state", state, allowed));
        }
        let wide = if by_state && state > 16 { "_wide" } else { "" };
        let precision = if self.precision == Precision::Bf16 { "_bf16" } else { "" };
        Ok(format!("selective_scan_{version}{wide}{precision}"))
    }

    /// Blocks of `threads` channels, by sequences.
    fn by_channel(&self, threads: usize) -> Launch {
        let Shape { batch, channels, .. } = self.inputs.shape;
        Launch {
            grid: [channels.div_ceil(threads) as u32, batch as u32, 1],
            block: [THREADS as u32, 1, 1],
            shared_bytes: 0,
        }
    }

    fn forward(&mut self, version: Version, y: BufferId, last: BufferId) -> Result<()> {
        match version {
            Version::Materialised => self.materialised(y, last).map(drop),
            Version::Fused => self.fused(y, last, false).map(drop),
            Version::WarpScan => self.warp_scan(y, last),
            Version::Chunked { chunks } => self.chunked(chunks, y, last),
        }
    }

    /// The buffer of all states.
    fn materialised(&mut self, y: BufferId, last: BufferId) -> Result<BufferId> {
        if self.precision == Precision::Bf16 {
            return Err(Error::domain("precision", "Bf16", "F32 for the versions that store every state"));
        }
        let shape = self.inputs.shape;
        let (sequence, states) = (shape.sequence(), shape.states());
        let all = sequence * shape.state;
        let line = |n: usize| Launch::line(u32::try_from(n.div_ceil(256)).unwrap_or(u32::MAX), 256);
        let (a_bar, h) = (self.plan.output("a_bar", all), self.plan.output("h", all));
        self.launch("selective_scan_v1_discretise", line(all), [a_bar.into(), h.into()])?;
        self.launch("selective_scan_v1_scan", line(states), [a_bar.into(), h.into(), last.into()])?;
        self.launch("selective_scan_v1_output", line(sequence), [h.into(), y.into()])?;
        Ok(h)
    }

    /// The buffer of every eighth state, of length 1 where none is wanted.
    fn fused(&mut self, y: BufferId, last: BufferId, save: bool) -> Result<BufferId> {
        let Shape { batch, length, channels, state } = self.inputs.shape;
        let kernel = self.kernel("v2", true)?;
        let len = if save { batch * length.div_ceil(INTERVAL) * state * channels } else { 1 };
        let saved = self.plan.output("saved", len);
        let kept = if save { saved.into() } else { Arg::Null };
        self.launch(&kernel, self.by_channel(THREADS), [y.into(), last.into(), kept])?;
        Ok(saved)
    }

    fn warp_scan(&mut self, y: BufferId, last: BufferId) -> Result<()> {
        let kernel = self.kernel("v3", false)?;
        let carry = TILE_CHANNELS * self.inputs.shape.state * 4;
        // What 48 KiB leave beside the tiles.
        if carry > 6 * 1024 {
            let allowed = "at most 96 in Version::WarpScan: use Version::Materialised";
            return Err(Error::domain("shape.state", self.inputs.shape.state, allowed));
        }
        let launch = self.by_channel(TILE_CHANNELS).shared(carry as u32);
        self.launch(&kernel, launch, [y.into(), last.into()])
    }

    fn chunked(&mut self, chunks: usize, y: BufferId, last: BufferId) -> Result<()> {
        crate::validate::at_least_one("chunks", chunks)?;
        let Shape { batch, length, channels, state } = self.inputs.shape;
        let kernel = self.kernel("v4", true)?;
        // No chunk without a step, however the steps divide.
        let chunks = length.div_ceil(length.div_ceil(chunks));
        let blocks = chunks * batch * channels.div_ceil(THREADS);
        if blocks > i32::MAX as usize {
            return Err(Error::domain("chunks", chunks, "fewer, so that all blocks can be counted in an int"));
        }
        let ticket = self.plan.flags("ticket", 1);
        let flags = self.plan.flags("flags", blocks);
        let passed = self.plan.output("passed", chunks * batch * channels);
        let sums = self.plan.output("sums", chunks * batch * channels * state);
        let prefixes = self.plan.output("prefixes", chunks * batch * channels * state);
        let more = [y.into(), last.into(), Arg::Int(chunks as i32), ticket.into(), flags.into(), passed.into()];
        let more = more.into_iter().chain([sums.into(), prefixes.into()]);
        self.launch(&kernel, Launch::line(blocks as u32, THREADS as u32), more)
    }

    fn backward(&mut self, version: Backward, stored: BufferId, dy: &[f32], dlast: Option<&[f32]>) -> Result<()> {
        let (inputs, shape) = (self.inputs, self.inputs.shape);
        let dy = self.sequence("dy", dy);
        let dlast = dlast.map(|dlast| self.plan.input("dlast", dlast.to_vec()));
        // b1 adds up what b2 writes once.
        let plan = &mut self.plan;
        let mut sequence = |name: &str, len| match version {
            Backward::Stored => plan.zeros(name, len),
            Backward::Recomputed => plan.output(name, len),
        };
        let (du, ddelta) = (sequence("du", shape.sequence()), sequence("ddelta", shape.sequence()));
        let da = plan.zeros("dA", shape.channels * shape.state);
        let (db, dc) = (plan.zeros("dB", shape.projection()), plan.zeros("dC", shape.projection()));
        let dd = inputs.d.map(|_| plan.zeros("dD", shape.channels));
        let dz = inputs.z.map(|_| plan.output("dz", shape.sequence()));
        let dbias = inputs.delta_bias.map(|_| plan.zeros("ddelta_bias", shape.channels));
        let dinitial = plan.output("dinitial", shape.states());
        let more: [Arg; 12] = [
            stored.into(),
            dy.into(),
            dlast.into(),
            du.into(),
            ddelta.into(),
            da.into(),
            db.into(),
            dc.into(),
            dd.into(),
            dz.into(),
            dbias.into(),
            dinitial.into(),
        ];
        match version {
            Backward::Stored => {
                let blocks = shape.states().div_ceil(THREADS) as u32;
                self.launch("selective_scan_b1", Launch::line(blocks, THREADS as u32), more)
            }
            Backward::Recomputed => {
                let kernel = self.kernel("b2", false)?;
                let launch = Launch { block: [BACK_THREADS as u32, 1, 1], ..self.by_channel(BACK_THREADS) };
                self.launch(&kernel, launch.shared((2 * shape.state * BACK_THREADS * 4) as u32), more)
            }
        }
    }
}
