//! A, B, C and D, which belong together.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use crate::{Error, Result, validate};

/// Four finite matrices whose shapes agree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrices {
    pub a: Array2<f64>,
    pub b: Array2<f64>,
    pub c: Array2<f64>,
    pub d: Array2<f64>,
}

impl Matrices {
    pub fn new(a: Array2<f64>, b: Array2<f64>, c: Array2<f64>, d: Array2<f64>) -> Result<Self> {
        dynamics(&a, &b)?;
        let (n, p, q) = (a.nrows(), b.ncols(), c.nrows());
        if q == 0 {
            return Err(Error::Empty { arg: "c", remedy: "give one row per output" });
        }
        shape("c", &c, (q, n), &format!("({q}, {n}), one column per dimension of the state,"))?;
        shape("d", &d, (q, p), &format!("({q}, {p}), one row per output and one column per input,"))?;
        validate::finite("c", &c)?;
        validate::finite("d", &d)?;
        Ok(Self { a, b, c, d })
    }

    /// One input, one output.
    pub fn siso(a: Array2<f64>, b: Array1<f64>, c: Array1<f64>, d: f64) -> Result<Self> {
        let (n, m) = (b.len(), c.len());
        let column = Array2::from_shape_fn((n, 1), |(i, _)| b[i]);
        let row = Array2::from_shape_fn((1, m), |(_, j)| c[j]);
        Self::new(a, column, row, Array2::from_elem((1, 1), d))
    }

    /// (L, P) without NaN or infinity.
    pub fn inputs(&self, u: &ArrayRef2<f64>) -> Result<()> {
        let p = self.b.ncols();
        if u.ncols() != p {
            return Err(Error::shape("u", format!("(times, {p}), one column per column of `b`,"), u.shape()));
        }
        validate::finite("u", u)
    }

    /// (N) without NaN or infinity.
    pub fn state(&self, arg: &'static str, x: &ArrayRef1<f64>) -> Result<()> {
        let n = self.a.nrows();
        if x.len() != n {
            return Err(Error::shape(arg, format!("({n}), one number per dimension of the state,"), x.shape()));
        }
        validate::finite(arg, x)
    }
}

/// A (N, N) and B (N, P) that belong together.
pub(super) fn dynamics(a: &ArrayRef2<f64>, b: &ArrayRef2<f64>) -> Result<()> {
    let n = a.nrows();
    if n == 0 {
        return Err(Error::Empty { arg: "a", remedy: "give the state at least one dimension" });
    }
    if b.ncols() == 0 {
        return Err(Error::Empty { arg: "b", remedy: "give one column per input, zeros if there is none" });
    }
    shape("a", a, (n, n), "(N, N), as many rows as columns,")?;
    shape("b", b, (n, b.ncols()), &format!("({n}, inputs), one row per dimension of the state,"))?;
    validate::finite("a", a)?;
    validate::finite("b", b)
}

fn shape(arg: &'static str, got: &ArrayRef2<f64>, needed: (usize, usize), expected: &str) -> Result<()> {
    if got.dim() == needed { Ok(()) } else { Err(Error::shape(arg, expected, got.shape())) }
}
