//! A word of up to 15 bytes inside a text enters, two registers leave that compare and hash at once.

/// The bytes of a word, padded with zeros; its length is the top byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Key {
    pub lo: u64,
    pub hi: u64,
}

/// Longer words have no key.
pub const SHORT: usize = 15;

const MASKS: [(u64, u64); 16] = {
    let mut out = [(0, 0); 16];
    let mut n = 1;
    while n < 16 {
        out[n] = match n {
            0..8 => ((1 << (8 * n)) - 1, 0),
            8 => (u64::MAX, 0),
            _ => (u64::MAX, (1 << (8 * (n - 8))) - 1),
        };
        n += 1;
    }
    out
};

impl Key {
    /// The key of no word.
    pub const NONE: Self = Self { lo: 0, hi: u64::MAX };

    /// The key of `text[start..start + len]`, `len` at most 15: one load where 16 bytes are there.
    #[inline(always)]
    pub fn new(text: &[u8], start: usize, len: usize) -> Self {
        let both = match text.get(start..start + 16).and_then(<[u8]>::first_chunk::<16>) {
            Some(chunk) => u128::from_le_bytes(*chunk),
            None => tail(text, start),
        };
        let (lo, hi) = MASKS[len & 15];
        Self { lo: both as u64 & lo, hi: ((both >> 64) as u64 & hi) | ((len as u64) << 56) }
    }

    /// The word's length.
    #[inline(always)]
    pub fn length(self) -> usize {
        (self.hi >> 56) as usize
    }

    /// The word and what pads it: the first `len` bytes count.
    #[inline(always)]
    pub fn bytes(self) -> [u8; 16] {
        (u128::from(self.lo) | u128::from(self.hi) << 64).to_le_bytes()
    }

    /// A hash by folded multiplication under two seeds.
    #[inline(always)]
    pub fn hash(self, seeds: (u64, u64)) -> u64 {
        let product = u128::from(self.lo ^ seeds.0) * u128::from(self.hi ^ seeds.1);
        product as u64 ^ (product >> 64) as u64
    }
}

/// The last bytes of a text, fewer than 16.
#[cold]
fn tail(text: &[u8], start: usize) -> u128 {
    let mut chunk = [0; 16];
    for (to, from) in chunk.iter_mut().zip(&text[start..]) {
        *to = *from;
    }
    u128::from_le_bytes(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_come_back_from_every_place() {
        let text: Vec<u8> = (1..=40).collect();
        for start in 0..=text.len() {
            for len in 0..=SHORT.min(text.len() - start) {
                let key = Key::new(&text, start, len);
                assert_eq!((key.length(), &key.bytes()[..len]), (len, &text[start..start + len]));
                assert!(key.bytes()[len..15].iter().all(|byte| *byte == 0));
            }
        }
    }
}
