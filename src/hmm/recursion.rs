//! The recursions themselves, for a number of states that the compiler knows, so that a step stays in registers.

use multiversion::multiversion;
use ndarray::ArrayView2;

use super::{Chain, Likelihoods};

/// S numbers; where they are few, padded to a fixed length with states of probability 0.
pub(super) trait Row: Clone {
    fn padded(values: impl ExactSizeIterator<Item = f64>, padding: f64) -> Self;
    fn as_slice(&self) -> &[f64];
    fn as_mut(&mut self) -> &mut [f64];
    /// out_j = Σ_i x_i m_ij.
    fn product(&self, rows: &[Self], out: &mut Self);
    /// All numbers of all rows.
    fn flatten(rows: Vec<Self>) -> Vec<f64>;
}

impl<const P: usize> Row for [f64; P] {
    fn padded(values: impl ExactSizeIterator<Item = f64>, padding: f64) -> Self {
        let mut row = [padding; P];
        row.iter_mut().zip(values).for_each(|(row, value)| *row = value);
        row
    }

    fn as_slice(&self) -> &[f64] {
        self
    }

    fn as_mut(&mut self) -> &mut [f64] {
        self
    }

    #[inline(always)]
    fn product(&self, rows: &[Self], out: &mut Self) {
        let mut sums = [0.0; P];
        for (x, row) in self.iter().zip(rows) {
            for j in 0..P {
                sums[j] += x * row[j];
            }
        }
        *out = sums;
    }

    fn flatten(rows: Vec<Self>) -> Vec<f64> {
        rows.into_flattened()
    }
}

impl Row for Vec<f64> {
    fn padded(values: impl ExactSizeIterator<Item = f64>, _: f64) -> Self {
        values.collect()
    }

    fn as_slice(&self) -> &[f64] {
        self
    }

    fn as_mut(&mut self) -> &mut [f64] {
        self
    }

    fn product(&self, rows: &[Self], out: &mut Self) {
        out.fill(0.0);
        for (x, row) in self.iter().zip(rows) {
            out.iter_mut().zip(row).for_each(|(out, m)| *out += x * m);
        }
    }

    fn flatten(rows: Vec<Self>) -> Vec<f64> {
        rows.concat()
    }
}

/// Calls a function that is generic over the row with the shortest row that holds the states.
macro_rules! with_row {
    ($states:expr, $function:ident($($argument:expr),*)) => {
        match $states {
            0..=2 => $function::<[f64; 2]>($($argument),*),
            3..=4 => $function::<[f64; 4]>($($argument),*),
            5..=8 => $function::<[f64; 8]>($($argument),*),
            9..=16 => $function::<[f64; 16]>($($argument),*),
            17..=32 => $function::<[f64; 32]>($($argument),*),
            _ => $function::<Vec<f64>>($($argument),*),
        }
    };
}
pub(super) use with_row;

/// A chain in rows.
struct Rows<R> {
    initial: R,
    /// a_i· for each i, one set per step, or one for all.
    from: Vec<Vec<R>>,
    /// a_·j for each j.
    into: Vec<Vec<R>>,
}

impl<R: Row> Rows<R> {
    fn new(chain: &Chain, map: fn(f64) -> f64) -> Self {
        let rows = |a: ArrayView2<'_, f64>| -> Vec<R> {
            a.rows().into_iter().map(|row| R::padded(row.iter().map(|a| map(*a)), map(0.0))).collect()
        };
        Self {
            initial: R::padded(chain.initial.iter().map(|p| map(*p)), map(0.0)),
            from: chain.transition.outer_iter().map(rows).collect(),
            into: chain.transition.outer_iter().map(|a| rows(a.reversed_axes())).collect(),
        }
    }

    /// The moves from step t to t + 1.
    fn at<'a>(&self, moves: &'a [Vec<R>], t: usize) -> &'a [R] {
        if moves.len() == 1 { &moves[0] } else { &moves[t] }
    }
}

/// Σ of a row in four lanes: fewer additions wait for one another.
#[inline(always)]
fn sum(values: &[f64]) -> f64 {
    let (fours, rest) = values.as_chunks::<4>();
    let mut lanes = [0.0; 4];
    for four in fours {
        lanes.iter_mut().zip(four).for_each(|(lane, value)| *lane += value);
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]) + rest.iter().sum::<f64>()
}

