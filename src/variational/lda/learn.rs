//! Which topics make these documents likely? All documents at a time, or a few.

use std::ops::{Range, RangeInclusive};

use ndarray::{Array2, ArrayRef2};

use super::kernel::{self, Inner, Rows, Table};
use super::topics::has_words;
use super::{Corpus, Topics};
use crate::random::RandomState;
use crate::variational::{Ascent, CoordinateAscent, Elbo};
use crate::{Error, Result, validate};

/// Parameters of Dirichlet distributions for which no step below overflows.
const PARAMETERS: RangeInclusive<f64> = 1e-100..=9e15;
const ALLOWED: &str = "between 1e-100 and 9e15, for instance 0.1";

/// Latent Dirichlet allocation by variational Bayes.
///
/// ```
/// use mlnotes::variational::lda::{Corpus, Lda};
///
/// let texts = ["rain and wind and rain", "wind, rain", "bread with butter", "butter, bread, bread"];
/// let corpus = Corpus::from_texts(&texts, &["and", "with"], 1)?;
/// let fit = Lda::new(2).document_prior(0.1).fit(&corpus)?;
/// assert!(fit.values().is_sorted());
/// let proportions = fit.model.proportions(&corpus)?;
/// let weather = usize::from(proportions[[0, 1]] > 0.5);
/// assert!(proportions[[1, weather]] > 0.9 && proportions[[2, weather]] < 0.1 && proportions[[3, weather]] < 0.1);
/// assert_eq!(fit.model.top_words(weather, 1)?[0].0, "rain");
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lda {
    topics: usize,
    document_prior: Option<f64>,
    topic_prior: Option<f64>,
    passes: usize,
    tolerance: f64,
    inner: Inner,
    seed: u32,
    batch: usize,
    learning: (f64, f64),
}

/// What online learning found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Online {
    /// The topics after the last step.
    pub model: Topics,
    /// What [`Lda::step`] returned at each step; NaN for documents without words.
    pub history: Vec<f64>,
}

/// q, with what the next sweep needs of it.
struct State {
    topics: Topics,
    table: Table,
}

impl Lda {
    /// K topics; α = η = 1/K; at most 100 passes, until one gains less than 1e-3 nats; 100 inner iterations, until γ changes
    /// by less than 1e-3; batches of 128 documents, κ = 0.7, τ₀ = 10; seed 0.
    pub fn new(topics: usize) -> Self {
        Self {
            topics,
            document_prior: None,
            topic_prior: None,
            passes: 100,
            tolerance: 1e-3,
            inner: Inner { iterations: 100, change: 1e-3 },
            seed: 0,
            batch: 128,
            learning: (0.7, 10.0),
        }
    }

    /// α: below 1, a document keeps to few topics.
    pub fn document_prior(self, alpha: f64) -> Self {
        Self { document_prior: Some(alpha), ..self }
    }

    /// η: below 1, a topic keeps to few words.
    pub fn topic_prior(self, eta: f64) -> Self {
        Self { topic_prior: Some(eta), ..self }
    }

    /// At most this many passes over all documents; online, so many.
    pub fn passes(self, passes: usize) -> Self {
        Self { passes, ..self }
    }

    /// Ends when a pass gains less than this much, in nats, over all documents; below 0 never. Not used online.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// In each pass, γ and φ of a document take turns at most so often, until the mean of |change of γ_dk| over k falls
    /// below `change`.
    pub fn inner(self, iterations: usize, change: f64) -> Self {
        Self { inner: Inner { iterations, change }, ..self }
    }

    /// The seed of the start.
    pub fn seed(self, seed: u32) -> Self {
        Self { seed, ..self }
    }

    /// So many documents make an online step.
    pub fn batch_size(self, documents: usize) -> Self {
        Self { batch: documents, ..self }
    }

    /// The weight of online step t = 1, 2, … is ρ_t = (τ₀ + t)^−κ: `decay` κ, above 1/2 and at most 1, and `offset` τ₀.
    pub fn learning(self, decay: f64, offset: f64) -> Self {
        Self { learning: (decay, offset), ..self }
    }

    /// Learns from all documents in each pass, from λ drawn as scikit-learn does.
    ///
    /// A pass settles φ and γ of each document, from where the last pass left γ (at first 1), then sets λ. Every one of
    /// these updates is the exact maximum with the others fixed, so that the bound never falls, even where inner iterations
    /// end early. (scikit-learn starts γ anew at random in each pass, so there it may fall.) The bound in the history is that
    /// of the λ after a pass with the φ from before it; [`Topics::elbo`] with the best φ is a little higher.
    ///
    /// # Errors
    /// No topic, a prior that is not positive, no inner iteration, NaN; documents without any word.
    pub fn fit(&self, corpus: &Corpus) -> Result<Ascent<Topics>> {
        self.climb(self.start(corpus)?, corpus)
    }

