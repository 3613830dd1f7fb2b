//! Small matrices as flat slices, row after row: for loops that must not allocate.

/// C = A B, for B with so many columns.
pub(crate) fn product(a: &[f64], b: &[f64], columns: usize, c: &mut [f64]) {
    let inner = b.len() / columns;
    for (row, c) in a.chunks_exact(inner).zip(c.chunks_exact_mut(columns)) {
        c.fill(0.0);
        for (x, row) in row.iter().zip(b.chunks_exact(columns)) {
            c.iter_mut().zip(row).for_each(|(c, b)| *c += x * b);
        }
    }
}

/// C = A Bᵀ, for A and B with so many columns.
pub(crate) fn product_transposed(a: &[f64], b: &[f64], columns: usize, c: &mut [f64]) {
    let rows = b.len() / columns;
    for (a, c) in a.chunks_exact(columns).zip(c.chunks_exact_mut(rows)) {
        c.iter_mut().zip(b.chunks_exact(columns)).for_each(|(c, b)| *c = dot(a, b));
    }
}

/// Σ a_i b_i, in four lanes: fewer additions wait for one another.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a_fours, a_rest), (b_fours, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    let mut lanes = [0.0; 4];
    for (a, b) in a_fours.iter().zip(b_fours) {
        (0..4).for_each(|lane| lanes[lane] += a[lane] * b[lane]);
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]) + rest
}

/// y = A x + b.
pub(crate) fn affine(a: &[f64], x: &[f64], b: &[f64], y: &mut [f64]) {
    for ((y, row), b) in y.iter_mut().zip(a.chunks_exact(x.len())).zip(b) {
        *y = b + dot(row, x);
    }
}

/// C += A P Aᵀ for a symmetric P (n, n) and A of n columns; what comes is exactly symmetric if C was. `scratch` is as
/// large as A.
pub(crate) fn add_congruent(a: &[f64], p: &[f64], n: usize, scratch: &mut [f64], c: &mut [f64]) {
    product(a, p, n, scratch);
    let rows = a.len() / n;
    for (i, ap) in scratch.chunks_exact(n).enumerate() {
        for (j, a) in a.chunks_exact(n).enumerate().take(i + 1) {
            let entry = dot(ap, a);
            c[i * rows + j] += entry;
            if i > j {
                c[j * rows + i] += entry;
            }
        }
    }
}

/// Puts L of A = L Lᵀ into the lower triangle of A (n, n); `false` where A is not positive definite, NaN included.
pub(crate) fn cholesky(a: &mut [f64], n: usize) -> bool {
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..][..=j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let rest = row[i] - dot(&row[..i], &row[..i]);
        if !(rest > 0.0 && rest.is_finite()) {
            return false;
        }
        row[i] = rest.sqrt();
    }
    true
}

/// x with L x = b for the lower triangle L of a matrix with rows of length n, in place.
pub(crate) fn solve_lower(l: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..b.len() {
        let row = &l[i * n..][..=i];
        b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
    }
}

/// x with Lᵀ x = b, in place.
pub(crate) fn solve_lower_transposed(l: &[f64], n: usize, b: &mut [f64]) {
    for i in (0..b.len()).rev() {
        let known: f64 = (i + 1..b.len()).map(|k| l[k * n + i] * b[k]).sum();
        b[i] = (b[i] - known) / l[i * n + i];
    }
}

/// X with A X = B for any invertible A (n, n) and B with n rows, in place of B, by elimination with row exchanges; A is
/// used up. `false` where A is singular.
pub(crate) fn solve_general(a: &mut [f64], n: usize, b: &mut [f64]) -> bool {
    let columns = b.len() / n;
    for k in 0..n {
        let size = |i: &usize| a[i * n + k].abs();
        let pivot = (k..n).max_by(|i, j| size(i).total_cmp(&size(j))).unwrap_or(k);
        if !(size(&pivot) > 0.0 && size(&pivot).is_finite()) {
            return false;
        }
        (0..n).for_each(|j| a.swap(k * n + j, pivot * n + j));
        (0..columns).for_each(|j| b.swap(k * columns + j, pivot * columns + j));
        for i in k + 1..n {
            let factor = a[i * n + k] / a[k * n + k];
            (k..n).for_each(|j| a[i * n + j] -= factor * a[k * n + j]);
            (0..columns).for_each(|j| b[i * columns + j] -= factor * b[k * columns + j]);
        }
    }
    for i in (0..n).rev() {
        for j in 0..columns {
            let known: f64 = (i + 1..n).map(|k| a[i * n + k] * b[k * columns + j]).sum();
            b[i * columns + j] = (b[i * columns + j] - known) / a[i * n + i];
        }
    }
    true
}

/// Turns A with so many columns into \[L 0\] = A Θ, L lower triangular with no negative diagonal, Θ orthogonal:
/// Householder's reflections from the right. A Aᵀ = L Lᵀ, which is never formed.
///
/// Source: Golub and Van Loan, *Matrix Computations*, 4th edition, section 5.2.
pub(crate) fn triangularise(a: &mut [f64], columns: usize) {
    let rows = a.len() / columns;
    for i in 0..rows.min(columns) {
        let (row, below) = a[i * columns..].split_at_mut(columns);
        let x = &mut row[i..];
        // Scaled, so that squares neither overflow nor underflow.
        let scale = x.iter().fold(0.0, |s: f64, x| s.max(x.abs()));
        if scale == 0.0 {
            continue;
        }
        let norm = scale * x.iter().map(|x| (x / scale).powi(2)).sum::<f64>().sqrt();
        let beta = if x[0] > 0.0 { -norm } else { norm };
        // u = x − β e₁ without cancellation; I − u uᵀ / (−β u₁) maps x to β e₁.
        x[0] -= beta;
        let half_square = -beta * x[0];
        for other in below.chunks_exact_mut(columns) {
            let other = &mut other[i..];
            let factor = dot(x, other) / half_square;
            other.iter_mut().zip(x.iter()).for_each(|(other, u)| *other -= factor * u);
        }
        x.fill(0.0);
        x[0] = beta;
        if beta < 0.0 {
            a[i * columns..].iter_mut().skip(i).step_by(columns).for_each(|entry| *entry = -*entry);
        }
    }
}
