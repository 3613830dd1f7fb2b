//! The bound as a sum of named terms.

use crate::display::{Card, Rich, Show};

/// The evidence lower bound (证据下界) of one q, as the sum of its terms, in nats.
///
/// ```
/// use mlnotes::variational::Elbo;
///
/// // z is a fair coin; the data x that were seen have p(x | 0) = 0.8, p(x | 1) = 0.2, so p(x) = 0.5.
/// let (joint, q) = ([0.4_f64, 0.1], [0.5_f64, 0.5]);
/// let mean = |f: &dyn Fn(usize) -> f64| q[0] * f(0) + q[1] * f(1);
/// let elbo = Elbo::new().term("E log p(x, z)", mean(&|z| joint[z].ln())).term("entropy of q", -mean(&|z| q[z].ln()));
/// assert!((elbo.value() - 0.4_f64.ln()).abs() < 1e-15); // √(0.4 · 0.1) · 2
/// // What it lacks is KL(q ‖ p(z | x)), and p(z | x) = 0.8, 0.2.
/// let kl = mean(&|z| (q[z] / (joint[z] / 0.5)).ln());
/// assert!((0.5_f64.ln() - elbo.value() - kl).abs() < 1e-15);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Elbo {
    terms: Vec<(&'static str, f64)>,
}

impl Elbo {
    /// No terms yet: 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a term.
    pub fn term(mut self, name: &'static str, value: f64) -> Self {
        self.terms.push((name, value));
        self
    }

    /// The terms, in the order in which they were added.
    pub fn terms(&self) -> &[(&'static str, f64)] {
        &self.terms
    }

    /// Their sum, which log p(x) is never below.
    pub fn value(&self) -> f64 {
        self.terms.iter().map(|(_, value)| value).sum()
    }

    fn card(&self) -> Card {
        let card = Card::new("ELBO, nats");
        self.terms.iter().fold(card, |card, &(name, value)| card.entry(name, value)).entry("sum", self.value())
    }
}

impl Show for Elbo {
    fn to_text(&self) -> String {
        self.card().to_text()
    }

    fn to_rich(&self) -> Rich {
        self.card().to_rich()
    }
}
