//! `notebooks run`: executes notebooks, requires their checks, writes their outputs.

pub mod event;
mod progress;
mod report;
pub mod supervise;
mod verdict;
pub mod worker;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::notebook::{Cell, Kind as CellKind, Notebook, Output};
use crate::project::{Project, name};
use crate::session::{Outcome, lock};
use crate::slot;
use event::{Event, Limits, headline};
use progress::Progress;
use report::Report;
use supervise::End;

/// What to run and how.
pub struct Options {
    /// Names, their beginnings, or paths; all notebooks if empty.
    pub names: Vec<String>,
    /// Compare with the committed outputs instead of writing.
    pub check: bool,
    /// How many at once.
    pub jobs: usize,
    /// Limits for each cell.
    pub limits: Limits,
    /// Bytes of memory for each notebook's cells, where the system can limit it.
    pub memory: Option<u64>,
}

/// Runs the notebooks and prints the table; true if all went well.
///
/// # Errors
/// A sentence, if nothing could be started at all.
pub fn run(project: &Project, options: &Options) -> Result<bool, String> {
    let paths = project.select(&options.names)?;
    crate::toolchain::require_cargo()?;
    project.require_cells_apart()?;
    supervise::catch_interrupts()?;
    let width = paths.iter().map(|path| name(path).chars().count()).max().unwrap_or(0);
    let progress = Progress::new(width);
    prepare(project, &paths, options, &progress)?;

    let next = AtomicUsize::new(0);
    let reports: Mutex<Vec<(usize, Report)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, paths.len().max(1)) {
            scope.spawn(|| {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(path) = paths.get(index)
                    && !supervise::interrupted()
                {
                    let report = run_one(path, options, &progress);
                    lock(&reports).push((index, report));
                }
            });
        }
    });
    if supervise::interrupted() {
        return Err(supervise::INTERRUPTED.to_owned());
    }
    let mut reports = reports.into_inner().unwrap_or_default();
    reports.sort_by_key(|(index, _)| *index);
    let reports: Vec<Report> = reports.into_iter().map(|(_, report)| report).collect();
    println!("{}", report::table(&reports));
    for problem in reports.iter().flat_map(|report| &report.problems) {
        eprintln!("\n{problem}");
    }
    Ok(reports.iter().all(|report| report.problems.is_empty()))
}

/// Compiles the library for cells once, as these notebooks ask for it, before several of them would each do it.
fn prepare(project: &Project, paths: &[PathBuf], options: &Options, progress: &Progress) -> Result<(), String> {
    let dependencies = project.dependencies(paths)?;
    if slot::is_warm(&slot::home(), Some(&project.cargo_lock()), &dependencies) {
        return Ok(());
    }
    let _wait = progress.wait("compiling the library for the notebooks (once)");
    match supervise::prepare(&project.root, &dependencies, options.memory) {
        End::Complete => Ok(()),
        End::Broken(reason) => Err(reason),
    }
}

fn run_one(path: &Path, options: &Options, progress: &Progress) -> Report {
    let mut report = Report { name: name(path), ..Report::default() };
    let notebook = match Notebook::read(path) {
        Ok(notebook) => notebook,
        Err(error) => {
            report.problems.push(error.to_string());
            return report;
        }
    };
    let cells: Vec<Cell<'_>> = notebook.cells().filter(|cell| cell.kind() == CellKind::Code).collect();
    report.cells = cells.len();
    let line = progress.start(&report.name, cells.len());
    let start = Instant::now();
    let mut results: Vec<(Outcome, Vec<Output>)> = Vec::new();
    let end = supervise::run(path, options.limits, options.memory, |event| match event {
        Event::Start { cell } => line.cell(cell, &cells.get(cell).map(Cell::source).unwrap_or_default()),
        Event::Done { outcome, stdout, stderr, .. } => {
            report.first.get_or_insert(start.elapsed().as_secs_f64());
            let outputs = outputs(&outcome, stdout, stderr);
            results.push((outcome, outputs));
        }
        Event::Ready | Event::Fatal { .. } => {}
    });
    report.total = start.elapsed().as_secs_f64();
    judge(&mut report, &cells, &results, end);
    if report.problems.is_empty() {
        let outputs: Vec<Vec<Output>> = results.into_iter().map(|(_, outputs)| outputs).collect();
        if options.check {
            report.problems.extend(compare(&report.name, &cells, &outputs));
        } else if let Err(error) = write(path, &notebook, &cells, &outputs) {
            report.problems.push(error);
        }
    }
    line.end(if report.problems.is_empty() { "ok" } else { "FAILED" });
    report
}

