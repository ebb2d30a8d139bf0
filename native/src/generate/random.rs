//! A seed, a row and a position enter, a uniform number leaves. Nothing is kept between calls, so what a row draws does
//! not depend on the rows beside it, nor on how often the caller stopped in between.

/// Uniform in [0, 1), 53 bits: SplitMix64's finaliser (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014, figure 17) over each part of the key in turn.
pub fn uniform(seed: u64, row: u64, position: u64) -> f64 {
    let word = [row, position].iter().fold(mix(seed), |state, &part| mix(state ^ part.wrapping_mul(GOLDEN)));
    (word >> 11) as f64 / (1u64 << 53) as f64
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the reference SplitMix64 for the seed 1234567.
    #[test]
    fn known_answers() {
        let outputs: Vec<u64> = (0..3).map(|i| mix(1_234_567u64.wrapping_add(GOLDEN.wrapping_mul(i)))).collect();
        assert_eq!(outputs, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn uniform_fills_its_range_evenly_and_depends_on_every_part() {
        let draws: Vec<f64> = (0..100_000).map(|i| uniform(7, i % 10, i / 10)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let base = uniform(1, 2, 3);
        assert!(base != uniform(2, 2, 3) && base != uniform(1, 3, 3) && base != uniform(1, 2, 4));
        assert!(uniform(1, 2, 3) != uniform(1, 3, 2));
    }
}
