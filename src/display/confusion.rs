//! Which class was taken for which?

use super::{Rich, Show, cell, columns, escape, frame, paragraph};
use crate::{Error, Result};
use ndarray::{ArrayBase, Data, Ix2};

/// A confusion matrix with the names of its classes: rows are the truth, columns the prediction.
///
/// The diagonal is emphasised, cells are shaded by their share of the row, and recall (the diagonal's share of its row)
/// and precision (its share of its column) stand at the edges.
///
/// ```
/// use mlnotes::prelude::*;
/// use ndarray::array;
///
/// let counts = array![[8, 2], [0, 5]];
/// let shown = ConfusionMatrix::new(&counts, &["cat", "dog"])?;
/// assert_eq!(
///     shown.to_text(),
///     "truth ↓ predicted →   cat   dog  recall\n\
///      cat                     8     2    0.80\n\
///      dog                     0     5    1.00\n\
///      precision            1.00  0.71\n\
///      13 of 15 right, accuracy 0.8667"
/// );
/// assert!(ConfusionMatrix::new(&counts, &["cat"]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    counts: Vec<Vec<usize>>,
    names: Vec<String>,
}

impl ConfusionMatrix {
    /// From counts `(true class, predicted class)`.
    ///
    /// # Errors
    /// [`Error::Empty`] without classes, [`Error::Shape`] if the counts are not square or the names are not one per
    /// class.
    pub fn new<S, N>(counts: &ArrayBase<S, Ix2>, names: &[N]) -> Result<Self>
    where
        S: Data<Elem = usize>,
        N: AsRef<str>,
    {
        let names = names.iter().map(|name| name.as_ref().to_owned()).collect();
        Self::named(counts.dim(), &counts.iter().copied().collect::<Vec<_>>(), names)
    }

    fn named(shape: (usize, usize), counts: &[usize], names: Vec<String>) -> Result<Self> {
        if names.is_empty() {
            return Err(Error::Empty { arg: "names", remedy: "give the name of each class" });
        }
        if shape != (names.len(), names.len()) {
            let want = format!("({0}, {0}), one row and column per name", names.len());
            return Err(Error::shape("counts", want, &[shape.0, shape.1]));
        }
        Ok(Self { counts: counts.chunks(names.len()).map(<[usize]>::to_vec).collect(), names })
    }

    fn row_sum(&self, i: usize) -> usize {
        self.counts[i].iter().sum()
    }

    fn recall(&self, i: usize) -> String {
        share(self.counts[i][i], self.row_sum(i), 2)
    }

    fn precision(&self, j: usize) -> String {
        share(self.counts[j][j], self.counts.iter().map(|row| row[j]).sum(), 2)
    }

    fn note(&self) -> String {
        let right: usize = (0..self.names.len()).map(|i| self.counts[i][i]).sum();
        let total: usize = (0..self.names.len()).map(|i| self.row_sum(i)).sum();
        format!("{right} of {total} right, accuracy {}", share(right, total, 4))
    }
}

/// A ratio, or a dash if there is nothing to divide by.
fn share(part: usize, whole: usize, decimals: usize) -> String {
    if whole == 0 { "–".into() } else { format!("{:.decimals$}", part as f64 / whole as f64) }
}

const CORNER: &str = "truth ↓ predicted →";

impl Show for ConfusionMatrix {
    fn to_text(&self) -> String {
        let classes = 0..self.names.len();
        let head = [CORNER.into()].into_iter().chain(self.names.clone()).chain(["recall".into()]).collect();
        let row = |i: usize| {
            let counts = self.counts[i].iter().map(usize::to_string);
            [self.names[i].clone()].into_iter().chain(counts).chain([self.recall(i)]).collect()
        };
        let last = ["precision".into()].into_iter().chain(classes.clone().map(|j| self.precision(j))).collect();
        let rows: Vec<Vec<String>> = [head].into_iter().chain(classes.map(row)).chain([last]).collect();
        let right: Vec<bool> = (0..self.names.len() + 2).map(|j| j > 0).collect();
        format!("{}\n{}", columns(&rows, &right), self.note())
    }

    fn to_rich(&self) -> Rich {
        let head: String = self.names.iter().map(|name| cell("th", "n", name)).collect();
        let mut body = String::new();
        for (i, name) in self.names.iter().enumerate() {
            let total = self.row_sum(i).max(1);
            let cells: String = self.counts[i]
                .iter()
                .enumerate()
                .map(|(j, &count)| {
                    // Blue where right, vermilion where wrong, as strong as its share of the row.
                    let (colour, weight) = if i == j { ("0,114,178", 700) } else { ("213,94,0", 400) };
                    let alpha = 0.45 * count as f64 / total as f64;
                    let style = format!("background:rgba({colour},{alpha:.2});font-weight:{weight}");
                    format!("<td class=\"n\" style=\"{style}\">{count}</td>")
                })
                .collect();
            body += &format!("<tr>{}{cells}{}</tr>", cell("th", "", name), cell("td", "n i", &self.recall(i)));
        }
        let last: String = (0..self.names.len()).map(|j| cell("td", "n i", &self.precision(j))).collect();
        body += &format!("<tr>{}{last}<td></td></tr>", cell("th", "i", "precision"));
        let corner = format!("<th class=\"i\">{}</th>", escape(CORNER));
        Rich::Html(frame(&format!(
            "<table><thead><tr>{corner}{head}{}</tr></thead><tbody>{body}</tbody></table>{}",
            cell("th", "n i", "recall"),
            paragraph("note", &self.note())
        )))
    }
}
