//! IRLS, and what it found.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, s};

use super::Family;
use crate::numerics::Qr;
use crate::{Error, Result, validate};

/// How to fit a generalised linear model.
///
/// ```
/// use mlnotes::glm::{Family, Glm};
/// use ndarray::array;
///
/// // Of two groups, 1 of 4 and 3 of 4 answer yes: log odds −log 3 and log 3.
/// let x = array![[0.0], [0.0], [0.0], [0.0], [1.0], [1.0], [1.0], [1.0]];
/// let y = array![1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0];
/// let fit = Glm::new(Family::Bernoulli).fit(&x, &y)?;
/// assert!((fit.coefficients[0] + 3.0_f64.ln()).abs() < 1e-12);
/// assert!((fit.coefficients[1] - 2.0 * 3.0_f64.ln()).abs() < 1e-12);
/// assert!((fit.standard_errors[0].powi(2) - (1.0 + 1.0 / 3.0)).abs() < 1e-12); // 1/1 + 1/3, by the counts
///
/// // A group that always says yes has infinite log odds; a penalty keeps them finite.
/// let y = array![1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
/// assert!(Glm::new(Family::Bernoulli).fit(&x, &y).is_err());
/// assert!(Glm::new(Family::Bernoulli).penalty(1.0).fit(&x, &y).is_ok());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Glm {
    family: Family,
    intercept: bool,
    penalty: f64,
    offset: Option<Array1<f64>>,
    weights: Option<Array1<f64>>,
    iterations: usize,
    tolerance: f64,
}

impl Glm {
    /// With an intercept, without penalty, offset or weights; at most 100 iterations, to a tolerance of 1e-10.
    pub fn new(family: Family) -> Self {
        Self { family, intercept: true, penalty: 0.0, offset: None, weights: None, iterations: 100, tolerance: 1e-10 }
    }

    /// Whether there is an intercept, the first coefficient (yes at first).
    pub fn intercept(self, intercept: bool) -> Self {
        Self { intercept, ..self }
    }

    /// λ: ½ deviance + ½ λ ‖β‖² is minimised, the intercept apart. For `Gaussian` this is ridge regression, for `Bernoulli`
    /// scikit-learn's C is 1/λ. It depends on the features' units: scale them first
    /// ([`Standardizer`](crate::data::Standardizer)).
    pub fn penalty(self, penalty: f64) -> Self {
        Self { penalty, ..self }
    }

    /// o: a known part of η, such as the log of the time over which a count was taken; shape (samples).
    pub fn offset(self, offset: Array1<f64>) -> Self {
        Self { offset: Some(offset), ..self }
    }

