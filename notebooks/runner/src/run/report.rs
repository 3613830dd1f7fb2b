//! The table at the end.

use super::verdict::Checks;

/// How one notebook went.
#[derive(Debug, Default)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Its code cells.
    pub cells: usize,
    /// The ledger, if it was reached.
    pub checks: Option<Checks>,
    /// Seconds from the start of its process to the first cell's result.
    pub first: Option<f64>,
    /// Seconds altogether.
    pub total: f64,
    /// Each problem as text that begins with notebook and cell; empty if all went well.
    pub problems: Vec<String>,
}

/// The table `notebook | cells | checks passed | first cell s | total s`.
pub fn table(reports: &[Report]) -> String {
    let mut rows = vec![["notebook", "cells", "checks passed", "first cell s", "total s"].map(str::to_owned)];
    rows.extend(reports.iter().map(|report| {
        [
            report.name.clone(),
            report.cells.to_string(),
            report.checks.map_or("-".to_owned(), |checks| format!("{}/{}", checks.passed, checks.total)),
            report.first.map_or("-".to_owned(), |seconds| format!("{seconds:.1}")),
            format!("{:.1}", report.total),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (text, width))| {
            if column == 0 { format!("{text:width$}") } else { format!("{text:>width$}") }
        });
        cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned()
    };
    let rule = widths.map(|width| "-".repeat(width)).join("-|-");
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.insert(1, rule);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let report =
            Report { name: "00".into(), cells: 3, checks: Some(Checks { passed: 2, total: 2 }), ..Report::default() };
        let text = table(&[report]);
        let bars: Vec<Vec<usize>> =
            text.lines().map(|line| line.match_indices('|').map(|(at, _)| at).collect()).collect();
        assert_eq!(bars.len(), 3);
        assert!(bars.iter().all(|at| *at == bars[0]), "{text}");
    }
}
