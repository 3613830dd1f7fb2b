//! All weights in one slice, or the slopes by them.

use super::super::Config;

/// Parts of one slice in the order of [`Config::parameters`].
pub(super) struct Parts<S> {
    pub(super) embedding: S,
    pub(super) layers: Vec<Layer<S>>,
    pub(super) head: S,
    pub(super) head_bias: S,
}

/// Those of a block, named as the published weights are.
pub(super) struct Layer<S> {
    pub(super) norm: S,
    pub(super) in_proj: S,
    pub(super) in_bias: S,
    pub(super) x_proj: S,
    pub(super) dt_proj: S,
    pub(super) dt_bias: S,
    pub(super) a_log: S,
    pub(super) out_proj: S,
    pub(super) out_bias: S,
    pub(super) gate: Option<Gate<S>>,
}

/// Those of GDD-MLP: for the scale and the shift each the first matrix and the second.
pub(super) struct Gate<S> {
    pub(super) scale: [S; 2],
    pub(super) shift: [S; 2],
}

impl<S> Parts<S> {
    /// `take` gives so many of what is left.
    pub(super) fn new(config: &Config, patches: usize, mut take: impl FnMut(usize) -> S) -> Self {
        let Config { d_model, d_ff, d_state, dt_rank, enc_in, pred_len, patch_len, .. } = *config;
        let hidden = enc_in / config.reduction;
        let embedding = take(d_model * patch_len);
        let layers = (0..config.e_layers).map(|_| Layer {
            norm: take(d_model),
            in_proj: take(2 * d_ff * d_model),
            in_bias: take(2 * d_ff),
            x_proj: take((dt_rank + 2 * d_state + d_ff) * d_ff),
            dt_proj: take(d_ff * dt_rank),
            dt_bias: take(d_ff),
            a_log: take(d_state),
            out_proj: take(d_model * d_ff),
            out_bias: take(d_model),
            gate: config.gddmlp.then(|| Gate {
                scale: [take(hidden * enc_in), take(enc_in * hidden)],
                shift: [take(hidden * enc_in), take(enc_in * hidden)],
            }),
        });
        let layers = layers.collect();
        Self { embedding, layers, head: take(pred_len * d_model * patches), head_bias: take(pred_len) }
    }
}
