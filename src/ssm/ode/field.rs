//! The right-hand side of a differential equation, and one that can be learned.

use ndarray::{Array1, Array2, ArrayRef1, ArrayView1, ArrayView2};

use crate::{Error, Result, validate};

/// f(x, t; θ), and what reverse mode asks of it.
///
/// The solver gives slices of the right lengths. Numbers that are not finite end in its error.
///
/// ```
/// use mlnotes::ssm::ode::{RungeKutta, VectorField};
/// use ndarray::array;
///
/// /// x′ = θ t: x(t) = x(0) + θ t² / 2.
/// struct Pulled(f64);
///
/// impl VectorField for Pulled {
///     fn dimension(&self) -> usize {
///         1
///     }
///     fn parameter_count(&self) -> usize {
///         1
///     }
///     fn value(&self, _: &[f64], t: f64, slope: &mut [f64]) {
///         slope[0] = self.0 * t;
///     }
///     fn vjp(&self, _: &[f64], t: f64, adjoint: &[f64], _: &mut [f64], of_parameters: &mut [f64]) {
///         of_parameters[0] += t * adjoint[0]; // ∂f/∂θ = t, and ∂f/∂x = 0
///     }
/// }
///
/// let path = RungeKutta::Classical.solve(&Pulled(3.0), &array![1.0], &array![0.0, 2.0], 1)?;
/// assert_eq!(path, array![[1.0], [7.0]]);
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub trait VectorField {
    /// N, the length of x.
    fn dimension(&self) -> usize;

    /// P, the length of θ.
    fn parameter_count(&self) -> usize;

    /// Writes f(x, t; θ) to `slope`; both (N).
    fn value(&self, x: &[f64], t: f64, slope: &mut [f64]);

    /// The vector-Jacobian products (向量-雅可比积) with λ: *adds* (∂f/∂x)ᵀ λ to `of_x` (N) and (∂f/∂θ)ᵀ λ to `of_parameters` (P).
    fn vjp(&self, x: &[f64], t: f64, adjoint: &[f64], of_x: &mut [f64], of_parameters: &mut [f64]);
}

/// A linear law, corrected by one hidden layer of M units.
///
/// f(x) = A x + V tanh(W x + b), θ = (A, V, W, b), each row by row
///
/// Without units (M = 0) it is x′ = A x, whose solution is e^{tA} x(0). It is the same at all times.
///
/// ```
/// use mlnotes::ssm::ode::{TanhField, VectorField};
/// use ndarray::array;
///
/// let field = TanhField::new(array![[-1.0]], array![[2.0]], array![[1.0]], array![0.5])?;
/// let mut slope = [0.0];
/// field.value(&[-0.5], 0.0, &mut slope);
/// assert_eq!(slope, [0.5]); // −1 · −0.5 + 2 tanh(1 · −0.5 + 0.5)
/// let (mut of_x, mut of_parameters) = ([0.0], [0.0; 4]);
/// field.vjp(&[-0.5], 0.0, &[1.0], &mut of_x, &mut of_parameters);
/// assert_eq!(of_x, [1.0]); // A + V W, as tanh′(0) = 1
/// assert_eq!(of_parameters, [-0.5, 0.0, -1.0, 2.0]); // x, tanh(0), V x, V
/// assert!(TanhField::new(array![[-1.0]], array![[2.0]], array![[1.0]], array![0.5, 0.5]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TanhField {
    dimension: usize,
    units: usize,
    parameters: Array1<f64>,
}

/// A, V, W and b as parts of θ.
type Parts<'a> = (&'a [f64], &'a [f64], &'a [f64], &'a [f64]);

impl TanhField {
    /// From A (N, N), V (N, M), W (M, N) and b (M).
    ///
    /// # Errors
    /// No dimension, shapes that disagree, NaN or an infinity.
    pub fn new(a: Array2<f64>, v: Array2<f64>, w: Array2<f64>, b: Array1<f64>) -> Result<Self> {
        let (n, m) = (a.nrows(), b.len());
        if n == 0 {
            return Err(Error::Empty { arg: "a", remedy: "give one row and one column per dimension of the state" });
        }
        for (arg, matrix, expected) in [("a", &a, (n, n)), ("v", &v, (n, m)), ("w", &w, (m, n))] {
            if matrix.dim() != expected {
                let expected = format!("{expected:?}, as `a` has {n} rows and `b` {m} entries,");
                return Err(Error::shape(arg, expected, matrix.shape()));
            }
            validate::finite(arg, matrix)?;
        }
        validate::finite("b", &b)?;
        let parameters = a.iter().chain(&v).chain(&w).chain(&b).copied().collect();
        Ok(Self { dimension: n, units: m, parameters })
    }

