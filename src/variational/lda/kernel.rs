//! The passes over documents and words, four topics at a time; on each machine the same bits.

use std::ops::Range;

use multiversion::multiversion;
use ndarray::{Array2, ArrayRef2};

use super::Corpus;
use super::special::{self, Four, LANES, Psi};
use crate::numerics::{digamma, ln_gamma};

/// Below this a sum of weights has lost too much to underflow.
const TINY: f64 = 1e-280;
/// What stands for −∞ in padding; times 0 it is 0.
const NEVER: f64 = -1e300;

/// One row of K numbers per word or document, padded to whole fours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows {
    topics: usize,
    fours: Vec<Four>,
}

impl Rows {
    pub(super) fn filled(rows: usize, topics: usize, value: f64) -> Self {
        Self { topics, fours: vec![[value; LANES]; rows * topics.div_ceil(LANES)] }
    }

    /// From (K, rows).
    pub(super) fn of_columns(columns: &ArrayRef2<f64>, padding: f64) -> Self {
        let mut rows = Self::filled(columns.ncols(), columns.nrows(), padding);
        for ((k, w), value) in columns.indexed_iter() {
            rows.row_mut(w).as_flattened_mut()[k] = *value;
        }
        rows
    }

    /// (K, rows).
    pub(super) fn to_columns(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.topics, self.count()), |(k, w)| self.row(w).as_flattened()[k])
    }

    /// (rows, K).
    pub(super) fn to_rows(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.count(), self.topics), |(d, k)| self.row(d).as_flattened()[k])
    }

    pub(super) fn topics(&self) -> usize {
        self.topics
    }

    fn chunks(&self) -> usize {
        self.topics.div_ceil(LANES)
    }

    pub(super) fn count(&self) -> usize {
        self.fours.len() / self.chunks()
    }

    pub(super) fn row(&self, i: usize) -> &[Four] {
        &self.fours[i * self.chunks()..][..self.chunks()]
    }

    pub(super) fn row_mut(&mut self, i: usize) -> &mut [Four] {
        let chunks = self.chunks();
        &mut self.fours[i * chunks..][..chunks]
    }

    /// Sets what pads each row.
    pub(super) fn pad(&mut self, value: f64) {
        let topics = self.topics;
        for row in self.fours.chunks_exact_mut(topics.div_ceil(LANES)) {
            row.as_flattened_mut()[topics..].fill(value);
        }
    }

    /// The sum of all rows, K numbers.
    pub(super) fn totals(&self) -> Vec<f64> {
        let mut totals = vec![[0.0; LANES]; self.chunks()];
        for row in self.fours.chunks_exact(self.chunks()) {
            totals.iter_mut().zip(row).for_each(|(total, x)| *total = special::zip(*total, *x, |a, b| a + b));
        }
        totals.as_flattened()[..self.topics].to_vec()
    }

    /// a ← r a + s b + c, entry by entry.
    pub(super) fn mix(&mut self, r: f64, s: f64, other: &Self, c: f64) {
        for (a, b) in self.fours.iter_mut().zip(&other.fours) {
            *a = special::zip(*a, *b, |a, b| r * a + (s * b + c));
        }
    }
}

/// What documents need to know of q(β).
#[derive(Clone)]
pub(super) struct Table {
    /// E log β_kw.
    log: Rows,
    /// exp E log β_kw, divided by the largest of the word.
    weight: Rows,
    /// E log β_kw of the largest.
    largest: Vec<f64>,
}

