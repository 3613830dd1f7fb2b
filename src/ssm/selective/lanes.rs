//! Sixteen or eight channels at a time: arithmetic on arrays that compilers turn into vector instructions.
//!
//! Everything here is inlined into functions that [`multiversion`] compiles for several processors. `FUSED` says whether the
//! processor multiplies and adds in one instruction; without one, `mul_add` would be a function call.

use super::element::Real;
use super::element::sealed::RealNumbers;

/// As many channels as are worked on at once: 64 bytes, one cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub struct Lanes<T, const W: usize>(pub(super) [T; W]);

impl<T: Lane, const W: usize> Lanes<T, W> {
    pub(super) const ZERO: Self = Self([T::ZERO; W]);

    #[inline(always)]
    pub(super) fn splat(value: T) -> Self {
        Self([value; W])
    }

    #[inline(always)]
    pub(super) fn map(self, f: impl Fn(T) -> T) -> Self {
        let mut out = self;
        for i in 0..W {
            out.0[i] = f(self.0[i]);
        }
        out
    }

    #[inline(always)]
    pub(super) fn zip(self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        let mut out = self;
        for i in 0..W {
            out.0[i] = f(self.0[i], other.0[i]);
        }
        out
    }

    #[inline(always)]
    pub(super) fn times(self, other: Self) -> Self {
        self.zip(other, |x, y| x * y)
    }

    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Self {
        self.zip(other, |x, y| x + y)
    }

    /// x y + z.
    #[inline(always)]
    pub(super) fn fma<const FUSED: bool>(self, y: Self, z: Self) -> Self {
        let mut out = self;
        for i in 0..W {
            out.0[i] = T::fma::<FUSED>(self.0[i], y.0[i], z.0[i]);
        }
        out
    }

    /// From the beginning of a slice; zeros where it ends early. Not for inner loops: see [`blocks`].
    #[inline(always)]
    pub(super) fn load(values: &[T]) -> Self {
        let mut out = Self::ZERO;
        let length = values.len().min(W);
        out.0[..length].copy_from_slice(&values[..length]);
        out
    }

    /// To the beginning of a slice, or as much as it holds.
    #[inline(always)]
    pub(super) fn store(&self, values: &mut [T]) {
        let length = values.len().min(W);
        values[..length].copy_from_slice(&self.0[..length]);
    }

    /// 2^(x y) for products of 0 or below; 0 below the smallest normal number, NaN for NaN.
    #[inline(always)]
    pub(super) fn exp2_of<const FUSED: bool>(self, y: Self) -> Self {
        self.zip(y, T::exp2_of::<FUSED>)
    }

    /// exp(−|x|), which softplus and its slope are made of.
    #[inline(always)]
    pub(super) fn fade<const FUSED: bool>(self) -> Self {
        self.map(|x| T::exp2_of::<FUSED>(x.abs(), T::ZERO - T::LOG2_E))
    }

    /// log(1 + exp(x)), from [`fade`](Self::fade).
    #[inline(always)]
    pub(super) fn soft_plus<const FUSED: bool>(self, fade: Self) -> Self {
        let above = self.map(|x| if x < T::ZERO { T::ZERO } else { x });
        above.plus(fade.map(T::ln_1p::<FUSED>))
    }

    /// σ(x), the slope of softplus, from [`fade`](Self::fade).
    #[inline(always)]
    pub(super) fn sigma(self, fade: Self) -> Self {
        self.zip(fade, |x, fade| if x < T::ZERO { fade } else { T::ONE }.over(T::ONE + fade))
    }

    /// The first lane's sum of all, each half added to the other until one number is left.
    #[inline(always)]
    pub(super) fn sum(self) -> T {
        let mut sums = self;
        let mut distance = W / 2;
        while distance > 0 {
            let mut moved = sums;
            for i in 0..W {
                moved.0[i] = sums.0[i ^ distance];
            }
            sums = sums.plus(moved);
            distance /= 2;
        }
        sums.0[0]
    }

    /// Takes note of numbers that are NaN or infinite: the lane is NaN from then on, and 0 before.
    #[inline(always)]
    pub(super) fn watch<const FUSED: bool>(&mut self, values: Self) {
        *self = values.fma::<FUSED>(Self::ZERO, *self);
    }

    /// Whether none was.
    #[inline(always)]
    pub(super) fn saw_none(self) -> bool {
        // As a whole, through memory: compilers that see single lanes used keep them single in the loops before, too.
        std::hint::black_box(self).0.iter().all(|noted| noted.is_finite())
    }
}

/// A row that is whole blocks of W channels, as blocks; a row that does not fill one, as one that is padded with zeros in
/// `room`. A longer row that ends within a block is cut in two beforehand.
///
/// Loading part of a block is a call of memcpy, and around a call in a loop all vectors are kept in memory instead of
/// registers: so loops over blocks see whole ones only.
#[inline(always)]
pub(super) fn blocks<'a, T: Lane, const W: usize>(row: &'a [T], room: &'a mut [[T; W]; 1]) -> &'a [[T; W]] {
    debug_assert!(row.len() < W || row.len().is_multiple_of(W));
    if (1..W).contains(&row.len()) {
        room[0] = Lanes::load(row).0;
        return room;
    }
    row.as_chunks().0
}

