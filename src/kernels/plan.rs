//! What to launch: buffers, kernels, arguments. The same plan runs emulated and on a GPU.

use crate::{Error, Result};

/// The elements of a buffer.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// 32-bit floats; also what `float2` and `float4` are made of.
    F32(Vec<f32>),
    /// The bits of bfloat16 numbers: the upper half of an `f32`.
    Bf16(Vec<u16>),
    /// 32-bit integers.
    I32(Vec<i32>),
}

impl Data {
    /// How many elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
            Self::I32(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of an element in bytes.
    pub fn element_bytes(&self) -> usize {
        if matches!(self, Self::Bf16(_)) { 2 } else { 4 }
    }

    /// In what its elements are stored.
    pub fn kind(&self) -> Kind {
        match self {
            Self::F32(_) => Kind::F32,
            Self::Bf16(_) => Kind::Bf16,
            Self::I32(_) => Kind::I32,
        }
    }

    /// bfloat16 numbers, each the nearest to its `f32`, ties to even.
    ///
    /// ```
    /// use mlnotes::kernels::Data;
    ///
    /// assert_eq!(Data::bf16(&[1.0, 1.0 + 1.0 / 512.0]).to_f32(), [1.0, 1.0]);
    /// assert!(Data::bf16(&[f32::NAN]).to_f32()[0].is_nan());
    /// ```
    pub fn bf16(values: &[f32]) -> Self {
        let round = |x: &f32| {
            let bits = x.to_bits();
            if x.is_nan() { (bits >> 16) as u16 | 0x40 } else { ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16 }
        };
        Self::Bf16(values.iter().map(round).collect())
    }

    /// The elements as `f32`; integers to the nearest.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(values) => values.clone(),
            Self::Bf16(values) => values.iter().map(|&bits| f32::from_bits(u32::from(bits) << 16)).collect(),
            Self::I32(values) => values.iter().map(|&value| value as f32).collect(),
        }
    }
}

/// In what a buffer's elements are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit floats.
    F32,
    /// bfloat16 numbers.
    Bf16,
    /// 32-bit integers.
    I32,
}

impl Kind {
    fn zeros(self, len: usize) -> Data {
        match self {
            Self::F32 => Data::F32(vec![0.0; len]),
            Self::Bf16 => Data::Bf16(vec![0; len]),
            Self::I32 => Data::I32(vec![0; len]),
        }
    }

    /// NaN, or the integer whose bits are all 1.
    fn unwritten(self, len: usize) -> Data {
        match self {
            Self::F32 => Data::F32(vec![f32::NAN; len]),
            Self::Bf16 => Data::Bf16(vec![0xffff; len]),
            Self::I32 => Data::I32(vec![-1; len]),
        }
    }
}

/// What a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Only read.
    Input,
    /// Written before it is read, so it starts as NaN.
    Output,
    /// Starts with these elements at every run and is then changed: sums to add to, flags.
    State,
}

/// Memory that kernels read and write.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// What error messages and traces call it.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its elements.
    pub data: Data,
}

/// A buffer of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(pub(super) usize);

/// An argument of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// A pointer to a buffer's first element.
    Buffer(BufferId),
    /// A null pointer: an optional argument left out.
    Null,
    /// `int`.
    Int(i32),
    /// `float`.
    Float(f32),
}

impl From<BufferId> for Arg {
    fn from(buffer: BufferId) -> Self {
        Self::Buffer(buffer)
    }
}

impl From<Option<BufferId>> for Arg {
    fn from(buffer: Option<BufferId>) -> Self {
        buffer.map_or(Self::Null, Self::Buffer)
    }
}

impl From<i32> for Arg {
    fn from(value: i32) -> Self {
        Self::Int(value)
    }
}

impl From<f32> for Arg {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

/// How many threads: what stands between `<<<` and `>>>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y and z; at most 1024 in all.
    pub block: [u32; 3],
    /// Bytes of `extern __shared__` memory.
    pub shared_bytes: u32,
}

impl Launch {
    /// `blocks` blocks of `threads` threads.
    pub fn line(blocks: u32, threads: u32) -> Self {
        Self { grid: [blocks, 1, 1], block: [threads, 1, 1], shared_bytes: 0 }
    }

    /// Sets the bytes of `extern __shared__` memory.
    #[must_use]
    pub fn shared(self, bytes: u32) -> Self {
        Self { shared_bytes: bytes, ..self }
    }

    /// Threads of a block.
    pub fn threads(&self) -> u32 {
        self.block.iter().product()
    }

