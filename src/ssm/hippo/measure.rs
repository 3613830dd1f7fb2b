//! The measures, their matrices and their polynomials.

use ndarray::{Array1, Array2, ArrayRef1};

use super::polynomials::{laguerre, legendre};
use crate::ssm::lti::Continuous;
use crate::{Error, Result, validate};

/// Which part of the past counts, and how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// All of it alike, from 0 to now.
    LegS,
    /// The last `window` time units alike.
    LegT {
        /// θ, in time units, above 0.
        window: f64,
    },
    /// Less and less with age.
    LagT {
        /// θ, the age at which the weight is 1/e of that of now; in time units, above 0.
        timescale: f64,
        /// β from 0 to 1: c_n = ∫ f(t − s) L_n(s/θ) exp(−(1+β)s/2θ) ds/θ. 1 is the paper's Theorem 1, without a tilt;
        /// 0 the paper's limit, in which the basis is that of the orthonormal Laguerre functions.
        tilt: f64,
    },
}

impl Measure {
    /// A (N, N) and B (N) of c′ = A c + B f; under LegS of t c′ = A c + B f.
    ///
    /// With n for the row, k for the column and r_n = √(2n+1):
    ///
    /// | | A_nk, k < n | A_nn | A_nk, k > n | B_n |
    /// | --- | --- | --- | --- | --- |
    /// | LegS | −r_n r_k | −(n+1) | 0 | r_n |
    /// | LegT | −r_n r_k / θ | −(2n+1) / θ | −(−1)^{n−k} r_n r_k / θ | r_n / θ |
    /// | LagT | −1/θ | −(1+β) / 2θ | 0 | 1/θ |
    ///
    /// # Errors
    /// `order` 0; θ not above 0, β outside \[0, 1\].
    ///
    /// ```
    /// use mlnotes::ssm::hippo::Measure;
    /// use ndarray::{array, s};
    ///
    /// let (a, b) = Measure::LegS.matrices(3)?;
    /// let (r3, r5) = (3.0_f64.sqrt(), 5.0_f64.sqrt());
    /// assert_eq!(a, array![[-1.0, 0.0, 0.0], [-r3, -2.0, 0.0], [-r5, -r3 * r5, -3.0]]);
    /// assert_eq!(b, array![1.0, r3, r5]);
    /// // A constant is remembered without change: A e₀ + B = 0.
    /// assert_eq!(&a.slice(s![.., 0]) + &b, array![0.0, 0.0, 0.0]);
    /// assert!(Measure::LegT { window: 0.0 }.matrices(3).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: Theorems 1 and 2 and appendix D of the paper, with λ_n = 1 (orthonormal polynomials). With
    /// λ_n = √(2n+1) (−1)ⁿ, LegT is the Legendre memory unit of Voelker, Kajić and Eliasmith (NeurIPS 2019), the form in
    /// which Theorem 1 states it. Departure: the sign of A, as said above.
    pub fn matrices(&self, order: usize) -> Result<(Array2<f64>, Array1<f64>)> {
        validate::at_least_one("order", order)?;
        self.validate()?;
        Ok(match *self {
            Self::LegS => legs(order),
            Self::LegT { window } => legt(order, window),
            Self::LagT { timescale, tilt } => lagt(order, timescale, tilt),
        })
    }

    /// The polynomials at past times: entry (i, n) multiplies c_n in what f was at age i, shape (M, N).
    ///
    /// f(t − s) ≈ Σ_n c_n √(2n+1) P_n(1 − 2a), a = s/t under LegS and s/θ under LegT; Σ_n c_n L_n(s/θ) exp(−(1−β)s/2θ)
    /// under LagT.
    ///
    /// # Shapes
    /// `ages`: (M), s/t from 0 (now) to 1 (the beginning) under LegS, s under LegT (to θ) and LagT.
    ///
    /// # Errors
    /// `order` 0, θ or β out of range; an age that is not finite, below 0, above 1 under LegS, above θ under LegT.
    ///
    /// ```
    /// use mlnotes::ssm::hippo::Measure;
    /// use ndarray::array;
    ///
    /// let basis = Measure::LegS.basis(2, &array![0.0, 0.5, 1.0])?;
    /// let r3 = 3.0_f64.sqrt();
    /// assert_eq!(basis, array![[1.0, r3], [1.0, 0.0], [1.0, -r3]]);
    /// assert!(Measure::LegS.basis(2, &array![1.5]).is_err()); // before the beginning
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn basis(&self, order: usize, ages: &ArrayRef1<f64>) -> Result<Array2<f64>> {
        validate::at_least_one("order", order)?;
        self.validate()?;
        validate::finite("ages", ages)?;
        let oldest = match *self {
            Self::LegS => 1.0,
            Self::LegT { window } => window,
            Self::LagT { .. } => f64::INFINITY,
        };
        if let Some(age) = ages.iter().find(|&&age| !(0.0..=oldest).contains(&age)) {
            return Err(Error::domain("ages", age, format!("from 0, which is now, to {oldest}")));
        }
        let mut row = vec![0.0; order];
        let mut basis = Array2::zeros((ages.len(), order));
        for (&age, mut out) in ages.iter().zip(basis.rows_mut()) {
            match *self {
                Self::LegS => legendre(age, &mut row),
                Self::LegT { window } => legendre(age / window, &mut row),
                Self::LagT { timescale, tilt } => laguerre(age / timescale, 0.5 * (1.0 - tilt), &mut row),
            }
            out.iter_mut().zip(&row).for_each(|(out, value)| *out = *value);
        }
        Ok(basis)
    }

