//! A step size with which the wanted share of trajectories is accepted.

/// Dual averaging (对偶平均): after step t, with acceptance α_t, H̄ ← (1 − w) H̄ + w (δ − α_t), w = 1/(t + t₀);
/// log ε = μ − √t/γ · H̄; log ε̄ ← t^(−κ) log ε + (1 − t^(−κ)) log ε̄.
///
/// ε serves the next step, ε̄ all steps after the last. γ = 0.05, t₀ = 10, κ = 0.75, μ = log 10 ε₁.
///
/// Source: Hoffman and Gelman, *The No-U-Turn Sampler*, JMLR 15 (2014), section 3.2, equation 6.
pub(super) struct DualAveraging {
    target: f64,
    mu: f64,
    shortfall: f64,
    log_step: f64,
    log_average: f64,
    count: f64,
}

impl DualAveraging {
    pub(super) fn new(first: f64, target: f64) -> Self {
        let log_step = first.ln();
        Self { target, mu: (10.0 * first).ln(), shortfall: 0.0, log_step, log_average: log_step, count: 0.0 }
    }

    pub(super) fn adapt(&mut self, acceptance: f64) {
        self.count += 1.0;
        let weight = 1.0 / (self.count + 10.0);
        self.shortfall += weight * (self.target - acceptance - self.shortfall);
        self.log_step = self.mu - self.count.sqrt() / 0.05 * self.shortfall;
        let weight = self.count.powf(-0.75);
        self.log_average += weight * (self.log_step - self.log_average);
    }

    /// ε.
    pub(super) fn step(&self) -> f64 {
        self.log_step.exp()
    }

    /// ε̄.
    pub(super) fn average(&self) -> f64 {
        self.log_average.exp()
    }
}
