//! Documents as bags of words.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayRef2};

use crate::{Error, Result};

/// So many words in all, so that sums of counts are exact.
const MOST: f64 = 9e15;

/// Documents (文档), each as the words that it has and how often (a sparse matrix, 稀疏矩阵, in compressed rows).
///
/// ```
/// use mlnotes::variational::lda::Corpus;
///
/// let corpus = Corpus::from_texts(&["The cat sat; the CAT ran.", "A dog ran."], &["the", "a"], 1)?;
/// assert_eq!(corpus.vocabulary(), ["cat", "dog", "ran", "sat"]);
/// assert_eq!(corpus.to_counts().row(0).to_vec(), [2.0, 0.0, 1.0, 1.0]);
/// assert_eq!(corpus.document(1).collect::<Vec<_>>(), [(1, 1.0), (2, 1.0)]);
/// assert!(Corpus::from_lists(&[vec![(3, 1.0)]], 3).is_err()); // words 0, 1, 2
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Corpus {
    /// Where each document begins, and where the last ends.
    starts: Vec<usize>,
    words: Vec<usize>,
    counts: Vec<f64>,
    vocabulary: Vec<String>,
}

/// One line.
impl std::fmt::Debug for Corpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (documents, words) = (self.documents(), self.vocabulary.len());
        write!(f, "Corpus: {documents} documents, {words} words, {} in all", self.total())
    }
}

impl Corpus {
    /// From lists of (word, count); words are counted from 0 and named by their numbers. A word listed twice has the sum.
    ///
    /// # Errors
    /// No document; no words; a word that is not below `words`; a count that is negative or not finite.
    pub fn from_lists(documents: &[Vec<(usize, f64)>], words: usize) -> Result<Self> {
        Self::new(documents.iter().map(|list| list.iter().copied()), (0..words).map(|w| w.to_string()).collect())
    }

    /// From counts (documents, words).
    ///
    /// # Errors
    /// As [`from_lists`](Self::from_lists).
    pub fn from_counts(counts: &ArrayRef2<f64>) -> Result<Self> {
        let rows = counts.rows().into_iter().map(|row| row.into_iter().copied().enumerate());
        Self::new(rows, (0..counts.ncols()).map(|w| w.to_string()).collect())
    }

    /// From texts: runs of letters in lower case, without the words of the stop list, and without those that stand fewer
    /// than `least` times in all. The vocabulary is in alphabetical order.
    ///
    /// # Errors
    /// No text; no word that is left.
    pub fn from_texts(texts: &[&str], stop: &[&str], least: usize) -> Result<Self> {
        let mut total: BTreeMap<String, usize> = BTreeMap::new();
        texts.iter().flat_map(|text| letters(text)).for_each(|word| *total.entry(word).or_default() += 1);
        let kept = total.into_iter().filter(|(word, count)| *count >= least && !stop.contains(&word.as_str()));
        Self::counted(texts, kept.map(|(word, _)| word).collect())
    }

    /// Counts other texts in the words of this corpus; what it does not know is left out.
    ///
    /// # Errors
    /// No text.
    pub fn encode(&self, texts: &[&str]) -> Result<Self> {
        Self::counted(texts, self.vocabulary.clone())
    }

    fn counted(texts: &[&str], vocabulary: Vec<String>) -> Result<Self> {
        let numbers: BTreeMap<&str, usize> =
            vocabulary.iter().enumerate().map(|(w, word)| (word.as_str(), w)).collect();
        let known = |text: &&str| -> Vec<(usize, f64)> {
            letters(text).filter_map(|word| Some((*numbers.get(word.as_str())?, 1.0))).collect()
        };
        let documents: Vec<_> = texts.iter().map(known).collect();
        Self::new(documents.into_iter().map(Vec::into_iter), vocabulary)
    }

    fn new(
        documents: impl ExactSizeIterator<Item = impl Iterator<Item = (usize, f64)>>,
        vocabulary: Vec<String>,
    ) -> Result<Self> {
        if documents.len() == 0 {
            return Err(Error::Empty { arg: "documents", remedy: "give at least one document" });
        }
        if vocabulary.is_empty() {
            return Err(Error::Empty {
                arg: "vocabulary",
                remedy: "give at least one word; from texts: a shorter stop list or a smaller minimum count",
            });
        }
        let mut corpus = Self { starts: vec![0], words: Vec::new(), counts: Vec::new(), vocabulary };
        for (d, document) in documents.enumerate() {
            corpus.push(d, document)?;
        }
        if corpus.total() > MOST {
            return Err(Error::domain("the sum of all counts", corpus.total(), "at most 9e15"));
        }
        Ok(corpus)
    }

    fn push(&mut self, d: usize, document: impl Iterator<Item = (usize, f64)>) -> Result<()> {
        let mut bag: BTreeMap<usize, f64> = BTreeMap::new();
        for (word, count) in document {
            if word >= self.vocabulary.len() {
                let allowed = format!("below {}, the number of words", self.vocabulary.len());
                return Err(Error::domain("documents", format!("the word {word} in document {d}"), allowed));
            }
            if !(count >= 0.0 && count.is_finite()) {
                let value = format!("{count} times word {word} in document {d}");
                return Err(Error::domain("documents", value, "counts, 0 or more and finite"));
            }
            if count > 0.0 {
                *bag.entry(word).or_default() += count;
            }
        }
        self.words.extend(bag.keys());
        self.counts.extend(bag.values());
        self.starts.push(self.words.len());
        Ok(())
    }

    /// Names the words.
    ///
    /// # Errors
    /// Another number of names than of words.
    pub fn with_vocabulary(mut self, names: &[impl AsRef<str>]) -> Result<Self> {
        if names.len() != self.vocabulary.len() {
            return Err(Error::shape("names", format!("one name for each of {} words", self.words()), &[names.len()]));
        }
        self.vocabulary = names.iter().map(|name| name.as_ref().to_string()).collect();
        Ok(self)
    }

    /// How many documents there are.
    pub fn documents(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many different words there are.
    pub fn words(&self) -> usize {
        self.vocabulary.len()
    }

    /// The names of the words.
    pub fn vocabulary(&self) -> &[String] {
        &self.vocabulary
    }

    /// Σ n_dw.
    pub fn total(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// The words of document `d` with their counts, in order; none where there is no such document.
    pub fn document(&self, d: usize) -> impl Iterator<Item = (usize, f64)> {
        let (words, counts) = if d < self.documents() { self.bag(d) } else { Default::default() };
        words.iter().copied().zip(counts.iter().copied())
    }

    /// The words of a document that is there, and their counts.
    pub(super) fn bag(&self, d: usize) -> (&[usize], &[f64]) {
        let range = self.starts[d]..self.starts[d + 1];
        (&self.words[range.clone()], &self.counts[range])
    }

    /// These documents alone, in this order.
    ///
    /// # Errors
    /// No document; a number of a document that is not there.
    pub fn select(&self, documents: &[usize]) -> Result<Self> {
        if let Some(d) = documents.iter().find(|d| **d >= self.documents()) {
            return Err(Error::domain("documents", d, format!("below {}, the number of documents", self.documents())));
        }
        Self::new(documents.iter().map(|d| self.document(*d)), self.vocabulary.clone())
    }

    /// n_dw, shape (documents, words).
    pub fn to_counts(&self) -> Array2<f64> {
        let mut counts = Array2::zeros((self.documents(), self.words()));
        for d in 0..self.documents() {
            self.document(d).for_each(|(w, n)| counts[[d, w]] = n);
        }
        counts
    }
}

/// The runs of letters in a text, in lower case.
fn letters(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}
