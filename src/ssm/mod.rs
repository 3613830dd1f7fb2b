//! What does a state that nobody sees do, when all that is seen depends on it? State space models (状态空间模型).
//!
//! A state z_t follows from z_{t−1} alone, and what is observed at time t, y_t, from z_t alone:
//!
//! z_{t+1} = f(z_t) + noise, y_t = h(z_t) + noise
//!
//! | module | the state | f and h |
//! | --- | --- | --- |
//! | [`kalman`] | vectors, Gaussian | affine |
//! | [`lti`] | vectors without noise, driven by an input, in continuous time or in steps | linear |
//! | [`hippo`] | the coefficients of a polynomial that fits the past | linear, from a measure |
//! | [`lssl`] | one A for many channels, each with its own clock | linear, learned |
//! | [`ode`] | vectors in continuous time, without noise | a network, learned |
//! | [`s4`] | normal plus low rank, or diagonal | linear, structured |
//! | [`selective`] | vectors, without noise | linear, chosen by the input at each time |
//!
//! [`scan`] holds what makes a linear recurrence parallel: prefix sums and their generalisation.
//!
//! A hidden Markov chain ([`hmm`](crate::hmm)) is the same with finitely many states: its filter and posterior are
//! those of [`kalman`], with sums for integrals.

pub mod hippo;
pub mod kalman;
pub mod lssl;
pub mod lti;
pub mod ode;
pub mod s4;
pub mod scan;
pub mod selective;