    /// # Errors
    /// [`Error::Domain`] for what no GPU takes.
    pub(super) fn validate(&self) -> Result<()> {
        let blocks = self.grid.iter().map(|&n| u64::from(n)).product::<u64>();
        if blocks == 0 || blocks > i32::MAX as u64 || self.grid[1] > 65_535 || self.grid[2] > 65_535 {
            let allowed = "at least 1 along each axis and at most 65535 along y and z";
            return Err(Error::domain("grid", format!("{:?}", self.grid), allowed));
        }
        let threads = self.block.iter().map(|&n| u64::from(n)).product::<u64>();
        if !(1..=1024).contains(&threads) || self.block[2] > 64 {
            let allowed = "1 to 1024 threads in all, at most 64 of them along z";
            return Err(Error::domain("block", format!("{:?}", self.block), allowed));
        }
        if self.shared_bytes > 48 * 1024 {
            return Err(Error::domain(
                "shared_bytes",
                self.shared_bytes,
                "at most 49152, what every GPU gives a block",
            ));
        }
        Ok(())
    }
}

/// One launch of one kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The kernel's name.
    pub kernel: String,
    /// How many threads.
    pub launch: Launch,
    /// Its arguments.
    pub args: Vec<Arg>,
}

impl Step {
    /// A launch on a plan's `buffers` buffers.
    fn new(kernel: &str, launch: Launch, args: impl IntoIterator<Item = Arg>, buffers: usize) -> Result<Self> {
        launch.validate()?;
        let args: Vec<Arg> = args.into_iter().collect();
        let foreign = |arg: &&Arg| matches!(arg, Arg::Buffer(id) if id.0 >= buffers);
        if let Some(arg) = args.iter().find(foreign) {
            return Err(Error::domain("args", format!("{arg:?}"), "a buffer that this plan made"));
        }
        Ok(Self { kernel: kernel.to_string(), launch, args })
    }
}

/// A buffer for which there is no memory yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What the buffer will be called.
    pub name: &'static str,
    /// What it is for; a [`Role::State`] starts at 0.
    pub role: Role,
    /// In what its elements are stored.
    pub kind: Kind,
    /// How many they are.
    pub len: usize,
}

/// Launches on memory that is elsewhere: a [`Plan`] without its numbers. Who has the memory (candle's tensors on a GPU)
/// puts an address to each slot; [`Outline::fill`] makes a plan of it, to be run as any other.
///
/// ```
/// use mlnotes::kernels::{Data, Kind, Launch, Outline, Role, Slot};
///
/// let mut outline = Outline::default();
/// let x = outline.slot(Slot { name: "x", role: Role::Input, kind: Kind::F32, len: 2 });
/// let y = outline.slot(Slot { name: "y", role: Role::Output, kind: Kind::F32, len: 2 });
/// outline.launch("prefix_sum_v1", Launch::line(1, 1), [x.into(), y.into(), 2.into()])?;
/// let plan = outline.fill(|_| Ok(Data::F32(vec![1.0, 2.0])))?;
/// assert_eq!(plan.f32("x")?, [1.0, 2.0]);
/// assert!(outline.fill(|_| Ok(Data::F32(vec![1.0]))).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    slots: Vec<Slot>,
    steps: Vec<Step>,
}

impl Outline {
    /// Adds a slot.
    pub fn slot(&mut self, slot: Slot) -> BufferId {
        self.slots.push(slot);
        BufferId(self.slots.len() - 1)
    }

    /// Adds a launch after those that are there.
    ///
    /// # Errors
    /// As [`Plan::launch`].
    pub fn launch(&mut self, kernel: &str, launch: Launch, args: impl IntoIterator<Item = Arg>) -> Result<()> {
        self.steps.push(Step::new(kernel, launch, args, self.slots.len())?);
        Ok(())
    }

    /// The slots; the numbers of their buffers are their places.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The launches.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The plan whose inputs hold what `input` gives for each.
    ///
    /// # Errors
    /// Those of `input`; [`Error::Domain`] for data of another length or kind than the slot's.
    pub fn fill(&self, mut input: impl FnMut(&Slot) -> Result<Data>) -> Result<Plan> {
        let mut plan = Plan { buffers: Vec::with_capacity(self.slots.len()), steps: self.steps.clone() };
        for slot in &self.slots {
            let Slot { name, role, kind, len } = *slot;
            let data = match role {
                Role::Input => input(slot)?,
                Role::Output => kind.unwritten(len),
                Role::State => kind.zeros(len),
            };
            if (data.kind(), data.len()) != (kind, len) {
                let given = format!("{name} with {} of {:?}", data.len(), data.kind());
                return Err(Error::domain("input", given, format!("{len} of {kind:?} there, as its slot says")));
            }
            plan.buffer(name, role, data);
        }
        Ok(plan)
    }
}

/// Buffers, and the launches that work on them one after the other.
///
/// ```
/// use mlnotes::kernels::{Launch, Plan};
///
/// let mut plan = Plan::new();
/// let x = plan.input("x", vec![1.0, 2.0]);
/// let y = plan.output("y", 2);
/// plan.launch("prefix_sum_v1", Launch::line(1, 1), [x.into(), y.into(), 2.into()])?;
/// assert!(plan.f32("y")?.iter().all(|y| y.is_nan())); // nothing has run yet
/// assert!(plan.launch("prefix_sum_v1", Launch::line(1, 4096), [x.into(), y.into(), 2.into()]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub(super) buffers: Vec<Buffer>,
    pub(super) steps: Vec<Step>,
}

