//! What happens entry by entry between the products of matrices: each function one pass over memory.
//!
//! All are inlined into what is compiled for several processors; `FUSED` as in the scan.

use crate::nn::norm::EPSILON;
use crate::nn::slices::Number;
use crate::random::Philox;
use crate::ssm::selective::lanes::Lane;

/// f32 and f64.
pub(super) trait Entry: Number + Lane {}
impl Entry for f32 {}
impl Entry for f64 {}

/// Sums have so many parts, side by side in vectors.
const PARTS: usize = 16;

/// Σ over i < length of f(i), in [`PARTS`] parts.
#[inline(always)]
fn sum<T: Entry>(length: usize, f: impl Fn(usize) -> T) -> T {
    let mut parts = [T::zero(); PARTS];
    for block in 0..length / PARTS {
        for (i, part) in parts.iter_mut().enumerate() {
            *part += f(block * PARTS + i);
        }
    }
    for i in length / PARTS * PARTS..length {
        parts[i % PARTS] += f(i);
    }
    let mut width = PARTS;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            let other = parts[i + width];
            parts[i] += other;
        }
    }
    parts[0]
}

/// σ(p).
#[inline(always)]
fn sigma<T: Entry, const FUSED: bool>(p: T) -> T {
    let fade = T::exp2_of::<FUSED>(Lane::abs(p), T::zero() - T::LOG2_E);
    (if p < T::zero() { fade } else { T::one() }) / (T::one() + fade)
}

/// SiLU′(p) = σ(p) (1 + p (1 − σ(p))).
#[inline(always)]
fn silu_slope<T: Entry, const FUSED: bool>(p: T) -> T {
    let sigma = sigma::<T, FUSED>(p);
    sigma * (T::one() + p * (T::one() - sigma))
}

/// n = u · scale ⊙ w, scale = 1 / √(mean of u² + ε).
#[inline(always)]
pub(super) fn normalise<T: Entry, const FUSED: bool>(u: &[T], w: &[T], n: &mut [T], scales: &mut [T]) {
    for ((u, n), to) in u.chunks_exact(w.len()).zip(n.chunks_exact_mut(w.len())).zip(scales) {
        let scale = of_squares(sum(u.len(), |i| u[i] * u[i]), u.len());
        for ((n, &u), &w) in n.iter_mut().zip(u).zip(w) {
            *n = u * scale * w;
        }
        *to = scale;
    }
}

#[inline(always)]
fn of_squares<T: Entry>(squares: T, count: usize) -> T {
    (squares / T::from_f64(count as f64) + T::from_f64(EPSILON)).rsqrt()
}

/// `du` + scale (w dn − û · mean of (w dn û)), û = u · scale; `dw` + Σ dn û.
#[inline(always)]
pub(super) fn normalise_back<T: Entry, const FUSED: bool>(
    (dn, u, w, scales): (&[T], &[T], &[T], &[T]),
    du: &mut [T],
    dw: &mut [T],
) {
    let width = w.len();
    let rows = dn.chunks_exact(width).zip(u.chunks_exact(width)).zip(scales).zip(du.chunks_exact_mut(width));
    for (((dn, u), &scale), du) in rows {
        let mean = sum(width, |i| w[i] * dn[i] * u[i]) * scale / T::from_f64(width as f64);
        for i in 0..width {
            let unit = u[i] * scale;
            dw[i] += dn[i] * unit;
            du[i] += scale * (w[i] * dn[i] - unit * mean);
        }
    }
}

/// Rows of (x, z), each `width` wide: the bias is added, and x ← SiLU of the first half.
#[inline(always)]
pub(super) fn activate<T: Entry, const FUSED: bool>(both: &mut [T], bias: &[T], x: &mut [T]) {
    let width = bias.len() / 2;
    for (both, x) in both.chunks_exact_mut(2 * width).zip(x.chunks_exact_mut(width)) {
        for (both, &bias) in both.iter_mut().zip(bias) {
            *both += bias;
        }
        for (x, &p) in x.iter_mut().zip(&both[..width]) {
            *x = p * sigma::<T, FUSED>(p);
        }
    }
}

/// g = (y + D ⊙ x) ⊙ SiLU(z); D are the last columns of `read`.
#[inline(always)]
pub(super) fn gate<T: Entry, const FUSED: bool>(
    (y, x, both, read): (&[T], &[T], &[T], &[T]),
    (width, columns): (usize, usize),
    g: &mut [T],
) {
    let rows = y.chunks_exact(width).zip(x.chunks_exact(width)).zip(both.chunks_exact(2 * width));
    for ((((y, x), both), read), g) in rows.zip(read.chunks_exact(columns)).zip(g.chunks_exact_mut(width)) {
        let (z, d) = (&both[width..], &read[columns - width..]);
        for i in 0..width {
            g[i] = (y[i] + d[i] * x[i]) * z[i] * sigma::<T, FUSED>(z[i]);
        }
    }
}

