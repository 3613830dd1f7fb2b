//! How does a model with a changing recurrence train in parallel? Plans for `kernels/selective_scan.cu`.
//!
//! h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t u_t, y_t = (C_t·h_t + D u_t) SiLU(z_t): the selective scan (选择性扫描) of
//! [`ssm::selective`](crate::ssm::selective), whose [`Inputs`] these plans take and whose slices they copy. Values are
//! not checked here: a NaN that goes in comes out.
//!
//! [`outline_forward`] and [`outline_backward`] are the same for memory that is on a GPU already, as
//! `nn::selective_scan` uses them (feature `candle-cuda`); the plans here are these outlines, filled.

use super::plan::{Arg, BufferId, Data, Kind, Launch, Outline, Plan, Role, Slot};
use crate::ssm::selective::{Inputs, Shape};
use crate::{Error, Result};

/// As in the source.
const THREADS: usize = 128;
const BACK_THREADS: usize = 64;
const INTERVAL: usize = 8;
const TILE_CHANNELS: usize = 16;
const WIDE: usize = 64;
/// In [`Version::for_device`].
const SHORTEST_CHUNK: usize = 32;

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

impl Version {
    /// The forward version for a GPU of so many multiprocessors: [`Fused`](Self::Fused) where its blocks (128 channels of a
    /// sequence each) are enough for all of them, [`Chunked`](Self::Chunked) where time must be cut to make them enough,
    /// [`WarpScan`](Self::WarpScan) for states beyond registers.
    ///
    /// By counting blocks, not by timing: chunks go through their steps twice, so two of them gain nothing, and one shorter
    /// than 32 steps looks back for nearly as long as it computes.
    ///
    /// ```
    /// use mlnotes::kernels::selective_scan::Version;
    /// use mlnotes::ssm::selective::Shape;
    ///
    /// let shape = Shape { batch: 8, length: 4096, channels: 2048, state: 16 };
    /// assert_eq!(Version::for_device(shape, 128), Version::Fused);
    /// assert_eq!(Version::for_device(Shape { batch: 1, ..shape }, 128), Version::Chunked { chunks: 8 });
    /// assert_eq!(Version::for_device(Shape { batch: 1, length: 1, ..shape }, 128), Version::Fused);
    /// ```
    pub fn for_device(shape: Shape, multiprocessors: usize) -> Self {
        let Shape { batch, length, channels, state } = shape;
        let blocks = batch * channels.div_ceil(THREADS);
        let chunks = multiprocessors.div_ceil(blocks.max(1)).min(length / SHORTEST_CHUNK);
        match (state > WIDE, chunks) {
            (true, _) => Self::WarpScan,
            (_, 0..=2) => Self::Fused,
            (_, chunks) => Self::Chunked { chunks },
        }
    }
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
    outline_forward(version, Given::of(precision, inputs), false)?.fill(|slot| numbers(slot, inputs, &[], None))
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
    let mut planner = Planner::new(Given::of(precision, inputs))?;
    let (y, last) = planner.results();
    let stored = match version {
        Backward::Stored => Some(planner.materialised(y, last)?),
        Backward::Recomputed => planner.fused(y, last, true)?,
    };
    planner.backward(version, stored, dlast.is_some())?;
    planner.outline.fill(|slot| numbers(slot, inputs, dy, dlast))
}

/// What a selective scan is given, but for the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// The lengths.
    pub shape: Shape,
    /// In what sequences are stored.
    pub precision: Precision,
    /// Whether the step is softplus(delta + bias).
    pub softplus: bool,
    /// Whether there is a D.
    pub d: bool,
    /// Whether there is a gate.
    pub z: bool,
    /// Whether there is a bias of the step.
    pub delta_bias: bool,
    /// Whether there is a state before the first time.
    pub initial: bool,
}

