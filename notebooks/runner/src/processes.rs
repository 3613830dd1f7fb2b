//! Which processes did this one start, directly or not? They are ended when a cell is stopped or the program ends.

/// Kills all descendants of this process but `except` and its own.
#[cfg(unix)]
pub fn kill_descendants(except: Option<u32>) {
    use rustix::process::{Pid, Signal, kill_process};
    let all = parents();
    let mut family = vec![std::process::id()];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        next += 1;
        family.extend(all.iter().filter(|(pid, of)| *of == parent && Some(*pid) != except).map(|(pid, _)| *pid));
    }
    for pid in family.into_iter().skip(1) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have ended since.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Elsewhere the compilers are left to end by themselves.
#[cfg(not(unix))]
pub fn kill_descendants(_except: Option<u32>) {}

/// All processes, each with its parent.
#[cfg(target_os = "linux")]
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| parent(entry.file_name().to_str()?)).collect()
}

#[cfg(target_os = "linux")]
fn parent(pid: &str) -> Option<(u32, u32)> {
    let pid = pid.parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `pid (name) state parent`, where the name may hold anything, brackets too.
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
    Some((pid, parent.parse().ok()?))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn parents() -> Vec<(u32, u32)> {
    let Ok(output) = std::process::Command::new("ps").args(["-axo", "pid=,ppid="]).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| line.trim().split_once(char::is_whitespace))
        .filter_map(|(pid, parent)| Some((pid.parse().ok()?, parent.trim().parse().ok()?)))
        .collect()
}