/// Back from `dg`, which becomes the slope by y: those by z before SiLU, by D, and by x as far as it goes through D.
#[inline(always)]
pub(super) fn gate_back<T: Entry, const FUSED: bool>(
    (y, x, both, read): (&[T], &[T], &[T], &[T]),
    (width, columns): (usize, usize),
    dg: &mut [T],
    (dboth, dread, dx): (&mut [T], &mut [T], &mut [T]),
) {
    let rows = y.chunks_exact(width).zip(x.chunks_exact(width)).zip(both.chunks_exact(2 * width));
    let slopes = dboth.chunks_exact_mut(2 * width).zip(dread.chunks_exact_mut(columns)).zip(dx.chunks_exact_mut(width));
    let rows = rows.zip(read.chunks_exact(columns)).zip(slopes).zip(dg.chunks_exact_mut(width));
    for (((((y, x), both), read), ((dboth, dread), dx)), dg) in rows {
        let (z, d) = (&both[width..], &read[columns - width..]);
        let (dz, dd) = (&mut dboth[width..], &mut dread[columns - width..]);
        for i in 0..width {
            let sigma = sigma::<T, FUSED>(z[i]);
            let dy = dg[i] * z[i] * sigma;
            dz[i] = dg[i] * (y[i] + d[i] * x[i]) * sigma * (T::one() + z[i] * (T::one() - sigma));
            dd[i] = dy * x[i];
            dx[i] = dy * d[i];
            dg[i] = dy;
        }
    }
}

/// The slope by x before SiLU, into the first half of `dboth`; x was reached through D, the scan and its projections.
#[inline(always)]
pub(super) fn activate_back<T: Entry, const FUSED: bool>(
    both: &[T],
    (through_d, through_scan): (&[T], &[T]),
    width: usize,
    dboth: &mut [T],
) {
    let slopes = through_d.chunks_exact(width).zip(through_scan.chunks_exact(width));
    for ((both, (d, scan)), dboth) in both.chunks_exact(2 * width).zip(slopes).zip(dboth.chunks_exact_mut(2 * width)) {
        for i in 0..width {
            dboth[i] = (d[i] + scan[i]) * silu_slope::<T, FUSED>(both[i]);
        }
    }
}

/// The bias added to each row.
#[inline(always)]
pub(super) fn add_bias<T: Entry>(rows: &mut [T], bias: &[T]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        for (entry, &bias) in row.iter_mut().zip(bias) {
            *entry += bias;
        }
    }
}

/// `sums` + the rows.
#[inline(always)]
pub(super) fn add_rows<T: Entry>(rows: &[T], sums: &mut [T]) {
    for row in rows.chunks_exact(sums.len()) {
        for (sum, &entry) in sums.iter_mut().zip(row) {
            *sum += entry;
        }
    }
}

/// Mean and maximum of each row, and where it stands first.
#[inline(always)]
pub(super) fn pool<T: Entry>(h: &[T], width: usize, (means, maxima, places): (&mut [T], &mut [T], &mut [usize])) {
    for (((h, mean), maximum), place) in h.chunks_exact(width).zip(means).zip(maxima).zip(places) {
        *mean = sum(width, |i| h[i]) / T::from_f64(width as f64);
        let mut parts = [h[0]; PARTS];
        for some in h.chunks(PARTS) {
            for (part, &h) in parts.iter_mut().zip(some) {
                *part = if h > *part { h } else { *part };
            }
        }
        *maximum = parts.iter().fold(h[0], |most, &part| if part > most { part } else { most });
        *place = h.iter().position(|h| h == maximum).unwrap_or(0);
    }
}

/// Back through [`pool`]: `dh` + the slopes.
#[inline(always)]
pub(super) fn pool_back<T: Entry>((dmeans, dmaxima, places): (&[T], &[T], &[usize]), width: usize, dh: &mut [T]) {
    for (((dh, &dmean), &dmaximum), &place) in dh.chunks_exact_mut(width).zip(dmeans).zip(dmaxima).zip(places) {
        let each = dmean / T::from_f64(width as f64);
        dh.iter_mut().for_each(|dh| *dh += each);
        dh[place] += dmaximum;
    }
}

/// Scales and shifts of rows.
type Gates<'a, T> = (&'a [T], &'a [T]);