/// b_j(x_t), ready for rows.
enum Weights<'a, R> {
    /// As they are.
    Each(&'a Likelihoods<'a>),
    /// One row per symbol.
    Symbols(Vec<R>, &'a [usize]),
}

impl<'a, R: Row> Weights<'a, R> {
    fn new(x: &'a Likelihoods<'a>) -> Self {
        match x.symbols() {
            None => Self::Each(x),
            Some((probability, symbols)) => {
                let rows = probability.chunks_exact(x.states());
                Self::Symbols(rows.map(|row| R::padded(row.iter().copied(), 0.0)).collect(), symbols)
            }
        }
    }

    /// p_j b_j(x_t) / c in place of p_j; returns log c.
    #[inline(always)]
    fn weigh(&self, t: usize, p: &mut R) -> f64 {
        match self {
            Self::Each(x) => x.weigh(t, p.as_mut()),
            Self::Symbols(rows, symbols) => {
                for (p, b) in p.as_mut().iter_mut().zip(rows[symbols[t]].as_slice()) {
                    *p *= b;
                }
                0.0
            }
        }
    }
}

/// log p(x), and α_t scaled to sum to 1 for each t to `each`; `None` where a step's sum is 0 in f64.
pub(super) fn forward<R: Row>(chain: &Chain, x: &Likelihoods<'_>, each: &mut dyn FnMut(usize, &[f64])) -> Option<f64> {
    let rows = Rows::<R>::new(chain, |p| p);
    forward_rows(&rows, x, |t, alpha| each(t, alpha.as_slice()))
}

/// As [`forward`], keeping nothing.
pub(super) fn log_likelihood<R: Row>(chain: &Chain, x: &Likelihoods<'_>) -> Option<f64> {
    forward_rows(&Rows::<R>::new(chain, |p| p), x, |_, _| ())
}

#[inline(always)]
fn forward_rows<R: Row>(rows: &Rows<R>, x: &Likelihoods<'_>, mut each: impl FnMut(usize, &R)) -> Option<f64> {
    let weights = Weights::new(x);
    let (mut predicted, mut alpha) = (rows.initial.clone(), rows.initial.clone());
    let mut log_likelihood = 0.0;
    // The steps' sums, whose logarithm is only taken before they leave the range of f64.
    let mut product_of_sums = 1.0;
    for t in 0..x.length() {
        log_likelihood += weights.weigh(t, &mut predicted);
        let sum = sum(predicted.as_slice());
        if sum < f64::MIN_POSITIVE {
            return None;
        }
        let next = product_of_sums * sum;
        if next < 1e-280 {
            log_likelihood += f64::ln(product_of_sums);
            product_of_sums = sum;
        } else {
            product_of_sums = next;
        }
        let scale = 1.0 / sum;
        for (alpha, p) in alpha.as_mut().iter_mut().zip(predicted.as_slice()) {
            *alpha = p * scale;
        }
        each(t, &alpha);
        if t + 1 < x.length() {
            alpha.product(rows.at(&rows.from, t), &mut predicted);
        }
    }
    Some(log_likelihood + product_of_sums.ln())
}

/// γ (T S numbers), Σ_t ξ_t (S S numbers) and log p(x).
pub(super) struct Smoothed {
    pub(super) states: Vec<f64>,
    pub(super) moves: Vec<f64>,
    pub(super) log_likelihood: f64,
}