impl Given {
    fn of(precision: Precision, inputs: &Inputs<'_, f32>) -> Self {
        Self {
            shape: inputs.shape,
            precision,
            softplus: inputs.softplus,
            d: inputs.d.is_some(),
            z: inputs.z.is_some(),
            delta_bias: inputs.delta_bias.is_some(),
            initial: inputs.initial.is_some(),
        }
    }
}

/// The forward pass: inputs `u`, `delta`, `A`, `B`, `C` and, as given, `D`, `z`, `delta_bias`, `initial`; outputs `y` and
/// `last`, and for [`outline_backward`] `saved` where `keep` says so, which only [`Version::Fused`] can.
///
/// # Errors
/// As [`forward`]; [`Error::Domain`] for `keep` in another version.
pub fn outline_forward(version: Version, given: Given, keep: bool) -> Result<Outline> {
    if keep && version != Version::Fused {
        return Err(Error::domain("version", format!("{version:?}"), "Fused where states are kept for the way back"));
    }
    let mut planner = Planner::new(given)?;
    let (y, last) = planner.results();
    match version {
        Version::Materialised => planner.materialised(y, last).map(drop)?,
        Version::Fused => planner.fused(y, last, keep).map(drop)?,
        Version::WarpScan => planner.warp_scan(y, last)?,
        Version::Chunked { chunks } => planner.chunked(chunks, y, last)?,
    }
    Ok(planner.outline)
}

/// The gradients of Σ dy y by recomputation: inputs those of the forward pass, its `saved`, and `dy`; outputs as
/// [`backward`] has them. All of them are floats, whatever the precision.
///
/// # Errors
/// As [`backward`].
pub fn outline_backward(given: Given) -> Result<Outline> {
    let mut planner = Planner::new(given)?;
    let saved = planner.slot("saved", Role::Input, Kind::F32, planner.saved());
    planner.backward(Backward::Recomputed, Some(saved), false)?;
    Ok(planner.outline)
}

/// What an input's slot holds.
fn numbers(slot: &Slot, inputs: &Inputs<'_, f32>, dy: &[f32], dlast: Option<&[f32]>) -> Result<Data> {
    let values = match slot.name {
        "u" => Some(inputs.u),
        "delta" => Some(inputs.delta),
        "A" => Some(inputs.a),
        "B" => Some(inputs.b),
        "C" => Some(inputs.c),
        "D" => inputs.d,
        "z" => inputs.z,
        "delta_bias" => inputs.delta_bias,
        "initial" => inputs.initial,
        "dlast" => dlast,
        _ => Some(dy),
    };
    let values = values.unwrap_or_default();
    Ok(if slot.kind == Kind::Bf16 { Data::bf16(values) } else { Data::F32(values.to_vec()) })
}

fn fits(arg: &'static str, values: &[f32], len: usize, shape: &str) -> Result<()> {
    if values.len() == len {
        Ok(())
    } else {
        Err(Error::shape(arg, format!("{shape}, {len} entries,"), &[values.len()]))
    }
}

struct Planner {
    outline: Outline,
    given: Given,
    args: Vec<Arg>,
}

impl Planner {
    fn new(given: Given) -> Result<Self> {
        let shape = given.shape;
        let Shape { batch, length, channels, state } = shape;
        if batch == 0 || length == 0 {
            return Err(Error::domain("shape", format!("{shape:?}"), "at least one sequence of at least one step"));
        }
        if channels == 0 || state == 0 {
            return Err(Error::domain("shape", format!("{shape:?}"), "at least one channel with at least one state"));
        }
        // Kernels count rows and channels in an int, places in a long long.
        if [batch * length, batch * channels * state, channels * state].iter().any(|&n| n > i32::MAX as usize / 2) {
            let allowed = "at most 1073741823 steps in all and states of a step: split the batch";
            return Err(Error::domain("shape", format!("{shape:?}"), allowed));
        }
        if batch > 65_535 {
            return Err(Error::domain("shape.batch", batch, "at most 65535, the blocks along y: split the batch"));
        }
        let mut planner = Self { outline: Outline::default(), given, args: Vec::new() };
        planner.inputs();
        Ok(planner)
    }