/// A cell's outputs in the order in which Jupyter would show them: text first, the value or error last.
fn outputs(outcome: &Outcome, stdout: String, stderr: String) -> Vec<Output> {
    let mut outputs = Vec::new();
    for (name, text) in [("stdout", stdout), ("stderr", stderr)] {
        if !text.is_empty() {
            outputs.push(Output::Stream { name: name.to_owned(), text });
        }
    }
    if !outcome.data.is_empty() {
        outputs.push(Output::Data { data: outcome.data.clone() });
    }
    if let Some(failure) = &outcome.failure {
        outputs.push(Output::Error {
            name: failure.kind.name().to_owned(),
            value: failure.message.clone(),
            traceback: failure.traceback.clone(),
        });
    }
    outputs
}

/// Finds every reason why the notebook did not do what it should.
fn judge(report: &mut Report, cells: &[Cell<'_>], results: &[(Outcome, Vec<Output>)], end: End) {
    let name = report.name.clone();
    for (index, ((outcome, outputs), cell)) in results.iter().zip(cells).enumerate() {
        let expected = worker::may_fail(cell);
        match &outcome.failure {
            Some(failure) if !expected => {
                let printed = outputs.iter().filter_map(|output| match output {
                    Output::Stream { name, text } if name == "stderr" => Some(text.as_str()),
                    _ => None,
                });
                let detail: Vec<&str> =
                    printed.flat_map(str::lines).chain(failure.traceback.iter().map(String::as_str)).collect();
                let first = failure.message.lines().next().unwrap_or_default();
                let mut problem = format!("{name}, cell {}: {}: {first}", number(cells, index), headline(failure.kind));
                if detail.len() > 1 {
                    problem += &detail.iter().take(40).map(|line| format!("\n    {line}")).collect::<String>();
                }
                report.problems.push(problem);
            }
            Some(_) => {}
            None => {
                let tame = expected.then_some("is tagged raises-exception, but it succeeded");
                if let Some(problem) = verdict::figure_error(outputs).or(tame) {
                    report.problems.push(format!("{name}, cell {}: {problem}", number(cells, index)));
                }
            }
        }
    }
    if !report.problems.is_empty() {
        return;
    }
    if let End::Broken(reason) = end {
        let at = results.len();
        let place = if at < cells.len() { format!(", cell {}", number(cells, at)) } else { String::new() };
        report.problems.push(format!("{name}{place}: {reason}"));
        return;
    }
    match verdict::checks(results.last().map_or(&[], |(_, outputs)| outputs)) {
        Ok(checks) => report.checks = Some(checks),
        Err(reason) => report.problems.push(format!("{name}, cell {}: {reason}", number(cells, results.len() - 1))),
    }
}

/// The number in a code cell's brackets: empty cells have none, so do not count.
fn number(cells: &[Cell<'_>], index: usize) -> u64 {
    cells.iter().take(index + 1).filter(|cell| !cell.source().trim().is_empty()).count() as u64
}

fn compare(name: &str, cells: &[Cell<'_>], outputs: &[Vec<Output>]) -> Vec<String> {
    let compared = cells.iter().zip(outputs).enumerate().filter(|(_, (cell, _))| !cell.is_volatile());
    compared
        .filter_map(|(index, (cell, now))| {
            let difference = verdict::difference(cell, now)?;
            Some(format!(
                "{name}, cell {}: the committed output (-) is not what comes out now (+):\n{difference}",
                number(cells, index)
            ))
        })
        .collect()
}

fn write(path: &Path, notebook: &Notebook, cells: &[Cell<'_>], outputs: &[Vec<Output>]) -> Result<(), String> {
    let mut written = notebook.clone();
    for (index, (cell, now)) in cells.iter().zip(outputs).enumerate() {
        let committed = cell.outputs();
        let keep = cell.is_volatile() && !committed.is_empty();
        let count = (!cell.source().trim().is_empty()).then(|| number(cells, index));
        written.set_outputs(index, if keep { &committed } else { now }, count).map_err(|error| error.to_string())?;
    }
    written.normalise();
    written.write_atomically(path).map(drop).map_err(|error| error.to_string())
}
