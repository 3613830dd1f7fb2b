//! EM where some entries are missing: the E step fills in sufficient statistics, not values.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, Array3, ArrayRef1, ArrayRef2, Axis};

use super::gmm::normalise;
use super::{GaussianEm, GaussianMixture};
use crate::em::Fit;
use crate::gaussian::{Covariance, Moments};
use crate::numerics::Cholesky;
use crate::{Error, Result, validate};

/// What is expected of the complete data.
struct Expected {
    /// γ, shape (N, K).
    shares: Array2<f64>,
    /// E[x_n | its observed entries, k] for each k, shape (N, D).
    completed: Vec<Array2<f64>>,
    /// Σ_n γ_nk Cov[x_n | its observed entries, k], shape (K, D, D).
    uncertainty: Array3<f64>,
}

/// One component seen through one pattern of missing entries.
struct Conditional {
    missing: Vec<usize>,
    observed: Vec<usize>,
    /// L of Σ_oo = L Lᵀ; nothing where nothing is observed.
    factor: Option<Cholesky>,
    /// V = Σ_mo L⁻ᵀ, shape (missing, observed): Σ_mo Σ_oo⁻¹ r is V (L⁻¹ r).
    cross: Array2<f64>,
    /// Σ_mm − Σ_mo Σ_oo⁻¹ Σ_om = Σ_mm − V Vᵀ.
    covariance: Array2<f64>,
}

impl GaussianEm {
    /// Learns from x in which NaN marks what is missing, from a start with as many components.
    ///
    /// The missing entries m of a point are hidden like its component. With its observed entries o, the E step takes
    ///
    /// E\[x_m\] = μ_m + Σ_mo Σ_oo⁻¹ (x_o − μ_o) and Cov\[x_m\] = Σ_mm − Σ_mo Σ_oo⁻¹ Σ_om
    ///
    /// under each component, and the M step counts both: an imputed value alone would make the covariance too small. It is
    /// right where whether an entry is missing depends on the observed entries at most (missing at random).
    ///
    /// # Errors
    /// As [`fit_from`](Self::fit_from); an infinity; a column that is never observed.
    ///
    /// Sources: Little and Rubin, *Statistical Analysis with Missing Data*, section 11.2; Ghahramani and Jordan, NIPS 6 (1994).
    ///
    /// ```
    /// use mlnotes::gaussian::{Covariance, Gaussians, Spread};
    /// use mlnotes::mixture::{GaussianEm, GaussianMixture};
    /// use ndarray::{Array2, array};
    ///
    /// // y is x, with one y unseen: that point says nothing of the slope, but all there is to say of the mean of x.
    /// let x = array![[0.0, 0.1], [1.0, 0.9], [2.0, 2.0], [5.0, f64::NAN]];
    /// let one = Gaussians::new(array![[0.0, 0.0]], Covariance::Tied(Array2::eye(2)))?;
    /// let start = GaussianMixture::new(array![1.0], one)?;
    /// let fit = GaussianEm::new(1, Spread::Tied).iterations(500).tolerance(1e-12).fit_missing(&start, &x)?;
    /// let mean = fit.model.gaussians().mean();
    /// assert!((mean[[0, 0]] - 2.0).abs() < 1e-9);
    /// assert!((mean[[0, 1]] - (1.0 + 0.95 * (2.0 - 1.0))).abs() < 1e-4); // the line y = 1 + 0.95 (x − 1) at x = 2
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn fit_missing(&self, start: &GaussianMixture, x: &ArrayRef2<f64>) -> Result<Fit<GaussianMixture>> {
        self.validate(start)?;
        start.validate_missing(x)?;
        if let Some(j) = x.columns().into_iter().position(|column| column.iter().all(|value| value.is_nan())) {
            return Err(Error::domain(
                "x",
                format!("missing in all of column {j}"),
                "observed at least once in each column",
            ));
        }
        let patterns = patterns(x);
        self.em().run(
            start.clone(),
            |mixture| {
                let (expected, log_likelihood) = mixture.expect(x, &patterns)?;
                Ok((expected, log_likelihood + mixture.gaussians.log_prior(&self.regular)))
            },
            |mixture, expected| self.maximise_expected(mixture, &expected),
        )
    }

    fn maximise_expected(&self, old: &GaussianMixture, expected: &Expected) -> Result<GaussianMixture> {
        let (k, d) = old.gaussians.mean().dim();
        let (mut weight, mut mean) = (Array1::zeros(k), Array2::zeros((k, d)));
        let mut scatter = expected.uncertainty.clone();
        for (k, completed) in expected.completed.iter().enumerate() {
            let shares = expected.shares.column(k).insert_axis(Axis(1)).to_owned();
            let moments = Moments::of(&[(completed.view(), shares.view())], crate::gaussian::Spread::Tied)?;
            weight[k] = moments.weight[0];
            mean.row_mut(k).assign(&moments.mean.row(0));
            let mut scatter = scatter.index_axis_mut(Axis(0), k);
            scatter += &moments.scatter.matrix(0, d);
        }
        let scatter = match old.gaussians.covariance() {
            Covariance::Full(_) => Covariance::Full(scatter),
            Covariance::Tied(_) => Covariance::Tied(scatter.sum_axis(Axis(0))),
            Covariance::Diagonal(_) => Covariance::Diagonal(Array2::from_shape_fn((k, d), |(k, i)| scatter[[k, i, i]])),
            Covariance::Spherical(_) => Covariance::Spherical(Array1::from_shape_fn(k, |k| {
                (0..d).map(|i| scatter[[k, i, i]]).sum::<f64>() / d as f64
            })),
        };
        let share = &weight / weight.sum();
        let moments = Moments { weight, mean, scatter };
        Ok(GaussianMixture { weight: share, gaussians: moments.gaussians(&self.regular, &old.gaussians)? })
    }
}

