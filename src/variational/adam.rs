//! Steps as long as a slope is sure, whatever its size.

use ndarray::ArrayRef1;

/// Adam: a moving average of the slopes, divided by the root of one of their squares.
///
/// Source: Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015, algorithm 1, with its defaults.
pub(super) struct Adam {
    steps: i32,
    mean: Vec<f64>,
    square: Vec<f64>,
}

const MEAN: f64 = 0.9;
const SQUARE: f64 = 0.999;
const TINY: f64 = 1e-8;

impl Adam {
    pub(super) fn new(parameters: usize) -> Self {
        Self { steps: 0, mean: vec![0.0; parameters], square: vec![0.0; parameters] }
    }

    /// Goes uphill.
    pub(super) fn ascend(&mut self, parameters: &mut ArrayRef1<f64>, gradient: &[f64], learning_rate: f64) {
        self.steps = self.steps.saturating_add(1);
        // Both averages begin at 0, which is not a slope that was seen.
        let (of_mean, of_square) = (1.0 - MEAN.powi(self.steps), 1.0 - SQUARE.powi(self.steps));
        let averages = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, slope), (mean, square)) in parameters.iter_mut().zip(gradient).zip(averages) {
            *mean += (1.0 - MEAN) * (slope - *mean);
            *square += (1.0 - SQUARE) * (slope * slope - *square);
            *parameter += learning_rate * (*mean / of_mean) / ((*square / of_square).sqrt() + TINY);
        }
    }
}
