//! How much are these draws worth, and do the chains agree?
//!
//! Each function takes the draws of one quantity, shape (chains, N), and first cuts every chain into halves (the middle draw
//! of an odd N is left out), so that a single chain that drifts disagrees with itself. With m halves of n draws, means x̄_c and
//! variances s_c²:
//!
//! W = mean s_c², B = n Var x̄_c, Var⁺ = (n − 1)/n W + B/n, R̂ = √(Var⁺/W)
//!
//! | function | of what |
//! | --- | --- |
//! | [`r_hat_split`] | R̂ of the draws themselves |
//! | [`r_hat`] | R̂ of their ranks, and of how far they are from the median: the larger one |
//! | [`ess_mean`] | effective sample size for the mean |
//! | [`ess_bulk`] | that of the ranks: also where there is no variance |
//! | [`ess_tail`] | the smaller one of those for the probabilities of the lowest and the highest 5 % |
//! | [`mcse`] | the standard error of the mean |
//!
//! Ranks are turned into normal scores, z = Φ⁻¹((rank − ⅜)/(m n + ¼)); those of equal draws are averaged.
//!
//! All are NaN where they have no meaning: fewer than 4 draws a chain, or draws that are all the same. Where each chain is stuck
//! at a place of its own, R̂ is +∞.
//!
//! # Errors
//! Of every function: no chain or no draw, NaN or an infinity.
//!
//! Source: Vehtari, Gelman, Simpson, Carpenter and Bürkner, *Rank-normalization, folding, and localization: an improved R̂*,
//! Bayesian Analysis 16 (2021).

use ndarray::ArrayRef2;

use crate::numerics::{autocorrelation, normal_quantile};
use crate::{Error, Result, validate};

/// R̂ of the halves: well above 1 where chains have different means.
///
/// ```
/// use mlnotes::mcmc::diagnostics::{r_hat, r_hat_split};
/// use ndarray::array;
///
/// // Halves (0, 1), (0, 1), (1, 2), (1, 2): W = ½, B = 2 · ⅓, Var⁺ = ¼ + ⅓.
/// let chains = array![[0.0, 1.0, 0.0, 1.0], [1.0, 2.0, 1.0, 2.0]];
/// assert!((r_hat_split(&chains)? - (7.0_f64 / 6.0).sqrt()).abs() < 1e-15);
/// assert!(r_hat(&array![[3.0, 3.0, 3.0, 3.0]])?.is_nan());
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn r_hat_split(draws: &ArrayRef2<f64>) -> Result<f64> {
    Ok(Halves::of(draws)?.map_or(f64::NAN, |halves| halves.r_hat()))
}

/// R̂ of normal scores, of the draws or of their distances |x − median|, whichever is larger: it sees chains that differ in
/// spread as well as in place, and has no need of a variance. Below 1.01 all is well.
pub fn r_hat(draws: &ArrayRef2<f64>) -> Result<f64> {
    Ok(Halves::of(draws)?.map_or(f64::NAN, |halves| halves.scores().r_hat().max(halves.folded().scores().r_hat())))
}

/// m n/τ, τ = 1 + 2 Σ_t ρ_t, with ρ_t = 1 − (W − mean_c γ_c(t))/Var⁺ from the halves' autocovariances γ_c(t).
///
/// The sum ends where a pair ρ_2k + ρ_{2k+1} falls below 0 (Geyer's initial positive sequence), and no pair counts for more
/// than the one before it (initial monotone sequence). It is m n log₁₀(m n) at most: more than m n where draws alternate about
/// the mean.
///
/// Source: Geyer, *Practical Markov chain Monte Carlo*, Statistical Science 7 (1992), section 3.3.
///
/// ```
/// use mlnotes::mcmc::diagnostics::{ess_mean, mcse};
/// use mlnotes::prelude::*;
///
/// let independent: Array2<f64> = RandomState::new(1).normal_array((4, 500));
/// assert!((ess_mean(&independent)? / 2000.0 - 1.0).abs() < 0.1);
/// assert!((mcse(&independent)? - 1.0 / 2000.0_f64.sqrt()).abs() < 0.002);
/// // The same draws, each of them five times.
/// let repeated = Array2::from_shape_fn((4, 2500), |(chain, draw)| independent[[chain, draw / 5]]);
/// assert!((ess_mean(&repeated)? / 2000.0 - 1.0).abs() < 0.1);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn ess_mean(draws: &ArrayRef2<f64>) -> Result<f64> {
    Ok(Halves::of(draws)?.map_or(f64::NAN, |halves| halves.ess()))
}

/// As [`ess_mean`], of the draws' normal scores.
pub fn ess_bulk(draws: &ArrayRef2<f64>) -> Result<f64> {
    Ok(Halves::of(draws)?.map_or(f64::NAN, |halves| halves.scores().ess()))
}

/// As [`ess_mean`], of the indicators x ≤ 5 % quantile and x ≤ 95 % quantile: the smaller one.
pub fn ess_tail(draws: &ArrayRef2<f64>) -> Result<f64> {
    let Some(halves) = Halves::of(draws)? else { return Ok(f64::NAN) };
    let sorted = sorted(draws.iter().copied());
    let ess = |p| {
        let quantile = quantile_of_sorted(&sorted, p);
        halves.map(|x| f64::from(u8::from(x <= quantile))).ess()
    };
    Ok(ess(0.05).min(ess(0.95)))
}

/// sd/√[`ess_mean`]: the Monte Carlo standard error (蒙特卡洛标准误) of the mean.
pub fn mcse(draws: &ArrayRef2<f64>) -> Result<f64> {
    Ok(sd(draws) / ess_mean(draws)?.sqrt())
}

