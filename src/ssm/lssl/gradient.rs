//! The slopes of a loss with respect to everything that can be learned.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, ArrayView1, Axis, s};

use super::Lssl;
use crate::numerics::Lu;
use crate::ssm::lti::one_per_channel;
use crate::ssm::lti::{Rule, expm};
use crate::{Error, Result, validate};

/// ∂loss/∂ each parameter, and the input.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LsslGradient {
    /// Shape (N, N), all channels' together.
    pub a: Array2<f64>,
    /// Shape (N), all channels' together.
    pub b: Array1<f64>,
    /// Shape (H, N).
    pub c: Array2<f64>,
    /// Shape (H).
    pub d: Array1<f64>,
    /// With respect to Δ, shape (H).
    pub steps: Array1<f64>,
    /// Shape (L, H).
    pub u: Array2<f64>,
}

impl Lssl {
    /// The slopes of a loss, from its slopes g_k = ∂loss/∂y_k, by reverse mode through the recurrence (通过递归反向传播).
    ///
    /// With λ_k = ∂loss/∂x_k, backwards from λ_L = 0:
    ///
    /// λ_k = Cᵀ g_k + Āᵀ λ_{k+1}, ∂Ā = Σ λ_k x_{k−1}ᵀ, ∂B̄ = Σ λ_k u_k, ∂C = Σ g_k x_k, ∂D = Σ g_k u_k,
    /// ∂u_k = B̄ᵀ λ_k + D g_k
    ///
    /// Then through the rule. The bilinear ones say (I − αW) Ā = I + (1−α) W and (I − αW) B̄ = w for W = ΔA and w = ΔB; with
    /// G = (I − αW)⁻ᵀ ∂Ā and ∂w = (I − αW)⁻ᵀ ∂B̄
    ///
    /// ∂W = (1−α) G + α G Āᵀ + α ∂w B̄ᵀ
    ///
    /// Zero-order hold is Ā, B̄ = the upper rows of exp(Z), Z = (W, w; 0, 0), whose adjoint is a block of a larger
    /// exponential: ∂Z is the upper right block of exp(Zᵀ, ∂(Ā, B̄; 0, 0); 0, Zᵀ). Last, ∂A = Δ ∂W, ∂B = Δ ∂w and
    /// ∂Δ = ⟨A, ∂W⟩ + ⟨B, ∂w⟩.
    ///
    /// # Shapes
    /// `u` and `slopes`: (L, H).
    ///
    /// # Errors
    /// Other shapes, NaN or an infinity, a state that leaves f64.
    ///
    /// # Numerics
    /// O(L N²) a channel, all states kept.
    ///
    /// ```
    /// use mlnotes::ssm::{lssl::Lssl, lti::Rule};
    /// use ndarray::array;
    ///
    /// // One step of Euler's rule: y = C Δ B u + D u = 2 · 0.1 · 3 · 5 + 7 · 5; the loss is y.
    /// let layer = Lssl::new(array![[-1.0]], array![3.0], array![[2.0]], array![7.0], array![0.1], Rule::Euler)?;
    /// let slopes = layer.gradient(&array![[5.0]], &array![[1.0]])?;
    /// assert!((slopes.steps[0] - 30.0).abs() < 1e-12); // C B u
    /// assert!((slopes.b[0] - 1.0).abs() < 1e-12); // C Δ u
    /// assert!((slopes.c[[0, 0]] - 1.5).abs() < 1e-12); // Δ B u
    /// assert_eq!((slopes.d[0], slopes.a[[0, 0]]), (5.0, 0.0));
    /// assert!((slopes.u[[0, 0]] - 7.6).abs() < 1e-12); // C Δ B + D
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    ///
    /// Source: the chain rule; the derivative of the exponential as in Van Loan, *Computing integrals involving the matrix
    /// exponential*, IEEE Transactions on Automatic Control 23 (1978).
    pub fn gradient(&self, u: &ArrayRef2<f64>, slopes: &ArrayRef2<f64>) -> Result<LsslGradient> {
        one_per_channel(u, self.channels())?;
        if slopes.shape() != u.shape() {
            let expected = format!("({}, {}), as `u`,", u.nrows(), u.ncols());
            return Err(Error::shape("slopes", expected, slopes.shape()));
        }
        validate::finite("slopes", slopes)?;
        let n = self.order();
        let mut gradient = LsslGradient {
            a: Array2::zeros((n, n)),
            b: Array1::zeros(n),
            c: Array2::zeros(self.c.dim()),
            d: Array1::zeros(self.channels()),
            steps: Array1::zeros(self.channels()),
            u: Array2::zeros(u.dim()),
        };
        for channel in 0..self.channels() {
            self.add_channel(channel, u.column(channel), slopes.column(channel), &mut gradient)?;
        }
        let parts = [&gradient.b, &gradient.d, &gradient.steps];
        parts.into_iter().try_for_each(|part| in_range(part.iter()))?;
        [&gradient.a, &gradient.c, &gradient.u].into_iter().try_for_each(|part| in_range(part.iter()))?;
        Ok(gradient)
    }