    /// w: y_i has the variance φ V(μ_i)/w_i, as a mean of w_i observations would; 0 leaves it out. Shape (samples).
    pub fn weights(self, weights: Array1<f64>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// At most this many iterations.
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// Ends when no η_i moves by more than this share of the largest |η|, or of 1 if that is larger.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Fits β.
    ///
    /// # Shapes
    /// `x`: (samples, features); `y`: (samples).
    ///
    /// # Numerics
    /// Each step by Householder's QR of √W X, not by XᵀWX. Where the objective would rise, the step is halved; the objective
    /// is convex. At last the method is Newton's, whose error after the last step is that step's square.
    ///
    /// # Errors
    /// - No sample; NaN; shapes that disagree; a y that the family does not produce; a weight or λ below 0, an iteration
    ///   limit of 0, a tolerance that is not above 0.
    /// - A column of x that depends linearly on those before it, unless there is a penalty.
    /// - For `Bernoulli` and `Poisson`: separation (完全分离). Where a direction d has x_iᵀd ≥ 0 for all ones and ≤ 0 for all
    ///   zeros (for counts, = 0 unless y_i = 0), the likelihood rises along d for ever and has no maximum; a penalty helps.
    /// - For `Gaussian` and `Gamma`: no sample beyond those that the coefficients use up, so that φ has no estimate.
    /// - [`Error::NotConverged`].
    pub fn fit(&self, x: &ArrayRef2<f64>, y: &ArrayRef1<f64>) -> Result<Fitted> {
        let data = self.data(x, y)?;
        let mut point = self.start(&data);
        let mut history = vec![point.objective];
        let (mut separates, mut moved) = (false, f64::INFINITY);
        while history.len() <= self.iterations && !separates {
            let Some(step) = data.step(&point, moved < NEAR) else { break };
            let next = data.at(&point.beta + &step);
            moved = largest(&data.x.dot(&step)) / largest(&next.eta).max(1.0);
            if moved <= self.tolerance {
                history.push(next.objective);
                return data.finish(self, next, history);
            }
            separates = data.recedes(&step, if history.len() > PATIENCE { 1e-6 } else { 0.0 });
            let Some(next) = data.halved(&point, &step, next) else { break };
            history.push(next.objective);
            point = next;
        }
        if separates {
            return Err(separated(self.family));
        }
        let iterations = history.len() - 1;
        Err(Error::NotConverged { method: "IRLS", iterations, residual: moved, tolerance: self.tolerance })
    }

    fn data(&self, x: &ArrayRef2<f64>, y: &ArrayRef1<f64>) -> Result<Data> {
        validate::samples("x", x)?;
        validate::one_per_row("y", y.shape(), x.nrows())?;
        self.family.validate(y)?;
        validate::at_least_one("iterations", self.iterations)?;
        validate::positive("tolerance", self.tolerance, "1e-10")?;
        if !(self.penalty >= 0.0 && self.penalty.is_finite()) {
            return Err(Error::domain("penalty", self.penalty, "0 or more, and finite"));
        }
        let offset = per_sample("offset", self.offset.as_ref(), 0.0, x.nrows())?;
        let weights = per_sample("weights", self.weights.as_ref(), 1.0, x.nrows())?;
        if let Some((i, w)) = weights.indexed_iter().find(|(_, w)| **w < 0.0) {
            return Err(Error::domain("weights", format!("{w} at {i}"), "0 or more"));
        }
        let kept: Vec<usize> = (0..x.nrows()).filter(|&i| weights[i] > 0.0).collect();
        if kept.is_empty() {
            return Err(Error::domain("weights", "0 everywhere", "above 0 for at least one sample"));
        }
        let rows = |values: &ArrayRef1<f64>| kept.iter().map(|&i| values[i]).collect();
        let first = usize::from(self.intercept);
        let x = Array2::from_shape_fn((kept.len(), x.ncols() + first), |(i, j)| {
            if j < first { 1.0 } else { x[[kept[i], j - first]] }
        });
        let mut penalties = Array1::from_elem(x.ncols(), self.penalty);
        penalties.slice_mut(s![..first]).fill(0.0);
        let data =
            Data { family: self.family, x, y: rows(y), offset: rows(&offset), weights: rows(&weights), penalties };
        data.check_rank(first)?;
        data.check_kinds(self.intercept)?;
        Ok(data)
    }

    /// The first step, from η near g(y); 0 where that overflows.
    fn start(&self, data: &Data) -> Point {
        let mean = data.y.dot(&data.weights) / data.weights.sum();
        let eta: Array1<f64> = data.y.iter().map(|&y| self.family.start(y, mean)).collect();
        let first = data.solve(&eta, false).map(|beta| data.at(beta)).filter(|point| point.objective.is_finite());
        first.unwrap_or_else(|| data.at(Array1::zeros(data.x.ncols())))
    }
}

/// A step in η, as a share of the largest |η|, from which Newton's method is safe.
const NEAR: f64 = 0.1;

/// Iterations within which Newton's method converges wherever there is a maximum.
const PATIENCE: usize = 25;

fn per_sample(arg: &'static str, values: Option<&Array1<f64>>, other: f64, samples: usize) -> Result<Array1<f64>> {
    let Some(values) = values else { return Ok(Array1::from_elem(samples, other)) };
    validate::one_per_row(arg, values.shape(), samples)?;
    validate::finite(arg, values)?;
    Ok(values.clone())
}

fn separated(family: Family) -> Error {
    let what = match family {
        Family::Bernoulli => "such that a linear function of x tells ones from zeros (separation)",
        _ => "0 wherever a linear function of x is not 0 (separation)",
    };
    let remedy = "less regular for the likelihood to have a maximum: its coefficients grow without end. Give a penalty, for \
                  instance `.penalty(1.0)`, or leave out the column that separates";
    Error::domain("y", what, remedy)
}

/// The samples that count, with the intercept's column.
struct Data {
    family: Family,
    x: Array2<f64>,
    y: Array1<f64>,
    offset: Array1<f64>,
    weights: Array1<f64>,
    /// λ for each coefficient, 0 for the intercept.
    penalties: Array1<f64>,
}

/// max |v|.
fn largest(values: &ArrayRef1<f64>) -> f64 {
    values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()))
}

/// Somewhere on the way.
struct Point {
    beta: Array1<f64>,
    /// Xβ + o.
    eta: Array1<f64>,
    /// Deviance + λ ‖β‖².
    objective: f64,
}

