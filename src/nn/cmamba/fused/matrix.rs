//! Products of matrices that are there already.

use crate::nn::slices::Number;

/// A matrix within a slice: entry (i, j) at i · `steps[0]` + j · `steps[1]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    values: &'a [T],
    size: [usize; 2],
    steps: [usize; 2],
}

impl<'a, T> Matrix<'a, T> {
    /// Of so many columns, row by row.
    pub(super) fn rows(values: &'a [T], columns: usize) -> Self {
        Self { values, size: [values.len() / columns, columns], steps: [columns, 1] }
    }

    /// The transposed matrix.
    pub(super) fn t(self) -> Self {
        let flipped = |[i, j]: [usize; 2]| [j, i];
        Self { values: self.values, size: flipped(self.size), steps: flipped(self.steps) }
    }
}

/// `to` ← a b, or `to` + a b; `to` row by row.
pub(super) fn product<T: Number>(to: &mut [T], add: bool, a: Matrix<'_, T>, b: Matrix<'_, T>) {
    let ([rows, inner], [same, columns]) = (a.size, b.size);
    assert!(inner == same && to.len() == rows * columns);
    for matrix in [&a, &b] {
        let last = |axis: usize| matrix.size[axis].saturating_sub(1) * matrix.steps[axis];
        assert!(matrix.size.contains(&0) || last(0) + last(1) < matrix.values.len());
    }
    let ([a_row, a_column], [b_row, b_column]) = (a.steps.map(|step| step as isize), b.steps.map(|step| step as isize));
    // SAFETY: every entry of the three is within its slice by the assertions, and `to` is borrowed by nobody else.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            to.as_mut_ptr(),
            1,
            columns as isize,
            add,
            a.values.as_ptr(),
            a_column,
            a_row,
            b.values.as_ptr(),
            b_column,
            b_row,
            T::one(),
            T::one(),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
