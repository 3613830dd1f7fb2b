//! How far two numbers may be apart, and why.

/// An allowance `abs + rel |want|` together with its reason.
///
/// The reason is part of the type's construction, since a tolerance without one is a guess:
///
/// ```
/// use mlnotes::check::Tolerance;
///
/// let sums = Tolerance::abs(1e-12).because("f64 sums of 120 terms");
/// assert_eq!(sums.to_string(), "within 1e-12: f64 sums of 120 terms");
///
/// let printed = Tolerance::abs(1e-9).rel(5e-5).because("the reference prints 5 digits");
/// assert_eq!(printed.to_string(), "within 1e-9 + 5e-5 |want|: the reference prints 5 digits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    abs: f64,
    rel: f64,
    reason: &'static str,
}

/// A tolerance that still lacks its reason: see [`Tolerance`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a tolerance needs its reason: end with .because(\"…\")"]
pub struct Bound {
    abs: f64,
    rel: f64,
}

impl Tolerance {
    /// Allows a difference of `abs`.
    pub fn abs(abs: f64) -> Bound {
        Bound { abs, rel: 0.0 }
    }

    /// Allows a difference of `rel` times the wanted value's size.
    pub fn rel(rel: f64) -> Bound {
        Bound { abs: 0.0, rel }
    }

    /// Refuses a bound that would pass anything or nothing.
    pub(super) fn validate(&self) -> Result<(), String> {
        for value in [self.abs, self.rel] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(format!("a tolerance of {value} is refused: it must be finite and at least 0"));
            }
        }
        Ok(())
    }

    /// By how much the allowance is exceeded: 0 or less passes, NaN and stray infinities are infinitely far.
    pub(super) fn excess(&self, got: f64, want: f64) -> f64 {
        if got.is_nan() || want.is_nan() {
            f64::INFINITY
        } else if got == want {
            0.0
        } else if got.is_infinite() || want.is_infinite() {
            f64::INFINITY
        } else {
            (got - want).abs() - (self.abs + self.rel * want.abs())
        }
    }
}

impl Bound {
    /// Allows, in addition, a difference of `rel` times the wanted value's size.
    pub fn rel(self, rel: f64) -> Bound {
        Bound { rel, ..self }
    }

    /// States why this much is right: how the reference was rounded, how many terms are summed, what the method's
    /// error is.
    pub fn because(self, reason: &'static str) -> Tolerance {
        Tolerance { abs: self.abs, rel: self.rel, reason }
    }
}

impl std::fmt::Display for Tolerance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.abs, self.rel) {
            (abs, 0.0) => write!(f, "within {abs:e}")?,
            (0.0, rel) => write!(f, "within {rel:e} |want|")?,
            (abs, rel) => write!(f, "within {abs:e} + {rel:e} |want|")?,
        }
        if self.reason.trim().is_empty() { f.write_str(": no reason given") } else { write!(f, ": {}", self.reason) }
    }
}