impl Data {
    fn check_rank(&self, first: usize) -> Result<()> {
        let (_, stacked) = self.stacked(&Array1::ones(self.y.len()));
        let Err(column) = Qr::new(&stacked) else { return Ok(()) };
        let which = format!("a matrix whose column {} depends linearly on those before it", column - first);
        let others = if first == 1 { ", the intercept's ones among them" } else { "" };
        let allowed = format!(
            "of independent columns{others}: leave that one out, add samples, or give a penalty, for instance `.penalty(1.0)`"
        );
        Err(Error::domain("x", which, allowed))
    }

    /// An intercept has a finite estimate, with or without a penalty on the others, only if y has this variety.
    fn check_kinds(&self, intercept: bool) -> Result<()> {
        let all = |value: f64| self.y.iter().all(|&y| y == value);
        match self.family {
            Family::Bernoulli if intercept && (all(0.0) || all(1.0)) => Err(Error::domain(
                "y",
                format!("{} for all samples", self.y[0]),
                "of both kinds: add samples of the other",
            )),
            Family::Poisson if intercept && all(0.0) => {
                Err(Error::domain("y", "0 for all samples", "above 0 for some: add samples"))
            }
            _ => Ok(()),
        }
    }

    /// √W X above the roots of the penalties, and √W.
    fn stacked(&self, w: &ArrayRef1<f64>) -> (Array1<f64>, Array2<f64>) {
        let (n, p) = self.x.dim();
        let roots = w.mapv(f64::sqrt);
        let penalised: Vec<usize> = (0..p).filter(|&j| self.penalties[j] > 0.0).collect();
        let stacked = Array2::from_shape_fn((n + penalised.len(), p), |(i, j)| match i.checked_sub(n) {
            None => roots[i] * self.x[[i, j]],
            Some(k) if penalised[k] == j => self.penalties[j].sqrt(),
            Some(_) => 0.0,
        });
        (roots, stacked)
    }

    fn at(&self, beta: Array1<f64>) -> Point {
        let eta = self.x.dot(&beta) + &self.offset;
        let objective = self.deviance(&eta) + (&self.penalties * &beta).dot(&beta);
        Point { beta, eta, objective }
    }

    fn deviance(&self, eta: &ArrayRef1<f64>) -> f64 {
        (0..eta.len()).map(|i| self.weights[i] * self.family.deviance(self.y[i], eta[i])).sum()
    }

    /// The weighted least squares at η; `None` where its weights leave no full rank.
    fn solve(&self, eta: &ArrayRef1<f64>, near: bool) -> Option<Array1<f64>> {
        let working: Vec<_> = (0..eta.len()).map(|i| self.family.working(self.y[i], eta[i], near)).collect();
        let w: Array1<f64> = working.iter().zip(&self.weights).map(|((w, _), weight)| w * weight).collect();
        let (roots, stacked) = self.stacked(&w);
        let mut z = Array1::zeros(stacked.nrows());
        for (i, (_, residual)) in working.iter().enumerate() {
            z[i] = roots[i] * (eta[i] - self.offset[i] + residual);
        }
        let beta = Qr::new(&stacked).ok()?.solve(&z);
        beta.iter().all(|b| b.is_finite()).then_some(beta)
    }

    fn step(&self, point: &Point, near: bool) -> Option<Array1<f64>> {
        Some(self.solve(&point.eta, near)? - &point.beta)
    }

    /// The step, halved until the objective does not rise by more than rounding.
    fn halved(&self, point: &Point, step: &Array1<f64>, whole: Point) -> Option<Point> {
        let mut next = whole;
        for halvings in 1..=60 {
            if next.objective <= point.objective + 1e-12 * (1.0 + point.objective.abs()) {
                return Some(next);
            }
            next = self.at(&point.beta + &(step * 0.5_f64.powi(halvings)));
        }
        None
    }

    /// Whether the likelihood rises for ever along d, a proof if `slack` is 0. Where Newton's method does not end, its steps
    /// in η come to be ±1 for the samples that separate and vanish for the others.
    fn recedes(&self, d: &Array1<f64>, slack: f64) -> bool {
        let change = self.x.dot(d);
        let slack = slack * largest(&change);
        let penalised = |(j, d): (usize, &f64)| self.penalties[j] > 0.0 && d.abs() * largest(&self.x.column(j)) > slack;
        largest(&change) > 1e-3
            && !d.iter().enumerate().any(penalised)
            && change.iter().zip(&self.y).all(|(&change, &y)| match self.family {
                Family::Bernoulli => (2.0 * y - 1.0) * change >= -slack,
                Family::Poisson if y > 0.0 => change.abs() <= slack,
                Family::Poisson => change <= slack,
                Family::Gaussian | Family::Gamma => false,
            })
    }

