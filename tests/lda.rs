//! Latent Dirichlet allocation: the paper's form with φ written out, all assignments of a tiny corpus enumerated, slopes at
//! the maximum, one topic in closed form, scikit-learn from the same start.

use mlnotes::data::federalist;
use mlnotes::prelude::*;
use mlnotes::variational::Elbo;
use mlnotes::variational::lda::{Corpus, Lda, Topics};
use ndarray::Ix0;

use crate::{assert_close, message};

/// log Γ by Stirling's series from 30 on.
fn ln_gamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 30.0 {
        below += x.ln();
        x += 1.0;
    }
    let z = 1.0 / (x * x);
    let series = (1.0 / 12.0 - z * (1.0 / 360.0 - z * (1.0 / 1260.0 - z / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - below
}

/// ψ, likewise.
fn psi(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 30.0 {
        below += 1.0 / x;
        x += 1.0;
    }
    let z = 1.0 / (x * x);
    x.ln() - 0.5 / x - z * (1.0 / 12.0 - z * (1.0 / 120.0 - z * (1.0 / 252.0 - z / 240.0))) - below
}

/// E log θ, row by row.
fn expected_log(parameters: &Array2<f64>) -> Array2<f64> {
    let totals = parameters.sum_axis(Axis(1)).mapv(psi).insert_axis(Axis(1));
    parameters.mapv(psi) - &totals
}

/// −Σ KL(Dir(row) ‖ Dir(prior)).
fn minus_kl(parameters: &Array2<f64>, prior: f64) -> f64 {
    let logs = expected_log(parameters);
    let row = |(parameters, logs): (ndarray::ArrayView1<f64>, ndarray::ArrayView1<f64>)| {
        let size = parameters.len() as f64;
        let normaliser = ln_gamma(size * prior) - size * ln_gamma(prior);
        let own = ln_gamma(parameters.sum()) - parameters.mapv(ln_gamma).sum();
        normaliser - own + ((prior - &parameters) * logs).sum()
    };
    parameters.rows().into_iter().zip(logs.rows()).map(row).sum()
}

/// The paper's q: one φ for each document, word and topic, as (documents, words, topics).
struct Naive {
    lambda: Array2<f64>,
    gamma: Array2<f64>,
    phi: Array3<f64>,
}

impl Naive {
    fn start(lambda: &Array2<f64>, counts: &Array2<f64>) -> Self {
        let (documents, words, topics) = (counts.nrows(), counts.ncols(), lambda.nrows());
        let gamma = Array2::ones((documents, topics));
        let mut naive = Self { lambda: lambda.clone(), gamma, phi: Array3::zeros((documents, words, topics)) };
        (0..documents).for_each(|d| naive.assign(d));
        naive
    }

    /// φ ∝ exp(E log θ + E log β), by logarithms.
    fn assign(&mut self, d: usize) {
        let (theta, beta) = (expected_log(&self.gamma), expected_log(&self.lambda));
        for w in 0..beta.ncols() {
            let logs = &theta.row(d) + &beta.column(w);
            let largest = logs.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
            let phi = logs.mapv(|log| (log - largest).exp());
            self.phi.slice_mut(s![d, w, ..]).assign(&(&phi / phi.sum()));
        }
    }

    fn sweep(&mut self, counts: &Array2<f64>, (alpha, eta): (f64, f64), (iterations, change): (usize, f64)) {
        for d in 0..counts.nrows() {
            self.assign(d);
            for _ in 0..iterations {
                let new = counts.row(d).dot(&self.phi.index_axis(Axis(0), d)) + alpha;
                let mean = (&new - &self.gamma.row(d)).mapv(f64::abs).mean().unwrap();
                self.gamma.row_mut(d).assign(&new);
                self.assign(d);
                if mean < change {
                    break;
                }
            }
        }
        self.lambda = Array2::from_shape_fn(self.lambda.dim(), |(k, w)| {
            eta + counts.column(w).dot(&self.phi.slice(s![.., w, k]))
        });
    }

    /// The four terms, as sums over every document, word and topic.
    fn terms(&self, counts: &Array2<f64>, (alpha, eta): (f64, f64)) -> [f64; 4] {
        let (theta, beta) = (expected_log(&self.gamma), expected_log(&self.lambda));
        let (mut words, mut assignments) = (0.0, 0.0);
        for ((d, w, k), &phi) in self.phi.indexed_iter() {
            words += counts[[d, w]] * phi * beta[[k, w]];
            if phi > 0.0 {
                assignments += counts[[d, w]] * phi * (theta[[d, k]] - phi.ln());
            }
        }
        [words, assignments, minus_kl(&self.gamma, alpha), minus_kl(&self.lambda, eta)]
    }
}

fn assert_terms(elbo: &Elbo, want: [f64; 4], tolerance: f64) {
    for ((name, got), want) in elbo.terms().iter().zip(want) {
        assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{name}: {got} {want}");
    }
}

/// Counts, few of them above 0, and one document without words.
fn counts(documents: usize, words: usize, random: &mut RandomState) -> Array2<f64> {
    let mut counts = random.uniform_array((documents, words)).mapv(|u| (12.0 * (u - 0.6)).ceil().max(0.0));
    counts.row_mut(documents / 2).fill(0.0);
    counts[[0, 0]] = 2.5; // a weight need not be whole
    counts
}

/// Sizes that do and do not fill up four lanes. Planted: lane 2 left out of a sum; the last iteration's norms used for λ;
/// the padding of γ left at 1; a word's largest weight forgotten in the bound.
#[test]
fn the_fast_form_is_the_papers() {
    for (topics, documents, words) in [(1, 3, 5), (2, 5, 7), (4, 6, 9), (5, 4, 30), (9, 7, 4)] {
        let mut random = RandomState::new(topics as u32);
        let counts = counts(documents, words, &mut random);
        let start = 0.2 + random.uniform_array((topics, words));
        let (alpha, eta) = (0.3, 0.7);
        let lda = Lda::new(topics).document_prior(alpha).topic_prior(eta).inner(7, 1e-2).passes(3).tolerance(-1.0);
        let corpus = Corpus::from_counts(&counts).unwrap();
        let fit = lda.fit_from(&start, &corpus).unwrap();
        let mut naive = Naive::start(&start, &counts);
        for (pass, elbo) in fit.history.iter().enumerate() {
            if pass > 0 {
                naive.sweep(&counts, (alpha, eta), (7, 1e-2));
            }
            assert_terms(elbo, naive.terms(&counts, (alpha, eta)), 1e-12);
        }
        assert_close(&fit.model.lambda(), &naive.lambda, 1e-11);
        assert_close(&fit.model.gamma(), &naive.gamma, 1e-11);

        // Documents for themselves: γ from 1, λ as it is, and the best φ.
        let mut again = Naive::start(&naive.lambda, &counts);
        again.sweep(&counts, (alpha, eta), (7, 1e-2));
        again.lambda.assign(&naive.lambda);
        let terms = again.terms(&counts, (alpha, eta));
        assert_close(&fit.model.transform(&corpus).unwrap(), &again.gamma, 1e-11);
        assert_terms(&fit.model.elbo(&corpus).unwrap(), terms, 1e-12);
        let per_word = -fit.model.perplexity(&corpus).unwrap().ln();
        assert!((per_word - terms[..3].iter().sum::<f64>() / counts.sum()).abs() < 1e-12);
    }
}

/// Every word is assigned as a whole, whatever underflows: Σ_k γ_dk = K α + N_d, Σ_kw λ_kw = K V η + N. Planted: words
/// whose weights underflow left out.
#[test]
fn no_word_is_lost() {
    // Priors so small that exp E log underflows: scikit-learn adds 2e-16 to each norm, and loses such words.
    let counts = array![[3.0, 1e-4, 0.0], [0.0, 2.0, 1e-4], [1.0, 0.0, 1e-5], [0.0, 0.0, 0.0]];
    let (alpha, eta) = (1e-4, 1e-3);
    let start = array![[5.0, 1e-3, 1e-3], [1e-3, 5.0, 1e-3]];
    let corpus = Corpus::from_counts(&counts).unwrap();
    let lda = Lda::new(2).document_prior(alpha).topic_prior(eta).passes(4).tolerance(-1.0);
    let fit = lda.fit_from(&start, &corpus).unwrap();
    let sums = counts.sum_axis(Axis(1)) + 2.0 * alpha;
    assert_close(&(fit.model.gamma().sum_axis(Axis(1)) / sums), &Array1::ones(4), 1e-14);
    assert!((fit.model.lambda().sum() - 6.0 * eta - counts.sum()).abs() < 1e-13);
    let mut naive = Naive::start(&start, &counts);
    for elbo in &fit.history[1..] {
        naive.sweep(&counts, (alpha, eta), (100, 1e-3));
        assert_terms(elbo, naive.terms(&counts, (alpha, eta)), 1e-11);
    }
    assert_close(&fit.model.lambda(), &naive.lambda, 1e-12);
    assert_close(&fit.model.gamma(), &naive.gamma, 1e-12);
}

/// log p(z, w | α, η) with θ and β integrated out: one Pólya urn for each document and each topic.
fn log_joint(tokens: &[(usize, usize)], z: &[usize], sizes: (usize, usize, usize), (alpha, eta): (f64, f64)) -> f64 {
    let (documents, words, topics) = sizes;
    let mut in_document = Array2::<f64>::zeros((documents, topics));
    let mut in_topic = Array2::<f64>::zeros((topics, words));
    let mut log = 0.0;
    for (&(d, w), &k) in tokens.iter().zip(z) {
        let (of_document, of_topic) = (in_document.row(d).sum(), in_topic.row(k).sum());
        log += ((in_document[[d, k]] + alpha) / (of_document + topics as f64 * alpha)).ln();
        log += ((in_topic[[k, w]] + eta) / (of_topic + words as f64 * eta)).ln();
        in_document[[d, k]] += 1.0;
        in_topic[[k, w]] += 1.0;
    }
    log
}

/// KL(Dir(a) ‖ Dir(b)), row by row.
fn kl(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let logs = expected_log(a);
    let normaliser = |x: &Array2<f64>| -> f64 {
        x.rows().into_iter().map(|row| ln_gamma(row.sum()) - row.mapv(ln_gamma).sum()).sum()
    };
    normaliser(a) - normaliser(b) + ((a - b) * logs).sum()
}

/// Every assignment of four words to two topics: log p(w), and log p(w) − ELBO = KL(q ‖ posterior), term by term.
/// Planted: log Γ(K α) missing in −KL(q(θ) ‖ p(θ)).
#[test]
fn what_the_bound_lacks_is_the_divergence() {
    let tokens = [(0, 0), (0, 1), (0, 1), (1, 2), (1, 0)];
    let counts = array![[1.0, 2.0, 0.0], [1.0, 0.0, 1.0]];
    for (alpha, eta, seed) in [(0.5, 0.5, 0), (0.1, 1.3, 1), (2.0, 0.2, 2)] {
        let assignments = (0..32_usize).map(|code| (0..5).map(|n| code >> n & 1).collect::<Vec<_>>());
        let joint: Vec<(Vec<usize>, f64)> = assignments
            .map(|z| {
                let log = log_joint(&tokens, &z, (2, 3, 2), (alpha, eta));
                (z, log)
            })
            .collect();
        let exact = joint.iter().map(|(_, log)| log.exp()).sum::<f64>().ln();
        let lda = Lda::new(2).document_prior(alpha).topic_prior(eta).seed(seed).tolerance(1e-12).passes(500);
        let corpus = Corpus::from_counts(&counts).unwrap();
        let model = lda.fit(&corpus).unwrap().model;
        let (bound, gamma, lambda) =
            (model.elbo(&corpus).unwrap().value(), model.transform(&corpus).unwrap(), model.lambda());
        let mut naive = Naive::start(&lambda, &counts);
        naive.gamma.assign(&gamma);
        (0..2).for_each(|d| naive.assign(d));
        let mut divergence = 0.0;
        for (z, log) in &joint {
            let q: f64 = tokens.iter().zip(z).map(|(&(d, w), &k)| naive.phi[[d, w, k]]).product();
            let (mut of_theta, mut of_beta) = (Array2::from_elem((2, 2), alpha), Array2::from_elem((2, 3), eta));
            for (&(d, w), &k) in tokens.iter().zip(z) {
                of_theta[[d, k]] += 1.0;
                of_beta[[k, w]] += 1.0;
            }
            divergence += q * (q.ln() - (log - exact) + kl(&gamma, &of_theta) + kl(&lambda, &of_beta));
        }
        assert!(divergence > 1e-3 && bound < exact, "{divergence} {bound} {exact}");
        assert!((exact - bound - divergence).abs() < 1e-12, "{exact} {bound} {divergence}");
    }
}

/// One topic: the posterior is a Dirichlet distribution, so the bound is log p(w) itself.
#[test]
fn one_topic_is_exact() {
    let counts = array![[3.0, 0.0, 1.0], [0.0, 2.0, 2.0]];
    let corpus = Corpus::from_counts(&counts).unwrap();
    let fit = Lda::new(1).topic_prior(0.4).fit(&corpus).unwrap();
    assert_close(&fit.model.lambda(), &array![[3.4, 2.4, 3.4]], 1e-15);
    assert_close(&fit.model.gamma(), &array![[5.0], [5.0]], 1e-14);
    let tokens = [(0, 0), (0, 0), (0, 0), (0, 2), (1, 1), (1, 1), (1, 2), (1, 2)];
    let exact = log_joint(&tokens, &[0; 8], (2, 3, 1), (1.0, 0.4));
    assert!((fit.elbo().value() - exact).abs() < 1e-12, "{} {exact}", fit.elbo().value());
    assert!(fit.converged);
}

/// Where it ends, no entry of γ or λ can raise the bound: central differences of the naive bound with the best φ.
#[test]
fn the_end_is_stationary() {
    let counts = counts(5, 6, &mut RandomState::new(3));
    let corpus = Corpus::from_counts(&counts).unwrap();
    let priors = (0.4, 0.6);
    let lda =
        Lda::new(3).document_prior(priors.0).topic_prior(priors.1).inner(1000, 1e-14).passes(3000).tolerance(-1.0);
    let model = lda.fit(&corpus).unwrap().model;
    let mut naive = Naive::start(&model.lambda(), &counts);
    naive.gamma = model.gamma();
    let bound = |naive: &mut Naive| {
        (0..5).for_each(|d| naive.assign(d));
        naive.terms(&counts, priors).iter().sum::<f64>()
    };
    let best = bound(&mut naive);
    assert!((best - model.elbo(&corpus).unwrap().value()).abs() < 1e-9);
    for of_lambda in [false, true] {
        let size = if of_lambda { naive.lambda.len() } else { naive.gamma.len() };
        for i in 0..size {
            let mut at = |step: f64| {
                let array = if of_lambda { &mut naive.lambda } else { &mut naive.gamma };
                let entry = &mut array.as_slice_mut().unwrap()[i];
                let before = *entry;
                *entry *= 1.0 + step;
                let value = bound(&mut naive);
                let array = if of_lambda { &mut naive.lambda } else { &mut naive.gamma };
                array.as_slice_mut().unwrap()[i] = before;
                value
            };
            let (up, down) = (at(1e-4), at(-1e-4));
            assert!(((up - down) / 2e-4).abs() < 1e-6, "{i}: {up} {down}");
            assert!(up < best + 1e-11 && down < best + 1e-11);
        }
    }
}

/// Even with one inner iteration in each pass.
#[test]
fn no_pass_takes_the_bound_downhill() {
    for seed in 0..20 {
        let counts = counts(12, 20, &mut RandomState::new(seed));
        let lda = Lda::new(4).seed(seed).passes(60).tolerance(-1.0);
        for lda in [lda.inner(1, 0.0), lda.inner(3, 0.5), lda] {
            let fit = lda.fit(&Corpus::from_counts(&counts).unwrap()).unwrap();
            assert!(fit.values().is_sorted_by(|a, b| a - b < 1e-10), "{:?}", fit.values());
            assert_eq!((fit.history.len(), fit.converged), (61, false));
            // The history's φ is that from before the last λ.
            assert!(fit.model.elbo(&Corpus::from_counts(&counts).unwrap()).unwrap().value() > fit.history[1].value());
        }
    }
}

fn number(reference: &Reference, name: &str) -> f64 {
    reference.array::<Ix0>(name).unwrap().into_scalar()
}

fn corpus(reference: &Reference, name: &str) -> Corpus {
    Corpus::from_counts(&reference.array(name).unwrap()).unwrap()
}

/// Against scikit-learn with an exact ψ to `exact`, as it is shipped to `shipped`.
fn assert_is_scikit_learns(topics: &Topics, reference: &Reference, exact: f64, shipped: f64) {
    let batch = Reference::load("lda", "batch").unwrap();
    let (corpus, unseen) = (corpus(&batch, "counts"), corpus(&batch, "unseen"));
    for (prefix, tolerance) in [("", exact), ("shipped_", shipped)] {
        let array = |name: &str| reference.array::<ndarray::Ix2>(&format!("{prefix}{name}")).unwrap();
        let close = |got: f64, name: &str| {
            let want = number(reference, &format!("{prefix}{name}"));
            assert!((got / want - 1.0).abs() < tolerance, "{prefix}{name}: {got} {want}");
        };
        assert_close(&topics.lambda(), &array("lambda"), tolerance * 100.0);
        assert_close(&topics.proportions(&unseen).unwrap(), &array("transform"), tolerance);
        let elbo = topics.elbo(&corpus).unwrap();
        close(elbo.value(), "score");
        close(topics.elbo(&unseen).unwrap().value(), "score_unseen");
        // There, what the topics cost counts too, whatever the documents; not so in Hoffman, Blei and Bach.
        close((-elbo.value() / corpus.total()).exp(), "perplexity");
        let per_word = (elbo.value() - elbo.terms()[3].1) / corpus.total();
        assert!((topics.perplexity(&corpus).unwrap() / (-per_word).exp() - 1.0).abs() < 1e-13);
    }
}

/// The start is drawn as there. Planted: γ started anew in each pass.
#[test]
fn batch_learning_is_scikit_learns() {
    let reference = Reference::load("lda", "batch").unwrap();
    let corpus = corpus(&reference, "counts");
    let seed = reference.metadata("seed").unwrap().parse().unwrap();
    let lda = Lda::new(4).seed(seed).tolerance(-1.0);
    assert_eq!(lda.start(&corpus).unwrap().lambda(), reference.array::<ndarray::Ix2>("start").unwrap());
    let first = lda.passes(1).fit(&corpus).unwrap().model;
    assert_close(&first.lambda(), &reference.array("first_lambda").unwrap(), 1e-11);
    let topics = lda.passes(20).fit(&corpus).unwrap().model;
    assert_close(&topics.gamma(), &reference.array("gamma").unwrap(), 1e-11);
    assert_is_scikit_learns(&topics, &reference, 1e-12, 1e-7);
}

/// Planted: ρ of the step before; D/S with S the batch size even for the last batch, which is shorter.
#[test]
fn online_learning_is_scikit_learns() {
    let reference = Reference::load("lda", "online").unwrap();
    let corpus = corpus(&Reference::load("lda", "batch").unwrap(), "counts");
    let option = |name: &str| reference.metadata(name).unwrap().parse::<f64>().unwrap();
    let batch = option("batch") as usize;
    let lda = Lda::new(4).seed(option("seed") as u32).batch_size(batch).learning(option("decay"), option("offset"));
    let online = lda.passes(3).fit_online(&corpus).unwrap();
    assert_is_scikit_learns(&online.model, &reference, 1e-12, 1e-7);
    assert_eq!((online.history.len(), online.model.steps(), online.model.gamma().dim()), (12, 12, (0, 4)));

    // Step by step, as part of a larger stream; what a step returns is the perplexity before it.
    let mut topics = lda.start(&corpus).unwrap();
    for begin in (0..corpus.documents()).step_by(batch) {
        let rows: Vec<usize> = (begin..corpus.documents().min(begin + batch)).collect();
        let documents = corpus.select(&rows).unwrap();
        let perplexity = topics.perplexity(&documents).unwrap();
        let bound = lda.step(&mut topics, &documents, 1000.0).unwrap();
        assert!(((-bound).exp() / perplexity - 1.0).abs() < 1e-13);
    }
    assert_close(&topics.lambda(), &reference.array("stream_lambda").unwrap(), 1e-9);
}

/// All documents at once with ρ = 1 are a pass of batch learning, with ρ below 1 a part of one. Planted: the padding of λ
/// left with its rounding.
#[test]
fn a_step_with_all_documents_is_a_pass() {
    let counts = counts(9, 14, &mut RandomState::new(5));
    let corpus = Corpus::from_counts(&counts).unwrap();
    let lda = Lda::new(3).learning(1.0, 0.0).batch_size(9).passes(1);
    let (online, batch) = (lda.fit_online(&corpus).unwrap().model, lda.fit(&corpus).unwrap().model);
    assert_close(&online.lambda(), &batch.lambda(), 1e-13);

    let mut topics = lda.learning(0.9, 5.0).start(&corpus).unwrap();
    let before = topics.lambda();
    lda.learning(0.9, 5.0).step(&mut topics, &corpus, 9.0).unwrap();
    let rate = 6.0_f64.powf(-0.9);
    assert_close(&topics.lambda(), &(before * (1.0 - rate) + rate * batch.lambda()), 1e-13);
    // The terms of the topics, with lanes that no topic fills.
    for _ in 0..20 {
        lda.learning(0.9, 5.0).step(&mut topics, &corpus, 9.0).unwrap();
        let cost = topics.elbo(&corpus).unwrap().terms()[3].1;
        assert!((cost - minus_kl(&topics.lambda(), 1.0 / 3.0)).abs() < 1e-11);
    }
}

/// Courts, war, the executive, trade: from the default start, without any choice among starts.
#[test]
fn the_federalist_has_readable_topics() {
    let papers = federalist();
    let corpus = Corpus::from_counts(&papers.features).unwrap().with_vocabulary(&papers.feature_names).unwrap();
    let fit = Lda::new(5).fit(&corpus).unwrap();
    let top = |k: usize| fit.model.top_words(k, 12).unwrap().into_iter().map(|(word, _)| word).collect::<Vec<_>>();
    let all: Vec<Vec<String>> = (0..5).map(top).collect();
    let topic_of = |word: &str| all.iter().position(|words| words.iter().any(|other| other == word)).unwrap();
    let has = |k: usize, words: &[&str]| words.iter().all(|word| all[k].iter().any(|other| other == word));
    let courts = topic_of("jury");
    assert!(has(courts, &["courts", "trial", "jurisdiction"]), "{all:?}");
    assert!(has(topic_of("militia"), &["war", "peace", "military", "armies"]), "{all:?}");
    assert!(has(topic_of("president"), &["executive", "magistrate", "appointment"]), "{all:?}");
    assert!(has(topic_of("commerce"), &["revenue", "trade"]), "{all:?}");
    // Nos. 81 to 83 are about the judiciary.
    let proportions = fit.model.proportions(&corpus).unwrap();
    for paper in 81..=83 {
        assert!(proportions[[paper - 1, courts]] > 0.5, "{paper}");
    }
    assert!(format!("{:?}", fit.model).starts_with("Topics: 5 of 378 words; "));
}

/// Planted: more than the least number of times for no fewer.
#[test]
fn corpora_are_what_was_counted() {
    let texts = ["Don't STOP; stop—the Éclair!", "", "42 the don"];
    let corpus = Corpus::from_texts(&texts, &["the"], 1).unwrap();
    assert_eq!(corpus.vocabulary(), ["don", "stop", "t", "éclair"]);
    assert_eq!(corpus.to_counts(), array![[1.0, 2.0, 1.0, 1.0], [0.0; 4], [1.0, 0.0, 0.0, 0.0]]);
    assert_eq!(Corpus::from_texts(&texts, &["the"], 2).unwrap().vocabulary(), ["don", "stop"]);
    assert_eq!(corpus.encode(&["stop it"]).unwrap().to_counts(), array![[0.0, 1.0, 0.0, 0.0]]);
    let named = Corpus::from_counts(&corpus.to_counts()).unwrap().with_vocabulary(corpus.vocabulary()).unwrap();
    assert_eq!(named, corpus);
    let lists = [vec![(2, 1.0), (0, 1.0), (2, 0.5), (1, 0.0)], vec![]];
    let corpus = Corpus::from_lists(&lists, 3).unwrap();
    assert_eq!(corpus.document(0).collect::<Vec<_>>(), [(0, 1.0), (2, 1.5)]);
    assert_eq!((corpus.document(1).count(), corpus.document(2).count()), (0, 0));
    assert_eq!(corpus.select(&[1, 0, 0]).unwrap().to_counts().sum(), 5.0);
    assert_eq!(format!("{corpus:?}"), "Corpus: 2 documents, 3 words, 2.5 in all");
}

/// More topics than words, one word, one document.
#[test]
fn odd_sizes_work() {
    let corpus = Corpus::from_counts(&array![[3.0, 1.0]]).unwrap();
    let model = Lda::new(7).fit(&corpus).unwrap().model;
    assert!((model.gamma().sum() - 5.0).abs() < 1e-13 && model.topics().iter().all(|p| p.is_finite()));
    let one = Corpus::from_counts(&array![[4.0]]).unwrap();
    let model = Lda::new(2).fit(&one).unwrap().model;
    assert_eq!((model.topics(), model.perplexity(&one).unwrap() > 0.99), (array![[1.0], [1.0]], true));
    assert_eq!(Lda::new(2).passes(0).fit(&one).unwrap().history.len(), 1);
    // Large counts and large priors.
    let model = Lda::new(3).document_prior(1e9).topic_prior(1e9);
    assert!(model.fit(&Corpus::from_counts(&array![[1e14, 3.0]]).unwrap()).unwrap().elbo().value().is_finite());
    let model = Lda::new(3).document_prior(1e-100).topic_prior(1e-100);
    assert!(model.fit(&Corpus::from_counts(&array![[1.0, 3.0]]).unwrap()).unwrap().elbo().value().is_finite());
}

#[test]
fn what_cannot_be_is_refused() {
    assert!(message(Corpus::from_counts(&Array2::zeros((0, 3)))).contains("at least one document"));
    assert!(message(Corpus::from_counts(&Array2::zeros((3, 0)))).contains("at least one word"));
    assert!(message(Corpus::from_texts(&["the"], &["the"], 1)).contains("shorter stop list"));
    assert!(message(Corpus::from_texts(&[], &[], 1)).contains("at least one document"));
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(message(Corpus::from_counts(&array![[1.0], [bad]])).contains("document 1"));
    }
    assert!(message(Corpus::from_counts(&array![[1e300]])).contains("9e15"));
    assert!(message(Corpus::from_lists(&[vec![(3, 1.0)]], 3)).contains("below 3"));
    let corpus = Corpus::from_counts(&array![[1.0, 2.0], [0.0, 1.0]]).unwrap();
    assert!(message(corpus.select(&[2])).contains("below 2"));
    assert!(message(corpus.select(&[])).contains("at least one document"));
    assert!(message(corpus.clone().with_vocabulary(&["one"])).contains("one name for each of 2 words"));

    let lda = Lda::new(2);
    let empty = Corpus::from_counts(&Array2::zeros((2, 2))).unwrap();
    assert!(message(lda.fit(&empty)).contains("words of the vocabulary"));
    assert!(message(lda.fit_online(&empty)).contains("words of the vocabulary"));
    assert!(message(Lda::new(0).fit(&corpus)).contains("at least 1"));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-200] {
        assert!(message(lda.document_prior(bad).fit(&corpus)).contains("document_prior"));
        assert!(message(lda.topic_prior(bad).fit(&corpus)).contains("topic_prior"));
        assert!(message(lda.fit_from(&array![[1.0, 1.0], [1.0, bad]], &corpus)).contains("[1, 1]"));
    }
    assert!(message(lda.fit_from(&Array2::ones((2, 3)), &corpus)).contains("(2, 2), topics and words"));
    assert!(message(lda.inner(0, 1e-3).fit(&corpus)).contains("at least 1"));
    assert!(message(lda.inner(1, f64::NAN).fit(&corpus)).contains("NaN"));
    assert!(message(lda.tolerance(f64::NAN).fit(&corpus)).contains("NaN"));
    for decay in [0.5, 1.1, -1.0, f64::NAN] {
        assert!(message(lda.learning(decay, 1.0).fit_online(&corpus)).contains("above 0.5"));
    }
    assert!(message(lda.learning(0.7, -1.0).fit_online(&corpus)).contains("0 or more"));
    assert!(message(lda.learning(0.7, f64::NAN).fit_online(&corpus)).contains("0 or more"));
    assert!(message(lda.batch_size(0).fit_online(&corpus)).contains("batch_size"));

    let mut topics = lda.start(&corpus).unwrap();
    assert!(message(lda.step(&mut topics, &corpus, 0.0)).contains("total"));
    let other = Corpus::from_counts(&Array2::ones((2, 3))).unwrap();
    assert!(message(lda.step(&mut topics, &other, 2.0)).contains("encode"));
    assert!(message(topics.transform(&other)).contains("encode"));
    assert!(message(topics.elbo(&other)).contains("encode"));
    assert!(message(topics.perplexity(&empty)).contains("words of the vocabulary"));
    assert!(message(topics.top_words(2, 1)).contains("below 2"));
    // Documents without words say nothing, and harm nothing.
    assert!(lda.step(&mut topics, &empty, 2.0).unwrap().is_nan());
    assert_eq!(topics.transform(&empty).unwrap(), Array2::from_elem((2, 2), 0.5));
    assert_eq!(topics.top_words(0, 9).unwrap().len(), 2);
}