    /// Learns as [`fit`](Self::fit), from this λ (topics, words).
    ///
    /// # Errors
    /// As [`fit`](Self::fit); another shape; an entry that is not positive.
    pub fn fit_from(&self, lambda: &ArrayRef2<f64>, corpus: &Corpus) -> Result<Ascent<Topics>> {
        self.climb(self.start_from(lambda, corpus)?, corpus)
    }

    /// Learns from one batch of documents after the other, in their order, for all passes: for a corpus so large that
    /// a pass takes long. The start is that of [`fit`](Self::fit).
    ///
    /// # Errors
    /// As [`fit`](Self::fit); an empty batch; what [`step`](Self::step) refuses.
    pub fn fit_online(&self, corpus: &Corpus) -> Result<Online> {
        has_words(corpus)?;
        validate::at_least_one("batch_size", self.batch)?;
        let mut model = self.start(corpus)?;
        let mut history = Vec::new();
        for _ in 0..self.passes {
            for begin in (0..corpus.documents()).step_by(self.batch) {
                let end = corpus.documents().min(begin.saturating_add(self.batch));
                history.push(self.learn(&mut model, corpus, begin..end, corpus.documents() as f64)?);
            }
        }
        Ok(Online { model, history })
    }

    /// One online step, as if the documents, S of them, stood for `total` like them, D:
    /// λ ← (1 − ρ) λ + ρ (η + (D/S) Σ n φ).
    ///
    /// Returns the bound per word of these documents under the topics as they were before, nats: how well documents are
    /// described from which nothing has been learned yet.
    ///
    /// # Errors
    /// κ outside (1/2, 1], a negative τ₀; documents of another number of words; a total that is not positive.
    ///
    /// ```
    /// use mlnotes::variational::lda::{Corpus, Lda};
    ///
    /// let stream = [Corpus::from_lists(&[vec![(0, 2.0)]], 2)?, Corpus::from_lists(&[vec![(1, 1.0)]], 2)?];
    /// let lda = Lda::new(1).learning(1.0, 0.0); // ρ = 1, then 1/2
    /// let mut topics = lda.start(&stream[0])?;
    /// for batch in &stream {
    ///     lda.step(&mut topics, batch, 2.0)?;
    /// }
    /// // 1 + 2 · (2, 0), then half of it and half of 1 + 2 · (0, 1).
    /// assert_eq!(topics.lambda().row(0).to_vec(), [3.0, 2.0]);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: Hoffman, Blei and Bach (2010), algorithm 2.
    pub fn step(&self, topics: &mut Topics, documents: &Corpus, total: f64) -> Result<f64> {
        validate::positive("total", total, "the number of documents in the whole stream")?;
        topics.validate(documents)?;
        self.learn(topics, documents, 0..documents.documents(), total)
    }

    fn learn(&self, topics: &mut Topics, corpus: &Corpus, batch: Range<usize>, total: f64) -> Result<f64> {
        let rate = self.rate(topics.steps + 1)?;
        let mut words: Vec<usize> = batch.clone().flat_map(|d| corpus.bag(d).0.iter().copied()).collect();
        words.sort_unstable();
        words.dedup();
        let table = Table::of(&topics.lambda, Some(&words));
        let size = batch.len();
        let count: f64 = batch.clone().flat_map(|d| corpus.bag(d).1).sum();
        let mut gamma = topics.first_gamma(size);
        let mut statistics = Rows::filled(corpus.words(), topics.lambda.topics(), 0.0);
        let (prior, inner) = (topics.document_prior, topics.inner);
        let sums = kernel::settle(corpus, batch, &table, prior, inner, &mut gamma, Some(&mut statistics));
        topics.lambda.mix(1.0 - rate, rate * total / size as f64, &statistics, rate * topics.topic_prior);
        topics.lambda.pad(topics.topic_prior);
        topics.gamma = topics.first_gamma(0);
        topics.steps += 1;
        Ok((sums.log_z + sums.theta) / count)
    }

