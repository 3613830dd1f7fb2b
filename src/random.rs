//! How do we repeat, in Rust, a random experiment that was seeded in Python?
//!
//! [`RandomState`] is NumPy's legacy generator: the Mersenne Twister MT19937, and the exact steps by which NumPy turns its
//! 32-bit words into doubles, normal variates, bounded integers and permutations. NumPy keeps this stream frozen, so
//! `np.random.RandomState(42)` and `RandomState::new(42)` give the same numbers on every machine and in every version.
//!
//! | here | NumPy (`r = np.random.RandomState(seed)`) | words of 32 bits used |
//! | --- | --- | --- |
//! | [`uniform`](RandomState::uniform) | `r.random_sample()`, `r.rand()` | 2 |
//! | [`normal`](RandomState::normal) | `r.standard_normal()`, `r.randn()` | 4 or more for two values |
//! | [`below`](RandomState::below) | `r.randint(n)` | 1 or more (0 for `n` = 1) |
//! | [`permutation`](RandomState::permutation) | `r.permutation(n)` | 1 or more per swap |
//! | [`bits`](RandomState::bits) | `r.randint(0, 2**64, dtype=np.uint64)` | 2 |
//!
//! [`Philox`] is one of NumPy's newer generators, for parts of one stream drawn side by side.
//!
//! It is for reproducing and for teaching, not for secrets.
//! Sources: Matsumoto and Nishimura, *Mersenne Twister*, ACM TOMACS 8 (1998); Marsaglia and Bray, *A convenient method
//! for generating normal variables*, SIAM Review 6 (1964).

mod philox;

use ndarray::{Array, Dimension, IntoDimension};
pub use philox::Philox;
use rand_mt::Mt;

use crate::{Error, Result};

/// NumPy's `RandomState`: the same seed gives the same numbers as in Python.
///
/// ```
/// use mlnotes::random::RandomState;
///
/// let mut random = RandomState::new(42);
/// assert_eq!(random.uniform(), 0.3745401188473625); // np.random.seed(42); np.random.rand()
/// assert_eq!(random.uniform(), 0.9507143064099162);
/// assert_eq!(RandomState::new(0).permutation(5), [2, 0, 1, 3, 4]);
/// ```
#[derive(Clone)]
pub struct RandomState {
    words: Mt,
    /// The polar method makes normal variates in pairs: the second waits here.
    second_normal: Option<f64>,
}

impl RandomState {
    /// The generator that `np.random.RandomState(seed)` or `np.random.seed(seed)` starts.
    pub fn new(seed: u32) -> Self {
        Self { words: Mt::new(seed), second_normal: None }
    }

    /// A number in [0, 1), one of 2⁵³ equally spaced values.
    pub fn uniform(&mut self) -> f64 {
        let high = f64::from(self.words.next_u32() >> 5); // 27 bits
        let low = f64::from(self.words.next_u32() >> 6); // 26 bits
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0 // (high · 2²⁶ + low) / 2⁵³
    }

    /// The next 64 bits, for instance as the key of a [`Philox`]: `r.randint(0, 2**64, dtype=np.uint64)`.
    ///
    /// ```
    /// # use mlnotes::random::RandomState;
    /// assert_eq!(RandomState::new(5).bits(), 4095051218741643470); // and with NumPy's RandomState(5)
    /// ```
    pub fn bits(&mut self) -> u64 {
        let high = u64::from(self.words.next_u32());
        high << 32 | u64::from(self.words.next_u32())
    }

    /// A number from the normal distribution N(0, 1), by Marsaglia's polar method.
    ///
    /// # Numerics
    /// Passes through the platform's `ln`, so that another libm may differ from NumPy in the last bit.
    ///
    /// ```
    /// # use mlnotes::random::RandomState;
    /// let got = RandomState::new(42).normal(); // np.random.RandomState(42).randn()
    /// assert!((got - 0.4967141530112327).abs() < 1e-15);
    /// ```
    pub fn normal(&mut self) -> f64 {
        if let Some(second) = self.second_normal.take() {
            return second;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let scale = (-2.0 * square.ln() / square).sqrt();
                self.second_normal = Some(scale * x);
                return scale * y;
            }
        }
    }

    /// A number from the gamma distribution of this shape, 1 or more.
    ///
    /// Source: Marsaglia and Tsang, *A simple method for generating gamma variables*, ACM TOMS 26 (2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        let b = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * b).sqrt();
        loop {
            let x = self.normal();
            let root = 1.0 + c * x;
            if root <= 0.0 {
                continue;
            }
            let v = root * root * root;
            let u = self.uniform();
            if u < 1.0 - 0.0331 * (x * x) * (x * x) || u.ln() < 0.5 * x * x + b * (1.0 - v + v.ln()) {
                return b * v;
            }
        }
    }

    /// An integer from 0 to `n` − 1, each equally likely.
    ///
    /// # Errors
    /// [`Error::Domain`] for `n` = 0.
    ///
    /// ```
    /// # use mlnotes::random::RandomState;
    /// let mut die = RandomState::new(42);
    /// assert_eq!(die.below(6)? + 1, 4); // np.random.RandomState(42).randint(6) + 1
    /// assert!(die.below(0).is_err());
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn below(&mut self, n: usize) -> Result<usize> {
        match n.checked_sub(1) {
            Some(largest) => Ok(self.up_to(largest)),
            None => Err(Error::domain("n", n, "at least 1: there is no whole number below 0 to draw")),
        }
    }

    /// An integer from 0 to `largest`: cut words to as many bits as `largest` has, draw again while above it.
    fn up_to(&mut self, largest: usize) -> usize {
        let largest = largest as u64;
        if largest == 0 {
            return 0;
        }
        let mask = u64::MAX >> largest.leading_zeros();
        loop {
            let mut word = u64::from(self.words.next_u32());
            if largest > u64::from(u32::MAX) {
                word = word << 32 | u64::from(self.words.next_u32());
            }
            if word & mask <= largest {
                return (word & mask) as usize;
            }
        }
    }

    /// Puts `items` in random order, each order equally likely (Fisher and Yates, from the last item down).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.up_to(last));
        }
    }

    /// The numbers 0 to `n` − 1 in random order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// An array of [`uniform`](Self::uniform) numbers, drawn in row-major order.
    ///
    /// ```
    /// # use mlnotes::random::RandomState;
    /// let weights = RandomState::new(42).uniform_array((3, 5)); // np.random.seed(42); np.random.rand(3, 5)
    /// assert_eq!(weights[[0, 1]], 0.9507143064099162);
    /// ```
    pub fn uniform_array<S: IntoDimension>(&mut self, shape: S) -> Array<f64, S::Dim> {
        self.array(shape.into_dimension(), Self::uniform)
    }

    /// An array of [`normal`](Self::normal) numbers, drawn in row-major order.
    pub fn normal_array<S: IntoDimension>(&mut self, shape: S) -> Array<f64, S::Dim> {
        self.array(shape.into_dimension(), Self::normal)
    }

    /// Draws an index with probability proportional to its weight; never one of weight 0.
    pub(crate) fn draw(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut rest = self.uniform() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (i, weight) in weights.enumerate() {
            if weight > 0.0 {
                last = i;
                if rest < weight {
                    break;
                }
                rest -= weight;
            }
        }
        last
    }

    fn array<D: Dimension>(&mut self, shape: D, mut draw: impl FnMut(&mut Self) -> f64) -> Array<f64, D> {
        Array::from_shape_simple_fn(shape, || draw(self))
    }
}

/// The 624 words of the state would fill a screen.
impl std::fmt::Debug for RandomState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RandomState (MT19937)")
    }
}
