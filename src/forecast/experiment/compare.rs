//! Which model forecasts best?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::report::{Line, Scores};

/// A table model × horizon of what runs gave: the last line of each seed, the mean over seeds, and below the horizons of a
/// data set their mean where a model has all of them.
///
/// A `*` marks a row's lowest MSE and lowest MAE. A model that uses GDD-MLP or mixup says so after a +; CMamba has both,
/// and says after a − what it goes without.
///
/// ```
/// use mlnotes::forecast::experiment::{Comparison, Line};
///
/// let line = |model: &str, mse, mae| {
///     Line { model: model.into(), data: "ETTh1".into(), seq_len: 96, pred_len: 96, mse, mae, ..Line::default() }
/// };
/// let table = Comparison::new(&[line("CMamba", 0.372, 0.386), line("LastValue", 1.295, 0.713)]);
/// assert_eq!(
///     table.to_string(),
///     "MSE / MAE         CMamba          LastValue    \n\
///      ETTh1 96 → 96 0.372* / 0.386*  1.295  / 0.713  \n"
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    models: Vec<String>,
    rows: Vec<(String, Vec<Option<Scores>>)>,
}

type BySeed = BTreeMap<u32, Scores>;

impl Comparison {
    /// The table of these results.
    pub fn new(lines: &[Line]) -> Self {
        // Later lines of a seed take the place of earlier ones.
        let mut scores: BTreeMap<(String, usize, usize), BTreeMap<String, BySeed>> = BTreeMap::new();
        let mut models = BTreeSet::new();
        for line in lines {
            let label = label(line);
            models.insert(label.clone());
            let row = scores.entry((line.data.clone(), line.seq_len, line.pred_len)).or_default();
            row.entry(label).or_default().insert(line.seed, Scores { mse: line.mse, mae: line.mae });
        }
        let models: Vec<String> = models.into_iter().collect();
        let mut rows: Vec<(String, Vec<Option<Scores>>)> = Vec::new();
        let mut group: Vec<Vec<Option<Scores>>> = Vec::new();
        let mut keys = scores.iter().peekable();
        while let Some(((data, seq_len, pred_len), by_model)) = keys.next() {
            let row = models.iter().map(|model| by_model.get(model).and_then(|seeds| mean(seeds.values())));
            group.push(row.collect());
            rows.extend(group.last().map(|row| (format!("{data} {seq_len} → {pred_len}"), row.clone())));
            if keys.peek().is_none_or(|((next, length, _), _)| (next, length) != (data, seq_len)) {
                if group.len() > 1 {
                    let over = |model: usize| {
                        let all: Option<Vec<Scores>> = group.iter().map(|row| row[model]).collect();
                        all.and_then(|all| mean(all.iter()))
                    };
                    rows.push((format!("{data} {seq_len} → mean"), (0..models.len()).map(over).collect()));
                }
                group.clear();
            }
        }
        Self { models, rows }
    }
}

fn mean<'a>(scores: impl Iterator<Item = &'a Scores>) -> Option<Scores> {
    let (count, mse, mae) = scores.fold((0.0, 0.0, 0.0), |(n, mse, mae), s| (n + 1.0, mse + s.mse, mae + s.mae));
    (count > 0.0).then(|| Scores { mse: mse / count, mae: mae / count })
}

/// The model, and what distinguishes it from itself.
fn label(line: &Line) -> String {
    let mut label = line.model.clone();
    for name in ["gddmlp", "mixup", "selective"] {
        let value = line.settings.split(' ').find_map(|setting| setting.strip_prefix(name)?.strip_prefix('='));
        let on = !matches!(value, Some("false" | "null") | None);
        if line.model == "CMamba" && value.is_some() && !on {
            label += &format!(" −{name}");
        } else if line.model != "CMamba" && on {
            label += &format!(" +{name}");
        }
    }
    label
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |text: &str| text.chars().count();
        let first = self.rows.iter().map(|(name, _)| count(name)).max().unwrap_or(0).max(9);
        let widths: Vec<usize> = self.models.iter().map(|model| count(model).max(15) + 2).collect();
        write!(f, "{:first$}", "MSE / MAE")?;
        for (model, width) in self.models.iter().zip(&widths) {
            write!(f, "{model:^width$}")?;
        }
        writeln!(f)?;
        for (name, scores) in &self.rows {
            let lowest = |of: fn(&Scores) -> f64| scores.iter().flatten().map(of).min_by(f64::total_cmp);
            let (mse, mae) = (lowest(|s| s.mse), lowest(|s| s.mae));
            write!(f, "{name:first$}")?;
            for (scores, width) in scores.iter().zip(&widths) {
                let mark = |value: f64, lowest: Option<f64>| if lowest == Some(value) { '*' } else { ' ' };
                let cell = scores.map_or("–".to_owned(), |s| {
                    format!("{:.3}{} / {:.3}{}", s.mse, mark(s.mse, mse), s.mae, mark(s.mae, mae))
                });
                write!(f, "{cell:^width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