impl Table {
    /// For these words alone; all where there is no list.
    pub(super) fn of(lambda: &Rows, words: Option<&[usize]>) -> Self {
        let mut normaliser = vec![[-NEVER; LANES]; lambda.chunks()];
        for (normaliser, total) in normaliser.as_flattened_mut().iter_mut().zip(lambda.totals()) {
            *normaliser = digamma(total);
        }
        let mut table = Self {
            log: Rows::filled(lambda.count(), lambda.topics, 0.0),
            weight: Rows::filled(lambda.count(), lambda.topics, 0.0),
            largest: vec![0.0; lambda.count()],
        };
        match words {
            Some(words) => fill_table(lambda, &normaliser, words, &mut table),
            None => fill_table(lambda, &normaliser, &Vec::from_iter(0..lambda.count()), &mut table),
        }
        table
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn fill_table(lambda: &Rows, normaliser: &[Four], words: &[usize], table: &mut Table) {
    for &w in words {
        let log = table.log.row_mut(w);
        let mut largest = [NEVER; LANES];
        for ((log, x), normaliser) in log.iter_mut().zip(lambda.row(w)).zip(normaliser) {
            *log = special::zip(Psi::of(*x).value(), *normaliser, |psi, normaliser| psi - normaliser);
            largest = special::zip(largest, *log, f64::max);
        }
        let largest = largest.into_iter().fold(NEVER, f64::max);
        for (weight, log) in table.weight.row_mut(w).iter_mut().zip(log) {
            *weight = special::exp(special::map(*log, |log| log - largest));
        }
        table.largest[w] = largest;
    }
}

/// When γ and φ of a document have settled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Inner {
    pub(super) iterations: usize,
    pub(super) change: f64,
}

/// What a pass over documents adds up.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    /// Σ_dw n_dw log Σ_k exp(E log θ_dk + E log β_kw) = E log p(w, z | θ, β) − E log q(z), for the best φ.
    pub(super) log_z: f64,
    /// −Σ_d KL(q(θ_d) ‖ p(θ_d)).
    pub(super) theta: f64,
}

/// Room for one document, so that the loops do not allocate.
struct Room {
    /// Weights of its words, four words and their topics after each other; padded with words of count 0.
    weight: Vec<Four>,
    counts: Vec<Four>,
    /// Σ_k t_k b_wk.
    norms: Vec<Four>,
    /// t_k.
    theta: Vec<Four>,
    /// E log θ_k = log t_k + this − ψ(Σ γ).
    shift: f64,
    /// Σ_w n_w φ_wk.
    sum: Vec<Four>,
    /// Its words whose weights were lost to underflow.
    lost: Vec<usize>,
}

impl Room {
    fn new(chunks: usize) -> Self {
        let four = vec![[0.0; LANES]; chunks];
        Self {
            weight: Vec::new(),
            counts: Vec::new(),
            norms: Vec::new(),
            theta: four.clone(),
            shift: 0.0,
            sum: four,
            lost: Vec::new(),
        }
    }

    fn load(&mut self, table: &Table, words: &[usize], counts: &[f64]) {
        let blocks = words.len().div_ceil(LANES);
        self.weight.clear();
        words.iter().for_each(|&w| self.weight.extend_from_slice(table.weight.row(w)));
        self.weight.resize(blocks * LANES * self.theta.len(), [1.0; LANES]);
        self.counts.clear();
        self.counts.resize(blocks, [0.0; LANES]);
        self.counts.as_flattened_mut()[..counts.len()].copy_from_slice(counts);
        self.norms.resize(blocks, [0.0; LANES]);
    }

    /// t = exp E log θ, divided by a factor that keeps the largest away from 0.
    #[inline(always)]
    fn expect(&mut self, gamma: &[Four]) {
        let mut largest = [f64::NEG_INFINITY; LANES];
        for (theta, gamma) in self.theta.iter_mut().zip(gamma) {
            *theta = Psi::of(*gamma).e;
            largest = special::zip(largest, *theta, |a, b| if a > b { a } else { b });
        }
        self.shift = largest.into_iter().fold(f64::NEG_INFINITY, f64::max);
        for (theta, gamma) in self.theta.iter_mut().zip(gamma) {
            let y = Psi::raised(*gamma);
            *theta = special::zip(y, special::exp(special::map(*theta, |e| e - self.shift)), |y, exp| y * exp);
        }
    }

    /// Σ_k t_k b_wk of each word.
    #[inline(always)]
    fn norm(weight: &[Four], theta: &[Four]) -> Four {
        let (first, second) = weight.split_at(2 * theta.len());
        let ((a, b), (c, d)) = (first.split_at(theta.len()), second.split_at(theta.len()));
        let mut sums = [[0.0; LANES]; LANES];
        for ((((t, a), b), c), d) in theta.iter().zip(a).zip(b).zip(c).zip(d) {
            for lane in 0..LANES {
                sums[0][lane] += t[lane] * a[lane];
                sums[1][lane] += t[lane] * b[lane];
                sums[2][lane] += t[lane] * c[lane];
                sums[3][lane] += t[lane] * d[lane];
            }
        }
        [special::sum(sums[0]), special::sum(sums[1]), special::sum(sums[2]), special::sum(sums[3])]
    }