/// `None` where a quotient is too large for f64.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn smooth<R: Row>(chain: &Chain, x: &Likelihoods<'_>) -> Option<Smoothed> {
    let rows = Rows::<R>::new(chain, |p| p);
    let states = chain.states();
    let mut alphas: Vec<R> = Vec::with_capacity(x.length());
    let log_likelihood = forward_rows(&rows, x, |_, alpha| alphas.push(alpha.clone()))?;
    let mut gamma = alphas.last()?.clone();
    let (mut predicted, mut quotient, mut back) = (gamma.clone(), gamma.clone(), gamma.clone());
    // Σ_t α_t(i) γ_{t+1}(j) / p_{t+1}(j), which is Σ ξ but for the factor a_ij.
    let mut outer: Vec<R> = vec![R::padded(std::iter::repeat_n(0.0, states), 0.0); states];
    let mut moves = vec![0.0; states * states];
    let varies = rows.from.len() > 1;
    let last = alphas.len() - 1;
    for (t, alpha) in alphas.iter_mut().enumerate().rev() {
        if t < last {
            alpha.product(rows.at(&rows.from, t), &mut predicted);
            let mut finite = true;
            for ((q, &gamma), &p) in quotient.as_mut().iter_mut().zip(gamma.as_slice()).zip(predicted.as_slice()) {
                *q = if gamma == 0.0 { 0.0 } else { gamma / p };
                finite &= *q <= f64::MAX;
            }
            if !finite {
                return None;
            }
            for (outer, &alpha) in outer.iter_mut().zip(alpha.as_slice()) {
                for (outer, q) in outer.as_mut().iter_mut().zip(quotient.as_slice()) {
                    *outer += alpha * q;
                }
            }
            quotient.product(rows.at(&rows.into, t), &mut back);
            for ((gamma, alpha), back) in gamma.as_mut().iter_mut().zip(alpha.as_slice()).zip(back.as_slice()) {
                *gamma = alpha * back;
            }
            if varies {
                add_moves(rows.at(&rows.from, t), &mut outer, &mut moves)?;
            }
        }
        // α_t is not needed any more.
        alpha.clone_from(&gamma);
    }
    if !varies {
        add_moves(&rows.from[0], &mut outer, &mut moves)?;
    }
    Some(Smoothed { states: without_padding(R::flatten(alphas), x.length(), states), moves, log_likelihood })
}

/// Closes the gaps behind each row, where it lies: the table may be most of the memory.
fn without_padding(mut table: Vec<f64>, rows: usize, columns: usize) -> Vec<f64> {
    let padded = table.len() / rows;
    if padded > columns {
        for row in 1..rows {
            table.copy_within(row * padded..row * padded + columns, row * columns);
        }
        table.truncate(rows * columns);
    }
    table
}

/// Adds a_ij outer_ij to the moves, and empties `outer`.
fn add_moves<R: Row>(from: &[R], outer: &mut [R], moves: &mut [f64]) -> Option<()> {
    let states = from.len();
    for ((a, outer), moves) in from.iter().zip(outer).zip(moves.chunks_mut(states)) {
        for ((&a, outer), moves) in a.as_slice().iter().zip(outer.as_mut()).zip(moves) {
            // Where no move is possible, nothing that the quotients add up to counts.
            if a > 0.0 {
                *moves += a * *outer;
                if !moves.is_finite() {
                    return None;
                }
            }
            *outer = 0.0;
        }
    }
    Some(())
}

/// The most probable path and its log probability; `Err` holds the first step at which all have probability 0.
pub(super) fn viterbi<R: Row>(chain: &Chain, x: &Likelihoods<'_>) -> Result<(Vec<usize>, f64), usize> {
    let log = Rows::<R>::new(chain, f64::ln);
    let mut best = log.initial.clone();
    let mut deltas: Vec<R> = Vec::with_capacity(x.length());
    for t in 0..x.length() {
        for (best, log_b) in best.as_mut().iter_mut().zip(x.log_row(t)) {
            *best += log_b;
        }
        if best.as_slice().iter().all(|&delta| delta == f64::NEG_INFINITY) {
            return Err(t);
        }
        deltas.push(best.clone());
        if t + 1 < x.length() {
            let delta = &deltas[t];
            best.as_mut().fill(f64::NEG_INFINITY);
            for (delta, log_a) in delta.as_slice().iter().zip(log.at(&log.from, t)) {
                for (best, log_a) in best.as_mut().iter_mut().zip(log_a.as_slice()) {
                    let way = delta + log_a;
                    *best = if way > *best { way } else { *best };
                }
            }
        }
    }
    // Which way was best is found again, for one state a step only.
    let (mut state, log_probability) = first_largest(deltas[deltas.len() - 1].as_slice().iter().copied());
    let mut path = vec![state; x.length()];
    for t in (0..x.length() - 1).rev() {
        let into = log.at(&log.into, t)[state].as_slice();
        (state, _) = first_largest(deltas[t].as_slice().iter().zip(into).map(|(delta, log_a)| delta + log_a));
        path[t] = state;
    }
    Ok((path, log_probability))
}

fn first_largest(values: impl Iterator<Item = f64>) -> (usize, f64) {
    values.enumerate().fold((0, f64::NEG_INFINITY), |best, (i, value)| if value > best.1 { (i, value) } else { best })
}
