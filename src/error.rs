//! The crate's one error type.
//!
//! A notebook prints an error's [`Display`](std::fmt::Display) form and nothing else, so each message is a whole
//! sentence: what was given, what is needed, and what to do about it.

use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, said so that a reader knows what to change.
///
/// ```
/// use mlnotes::Error;
///
/// let error = Error::domain("learning_rate", -0.1, "above 0, for instance 0.1");
/// assert_eq!(error.to_string(), "`learning_rate` is -0.1, but it must be above 0, for instance 0.1");
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array has the wrong number of axes or the wrong length along one of them.
    #[error("`{arg}` has the shape {got:?}, but {expected} is needed")]
    Shape {
        /// The argument's name.
        arg: &'static str,
        /// The shape that would do, in words: `(samples, 4), as in training`.
        expected: String,
        /// The shape that came.
        got: Vec<usize>,
    },
    /// A value lies outside what the method is defined for.
    #[error("`{arg}` is {value}, but it must be {allowed}")]
    Domain {
        /// The argument's name.
        arg: &'static str,
        /// The value that came, as text.
        value: String,
        /// What would do, and the remedy.
        allowed: String,
    },
    /// There is nothing to work on.
    #[error("`{arg}` is empty: {remedy}")]
    Empty {
        /// The argument's name.
        arg: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A number is NaN or infinite where finite numbers are needed.
    #[error("`{arg}` holds {value} at {index:?}: remove such rows or fill them in first")]
    NonFinite {
        /// The argument's name.
        arg: &'static str,
        /// Where the first such number stands.
        index: Vec<usize>,
        /// The number.
        value: f64,
    },
    /// An iteration reached its limit before its tolerance.
    #[error(
        "{method} stopped after {iterations} iterations with a residual of {residual:.3e}, above the tolerance \
         {tolerance:.1e}: allow more iterations, loosen the tolerance, or rescale the data"
    )]
    NotConverged {
        /// The method's name.
        method: &'static str,
        /// How many iterations ran.
        iterations: usize,
        /// How far from done it was.
        residual: f64,
        /// What it had to reach.
        tolerance: f64,
    },
    /// A sequence of observations that the model cannot produce.
    #[error(
        "observation {position} (counted from 0) cannot follow those before it: no state that the model can be in there \
         gives it a likelihood above 0; check that observation, or give the zero probabilities a small value"
    )]
    Impossible {
        /// The first observation with which the likelihood is 0.
        position: usize,
    },
    /// EM, or coordinate ascent on an ELBO, lowered what it must raise.
    #[error(
        "iteration {iteration} changed the objective from {before} to {after}, but none can lower it: check that each step \
         maximises what it should with all else fixed (EM: the M step the expectation that the E step takes), and that the \
         objective returned is that of the model returned"
    )]
    Decreased {
        /// The iteration, counted from 1.
        iteration: usize,
        /// The objective before it.
        before: f64,
        /// The objective after it.
        after: f64,
    },
    /// A covariance that is not positive definite.
    #[error("{what} is not a covariance, which is symmetric and has no direction without spread: {remedy}")]
    Singular {
        /// Which.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Training whose numbers are no numbers any more.
    #[error(
        "{what} is not finite in epoch {epoch}, iteration {iteration} (both counted from 1): lower the learning rate, or look \
         for extreme values in the data; a checkpoint written before is whole"
    )]
    Diverged {
        /// What is not finite.
        what: &'static str,
        /// Counted from 1.
        epoch: usize,
        /// Counted from 1.
        iteration: usize,
    },
    /// A GPU kernel that does not compile, or did what no kernel may.
    #[error("the kernel `{kernel}` {reason}")]
    Kernel {
        /// Its name, or its source's.
        kernel: String,
        /// What is wrong, where, and what to do.
        reason: String,
    },
    /// There is no GPU, or something that is needed to use one is missing.
    #[error("{0}")]
    Device(String),
    /// A file could not be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// candle refused an operation on tensors; its own sentence.
    #[cfg(feature = "deep")]
    #[error("{0}")]
    Candle(Box<candle_core::Error>),
    /// A figure could not be drawn.
    #[error("the figure cannot be drawn: {0}")]
    Figure(String),
}

impl Error {
    /// An [`Error::Domain`] from a value that can be printed.
    pub fn domain(arg: &'static str, value: impl std::fmt::Display, allowed: impl Into<String>) -> Self {
        Self::Domain { arg, value: value.to_string(), allowed: allowed.into() }
    }

    /// An [`Error::Shape`] from the shape that came.
    pub fn shape(arg: &'static str, expected: impl Into<String>, got: &[usize]) -> Self {
        Self::Shape { arg, expected: expected.into(), got: got.to_vec() }
    }

    /// An [`Error::Kernel`].
    pub fn kernel(kernel: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Kernel { kernel: kernel.into(), reason: reason.into() }
    }

    /// An [`Error::File`].
    pub fn file(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::File { path: path.into(), reason: reason.into() }
    }
}

#[cfg(feature = "deep")]
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Candle(Box::new(error))
    }
}

/// `unwrap` in a cell prints `Debug`: show the sentence there too.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