    /// The same law with another θ: after a step of learning, or to read a gradient part by part.
    ///
    /// # Errors
    /// Another length, NaN or an infinity.
    ///
    /// ```
    /// use mlnotes::ssm::ode::TanhField;
    /// use ndarray::{Array1, Array2, array};
    ///
    /// let linear = TanhField::new(array![[0.0, 1.0], [-4.0, 0.0]], Array2::zeros((2, 0)), Array2::zeros((0, 2)), array![])?;
    /// let softer = linear.with_parameters(&array![0.0, 1.0, -3.0, 0.0])?;
    /// assert_eq!(softer.a(), array![[0.0, 1.0], [-3.0, 0.0]]);
    /// assert!(linear.with_parameters(&Array1::zeros(5)).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn with_parameters(&self, parameters: &ArrayRef1<f64>) -> Result<Self> {
        let count = self.parameters.len();
        if parameters.len() != count {
            return Err(Error::shape(
                "parameters",
                format!("({count}), the entries of A, V, W and b,"),
                parameters.shape(),
            ));
        }
        validate::finite("parameters", parameters)?;
        Ok(Self { parameters: parameters.iter().copied().collect(), ..*self })
    }

    /// θ, shape (P), P = N² + 2 N M + M.
    pub fn parameters(&self) -> &Array1<f64> {
        &self.parameters
    }

    /// A, shape (N, N).
    pub fn a(&self) -> ArrayView2<'_, f64> {
        self.matrix(0, (self.dimension, self.dimension))
    }

    /// V, shape (N, M).
    pub fn v(&self) -> ArrayView2<'_, f64> {
        self.matrix(self.dimension * self.dimension, (self.dimension, self.units))
    }

    /// W, shape (M, N).
    pub fn w(&self) -> ArrayView2<'_, f64> {
        self.matrix(self.dimension * (self.dimension + self.units), (self.units, self.dimension))
    }

    /// b, shape (M).
    pub fn b(&self) -> ArrayView1<'_, f64> {
        self.parameters.slice(ndarray::s![self.parameters.len() - self.units..])
    }

    fn matrix(&self, from: usize, (rows, columns): (usize, usize)) -> ArrayView2<'_, f64> {
        let part = self.parameters.slice(ndarray::s![from..from + rows * columns]);
        part.into_shape_with_order((rows, columns)).expect("a part of θ, which is one piece")
    }

    fn parts(&self) -> Parts<'_> {
        let all = self.parameters.as_slice().unwrap_or_default();
        let (a, rest) = all.split_at(self.dimension * self.dimension);
        let (v, rest) = rest.split_at(self.dimension * self.units);
        let (w, b) = rest.split_at(self.units * self.dimension);
        (a, v, w, b)
    }

    /// tanh(W x + b) of one unit.
    fn unit(&self, unit: usize, x: &[f64]) -> f64 {
        let (.., w, b) = self.parts();
        let n = self.dimension;
        (dot(&w[unit * n..(unit + 1) * n], x) + b[unit]).tanh()
    }
}

impl VectorField for TanhField {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn parameter_count(&self) -> usize {
        self.parameters.len()
    }

    fn value(&self, x: &[f64], _: f64, slope: &mut [f64]) {
        let (a, v, ..) = self.parts();
        for (slope, row) in slope.iter_mut().zip(a.chunks_exact(self.dimension)) {
            *slope = dot(row, x);
        }
        for unit in 0..self.units {
            let hidden = self.unit(unit, x);
            slope.iter_mut().enumerate().for_each(|(i, slope)| *slope += v[i * self.units + unit] * hidden);
        }
    }

    fn vjp(&self, x: &[f64], _: f64, adjoint: &[f64], of_x: &mut [f64], of_parameters: &mut [f64]) {
        let (n, m) = (self.dimension, self.units);
        let (a, v, w, _) = self.parts();
        let (of_a, rest) = of_parameters.split_at_mut(n * n);
        let (of_v, rest) = rest.split_at_mut(n * m);
        let (of_w, of_b) = rest.split_at_mut(m * n);
        for (i, &slope) in adjoint.iter().enumerate() {
            add(slope, &a[i * n..(i + 1) * n], of_x);
            add(slope, x, &mut of_a[i * n..(i + 1) * n]);
        }
        for unit in 0..m {
            let hidden = self.unit(unit, x);
            let mut of_hidden = 0.0;
            for (i, &slope) in adjoint.iter().enumerate() {
                of_hidden += v[i * m + unit] * slope;
                of_v[i * m + unit] += slope * hidden;
            }
            let of_sum = of_hidden * (1.0 - hidden * hidden);
            add(of_sum, &w[unit * n..(unit + 1) * n], of_x);
            add(of_sum, x, &mut of_w[unit * n..(unit + 1) * n]);
            of_b[unit] += of_sum;
        }
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// y += c x.
pub(super) fn add(c: f64, x: &[f64], y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += c * x);
}