/// The same to write to; [`leave`] then brings to the row what was written to `room`.
#[inline(always)]
pub(super) fn blocks_mut<'a, T, const W: usize>(row: &'a mut [T], room: &'a mut [[T; W]; 1]) -> &'a mut [[T; W]] {
    if (1..W).contains(&row.len()) { room } else { row.as_chunks_mut().0 }
}

#[inline(always)]
pub(super) fn leave<T: Lane, const W: usize>(row: &mut [T], [block]: [[T; W]; 1]) {
    if row.len() < W {
        Lanes(block).store(row);
    }
}

/// One lane's arithmetic.
pub trait Lane: Real + RealNumbers {
    /// log₂ e.
    const LOG2_E: Self;
    /// log 2.
    const LN_2: Self;
    const NAN: Self;
    fn fma<const FUSED: bool>(x: Self, y: Self, z: Self) -> Self;

    /// 2^(x y), as [`Lanes::exp2_of`].
    fn exp2_of<const FUSED: bool>(x: Self, y: Self) -> Self;

    /// log(1 + x) for 0 ≤ x ≤ 1.
    fn ln_1p<const FUSED: bool>(x: Self) -> Self;

    fn abs(self) -> Self;

    fn over(self, by: Self) -> Self;
}

macro_rules! lane {
    ($real:ident, mantissa $mantissa:literal, least $least:literal, $exp2:expr, $ln_1p:expr) => {
        impl Lane for $real {
            const LOG2_E: Self = std::$real::consts::LOG2_E;
            const LN_2: Self = std::$real::consts::LN_2;
            const NAN: Self = $real::NAN;

            #[inline(always)]
            fn fma<const FUSED: bool>(x: Self, y: Self, z: Self) -> Self {
                if FUSED { x.mul_add(y, z) } else { x * y + z }
            }

            #[inline(always)]
            fn exp2_of<const FUSED: bool>(x: Self, y: Self) -> Self {
                // Added, it leaves the nearest integer in the lowest bits.
                const SHIFT: $real = 1.5 * (1_u64 << $mantissa) as $real;
                const TERMS: &[$real] = $exp2;
                let shifted = Self::fma::<FUSED>(x, y, SHIFT);
                let rest = Self::fma::<FUSED>(x, y, SHIFT - shifted);
                let mut power = TERMS[0];
                let mut i = 1;
                while i < TERMS.len() {
                    power = Self::fma::<FUSED>(power, rest, TERMS[i]);
                    i += 1;
                }
                // In this order NaN stays NaN.
                let scaled = power.to_bits().wrapping_add(shifted.to_bits() << $mantissa);
                $real::from_bits(if shifted < SHIFT + $least { 0 } else { scaled })
            }

            #[inline(always)]
            fn ln_1p<const FUSED: bool>(x: Self) -> Self {
                $ln_1p(x, Self::fma::<FUSED>)
            }

            #[inline(always)]
            fn abs(self) -> Self {
                $real::abs(self)
            }

            #[inline(always)]
            fn over(self, by: Self) -> Self {
                self / by
            }
        }
    };
}

lane!(f32, mantissa 23, least -126.0, &LEAST_ERROR, ln_1p_f32);
lane!(f64, mantissa 52, least -1022.0, &TAYLOR, ln_1p_f64);

/// x times a polynomial.
#[inline(always)]
fn ln_1p_f32(x: f32, fma: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut sum = LN_1P[0];
    for &term in &LN_1P[1..] {
        sum = fma(sum, x, term);
    }
    x * sum
}

/// log(1 + x) = 2 artanh(s), s = x / (2 + x) ≤ ⅓, by artanh's series.
#[inline(always)]
fn ln_1p_f64(x: f64, fma: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let s = x / (2.0 + x);
    let mut sum = 1.0 / 33.0;
    for k in (0..16).rev() {
        sum = fma(sum, s * s, 1.0 / f64::from(2 * k + 1));
    }
    2.0 * s * sum
}

/// log(1 + x) / x for 0 ≤ x ≤ 1, the highest power first, found as [`LEAST_ERROR`]: its relative error is 3.3e-8.
const LN_1P: [f32; 9] = [
    0.005_364_375,
    -0.030_064_005,
    0.079_201_65,
    -0.137_535_63,
    0.191_535_46,
    -0.248_571_38,
    0.333_213_2,
    -0.499_996_48,
    1.0,
];

/// 2^r for |r| ≤ ½, the highest power first: among the polynomials whose last coefficient is exactly 1, so that no decay
/// close to 1 drifts, the one of least relative error, 9.1e-8, found by linear programming.
#[allow(clippy::approx_constant)]
const LEAST_ERROR: [f32; 6] = [0.001_326_470_2, 0.009_671_514, 0.055_507_34, 0.240_222_42, 0.693_147, 1.0];

/// The same by its series, (log 2)^k / k! for k = 13 … 0, whose rest is below 1e-17.
const TAYLOR: [f64; 14] = {
    let mut terms = [1.0; 14];
    let mut k = 1;
    while k < 14 {
        terms[13 - k] = terms[14 - k] * std::f64::consts::LN_2 / k as f64;
        k += 1;
    }
    terms
};