    fn finish(&self, options: &Glm, point: Point, history: Vec<f64>) -> Result<Fitted> {
        let w = &point.eta.mapv(|eta| self.family.information(eta)) * &self.weights;
        let Ok(qr) = Qr::new(&self.stacked(&w).1) else { return Err(separated(self.family)) };
        let inverse = qr.inverse_upper();
        let unscaled = inverse.dot(&inverse.t());
        // tr (XᵀWX + λ)⁻¹ XᵀWX, which is p without a penalty.
        let used = self.x.ncols() as f64 - self.penalties.dot(&unscaled.diag());
        let dispersion = if self.family.has_dispersion() {
            let free = self.y.len() as f64 - used;
            let enough = free > 1e-8 * self.y.len() as f64;
            if !enough {
                let expected = format!("more than {} samples, one per coefficient,", self.x.ncols());
                return Err(Error::shape("x", expected, &[self.y.len(), self.x.ncols()]));
            }
            let pearson = |i: usize| self.weights[i] * self.family.pearson(self.y[i], point.eta[i]);
            (0..self.y.len()).map(pearson).sum::<f64>() / free
        } else {
            1.0
        };
        let covariance = unscaled * dispersion;
        let likelihood = |i: usize| self.family.log_likelihood(self.y[i], point.eta[i], dispersion, self.weights[i]);
        Ok(Fitted {
            family: self.family,
            intercept: options.intercept,
            standard_errors: covariance.diag().mapv(f64::sqrt),
            covariance,
            dispersion,
            degrees_of_freedom: used,
            deviance: self.deviance(&point.eta),
            log_likelihood: if dispersion > 0.0 { (0..self.y.len()).map(likelihood).sum() } else { f64::INFINITY },
            coefficients: point.beta,
            history,
        })
    }
}

/// A fitted generalised linear model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fitted {
    /// What y follows.
    pub family: Family,
    /// β, shape (1 + features), the intercept first; without an intercept (features).
    pub coefficients: Array1<f64>,
    /// √ of the diagonal of [`covariance`](Self::covariance).
    pub standard_errors: Array1<f64>,
    /// φ (XᵀWX + λ)⁻¹ at β, the intercept without λ: the inverse of Fisher's information. With a penalty it is the
    /// covariance of the posterior's normal approximation under the prior β ~ N(0, φ/λ).
    pub covariance: Array2<f64>,
    /// φ: Pearson's Σ w (y − μ)²/V(μ) by the number of samples less [`degrees_of_freedom`](Self::degrees_of_freedom); 1 for
    /// `Bernoulli` and `Poisson`.
    pub dispersion: f64,
    /// tr (XᵀWX + λ)⁻¹XᵀWX: the number of coefficients, less what the penalty holds back.
    pub degrees_of_freedom: f64,
    /// 2 φ (the largest log-likelihood that any means would have, less this model's); without the penalty.
    pub deviance: f64,
    /// Σ log p(y_i) at the φ above; ∞ where that is 0.
    pub log_likelihood: f64,
    /// Deviance + λ ‖β‖² of the start and after each iteration: but for rounding, it never rises.
    pub history: Vec<f64>,
    intercept: bool,
}

impl Fitted {
    /// η = xᵀβ of each row, without an offset; shape (samples).
    ///
    /// # Errors
    /// No sample; NaN; another width than in training.
    pub fn linear_predictor(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        let first = usize::from(self.intercept);
        validate::samples("x", x)?;
        validate::columns("x", x, self.coefficients.len() - first)?;
        let constant = if self.intercept { self.coefficients[0] } else { 0.0 };
        Ok(x.dot(&self.coefficients.slice(s![first..])) + constant)
    }

    /// The means μ = g⁻¹(xᵀβ), shape (samples); with an offset o, give [`linear_predictor`](Self::linear_predictor) + o to
    /// [`Family::mean`].
    ///
    /// # Errors
    /// As [`linear_predictor`](Self::linear_predictor).
    ///
    /// ```
    /// use mlnotes::glm::{Family, Glm};
    /// use ndarray::array;
    ///
    /// let line = Glm::new(Family::Gaussian).fit(&array![[0.0], [1.0], [2.0]], &array![1.0, 2.0, 6.0])?;
    /// assert!((line.predict(&array![[4.0]])? - array![10.5]).iter().all(|d| d.abs() < 1e-12)); // 0.5 + 2.5 x
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn predict(&self, x: &ArrayRef2<f64>) -> Result<Array1<f64>> {
        Ok(self.linear_predictor(x)?.mapv(|eta| self.family.mean(eta)))
    }
}