    /// Norms of all words, and which are lost.
    #[inline(always)]
    fn norms(&mut self) {
        self.lost.clear();
        let block = LANES * self.theta.len();
        for (i, (norm, weight)) in self.norms.iter_mut().zip(self.weight.chunks_exact(block)).enumerate() {
            *norm = Self::norm(weight, &self.theta);
            note_lost(norm, i, &mut self.lost);
        }
    }

    /// φ, and from it γ; returns the mean change of γ.
    #[inline(always)]
    fn update(&mut self, table: &Table, words: &[usize], prior: f64, gamma: &mut [Four], topics: usize) -> f64 {
        self.lost.clear();
        self.sum.fill([0.0; LANES]);
        let chunks = self.theta.len();
        let blocks = self.weight.chunks_exact(LANES * chunks).zip(&self.counts).zip(&mut self.norms);
        for (i, ((weight, counts), norm)) in blocks.enumerate() {
            *norm = Self::norm(weight, &self.theta);
            note_lost(norm, i, &mut self.lost);
            let r = special::zip(*counts, *norm, |n, norm| n / norm);
            let (first, second) = weight.split_at(2 * chunks);
            let ((a, b), (c, d)) = (first.split_at(chunks), second.split_at(chunks));
            for ((((sum, a), b), c), d) in self.sum.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                for lane in 0..LANES {
                    sum[lane] += (r[0] * a[lane] + r[1] * b[lane]) + (r[2] * c[lane] + r[3] * d[lane]);
                }
            }
        }
        self.sum.iter_mut().zip(&self.theta).for_each(|(sum, t)| *sum = special::zip(*sum, *t, |sum, t| sum * t));
        for &i in &self.lost {
            let (shares, _) = shares_of_lost(gamma, table.log.row(words[i]));
            let n = self.counts.as_flattened()[i];
            self.sum
                .iter_mut()
                .zip(shares)
                .for_each(|(sum, phi)| *sum = special::zip(*sum, phi, |sum, phi| sum + n * phi));
        }
        let mut change = [0.0; LANES];
        for (gamma, sum) in gamma.iter_mut().zip(&self.sum) {
            for lane in 0..LANES {
                let new = prior + sum[lane];
                change[lane] += (new - gamma[lane]).abs();
                gamma[lane] = new;
            }
        }
        special::sum(change) / topics as f64
    }

    /// Adds Σ n φ to the statistics.
    #[inline(always)]
    fn add_to(&self, table: &Table, words: &[usize], gamma: &[Four], statistics: &mut Rows) {
        let chunks = self.theta.len();
        let each = self.weight.chunks_exact(chunks).zip(self.counts.as_flattened()).zip(self.norms.as_flattened());
        for (&w, ((weight, n), norm)) in words.iter().zip(each) {
            let r = n / norm;
            for ((sum, weight), t) in statistics.row_mut(w).iter_mut().zip(weight).zip(&self.theta) {
                for lane in 0..LANES {
                    sum[lane] += r * t[lane] * weight[lane];
                }
            }
        }
        for &i in &self.lost {
            let (shares, _) = shares_of_lost(gamma, table.log.row(words[i]));
            let n = self.counts.as_flattened()[i];
            for (sum, phi) in statistics.row_mut(words[i]).iter_mut().zip(shares) {
                *sum = special::zip(*sum, phi, |sum, phi| sum + n * phi);
            }
        }
    }

    /// Σ_w n_w log Σ_k exp(E log θ_k + E log β_kw).
    #[inline(always)]
    fn log_z(&self, table: &Table, words: &[usize], gamma: &[Four], psi_total: f64) -> f64 {
        let mut sums = [0.0; LANES];
        for (norm, counts) in self.norms.iter().zip(&self.counts) {
            let logs = special::ln(*norm);
            // An infinite norm marks a lost word.
            (0..LANES).for_each(|i| sums[i] += if norm[i] < f64::INFINITY { counts[i] * logs[i] } else { 0.0 });
        }
        let counts = self.counts.as_flattened();
        let known = words.iter().zip(counts).map(|(&w, n)| n * (table.largest[w] + self.shift - psi_total));
        let lost = self.lost.iter().map(|&i| {
            let w = words[i];
            counts[i] * (shares_of_lost(gamma, table.log.row(w)).1 - table.largest[w] - self.shift)
        });
        special::sum(sums) + known.sum::<f64>() + lost.sum::<f64>()
    }
}

