//! Where a text may be cut before merging without changing the result: between two characters that stand side by side
//! in no token. A merge across such a place would make a token that holds both.

use super::hash::mix;

/// Filters that may say "joined" too often, never too seldom.
#[derive(Clone, Debug)]
pub struct Cuts {
    /// A bit for each pair of ASCII characters.
    ascii: Box<[u128; 128]>,
    /// A bit for each hash of a pair of characters that are not both ASCII.
    pairs: Box<[u64]>,
    /// A bit for each pair of bytes `(last, first)` around a place where a token has half a character on one side.
    halves: Box<[u64]>,
}

/// 2^18 bits: 32 kB, at home in the first cache; a vocabulary of 100k tokens fills a tenth of it.
const PAIR_BITS: u32 = 18;

impl Default for Cuts {
    fn default() -> Self {
        let pairs = vec![0; 1 << (PAIR_BITS - 6)].into_boxed_slice();
        Self { ascii: Box::new([0; 128]), pairs, halves: vec![0; 1 << 10].into_boxed_slice() }
    }
}

impl Cuts {
    /// Takes in a token: bytes that may begin and end with half a character.
    pub fn add(&mut self, token: &[u8]) {
        let is_rest = |byte: &u8| byte & 0xc0 == 0x80;
        // A character starts at each byte that continues none.
        let starts: Vec<usize> = (0..token.len()).filter(|i| !is_rest(&token[*i])).collect();
        for (i, &at) in starts.iter().enumerate() {
            if at == 0 {
                continue;
            }
            let before = if i > 0 { std::str::from_utf8(&token[starts[i - 1]..at]).ok() } else { None };
            let end = starts.get(i + 1).copied().unwrap_or(token.len());
            let after = std::str::from_utf8(&token[at..end]).ok();
            match (before.and_then(|s| s.chars().next()), after.and_then(|s| s.chars().next())) {
                (Some(a), Some(b)) => self.join(a, b),
                _ => {
                    let pair = (token[at - 1] as usize) << 8 | token[at] as usize;
                    self.halves[pair >> 6] |= 1 << (pair & 63);
                }
            }
        }
    }

    /// Takes in the tokens that `other` has taken in.
    pub fn merge(&mut self, other: &Self) {
        self.ascii.iter_mut().zip(other.ascii.iter()).for_each(|(here, there)| *here |= there);
        self.pairs.iter_mut().zip(&other.pairs).for_each(|(here, there)| *here |= there);
        self.halves.iter_mut().zip(&other.halves).for_each(|(here, there)| *here |= there);
    }

    fn join(&mut self, a: char, b: char) {
        if a.is_ascii() && b.is_ascii() {
            self.ascii[a as usize] |= 1 << (b as u32);
        } else {
            let bit = Self::bit(a as u32, b as u32);
            self.pairs[bit >> 6] |= 1 << (bit & 63);
        }
    }

    #[inline(always)]
    fn bit(a: u32, b: u32) -> usize {
        (mix(u64::from(a), u64::from(b)) >> (64 - PAIR_BITS)) as usize
    }

    /// Whether the place between the characters of code points `a` and `b` is a cut; `last` and `first` are the bytes
    /// around it.
    #[inline(always)]
    pub fn between(&self, a: u32, b: u32, last: u8, first: u8) -> bool {
        !(self.joined(a, b) | self.halved(last, first))
    }

    /// Whether a token may reach across it.
    #[inline(always)]
    fn joined(&self, a: u32, b: u32) -> bool {
        if a < 128 && b < 128 {
            return (self.ascii[a as usize & 127] >> (b & 127)) & 1 != 0;
        }
        let bit = Self::bit(a, b);
        (self.pairs[bit >> 6] >> (bit & 63)) & 1 != 0
    }

    /// Whether a token may have half a character on one side of it.
    #[inline(always)]
    fn halved(&self, last: u8, first: u8) -> bool {
        let pair = (last as usize) << 8 | first as usize;
        (self.halves[pair >> 6] >> (pair & 63)) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_only_where_no_token_reaches_across() {
        let mut cuts = Cuts::default();
        cuts.add("中国".as_bytes());
        cuts.add(" the".as_bytes());
        cuts.add(&[b' ', 0xe5, 0xa4]);
        cuts.add(&[0x80, 0xe3, 0x81, 0x82, 0xe3]);
        let joined = |a: char, b: char| cuts.joined(a as u32, b as u32);
        assert!(joined('中', '国') && joined(' ', 't') && joined('h', 'e'));
        assert!(!joined('国', '中') && !joined('e', ' '));
        assert!(cuts.halved(b' ', 0xe5) && cuts.halved(0x80, 0xe3) && cuts.halved(0x82, 0xe3));
        assert!(!cuts.halved(0xa4, 0xe5));
    }
}
