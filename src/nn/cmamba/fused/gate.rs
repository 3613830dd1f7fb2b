//! GDD-MLP's two MLPs, a few numbers per patch: loops as the equations are, in f64.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use super::passes::Entry;
use super::weights::Gate;

/// What a block's gate computed, for the way back.
#[derive(Default)]
pub(super) struct Gated<T> {
    /// Mean and maximum of each row over its features, and the place of the maximum.
    pub(super) means: Vec<T>,
    pub(super) maxima: Vec<T>,
    pub(super) places: Vec<usize>,
    /// σ(…) of each row.
    pub(super) scales: Vec<T>,
    pub(super) shifts: Vec<T>,
    /// W₁ F before GELU: (windows, patches, scale or shift, mean or maximum, hidden).
    hidden: Vec<f64>,
    /// Slopes by the scales and shifts, then by the means and maxima.
    pub(super) dscales: Vec<T>,
    pub(super) dshifts: Vec<T>,
    pub(super) dmeans: Vec<T>,
    pub(super) dmaxima: Vec<T>,
}

impl<T: Entry> Gated<T> {
    /// Room for so many rows: (windows, channels, patches).
    pub(super) fn fit(&mut self, rows: usize) {
        let numbers = [&mut self.means, &mut self.maxima, &mut self.scales, &mut self.shifts];
        let slopes = [&mut self.dscales, &mut self.dshifts, &mut self.dmeans, &mut self.dmaxima];
        numbers.into_iter().chain(slopes).for_each(|numbers| numbers.resize(rows, T::zero()));
        self.places.resize(rows, 0);
    }

    /// Scales and shifts from means and maxima.
    pub(super) fn forward(&mut self, weights: &Gate<&[T]>, channels: usize, patches: usize) {
        let hidden = weights.scale[0].len() / channels;
        self.hidden.clear();
        let rows = self.means.len();
        for window in 0..rows / (channels * patches) {
            for patch in 0..patches {
                let row = |channel: usize| (window * channels + channel) * patches + patch;
                for (mlp, to) in [(&weights.scale, &mut self.scales), (&weights.shift, &mut self.shifts)] {
                    let first = self.hidden.len();
                    for pool in [&self.means, &self.maxima] {
                        for unit in 0..hidden {
                            let terms =
                                (0..channels).map(|v| number(mlp[0][unit * channels + v]) * number(pool[row(v)]));
                            self.hidden.push(terms.sum());
                        }
                    }
                    let of = &self.hidden[first..];
                    for channel in 0..channels {
                        let weights = &mlp[1][channel * hidden..][..hidden];
                        let terms = of.iter().enumerate().map(|(i, &p)| number(weights[i % hidden]) * gelu(p));
                        to[row(channel)] = T::from_f64(1.0 / (1.0 + (-terms.sum::<f64>()).exp()));
                    }
                }
            }
        }
    }

    /// Slopes by means and maxima from those by scales and shifts; those by the weights are added.
    pub(super) fn backward(&mut self, weights: &Gate<&[T]>, to: &mut Gate<&mut [T]>, channels: usize, patches: usize) {
        let hidden = weights.scale[0].len() / channels;
        self.dmeans.fill(T::zero());
        self.dmaxima.fill(T::zero());
        let mut kept = self.hidden.chunks_exact(2 * hidden.max(1));
        for window in 0..self.means.len() / (channels * patches) {
            for patch in 0..patches {
                let row = |channel: usize| (window * channels + channel) * patches + patch;
                let sides = [
                    (&weights.scale, &mut to.scale, &self.scales, &self.dscales),
                    (&weights.shift, &mut to.shift, &self.shifts, &self.dshifts),
                ];
                for (mlp, to, gates, slopes) in sides {
                    let Some(of) = kept.next() else { return };
                    let before = |channel: usize| {
                        let gate = number(gates[row(channel)]);
                        number(slopes[row(channel)]) * gate * (1.0 - gate)
                    };
                    for (pool, (values, dvalues)) in
                        [(&self.means, &mut self.dmeans), (&self.maxima, &mut self.dmaxima)].into_iter().enumerate()
                    {
                        for unit in 0..hidden {
                            let p = of[pool * hidden + unit];
                            let mut slope = 0.0;
                            for channel in 0..channels {
                                let place = channel * hidden + unit;
                                slope += before(channel) * number(mlp[1][place]);
                                to[1][place] += T::from_f64(before(channel) * gelu(p));
                            }
                            slope *= gelu_slope(p);
                            for channel in 0..channels {
                                let place = unit * channels + channel;
                                to[0][place] += T::from_f64(slope * number(values[row(channel)]));
                                dvalues[row(channel)] += T::from_f64(slope * number(mlp[0][place]));
                            }
                        }
                    }
                }
            }
        }
    }
}

fn number<T: Entry>(value: T) -> f64 {
    value.into()
}

/// p Φ(p).
fn gelu(p: f64) -> f64 {
    p * phi(p)
}

/// Φ(p) + p φ(p).
fn gelu_slope(p: f64) -> f64 {
    phi(p) + p * (-p * p / 2.0).exp() / TAU.sqrt()
}

fn phi(p: f64) -> f64 {
    0.5 * (1.0 + libm::erf(p * FRAC_1_SQRT_2))
}
