//! A key and a counter in, random words out: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
//!
//! No state is carried from row to row: a stream is named by (seed, purpose, epoch, row), so any row can be drawn first,
//! on any thread, and two streams never share a counter.

/// Blocks that are computed side by side, so that the compiler can use vector registers.
const LANES: usize = 8;
const WORDS: usize = 4 * LANES;

/// What a stream is used for. It is part of the counter, so that two uses of one row never see the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    Mask = 1,
    Pair = 2,
    Order = 3,
    Shuffle = 4,
    Span = 5,
}

/// A stream of uniform 32-bit words. Cheap to make; at most 2^32 blocks of four words long.
#[derive(Clone)]
pub struct Rng {
    key: [u32; 2],
    /// Block index, purpose and epoch, row (low, high).
    counter: [u32; 4],
    words: [u32; WORDS],
    next: usize,
}

impl Rng {
    /// `epoch` is taken modulo 2^24.
    pub fn new(seed: u64, purpose: Purpose, epoch: u64, row: u64) -> Self {
        let tag = ((purpose as u32) << 24) | (epoch as u32 & 0x00ff_ffff);
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [0, tag, row as u32, (row >> 32) as u32],
            words: [0; WORDS],
            next: WORDS,
        }
    }

    #[inline(always)]
    pub fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.words = blocks(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(LANES as u32);
            self.next = 0;
        }
        let word = self.words[self.next % WORDS];
        self.next += 1;
        word
    }

    /// Uniform in 0..n, exactly (Lemire 2019); 0 when `n` is 0.
    #[inline(always)]
    pub fn below(&mut self, n: u32) -> u32 {
        let mut product = u64::from(self.word()) * u64::from(n);
        if (product as u32) < n {
            let floor = n.wrapping_neg().checked_rem(n).unwrap_or(0);
            while (product as u32) < floor {
                product = u64::from(self.word()) * u64::from(n);
            }
        }
        (product >> 32) as u32
    }

    /// Uniform in [0, 1) with 32 bits.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.word()) / 4_294_967_296.0
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

/// `LANES` blocks of ten Philox rounds, from `counter` on; lane i counts `counter[0] + i`.
#[inline]
fn blocks(counter: [u32; 4], key: [u32; 2]) -> [u32; WORDS] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function asks for.
        return unsafe { blocks_avx2(counter, key) };
    }
    rounds(counter, key)
}

/// The same numbers, four lanes at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn blocks_avx2(counter: [u32; 4], key: [u32; 2]) -> [u32; WORDS] {
    rounds(counter, key)
}

/// Lanes have 64 bits, the upper ones of no meaning: the product of two low halves is what vector registers multiply.
#[inline(always)]
fn rounds(counter: [u32; 4], key: [u32; 2]) -> [u32; WORDS] {
    const LOW: u64 = 0xffff_ffff;
    let mut c0: [u64; LANES] = std::array::from_fn(|lane| u64::from(counter[0].wrapping_add(lane as u32)));
    let [mut c1, mut c2, mut c3] = [1, 2, 3].map(|i| [u64::from(counter[i]); LANES]);
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        for lane in 0..LANES {
            let a = 0xD251_1F53 * (c0[lane] & LOW);
            let b = 0xCD9E_8D57 * (c2[lane] & LOW);
            c0[lane] = (b >> 32) ^ c1[lane] ^ u64::from(k0);
            c1[lane] = b;
            c2[lane] = (a >> 32) ^ c3[lane] ^ u64::from(k1);
            c3[lane] = a;
        }
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    let mut out = [0; WORDS];
    for lane in 0..LANES {
        out[4 * lane] = c0[lane] as u32;
        out[4 * lane + 1] = c1[lane] as u32;
        out[4 * lane + 2] = c2[lane] as u32;
        out[4 * lane + 3] = c3[lane] as u32;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with the Random123 library (kat_vectors, philox4x32 10).
    #[test]
    fn known_answers() {
        let first = |counter, key| blocks(counter, key)[..4].to_vec();
        assert_eq!(first([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(first([u32::MAX; 4], [u32::MAX; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        let pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
        assert_eq!(first(pi, [0xa4093822, 0x299f31d0]), [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
    }

    /// With and without vector registers.
    #[test]
    fn one_stream_on_every_processor() {
        for seed in 0..100u32 {
            let counter = [u32::MAX - 3, seed.wrapping_mul(0x9E37_79B9), seed, !seed];
            assert_eq!(blocks(counter, [seed, 77]), rounds(counter, [seed, 77]));
        }
    }

    #[test]
    fn below_is_uniform() {
        let mut rng = Rng::new(7, Purpose::Mask, 0, 0);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[rng.below(10) as usize] += 1;
        }
        let chi: f64 = counts.iter().map(|&n| (f64::from(n) - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi < 27.9, "chi-square {chi} with 9 degrees of freedom (p = 0.001)");
    }
}
