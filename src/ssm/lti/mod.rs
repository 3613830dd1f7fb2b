//! What does a linear machine that never changes do with its input? Linear time-invariant (线性时不变) state space models.

mod exponential;

pub use exponential::expm;