    /// ρ_t.
    fn rate(&self, step: u32) -> Result<f64> {
        let (decay, offset) = self.learning;
        if !(decay > 0.5 && decay <= 1.0) {
            let allowed = "above 0.5, or the noise of the steps does not die down, and at most 1, or they end too soon";
            return Err(Error::domain("decay", decay, allowed));
        }
        if !(offset >= 0.0 && offset.is_finite()) {
            return Err(Error::domain("offset", offset, "0 or more and finite, for instance 10"));
        }
        Ok((offset + f64::from(step)).powf(-decay))
    }

    /// Topics before anything was learned: λ from Γ(100, 1/100), the numbers that scikit-learn draws with this seed.
    ///
    /// # Errors
    /// As [`fit`](Self::fit) with the options.
    pub fn start(&self, corpus: &Corpus) -> Result<Topics> {
        validate::at_least_one("topics", self.topics)?;
        let mut random = RandomState::new(self.seed);
        let lambda = Array2::from_shape_simple_fn((self.topics, corpus.words()), || 0.01 * random.gamma(100.0));
        self.start_from(&lambda, corpus)
    }

    /// Topics with this λ (topics, words), for the words of this corpus.
    ///
    /// # Errors
    /// As [`fit_from`](Self::fit_from).
    pub fn start_from(&self, lambda: &ArrayRef2<f64>, corpus: &Corpus) -> Result<Topics> {
        let (document_prior, topic_prior) = self.validate()?;
        if lambda.dim() != (self.topics, corpus.words()) {
            let expected = format!("({}, {}), topics and words,", self.topics, corpus.words());
            return Err(Error::shape("lambda", expected, lambda.shape()));
        }
        if let Some(((k, w), value)) = lambda.indexed_iter().find(|(_, value)| !PARAMETERS.contains(value)) {
            return Err(Error::domain("lambda", format!("{value} at [{k}, {w}]"), ALLOWED));
        }
        let mut topics = Topics {
            lambda: Rows::of_columns(lambda, topic_prior),
            gamma: Rows::filled(0, self.topics, 0.0),
            document_prior,
            topic_prior,
            inner: self.inner,
            steps: 0,
            vocabulary: corpus.vocabulary().to_vec(),
        };
        topics.gamma = topics.first_gamma(0);
        Ok(topics)
    }

    fn validate(&self) -> Result<(f64, f64)> {
        validate::at_least_one("topics", self.topics)?;
        validate::at_least_one("inner iterations", self.inner.iterations)?;
        validate::tolerance("change", self.inner.change)?;
        let uniform = 1.0 / self.topics as f64;
        let (alpha, eta) = (self.document_prior.unwrap_or(uniform), self.topic_prior.unwrap_or(uniform));
        for (arg, value) in [("document_prior", alpha), ("topic_prior", eta)] {
            if !PARAMETERS.contains(&value) {
                return Err(Error::domain(arg, value, ALLOWED));
            }
        }
        Ok((alpha, eta))
    }

    fn climb(&self, mut topics: Topics, corpus: &Corpus) -> Result<Ascent<Topics>> {
        has_words(corpus)?;
        topics.gamma = topics.first_gamma(corpus.documents());
        let start = State { table: Table::of(&topics.lambda, None), topics };
        let ascent = CoordinateAscent::new().sweeps(self.passes).tolerance(self.tolerance);
        let fit = ascent.run(sweep(&start, corpus, 0), |state| Ok(sweep(state, corpus, self.inner.iterations)))?;
        Ok(Ascent { model: fit.model.topics, history: fit.history, converged: fit.converged })
    }
}

/// Improves φ and γ so often, then λ; at 0 times nothing but φ, which is all that the bound of a start needs.
fn sweep(state: &State, corpus: &Corpus, iterations: usize) -> (State, Elbo) {
    let (mut topics, table) = (state.topics.clone(), &state.table);
    let mut statistics = Rows::filled(topics.lambda.count(), topics.lambda.topics(), 0.0);
    let inner = Inner { iterations, ..topics.inner };
    let all = 0..corpus.documents();
    let (prior, gamma) = (topics.document_prior, &mut topics.gamma);
    let sums = kernel::settle(corpus, all, table, prior, inner, gamma, Some(&mut statistics));
    let assignments = sums.log_z - kernel::expected(&statistics, table);
    let table = if iterations > 0 {
        topics.lambda.mix(0.0, 1.0, &statistics, topics.topic_prior);
        Table::of(&topics.lambda, None)
    } else {
        table.clone()
    };
    let elbo = topics.bound(kernel::expected(&statistics, &table), assignments, sums.theta, &table);
    (State { topics, table }, elbo)
}
