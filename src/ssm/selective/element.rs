//! The numbers that a state is made of.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Mul, Sub};

use rustfft::num_complex::Complex;

use super::lanes::Lanes;
use super::{Gradients, Inputs, Outputs, Shape, Step, Token, backward, forward, sequential, step, tile};

/// What A, B, C and the states are made of: `f32`, `f64`, or [`Complex`] of these.
pub trait Element: sealed::Numbers {}

/// The real kinds of [`Element`]: `f32` and `f64`.
pub trait Real: Element<Real = Self> + PartialOrd {}

pub(super) mod sealed {
    use super::*;

    /// What the plain forms compute with, and which code runs for a kind.
    pub trait Numbers:
        Copy + Debug + Default + PartialEq + Send + Sync + 'static + Add<Output = Self> + Mul<Output = Self> + AddAssign
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

        /// What [`Step`] keeps of channels side by side.
        type Block: Copy + Debug + PartialEq + Send + Sync;

        /// How many channels these are.
        const LANES: usize;

        /// A block of one number.
        fn block(value: Self) -> Self::Block;

        fn lane(block: &Self::Block, lane: usize) -> Self;

        fn set_lane(block: &mut Self::Block, lane: usize, value: Self);

        /// A as [`Step`] wants it.
        fn prepared(a: Self) -> Self;

        /// One time of one sequence; `false` as in `scan_into`.
        fn advance(step: &Step<Self>, h: &mut [Self::Block], token: Token<'_, Self>, y: &mut [Self::Real]) -> bool
        where
            Self: Element;

        /// Numbers that a forward pass keeps for a backward pass.
        fn kept(shape: Shape) -> usize;

        /// Fills y, the last states, and what is to be kept; `false` where something is not finite, or a Δ below 0.
        fn scan_into(
            inputs: &Inputs<'_, Self>,
            threads: usize,
            y: &mut [Self::Real],
            last: Option<&mut [Self]>,
            kept: Option<&mut [Self::Real]>,
        ) -> bool
        where
            Self: Element;

        /// Fills in every gradient; `None` where something is not finite, or a Δ below 0.
        fn backward(
            inputs: &Inputs<'_, Self>,
            dy: &[Self::Real],
            dlast: Option<&[Self]>,
            kept: Option<&[Self::Real]>,
            threads: usize,
            to: &mut Gradients<Self>,
        ) -> Option<()>
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
    ($real:ident, lanes $lanes:literal, $run:ident, $advance:ident) => {
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

            type Block = Lanes<$real, $lanes>;

            const LANES: usize = $lanes;

            fn block(value: Self) -> Self::Block {
                Lanes::splat(value)
            }

            fn lane(block: &Self::Block, lane: usize) -> Self {
                block.0[lane]
            }

            fn set_lane(block: &mut Self::Block, lane: usize, value: Self) {
                block.0[lane] = value;
            }

            fn prepared(a: Self) -> Self {
                a * std::$real::consts::LOG2_E
            }

            fn advance(step: &Step<Self>, h: &mut [Self::Block], token: Token<'_, Self>, y: &mut [Self]) -> bool {
                step::$advance(step, h, token, y)
            }

            fn kept(shape: Shape) -> usize {
                tile::kept::<$lanes>(shape).into_iter().product()
            }

            fn scan_into(
                inputs: &Inputs<'_, Self>,
                threads: usize,
                y: &mut [Self],
                last: Option<&mut [Self]>,
                kept: Option<&mut [Self]>,
            ) -> bool {
                forward::forward::<$real, $lanes>(inputs, threads, y, last, kept, forward::$run)
                    .is_some_and(|good| good)
            }

            fn backward(
                inputs: &Inputs<'_, Self>,
                dy: &[$real],
                dlast: Option<&[Self]>,
                kept: Option<&[Self]>,
                threads: usize,
                to: &mut Gradients<Self>,
            ) -> Option<()> {
                backward::backward::<$real, $lanes>(inputs, dy, dlast, kept, threads, backward::$run, to)
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

            type Block = Self;

            const LANES: usize = 1;

            fn block(value: Self) -> Self {
                value
            }

            fn lane(block: &Self, _: usize) -> Self {
                *block
            }

            fn set_lane(block: &mut Self, _: usize, value: Self) {
                *block = value;
            }

            fn prepared(a: Self) -> Self {
                a
            }

            fn advance(step: &Step<Self>, h: &mut [Self], token: Token<'_, Self>, y: &mut [$real]) -> bool {
                step::advance_plain(step, h, token, y)
            }

            fn kept(_: Shape) -> usize {
                0
            }

            fn scan_into(
                inputs: &Inputs<'_, Self>,
                threads: usize,
                y: &mut [$real],
                last: Option<&mut [Self]>,
                _: Option<&mut [$real]>,
            ) -> bool {
                sequential::scan_into(inputs, threads, y, last)
            }

            fn backward(
                inputs: &Inputs<'_, Self>,
                dy: &[$real],
                dlast: Option<&[Self]>,
                _: Option<&[$real]>,
                threads: usize,
                to: &mut Gradients<Self>,
            ) -> Option<()> {
                sequential::backward_on_threads(inputs, dy, dlast, threads, to)
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

numbers!(f32, lanes 16, run_f32, advance_f32);
numbers!(f64, lanes 8, run_f64, advance_f64);