/// The mean, exact for equal entries.
pub(super) fn mean<'a>(x: impl IntoIterator<Item = &'a f64, IntoIter: ExactSizeIterator + Clone>) -> f64 {
    let x = x.into_iter();
    let Some(&first) = x.clone().next() else { return f64::NAN };
    let count = x.len() as f64;
    first + x.map(|x| x - first).sum::<f64>() / count
}

/// Σ (x − x̄)²/(N − 1) under a root, over all chains; NaN for a single draw.
pub(super) fn sd(draws: &ArrayRef2<f64>) -> f64 {
    let mean = mean(draws);
    (draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (draws.len() as f64 - 1.0)).sqrt()
}

pub(super) fn sorted(x: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut x: Vec<f64> = x.collect();
    x.sort_unstable_by(f64::total_cmp);
    x
}

/// Linear between the order statistics, the least at p = 0 and the largest at p = 1.
pub(super) fn quantile_of_sorted(x: &[f64], p: f64) -> f64 {
    let place = p * (x.len() - 1) as f64;
    let below = place as usize;
    let above = (below + 1).min(x.len() - 1);
    x[below] + (place - below as f64) * (x[above] - x[below])
}

/// The chains' halves, one after the other.
struct Halves {
    /// Draws in each.
    length: usize,
    values: Vec<f64>,
}

impl Halves {
    /// `None` where nothing can be said.
    fn of(draws: &ArrayRef2<f64>) -> Result<Option<Self>> {
        if draws.is_empty() {
            return Err(Error::Empty { arg: "draws", remedy: "give one row per chain, one column per draw" });
        }
        validate::finite("draws", draws)?;
        let first = draws[[0, 0]];
        if draws.ncols() < 4 || draws.iter().all(|&x| x == first) {
            return Ok(None);
        }
        let (length, rest) = (draws.ncols() / 2, draws.ncols().div_ceil(2));
        let rows = draws.rows().into_iter();
        let values =
            rows.flat_map(|row| row.iter().take(length).chain(row.iter().skip(rest)).copied().collect::<Vec<_>>());
        Ok(Some(Self { length, values: values.collect() }))
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { length: self.length, values: self.values.iter().map(|&x| f(x)).collect() }
    }

    fn folded(&self) -> Self {
        // There is an even number of them.
        let (sorted, middle) = (sorted(self.values.iter().copied()), self.values.len() / 2);
        let median = f64::midpoint(sorted[middle - 1], sorted[middle]);
        self.map(|x| (x - median).abs())
    }

    /// Φ⁻¹((rank − ⅜)/(N + ¼)).
    fn scores(&self) -> Self {
        let x = &self.values;
        let mut order: Vec<usize> = (0..x.len()).collect();
        order.sort_unstable_by(|&i, &j| x[i].total_cmp(&x[j]));
        let mut scores = vec![0.0; x.len()];
        let mut known = 0;
        for equal in order.chunk_by(|&i, &j| x[i] == x[j]) {
            // The mean of the ranks known + 1 … known + equal.len().
            let rank = known as f64 + (equal.len() as f64 + 1.0) / 2.0;
            known += equal.len();
            let score = normal_quantile((rank - 0.375) / (x.len() as f64 + 0.25));
            equal.iter().for_each(|&i| scores[i] = score);
        }
        Self { length: self.length, values: scores }
    }

    /// W and Var⁺.
    fn variances(&self) -> (f64, f64) {
        let n = self.length as f64;
        let halves = self.values.chunks_exact(self.length);
        let means: Vec<f64> = halves.clone().map(mean).collect();
        let squares: f64 =
            halves.zip(&means).map(|(half, mean)| half.iter().map(|x| (x - mean).powi(2)).sum::<f64>()).sum();
        let m = means.len() as f64;
        let within = squares / (n - 1.0) / m;
        let all = mean(&means);
        let between = means.iter().map(|mean| (mean - all).powi(2)).sum::<f64>() / (m - 1.0);
        (within, within * (n - 1.0) / n + between)
    }

    fn r_hat(&self) -> f64 {
        let (within, total) = self.variances();
        (total / within).sqrt()
    }

    fn ess(&self) -> f64 {
        let (within, total) = self.variances();
        if total == 0.0 {
            return f64::NAN;
        }
        let centred = |half: &[f64]| {
            let mean = mean(half);
            half.iter().map(|x| x - mean).collect()
        };
        let halves = self.values.chunks_exact(2 * self.length).map(|chain| chain.split_at(self.length));
        let pairs: Vec<[Vec<f64>; 2]> = halves.map(|(first, second)| [centred(first), centred(second)]).collect();
        let size = self.values.len() as f64;
        let rho: Vec<f64> = autocorrelation(&pairs, self.length)
            .iter()
            .enumerate()
            .map(|(lag, sum)| if lag == 0 { 1.0 } else { 1.0 - (within - sum / size) / total })
            .collect();
        size / time(&rho).max(1.0 / size.log10())
    }
}

/// τ from the autocorrelations at lags below n.
fn time(rho: &[f64]) -> f64 {
    let (mut sum, mut smallest) = (0.0, f64::INFINITY);
    let (mut even, mut odd, mut lag) = (rho[0], rho[1], 2);
    while lag + 2 < rho.len() && even + odd > 0.0 {
        smallest = (even + odd).min(smallest);
        sum += smallest;
        (even, odd) = (rho[lag], rho[lag + 1]);
        lag += 2;
    }
    // Of the pair that ended it, half: the even lag, where that is no noise.
    let half = if even + odd < 0.0 { even.max(0.0) } else { even };
    2.0 * sum - 1.0 + half
}