    /// What the coefficients say that f was at those ages: [`basis`](Self::basis) times c, shape (M).
    ///
    /// # Errors
    /// As [`basis`](Self::basis); no coefficients, NaN or an infinity among them.
    ///
    /// ```
    /// use mlnotes::ssm::hippo::{LegsMemory, LegsUpdate, Measure};
    /// use ndarray::array;
    ///
    /// let mut memory = LegsMemory::new(3, LegsUpdate::Centred)?;
    /// for _ in 0..5 {
    ///     memory.push(7.0)?;
    /// }
    /// let past = Measure::LegS.reconstruct(memory.coefficients(), &array![0.0, 0.3, 1.0])?;
    /// assert!(past.iter().all(|f| (f - 7.0).abs() < 1e-14));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn reconstruct(&self, coefficients: &ArrayRef1<f64>, ages: &ArrayRef1<f64>) -> Result<Array1<f64>> {
        if coefficients.is_empty() {
            return Err(Error::Empty { arg: "coefficients", remedy: "give one per polynomial" });
        }
        validate::finite("coefficients", coefficients)?;
        Ok(self.basis(coefficients.len(), ages)?.dot(coefficients))
    }

    /// The online memory as a system of [`lti`](crate::ssm::lti): its state is c, its input f, its outputs what it
    /// remembers of f at those ages. Discretised by any rule, it is fed sample after sample.
    ///
    /// # Errors
    /// As [`basis`](Self::basis); no ages; LegS, whose t c′ = A c + B f changes with time.
    ///
    /// ```
    /// use mlnotes::ssm::hippo::Measure;
    /// use mlnotes::ssm::lti::Rule;
    /// use ndarray::{Array2, array};
    ///
    /// // A window of 1 time unit that has seen nothing but 3 for 20 time units.
    /// let memory = Measure::LegT { window: 1.0 }.memory(8, &array![0.0, 0.4, 0.9])?;
    /// let seen = memory.discretise(Rule::Bilinear, 0.01)?.recurrent(&Array2::from_elem((2000, 1), 3.0))?;
    /// assert!(seen.row(1999).iter().all(|f| (f - 3.0).abs() < 1e-9));
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn memory(&self, order: usize, ages: &ArrayRef1<f64>) -> Result<Continuous> {
        if *self == Self::LegS {
            let allowed = "LegT or LagT: LegS stretches with time, use `LegsMemory`";
            return Err(Error::domain("measure", "LegS", allowed));
        }
        if ages.is_empty() {
            return Err(Error::Empty { arg: "ages", remedy: "give at least one age at which to look back" });
        }
        let (a, b) = self.matrices(order)?;
        let c = self.basis(order, ages)?;
        let d = Array2::zeros((ages.len(), 1));
        Continuous::new(a, b.insert_axis(ndarray::Axis(1)), c, d)
    }

    fn validate(&self) -> Result<()> {
        match *self {
            Self::LegS => Ok(()),
            Self::LegT { window } => validate::positive("window", window, "1"),
            Self::LagT { timescale, tilt } => {
                validate::positive("timescale", timescale, "1")?;
                if !(0.0..=1.0).contains(&tilt) {
                    return Err(Error::domain("tilt", tilt, "from 0 to 1, for instance 0"));
                }
                Ok(())
            }
        }
    }
}

/// r_n = √(2n+1).
fn roots(order: usize) -> Array1<f64> {
    (0..order).map(|n| ((2 * n + 1) as f64).sqrt()).collect()
}

/// A and B of LegS.
pub(crate) fn legs(order: usize) -> (Array2<f64>, Array1<f64>) {
    let r = roots(order);
    let a = Array2::from_shape_fn((order, order), |(n, k)| match k.cmp(&n) {
        std::cmp::Ordering::Less => -r[n] * r[k],
        std::cmp::Ordering::Equal => -((n + 1) as f64),
        std::cmp::Ordering::Greater => 0.0,
    });
    (a, r)
}

fn legt(order: usize, window: f64) -> (Array2<f64>, Array1<f64>) {
    let r = roots(order);
    let a = Array2::from_shape_fn((order, order), |(n, k)| {
        let sign = if k > n && (k - n) % 2 == 1 { 1.0 } else { -1.0 };
        sign * (if k == n { (2 * n + 1) as f64 } else { r[n] * r[k] }) / window
    });
    (a, r / window)
}

fn lagt(order: usize, timescale: f64, tilt: f64) -> (Array2<f64>, Array1<f64>) {
    let a = Array2::from_shape_fn((order, order), |(n, k)| match k.cmp(&n) {
        std::cmp::Ordering::Less => -1.0 / timescale,
        std::cmp::Ordering::Equal => -0.5 * (1.0 + tilt) / timescale,
        std::cmp::Ordering::Greater => 0.0,
    });
    (a, Array1::from_elem(order, 1.0 / timescale))
}