/// Makes the norms of words that were lost to underflow infinite, so that nothing comes of their weights, and lists them.
#[inline(always)]
fn note_lost(norm: &mut Four, block: usize, lost: &mut Vec<usize>) {
    if norm[0].min(norm[1]).min(norm[2].min(norm[3])) < TINY {
        list_lost(norm, block, lost);
    }
}

#[cold]
fn list_lost(norm: &mut Four, block: usize, lost: &mut Vec<usize>) {
    for (i, norm) in norm.iter_mut().enumerate().filter(|(_, norm)| **norm < TINY) {
        *norm = f64::INFINITY;
        lost.push(LANES * block + i);
    }
}

/// φ of one word by way of logarithms, and log Σ_k exp(ψ(γ_k) + E log β_k).
#[cold]
fn shares_of_lost(gamma: &[Four], log_beta: &[Four]) -> (Vec<Four>, f64) {
    let add = |(gamma, log): (&Four, &Four)| special::zip(Psi::of(*gamma).value(), *log, |psi, log| psi + log);
    let mut shares: Vec<Four> = gamma.iter().zip(log_beta).map(add).collect();
    let flat = shares.as_flattened_mut();
    let largest = flat.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    flat.iter_mut().for_each(|share| *share = (*share - largest).exp());
    let total: f64 = flat.iter().sum();
    flat.iter_mut().for_each(|share| *share /= total);
    (shares, largest + total.ln())
}

/// Settles γ of these documents, row by row, and adds n φ to the statistics where they are wanted.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn settle(
    corpus: &Corpus,
    documents: Range<usize>,
    table: &Table,
    prior: f64,
    inner: Inner,
    gamma: &mut Rows,
    mut statistics: Option<&mut Rows>,
) -> Sums {
    let (topics, chunks) = (gamma.topics, gamma.chunks());
    let ln_gammas = special::ln_gamma([prior; LANES]);
    let ln_gamma_all = ln_gamma(topics as f64 * prior);
    let mut room = Room::new(chunks);
    let mut sums = Sums::default();
    for (i, d) in documents.enumerate() {
        let (words, counts) = corpus.bag(d);
        let gamma = gamma.row_mut(i);
        room.load(table, words, counts);
        room.expect(gamma);
        for _ in 0..inner.iterations {
            let change = room.update(table, words, prior, gamma, topics);
            room.expect(gamma);
            if change < inner.change {
                break;
            }
        }
        room.norms();
        if let Some(statistics) = &mut statistics {
            room.add_to(table, words, gamma, statistics);
        }
        let total: f64 = gamma.as_flattened()[..topics].iter().sum();
        let psi_total = digamma(total);
        sums.log_z += room.log_z(table, words, gamma, psi_total);
        let mut terms = [0.0; LANES];
        for gamma in gamma.iter() {
            let (psi, log_gamma) = (Psi::of(*gamma).value(), special::ln_gamma(*gamma));
            for lane in 0..LANES {
                terms[lane] += (prior - gamma[lane]) * (psi[lane] - psi_total) + (log_gamma[lane] - ln_gammas[lane]);
            }
        }
        sums.theta += special::sum(terms) + ln_gamma_all - ln_gamma(total);
    }
    sums
}

/// −Σ_k KL(q(β_k) ‖ p(β_k)).
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn topic_terms(lambda: &Rows, table: &Table, prior: f64) -> f64 {
    let ln_gammas = special::ln_gamma([prior; LANES]);
    let mut sums = [0.0; LANES];
    for (lambda, log) in lambda.fours.iter().zip(&table.log.fours) {
        let log_gamma = special::ln_gamma(*lambda);
        for lane in 0..LANES {
            sums[lane] += (prior - lambda[lane]) * log[lane] + (log_gamma[lane] - ln_gammas[lane]);
        }
    }
    let all = ln_gamma(lambda.count() as f64 * prior);
    special::sum(sums) + lambda.totals().iter().map(|total| all - ln_gamma(*total)).sum::<f64>()
}

/// Σ_kw s_kw E log β_kw.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn expected(statistics: &Rows, table: &Table) -> f64 {
    let mut sums = [0.0; LANES];
    for (s, log) in statistics.fours.iter().zip(&table.log.fours) {
        (0..LANES).for_each(|lane| sums[lane] += s[lane] * log[lane]);
    }
    special::sum(sums)
}
