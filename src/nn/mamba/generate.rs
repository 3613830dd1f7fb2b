//! One word after the other.

use candle_core::{DType, Tensor};

use super::LanguageModel;
use crate::random::RandomState;
use crate::{Error, Result};

impl LanguageModel {
    /// The likeliest next token, `length` times, after `prompt`; gives the new tokens alone. Each costs the same, however
    /// many there were before.
    ///
    /// # Errors
    /// An empty prompt; a token that is not below the vocabulary's size.
    pub fn generate_greedily(&self, prompt: &[u32], length: usize) -> Result<Vec<u32>> {
        self.generate_with(prompt, length, |logits| {
            let best = (0..logits.len()).reduce(|best, token| if logits[token] > logits[best] { token } else { best });
            best.unwrap_or(0) as u32
        })
    }

    /// As [`generate_greedily`](Self::generate_greedily), with tokens drawn from softmax(logits / temperature).
    ///
    /// # Errors
    /// As there; a temperature that is not above 0 and finite.
    pub fn generate(&self, prompt: &[u32], length: usize, temperature: f64, seed: u32) -> Result<Vec<u32>> {
        crate::validate::positive("temperature", temperature, "0.8; for the likeliest tokens `generate_greedily`")?;
        let mut random = RandomState::new(seed);
        self.generate_with(prompt, length, |logits| {
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = logits.iter().map(|logit| ((logit - largest) / temperature).exp()).collect();
            let mut left = random.uniform() * weights.iter().sum::<f64>();
            let drawn = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            // Rounding may leave a little at the end.
            drawn.unwrap_or(weights.len() - 1) as u32
        })
    }

    fn generate_with(&self, prompt: &[u32], length: usize, mut choose: impl FnMut(&[f64]) -> u32) -> Result<Vec<u32>> {
        if prompt.is_empty() {
            return Err(Error::Empty { arg: "prompt", remedy: "give at least one token to go on from" });
        }
        let mut memories = self.memories(1)?;
        let mut next = prompt.to_vec();
        let mut generated = Vec::with_capacity(length);
        while generated.len() < length {
            let tokens = Tensor::new(next.as_slice(), self.device())?.unsqueeze(0)?;
            let logits = self.continue_from(&tokens, &mut memories)?;
            let last = logits.get(0)?.get(next.len() - 1)?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            next = vec![choose(&last)];
            generated.extend(&next);
        }
        Ok(generated)
    }
}
