//! What a scan can be of.

use ndarray::Array1;

/// An associative operation with an identity: a monoid (幺半群).
pub trait Operator: Sync {
    /// What it joins.
    type Item: Clone + Send + Sync;

    /// e with e ∘ x = x = x ∘ e.
    fn identity(&self) -> Self::Item;

    /// first ∘ second, in this order.
    fn join(&self, first: &Self::Item, second: &Self::Item) -> Self::Item;
}

/// Addition: prefix sums.
#[derive(Clone, Copy, Debug)]
pub struct Sum;

impl Operator for Sum {
    type Item = f64;

    fn identity(&self) -> f64 {
        0.0
    }

    fn join(&self, first: &f64, second: &f64) -> f64 {
        first + second
    }
}

/// The largest so far; NaN if one is.
#[derive(Clone, Copy, Debug)]
pub struct Max;

impl Operator for Max {
    type Item = f64;

    fn identity(&self) -> f64 {
        f64::NEG_INFINITY
    }

    fn join(&self, first: &f64, second: &f64) -> f64 {
        if first.is_nan() || first > second { *first } else { *second }
    }
}

/// The map h ↦ a h + b: one step of a recurrence, or several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// How much of the state stays.
    pub a: f64,
    /// What comes in.
    pub b: f64,
}

/// One step after another: (a₁, b₁) ∘ (a₂, b₂) = (a₁ a₂, a₂ b₁ + b₂).
///
/// ```
/// use mlnotes::ssm::scan::{Affine, Operator, Recurrence};
///
/// let (halve, add) = (Affine { a: 0.5, b: 0.0 }, Affine { a: 1.0, b: 3.0 });
/// assert_eq!(Recurrence.join(&halve, &add), Affine { a: 0.5, b: 3.0 }); // h/2, then + 3
/// assert_eq!(Recurrence.join(&add, &halve), Affine { a: 0.5, b: 1.5 }); // (h + 3)/2: the order counts
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Recurrence;

impl Operator for Recurrence {
    type Item = Affine;

    fn identity(&self) -> Affine {
        Affine { a: 1.0, b: 0.0 }
    }

    fn join(&self, first: &Affine, second: &Affine) -> Affine {
        Affine { a: first.a * second.a, b: second.a * first.b + second.b }
    }
}

/// h ↦ a ⊙ h + b for vectors of N: a step of a diagonal state space model.
#[derive(Clone, Debug, PartialEq)]
pub struct DiagonalAffine {
    /// How much of each state stays, (N).
    pub a: Array1<f64>,
    /// What comes in, (N).
    pub b: Array1<f64>,
}

/// [`Recurrence`] for N states side by side. Vectors of other lengths than N count as the identity beyond their end.
#[derive(Clone, Copy, Debug)]
pub struct Diagonal(
    /// N.
    pub usize,
);

impl Operator for Diagonal {
    type Item = DiagonalAffine;

    fn identity(&self) -> DiagonalAffine {
        DiagonalAffine { a: Array1::ones(self.0), b: Array1::zeros(self.0) }
    }

    fn join(&self, first: &DiagonalAffine, second: &DiagonalAffine) -> DiagonalAffine {
        let get = |values: &Array1<f64>, i: usize, otherwise: f64| values.get(i).copied().unwrap_or(otherwise);
        let part = |step: &DiagonalAffine, i: usize| Affine { a: get(&step.a, i, 1.0), b: get(&step.b, i, 0.0) };
        let joined = (0..self.0).map(|i| Recurrence.join(&part(first, i), &part(second, i)));
        let (a, b): (Vec<f64>, Vec<f64>) = joined.map(|Affine { a, b }| (a, b)).unzip();
        DiagonalAffine { a: a.into(), b: b.into() }
    }
}
