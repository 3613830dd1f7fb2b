//! Executes, checks, serves and publishes the notebooks of mlnotes.

mod book;
mod diagnostic;
mod kernel;
mod lab;
mod notebook;
mod processes;
mod project;
mod run;
mod runtime;
mod session;
mod slot;
mod std_source;
mod toolchain;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use project::Project;
use run::event::Limits;

/// The compiler front end in this process allocates much; this allocator makes it about a tenth faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Execute, check, serve and publish the notebooks of mlnotes.
#[derive(Parser)]
#[command(name = "cargo notebooks", bin_name = "cargo notebooks", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Execute notebooks, require every check in them to pass, write their outputs and the book.
    Run(RunArgs),
    /// Render the notebooks as they are, with their outputs, into a site that opens in any browser.
    Book,
    /// Register the notebooks' kernel with Jupyter, remove it, or say in what state it is.
    #[command(subcommand)]
    Kernel(KernelCommand),
    /// Open JupyterLab on the notebooks; installs what is missing into `.venv`.
    Lab {
        /// Arguments for JupyterLab, such as `--no-browser`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
    #[command(hide = true)]
    Worker { notebook: PathBuf, seconds: u64, output: usize },
    #[command(hide = true)]
    Prepare { dependencies: Vec<String> },
}

#[derive(Subcommand)]
enum KernelCommand {
    /// Register the kernel "Rust (mlnotes)" and compile the library for it.
    Install(PrefixArgs),
    /// Remove what `install` wrote.
    Uninstall(PrefixArgs),
    /// Say where the kernel is and whether it can be used; the exit code is 1 if it cannot.
    Status(PrefixArgs),
    /// Serve a connection that Jupyter has prepared (kernel.json calls this).
    #[command(hide = true)]
    Serve { connection_file: PathBuf },
}

#[derive(Args)]
struct PrefixArgs {
    /// The Python environment to register it in [default: for the user, in all environments].
    #[arg(long, value_name = "FOLDER")]
    prefix: Option<PathBuf>,
}

impl KernelCommand {
    fn run(self, project: &Project) -> Result<bool, String> {
        match self {
            Self::Install(PrefixArgs { prefix }) => kernel::install(project, prefix.as_deref()).map(|()| true),
            Self::Uninstall(PrefixArgs { prefix }) => kernel::uninstall(prefix.as_deref()).map(|()| true),
            Self::Status(PrefixArgs { prefix }) => kernel::status(prefix.as_deref()),
            Self::Serve { connection_file } => kernel::serve(&connection_file).map(|()| true),
        }
    }
}

#[derive(Args)]
struct RunArgs {
    /// Notebooks by name (`01_perceptron`), beginning (`01`) or path; all of them if none is given.
    names: Vec<String>,
    /// Write nothing; fail if the text of the committed outputs is not what comes out now.
    #[arg(long)]
    check: bool,
    /// Seconds a cell may run.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    cell_timeout: u64,
    /// Megabytes a cell may print.
    #[arg(long, value_name = "MB", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    output_limit: u32,
    /// Gigabytes of memory for each notebook's cells [default: three quarters of the machine's, shared by the jobs].
    #[arg(long, value_name = "GB")]
    memory: Option<f64>,
    /// Notebooks executed at once [default: one for each core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

impl RunArgs {
    fn options(self) -> Result<run::Options, String> {
        let jobs = self.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        if jobs == 0 {
            return Err("--jobs 0 would execute nothing: give at least 1".to_owned());
        }
        let memory = match self.memory {
            Some(gigabytes) if !(gigabytes > 0.0 && gigabytes < 1e9) => {
                return Err(format!("--memory {gigabytes}: give a number of gigabytes above 0"));
            }
            Some(gigabytes) => Some((gigabytes * 1e9) as u64),
            None => runtime::default_memory().map(|bytes| bytes / jobs as u64),
        };
        let limits = Limits { seconds: self.cell_timeout, output: self.output_limit as usize * 1_000_000 };
        Ok(run::Options { names: self.names, check: self.check, jobs, limits, memory })
    }
}

/// Executes the notebooks, and renders the book if any of the project's own have been written.
fn run_and_publish(project: &Project, options: &run::Options) -> Result<bool, String> {
    let passed = run::run(project, options)?;
    let own = project.notebooks();
    if !options.check && project.select(&options.names)?.iter().any(|path| path.parent() == Some(&own)) {
        publish(project)?;
    }
    Ok(passed)
}

fn publish(project: &Project) -> Result<(), String> {
    let read = |path: &PathBuf| {
        let notebook = notebook::Notebook::read(path).map_err(|error| error.to_string())?;
        Ok(book::Source { name: project::name(path), notebook })
    };
    let sources = project.all()?.iter().map(read).collect::<Result<Vec<_>, String>>()?;
    let out = project.book();
    book::render(&sources, &out).map_err(|error| error.to_string())?;
    println!("book: {}", out.join("index.html").display());
    Ok(())
}

fn main() -> ExitCode {
    runtime::hook();
    let project = Project::find();
    let done = match Cli::parse().command {
        Command::Run(arguments) => arguments.options().and_then(|options| run_and_publish(&project, &options)),
        Command::Book => publish(&project).map(|()| true),
        Command::Kernel(command) => command.run(&project),
        Command::Lab { arguments } => lab::open(&project, &arguments).map(|()| true),
        Command::Worker { notebook, seconds, output } => {
            run::worker::main(&notebook, Limits { seconds, output }, &project);
            Ok(true)
        }
        Command::Prepare { dependencies } => {
            run::worker::prepare(&project, &dependencies);
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(_) if run::supervise::interrupted() => {
            eprintln!("{}", run::supervise::INTERRUPTED);
            ExitCode::from(130)
        }
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::from(2)
        }
    }
}
