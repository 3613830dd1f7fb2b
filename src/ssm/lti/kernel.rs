//! The model as a convolution.

use ndarray::{Array2, Array3, ArrayRef2, Axis, s};

use super::convolution::Fourier;
use super::discrete::in_range;
use super::{Discrete, convolve};
use crate::Result;

impl Discrete {
    /// The convolution kernel (卷积核), the answer to a single 1: K = (C B̄, C Ā B̄, …, C Ā^{L−1} B̄).
    ///
    /// # Shapes
    /// (length, Q, P): entry j, q, p is what input p does to output q after j steps.
    ///
    /// # Errors
    /// Entries beyond the range of f64.
    ///
    /// # Numerics
    /// With m ≈ √L, C Ā^{rm} and Ā^i B̄ are computed for r and i below m, and every entry is one product of them, r m + i
    /// being its place: about 2 N² √L + N L operations instead of N² L. What differs from
    /// [`kernel_by_steps`](Self::kernel_by_steps) is rounding of powers, some 1e-15 of the largest entry of the state's
    /// response, not of each entry of K.
    ///
    /// # Source
    /// S4, equations 4 and 5. The grouping of powers is Paterson and Stockmeyer's, *On the number of nonscalar
    /// multiplications necessary to evaluate polynomials*, SIAM Journal on Computing 2 (1973).
    ///
    /// ```
    /// use mlnotes::ssm::lti::Discrete;
    /// use ndarray::array;
    ///
    /// // Two stages, each of which keeps half: the second sees what the first let through.
    /// let two = Discrete::siso(array![[0.5, 0.0], [0.5, 0.5]], array![1.0, 0.0], array![0.0, 1.0], 0.0)?;
    /// assert_eq!(two.kernel(4)?.flatten(), array![0.0, 0.5, 0.5, 0.375]); // j / 2^j
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn kernel(&self, length: usize) -> Result<Array3<f64>> {
        let (n, p, q) = (self.a().nrows(), self.b().ncols(), self.c().nrows());
        let m = (length as f64).sqrt().ceil() as usize;
        let mut near = Array2::zeros((n, m * p));
        let mut column = self.b().clone();
        for i in 0..m {
            near.slice_mut(s![.., i * p..(i + 1) * p]).assign(&column);
            column = self.a().dot(&column);
        }
        let leap = power(self.a(), m);
        let blocks = if m == 0 { 0 } else { length.div_ceil(m) };
        let mut far = Array2::zeros((blocks * q, n));
        let mut rows = self.c().clone();
        for r in 0..blocks {
            far.slice_mut(s![r * q..(r + 1) * q, ..]).assign(&rows);
            rows = rows.dot(&leap);
        }
        let products = far.dot(&near);
        let at = |(j, out, into): (usize, usize, usize)| products[[j / m * q + out, j % m * p + into]];
        let kernel = Array3::from_shape_fn((length, q, p), at);
        in_range(&kernel)?;
        Ok(kernel)
    }

    /// The same, a step at a time, as the equation reads.
    ///
    /// # Errors
    /// As [`kernel`](Self::kernel).
    pub fn kernel_by_steps(&self, length: usize) -> Result<Array3<f64>> {
        let mut kernel = Array3::zeros((length, self.c().nrows(), self.b().ncols()));
        let mut state = self.b().clone();
        for mut entry in kernel.axis_iter_mut(Axis(0)) {
            entry.assign(&self.c().dot(&state));
            state = self.a().dot(&state);
        }
        in_range(&kernel)?;
        Ok(kernel)
    }

    /// The convolutional view from rest: y = K ∗ u + D u, all times at once. What [`recurrent`](Self::recurrent) gives.
    ///
    /// # Shapes
    /// `u` (L, P), the result (L, Q); of no times, no outputs.
    ///
    /// # Errors
    /// Another shape, NaN or an infinity in u, a kernel or outputs beyond the range of f64.
    ///
    /// # Numerics
    /// By fast Fourier transforms, one for each input and one for each output: O(L log L). Every output is off by some
    /// 1e-16 ‖K‖ ‖u‖ (Euclidean norms), the small ones too.
    ///
    /// # Source
    /// S4, equation 4.
    pub fn convolutional(&self, u: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.matrices.inputs(u)?;
        let (length, q) = (u.nrows(), self.c().nrows());
        let mut y = Array2::zeros((length, q));
        let kernel = self.kernel(length)?;
        let fourier = Fourier::new(2 * length);
        let spectra: Vec<_> = u.columns().into_iter().map(|u| fourier.spectrum(u.iter())).collect();
        for out in 0..q {
            let mut sum = fourier.nothing();
            for (into, spectrum) in spectra.iter().enumerate() {
                fourier.response(kernel.slice(s![.., out, into]).iter()).add(spectrum, &mut sum);
            }
            fourier.signal(&mut sum, y.column_mut(out).iter_mut());
        }
        self.pass_through(u, &mut y);
        in_range(&y)?;
        Ok(y)
    }

    /// The same, summed as the equation reads, in O(L²).
    ///
    /// # Errors
    /// As [`convolutional`](Self::convolutional).
    pub fn convolutional_direct(&self, u: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.matrices.inputs(u)?;
        let kernel = self.kernel_by_steps(u.nrows())?;
        let mut y = Array2::zeros((u.nrows(), self.c().nrows()));
        if u.nrows() > 0 {
            for ((out, into), _) in self.d().indexed_iter() {
                let mut column = y.column_mut(out);
                column += &convolve(&kernel.slice(s![.., out, into]), &u.column(into))?;
            }
        }
        self.pass_through(u, &mut y);
        in_range(&y)?;
        Ok(y)
    }
}

/// A^m by repeated squaring.
fn power(a: &ArrayRef2<f64>, m: usize) -> Array2<f64> {
    let (mut result, mut square, mut rest) = (Array2::eye(a.nrows()), a.to_owned(), m);
    while rest > 0 {
        if rest % 2 == 1 {
            result = result.dot(&square);
        }
        rest /= 2;
        if rest > 0 {
            square = square.dot(&square);
        }
    }
    result
}
