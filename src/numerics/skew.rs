//! The eigenvectors of a real skew-symmetric matrix.

use ndarray::{Array1, Array2, ArrayRef2};
use rustfft::num_complex::Complex;

/// S = V diag(i ω) V* for a real S with Sᵀ = −S: its eigenvalues lie on the imaginary axis in pairs ±i ω, and those of
/// −i ω are the conjugates of those of i ω. V is unitary.
///
/// In real arithmetic: Householder's reflections turn S into a tridiagonal T = Qᵀ S Q with entries ±t_k beside a diagonal
/// of 0. With D = diag(iᵏ), D* T D = −i J for the symmetric J with entries t_k, so J = W diag(μ) Wᵀ, by the QL iteration,
/// gives V = Q D W and ω = −μ.
///
/// Source: Ward and Gray, *Eigensystem computation for skew-symmetric matrices*, ACM Transactions on Mathematical Software
/// 4 (1978); Golub and Van Loan, *Matrix Computations*, 4th edition, sections 5.1 and 8.3.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SkewEigen {
    /// ω, downwards; ω_{N−1−j} = −ω_j.
    pub(crate) frequencies: Array1<f64>,
    /// V, a column per ω; column N−1−j is the conjugate of column j.
    pub(crate) vectors: Array2<Complex<f64>>,
}

impl SkewEigen {
    /// From the lower triangle of S; `None` where the iteration does not end, NaN included, and where more than one
    /// eigenvalue (for an even N, where any) is 0, whose eigenvectors are no pairs.
    pub(crate) fn new(s: &ArrayRef2<f64>) -> Option<Self> {
        let n = s.nrows();
        let mut matrix = Array2::from_shape_fn((n, n), |(i, j)| match i.cmp(&j) {
            std::cmp::Ordering::Less => -s[[j, i]],
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => s[[i, j]],
        });
        let mut q = Array2::eye(n);
        for k in 0..n.saturating_sub(2) {
            reflect(&mut matrix, &mut q, k);
        }
        let beside: Vec<f64> = (1..n).map(|k| matrix[[k, k - 1]]).collect();
        // Rows of w are the eigenvectors of J.
        let (mu, w) = tridiagonal(beside)?;
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| mu[i].total_cmp(&mu[j]));
        // Q D W: even entries of w take part in the real part, odd ones in the imaginary part.
        let part = |odd: usize| {
            let mut turned = w.clone();
            for (k, mut column) in turned.columns_mut().into_iter().enumerate() {
                let sign = if k % 4 < 2 { 1.0 } else { -1.0 };
                column *= if k % 2 == odd { sign } else { 0.0 };
            }
            q.dot(&turned.t())
        };
        let (re, im) = (part(0), part(1));
        let mut frequencies = Array1::zeros(n);
        let mut vectors = Array2::zeros((n, n));
        // One of each pair is computed, the other its mirror image.
        for j in 0..n.div_ceil(2) {
            let mirror = n - 1 - j;
            frequencies[j] = 0.5 * (mu[order[mirror]] - mu[order[j]]);
            frequencies[mirror] = -frequencies[j];
            for i in 0..n {
                let v = Complex::new(re[[i, order[j]]], im[[i, order[j]]]);
                vectors[[i, mirror]] = v.conj();
                vectors[[i, j]] = v;
            }
        }
        let smallest = n as f64 * f64::EPSILON * frequencies.first().copied().unwrap_or_default();
        frequencies.iter().take(n / 2).all(|&frequency| frequency > smallest).then_some(Self { frequencies, vectors })
    }
}

/// Column k of S, below its first subdiagonal entry, made 0: S ← H S H, Q ← Q H, H = I − τ v vᵀ.
fn reflect(s: &mut Array2<f64>, q: &mut Array2<f64>, k: usize) {
    let n = s.nrows();
    let mut v: Vec<f64> = (k + 1..n).map(|i| s[[i, k]]).collect();
    let scale = v.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    if scale == 0.0 {
        return;
    }
    let norm = scale * v.iter().map(|x| (x / scale).powi(2)).sum::<f64>().sqrt();
    v[0] += norm.copysign(v[0]);
    let tau = 1.0 / (norm * v[0].abs());
    let first = k + 1;
    // vᵀ S v = 0, so H S H = S + v pᵀ − p vᵀ with p = τ S v.
    let p: Vec<f64> = (k..n).map(|i| tau * (first..n).map(|j| s[[i, j]] * v[j - first]).sum::<f64>()).collect();
    for i in first..n {
        for j in first..n {
            s[[i, j]] += v[i - first] * p[j - k] - p[i - k] * v[j - first];
        }
        let entry = s[[i, k]] + v[i - first] * p[0];
        s[[i, k]] = entry;
        s[[k, i]] = -entry;
    }
    for mut row in q.rows_mut() {
        let share = tau * (first..n).map(|j| row[j] * v[j - first]).sum::<f64>();
        (first..n).for_each(|j| row[j] -= share * v[j - first]);
    }
}

/// μ and, as rows, the eigenvectors of the symmetric matrix with 0 on the diagonal and `beside` next to it: QL with
/// Wilkinson's shift, each rotation on two rows.
fn tridiagonal(beside: Vec<f64>) -> Option<(Vec<f64>, Array2<f64>)> {
    let n = beside.len() + 1;
    let (mut d, mut e) = (vec![0.0_f64; n], beside);
    e.push(0.0);
    let mut w = Array2::<f64>::eye(n);
    let largest = e.iter().fold(0.0, |m: f64, x| if x.is_nan() { f64::INFINITY } else { m.max(x.abs()) });
    if !largest.is_finite() {
        return None;
    }
    for l in 0..n {
        let mut sweeps = 0;
        loop {
            let negligible = |m: &usize| {
                let neighbours = d[*m].abs() + d[*m + 1].abs();
                // Beside a diagonal of 0 nothing is small but what rounding to the matrix's size leaves.
                e[*m].abs() <= f64::EPSILON * neighbours.max(f64::EPSILON * largest)
            };
            let m = (l..n - 1).find(negligible).unwrap_or(n - 1);
            if m == l {
                break;
            }
            sweeps += 1;
            if sweeps > SWEEPS {
                return None;
            }
            sweep(&mut d, &mut e, &mut w, l, m);
        }
    }
    Some((d, w))
}

/// Far more than ever needed: two or three an eigenvalue are usual.
const SWEEPS: usize = 60;

/// One QL step on rows l to m.
fn sweep(d: &mut [f64], e: &mut [f64], w: &mut Array2<f64>, l: usize, m: usize) {
    let half = (d[l + 1] - d[l]) / (2.0 * e[l]);
    let mut g = d[m] - d[l] + e[l] / (half + libm::hypot(half, 1.0).copysign(half));
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for i in (l..m).rev() {
        let (f, b) = (s * e[i], c * e[i]);
        let r = libm::hypot(f, g);
        e[i + 1] = r;
        if r == 0.0 {
            d[i + 1] -= p;
            e[m] = 0.0;
            return;
        }
        (s, c) = (f / r, g / r);
        g = d[i + 1] - p;
        let twist = (d[i] - g) * s + 2.0 * c * b;
        p = s * twist;
        d[i + 1] = g + p;
        g = c * twist - b;
        let (upper, lower) = w.multi_slice_mut((ndarray::s![i, ..], ndarray::s![i + 1, ..]));
        ndarray::Zip::from(upper).and(lower).for_each(|x, y| (*x, *y) = (c * *x - s * *y, s * *x + c * *y));
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0.0;
}
