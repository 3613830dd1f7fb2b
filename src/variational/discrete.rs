//! How near does a product come to a posterior that can be written out in full?

use ndarray::{Array1, Array2, ArrayRef, Dimension};

use super::{Ascent, CoordinateAscent, Elbo};
use crate::numerics::{log_sum_exp, x_log_x};
use crate::random::RandomState;
use crate::{Error, Result};

/// More configurations than this are not enumerated.
const CONFIGURATIONS: usize = 1 << 22;

/// p(z) = exp(Σ_f φ_f(z_f)) / Z over a few discrete variables, each φ_f a table over some of them: a factor graph (因子图).
///
/// Where every φ is the logarithm of a conditional probability, Z = 1 as long as nothing is observed; with the observed
/// variables x held fast, Z = p(x) and p(z) is the posterior p(z | x).
///
/// ```
/// use mlnotes::variational::FactorGraph;
/// use ndarray::array;
///
/// // z is a fair coin; p(x = 0 | z) = 0.8, 0.2.
/// let coin = FactorGraph::new(&[2, 2])?
///     .factor(&[0], &array![0.5_f64, 0.5].ln())?
///     .factor(&[0, 1], &array![[0.8_f64, 0.2], [0.2, 0.8]].ln())?;
/// assert!(coin.log_partition()?.abs() < 1e-15);
/// let posterior = coin.observe(1, 0)?;
/// assert!((posterior.log_partition()? - 0.5_f64.ln()).abs() < 1e-15); // log p(x = 0)
/// assert!((posterior.marginals()?[0][0] - 0.8).abs() < 1e-15);
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Source: Kschischang, Frey and Loeliger, *Factor graphs and the sum-product algorithm*, IEEE Transactions on Information
/// Theory 47 (2001).
#[derive(Clone, Debug, PartialEq)]
pub struct FactorGraph {
    states: Vec<usize>,
    factors: Vec<Factor>,
    observed: Vec<Option<usize>>,
}

/// φ, row-major over its variables' states.
#[derive(Clone, Debug, PartialEq)]
struct Factor {
    variables: Vec<usize>,
    log_potential: Vec<f64>,
}

impl FactorGraph {
    /// Variables with so many states each, and no factor yet: all configurations are equally likely.
    ///
    /// # Errors
    /// No variable, or one without a state.
    pub fn new(states: &[usize]) -> Result<Self> {
        if states.is_empty() {
            return Err(Error::Empty { arg: "states", remedy: "give the number of states of each variable" });
        }
        if let Some(at) = states.iter().position(|&states| states == 0) {
            return Err(Error::domain("states", format!("0 at {at}"), "at least 1"));
        }
        Ok(Self { states: states.to_vec(), factors: Vec::new(), observed: vec![None; states.len()] })
    }

    /// Adds a table φ over these variables, one axis each in this order.
    ///
    /// # Errors
    /// A variable that does not exist or comes twice; a table of another shape; a φ that is NaN or infinite: mean field has
    /// no finite bound where q and the model exclude different states. For a state that cannot be, [`observe`](Self::observe)
    /// the others.
    pub fn factor<D: Dimension>(self, variables: &[usize], log_potential: &ArrayRef<f64, D>) -> Result<Self> {
        let values = log_potential.iter().copied().collect();
        self.add_factor(variables, log_potential.shape(), values)
    }

    fn add_factor(mut self, variables: &[usize], shape: &[usize], log_potential: Vec<f64>) -> Result<Self> {
        if variables.is_empty() {
            return Err(Error::Empty { arg: "variables", remedy: "name the variables that the table is about" });
        }
        for (i, &variable) in variables.iter().enumerate() {
            self.validate_variable("variables", variable)?;
            if variables[..i].contains(&variable) {
                return Err(Error::domain("variables", format!("{variables:?}"), "all different"));
            }
        }
        let needed: Vec<usize> = variables.iter().map(|&variable| self.states[variable]).collect();
        if shape != needed {
            return Err(Error::shape("log_potential", format!("{needed:?}, the states of its variables,"), shape));
        }
        if let Some(value) = log_potential.iter().find(|value| !value.is_finite()) {
            let allowed = "finite: for a probability of 0 give a small one, or observe a variable";
            return Err(Error::domain("log_potential", value, allowed));
        }
        self.factors.push(Factor { variables: variables.to_vec(), log_potential });
        Ok(self)
    }

