//! Sixteen or eight channels at a time: arithmetic on arrays that compilers turn into vector instructions.
//!
//! Everything here is inlined into functions that [`multiversion`] compiles for several processors. `FUSED` says whether the
//! processor multiplies and adds in one instruction; without one, `mul_add` would be a function call.

use super::element::Real;
use super::element::sealed::RealNumbers;

/// As many channels as are worked on at once: 64 bytes, one cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Lanes<T, const W: usize>(pub(super) [T; W]);

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

    /// From the beginning of a slice; zeros where it ends early.
    #[inline(always)]
    pub(super) fn load(values: &[T]) -> Self {
        match values.first_chunk() {
            Some(whole) => Self(*whole),
            None => {
                let mut out = Self::ZERO;
                out.0[..values.len()].copy_from_slice(values);
                out
            }
        }
    }

    /// To the beginning of a slice, or as much as it holds.
    #[inline(always)]
    pub(super) fn store(&self, values: &mut [T]) {
        match values.first_chunk_mut() {
            Some(whole) => *whole = self.0,
            None => {
                let length = values.len();
                values.copy_from_slice(&self.0[..length]);
            }
        }
    }

    /// Halves added until one number is left.
    #[inline(always)]
    pub(super) fn sum(mut self) -> T {
        let mut width = W / 2;
        while width > 0 {
            for i in 0..width {
                self.0[i] += self.0[i + width];
            }
            width /= 2;
        }
        self.0[0]
    }

    /// Takes note of numbers that are NaN or infinite: the lane is NaN from then on, and 0 before.
    #[inline(always)]
    pub(super) fn watch(&mut self, values: Self) {
        *self = self.zip(values, |noted, value| noted + value * T::ZERO);
    }

    /// Whether none was.
    #[inline(always)]
    pub(super) fn saw_none(self) -> bool {
        self.0.iter().all(|noted| noted.is_finite())
    }
}

/// One lane's arithmetic.
pub(super) trait Lane: Real + RealNumbers {
    /// log₂ e.
    const LOG2_E: Self;
    /// log 2.
    const LN_2: Self;
    const NAN: Self;

    fn fma<const FUSED: bool>(x: Self, y: Self, z: Self) -> Self;

    /// 2^x for x ≤ 0; 0 below the smallest normal number, NaN for NaN.
    fn exp2<const FUSED: bool>(x: Self) -> Self;

    /// log(1 + x) for 0 ≤ x ≤ 1.
    fn ln_1p<const FUSED: bool>(x: Self) -> Self;

    fn abs(self) -> Self;

    fn over(self, by: Self) -> Self;

    /// log(1 + exp(x)).
    #[inline(always)]
    fn soft_plus<const FUSED: bool>(self) -> Self {
        let e = Self::exp2::<FUSED>((Self::ZERO - self.abs()) * Self::LOG2_E);
        let above = if self < Self::ZERO { Self::ZERO } else { self };
        above + Self::ln_1p::<FUSED>(e)
    }

    /// σ(x), the slope of softplus.
    #[inline(always)]
    fn sigma<const FUSED: bool>(self) -> Self {
        let e = Self::exp2::<FUSED>((Self::ZERO - self.abs()) * Self::LOG2_E);
        if self < Self::ZERO { e } else { Self::ONE }.over(Self::ONE + e)
    }
}

macro_rules! lane {
    ($real:ident, mantissa $mantissa:literal, smallest $smallest:literal, $exp2:expr, ln_1p $terms:literal) => {
        impl Lane for $real {
            const LOG2_E: Self = std::$real::consts::LOG2_E;
            const LN_2: Self = std::$real::consts::LN_2;
            const NAN: Self = $real::NAN;

            #[inline(always)]
            fn fma<const FUSED: bool>(x: Self, y: Self, z: Self) -> Self {
                if FUSED { x.mul_add(y, z) } else { x * y + z }
            }

            #[inline(always)]
            fn exp2<const FUSED: bool>(x: Self) -> Self {
                // Added, it leaves the nearest integer in the lowest bits.
                const SHIFT: $real = 1.5 * (1_u64 << $mantissa) as $real;
                const TERMS: &[$real] = $exp2;
                // In this order NaN stays NaN.
                let x = if x < $smallest { $smallest } else { x };
                let shifted = x + SHIFT;
                let rest = x - (shifted - SHIFT);
                let mut power = TERMS[0];
                let mut i = 1;
                while i < TERMS.len() {
                    power = Self::fma::<FUSED>(power, rest, TERMS[i]);
                    i += 1;
                }
                // Into the exponent; for the smallest x, where `power` is exactly 1, what comes is 0.
                $real::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << $mantissa))
            }

            #[inline(always)]
            fn ln_1p<const FUSED: bool>(x: Self) -> Self {
                // log(1 + x) = 2 artanh(s), s = x / (2 + x) ≤ ⅓, by artanh's series.
                let s = x / (2.0 + x);
                let square = s * s;
                let mut sum = 1.0 / (2 * $terms + 1) as $real;
                let mut k = $terms;
                while k > 0 {
                    k -= 1;
                    sum = Self::fma::<FUSED>(sum, square, 1.0 / (2 * k + 1) as $real);
                }
                2.0 * s * sum
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

lane!(f32, mantissa 23, smallest -127.0, &LEAST_ERROR, ln_1p 7);
lane!(f64, mantissa 52, smallest -1023.0, &TAYLOR, ln_1p 16);

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