    /// The slots of the inputs, and the arguments that every kernel begins with.
    fn inputs(&mut self) {
        let Given { shape, softplus, d, z, delta_bias, initial, .. } = self.given;
        let Shape { batch, length, channels, state } = shape;
        let sequence = self.sequence();
        let mut input =
            |there: bool, name, kind, len| -> Arg { there.then(|| self.slot(name, Role::Input, kind, len)).into() };
        let pointers = [
            input(true, "u", sequence, shape.sequence()),
            input(true, "delta", sequence, shape.sequence()),
            input(true, "A", Kind::F32, channels * state),
            input(true, "B", sequence, shape.projection()),
            input(true, "C", sequence, shape.projection()),
            input(d, "D", Kind::F32, channels),
            input(z, "z", sequence, shape.sequence()),
            input(delta_bias, "delta_bias", Kind::F32, channels),
            input(initial, "initial", Kind::F32, shape.states()),
        ];
        self.args = pointers.into();
        self.args.extend([batch, length, channels, state].map(|n| Arg::Int(n as i32)));
        self.args.push(Arg::Int(softplus.into()));
    }

    fn slot(&mut self, name: &'static str, role: Role, kind: Kind, len: usize) -> BufferId {
        self.outline.slot(Slot { name, role, kind, len })
    }

    fn output(&mut self, name: &'static str, len: usize) -> BufferId {
        self.slot(name, Role::Output, Kind::F32, len)
    }

    /// Of u, delta, B, C, z, y and dy.
    fn sequence(&self) -> Kind {
        match self.given.precision {
            Precision::F32 => Kind::F32,
            Precision::Bf16 => Kind::Bf16,
        }
    }

    /// The slots of y and the last states.
    fn results(&mut self) -> (BufferId, BufferId) {
        let shape = self.given.shape;
        let y = self.slot("y", Role::Output, self.sequence(), shape.sequence());
        (y, self.output("last", shape.states()))
    }

    /// How many numbers every eighth state is.
    fn saved(&self) -> usize {
        let Shape { batch, length, channels, state } = self.given.shape;
        batch * length.div_ceil(INTERVAL) * state * channels
    }

    fn launch(&mut self, kernel: &str, launch: Launch, more: impl IntoIterator<Item = Arg>) -> Result<()> {
        let args: Vec<Arg> = self.args.iter().copied().chain(more).collect();
        self.outline.launch(kernel, launch, args)
    }

    /// `selective_scan_v2` with `_wide` and `_bf16` as they are needed.
    fn kernel(&self, version: &str, by_state: bool) -> Result<String> {
        let state = self.given.shape.state;
        if by_state && state > WIDE {
            let allowed = "at most 64 where states lie in registers: use Version::WarpScan or Version::Materialised";
            return Err(Error::domain("shape.state", state, allowed));
        }
        let wide = if by_state && state > 16 { "_wide" } else { "" };
        let precision = if self.given.precision == Precision::Bf16 { "_bf16" } else { "" };
        Ok(format!("selective_scan_{version}{wide}{precision}"))
    }

    /// Blocks of `threads` channels, by sequences.
    fn by_channel(&self, threads: usize) -> Launch {
        let Shape { batch, channels, .. } = self.given.shape;
        Launch {
            grid: [channels.div_ceil(threads) as u32, batch as u32, 1],
            block: [THREADS as u32, 1, 1],
            shared_bytes: 0,
        }
    }

    /// The buffer of all states.
    fn materialised(&mut self, y: BufferId, last: BufferId) -> Result<BufferId> {
        if self.given.precision == Precision::Bf16 {
            return Err(Error::domain("precision", "Bf16", "F32 for the versions that store every state"));
        }
        let shape = self.given.shape;
        let (sequence, states) = (shape.sequence(), shape.states());
        let all = sequence * shape.state;
        let line = |n: usize| Launch::line(u32::try_from(n.div_ceil(256)).unwrap_or(u32::MAX), 256);
        let (a_bar, h) = (self.output("a_bar", all), self.output("h", all));
        self.launch("selective_scan_v1_discretise", line(all), [a_bar.into(), h.into()])?;
        self.launch("selective_scan_v1_scan", line(states), [a_bar.into(), h.into(), last.into()])?;
        self.launch("selective_scan_v1_output", line(sequence), [h.into(), y.into()])?;
        Ok(h)
    }

