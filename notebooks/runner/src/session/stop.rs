//! How is a cell stopped from another thread, and at what price?

use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::failure::{Failure, Kind};
use super::lock;

/// How often a cell that is being compiled is told to stop.
const PATIENCE: Duration = Duration::from_millis(20);

/// Stops a running cell from another thread.
#[derive(Clone)]
pub struct Stopper {
    pub(super) child: Arc<Mutex<Child>>,
    pub(super) cell: Arc<Mutex<Running>>,
}

/// The cell being executed, as other threads must know it.
#[derive(Default)]
pub struct Running {
    /// Its number, from its arrival to its end.
    pub number: Option<usize>,
    /// It is compiled, and its own code runs.
    pub began: bool,
    /// Why it is to be stopped.
    pub reason: Option<Failure>,
    /// The process that ran it has been killed for that.
    pub killed: bool,
}

impl Stopper {
    /// Makes the running cell fail for this reason, if a cell is running. While it is being compiled, only the
    /// compilers are killed; once it runs, so is the process that holds all variables.
    pub fn stop(&self, kind: Kind, message: impl Into<String>) {
        let mut cell = lock(&self.cell);
        let Some(number) = cell.number else { return };
        if cell.reason.is_some() {
            return;
        }
        cell.reason = Some(Failure::new(kind, message));
        drop(cell);
        let stopper = self.clone();
        std::thread::spawn(move || {
            while stopper.strike(number) {
                std::thread::sleep(PATIENCE);
            }
        });
    }

    /// Cell `number` is compiled and runs its own code from here on.
    pub(super) fn began(&self, number: usize) {
        let mut cell = lock(&self.cell);
        cell.began = cell.number == Some(number);
    }

    /// True if the cell must be struck again: the compiler front end in this process cannot be stopped, but what
    /// it starts can.
    fn strike(&self, number: usize) -> bool {
        let mut cell = lock(&self.cell);
        if cell.number != Some(number) {
            return false;
        }
        let mut child = lock(&self.child);
        if cell.began {
            cell.killed = true;
            // The process may have just ended by itself: then there is nothing left to kill.
            let _ = child.kill();
        } else {
            crate::processes::kill_descendants(Some(child.id()));
        }
        !cell.began
    }
}
