//! How is one cell run, and how is a failure told from a success?
//!
//! [`Session`] is the one way a cell is executed here, by the headless runner and by the live Jupyter kernel alike.
//! It wraps `evcxr`, which reports a panic and an early return through `?` as success; both leave every *new* variable
//! of the cell undefined while keeping the old ones. So each cell defines a marker variable of its own, and the cell
//! succeeded exactly when the marker is there afterwards. Nothing the reader had is lost.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use evcxr::{CommandContext, Completions, EvalContextOutputs};

use crate::diagnostic;

/// Lines of standard error that start so come from our panic hook.
const PANIC: &str = "\u{1}panic ";
/// Marker variables are called so, and a number.
const MARKER: &str = "__cell_";
/// How long standard error must be silent before a cell's text is taken as complete (it has no end mark).
const QUIET: Duration = Duration::from_millis(8);

/// Installed in the child: a panic is one message with its place, not a backtrace through generated code.
/// The `?` teaches evcxr to accept `?` from here on, which otherwise costs the first cell with one a second compilation.
const SET_UP: &str = r##"
std::panic::set_hook(Box::new(|info| {
    let message = info.payload_as_str().unwrap_or("a value that is not text").replace('\n', "\n\u{1}panic ");
    let place = match info.location() {
        Some(at) if at.file() != "src/lib.rs" => {
            let parts: Vec<&str> = at.file().split(['/', '\\']).collect();
            let tail = parts.iter().rposition(|part| *part == "src").map_or(0, |src| src.saturating_sub(1));
            format!(" (at {}:{})", parts[tail..].join("/"), at.line())
        }
        _ => String::new(),
    };
    eprintln!("\u{1}panic {message}{place}");
}));
let _: i32 = "0".parse::<i32>()?;
"##;

