//! The numbers that a state is made of.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Mul, Sub};

use rustfft::num_complex::Complex;

use super::{Gradients, Inputs, Outputs, sequential};

/// What A, B, C and the states are made of: `f32`, `f64`, or [`Complex`] of these.
pub trait Element: sealed::Numbers {}

/// The real kinds of [`Element`]: `f32` and `f64`.
pub trait Real: Element<Real = Self> + PartialOrd {}

pub(super) mod sealed {
    use super::*;

    /// What the plain forms compute with, and which code runs for a kind.
    pub trait Numbers:
        Copy + Debug + PartialEq + Send + Sync + 'static + Add<Output = Self> + Mul<Output = Self> + AddAssign
    {
        /// What u, Δ, z, D and y are made of.
        type Real: RealNumbers;

        const ZERO: Self;

        fn of(real: Self::Real) -> Self;

        fn real(self) -> Self::Real;

        fn conj(self) -> Self;

        fn exp(self) -> Self;

        fn is_finite(self) -> bool;

        /// How often a term's real part counts in y = C h: once, or twice for the conjugate half that is not stored.
        const TIMES: Self::Real;

        fn scan_seq(inputs: &Inputs<'_, Self>) -> Outputs<Self>
        where
            Self: Element;

        fn backward_stored(inputs: &Inputs<'_, Self>, dy: &[Self::Real], dlast: Option<&[Self]>) -> Gradients<Self>
        where
            Self: Element;
    }

    /// And what real numbers alone can do.
    pub trait RealNumbers: super::Real + Sub<Output = Self> + Into<f64> {
        const ONE: Self;

        fn softplus(self) -> Self;

        /// σ(x), the slope of softplus.
        fn logistic(self) -> Self;
    }
}

macro_rules! plain_forms {
    () => {
        fn scan_seq(inputs: &Inputs<'_, Self>) -> Outputs<Self> {
            sequential::scan(inputs)
        }

        fn backward_stored(inputs: &Inputs<'_, Self>, dy: &[Self::Real], dlast: Option<&[Self]>) -> Gradients<Self> {
            sequential::backward(inputs, dy, dlast)
        }
    };
}

macro_rules! numbers {
    ($real:ident) => {
        impl Element for $real {}
        impl Element for Complex<$real> {}
        impl Real for $real {}

        impl sealed::Numbers for $real {
            type Real = $real;

            const ZERO: Self = 0.0;
            const TIMES: $real = 1.0;

            fn of(real: $real) -> Self {
                real
            }

            fn real(self) -> $real {
                self
            }

            fn conj(self) -> Self {
                self
            }

            fn exp(self) -> Self {
                $real::exp(self)
            }

            fn is_finite(self) -> bool {
                $real::is_finite(self)
            }

            plain_forms!();
        }

        impl sealed::Numbers for Complex<$real> {
            type Real = $real;

            const ZERO: Self = Complex::new(0.0, 0.0);
            const TIMES: $real = 2.0;

            fn of(real: $real) -> Self {
                Complex::new(real, 0.0)
            }

            fn real(self) -> $real {
                self.re
            }

            fn conj(self) -> Self {
                Complex::new(self.re, -self.im)
            }

            fn exp(self) -> Self {
                let (sin, cos) = self.im.sin_cos();
                Complex::new(self.re.exp() * cos, self.re.exp() * sin)
            }

            fn is_finite(self) -> bool {
                self.re.is_finite() && self.im.is_finite()
            }

            plain_forms!();
        }

        impl sealed::RealNumbers for $real {
            const ONE: Self = 1.0;

            fn softplus(self) -> Self {
                self.max(0.0) + (-self.abs()).exp().ln_1p()
            }

            fn logistic(self) -> Self {
                let e = (-self.abs()).exp();
                if self < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
            }
        }
    };
}

numbers!(f32);
numbers!(f64);
