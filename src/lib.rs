//! Machine-learning study notes as tested Rust: every concept a small piece, checked against software that nobody here
//! wrote.
//!
//! ```
//! use mlnotes::prelude::*;
//!
//! let flowers = iris();
//! let split = train_test_split(&flowers.features, &flowers.targets, 0.2, 42)?;
//! let model = Perceptron::new().start_uniform(42).fit_one_vs_rest(&split.x_train, &split.y_train)?;
//! assert_eq!(accuracy(&split.y_test, &model.predict_by_sign(&split.x_test)?)?, 0.7); // the notes print 0.8333
//! # Ok::<(), mlnotes::Error>(())
//! ```
//!
//! | module | what it holds | notebook | in the notes | oracles | not covered |
//! | --- | --- | --- | --- | --- | --- |
//! | [`linear`] | perceptron, one-vs-rest, separability | 01 | F3 L44-282 | the notes' program under NumPy, SciPy's linear programs, Novikoff's bound | averaged and multiclass (Kesler) perceptron |
//! | [`mlp`] | dense layers, back-propagation, SGD | 01 | F3 L284-351 | torch, finite differences | convolution, dropout, other optimisers |
//! | [`hmm`] | hidden Markov models: filter, posterior, Viterbi, Baum-Welch, simulation, parallel scan; symbols, counts, Gaussians, mixtures | 04 | F2 L1-25, F4 L1-25 | all paths enumerated, log space, hmmlearn | input-output and semi-Markov models |
//! | [`mixture`], [`em`], [`gaussian`] | k-means, Gaussian mixtures, missing entries, a driver for any EM | 05 | F2 L669-857, F3 L1611 | all partitions enumerated, slopes at the maximum, scikit-learn, SciPy | |
//! | [`variational`] | the ELBO and coordinate ascent; mean field on discrete models, Bayesian Gaussian mixtures, latent Dirichlet allocation, black-box inference | 06 | F2 L857, L909-980 | everything enumerated, conjugate evidence, quadrature, scikit-learn, NumPyro, SciPy | Dirichlet processes, normalising flows |
//! | [`ssm::kalman`] | linear-Gaussian states: Kalman filter, smoother, square roots, steady state, EM | 07 | F0 L165 | one joint Gaussian of all times, statsmodels, filterpy, pykalman | matrices that change with time, non-linear models |
//! | [`ssm::lti`] | linear time-invariant models: matrix exponential, discretisation, the continuous, recurrent and convolutional views | 11 | F0 L141-211, F2 L48-125 | series and Runge-Kutta written out, closed forms, direct sums, SciPy | complex or structured A, higher-order holds |
//! | [`ssm::hippo`] | HiPPO: memory by polynomials, measures LegS, LegT, LagT | 12 | F0 L352-398 | quadrature, exact projections, the published matrices, SciPy | other measures |
//! | [`ssm::lssl`] | linear state space layers: three views, gradients by reverse mode | 11 | F2 L48-91 | the views against each other, finite differences, torch | mixing of channels |
//! | [`ssm::ode`] | neural differential equations: Runge-Kutta of order 4, gradients through its steps and by the adjoint method | 11 | F2 L55 | closed forms, matrix exponentials, finite differences, each gradient against the other, torchdiffeq | adaptive and stiff solvers, inputs |
//! | [`ssm::s4`] | S4 (normal plus low rank) and S4D (diagonal): kernels, steps, starts | 12 | F0 L217-228, F2 L121 | dense recurrences, closed-form kernels, mpmath, LAPACK, torch | several inputs, training |
//! | [`ssm::scan`] | prefix sums and associative scans, their work and depth counted | 13 | F0 L525-583 | sums by hand, the recurrence, formulas | scans over other trees |
//! | [`ssm::selective`] | the selective scan: forward, backward by recomputation, one token at a time; SIMD and threads | 13, 14 | F0 L236-290, F2 L128-191 | the equations as they stand, finite differences, convolutions, torch | B̄ by zero-order hold, B and C per channel, groups |
//! | `nn` (features `deep`, `candle-cuda`) | on candle: the Mamba block, its language model, decoding, on the CPU or a GPU; S4D as a layer; CMamba; tasks | 12, 14, 15 | F0 L286-290, L404-497, F2 L205-239 | transformers, torch, recurrences written out, finite differences | Mamba-2, projections with a bias |
//! | `forecast` (feature `deep`) | many series forecast: tables, splits, windows; naive, linear, LSTM, Mamba and CMamba behind one trait; training that resumes to the bit | 15 | F0 L404-497, L731-735, L883-923, L1393-1458 | torch, the published settings and table, a law whose best forecast is known | patch Transformers, probabilistic forecasts |
//! | `kernels` (features `emulate`, `cuda`) | CUDA kernels of both scans, run on the CPU under a checker or on a GPU | 13 | F0 L525-583, F2 L201 | loops in f64, every barrier left out once | other operations |
//! | [`expfam`] | exponential families: η, T, A, entropy, KL, maximum likelihood; conjugate priors | 06 | F2 L677, L859-944 | sums and quadrature over all x, finite differences, SciPy | sampling, other families |
//! | [`glm`] | generalised linear models by IRLS | 06 | F2 L863 | the likelihood's own derivatives, all small separations, statsmodels, scikit-learn | other links, L1 |
//! | [`bayes`] | naive Bayes: Gaussian, categorical, Bernoulli, multinomial | 06 | F2 L886 | Bayes' rule multiplied out, scikit-learn | |
//! | [`mcmc`] | Metropolis-Hastings, random walks, Gibbs, Hamiltonian Monte Carlo; effective sample sizes, R̂ | 06 | F2 L965-970 | detailed balance, loops written out, closed forms, quadrature, ArviZ | NUTS, adapted masses, tempering |
//! | [`data`] | iris, Old Faithful, the Nile, a text, the Federalist Papers' words, splits, scaling, reference files | 00, 01 | F3 L160-190 | scikit-learn's copy and split | remote data sets |
//! | [`data::series`] | samples and batches, rolling-origin validation, gaps and spikes | 10 | F0 L731-735, L823, F3 L998-1082 | the notes' functions under NumPy, pandas, scikit-learn | calendars, seasonal gaps |
//! | [`metrics`] | accuracy, confusion matrix; MSE, RMSE, MAE | 01, 10 | F0 L735, L823 | counted by hand, scikit-learn | |
//! | [`random`] | NumPy's `RandomState` | 00 | | NumPy, moments | other generators |
//! | [`check`] | comparisons, the ledger of a notebook | all | | made to fail | |
//! | [`display`], `plot` | how values and charts show themselves | all | | | interactive charts |
//!
//! Arrays are [`ndarray`]'s, f64, samples in rows. Nothing panics on input: whatever can fail returns [`Error`], whose
//! sentence says what to change. Everything random takes a seed.

pub mod bayes;
pub mod check;
pub mod data;
pub mod display;
pub mod em;
pub mod error;
pub mod expfam;
#[cfg(feature = "deep")]
pub mod forecast;
pub mod gaussian;
pub mod glm;
pub mod hmm;
#[cfg(any(feature = "emulate", feature = "cuda"))]
pub mod kernels;
pub mod linear;
pub mod mcmc;
pub mod metrics;
pub mod mixture;
pub mod mlp;
#[cfg(feature = "deep")]
pub mod nn;
mod numerics;
#[cfg(feature = "plot")]
pub mod plot;
pub mod prelude;
pub mod random;
pub mod ssm;
mod validate;
pub mod variational;

pub use error::{Error, Result};
/// The arrays of this crate's functions. A notebook's kernel can only keep variables whose types it can name, and this
/// is where it finds their names.
pub use ndarray;
