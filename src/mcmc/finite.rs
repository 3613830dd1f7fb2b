//! Metropolis and Hastings where all states can be listed.

use ndarray::{Array2, ArrayRef1, ArrayRef2};

use crate::{Error, Result, validate};

/// P of the Metropolis-Hastings chain on K states: shape (K, K), row i holds where state i goes.
///
/// P_ij = q_ij min(1, π_j q_ji / (π_i q_ij)) for j ≠ i, so that π_i P_ij = min(π_i q_ij, π_j q_ji), which is symmetric; what is
/// refused stays, P_ii = 1 − Σ_{j ≠ i} P_ij.
///
/// # Shapes
/// `target` π (K), 0 or more, up to a constant; `proposal` q (K, K), rows sum to 1. From a state with π_i = 0, where a chain
/// cannot begin, everything is accepted.
///
/// # Errors
/// No state, shapes that disagree; a NaN, an infinity or a number below 0; a π without any weight; a row that does not sum to 1.
///
/// Source: Hastings, *Monte Carlo sampling methods using Markov chains and their applications*, Biometrika 57 (1970).
///
/// ```
/// use mlnotes::mcmc::transition_matrix;
/// use ndarray::array;
///
/// // State 1 is to be twice as likely as state 0. Half of the moves back are refused.
/// let p = transition_matrix(&array![1.0, 2.0], &array![[0.0, 1.0], [1.0, 0.0]])?;
/// assert_eq!(p, array![[0.0, 1.0], [0.5, 0.5]]);
/// assert!(transition_matrix(&array![1.0, -2.0], &array![[0.0, 1.0], [1.0, 0.0]]).is_err());
/// # Ok::<(), mlnotes::Error>(())
/// ```
pub fn transition_matrix(target: &ArrayRef1<f64>, proposal: &ArrayRef2<f64>) -> Result<Array2<f64>> {
    let states = target.len();
    if states == 0 {
        return Err(Error::Empty { arg: "target", remedy: "give one weight per state, at least one state" });
    }
    if proposal.dim() != (states, states) {
        let expected = format!("({states}, {states}), one row and one column per state of `target`,");
        return Err(Error::shape("proposal", expected, proposal.shape()));
    }
    validate::finite("target", target)?;
    validate::finite("proposal", proposal)?;
    if let Some((i, weight)) = target.indexed_iter().find(|(_, weight)| **weight < 0.0) {
        return Err(Error::domain("target", format!("{weight} at {i}"), "a weight, 0 or more"));
    }
    if target.iter().all(|&weight| weight == 0.0) {
        return Err(Error::domain("target", "0 everywhere", "above 0 in at least one state"));
    }
    for (i, row) in proposal.rows().into_iter().enumerate() {
        validate::distribution("proposal", &row, || format!(" in row {i}"))?;
    }
    Ok(metropolised(target, proposal))
}

fn metropolised(target: &ArrayRef1<f64>, proposal: &ArrayRef2<f64>) -> Array2<f64> {
    let mut p = Array2::from_shape_fn(proposal.dim(), |(i, j)| match target[i] {
        _ if i == j => 0.0,
        0.0 => proposal[[i, j]],
        // Not by the ratio, which overflows where π_i q_ij is small.
        weight => proposal[[i, j]].min(target[j] * proposal[[j, i]] / weight),
    });
    for i in 0..target.len() {
        p[[i, i]] = (1.0 - p.row(i).sum()).max(0.0);
    }
    p
}