    fn add_channel(
        &self,
        channel: usize,
        u: ArrayView1<'_, f64>,
        slopes: ArrayView1<'_, f64>,
        gradient: &mut LsslGradient,
    ) -> Result<()> {
        let discrete = self.discrete(channel)?;
        let (keeps, takes) = (discrete.a(), discrete.b().column(0));
        let states = discrete.recurrent_from(&Array1::zeros(self.order()), &u.insert_axis(Axis(1)))?.states;
        let c = self.c.row(channel);
        let backwards = keeps.t();
        let (mut of_keeps, mut of_takes) = (Array2::zeros(self.a.dim()), Array1::zeros(self.order()));
        let mut adjoint = Array1::<f64>::zeros(self.order());
        for (k, (&u, &slope)) in u.iter().zip(&slopes).enumerate().rev() {
            adjoint = backwards.dot(&adjoint);
            adjoint.scaled_add(slope, &c);
            if k > 0 {
                add_outer(&mut of_keeps, &adjoint, &states.row(k - 1));
            }
            of_takes.scaled_add(u, &adjoint);
            gradient.c.row_mut(channel).scaled_add(slope, &states.row(k));
            gradient.d[channel] += slope * u;
            gradient.u[[k, channel]] = takes.dot(&adjoint) + self.d[channel] * slope;
        }
        in_range(of_keeps.iter().chain(&of_takes))?;
        let step = self.steps[channel];
        let (of_rate, of_input) = match self.rule {
            Rule::ZeroOrderHold => hold(&(&self.a * step), &(&self.b * step), &of_keeps, &of_takes)?,
            Rule::Euler => bilinear(&self.a, step, 0.0, (keeps, &takes), (of_keeps, of_takes))?,
            Rule::BackwardEuler => bilinear(&self.a, step, 1.0, (keeps, &takes), (of_keeps, of_takes))?,
            Rule::Bilinear => bilinear(&self.a, step, 0.5, (keeps, &takes), (of_keeps, of_takes))?,
            Rule::GeneralisedBilinear(alpha) => bilinear(&self.a, step, alpha, (keeps, &takes), (of_keeps, of_takes))?,
        };
        gradient.steps[channel] = (&of_rate * &self.a).sum() + of_input.dot(&self.b);
        gradient.a.scaled_add(step, &of_rate);
        gradient.b.scaled_add(step, &of_input);
        Ok(())
    }
}

fn in_range<'a>(mut slopes: impl Iterator<Item = &'a f64>) -> Result<()> {
    if slopes.all(|slope| slope.is_finite()) {
        return Ok(());
    }
    Err(Error::domain(
        "slopes",
        "so large that what follows from them leaves f64",
        "smaller: divide the loss by its size",
    ))
}

/// ∂W and ∂w of the bilinear rules.
fn bilinear(
    a: &ArrayRef2<f64>,
    step: f64,
    alpha: f64,
    (keeps, takes): (&ArrayRef2<f64>, &ArrayRef1<f64>),
    (of_keeps, of_takes): (Array2<f64>, Array1<f64>),
) -> Result<(Array2<f64>, Array1<f64>)> {
    let ends = Array2::<f64>::eye(a.nrows()) - &(a * (step * alpha));
    let Some(lu) = Lu::new(&ends.t()) else {
        return Err(Error::domain("steps", step, "such that I − αΔA has an inverse: take a shorter step"));
    };
    let of_keeps = lu.solve_matrix(&of_keeps);
    let of_input = lu.solve_matrix(&of_takes.insert_axis(Axis(1))).remove_axis(Axis(1));
    let mut of_rate = of_keeps.dot(&keeps.t()) * alpha + &of_keeps * (1.0 - alpha);
    add_outer(&mut of_rate, &(&of_input * alpha), takes);
    Ok((of_rate, of_input))
}

/// The same of zero-order hold.
fn hold(
    rate: &Array2<f64>,
    input: &Array1<f64>,
    of_keeps: &Array2<f64>,
    of_takes: &Array1<f64>,
) -> Result<(Array2<f64>, Array1<f64>)> {
    let n = input.len();
    // The adjoint is linear in these: at a size of 1 they do not add to the exponential's squarings.
    let size = of_keeps.iter().chain(of_takes).fold(0.0, |m: f64, x| m.max(x.abs()));
    if size == 0.0 {
        return Ok((Array2::zeros((n, n)), Array1::zeros(n)));
    }
    let mut block = Array2::zeros((2 * n + 2, 2 * n + 2));
    for first in [0, n + 1] {
        block.slice_mut(s![first..first + n, first..first + n]).assign(&rate.t());
        block.slice_mut(s![first + n, first..first + n]).assign(input);
    }
    block.slice_mut(s![..n, n + 1..2 * n + 1]).assign(&(of_keeps / size));
    block.slice_mut(s![..n, 2 * n + 1]).assign(&(of_takes / size));
    let adjoint = expm(&block)?.slice(s![..n, n + 1..]).to_owned() * size;
    Ok((adjoint.slice(s![.., ..n]).to_owned(), adjoint.column(n).to_owned()))
}

/// M += x yᵀ.
fn add_outer(matrix: &mut Array2<f64>, x: &ArrayRef1<f64>, y: &ArrayRef1<f64>) {
    for (mut row, &x) in matrix.rows_mut().into_iter().zip(x) {
        row.scaled_add(x, y);
    }
}
