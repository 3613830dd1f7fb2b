//! The sizes of a block.

use crate::{Error, Result};

/// The sizes of a Mamba block, under the names of the published code.
///
/// ```
/// use mlnotes::nn::mamba::Config;
///
/// let config = Config::new(768);
/// assert_eq!((config.d_inner(), config.d_state, config.d_conv, config.dt_rank), (1536, 16, 4, 48));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Features of a token.
    pub d_model: usize,
    /// Numbers of state per channel, N.
    pub d_state: usize,
    /// Times that the convolution sees.
    pub d_conv: usize,
    /// Channels of the state per feature of a token.
    pub expand: usize,
    /// Through so many numbers a token says what Δ is.
    pub dt_rank: usize,
    /// Whether Δ, B and C depend on the token; if not, the block is time-invariant.
    pub selective: bool,
}

impl Config {
    /// The paper's sizes: a state of 16, a convolution of 4, twice as many channels as features, dt_rank = ⌈d_model / 16⌉.
    pub fn new(d_model: usize) -> Self {
        Self { d_model, d_state: 16, d_conv: 4, expand: 2, dt_rank: d_model.div_ceil(16), selective: true }
    }

    /// Another state size.
    pub fn d_state(self, d_state: usize) -> Self {
        Self { d_state, ..self }
    }

    /// Another width of the convolution.
    pub fn d_conv(self, d_conv: usize) -> Self {
        Self { d_conv, ..self }
    }

    /// Another number of channels per feature.
    pub fn expand(self, expand: usize) -> Self {
        Self { expand, ..self }
    }

    /// Another rank of Δ.
    pub fn dt_rank(self, dt_rank: usize) -> Self {
        Self { dt_rank, ..self }
    }

    /// The same block without selection (线性时不变): Δ and C are learned numbers of each channel and B is 1 (only B C
    /// counts), so that a convolution does it. To see what selection is good for.
    pub fn invariant(self) -> Self {
        Self { selective: false, ..self }
    }

    /// Channels of the state, E · D in the paper.
    pub fn d_inner(&self) -> usize {
        self.expand * self.d_model
    }

    /// The parameters' names and shapes, as checkpoints have them; `C` is in none.
    pub fn parameters(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (d_model, d_inner, d_state) = (self.d_model, self.d_inner(), self.d_state);
        let mut parameters = vec![
            ("in_proj.weight", vec![2 * d_inner, d_model]),
            ("conv1d.weight", vec![d_inner, 1, self.d_conv]),
            ("conv1d.bias", vec![d_inner]),
            ("dt_proj.bias", vec![d_inner]),
            ("A_log", vec![d_inner, d_state]),
            ("D", vec![d_inner]),
            ("out_proj.weight", vec![d_model, d_inner]),
        ];
        parameters.extend(match self.selective {
            true => vec![
                ("x_proj.weight", vec![self.dt_rank + 2 * d_state, d_inner]),
                ("dt_proj.weight", vec![d_inner, self.dt_rank]),
            ],
            false => vec![("C", vec![d_inner, d_state])],
        });
        parameters
    }

    pub(super) fn validate(&self) -> Result<()> {
        let sizes = [
            ("d_model", self.d_model),
            ("d_state", self.d_state),
            ("d_conv", self.d_conv),
            ("expand", self.expand),
            ("dt_rank", self.dt_rank),
        ];
        match sizes.into_iter().find(|(_, size)| *size == 0) {
            None => Ok(()),
            Some((name, _)) => Err(Error::domain(name, 0, "1 or more; `Config::new` has the paper's sizes")),
        }
    }
}
