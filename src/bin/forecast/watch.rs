//! How far it is.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mlnotes::forecast::experiment::{Epoch, Event, Part, Settings};

/// Iterations between two lines where no bar can be drawn, as published.
const LINES: usize = 100;

/// A bar of the epoch under way on a terminal, plain lines elsewhere; a line for each epoch on both.
pub struct Bar {
    bar: ProgressBar,
    settings: Settings,
    /// Since when, and iterations of this session.
    start: Instant,
    done: usize,
}

impl Bar {
    pub fn new(settings: &Settings) -> Self {
        let bar = ProgressBar::new(0);
        bar.set_style(style("{prefix} {wide_bar} {pos}/{len} {msg}"));
        Self { bar, settings: *settings, start: Instant::now(), done: 0 }
    }

    pub fn show(&mut self, event: Event<'_>) {
        let plain = self.bar.is_hidden();
        match event {
            Event::Resumed { epoch, iteration } => {
                self.say(format!("going on in epoch {epoch}, after {iteration} iterations of it; --fresh starts anew"));
            }
            Event::Trained { epoch, iteration, iterations, loss } => {
                if self.done == 0 {
                    self.start = Instant::now();
                }
                // The first iteration has only begun the clock.
                let each = self.start.elapsed().as_secs_f64() / self.done as f64;
                self.done += 1;
                let rest = iterations - iteration;
                let most = rest + self.settings.train_epochs.saturating_sub(epoch) * iterations;
                let left = if self.done > 1 {
                    format!("{} left, at most {}", time(each * rest as f64), time(each * most as f64))
                } else {
                    String::new()
                };
                if plain && iteration % LINES == 0 {
                    println!("epoch {epoch}, iteration {iteration}/{iterations}: loss {loss:.4}; {left}");
                }
                self.bar.set_prefix(format!("epoch {epoch}"));
                self.at(iteration, iterations, format!("loss {loss:.4}, {left}"));
            }
            Event::Judged { part, windows, of } => {
                let name = if part == Part::Test { "test" } else { "validation" };
                self.bar.set_prefix(name);
                self.at(windows, of, String::new());
            }
            Event::Epoch { epoch, waiting } => {
                let Epoch { epoch, learning_rate, train, validation, test, seconds } = *epoch;
                self.say(format!(
                    "epoch {epoch}: train {train:.4}, validation {:.4} / {:.4}, test {:.4} / {:.4} (MSE / MAE), rate \
                     {learning_rate:.2e}, {}{}",
                    validation.mse,
                    validation.mae,
                    test.mse,
                    test.mae,
                    time(seconds),
                    match waiting {
                        0 => "; the best so far".to_owned(),
                        waiting if waiting >= self.settings.patience => "; no better for too long: it ends".to_owned(),
                        waiting => format!("; no better for {waiting} of {}", self.settings.patience),
                    }
                ));
            }
        }
    }

    /// The screen is for what comes after.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn at(&self, position: usize, of: usize, message: String) {
        self.bar.set_length(of as u64);
        self.bar.set_position(position as u64);
        self.bar.set_message(message);
    }

    fn say(&self, line: String) {
        self.bar.suspend(|| println!("{line}"));
    }
}

/// Bytes so far; nothing where there is no terminal.
pub struct Download(ProgressBar);

impl Download {
    pub fn new(name: &str) -> Self {
        let bar = ProgressBar::new(0);
        bar.set_style(style("{prefix} {wide_bar} {bytes}/{total_bytes}"));
        bar.set_prefix(name.to_owned());
        Self(bar)
    }

    pub fn at(&mut self, bytes: u64, of: Option<u64>) {
        self.0.set_length(of.unwrap_or(bytes));
        self.0.set_position(bytes);
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn time(seconds: f64) -> String {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    match duration.as_secs() {
        0..10 => format!("{seconds:.1} s"),
        10..120 => format!("{seconds:.0} s"),
        120..7200 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}
