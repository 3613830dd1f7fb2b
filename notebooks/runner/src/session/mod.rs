//! How is one cell run, and how is a failure told from a success?
//!
//! [`Session`] is the one way a cell is executed here, by the headless runner and by the live Jupyter kernel alike.
//! It wraps `evcxr`, which reports a panic and an early return through `?` as success; both leave every *new* variable
//! of the cell undefined while keeping the old ones. So each cell defines a marker variable of its own, and the cell
//! succeeded exactly when the marker is there afterwards. Nothing the reader had is lost.

mod failure;
mod source;
mod stop;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use evcxr::{CommandContext, Completions, EvalContextOutputs};

use crate::diagnostic;
pub use failure::{Failure, Kind, Outcome};
use failure::{died, failed_quietly, start_error, stopped};
use source::{pin_versions_for, reads_stdin, set_up_lines, toml_escaped, with_absolute_paths, with_line};
use stop::Running;
pub use stop::Stopper;

/// Lines of standard error that start so come from our panic hook.
const PANIC: &str = "\u{1}panic ";
/// Marker variables are called so, and a number.
const MARKER: &str = "__cell_";
/// What a cell that reads standard input is told.
const NO_STDIN: &str = "a notebook's cell cannot read standard input: write the value into the cell";
/// Each cell's first act is to print this and its number to standard error: from there on its own code runs.
const BEGAN: &str = "\u{1}began ";
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

/// Receives each printed line (without its newline) while the cell runs.
pub type Sink = dyn FnMut(Stream, &str) + Send;

/// Runs cells one after the other, keeping variables between them.
pub struct Session {
    context: CommandContext,
    printed: Arc<Mutex<Printed>>,
    pulse: Arc<AtomicUsize>,
    stopper: Stopper,
    count: usize,
    /// The cells' process has what [`SET_UP`] installs.
    is_set_up: bool,
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
        let stopper = Stopper { child: context.process_handle(), cell: Arc::default() };
        let pulse = Arc::new(AtomicUsize::new(0));
        for (stream, lines) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            let (printed, stopper, pulse) = (printed.clone(), stopper.clone(), pulse.clone());
            std::thread::spawn(move || {
                while let Ok(line) = lines.recv() {
                    pulse.fetch_add(1, Ordering::Relaxed);
                    if let Some(number) = line.strip_prefix(BEGAN) {
                        let mut cell = lock(&stopper.cell);
                        cell.began = cell.number.is_some_and(|running| number == running.to_string());
                        continue;
                    }
                    if lock(&printed).take(stream, &line) {
                        let limit = output_limit as f64 / 1e6;
                        stopper.stop(Kind::Output, format!("the cell printed more than {limit} MB"));
                    }
                }
            });
        }
        let mut session = Self { context, printed, pulse, stopper, count: 0, is_set_up: false };
        // Cells are compiled without optimisation, so that the reader waits less; the library is fully optimised
        // (slot.rs). Dependencies are resolved to the versions of the project's own Cargo.lock.
        session.command(":opt 0")?;
        Ok(session)
    }

    fn set_up(&mut self) {
        if !self.is_set_up {
            // What fails here fails for the reader's cell too, which shows why.
            self.is_set_up = self.command(SET_UP).is_ok();
        }
    }

    fn command(&mut self, code: &str) -> Result<(), String> {
        pin_versions_for(code);
        self.context.execute(code).map(drop).map_err(|error| start_error(&error.to_string()))
    }

    /// Makes the library at `path` ready before the first cell asks for it.
    ///
    /// # Errors
    /// A sentence, if it does not compile.
    pub fn warm(&mut self, path: &Path) -> Result<(), String> {
        // One real `let` of a library type: the type inference it needs is most of the first cell's wait.
        let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        let path = toml_escaped(&path);
        // All in one: each command is a compilation.
        self.command(&format!(
            ":dep mlnotes = {{ path = \"{path}\" }}\nuse mlnotes::prelude::*;\n{SET_UP}\n\
             let {MARKER}0 = mlnotes::check::Checks::new(\"\");"
        ))?;
        self.is_set_up = true;
        Ok(())
    }

    /// A handle that stops the running cell.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Runs one cell to its end.
    pub fn execute(&mut self, code: &str) -> Outcome {
        if reads_stdin(code) {
            return Failure::new(Kind::Compile, NO_STDIN).into();
        }
        self.set_up();
        self.count += 1;
        lock(&self.printed).start();
        let marker = format!("{MARKER}{}", self.count);
        let code = with_absolute_paths(code);
        // Commands are read before the first statement only, so the marker follows them.
        let before = set_up_lines(&code);
        let guarded = before < code.lines().count();
        let source = if guarded {
            let statement = format!("let {marker}: () = eprintln!(\"{}{}\");", BEGAN.escape_unicode(), self.count);
            with_line(&code, before, &statement)
        } else {
            code.to_string()
        };

        pin_versions_for(&source);
        *lock(&self.stopper.cell) = Running { number: Some(self.count), ..Running::default() };
        let result = self.context.execute(&source);
        let Running { reason, killed, .. } = std::mem::take(&mut *lock(&self.stopper.cell));
        let succeeded = !guarded || self.context.variables_and_types().any(|(name, _)| name == marker);
        self.wait_for_text();
        let errors = std::mem::take(&mut lock(&self.printed).errors);

        let outcome = match result {
            Ok(_) if killed => {
                // It was killed just after its end, which only the next command finds out.
                let _ = self.command(SET_UP);
                stopped(reason, killed).into()
            }
            Ok(_) if !succeeded => failed_quietly(&errors).into(),
            Ok(outputs) => Outcome { data: outputs.content_by_mime_type.into_iter().collect(), failure: None },
            Err(evcxr::Error::SubprocessTerminated(_)) if killed => stopped(reason, killed).into(),
            Err(evcxr::Error::SubprocessTerminated(status)) => died(&status, &errors).into(),
            Err(_) if reason.is_some() => stopped(reason, killed).into(),
            Err(evcxr::Error::CompilationErrors(problems)) => {
                let traceback = diagnostic::render(&problems, &code, guarded.then_some(before));
                let message = problems.first().map(evcxr::CompilationError::message).unwrap_or_default();
                Failure { kind: Kind::Compile, message, traceback }.into()
            }
            Err(error) => Failure::new(Kind::Compile, error.to_string()).into(),
        };
        if killed || outcome.failure.as_ref().is_some_and(|failure| failure.kind.ends_process()) {
            self.is_set_up = false;
            self.set_up();
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

    /// What is known of the name that ends at a byte offset of `code`: as plain text and as HTML.
    pub fn describe(&mut self, code: &str, position: usize) -> Option<(String, String)> {
        if !code.is_char_boundary(position) {
            return None;
        }
        self.context.hover_at(code, position).ok().filter(|(plain, _)| plain != "No documentation found")
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
