//! exp, log, ψ and log Γ of four numbers at a time: no branch, so that one instruction serves all four. To be inlined where
//! the processor's instructions are chosen; the same bits everywhere.

use std::f64::consts::{LOG2_E, SQRT_2};

/// So many numbers side by side.
pub(super) const LANES: usize = 4;
pub(super) type Four = [f64; LANES];

/// Added to a number below 2⁵¹, leaves its nearest integer in the last bits.
const TO_INTEGER: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²
/// log 2, and what its first 33 bits lack.
const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
/// Below this e^x is 0 here.
const SMALLEST: f64 = -708.0;
/// 1/n!, from 13 down to 2.
const EXP: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    1.0 / 2.0,
];

#[inline(always)]
pub(super) fn map(x: Four, f: impl Fn(f64) -> f64) -> Four {
    [f(x[0]), f(x[1]), f(x[2]), f(x[3])]
}

#[inline(always)]
pub(super) fn zip(x: Four, y: Four, f: impl Fn(f64, f64) -> f64) -> Four {
    [f(x[0], y[0]), f(x[1], y[1]), f(x[2], y[2]), f(x[3], y[3])]
}

#[inline(always)]
pub(super) fn sum(x: Four) -> f64 {
    (x[0] + x[2]) + (x[1] + x[3])
}

/// e^x for x ≤ 0: 2ᵏ times the series of what is left, at most (log 2)/2.
#[inline(always)]
pub(super) fn exp(x: Four) -> Four {
    map(x, |x| {
        let inside = if x > SMALLEST { x } else { SMALLEST };
        let shifted = inside * LOG2_E + TO_INTEGER;
        let k = shifted - TO_INTEGER;
        let r = (inside - k * LN_2[0]) - k * LN_2[1];
        let mut series = EXP[0];
        for coefficient in &EXP[1..] {
            series = series * r + coefficient;
        }
        let value = (series * r + 1.0) * r + 1.0;
        let scaled = f64::from_bits(value.to_bits().wrapping_add(shifted.to_bits() << 52));
        if x > SMALLEST { scaled } else { 0.0 }
    })
}

/// log x for x that is neither 0 nor subnormal: k log 2 + 2 artanh s with x = 2ᵏ m, s = (m − 1)/(m + 1), √½ ≤ m < √2.
#[inline(always)]
pub(super) fn ln(x: Four) -> Four {
    const EXPONENT: u64 = 0x7ff0_0000_0000_0000;
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    /// 2⁵² as bits, onto whose last bits an integer can be laid, and with 1023 added.
    const LAID: u64 = 0x4330_0000_0000_0000;
    const LAID_ZERO: f64 = 4_503_599_627_370_496.0 + 1023.0;
    map(x, |x| {
        let bits = x.to_bits();
        let mantissa = f64::from_bits(bits & !EXPONENT | ONE);
        let exponent = f64::from_bits(bits >> 52 | LAID) - LAID_ZERO;
        let is_large = mantissa >= SQRT_2;
        let m = if is_large { 0.5 * mantissa } else { mantissa };
        let k = if is_large { exponent + 1.0 } else { exponent };
        let s = (m - 1.0) / (m + 1.0);
        let y = s * s;
        // Σ yⁿ / (2n + 1), n ≥ 1, to the last digit for s below 0.172.
        let mut series = 1.0 / 21.0;
        for odd in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
            series = series * y + 1.0 / odd;
        }
        k * LN_2[0] + (2.0 * s + (2.0 * s * y * series + k * LN_2[1]))
    })
}

/// ψ(x) = log y + e, for x above 0: y = x + 10 is where the asymptotic series is exact to the last digit.
#[derive(Clone, Copy)]
pub(super) struct Psi {
    pub(super) y: Four,
    pub(super) e: Four,
}

impl Psi {
    /// ψ(x) = ψ(x + 10) − Σ_{i < 10} 1/(x + i), in pairs x + i, x + 9 − i whose products differ by constants.
    #[inline(always)]
    pub(super) fn of(x: Four) -> Self {
        let y = Self::raised(x);
        let e = zip(x, y, |x, y| {
            let s = x * (x + 9.0);
            let (first, second) = (s * (s + 20.0), (s + 8.0) * (s + 14.0));
            // 1/s + 1/(s + 20) + 1/(s + 8) + 1/(s + 14), and 1/(s + 18), over one denominator.
            let four = first * second;
            let numerator = (2.0 * (s + 10.0) * second + 2.0 * (s + 11.0) * first) * (s + 18.0) + four;
            let below = (2.0 * x + 9.0) * numerator / (four * (s + 18.0));
            let inverse = 1.0 / y;
            let z = inverse * inverse;
            let series = z
                * (1.0 / 12.0
                    - z * (1.0 / 120.0
                        - z * (1.0 / 252.0
                            - z * (1.0 / 240.0 - z * (1.0 / 132.0 - z * (691.0 / 32760.0 - z / 12.0))))));
            -(0.5 * inverse + series + below)
        });
        Self { y, e }
    }

    /// y.
    #[inline(always)]
    pub(super) fn raised(x: Four) -> Four {
        map(x, |x| x + 10.0)
    }

    /// ψ(x).
    #[inline(always)]
    pub(super) fn value(self) -> Four {
        zip(ln(self.y), self.e, |ln, e| ln + e)
    }
}

/// log Γ(x) = log Γ(x + 10) − log ∏_{i < 10} (x + i), for x above 0. Absolute error some 1e-14 where it is near 0.
///
/// Source: Abramowitz and Stegun, 6.1.15 and 6.1.41.
#[inline(always)]
pub(super) fn ln_gamma(x: Four) -> Four {
    const HALF_LN_2_PI: f64 = 0.918_938_533_204_672_8;
    let y = map(x, |x| x + 10.0);
    let product = map(x, |x| {
        let s = x * (x + 9.0);
        (s * (s + 20.0)) * ((s + 8.0) * (s + 14.0)) * (s + 18.0)
    });
    let (ln_y, ln_product) = (ln(y), ln(product));
    let stirling = zip(y, ln_y, |y, ln_y| {
        let inverse = 1.0 / y;
        let z = inverse * inverse;
        let series = 1.0 / 12.0
            - z * (1.0 / 360.0
                - z * (1.0 / 1260.0 - z * (1.0 / 1680.0 - z * (1.0 / 1188.0 - z * (691.0 / 360_360.0 - z / 156.0)))));
        (y - 0.5) * ln_y - y + HALF_LN_2_PI + inverse * series
    });
    zip(stirling, ln_product, |stirling, ln_product| stirling - ln_product)
}
