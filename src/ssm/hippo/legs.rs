//! The online memory of the measure that stretches with time.

use ndarray::{Array1, Array2, ArrayRef1};

use super::measure::legs;
use crate::numerics::Lu;
use crate::{Error, Result, validate};

/// How a sample changes the coefficients: with A and B of t c′ = A c + B f, sample f_k for k = 1, 2, … and a step h_k,
///
/// (I − α h_k A) c_k = (I + (1−α) h_k A) c_{k−1} + h_k B f_k
///
/// In the time τ = log t the system is invariant, c′ = A c + B f, and h_k is the time that passes on that clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegsUpdate {
    /// α = 0, h_k = 1/k: the paper's c_k = (I + A/k) c_{k−1} + B f_k/k. Error of first order. Its first N steps amplify:
    /// 1 − (n+1)/k is below −1 for k < (n+1)/2.
    Euler,
    /// α = ½, h_k = 1/k: what the paper recommends and its experiments use. Stable, error of first order.
    Bilinear,
    /// α = ½, h_k = 1/(k − ½), from c₀ = f₁ e₀: a sample stands in the middle of its stretch of time, \[k − 1, k\], and so
    /// does h_k, since log k − log(k − 1) = 1/(k − ½) + O(k⁻³). Stable, error of second order. Not in the paper.
    Centred,
}

impl LegsUpdate {
    fn step(self, k: usize) -> f64 {
        match self {
            Self::Euler | Self::Bilinear => 1.0 / k as f64,
            Self::Centred => 1.0 / (k as f64 - 0.5),
        }
    }

    fn implicit(self) -> f64 {
        match self {
            Self::Euler => 0.0,
            Self::Bilinear | Self::Centred => 0.5,
        }
    }
}

/// N coefficients that hold all samples so far, each as important as any other.
///
/// ```
/// use mlnotes::ssm::hippo::{LegsMemory, LegsUpdate};
/// use ndarray::array;
///
/// let mut memory = LegsMemory::new(2, LegsUpdate::Euler)?;
/// memory.push(6.0)?; // B f
/// assert!((memory.coefficients()[1] - 6.0 * 3.0_f64.sqrt()).abs() < 1e-14);
/// memory.push(2.0)?;
/// assert_eq!(memory.coefficients()[0], 4.0); // the first coefficient is the mean: 6 / 2 + 2 / 2
/// assert!(memory.push(f64::NAN).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LegsMemory {
    coefficients: Array1<f64>,
    /// √(2n+1).
    roots: Array1<f64>,
    update: LegsUpdate,
    samples: usize,
}

impl LegsMemory {
    /// Nothing heard yet.
    ///
    /// # Errors
    /// `order` 0.
    pub fn new(order: usize, update: LegsUpdate) -> Result<Self> {
        validate::at_least_one("order", order)?;
        let (_, roots) = legs(order);
        Ok(Self { coefficients: Array1::zeros(order), roots, update, samples: 0 })
    }

    /// c, shape (N): for [`Measure::reconstruct`](super::Measure::reconstruct).
    pub fn coefficients(&self) -> &Array1<f64> {
        &self.coefficients
    }

    /// How many samples it holds.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Takes in one sample, in O(N): since A_nk = −r_n r_k below the diagonal, (A c)_n = n c_n − r_n Σ_{k≤n} r_k c_k, one
    /// running sum, and so is forward substitution with I − α h A.
    ///
    /// # Errors
    /// NaN or an infinity.
    ///
    /// Source: Proposition 3 of the paper.
    pub fn push(&mut self, sample: f64) -> Result<()> {
        let (h, alpha) = self.begin(sample)?;
        let (explicit, implicit) = (h * (1.0 - alpha), h * alpha);
        let (mut known, mut solved) = (0.0, 0.0);
        for (n, (c, &r)) in self.coefficients.iter_mut().zip(&self.roots).enumerate() {
            known += r * *c;
            let right = *c + explicit * (n as f64 * *c - r * known) + h * r * sample;
            *c = (right - implicit * r * solved) / (1.0 + implicit * (n + 1) as f64);
            solved += r * *c;
        }
        Ok(())
    }

    /// The same in O(N³), as the equation reads: with A and B as matrices and any elimination.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use mlnotes::ssm::hippo::{LegsMemory, LegsUpdate};
    ///
    /// let mut fast = LegsMemory::new(4, LegsUpdate::Bilinear)?;
    /// let mut plain = fast.clone();
    /// for sample in [1.0, -2.0, 0.5] {
    ///     fast.push(sample)?;
    ///     plain.push_dense(sample)?;
    /// }
    /// assert!((fast.coefficients() - plain.coefficients()).iter().all(|difference| difference.abs() < 1e-14));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn push_dense(&mut self, sample: f64) -> Result<()> {
        let (h, alpha) = self.begin(sample)?;
        let (a, b) = legs(self.coefficients.len());
        let eye = Array2::<f64>::eye(a.nrows());
        let right = (&eye + &a * (h * (1.0 - alpha))).dot(&self.coefficients) + b * (h * sample);
        // Triangular with a diagonal of at least 1.
        if let Some(lu) = Lu::new(&(eye - a * (h * alpha))) {
            self.coefficients = lu.solve_matrix(&right.insert_axis(ndarray::Axis(1))).remove_axis(ndarray::Axis(1));
        }
        Ok(())
    }

    /// h and α of the next sample.
    fn begin(&mut self, sample: f64) -> Result<(f64, f64)> {
        if !sample.is_finite() {
            return Err(Error::domain("sample", sample, "finite: leave such samples out or fill them in first"));
        }
        if self.samples == 0 && self.update == LegsUpdate::Centred {
            self.coefficients[0] = sample;
        }
        self.samples += 1;
        Ok((self.update.step(self.samples), self.update.implicit()))
    }

    /// The coefficients after every sample of f, shape (L, N), from nothing.
    ///
    /// # Errors
    /// `order` 0; NaN or an infinity. An empty f gives no rows.
    ///
    /// ```
    /// use mlnotes::ssm::hippo::{LegsMemory, LegsUpdate};
    /// use ndarray::array;
    ///
    /// let history = LegsMemory::history(&array![1.0, 3.0, 8.0], 2, LegsUpdate::Euler)?;
    /// assert_eq!(history.column(0), array![1.0, 2.0, 4.0]); // running means
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn history(f: &ArrayRef1<f64>, order: usize, update: LegsUpdate) -> Result<Array2<f64>> {
        validate::finite("f", f)?;
        let mut memory = Self::new(order, update)?;
        let mut history = Array2::zeros((f.len(), order));
        for (&sample, mut row) in f.iter().zip(history.rows_mut()) {
            memory.push(sample)?;
            row.assign(&memory.coefficients);
        }
        Ok(history)
    }
}
