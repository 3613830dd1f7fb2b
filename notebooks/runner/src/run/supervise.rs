//! Watches over one worker: its events, its time, its end.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::event::{Event, Limits};
use crate::session::lock;

/// A worker stops an endless cell by itself; past this grace it is the compiler that hangs, and the worker is killed.
const GRACE: Duration = Duration::from_secs(20);
/// Starting a session compiles a few lines; the first build of the library happens before.
const START: Duration = Duration::from_secs(120);

/// The first build of the library and its dependencies: well under a minute where nothing else runs.
const PREPARATION: Limits = Limits { seconds: 1200, output: 1 << 20 };

/// What the user is told after Ctrl-C.
pub const INTERRUPTED: &str = "interrupted: notebooks that were not through are unchanged";

/// Process groups to be killed when the user interrupts.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static ASKED_TO_STOP: AtomicBool = AtomicBool::new(false);

/// Whether the user has asked to stop.
pub fn interrupted() -> bool {
    ASKED_TO_STOP.load(Ordering::Relaxed)
}

/// Makes Ctrl-C end every worker; the files are only ever written whole, so nothing else is to be done.
pub fn catch_interrupts() -> Result<(), String> {
    ctrlc::set_handler(|| {
        ASKED_TO_STOP.store(true, Ordering::Relaxed);
        for &group in lock(&RUNNING).iter() {
            kill_group(group);
        }
    })
    .map_err(|error| format!("Ctrl-C cannot be caught: {error}"))
}

/// How a worker ended before its time.
pub enum End {
    /// Its events were all received.
    Complete,
    /// A sentence why not.
    Broken(String),
}

/// Runs a worker on `notebook` in a process group of its own and hands every event to `on_event`.
pub fn run(notebook: &Path, limits: Limits, memory: Option<u64>, on_event: impl FnMut(Event)) -> End {
    let folder = notebook.parent().unwrap_or(Path::new("."));
    let arguments = [OsString::from("worker"), notebook.into()].into_iter().chain(limits.to_args().map(Into::into));
    start(folder, arguments, limits, memory, on_event)
}

/// Runs a worker that compiles the library of the checkout at `root` for cells.
pub fn prepare(root: &Path, dependencies: &BTreeSet<String>, memory: Option<u64>) -> End {
    let arguments = std::iter::once("prepare").chain(dependencies.iter().map(String::as_str));
    start(root, arguments.map(OsString::from), PREPARATION, memory, |_| {})
}

fn start(
    folder: &Path,
    arguments: impl IntoIterator<Item = OsString>,
    limits: Limits,
    memory: Option<u64>,
    mut on_event: impl FnMut(Event),
) -> End {
    let mut command = match std::env::current_exe() {
        Ok(exe) => Command::new(exe),
        Err(error) => return End::Broken(format!("this program cannot find itself: {error}")),
    };
    command.args(arguments).current_dir(folder).env(crate::runtime::ALLOCATOR.0, crate::runtime::ALLOCATOR.1);
    if let Some(bytes) = memory {
        command.env(crate::runtime::MEMORY, bytes.to_string());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return End::Broken(format!("the process for the notebook cannot be started: {error}")),
    };
    let group = child.id();
    lock(&RUNNING).push(group);
    let end = watch(&mut child, limits, &mut on_event);
    kill_group(group);
    let _ = child.wait();
    lock(&RUNNING).retain(|&other| other != group);
    end
}

fn watch(child: &mut Child, limits: Limits, on_event: &mut impl FnMut(Event)) -> End {
    let events = read_events(child);
    let complaints = read_complaints(child);
    let mut deadline = Instant::now() + START;
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Fatal { message }) => return End::Broken(message),
            Ok(event) => {
                deadline = Instant::now() + Duration::from_secs(limits.seconds) + GRACE;
                on_event(event);
            }
            Err(RecvTimeoutError::Timeout) => {
                return End::Broken(format!(
                    "no answer for {} s: the compiler seems to hang (--cell-timeout gives it longer)",
                    limits.seconds + GRACE.as_secs()
                ));
            }
            Err(RecvTimeoutError::Disconnected) if interrupted() => return End::Broken("interrupted".to_owned()),
            Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait().map(|status| status.to_string()).unwrap_or_default();
                if status == "exit status: 0" {
                    return End::Complete;
                }
                let text = complaints.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
                let last = text.lines().last().map(|line| format!(": {line}")).unwrap_or_default();
                return End::Broken(format!("the process for the notebook ended ({status}){last}"));
            }
        }
    }
}

fn read_events(child: &mut Child) -> Receiver<Event> {
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let events = BufReader::new(stdout).lines().map_while(Result::ok);
            // Whatever is not an event was printed by a library in the worker: not ours to judge.
            for event in events.filter_map(|line| serde_json::from_str(&line).ok()) {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

fn read_complaints(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(mut stderr) = child.stderr.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    receiver
}

/// Ends a worker, its cells' process and its compilers, which share its process group.
fn kill_group(leader: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// For a worker whose supervisor is gone.
pub fn kill_own_group() {
    kill_group(std::process::id());
}
