//! Did the notebook do what it claims? The ledger's last line, and the committed outputs against today's.

use similar::{ChangeTag, TextDiff};

use crate::notebook::{Cell, Output};

/// The checks that a notebook's last line reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// How many passed.
    pub passed: usize,
    /// How many there were.
    pub total: usize,
}

/// The line `CHECKS n/n` in the outputs of a notebook's last code cell.
///
/// # Errors
/// A sentence, if it is missing, empty or short.
pub fn checks(outputs: &[Output]) -> Result<Checks, String> {
    let texts = outputs.iter().filter_map(|output| match output {
        Output::Stream { name, text } if name == "stdout" => Some(text),
        Output::Data { data } => data.get("text/plain"),
        _ => None,
    });
    let lines: Vec<&str> = texts.flat_map(|text| text.lines()).collect();
    if let Some(line) = lines.iter().find(|line| line.trim_start().starts_with("recorded more than once")) {
        return Err(format!("{}: one of them may hide the other's failure", line.trim()));
    }
    let Some(checks) = lines.iter().copied().filter_map(parse).next_back() else {
        return Err("the last cell shows no line `CHECKS n/n`: end the notebook with its ledger".to_owned());
    };
    match checks {
        Checks { total: 0, .. } => Err("CHECKS 0/0: the ledger holds no check".to_owned()),
        Checks { passed, total } if passed != total => {
            let failed = lines.iter().filter(|line| line.starts_with('✗')).map(|line| format!("\n    {}", line.trim()));
            Err(format!(
                "CHECKS {passed}/{total}: {} failed{}",
                total.saturating_sub(passed),
                failed.collect::<String>()
            ))
        }
        checks => Ok(checks),
    }
}

fn parse(line: &str) -> Option<Checks> {
    let (passed, total) = line.trim().strip_prefix("CHECKS ")?.split_once('/')?;
    Some(Checks { passed: passed.parse().ok()?, total: total.parse().ok()? })
}

/// The sentence of a chart that could not draw itself, if there is one among a cell's outputs.
pub fn figure_error(outputs: &[Output]) -> Option<&str> {
    let texts = outputs.iter().filter_map(|output| match output {
        Output::Data { data } => data.get("text/plain"),
        _ => None,
    });
    texts.map(|text| text.trim()).find(|text| text.starts_with("the figure cannot be drawn: "))
}

/// The text of a cell's outputs: what a reader reads. Pictures are left out, as their last digits may depend on the
/// machine.
fn text(outputs: &[Output]) -> String {
    let mut text = String::new();
    for output in outputs {
        match output {
            Output::Stream { name, text: printed } => text += &format!("[{name}]\n{printed}"),
            Output::Data { data } => {
                for (mime, content) in data.iter().filter(|(mime, _)| !mime.starts_with("image/")) {
                    text += &format!("[{mime}]\n{content}\n");
                }
            }
            Output::Error { name, traceback, .. } => text += &format!("[{name}]\n{}\n", traceback.join("\n")),
        }
    }
    text
}

/// How a cell's outputs differ from the committed ones, as a few lines of a diff; nothing if their text is the same.
pub fn difference(cell: &Cell<'_>, now: &[Output]) -> Option<String> {
    let (committed, now) = (text(&cell.outputs()), text(now));
    if committed == now {
        return None;
    }
    let diff = TextDiff::from_lines(&committed, &now);
    let changes = diff.iter_all_changes().filter_map(|change| {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => return None,
        };
        let line: String = change.value().trim_end().chars().take(160).collect();
        Some(format!("    {sign} {line}"))
    });
    Some(changes.take(12).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> Vec<Output> {
        vec![Output::Stream { name: "stdout".into(), text: text.into() }]
    }

    #[test]
    fn a_ledger_must_be_there_and_full() {
        assert_eq!(checks(&printed("a\nCHECKS 3/3\n")), Ok(Checks { passed: 3, total: 3 }));
        for wrong in ["", "CHECKS 0/0", "CHECKS 2/3", "CHECKS 3", "xCHECKS 3/3", "CHECKS a/a", "CHECKS -1/-1"] {
            assert!(checks(&printed(wrong)).is_err(), "{wrong}");
        }
        let on_stderr = vec![Output::Stream { name: "stderr".into(), text: "CHECKS 1/1".into() }];
        assert!(checks(&on_stderr).is_err());
    }

    #[test]
    fn a_failed_check_is_named() {
        let reason = checks(&printed("✓  a  1\n✗  b  got 2, want 3\nCHECKS 1/2")).unwrap_err();
        assert_eq!(reason, "CHECKS 1/2: 1 failed\n    ✗  b  got 2, want 3");
    }

    #[test]
    fn a_name_used_twice_is_refused() {
        let twice = "  recorded more than once, the last one counts: a\nCHECKS 2/2";
        assert!(checks(&printed(twice)).is_err_and(|reason| reason.starts_with("recorded more than once")));
    }

    #[test]
    fn the_last_ledger_counts() {
        assert!(checks(&printed("CHECKS 3/3\nCHECKS 2/3")).is_err());
    }
}
