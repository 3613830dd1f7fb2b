//! What is going on: a line a notebook, redrawn on a terminal, printed once elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Shows the progress of several notebooks at once.
pub struct Progress {
    bars: Option<MultiProgress>,
    width: usize,
}

/// The line of one notebook.
pub struct Line {
    bar: Option<ProgressBar>,
    name: String,
    width: usize,
    cells: usize,
    start: Instant,
}

impl Progress {
    /// For notebooks whose names have up to `width` characters.
    pub fn new(width: usize) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, width }
    }

    /// Begins a notebook's line.
    pub fn start(&self, name: &str, cells: usize) -> Line {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(cells as u64));
            bar.set_style(style(self.width));
            bar.set_prefix(name.to_owned());
            bar.set_message("starting the compiler");
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            eprintln!("{name:width$}  {cells} cells", width = self.width);
        }
        Line { bar, name: name.to_owned(), width: self.width, cells, start: Instant::now() }
    }

    /// A wait that has no steps; drop the returned bar when it is over.
    pub fn wait(&self, what: &str) -> Wait {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            bar.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}").unwrap_or_else(|_| plain()));
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            eprintln!("{what}");
        }
        Wait(bar)
    }
}

/// A wait in progress.
pub struct Wait(Option<ProgressBar>);

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Line {
    /// The cell number `cell` (from 0) begins with this line of code.
    pub fn cell(&self, cell: usize, code: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(cell as u64);
            let first: String = code.trim().lines().next().unwrap_or("").chars().take(50).collect();
            bar.set_message(first);
        }
    }

    /// The notebook is through.
    pub fn end(self, verdict: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let Self { name, width, cells, start, .. } = self;
        eprintln!("{name:width$}  {verdict} after {:.1} s ({cells} cells)", start.elapsed().as_secs_f64());
    }
}

fn style(width: usize) -> ProgressStyle {
    let template = format!("{{prefix:{width}}} {{bar:20}} {{pos:>3}}/{{len}} {{elapsed:>4}}  {{wide_msg}}");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| plain()).progress_chars("━╸─")
}

fn plain() -> ProgressStyle {
    ProgressStyle::default_bar()
}
