//! Random numbers that can be asked for in any order.

/// The counter-based generator Philox4x64-10, as NumPy's `Philox(key=[key, 0])`: number i is a function of the key and i,
/// so threads may draw parts of one stream, in any order, and get what one thread would.
///
/// Ten rounds of multiplication mix a counter with the key: four words of 64 bits per count.
///
/// Source: Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3* (2011), section 3.3.
///
/// ```
/// use mlnotes::random::Philox;
///
/// let mut numbers = [0.0; 3];
/// Philox::new(1234).uniform(0, &mut numbers);
/// let mut last = [0.0];
/// Philox::new(1234).uniform(2, &mut last);
/// assert_eq!(last[0], numbers[2]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Philox {
    key: [u64; 2],
}

/// Numbers of 32 bits that one count gives.
const NUMBERS: usize = 8;

impl Philox {
    /// The stream of this key.
    pub fn new(key: u64) -> Self {
        Self { key: [key, 0] }
    }

    /// The words of one count.
    fn words(&self, count: u64) -> [u64; 4] {
        const MULTIPLIERS: [u64; 2] = [0xD2E7_470E_E14C_6C93, 0xCA5A_8263_9512_1157];
        // The golden ratio's and √3's fractions.
        const STEPS: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xBB67_AE85_84CA_A73B];
        let (mut words, mut key) = ([count, 0, 0, 0], self.key);
        for _ in 0..10 {
            let product = |i: usize| u128::from(MULTIPLIERS[i]) * u128::from(words[2 * i]);
            let (first, second) = (product(0), product(1));
            let high = |product: u128| (product >> 64) as u64;
            words = [high(second) ^ words[1] ^ key[0], second as u64, high(first) ^ words[3] ^ key[1], first as u64];
            key = [key[0].wrapping_add(STEPS[0]), key[1].wrapping_add(STEPS[1])];
        }
        words
    }

    /// Fills in the numbers from the `from`-th on, each one of 2²⁴ equally spaced values in [0, 1), as NumPy's
    /// `Generator(Philox(key=[key, 0])).random(n, dtype=np.float32)`.
    pub fn uniform(&self, from: usize, to: &mut [f32]) {
        let (mut place, mut to) = (from, to);
        while !to.is_empty() {
            // NumPy counts before it draws.
            let words = self.words((place / NUMBERS) as u64 + 1);
            let (skip, length) = (place % NUMBERS, to.len().min(NUMBERS - place % NUMBERS));
            let (here, rest) = to.split_at_mut(length);
            for (number, to) in here.iter_mut().enumerate() {
                let number = skip + number;
                let bits = (words[number / 2] >> (32 * (number % 2))) as u32;
                *to = (bits >> 8) as f32 / 16_777_216.0;
            }
            (place, to) = (place + length, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Philox;

    /// `np.random.Generator(np.random.Philox(key=[1234, 0])).random(9, dtype=np.float32)`.
    const OF_NUMPY: [f32; 9] =
        [0.37253702, 0.33472365, 0.13672698, 0.58973014, 0.8386949, 0.69176567, 0.10712087, 0.33346194, 0.16295898];

    /// Planted: the counter from 0; the high half of a word first; nine rounds. Each turns this red.
    #[test]
    fn the_numbers_are_those_of_numpy_wherever_one_begins() {
        for from in 0..9 {
            let mut numbers = [0.0; 9];
            Philox::new(1234).uniform(from, &mut numbers[from..]);
            assert_eq!(numbers[from..], OF_NUMPY[from..]);
        }
    }
}
