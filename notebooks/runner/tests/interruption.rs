//! Ctrl-C, and a kill that leaves no time for anything.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::notebooks::{Folder, LEDGER, command};

/// Starts an endless notebook and returns once its cell runs (it makes a file to say so).
fn start_endless(path: &Path, sign: &Path) -> Child {
    let mut child = command(&[path]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !sign.exists() {
        assert!(start.elapsed() < Duration::from_secs(200), "the cell never ran");
        assert!(child.try_wait().unwrap().is_none(), "the program ended early");
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

fn endless(folder: &Folder, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let sign = folder.path("sign").with_extension("txt");
    let cell =
        format!("std::fs::write({sign:?}, std::process::id().to_string())?; loop {{ std::thread::yield_now() }}");
    (folder.notebook(name, &[&cell, LEDGER]), sign)
}

/// Whether the process that runs the cells is gone within a few seconds.
fn is_gone(sign: &Path) -> bool {
    let id = std::fs::read_to_string(sign).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_everything_and_changes_nothing() {
    let folder = Folder::new();
    let (path, sign) = endless(&folder, "interrupted");
    let before = std::fs::read(&path).unwrap();
    let mut child = start_endless(&path, &sign);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let last = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).last().unwrap();
    assert!(last.starts_with("interrupted"), "{last}");
    assert!(is_gone(&sign));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_runner_takes_its_cells_with_it() {
    let folder = Folder::new();
    let (path, sign) = endless(&folder, "orphaned");
    let before = std::fs::read(&path).unwrap();
    let mut child = start_endless(&path, &sign);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_gone(&sign));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
