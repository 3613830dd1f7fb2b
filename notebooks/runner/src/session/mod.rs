//! How is one cell run, and how is a failure told from a success?
//!
//! [`Session`] is the one way a cell is executed here, by the headless runner and by the live Jupyter kernel alike.
//! It wraps `evcxr`, which reports a panic and an early return through `?` as success; both leave every *new* variable
//! of the cell undefined while keeping the old ones. So each cell defines a marker variable anew, and the cell
//! succeeded exactly when the marker is there afterwards. Nothing the reader had is lost, but for a variable that the failed
//! cell itself had moved or defined anew.

mod failure;
mod show;
mod source;
mod stop;
mod text;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use evcxr::{CommandContext, Completions, EvalContextOutputs};

use crate::slot::Slot;
use crate::{diagnostic, std_source};
pub use failure::{Failure, Kind, Outcome};
use failure::{died, failed_quietly, start_error, stopped};
use source::{clears, pin_versions_for, reads_stdin, set_up_lines, with_absolute_paths, with_line};
pub use source::{dependencies, library};
use stop::Running;
pub use stop::Stopper;
use text::{MARKS, Text};
pub use text::{Sink, Stream};

/// The marker variable. Each cell defines it anew: evcxr drops the cell's new definitions where it fails, and one name for
/// all cells leaves one variable to carry from cell to cell.
const MARKER: &str = "__cell";
/// What a cell that reads standard input is told.
const NO_STDIN: &str = "a notebook's cell cannot read standard input: write the value into the cell";
/// Teaches evcxr to accept `?` from here on, which otherwise costs the first cell with one a second compilation.
const QUESTION_MARK: &str = "let _: i32 = \"0\".parse::<i32>()?;";

/// Runs cells one after the other, keeping variables between them.
pub struct Session {
    context: CommandContext,
    text: Text,
    stopper: Stopper,
    count: usize,
    /// The cells' process has what [`Session::set_up_code`] installs.
    is_set_up: bool,
    /// A cell with `?` needs no second compilation.
    knows_question_mark: bool,
    /// The reader has chosen how values are shown.
    shows_by_choice: bool,
}

