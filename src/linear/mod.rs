//! What can one straight line decide?
//!
//! | piece | what it answers |
//! | --- | --- |
//! | [`perceptron`] | Rosenblatt's rule: one update, one epoch, a trained unit, one unit per class |
//! | [`separability`] | can any line separate these samples? With a proof either way |

pub mod perceptron;
mod separable;

pub use perceptron::{OneVsRest, Perceptron, ThresholdUnit};
pub use separable::{Separability, separability};
