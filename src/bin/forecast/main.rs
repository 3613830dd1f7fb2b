//! The notes' `run.py`: trains a model on several series, and tests how well it forecasts them.

mod arguments;
mod draw;
mod train;
mod watch;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use mlnotes::forecast::data::{DataSet, fetch};
use mlnotes::forecast::experiment::{Comparison, Line};
use mlnotes::{Error, Result};

use arguments::{Cli, Command};

/// Training takes and gives back large arrays all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Ctrl-C was pressed.
static STOP: AtomicBool = AtomicBool::new(false);

/// What the shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let (kept, left) = arguments::published(std::env::args());
    let cli = match Cli::try_parse_from(kept) {
        Ok(cli) => cli,
        Err(error) => {
            // Help is no error. What cannot be printed cannot be told either.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(cli, &left) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, left: &[String]) -> Result<ExitCode> {
    match cli.command {
        Some(Command::Fetch { names }) => {
            let sets = names.iter().map(|name| DataSet::named(name)).collect::<Result<Vec<_>>>()?;
            for set in sets {
                let mut bar = watch::Download::new(set.name);
                println!("{}", fetch(set, &mut |bytes, of| bar.at(bytes, of))?);
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Compare { csv }) => {
            print!("{}", Comparison::new(&Line::read(&csv)?));
            Ok(ExitCode::SUCCESS)
        }
        None => {
            if let Some(threads) = cli.train.threads {
                // SAFETY: no other thread has been started.
                unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
            }
            // A checkpoint is due first; who presses twice does not want to wait for it.
            let handler = ctrlc::set_handler(|| {
                if STOP.swap(true, Ordering::Relaxed) {
                    std::process::exit(INTERRUPTED.into());
                }
            });
            handler
                .map_err(|error| Error::Device(format!("Ctrl-C cannot be caught ({error}): start the program anew")))?;
            if !left.is_empty() {
                eprintln!("without effect here: {}", left.join(", "));
            }
            let finished = train::all(&cli.train, &STOP)?;
            Ok(if finished { ExitCode::SUCCESS } else { INTERRUPTED.into() })
        }
    }
}