impl Session {
    /// Starts the compiler front end and the process that runs cells. `output_limit` is in bytes a cell.
    ///
    /// # Errors
    /// A sentence, if no Rust toolchain can be started.
    pub fn start(output_limit: usize, sink: Box<Sink>) -> Result<Self, String> {
        // The standard library is read once, with the first cell, which comes with settings of its own.
        let hidden = std_source::hide();
        let (context, EvalContextOutputs { stdout, stderr }) =
            CommandContext::new().map_err(|error| start_error(&error.to_string()))?;
        drop(hidden);
        let text = Text::new(output_limit, sink);
        let stopper = Stopper { child: context.process_handle(), cell: Arc::default() };
        for (stream, lines) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            let (text, stopper) = (text.clone(), stopper.clone());
            std::thread::spawn(move || {
                while let Ok(line) = lines.recv() {
                    match text.take(stream, &line) {
                        Some(text::Event::Began(number)) => stopper.began(number),
                        Some(text::Event::TooMuch) => {
                            let limit = output_limit as f64 / 1e6;
                            stopper.stop(Kind::Output, format!("the cell printed more than {limit} MB"));
                        }
                        None => {}
                    }
                }
            });
        }
        let mut session = Self {
            context,
            text,
            stopper,
            count: 0,
            is_set_up: false,
            knows_question_mark: false,
            shows_by_choice: false,
        };
        // Cells are compiled without optimisation, so that the reader waits less; the library is fully optimised
        // (slot.rs). Dependencies are resolved to the versions of the project's own Cargo.lock.
        session.command(":opt 0")?;
        Ok(session)
    }

    fn set_up(&mut self) {
        if !self.is_set_up {
            // What fails here fails for the reader's cell too, which shows why.
            self.is_set_up = self.command(&self.set_up_code()).is_ok();
        }
    }

    /// What is executed before the first cell, in each process for cells.
    fn set_up_code(&self) -> String {
        let show = if self.shows_by_choice { show::EMPTY_MODULE } else { show::MODULE };
        format!("{MARKS}\n{show}")
    }

    /// Does what makes a later cell quicker, while nobody waits.
    pub fn use_pause(&mut self) {
        if !self.knows_question_mark {
            self.knows_question_mark = true;
            // What fails here fails for the reader's cell too, which shows why.
            let _ = self.command(QUESTION_MARK);
        }
    }

    fn command(&mut self, code: &str) -> Result<(), String> {
        pin_versions_for(code);
        self.context.execute(code).map(drop).map_err(|error| start_error(&error.to_string()))
    }

    /// Makes the library ready before the first cell asks for it with these `:dep` lines, here and for later sessions in
    /// `slot`.
    ///
    /// # Errors
    /// A sentence, if it does not compile.
    pub fn warm(&mut self, dependencies: &str, slot: &Slot) -> Result<(), String> {
        // One real `let` of a library type: the type inference it needs is most of the first cell's wait. All in one: each
        // command is a compilation.
        let set_up = self.set_up_code();
        self.command(&format!(
            "{dependencies}\nuse mlnotes::prelude::*;\n{set_up}\n\
             {{ let _checks = mlnotes::check::Checks::new(\"\"); }} let {MARKER}: () = ();"
        ))?;
        self.is_set_up = true;
        slot.mark_warm(dependencies);
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
        if code.trim() == ":vars" {
            return self.variables();
        }
        self.set_up();
        self.count += 1;
        self.text.start();
        let code = with_absolute_paths(code, Path::new("."));
        // Commands are read before the first statement only, so the marker follows them.
        let before = set_up_lines(&code);
        let guarded = before < code.lines().count();
        let source = if guarded {
            with_line(&code, before, &format!("{} let {MARKER}: () = ();", text::marks(self.count)))
        } else {
            code.to_string()
        };

        pin_versions_for(&source);
        *lock(&self.stopper.cell) = Running { number: Some(self.count), ..Running::default() };
        let result = self.context.execute(&source);
        let Running { reason, killed, .. } = std::mem::take(&mut *lock(&self.stopper.cell));
        let succeeded = !guarded || self.context.variables_and_types().any(|(name, _)| name == MARKER);
        match &result {
            _ if killed => self.text.settle(),
            Ok(_) if guarded => self.text.wait_for(self.count),
            Err(evcxr::Error::SubprocessTerminated(_)) => self.text.settle(),
            _ => {}
        }
        let errors = self.text.errors();

        let outcome = match result {
            Ok(_) if killed => {
                // It was killed just after its end, which only the next command finds out.
                let _ = self.command(&self.set_up_code());
                stopped(reason, killed).into()
            }
            Ok(_) if !succeeded => failed_quietly(&errors).into(),
            Ok(outputs) => Outcome { data: outputs.content_by_mime_type.into_iter().collect(), failure: None },
            Err(evcxr::Error::SubprocessTerminated(_)) if killed => stopped(reason, killed).into(),
            Err(evcxr::Error::SubprocessTerminated(status)) => died(&status, &errors).into(),
            Err(_) if reason.is_some() => stopped(reason, killed).into(),
            Err(evcxr::Error::CompilationErrors(mut problems)) => {
                // A library just compiled may warn of itself, which is not why the cell fails.
                if problems.iter().any(|problem| problem.level() == "error") {
                    problems.retain(|problem| problem.level() == "error");
                }
                let traceback = diagnostic::render(&problems, &code, guarded.then_some(before));
                let message = problems.first().map(evcxr::CompilationError::message).unwrap_or_default();
                Failure { kind: Kind::Compile, message, traceback }.into()
            }
            Err(error) => Failure::new(Kind::Compile, error.to_string()).into(),
        };
        if killed || outcome.failure.as_ref().is_some_and(|failure| failure.kind.ends_process()) {
            self.is_set_up = false;
            self.set_up();
        } else if clears(&code) {
            (self.is_set_up, self.knows_question_mark) = (false, false);
        } else if show::is_chosen(&code) {
            (self.is_set_up, self.shows_by_choice) = (false, true);
        }
        if !matches!(outcome.failure, Some(Failure { kind: Kind::Panic, .. })) {
            self.text.pass_panics(&errors);
        }
        outcome
    }

    /// The reader's variables and their types, without the session's own.
    fn variables(&self) -> Outcome {
        let mut all: Vec<_> = self.context.variables_and_types().filter(|(name, _)| *name != MARKER).collect();
        all.sort_unstable();
        let lines: Vec<String> = all.iter().map(|(name, its_type)| format!("{name}: {its_type}")).collect();
        Outcome { data: [("text/plain".to_owned(), lines.join("\n"))].into(), failure: None }
    }

    /// Completions at a byte offset of `code`.
    pub fn complete(&mut self, code: &str, position: usize) -> Option<Completions> {
        let mut found = self.context.completions(code, position).ok()?;
        found.completions.retain(|candidate| candidate.code != MARKER);
        Some(found)
    }

    /// What is known of the name that ends at a byte offset of `code`: as plain text and as HTML.
    pub fn describe(&mut self, code: &str, position: usize) -> Option<(String, String)> {
        if !code.is_char_boundary(position) {
            return None;
        }
        self.context.hover_at(code, position).ok().filter(|(plain, _)| plain != "No documentation found")
    }
}

/// A poisoned lock here means that printing panicked: the data are plain text and still good.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