    /// The buffer of every eighth state, where it is wanted.
    fn fused(&mut self, y: BufferId, last: BufferId, save: bool) -> Result<Option<BufferId>> {
        let kernel = self.kernel("v2", true)?;
        let saved = save.then(|| self.output("saved", self.saved()));
        self.launch(&kernel, self.by_channel(THREADS), [y.into(), last.into(), saved.into()])?;
        Ok(saved)
    }

    fn warp_scan(&mut self, y: BufferId, last: BufferId) -> Result<()> {
        let kernel = self.kernel("v3", false)?;
        let carry = TILE_CHANNELS * self.given.shape.state * 4;
        // What 48 KiB leave beside the tiles.
        if carry > 6 * 1024 {
            let allowed = "at most 96 in Version::WarpScan: use Version::Materialised";
            return Err(Error::domain("shape.state", self.given.shape.state, allowed));
        }
        let launch = self.by_channel(TILE_CHANNELS).shared(carry as u32);
        self.launch(&kernel, launch, [y.into(), last.into()])
    }

    fn chunked(&mut self, chunks: usize, y: BufferId, last: BufferId) -> Result<()> {
        crate::validate::at_least_one("chunks", chunks)?;
        let Shape { batch, length, channels, state } = self.given.shape;
        let kernel = self.kernel("v4", true)?;
        // No chunk without a step, however the steps divide.
        let chunks = length.div_ceil(length.div_ceil(chunks));
        let blocks = chunks * batch * channels.div_ceil(THREADS);
        if blocks > i32::MAX as usize {
            return Err(Error::domain("chunks", chunks, "fewer, so that all blocks can be counted in an int"));
        }
        let ticket = self.slot("ticket", Role::State, Kind::I32, 1);
        let flags = self.slot("flags", Role::State, Kind::I32, blocks);
        let passed = self.output("passed", chunks * batch * channels);
        let sums = self.output("sums", chunks * batch * channels * state);
        let prefixes = self.output("prefixes", chunks * batch * channels * state);
        let more = [y.into(), last.into(), Arg::Int(chunks as i32), ticket.into(), flags.into(), passed.into()];
        let more = more.into_iter().chain([sums.into(), prefixes.into()]);
        self.launch(&kernel, Launch::line(blocks as u32, THREADS as u32), more)
    }

    fn backward(&mut self, version: Backward, stored: Option<BufferId>, with_dlast: bool) -> Result<()> {
        let (given, shape) = (self.given, self.given.shape);
        let dy = self.slot("dy", Role::Input, self.sequence(), shape.sequence());
        let dlast = with_dlast.then(|| self.slot("dlast", Role::Input, Kind::F32, shape.states()));
        // b1 adds up what b2 writes once.
        let once = if version == Backward::Stored { Role::State } else { Role::Output };
        let mut slot = |name, role, len| self.slot(name, role, Kind::F32, len);
        let du = slot("du", once, shape.sequence());
        let ddelta = slot("ddelta", once, shape.sequence());
        let da = slot("dA", Role::State, shape.channels * shape.state);
        let db = slot("dB", Role::State, shape.projection());
        let dc = slot("dC", Role::State, shape.projection());
        let dd = given.d.then(|| slot("dD", Role::State, shape.channels));
        let dz = given.z.then(|| slot("dz", Role::Output, shape.sequence()));
        let dbias = given.delta_bias.then(|| slot("ddelta_bias", Role::State, shape.channels));
        let dinitial = slot("dinitial", Role::Output, shape.states());
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
