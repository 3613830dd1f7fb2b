//! Small tasks that tell sequence models apart: whatever length they have, a sample costs nothing.

use candle_core::{Device, Tensor};

use crate::random::RandomState;
use crate::{Error, Result, validate};

/// Copying (复制) and selective copying (选择性复制).
///
/// Symbols 2 … `symbols` + 1 stand among 0s (nothing to remember); at the end come as many 1s (now say them), and there the
/// model shall say the symbols in their order. Where they all stand at the beginning, the lag is always the same: a
/// convolution does it. Scattered, a model must tell symbols from nothing by their content.
///
/// Source: Gu and Dao, *Mamba* (2023), section 3.1 and figure 2; Jing et al., *Gated orthogonal recurrent units* (2019).
///
/// ```
/// use mlnotes::nn::tasks::Copying;
/// use mlnotes::random::RandomState;
///
/// let task = Copying { length: 6, remembered: 2, symbols: 4, scattered: true };
/// let (tokens, targets) = task.batch(1, &mut RandomState::new(1))?;
/// let (tokens, targets) = (tokens.to_vec2::<u32>()?.concat(), targets.to_vec2::<u32>()?.concat());
/// assert_eq!((tokens.len(), &tokens[6..]), (8, &[1, 1][..]));
/// let shown: Vec<u32> = tokens.into_iter().filter(|token| *token > 1).collect();
/// assert_eq!(shown, targets);
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Copying {
    /// Tokens before the 1s.
    pub length: usize,
    /// Symbols among them.
    pub remembered: usize,
    /// Kinds of symbols.
    pub symbols: usize,
    /// Whether the symbols stand anywhere, or all at the beginning.
    pub scattered: bool,
}

impl Copying {
    /// Kinds of tokens.
    pub fn vocabulary(&self) -> usize {
        self.symbols + 2
    }

    /// Tokens (batch, length + remembered), and what the model shall say at the last `remembered` of them.
    ///
    /// # Errors
    /// No sequence, no symbol, more to remember than there is room for.
    pub fn batch(&self, batch: usize, random: &mut RandomState) -> Result<(Tensor, Tensor)> {
        let Self { length, remembered, symbols, scattered } = *self;
        for (name, size) in [("batch", batch), ("remembered", remembered), ("symbols", symbols)] {
            validate::at_least_one(name, size)?;
        }
        if remembered > length {
            return Err(Error::domain("remembered", remembered, format!("at most the length, {length}")));
        }
        let (mut tokens, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..batch {
            let mut places = random.permutation(length);
            if scattered {
                places.truncate(remembered);
                places.sort_unstable();
            } else {
                places = (0..remembered).collect();
            }
            let mut sequence = vec![0; length + remembered];
            sequence[length..].fill(1);
            for place in places {
                sequence[place] = 2 + random.below(symbols)? as u32;
                targets.push(sequence[place]);
            }
            tokens.extend(sequence);
        }
        Ok((
            Tensor::from_vec(tokens, (batch, length + remembered), &Device::Cpu)?,
            Tensor::from_vec(targets, (batch, remembered), &Device::Cpu)?,
        ))
    }
}

/// Induction heads (归纳头): what came after the mark the first time comes after it again.
///
/// Symbols 1 … `symbols` at random, but the mark 0 somewhere among them and once more at the end; the model shall then say
/// the symbol that followed the mark. The place changes, so it must be found by content.
///
/// Source: Gu and Dao, *Mamba* (2023), section 4.1.2; Olsson et al., *In-context learning and induction heads* (2022).
///
/// ```
/// use mlnotes::nn::tasks::InductionHeads;
/// use mlnotes::random::RandomState;
///
/// let task = InductionHeads { length: 8, symbols: 5 };
/// let (tokens, target) = task.batch(1, &mut RandomState::new(1))?;
/// let (tokens, target) = (tokens.to_vec2::<u32>()?.concat(), target.to_vec1::<u32>()?[0]);
/// let mark = tokens.iter().position(|token| *token == 0).unwrap();
/// assert_eq!((tokens[mark + 1], tokens[7]), (target, 0));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct InductionHeads {
    /// Tokens, with both marks.
    pub length: usize,
    /// Kinds of symbols beside the mark.
    pub symbols: usize,
}

impl InductionHeads {
    /// Kinds of tokens.
    pub fn vocabulary(&self) -> usize {
        self.symbols + 1
    }

    /// Tokens (batch, length), and what the model shall say after the last of them, (batch).
    ///
    /// # Errors
    /// No sequence, no symbol, a length below 3.
    pub fn batch(&self, batch: usize, random: &mut RandomState) -> Result<(Tensor, Tensor)> {
        let Self { length, symbols } = *self;
        validate::at_least_one("batch", batch)?;
        validate::at_least_one("symbols", symbols)?;
        if length < 3 {
            return Err(Error::domain("length", length, "3 or more: mark, symbol, mark"));
        }
        let (mut tokens, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..batch {
            let mut sequence = Vec::with_capacity(length);
            for _ in 0..length {
                sequence.push(1 + random.below(symbols)? as u32);
            }
            let mark = random.below(length - 2)?;
            (sequence[mark], sequence[length - 1]) = (0, 0);
            targets.push(sequence[mark + 1]);
            tokens.extend(sequence);
        }
        Ok((Tensor::from_vec(tokens, (batch, length), &Device::Cpu)?, Tensor::from_vec(targets, batch, &Device::Cpu)?))
    }
}