    /// Holds a variable fast at what was observed.
    ///
    /// # Errors
    /// A variable or a state that does not exist.
    pub fn observe(mut self, variable: usize, state: usize) -> Result<Self> {
        self.validate_variable("variable", variable)?;
        let states = self.states[variable];
        if state >= states {
            return Err(Error::domain("state", state, format!("below {states}, the number of its states")));
        }
        self.observed[variable] = Some(state);
        Ok(self)
    }

    /// How many states each variable has.
    pub fn states(&self) -> &[usize] {
        &self.states
    }

    /// What has been observed of each variable.
    pub fn observed(&self) -> &[Option<usize>] {
        &self.observed
    }

    /// log Z: the sum over all configurations that agree with what was observed, by enumeration.
    ///
    /// # Errors
    /// More than 2²² of them.
    pub fn log_partition(&self) -> Result<f64> {
        let mut terms = Vec::new();
        self.enumerate(&mut |_, log_potential| terms.push(log_potential))?;
        Ok(log_sum_exp(terms))
    }

    /// p(z_i) of each variable, by enumeration; 1 for what was observed.
    ///
    /// # Errors
    /// As [`log_partition`](Self::log_partition).
    pub fn marginals(&self) -> Result<Vec<Array1<f64>>> {
        let log_partition = self.log_partition()?;
        let mut marginals: Vec<Array1<f64>> = self.states.iter().map(|&states| Array1::zeros(states)).collect();
        self.enumerate(&mut |z, log_potential| {
            let p = (log_potential - log_partition).exp();
            marginals.iter_mut().zip(z).for_each(|(marginal, &state)| marginal[state] += p);
        })?;
        Ok(marginals)
    }

    /// p(z_i, z_j) of two variables, a row per state of the first, by enumeration.
    ///
    /// # Errors
    /// As [`log_partition`](Self::log_partition); a variable that does not exist.
    pub fn pairwise_marginal(&self, i: usize, j: usize) -> Result<Array2<f64>> {
        self.validate_variable("i", i)?;
        self.validate_variable("j", j)?;
        let log_partition = self.log_partition()?;
        let mut marginal = Array2::zeros((self.states[i], self.states[j]));
        self.enumerate(&mut |z, log_potential| marginal[[z[i], z[j]]] += (log_potential - log_partition).exp())?;
        Ok(marginal)
    }

    /// Calls `visit` with each configuration that agrees with what was observed, and its Σ_f φ_f.
    fn enumerate(&self, visit: &mut dyn FnMut(&[usize], f64)) -> Result<()> {
        let free: Vec<usize> = (0..self.states.len()).filter(|&i| self.observed[i].is_none()).collect();
        let configurations = free.iter().try_fold(1_usize, |product, &i| product.checked_mul(self.states[i]));
        if configurations.is_none_or(|configurations| configurations > CONFIGURATIONS) {
            let value = configurations.map_or("above 2^64".to_owned(), |configurations| configurations.to_string());
            let allowed = "at most 2^22, to be enumerated: use fewer variables, or observe some of them";
            return Err(Error::domain("the number of configurations", value, allowed));
        }
        let mut z: Vec<usize> = self.observed.iter().map(|observed| observed.unwrap_or(0)).collect();
        loop {
            visit(&z, self.factors.iter().map(|factor| factor.at(&z, &self.states)).sum());
            // As a counter goes on: those after the last that can grow start anew.
            let Some(last) = free.iter().rposition(|&i| z[i] + 1 < self.states[i]) else {
                return Ok(());
            };
            z[free[last]] += 1;
            free[last + 1..].iter().for_each(|&i| z[i] = 0);
        }
    }

