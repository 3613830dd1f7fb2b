//! How can steps that each need the one before be taken at the same time? Prefix sums (前缀和) and associative scans
//! (并行扫描).
//!
//! S_i = x_1 ∘ x_2 ∘ … ∘ x_i for an associative ∘, (x ∘ y) ∘ z = x ∘ (y ∘ z): the terms may be joined in any grouping, and
//! so by many at once. Addition gives prefix sums. A state space model's recurrence h_t = a_t h_{t−1} + b_t is one too:
//! its steps are maps h ↦ a h + b, ∘ takes one after the other, and what takes the place of S_i, applied to h_0, is h_i:
//!
//! (a₁, b₁) ∘ (a₂, b₂) = (a₁ a₂, a₂ b₁ + b₂)
//!
//! | form | ∘ applied (work) | one after the other (depth) |
//! | --- | --- | --- |
//! | [`sequential`] | n − 1 | n − 1 |
//! | [`hillis_steele`] | n ⌈log₂ n⌉ − 2^⌈log₂ n⌉ + 1 | ⌈log₂ n⌉ |
//! | [`blelloch`] | 2 (n − 1) | at most 2 ⌈log₂ n⌉ − 1 |
//! | [`blocked`], m blocks | about 2 n | n / m + m − 1 |
//!
//! These are the inclusive scans' (to element i) on n elements; the exclusive ones' (to element i − 1, the first the
//! identity) are never more. [`Cost`] is counted while a scan runs.
//!
//! What a block must be given from those before it is ∘ of all of them, the *exclusive* scan of the blocks' aggregates, once,
//! and by ∘: for a recurrence the carried state is multiplied by the a's since, not added.
//!
//! Sources: Blelloch, *Prefix sums and their applications*, CMU-CS-90-190 (1990); Hillis and Steele, *Data parallel
//! algorithms*, Communications of the ACM 29 (1986); for state space models Martin and Cundy, *Parallelizing linear
//! recurrent neural nets over sequence length* (ICLR 2018), and Gu and Dao's *Mamba* (2023), section 3.3.

mod forms;
mod operator;

pub use forms::{Cost, Extent, Scan, blelloch, blocked, hillis_steele, recurrence, sequential};
pub use operator::{Affine, Diagonal, DiagonalAffine, Max, Operator, Recurrence, Sum};