impl Plan {
    /// No buffers, no launches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a buffer.
    pub fn buffer(&mut self, name: &str, role: Role, data: Data) -> BufferId {
        self.buffers.push(Buffer { name: name.to_string(), role, data });
        BufferId(self.buffers.len() - 1)
    }

    /// Adds floats that kernels only read.
    pub fn input(&mut self, name: &str, values: Vec<f32>) -> BufferId {
        self.buffer(name, Role::Input, Data::F32(values))
    }

    /// Adds floats that kernels write first: NaN until then.
    pub fn output(&mut self, name: &str, len: usize) -> BufferId {
        self.buffer(name, Role::Output, Data::F32(vec![f32::NAN; len]))
    }

    /// Adds floats that start at 0, to be added to.
    pub fn zeros(&mut self, name: &str, len: usize) -> BufferId {
        self.buffer(name, Role::State, Data::F32(vec![0.0; len]))
    }

    /// Adds integers that start at 0: flags, tickets.
    pub fn flags(&mut self, name: &str, len: usize) -> BufferId {
        self.buffer(name, Role::State, Data::I32(vec![0; len]))
    }

    /// Adds a launch after those that are there.
    ///
    /// # Errors
    /// [`Error::Domain`] for a grid, a block or shared memory that no GPU takes, or a buffer of another plan.
    pub fn launch(&mut self, kernel: &str, launch: Launch, args: impl IntoIterator<Item = Arg>) -> Result<()> {
        self.steps.push(Step::new(kernel, launch, args, self.buffers.len())?);
        Ok(())
    }

    /// The launches.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The buffers.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// The elements of a buffer.
    ///
    /// # Errors
    /// [`Error::Domain`] if there is none of that name.
    pub fn data(&self, name: &str) -> Result<&Data> {
        let found = self.buffers.iter().find(|buffer| buffer.name == name);
        found.map(|buffer| &buffer.data).ok_or_else(|| {
            let names: Vec<&str> = self.buffers.iter().map(|buffer| buffer.name.as_str()).collect();
            Error::domain("name", format!("\"{name}\""), format!("a buffer of this plan: {}", names.join(", ")))
        })
    }

    /// The elements of a buffer as `f32`.
    ///
    /// # Errors
    /// As [`Plan::data`].
    pub fn f32(&self, name: &str) -> Result<Vec<f32>> {
        self.data(name).map(Data::to_f32)
    }

    /// Bytes that the buffers hold.
    pub fn bytes(&self) -> usize {
        self.buffers.iter().map(|buffer| buffer.data.len() * buffer.data.element_bytes()).sum()
    }

    /// Does what a kernel takes fit a step's arguments? `codes` as in `kernels/emulate/runtime.h`.
    #[cfg(feature = "emulate")]
    pub(super) fn validate_step(&self, step: &Step, codes: &[u32]) -> Result<()> {
        let kernel = &step.kernel;
        if codes.len() != step.args.len() {
            let reason = format!("takes {} arguments, but the plan gives {}", codes.len(), step.args.len());
            return Err(Error::kernel(kernel, format!("{reason}: give one for each parameter, in their order")));
        }
        for (i, (arg, &code)) in step.args.iter().zip(codes).enumerate() {
            self.validate_arg(arg, code).map_err(|(takes, given)| {
                let reason = format!("takes {takes} as argument {i} (counted from 0), but the plan gives {given}");
                Error::kernel(kernel, format!("{reason}: give the arguments in the order of the kernel's parameters"))
            })?;
        }
        Ok(())
    }

    #[cfg(feature = "emulate")]
    fn validate_arg(&self, arg: &Arg, code: u32) -> Result<(), (String, String)> {
        const CONST: u32 = 64;
        let elements = match code & !CONST {
            1 => "an int",
            2 => "a float",
            3 => "a long long",
            16 => "floats",
            17 => "bfloat16 numbers",
            _ => "ints",
        };
        let takes = || format!("{elements}{}", if (16..CONST).contains(&code) { " to write" } else { "" });
        match (arg, code & !CONST) {
            (Arg::Int(_), 1 | 3) | (Arg::Float(_), 2) | (Arg::Null, 16..) => Ok(()),
            (Arg::Buffer(id), 16..) => {
                let buffer = &self.buffers[id.0];
                let fits = match buffer.data {
                    Data::F32(_) => code & !CONST == 16,
                    Data::Bf16(_) => code & !CONST == 17,
                    Data::I32(_) => code & !CONST >= 18,
                };
                if !fits {
                    return Err((takes(), format!("`{}`, which holds other elements", buffer.name)));
                }
                if code < CONST && buffer.role == Role::Input {
                    return Err((takes(), format!("`{}`, which is an input", buffer.name)));
                }
                Ok(())
            }
            (Arg::Buffer(id), _) => Err((takes(), format!("the buffer `{}`", self.buffers[id.0].name))),
            (other, _) => Err((takes(), format!("{other:?}"))),
        }
    }
}
