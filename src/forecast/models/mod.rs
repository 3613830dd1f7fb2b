//! What can forecast? One trait, so that the experiment trains and judges any model.

use candle_core::Tensor;
use candle_nn::VarMap;

use crate::Result;
use crate::random::RandomState;

/// A model that forecasts every channel of a window.
///
/// To join the experiment a model implements this trait; what it may see is the window alone.
pub trait Forecaster {
    /// The name it goes by in tables and on the command line, for instance `CMamba`.
    fn name(&self) -> &'static str;

    /// Windows (batch, seq_len, V) to forecasts (batch, pred_len, V). With a generator as in training (dropout), without
    /// one the same each time.
    ///
    /// # Errors
    /// Another shape or kind of numbers than the model's.
    fn forward(&self, x: &Tensor, train: Option<&mut RandomState>) -> Result<Tensor>;

    /// What is learned; empty for a model that does not learn. The model reads these variables: setting them changes it.
    fn weights(&self) -> &VarMap;

    /// How many numbers are learned.
    fn parameter_count(&self) -> usize {
        self.weights().all_vars().iter().map(|weight| weight.elem_count()).sum()
    }
}
