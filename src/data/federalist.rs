//! What are these papers about, and who wrote them? Words of the Federalist, counted.

use ndarray::{Array1, Array2};

use super::Dataset;

const WORDS: &str = include_str!("../../data/federalist.txt");

/// How many papers there are.
const PAPERS: usize = 85;
const AUTHORS: [&str; 5] = ["Hamilton", "Madison", "Jay", "Madison with Hamilton", "disputed"];

/// The Federalist Papers (1787–88): how often each of 378 words stands in each of the 85, and who wrote it.
///
/// Twelve papers are `disputed` between Hamilton and Madison, to whom Mosteller and Wallace gave them all. Row n − 1 is
/// No. n. The words are those of three letters or more that stand 30 times or more in all, in 5 papers or more but in fewer
/// than half, without English stop words (停用词).
///
/// # Source
/// Project Gutenberg's ebook 18; authors: Mosteller and Wallace, *Inference in an authorship problem*, JASA 58 (1963).
/// How the words were counted: `data/README.md`.
///
/// ```
/// let papers = mlnotes::data::federalist();
/// assert_eq!(papers.features.dim(), (85, 378));
/// let president = papers.feature_names.iter().position(|word| word == "president");
/// assert_eq!(president.map(|j| papers.features[[68, j]]), Some(24.0)); // No. 69: The Real Character of the Executive
/// assert_eq!(papers.target_names[papers.targets[68]], "Hamilton");
/// ```
pub fn federalist() -> Dataset {
    let lines: Vec<&str> = WORDS.lines().collect();
    let mut features = Array2::zeros((PAPERS, lines.len()));
    let mut feature_names = Vec::with_capacity(lines.len());
    for (j, line) in lines.iter().enumerate() {
        let mut cells = line.split(' ');
        feature_names.extend(cells.next().map(String::from));
        for cell in cells {
            let (paper, count) = cell.split_once(':').unwrap_or((cell, "1"));
            if let (Ok(paper @ 1..=PAPERS), Ok(count)) = (paper.parse::<usize>(), count.parse()) {
                features[[paper - 1, j]] = count;
            }
        }
    }
    Dataset {
        features,
        targets: Array1::from_iter((1..=PAPERS).map(author)),
        feature_names,
        target_names: AUTHORS.map(String::from).to_vec(),
    }
}

/// The class of a paper, by its number.
fn author(paper: usize) -> usize {
    match paper {
        2..=5 | 64 => 2,
        10 | 14 | 37..=48 => 1,
        18..=20 => 3,
        49..=58 | 62 | 63 => 4,
        _ => 0,
    }
}
