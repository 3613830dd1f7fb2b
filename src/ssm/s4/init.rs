//! Which diagonal to begin with.

use std::f64::consts::PI;

use ndarray::Array1;
use rustfft::num_complex::Complex;

use super::Nplr;
use crate::{Result, validate};

/// The eigenvalues that S4D starts from; M of them, N = 2 M with their conjugates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S4dInit {
    /// λ_n = −½ + iπn: damped Fourier modes. What LegT's eigenvalues tend to.
    Lin,
    /// λ_n = −½ + i (N/π) (N/(2n+1) − 1): what LegS's tend to.
    Inv,
    /// λ_n = −(n+1): real, LegS's own diagonal, and Mamba's start. Each is its own conjugate, so K doubles it.
    Real,
    /// The eigenvalues of LegS's normal part A + P Pᵀ, ω downwards.
    Legs,
}

impl S4dInit {
    /// λ, shape (M).
    ///
    /// # Errors
    /// `modes` 0.
    ///
    /// ```
    /// use mlnotes::ssm::s4::{Complex, S4dInit};
    /// use ndarray::array;
    ///
    /// let pi = std::f64::consts::PI;
    /// assert_eq!(S4dInit::Lin.eigenvalues(2)?, array![Complex::new(-0.5, 0.0), Complex::new(-0.5, pi)]);
    /// assert_eq!(S4dInit::Inv.eigenvalues(1)?, array![Complex::new(-0.5, 2.0 / pi)]); // N = 2: (2/π) (2/1 − 1)
    /// assert_eq!(S4dInit::Real.eigenvalues(2)?, array![Complex::new(-1.0, 0.0), Complex::new(-2.0, 0.0)]);
    /// assert!(S4dInit::Legs.eigenvalues(0).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: section 4 of the S4D paper.
    pub fn eigenvalues(self, modes: usize) -> Result<Array1<Complex<f64>>> {
        validate::at_least_one("modes", modes)?;
        let order = 2.0 * modes as f64;
        let from = |of: &dyn Fn(f64) -> Complex<f64>| (0..modes).map(|n| of(n as f64)).collect();
        Ok(match self {
            Self::Lin => from(&|n| Complex::new(-0.5, PI * n)),
            Self::Inv => from(&|n| Complex::new(-0.5, order / PI * (order / (2.0 * n + 1.0) - 1.0))),
            Self::Real => from(&|n| Complex::new(-(n + 1.0), 0.0)),
            Self::Legs => Nplr::legs(2 * modes)?.eigenvalues,
        })
    }
}
