//! A number below n in, another one out: a seeded permutation of 0..n that can be entered anywhere and needs no memory.
//!
//! A Feistel network over the smallest even number of bits that holds n; results beyond n are sent through again
//! (cycle walking, Black and Rogaway 2002, "Ciphers with arbitrary finite domains").

const ROUNDS: usize = 6;

#[derive(Clone, Debug)]
pub struct Permutation {
    n: u64,
    half: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    pub fn new(n: u64, seed: u64, epoch: u64) -> Self {
        let bits = (64 - n.saturating_sub(1).leading_zeros()).max(2);
        let mut state = mix(seed ^ mix(epoch.wrapping_add(0x9E37_79B9_7F4A_7C15)));
        let keys = std::array::from_fn(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            mix(state)
        });
        Self { n, half: bits.div_ceil(2), keys }
    }

    /// `index` must be below n.
    pub fn at(&self, index: u64) -> u64 {
        let mask = (1u64 << self.half) - 1;
        let mut value = index;
        loop {
            let (mut left, mut right) = (value >> self.half, value & mask);
            for key in self.keys {
                (left, right) = (right, left ^ (mix(right ^ key) & mask));
            }
            value = left << self.half | right;
            if value < self.n || self.n == 0 {
                return value;
            }
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_once() {
        for n in [1u64, 2, 3, 10, 255, 256, 257, 1000] {
            let permutation = Permutation::new(n, 5, 1);
            let mut seen: Vec<u64> = (0..n).map(|i| permutation.at(i)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }
    }

    /// Where an element lands is uniform over seeds: chi-square with 15 degrees of freedom.
    #[test]
    fn places_are_uniform() {
        for index in 0..16 {
            let mut counts = [0f64; 16];
            for seed in 0..16_000 {
                counts[Permutation::new(16, seed, 3).at(index) as usize] += 1.0;
            }
            let chi: f64 = counts.iter().map(|n| (n - 1000.0).powi(2) / 1000.0).sum();
            assert!(chi < 44.3, "chi-square {chi} (p = 0.0001)");
        }
    }
}
