//! The process that executes one notebook. Directory, environment and temporary folder are a process's own, so each
//! notebook gets one; it reports every step as an [`Event`] and writes no file of the user's.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::event::{Event, Limits};
use crate::notebook::{Kind as CellKind, Notebook};
use crate::project::Project;
use crate::session::{self, Kind, Outcome, Session, Stopper, Stream};
use crate::slot::Slot;

/// Text of the running cell.
#[derive(Default)]
struct Text {
    stdout: String,
    stderr: Vec<String>,
}

/// Executes the notebook at `path` until its end or its first failure. Called before any thread is started.
pub fn main(path: &Path, limits: Limits, project: &Project) {
    let slot = match Slot::enter(Some(&project.cargo_lock())) {
        Ok(slot) => slot,
        Err(message) => return send(&Event::Fatal { message }),
    };
    die_with_supervisor();
    match Notebook::read(path) {
        Ok(notebook) => execute(&notebook, limits, &slot),
        Err(error) => send(&Event::Fatal { message: error.to_string() }),
    }
}

/// Compiles the library for cells, as each of these `:dep` lines asks for it, in a slot that later sessions start from.
pub fn prepare(project: &Project, dependencies: &[String]) {
    let warmed = Slot::enter(Some(&project.cargo_lock())).and_then(|slot| {
        die_with_supervisor();
        let mut session = Session::start(1 << 20, Box::new(|_, _| {}))?;
        send(&Event::Ready);
        dependencies.iter().try_for_each(|lines| session.warm(lines, &slot))
    });
    if let Err(message) = warmed {
        send(&Event::Fatal { message });
    }
}

fn execute(notebook: &Notebook, limits: Limits, slot: &Slot) {
    let text = Arc::new(Mutex::new(Text::default()));
    let sink = {
        let text = text.clone();
        move |stream: Stream, line: &str| {
            let mut text = crate::session::lock(&text);
            match stream {
                Stream::Stdout => text.stdout.extend([line, "\n"]),
                Stream::Stderr => text.stderr.push(line.to_owned()),
            }
        }
    };
    let mut session = match Session::start(limits.output, Box::new(sink)) {
        Ok(session) => session,
        Err(message) => return send(&Event::Fatal { message }),
    };
    send(&Event::Ready);
    if let Some(dependencies) = session::dependencies(notebook, Path::new(".")) {
        // If it fails, the cell that asks for the library shows why.
        let _ = session.warm(&dependencies, slot);
    }
    // A cell's diagnostics must not depend on whether one with `?` came before.
    session.use_pause();
    for (index, cell) in notebook.cells().filter(|cell| cell.kind() == CellKind::Code).enumerate() {
        send(&Event::Start { cell: index });
        let start = Instant::now();
        let source = cell.source();
        let outcome = if source.trim().is_empty() {
            Outcome::default()
        } else {
            let watch = Watchdog::set(session.stopper(), limits.seconds);
            let outcome = session.execute(&source);
            drop(watch);
            outcome
        };
        let seconds = start.elapsed().as_secs_f64();
        let Text { stdout, stderr } = std::mem::take(&mut *crate::session::lock(&text));
        let failed = outcome.failure.is_some();
        let stderr = without_repetition(&stderr, &outcome);
        send(&Event::Done { cell: index, seconds, outcome, stdout, stderr });
        if failed && !may_fail(&cell) {
            return;
        }
    }
}

/// The tag by which a notebook says that a cell's failure is what it wants to show, as in nbclient.
pub fn may_fail(cell: &crate::notebook::Cell<'_>) -> bool {
    cell.tags().contains(&"raises-exception")
}

/// Standard error without the lines that the failure's traceback shows anyway.
fn without_repetition(stderr: &[String], outcome: &Outcome) -> String {
    let shown = outcome.failure.as_ref().map_or(&[][..], |failure| &failure.traceback);
    stderr.iter().filter(|line| !shown.contains(line)).flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn send(event: &Event) {
    let Ok(line) = serde_json::to_string(event) else { return };
    // If nobody reads, the supervisor is gone, and `die_with_supervisor` ends this process.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Standard input is a pipe that the supervisor never writes to: its end means that the supervisor has ended.
fn die_with_supervisor() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        super::supervise::kill_own_group();
    });
}

/// Stops the cell when its time is over; dropped when the cell ends earlier.
struct Watchdog(#[allow(dead_code, reason = "its drop ends the thread")] std::sync::mpsc::Sender<()>);

impl Watchdog {
    fn set(stopper: Stopper, seconds: u64) -> Self {
        let (ended, wait) = channel();
        std::thread::spawn(move || {
            if wait.recv_timeout(Duration::from_secs(seconds)) == Err(RecvTimeoutError::Timeout) {
                stopper.stop(Kind::Timeout, format!("the cell ran longer than {seconds} s (--cell-timeout)"));
            }
        });
        Self(ended)
    }
}
