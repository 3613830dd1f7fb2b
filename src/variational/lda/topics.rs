//! Topics that were learned, and what they say about documents.

use ndarray::{Array2, Axis};

use super::Corpus;
use super::kernel::{self, Inner, Rows, Table};
use crate::variational::Elbo;
use crate::{Error, Result};

/// q(β) of some topics, with the priors: what [`Lda`](super::Lda) learns.
///
/// ```
/// use mlnotes::variational::lda::{Corpus, Lda};
/// use ndarray::array;
///
/// let corpus = Corpus::from_lists(&[vec![(0, 3.0)], vec![]], 2)?;
/// // λ so large that β is known: words 0, 1 with probabilities 0.9, 0.1 and 0.1, 0.9.
/// let topics = Lda::new(2).document_prior(1.0).start_from(&array![[9e8, 1e8], [1e8, 9e8]], &corpus)?;
/// assert_eq!(topics.top_words(1, 1)?, [("1".to_string(), 0.9)]);
/// let gamma = topics.transform(&corpus)?;
/// assert!((gamma.row(0).sum() - 5.0).abs() < 1e-12 && gamma[[0, 0]] > 3.5); // 1 + 1, and three words
/// assert_eq!(gamma.row(1).to_vec(), [1.0, 1.0]); // no word: the prior
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Topics {
    pub(super) lambda: Rows,
    pub(super) gamma: Rows,
    pub(super) document_prior: f64,
    pub(super) topic_prior: f64,
    pub(super) inner: Inner,
    pub(super) steps: u32,
    pub(super) vocabulary: Vec<String>,
}

/// The first words of each topic.
impl std::fmt::Debug for Topics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Topics: {} of {} words", self.lambda.topics(), self.lambda.count())?;
        for k in 0..self.lambda.topics() {
            let words = self.top_words(k, 5).unwrap_or_default();
            write!(f, "; {}", words.into_iter().map(|(word, _)| word).collect::<Vec<_>>().join(" "))?;
        }
        Ok(())
    }
}

impl Topics {
    /// λ, shape (topics, words).
    pub fn lambda(&self) -> Array2<f64> {
        self.lambda.to_columns()
    }

    /// γ of the documents from which [`Lda::fit`](super::Lda::fit) learned, shape (documents, topics); without any
    /// rows after online learning, which keeps none.
    pub fn gamma(&self) -> Array2<f64> {
        self.gamma.to_rows()
    }

    /// α and η.
    pub fn priors(&self) -> (f64, f64) {
        (self.document_prior, self.topic_prior)
    }

    /// How many online steps were taken.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// E β_k = λ_k / Σ_w λ_kw, shape (topics, words).
    pub fn topics(&self) -> Array2<f64> {
        shares(self.lambda())
    }

    /// The most probable words of a topic, with E β_kw, the likeliest first; of equals the first.
    ///
    /// # Errors
    /// A topic that is not there.
    pub fn top_words(&self, topic: usize, count: usize) -> Result<Vec<(String, f64)>> {
        if topic >= self.lambda.topics() {
            let allowed = format!("below {}, the number of topics", self.lambda.topics());
            return Err(Error::domain("topic", topic, allowed));
        }
        let topics = self.topics();
        let probability = topics.row(topic);
        let mut order: Vec<usize> = (0..probability.len()).collect();
        order.sort_by(|a, b| probability[*b].total_cmp(&probability[*a]));
        Ok(order.into_iter().take(count).map(|w| (self.vocabulary[w].clone(), probability[w])).collect())
    }

    /// γ for any documents, with q(β) left as it is, shape (documents, topics). It starts from 1 (scikit-learn's
    /// `transform` divides by the sum, as [`proportions`](Self::proportions)).
    ///
    /// # Errors
    /// Documents of another number of words.
    pub fn transform(&self, documents: &Corpus) -> Result<Array2<f64>> {
        self.validate(documents)?;
        let mut gamma = self.first_gamma(documents.documents());
        self.settle(documents, &Table::of(&self.lambda, None), &mut gamma, None);
        Ok(gamma.to_rows())
    }