    fn validate_variable(&self, arg: &'static str, variable: usize) -> Result<()> {
        let variables = self.states.len();
        if variable < variables {
            return Ok(());
        }
        Err(Error::domain(arg, variable, format!("below {variables}, the number of variables")))
    }
}

impl Factor {
    fn at(&self, z: &[usize], states: &[usize]) -> f64 {
        self.log_potential[self.variables.iter().fold(0, |at, &variable| at * states[variable] + z[variable])]
    }

    /// Adds E\[φ | z_i\] for each state of variable i, the others under q.
    fn add_expectation(&self, q: &[Array1<f64>], i: usize, into: &mut Array1<f64>) {
        for (mut at, log_potential) in self.log_potential.iter().enumerate() {
            let (mut weight, mut state) = (1.0, 0);
            for &variable in self.variables.iter().rev() {
                let z = at % q[variable].len();
                at /= q[variable].len();
                if variable == i {
                    state = z;
                } else {
                    weight *= q[variable][z];
                }
            }
            into[state] += weight * log_potential;
        }
    }
}

/// q(z) = ∏ q_i(z_i): a distribution for each variable by itself, which is mean field (平均场) in its plainest form.
///
/// With all other factors fixed, the best q_i is ∝ exp E\[Σ_f φ_f | z_i\], and only the factors that touch z_i matter. The
/// bound has local maxima: which one is found depends on the start.
///
/// ```
/// use mlnotes::variational::{CoordinateAscent, FactorGraph, MeanField};
/// use ndarray::array;
///
/// // Two coins that agree with probability 0.98. From equal shares nothing moves: q is fair and independent.
/// let coins = FactorGraph::new(&[2, 2])?.factor(&[0, 1], &array![[0.49_f64, 0.01], [0.01, 0.49]].ln())?;
/// let even = MeanField::uniform(&coins);
/// assert!((even.sweep(&coins)?.marginals()[0][0] - 0.5).abs() < 1e-15);
/// // From elsewhere it takes one side, though the model knows none; and it comes nearer.
/// let fit = MeanField::random(&coins, 0).fit(&coins, &CoordinateAscent::new())?;
/// assert!((fit.model.marginals()[0][0] - 0.5).abs() > 0.4);
/// assert!(fit.model.kl(&coins)? < even.kl(&coins)?);
/// // What the bound lacks is the divergence: log Z = ELBO + KL, and here Z = 1.
/// assert!((fit.elbo().value() + fit.model.kl(&coins)?).abs() < 1e-14);
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Source: Jordan, Ghahramani, Jaakkola and Saul (1999), section 4; Wainwright and Jordan, *Graphical models, exponential
/// families, and variational inference* (2008), section 5.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanField {
    marginals: Vec<Array1<f64>>,
}

impl MeanField {
    /// From one distribution per variable.
    ///
    /// # Errors
    /// None at all; one that is no distribution.
    pub fn new(marginals: Vec<Array1<f64>>) -> Result<Self> {
        if marginals.is_empty() {
            return Err(Error::Empty { arg: "marginals", remedy: "give a distribution for each variable" });
        }
        for (i, marginal) in marginals.iter().enumerate() {
            crate::validate::finite("marginals", marginal)?;
            crate::validate::distribution("marginals", marginal, || format!(" for variable {i}"))?;
        }
        Ok(Self { marginals })
    }

    /// Equal shares for what has not been observed.
    pub fn uniform(model: &FactorGraph) -> Self {
        Self::start(model, &mut |states| Array1::from_elem(states, 1.0 / states as f64))
    }

    /// For what has not been observed any distribution, all of them equally likely.
    pub fn random(model: &FactorGraph, seed: u32) -> Self {
        let mut random = RandomState::new(seed);
        Self::start(model, &mut |states| {
            // Exponential variates over their sum are uniform on the simplex.
            let shares = Array1::from_shape_simple_fn(states, || -(-random.uniform()).ln_1p() + f64::MIN_POSITIVE);
            &shares / shares.sum()
        })
    }

