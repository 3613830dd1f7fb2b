//! Weights to start from.

use candle_core::DType;
use candle_nn::VarMap;

use super::Config;
use crate::Result;
use crate::nn::slices::insert;
use crate::random::RandomState;

/// Δ at the start is log-uniform between these, `dt_min` and `dt_max` of the published code.
const DELTA: (f64, f64) = (1e-3, 1e-1);

impl Config {
    /// The model's weights at random, as the published code draws them: A = −1 … −S, Δ of a patch of zeros log-uniform in
    /// [0.001, 0.1], its projection uniform within 1/√dt_rank, norms 1, all else, biases too, uniform within 1/√(inputs).
    /// The same seed gives the same weights. Without selection B and D are 1 and C of N(0, 1), as S4D has them.
    ///
    /// # Errors
    /// Sizes that make no model; a `dtype` that is neither f32 nor f64.
    ///
    /// ```
    /// use candle_core::DType;
    /// use mlnotes::nn::cmamba::Config;
    ///
    /// let config = Config { d_model: 8, d_ff: 8, ..Config::paper() };
    /// let weights = config.initial(DType::F32, 0)?;
    /// let count: usize = weights.all_vars().iter().map(|weight| weight.elem_count()).sum();
    /// assert_eq!(count, config.parameter_count());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn initial(&self, dtype: DType, seed: u32) -> Result<VarMap> {
        let (weights, mut random) = (VarMap::new(), RandomState::new(seed));
        // A bias follows its weight in the list.
        let mut inputs = 1;
        for (name, shape) in self.parameters()? {
            if let [_, last] = shape[..] {
                inputs = last;
            }
            let bound = 1.0 / (inputs as f64).sqrt();
            let mut entry = |place: usize| match name.as_str() {
                name if name.ends_with("A_log") => (place as f64 + 1.0).ln(),
                name if name.ends_with("norm.weight") => 1.0,
                name if name.ends_with("mixer.B") || name.ends_with("mixer.D") => 1.0,
                name if name.ends_with("mixer.C") => random.normal(),
                name if name.ends_with("dt_proj.bias") => {
                    let delta = (DELTA.0.ln() + random.uniform() * (DELTA.1 / DELTA.0).ln()).exp();
                    // softplus of this is Δ.
                    delta + (-(-delta).exp_m1()).ln()
                }
                _ => bound * (2.0 * random.uniform() - 1.0),
            };
            let values = (0..shape.iter().product()).map(&mut entry).collect();
            insert(&weights, &name, values, &shape, dtype)?;
        }
        Ok(weights)
    }
}
