//! What has a cell printed, and when has all of it arrived?
//!
//! evcxr passes standard output and standard error on by two channels, each behind a thread of its own. So each cell's
//! scope holds a guard that prints an end mark to both when it is dropped: last, whether the cell returned, panicked or
//! left through `?`.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::lock;

/// A mark starts with this, be it in the middle of a line: the cell may have printed without a newline.
const MARK: char = '\u{1}';
/// The mark before each line of a panic's message, which our panic hook prints.
pub const PANIC: &str = "\u{1}panic ";
/// The mark that a cell's own code begins, and the cell's number.
const BEGAN: &str = "\u{1}began ";
/// The mark that a cell is over, and its number.
const ENDED: &str = "\u{1}ended ";

/// How long the end mark is waited for: it always comes, unless the cell has closed its own streams.
const PATIENCE: Duration = Duration::from_secs(5);
/// A process that died has written all; its text is complete when none has arrived for so long.
const QUIET: Duration = Duration::from_millis(30);

/// What prints the marks, in the cells' process.
pub const MARKS: &str = include_str!("in_cells.rs");

/// The statement that prints the marks of cell `number`: the first that it executes.
pub fn marks(number: usize) -> String {
    format!("__mark!({number});")
}

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

/// What the cells print.
#[derive(Clone)]
pub struct Text(Arc<(Mutex<Printed>, Condvar)>);

/// What the current cell printed, as far as the session itself needs to know.
struct Printed {
    sink: Box<Sink>,
    bytes: usize,
    limit: usize,
    /// Lines that have arrived, of all cells.
    lines: usize,
    /// Standard error, kept for the failure's message. Panics among it are passed on only once it is clear that the
    /// cell survived them (`catch_unwind`, another thread): else they are the failure itself.
    errors: Vec<String>,
    /// The cells whose end mark came last: on standard output, on standard error.
    ended: [usize; 2],
}

/// What the session must do about a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Cell number so and so runs its own code from here on.
    Began(usize),
    /// The cell has now printed more than it may.
    TooMuch,
}

impl Text {
    /// Passes lines on to `sink`, as long as a cell prints no more than `limit` bytes.
    pub fn new(limit: usize, sink: Box<Sink>) -> Self {
        let printed = Printed { sink, bytes: 0, limit, lines: 0, errors: Vec::new(), ended: [0; 2] };
        Self(Arc::new((Mutex::new(printed), Condvar::new())))
    }

    /// A cell starts.
    pub fn start(&self) {
        let mut printed = lock(&self.0.0);
        printed.bytes = 0;
        printed.errors.clear();
    }

    /// Takes a line in.
    pub fn take(&self, stream: Stream, line: &str) -> Option<Event> {
        let event = lock(&self.0.0).take(stream, line);
        self.0.1.notify_all();
        event
    }

    /// Waits until all that cell `number` printed has arrived.
    pub fn wait_for(&self, number: usize) {
        let (printed, changed) = &*self.0;
        let _ = changed.wait_timeout_while(lock(printed), PATIENCE, |printed| printed.ended != [number; 2]);
    }

    /// Waits for the last words of a process that has ended.
    pub fn settle(&self) {
        let lines = || lock(&self.0.0).lines;
        let mut before = lines();
        loop {
            std::thread::sleep(QUIET);
            let now = lines();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// The current cell's lines on standard error.
    pub fn errors(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.0.0).errors)
    }

    /// Passes on the panics that the cell survived.
    pub fn pass_panics(&self, errors: &[String]) {
        let mut printed = lock(&self.0.0);
        for message in errors.iter().filter_map(|line| line.strip_prefix(PANIC)) {
            (printed.sink)(Stream::Stderr, &format!("panicked: {message}"));
        }
    }
}

impl Printed {
    fn take(&mut self, stream: Stream, line: &str) -> Option<Event> {
        self.lines += 1;
        let is_ours = |mark: &str| [PANIC, BEGAN, ENDED].iter().any(|start| mark.starts_with(start));
        let (printed, mark) = match line.find(MARK).map(|at| line.split_at(at)) {
            Some((printed, mark)) if is_ours(mark) => (printed, mark),
            _ => (line, ""),
        };
        let number = |prefix| mark.strip_prefix(prefix)?.parse().ok();
        let mut too_much = (mark.is_empty() || !printed.is_empty()) && self.pass(stream, printed);
        if let Some(cell) = number(BEGAN) {
            return Some(Event::Began(cell));
        }
        if let Some(cell) = number(ENDED) {
            self.ended[stream as usize] = cell;
        } else if !mark.is_empty() {
            too_much |= self.pass(stream, mark);
        }
        too_much.then_some(Event::TooMuch)
    }

    /// Passes a line on; true if the cell has now printed too much.
    fn pass(&mut self, stream: Stream, line: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(limit: usize) -> (Text, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        (Text::new(limit, Box::new(move |_, line| lock(&sink).push(line.to_owned()))), lines)
    }

    #[test]
    fn marks_are_not_text_even_behind_an_unfinished_line() {
        let (text, lines) = text(100);
        assert_eq!(text.take(Stream::Stderr, "\u{1}began 3"), Some(Event::Began(3)));
        assert_eq!(text.take(Stream::Stdout, "a"), None);
        assert_eq!(text.take(Stream::Stdout, "no newline\u{1}ended 3"), None);
        assert_eq!(text.take(Stream::Stderr, "neither\u{1}panic why"), None);
        assert_eq!(text.take(Stream::Stderr, "\u{1}ended 3"), None);
        text.wait_for(3);
        assert_eq!(*lock(&lines), ["a", "no newline", "neither"]);
        assert_eq!(text.errors(), ["neither", "\u{1}panic why"]);
    }

    #[test]
    fn the_end_of_a_cell_is_that_of_both_streams() {
        let (text, _) = text(100);
        text.take(Stream::Stdout, "\u{1}ended 1");
        let late = text.clone();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            late.take(Stream::Stderr, "the last word");
            late.take(Stream::Stderr, "\u{1}ended 1");
        });
        text.wait_for(1);
        assert_eq!(text.errors(), ["the last word"]);
        writer.join().unwrap();
    }

    #[test]
    fn too_much_is_said_once() {
        let (text, lines) = text(4);
        assert_eq!(text.take(Stream::Stdout, "abc"), None);
        assert_eq!(text.take(Stream::Stdout, "d"), Some(Event::TooMuch));
        assert_eq!(text.take(Stream::Stdout, "e"), None);
        text.start();
        assert_eq!(text.take(Stream::Stdout, "f"), None);
        assert_eq!(*lock(&lines), ["abc", "f"]);
    }
}
