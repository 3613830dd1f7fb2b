//! Random numbers that need no memory of those before.

use crate::random::RandomState;

/// The generator of a place in training: the order of an epoch has `iteration` 0, its iterations are 1, 2, …
///
/// No generator has to be kept for resuming: the place alone says what is drawn there.
pub(super) fn stream(seed: u32, epoch: usize, iteration: usize) -> RandomState {
    let mixed = [epoch, iteration].into_iter().fold(mix(seed.into()), |state, n| mix(state ^ n as u64));
    RandomState::new((mixed >> 32) as u32)
}

/// SplitMix64's: neighbours end far from each other. Source: Steele, Lea and Flood, *Fast splittable pseudorandom number
/// generators* (2014).
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the published generator from seed 0, its state going up by the odd constant.
    #[test]
    fn it_mixes_as_published() {
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(mix(0x9E37_79B9_7F4A_7C15), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn each_place_has_its_own() {
        let mut first: Vec<u64> = Vec::new();
        for seed in 0..3 {
            for epoch in 1..20 {
                first.extend((0..20).map(|iteration| stream(seed, epoch, iteration).uniform().to_bits()));
            }
        }
        let all = first.len();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), all);
    }
}