    fn start(model: &FactorGraph, free: &mut dyn FnMut(usize) -> Array1<f64>) -> Self {
        let marginal = |(&states, &observed): (&usize, &Option<usize>)| match observed {
            Some(state) => one_state(states, state),
            None => free(states),
        };
        Self { marginals: model.states.iter().zip(&model.observed).map(marginal).collect() }
    }

    /// q_i, one distribution per variable.
    pub fn marginals(&self) -> &[Array1<f64>] {
        &self.marginals
    }

    /// E log of the model without its 1/Z, and the entropy of q. The sum is never above log Z.
    ///
    /// # Errors
    /// Another number of variables or states than the model's; a q that gives what was observed less than 1.
    pub fn elbo(&self, model: &FactorGraph) -> Result<Elbo> {
        self.validate(model)?;
        Ok(self.bound(model))
    }

    fn bound(&self, model: &FactorGraph) -> Elbo {
        let expectation = |factor: &Factor| {
            let i = factor.variables[0];
            let mut given = Array1::zeros(self.marginals[i].len());
            factor.add_expectation(&self.marginals, i, &mut given);
            given.dot(&self.marginals[i])
        };
        Elbo::new()
            .term("E log joint", model.factors.iter().map(expectation).sum())
            .term("entropy of q", -self.marginals.iter().flatten().map(|&q| x_log_x(q)).sum::<f64>())
    }

    /// KL(q ‖ p), by enumeration, without use of the bound.
    ///
    /// # Errors
    /// As [`elbo`](Self::elbo); more than 2²² configurations.
    pub fn kl(&self, model: &FactorGraph) -> Result<f64> {
        self.validate(model)?;
        let log_partition = model.log_partition()?;
        let mut sum = 0.0;
        model.enumerate(&mut |z, log_potential| {
            let q: f64 = self.marginals.iter().zip(z).map(|(marginal, &state)| marginal[state]).product();
            sum += x_log_x(q) - q * (log_potential - log_partition);
        })?;
        Ok(sum)
    }

    /// Improves each factor of q once, from the first variable to the last, each with those before it already improved.
    ///
    /// # Errors
    /// As [`elbo`](Self::elbo).
    pub fn sweep(&self, model: &FactorGraph) -> Result<Self> {
        self.validate(model)?;
        let mut marginals = self.marginals.clone();
        for i in (0..marginals.len()).filter(|&i| model.observed[i].is_none()) {
            let mut log_q = Array1::zeros(marginals[i].len());
            for factor in model.factors.iter().filter(|factor| factor.variables.contains(&i)) {
                factor.add_expectation(&marginals, i, &mut log_q);
            }
            let total = log_sum_exp(log_q.iter().copied());
            marginals[i] = (log_q - total).exp();
        }
        Ok(Self { marginals })
    }

    /// Coordinate ascent from this start.
    ///
    /// # Errors
    /// As [`elbo`](Self::elbo) and [`CoordinateAscent::run`].
    pub fn fit(&self, model: &FactorGraph, ascent: &CoordinateAscent) -> Result<Ascent<Self>> {
        ascent.run((self.clone(), self.elbo(model)?), |q| {
            let q = q.sweep(model)?;
            let elbo = q.bound(model);
            Ok((q, elbo))
        })
    }

    fn validate(&self, model: &FactorGraph) -> Result<()> {
        let states: Vec<usize> = self.marginals.iter().map(|marginal| marginal.len()).collect();
        if states != model.states {
            let value = format!("a q over {states:?} states");
            return Err(Error::domain("model", value, format!("over {:?}, as the model", model.states)));
        }
        for (i, (marginal, observed)) in self.marginals.iter().zip(&model.observed).enumerate() {
            if let &Some(state) = observed
                && marginal[state] != 1.0
            {
                let value = format!("{} for the observed state of variable {i}", marginal[state]);
                return Err(Error::domain("q", value, "1: start from `uniform` or `random` of the model"));
            }
        }
        Ok(())
    }
}

fn one_state(states: usize, state: usize) -> Array1<f64> {
    Array1::from_shape_fn(states, |z| f64::from(u8::from(z == state)))
}