    /// E θ_d = γ_d / Σ_k γ_dk, shape (documents, topics).
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    pub fn proportions(&self, documents: &Corpus) -> Result<Array2<f64>> {
        Ok(shares(self.transform(documents)?))
    }

    /// The bound on log p(w | α, η) of these documents, with γ from [`transform`](Self::transform) and the best φ.
    ///
    /// It is for the documents from which the topics were learned: one term is what the topics themselves cost,
    /// KL(q(β) ‖ p(β)). For others see [`perplexity`](Self::perplexity). (scikit-learn's `score` is this sum.)
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    pub fn elbo(&self, documents: &Corpus) -> Result<Elbo> {
        self.validate(documents)?;
        let table = Table::of(&self.lambda, None);
        let mut gamma = self.first_gamma(documents.documents());
        let mut statistics = Rows::filled(self.lambda.count(), self.lambda.topics(), 0.0);
        let sums = self.settle(documents, &table, &mut gamma, Some(&mut statistics));
        let words = kernel::expected(&statistics, &table);
        Ok(self.bound(words, sums.log_z - words, sums.theta, &table))
    }

    /// The bound from E log p(w | z, β), E log p(z | θ) − E log q(z), −Σ KL(q(θ_d) ‖ p(θ_d)).
    pub(super) fn bound(&self, words: f64, assignments: f64, theta: f64, table: &Table) -> Elbo {
        Elbo::new()
            .term("E log p(w | z, β)", words)
            .term("−KL(q(z) ‖ p(z | θ))", assignments)
            .term("−KL(q(θ) ‖ p(θ))", theta)
            .term("−KL(q(β) ‖ p(β))", kernel::topic_terms(&self.lambda, table, self.topic_prior))
    }

    /// exp(−(1/N) Σ_d L_d): L_d ≤ log p(w_d | α, q(β)) is the bound of a document whose topics are known as well as q(β)
    /// knows them, N the number of all words. As if each word were drawn from so many equally likely ones.
    ///
    /// scikit-learn's `perplexity` also counts KL(q(β) ‖ p(β)), in full whatever the number of documents, and is larger.
    ///
    /// # Errors
    /// As [`transform`](Self::transform); documents without any word.
    ///
    /// # Source
    /// Hoffman, Blei and Bach (2010), section 4.
    pub fn perplexity(&self, documents: &Corpus) -> Result<f64> {
        self.validate(documents)?;
        has_words(documents)?;
        let table = Table::of(&self.lambda, None);
        let sums = self.settle(documents, &table, &mut self.first_gamma(documents.documents()), None);
        Ok((-(sums.log_z + sums.theta) / documents.total()).exp())
    }

    pub(super) fn first_gamma(&self, documents: usize) -> Rows {
        let mut gamma = Rows::filled(documents, self.lambda.topics(), 1.0);
        gamma.pad(self.document_prior);
        gamma
    }

    fn settle(&self, corpus: &Corpus, table: &Table, gamma: &mut Rows, statistics: Option<&mut Rows>) -> kernel::Sums {
        let all = 0..corpus.documents();
        kernel::settle(corpus, all, table, self.document_prior, self.inner, gamma, statistics)
    }

    pub(super) fn validate(&self, documents: &Corpus) -> Result<()> {
        let needed = self.lambda.count();
        if documents.words() == needed {
            return Ok(());
        }
        let expected = format!("(documents, {needed}), the words of the topics (see Corpus::encode),");
        Err(Error::shape("documents", expected, &[documents.documents(), documents.words()]))
    }
}

/// Each row divided by its sum.
fn shares(mut rows: Array2<f64>) -> Array2<f64> {
    let sums = rows.sum_axis(Axis(1)).insert_axis(Axis(1));
    rows /= &sums;
    rows
}

pub(super) fn has_words(documents: &Corpus) -> Result<()> {
    if documents.total() > 0.0 {
        return Ok(());
    }
    Err(Error::Empty { arg: "documents", remedy: "give documents that have words of the vocabulary" })
}