impl GaussianMixture {
    /// x with each missing entry (NaN) replaced by its mean given the observed entries of its row. A by-product: the values
    /// lie closer together than unseen ones would, so covariances are not to be taken of them.
    ///
    /// # Errors
    /// No row, an infinity, another width.
    pub fn impute(&self, x: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.validate_missing(x)?;
        let (expected, _) = self.expect(x, &patterns(x))?;
        let mut filled = x.to_owned();
        for ((n, j), value) in filled.indexed_iter_mut() {
            if value.is_nan() {
                *value =
                    expected.completed.iter().zip(expected.shares.row(n)).map(|(x, share)| share * x[[n, j]]).sum();
            }
        }
        Ok(filled)
    }

    fn validate_missing(&self, x: &ArrayRef2<f64>) -> Result<()> {
        // A missing entry is no fault here; everything else is.
        validate::samples("x", &x.mapv(|value| if value.is_nan() { 0.0 } else { value }))?;
        validate::columns("x", x, self.gaussians.dimensions())
    }

    fn expect(&self, x: &ArrayRef2<f64>, patterns: &BTreeMap<Vec<bool>, Vec<usize>>) -> Result<(Expected, f64)> {
        let (k, d) = self.gaussians.mean().dim();
        let mut shares = Array2::zeros((x.nrows(), k));
        let mut completed = vec![x.to_owned(); k];
        let mut conditionals = Vec::new();
        for (pattern, rows) in patterns {
            for component in 0..k {
                let seen = Conditional::new(&self.gaussians.covariance().matrix(component, d), pattern)?;
                let mean = self.gaussians.mean().row(component);
                for &n in rows {
                    shares[[n, component]] = seen.complete(&mean, &mut completed[component].row_mut(n));
                }
                conditionals.push((component, rows, seen));
            }
        }
        let log_likelihood = normalise(&mut shares, &self.weight, &self.weight.ln()).sum();
        let mut uncertainty = Array3::zeros((k, d, d));
        for (component, rows, seen) in conditionals {
            let share: f64 = rows.iter().map(|&n| shares[[n, component]]).sum();
            for (a, &i) in seen.missing.iter().enumerate() {
                for (b, &j) in seen.missing.iter().enumerate() {
                    uncertainty[[component, i, j]] += share * seen.covariance[[a, b]];
                }
            }
        }
        Ok((Expected { shares, completed, uncertainty }, log_likelihood))
    }
}

/// The rows by which of their entries are missing.
fn patterns(x: &ArrayRef2<f64>) -> BTreeMap<Vec<bool>, Vec<usize>> {
    let mut patterns: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
    for (n, row) in x.rows().into_iter().enumerate() {
        patterns.entry(row.iter().map(|value| value.is_nan()).collect()).or_default().push(n);
    }
    patterns
}

impl Conditional {
    fn new(sigma: &Array2<f64>, pattern: &[bool]) -> Result<Self> {
        let (missing, observed): (Vec<usize>, Vec<usize>) = (0..pattern.len()).partition(|&j| pattern[j]);
        let part = |rows: &[usize], columns: &[usize]| {
            Array2::from_shape_fn((rows.len(), columns.len()), |(i, j)| sigma[[rows[i], columns[j]]])
        };
        let mut cross = part(&missing, &observed);
        let mut covariance = part(&missing, &missing);
        if observed.is_empty() {
            return Ok(Self { missing, observed, factor: None, cross, covariance });
        }
        let factor = Cholesky::new(&part(&observed, &observed)).ok_or_else(|| Error::Singular {
            what: "the part of a covariance that belongs to the observed entries".into(),
            remedy: "start from a covariance that is positive definite, or regularise",
        })?;
        for mut row in cross.rows_mut() {
            let mut values = row.to_vec();
            factor.solve_lower(&mut values);
            row.assign(&Array1::from(values));
        }
        covariance -= &cross.dot(&cross.t());
        Ok(Self { missing, observed, factor: Some(factor), cross, covariance })
    }

    /// Fills in the missing entries of `x`, and returns the log density of the observed ones; 0 where there are none.
    fn complete(&self, mean: &ArrayRef1<f64>, x: &mut ArrayRef1<f64>) -> f64 {
        let Some(factor) = &self.factor else {
            x.assign(mean);
            return 0.0;
        };
        let mut whitened: Vec<f64> = self.observed.iter().map(|&j| x[j] - mean[j]).collect();
        factor.solve_lower(&mut whitened);
        for (row, &j) in self.cross.rows().into_iter().zip(&self.missing) {
            x[j] = mean[j] + row.iter().zip(&whitened).map(|(v, w)| v * w).sum::<f64>();
        }
        let square: f64 = whitened.iter().map(|w| w * w).sum();
        let dimensions = self.observed.len() as f64;
        -0.5 * (dimensions * (2.0 * std::f64::consts::PI).ln() + factor.log_determinant() + square)
    }
}