/// Where a line of text was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

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
    fn new(kind: Kind, message: impl Into<String>) -> Self {
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

/// Receives each printed line (without its newline) while the cell runs.
pub type Sink = dyn FnMut(Stream, &str) + Send;

/// Stops a running cell from another thread.
#[derive(Clone)]
pub struct Stopper {
    child: Arc<Mutex<Child>>,
    reason: Arc<Mutex<Option<Failure>>>,
}

impl Stopper {
    /// Kills the process that runs the cells; the cell then fails for this reason, and its variables are lost.
    pub fn stop(&self, kind: Kind, message: impl Into<String>) {
        lock(&self.reason).get_or_insert_with(|| Failure::new(kind, message));
        // The process may have just ended by itself: then there is nothing left to kill.
        let _ = lock(&self.child).kill();
    }
}

/// Runs cells one after the other, keeping variables between them.
pub struct Session {
    context: CommandContext,
    printed: Arc<Mutex<Printed>>,
    pulse: Arc<AtomicUsize>,
    stopper: Stopper,
    count: usize,
}

/// What the current cell printed, as far as the session itself needs to know.
struct Printed {
    sink: Box<Sink>,
    bytes: usize,
    limit: usize,
    /// Standard error, kept for the failure's message. Panics among it are passed on only once it is clear that the
    /// cell survived them (`catch_unwind`, another thread): else they are the failure itself.
    errors: Vec<String>,
}

impl Session {
    /// Starts the compiler front end and the process that runs cells. `output_limit` is in bytes a cell.
    ///
    /// # Errors
    /// A sentence, if no Rust toolchain can be started.
    pub fn start(output_limit: usize, sink: Box<Sink>) -> Result<Self, String> {
        let (context, EvalContextOutputs { stdout, stderr }) =
            CommandContext::new().map_err(|error| start_error(&error.to_string()))?;
        let printed = Arc::new(Mutex::new(Printed { sink, bytes: 0, limit: output_limit, errors: Vec::new() }));
        let stopper = Stopper { child: context.process_handle(), reason: Arc::default() };
        let pulse = Arc::new(AtomicUsize::new(0));
        for (stream, lines) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            let (printed, stopper, pulse) = (printed.clone(), stopper.clone(), pulse.clone());
            std::thread::spawn(move || {
                while let Ok(line) = lines.recv() {
                    pulse.fetch_add(1, Ordering::Relaxed);
                    if lock(&printed).take(stream, &line) {
                        stopper.stop(Kind::Output, "the cell printed more than it may (--output-limit)");
                    }
                }
            });
        }
        let mut session = Self { context, printed, pulse, stopper, count: 0 };
        // Cells are compiled without optimisation, so that the reader waits less; the library is fully optimised
        // (slot.rs). Dependencies are resolved to the versions of the project's own Cargo.lock.
        session.command(":opt 0")?;
        session.command(SET_UP)?;
        Ok(session)
    }

    fn command(&mut self, code: &str) -> Result<(), String> {
        self.context.execute(code).map(drop).map_err(|error| start_error(&error.to_string()))
    }

    /// Makes the library at `path` ready before the first cell asks for it.
    ///
    /// # Errors
    /// A sentence, if it does not compile.
    pub fn warm(&mut self, path: &Path) -> Result<(), String> {
        // One real `let` of a library type: the type inference it needs is most of the first cell's wait.
        self.command(&format!(
            ":dep mlnotes = {{ path = {:?} }}\nuse mlnotes::prelude::*;\nlet {MARKER}0 = mlnotes::check::Checks::new(\"\");",
            path.display().to_string()
        ))
    }

    /// A handle that stops the running cell.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Runs one cell to its end.
    pub fn execute(&mut self, code: &str) -> Outcome {
        self.count += 1;
        lock(&self.stopper.reason).take();
        lock(&self.printed).start();
        let marker = format!("{MARKER}{}", self.count);
        let guarded = !is_set_up_only(code);
        let source = if guarded { format!("let {marker}: () = ();\n{code}") } else { code.to_owned() };

        let result = self.context.execute(&source);
        let succeeded = !guarded || self.context.variables_and_types().any(|(name, _)| name == marker);
        self.wait_for_text();
        let errors = std::mem::take(&mut lock(&self.printed).errors);
        let stopped = lock(&self.stopper.reason).take();

        let mut outcome = Outcome::default();
        match result {
            Ok(outputs) => {
                outcome.data = outputs.content_by_mime_type.into_iter().collect();
                if !succeeded {
                    outcome.failure = Some(stopped.unwrap_or_else(|| failed_quietly(&errors)));
                }
            }
            Err(evcxr::Error::CompilationErrors(problems)) => {
                let traceback = diagnostic::render(&problems, &source, usize::from(guarded));
                let message = problems.first().map(evcxr::CompilationError::message).unwrap_or_default();
                outcome.failure = Some(Failure { kind: Kind::Compile, message, traceback });
            }
            Err(evcxr::Error::SubprocessTerminated(status)) => {
                outcome.failure = Some(stopped.unwrap_or_else(|| died(&status, &errors)));
                // The new process has no panic hook yet.
                let _ = self.context.execute(SET_UP);
            }
            Err(error) => outcome.failure = Some(Failure::new(Kind::Compile, error.to_string())),
        }
        if !matches!(outcome.failure, Some(Failure { kind: Kind::Panic, .. })) {
            lock(&self.printed).pass_panics(&errors);
        }
        outcome
    }

    /// Completions at a byte offset of `code`.
    pub fn complete(&mut self, code: &str, position: usize) -> Option<Completions> {
        let mut found = self.context.completions(code, position).ok()?;
        found.completions.retain(|candidate| !candidate.code.starts_with(MARKER));
        Some(found)
    }

    /// Waits until the child's text has arrived: its pipes are read by other threads.
    fn wait_for_text(&self) {
        loop {
            let before = self.pulse.load(Ordering::Relaxed);
            std::thread::sleep(QUIET);
            if self.pulse.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

impl Printed {
    fn start(&mut self) {
        self.bytes = 0;
        self.errors.clear();
    }

    fn pass_panics(&mut self, errors: &[String]) {
        for message in errors.iter().filter_map(|line| line.strip_prefix(PANIC)) {
            (self.sink)(Stream::Stderr, &format!("panicked: {message}"));
        }
    }

    /// Passes a line on; true if the cell has now printed too much.
    fn take(&mut self, stream: Stream, line: &str) -> bool {
        let before = self.bytes;
        self.bytes += line.len() + 1;
        if before > self.limit {
            return false;
        }
        if self.bytes > self.limit {
            return true;
        }
        if stream == Stream::Stderr {
            // The standard library's advice after an abort: there is no backtrace to be had here.
            if line.starts_with("note: run with `RUST_BACKTRACE") {
                return false;
            }
            self.errors.push(line.to_owned());
        }
        if stream == Stream::Stdout || !line.starts_with(PANIC) {
            (self.sink)(stream, line);
        }
        false
    }
}

/// A poisoned lock here means that printing panicked: the data are plain text and still good.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Whether a cell holds nothing but commands, imports and comments, which cannot fail once they compile (and which
/// a marker would turn into a second or so of compilation).
fn is_set_up_only(code: &str) -> bool {
    code.trim_start().starts_with("#!")
        || code.lines().map(str::trim).all(|line| {
            line.is_empty()
                || line.starts_with(':')
                || line.starts_with("//")
                || (line.starts_with("use ") && line.ends_with(';'))
        })
}

/// A cell that evcxr calls a success but whose marker is missing: a panic if our hook spoke last, else `?`.
fn failed_quietly(errors: &[String]) -> Failure {
    let panicked = errors.iter().rev().take_while(|line| line.starts_with(PANIC)).count();
    if panicked > 0 {
        let message: Vec<&str> =
            errors[errors.len() - panicked..].iter().map(|line| line.trim_start_matches(PANIC)).collect();
        return Failure::new(Kind::Panic, message.join("\n"));
    }
    let message = if errors.is_empty() { "returned early through `?`".to_owned() } else { errors.join("\n") };
    Failure::new(Kind::Returned, message)
}

fn died(status: &str, errors: &[String]) -> Failure {
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
fn start_error(text: &str) -> String {
    let first = text.trim().lines().next().unwrap_or("no reason given");
    format!("the Rust compiler could not be started for the cells: {first}")
}
