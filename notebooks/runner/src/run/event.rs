//! What a worker tells its supervisor: one JSON object a line on its standard output.

use serde::{Deserialize, Serialize};

use crate::session::{Kind, Outcome};

/// A step of a notebook's execution.
#[derive(Debug, Serialize, Deserialize)]
pub enum Event {
    /// The compiler and the cells' process are up.
    Ready,
    /// A code cell begins; counted from 0 among code cells.
    Start {
        /// The cell.
        cell: usize,
    },
    /// A code cell has ended, well or not.
    Done {
        /// The cell.
        cell: usize,
        /// How long it took.
        seconds: f64,
        /// Its value and its failure.
        outcome: Outcome,
        /// What it printed to standard output.
        stdout: String,
        /// What it printed to standard error, without what the failure already says.
        stderr: String,
    },
    /// The session could not be started.
    Fatal {
        /// A sentence.
        message: String,
    },
}

/// Limits that hold for every cell.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Seconds a cell may run.
    pub seconds: u64,
    /// Bytes a cell may print.
    pub output: usize,
}

impl Limits {
    /// The arguments that hand the limits to a worker.
    pub fn to_args(self) -> [String; 2] {
        [self.seconds.to_string(), self.output.to_string()]
    }
}

/// How a failed cell is announced in one line.
pub fn headline(kind: Kind) -> &'static str {
    match kind {
        Kind::Compile => "does not compile",
        Kind::Panic => "panicked",
        Kind::Returned => "returned an error",
        Kind::Died => "ended its process",
        Kind::Memory => "ran out of memory",
        Kind::Timeout => "timed out",
        Kind::Output => "printed too much",
        Kind::Interrupted => "was interrupted",
    }
}
