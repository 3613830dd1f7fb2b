//! In how many ways can a cell fail, and what is said of each?

use std::collections::BTreeMap;

use super::text::PANIC;

/// Why a cell failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// It does not compile.
    Compile,
    /// It panicked.
    Panic,
    /// It returned early through `?`.
    Returned,
    /// Its process ended: `std::process::exit`, an abort, a crash.
    Died,
    /// It asked for more memory than allowed.
    Memory,
    /// It ran past its time limit.
    Timeout,
    /// It printed more than allowed.
    Output,
    /// The user stopped it.
    Interrupted,
}

impl Kind {
    /// The name a notebook's error output carries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compile => "CompileError",
            Self::Panic => "Panic",
            Self::Returned => "Error",
            Self::Died => "ProcessEnded",
            Self::Memory => "OutOfMemory",
            Self::Timeout => "Timeout",
            Self::Output => "TooMuchOutput",
            Self::Interrupted => "Interrupted",
        }
    }

    /// Whether the process that ran the cell has ended by itself.
    pub fn ends_process(self) -> bool {
        matches!(self, Self::Died | Self::Memory)
    }
}

/// A failed cell: what a reader is shown.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// The sort of failure.
    pub kind: Kind,
    /// One sentence.
    pub message: String,
    /// The whole text, line by line.
    pub traceback: Vec<String>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        let traceback = message.lines().map(str::to_owned).collect();
        Self { kind, message, traceback }
    }
}

/// What a cell left behind, its printed text apart.
#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// The last expression's representations by MIME type.
    pub data: BTreeMap<String, String>,
    /// Set if the cell failed.
    pub failure: Option<Failure>,
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self { data: BTreeMap::new(), failure: Some(failure) }
    }
}

/// What stopping a cell leaves.
pub fn stopped(reason: Option<Failure>, killed: bool) -> Failure {
    let reason = reason.unwrap_or_else(|| Failure::new(Kind::Interrupted, "the cell was stopped"));
    let rest = if killed { "all variables are lost" } else { "it was still being compiled, no variable is lost" };
    Failure::new(reason.kind, format!("{}; {rest}", reason.message))
}

/// A cell that evcxr calls a success but whose marker is missing: a panic if our hook spoke last, else `?`.
pub fn failed_quietly(errors: &[String]) -> Failure {
    let panicked = errors.iter().rev().take_while(|line| line.starts_with(PANIC)).count();
    if panicked > 0 {
        let message: Vec<&str> =
            errors[errors.len() - panicked..].iter().map(|line| line.trim_start_matches(PANIC)).collect();
        let mut failure = Failure::new(Kind::Panic, message.join("\n"));
        if let Some(first) = failure.traceback.first_mut() {
            first.insert_str(0, "panicked: ");
        }
        return failure;
    }
    let message = if errors.is_empty() { "returned early through `?`".to_owned() } else { errors.join("\n") };
    Failure::new(Kind::Returned, message)
}

pub fn died(status: &str, errors: &[String]) -> Failure {
    if let Some(line) = errors.iter().find(|line| line.starts_with("memory allocation of")) {
        let message = format!("{line}: the limit is {} (--memory); all variables are lost", memory_limit_text());
        return Failure::new(Kind::Memory, message);
    }
    let status = status.lines().last().unwrap_or(status).trim_start_matches("Subprocess terminated with status: ");
    let mut failure = Failure::new(
        Kind::Died,
        format!(
            "the process that runs the cells ended ({status}): the cell called `std::process::exit`, aborted or \
             crashed; all variables are lost"
        ),
    );
    failure.traceback.extend(errors.iter().cloned());
    failure
}

fn memory_limit_text() -> String {
    match crate::runtime::memory_limit() {
        Some(bytes) => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
        None => "the machine's".to_owned(),
    }
}

/// A start that fails has one of few causes; evcxr's own text is long and comes last.
pub fn start_error(text: &str) -> String {
    let first = text.trim().lines().next().unwrap_or("no reason given");
    format!("the Rust compiler could not be started for the cells: {first}")
}
