//! Where a text may be cut before merging without changing the result: between two characters that stand side by side
//! in no token. A merge across such a place would make a token that holds both.

use super::hash::mix;

/// Filters that may say "joined" too often, never too seldom.
#[derive(Clone, Debug)]
pub struct Cuts {
    /// A bit for each pair of ASCII characters.
    ascii: Box<[u128; 128]>,
    /// A bit for each hash of a pair of characters that are not both ASCII.
    pairs: Box<[u64; PAIRS / 64]>,
    /// A bit for each pair of bytes `(last, first)` around a place where a token has half a character on one side.
    halves: Box<[u64; (1 << 16) / 64]>,
}

/// 32 kB, at home in the first cache; a vocabulary of 100k tokens fills a tenth of it.
const PAIRS: usize = 1 << 18;

/// A character as it is spelt in UTF-8.
#[derive(Clone, Copy)]
pub struct Spelt {
    /// Its bytes, the first lowest.
    bytes: u32,
    /// Its last byte.
    last: u8,
    pub width: usize,
}

impl Spelt {
    /// The character that starts at `at < text.len()` of valid UTF-8.
    #[inline(always)]
    pub fn at(text: &[u8], at: usize) -> Self {
        let four = match text[at..].first_chunk::<4>() {
            Some(four) => u32::from_le_bytes(*four),
            None => tail(text, at),
        };
        let (bytes, width) = match four & 0xff {
            0xe0..0xf0 => (four & 0xff_ffff, 3),
            0xf0.. => (four, 4),
            0x80.. => (four & 0xffff, 2),
            _ => (four & 0xff, 1),
        };
        Self { bytes, last: (bytes >> (8 * width - 8)) as u8, width }
    }
}

/// The last bytes of a text, fewer than four.
#[cold]
fn tail(text: &[u8], at: usize) -> u32 {
    text[at..].iter().rev().fold(0, |bytes, byte| bytes << 8 | u32::from(*byte))
}

impl Default for Cuts {
    fn default() -> Self {
        Self { ascii: Box::new([0; 128]), pairs: Box::new([0; PAIRS / 64]), halves: Box::new([0; (1 << 16) / 64]) }
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
            match (before, after) {
                (Some(a), Some(b)) => self.join(Spelt::at(a.as_bytes(), 0), Spelt::at(b.as_bytes(), 0)),
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
        self.pairs.iter_mut().zip(other.pairs.iter()).for_each(|(here, there)| *here |= there);
        self.halves.iter_mut().zip(other.halves.iter()).for_each(|(here, there)| *here |= there);
    }

    fn join(&mut self, a: Spelt, b: Spelt) {
        if (a.bytes | b.bytes) < 0x80 {
            self.ascii[a.bytes as usize] |= 1 << b.bytes;
        } else {
            let bit = Self::bit(a, b);
            self.pairs[bit >> 6] |= 1 << (bit & 63);
        }
    }

    #[inline(always)]
    fn bit(a: Spelt, b: Spelt) -> usize {
        (mix(u64::from(a.bytes), u64::from(b.bytes)) >> (64 - PAIRS.trailing_zeros())) as usize
    }

    /// Whether the place between two characters is a cut.
    #[inline(always)]
    pub fn between(&self, a: Spelt, b: Spelt) -> bool {
        !(self.joined(a, b) | self.halved(a, b))
    }

    /// Whether a token may reach across it.
    #[inline(always)]
    fn joined(&self, a: Spelt, b: Spelt) -> bool {
        if (a.bytes | b.bytes) < 0x80 {
            return (self.ascii[a.bytes as usize & 127] >> (b.bytes & 127)) & 1 != 0;
        }
        let bit = Self::bit(a, b);
        (self.pairs[bit >> 6] >> (bit & 63)) & 1 != 0
    }

    /// Whether a token may have half a character on one side of it.
    #[inline(always)]
    fn halved(&self, a: Spelt, b: Spelt) -> bool {
        let pair = (a.last as usize) << 8 | (b.bytes & 0xff) as usize;
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
        let spelt = |c: char| Spelt::at(c.to_string().as_bytes(), 0);
        let joined = |a, b| cuts.joined(spelt(a), spelt(b));
        let halved = |a, b| cuts.halved(spelt(a), spelt(b));
        assert!(joined('中', '国') && joined(' ', 't') && joined('h', 'e'));
        assert!(!joined('国', '中') && !joined('e', ' '));
        // Last and first bytes: 20 e5, 80 e3, 82 e3; a4 e5.
        assert!(halved(' ', '\u{5000}') && halved('\u{1000}', 'あ') && halved('あ', 'あ'));
        assert!(!halved('\u{5924}', '\u{5000}'));
    }
}