/// next = u + mask ⊙ (scale h + shift), with a scale and a shift for each row.
#[inline(always)]
pub(super) fn residual<T: Entry>(
    (u, h): (&[T], &[T]),
    (gates, mask): (Option<Gates<'_, T>>, Option<&[T]>),
    width: usize,
    next: &mut [T],
) {
    for (row, next) in next.chunks_exact_mut(width).enumerate() {
        let of = |rows| row_of(rows, row, width);
        let (u, h) = (of(u), of(h));
        let (scale, shift) = gates.map_or((T::one(), T::zero()), |(scales, shifts)| (scales[row], shifts[row]));
        match mask.map(of) {
            Some(mask) => (0..width).for_each(|i| next[i] = u[i] + mask[i] * (scale * h[i] + shift)),
            None => (0..width).for_each(|i| next[i] = u[i] + (scale * h[i] + shift)),
        }
    }
}

#[inline(always)]
fn row_of<T>(rows: &[T], row: usize, width: usize) -> &[T] {
    &rows[row * width..][..width]
}

/// Back through [`residual`]: by h, and where there are gates by each row's scale and shift.
#[inline(always)]
pub(super) fn residual_back<T: Entry>(
    (du, h, mask): (&[T], &[T], Option<&[T]>),
    gates: Option<(&[T], &mut [T], &mut [T])>,
    width: usize,
    dh: &mut [T],
) {
    match mask {
        Some(mask) => dh.iter_mut().zip(du).zip(mask).for_each(|((dh, &du), &mask)| *dh = du * mask),
        None => dh.copy_from_slice(du),
    }
    let Some((scales, dscales, dshifts)) = gates else { return };
    for (row, dh) in dh.chunks_exact_mut(width).enumerate() {
        let h = row_of(h, row, width);
        dscales[row] = sum(width, |i| dh[i] * h[i]);
        dshifts[row] = sum(width, |i| dh[i]);
        dh.iter_mut().for_each(|dh| *dh *= scales[row]);
    }
}

/// What dropout multiplies by: 0 for a share of the entries, 1 / (1 − share) for the rest; numbers `from` and after.
#[inline(always)]
pub(super) fn draw_mask<T: Entry>(stream: Philox, from: usize, share: f64, mask: &mut [T]) {
    let kept = T::from_f64(1.0 / (1.0 - share));
    let mut numbers = [0.0; 256];
    for (block, mask) in mask.chunks_mut(numbers.len()).enumerate() {
        let numbers = &mut numbers[..mask.len()];
        stream.uniform(from + block * 256, numbers);
        for (mask, &number) in mask.iter_mut().zip(&*numbers) {
            *mask = if f64::from(number) < share { T::zero() } else { kept };
        }
    }
}

/// So many numbers at a time are computed side by side, and then go to places that are apart.
const ASIDE: usize = 64;

/// SiLU(u), (sequences, patches, width) to (sequences, width, patches).
#[inline(always)]
pub(super) fn features<T: Entry, const FUSED: bool>(u: &[T], (patches, width): (usize, usize), features: &mut [T]) {
    for (u, features) in u.chunks_exact(patches * width).zip(features.chunks_exact_mut(patches * width)) {
        for (patch, u) in u.chunks_exact(width).enumerate() {
            for (block, u) in u.chunks(ASIDE).enumerate() {
                let mut aside = [T::zero(); ASIDE];
                aside.iter_mut().zip(u).for_each(|(aside, &u)| *aside = u * sigma::<T, FUSED>(u));
                for (i, &value) in aside[..u.len()].iter().enumerate() {
                    features[(block * ASIDE + i) * patches + patch] = value;
                }
            }
        }
    }
}

/// Back through [`features`].
#[inline(always)]
pub(super) fn features_back<T: Entry, const FUSED: bool>(
    (u, dfeatures): (&[T], &[T]),
    (patches, width): (usize, usize),
    du: &mut [T],
) {
    let sequences = u.chunks_exact(patches * width).zip(dfeatures.chunks_exact(patches * width));
    for ((u, dfeatures), du) in sequences.zip(du.chunks_exact_mut(patches * width)) {
        for (patch, (u, du)) in u.chunks_exact(width).zip(du.chunks_exact_mut(width)).enumerate() {
            for (block, (u, du)) in u.chunks(ASIDE).zip(du.chunks_mut(ASIDE)).enumerate() {
                let mut aside = [T::zero(); ASIDE];
                for (i, aside) in aside[..u.len()].iter_mut().enumerate() {
                    *aside = dfeatures[(block * ASIDE + i) * patches + patch];
                }
                for ((du, &u), &slope) in du.iter_mut().zip(u).zip(&aside) {
                    *du = slope * silu_slope::<T, FUSED>(u);
                }
            }
        }
    }
}
