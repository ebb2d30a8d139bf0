//! A code point enters, its Unicode classes leave as a bit set: the two-stage table under the hand-written splitters.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

use crate::text::normalise::is_punctuation as is_bert_punctuation;

/// `\p{L}`
pub const LETTER: u8 = 1;
/// `\p{N}`
pub const NUMBER: u8 = 2;
/// `\s`: White_Space, 25 code points.
pub const SPACE: u8 = 4;
/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`: what o200k lets stand before lower case.
pub const UPPER: u8 = 8;
/// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
pub const LOWER: u8 = 16;
/// `\r` and `\n`
pub const NEWLINE: u8 = 32;
/// Punctuation as BERT's split sees it.
pub const PUNCTUATION: u8 = 64;
/// Class bits that end `[^\s\p{L}\p{N}]+`.
pub const WORDLIKE: u8 = LETTER | NUMBER | SPACE;

const BLOCK: usize = 128;

/// Two stages: block number of each 128 code points, then one byte of bits a code point. About 60 kB.
pub struct Classes {
    ascii: [u8; 128],
    blocks: Vec<u16>,
    bits: Vec<u8>,
}

static CLASSES: LazyLock<Classes> = LazyLock::new(Classes::build);

impl Classes {
    /// The table, built at first use (under a millisecond) and immutable from then on.
    pub fn get() -> &'static Classes {
        &CLASSES
    }

    fn build() -> Self {
        let mut flat = vec![0u8; 0x11_0000];
        let sets: [(&str, u8); 5] = [
            (r"\p{L}", LETTER),
            (r"\p{N}", NUMBER),
            (r"\s", SPACE),
            (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", UPPER),
            (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", LOWER),
        ];
        for (pattern, bit) in sets {
            let Ok(hir) = regex_syntax::parse(pattern) else { continue };
            if let HirKind::Class(Class::Unicode(class)) = hir.kind() {
                for range in class.ranges() {
                    flat[range.start() as usize..=range.end() as usize].iter_mut().for_each(|c| *c |= bit);
                }
            }
        }
        for c in '\0'..=char::MAX {
            if is_bert_punctuation(c) {
                flat[c as usize] |= PUNCTUATION;
            }
        }
        flat['\r' as usize] |= NEWLINE;
        flat['\n' as usize] |= NEWLINE;

        let mut ascii = [0; 128];
        ascii.copy_from_slice(&flat[..128]);
        let (mut blocks, mut bits) = (Vec::new(), Vec::<u8>::new());
        let mut known = rustc_hash::FxHashMap::<&[u8], u16>::default();
        for block in flat.chunks(BLOCK) {
            let next = known.len() as u16;
            let id = *known.entry(block).or_insert_with(|| {
                bits.extend_from_slice(block);
                next
            });
            blocks.push(id);
        }
        Self { ascii, blocks, bits }
    }

    /// The bits of one code point.
    #[inline(always)]
    pub fn of(&self, c: u32) -> u8 {
        let block = self.blocks[c as usize / BLOCK] as usize;
        self.bits[block * BLOCK + c as usize % BLOCK]
    }

    /// The bits and byte length of the character that starts at `at` of valid UTF-8; `(0, 0)` at the end.
    #[inline(always)]
    pub fn at(&self, text: &[u8], at: usize) -> (u8, usize) {
        match text.get(at) {
            None => (0, 0),
            Some(&b) if b < 0x80 => (self.ascii[b as usize], 1),
            Some(_) => self.at_wide(text, at),
        }
    }

    #[inline]
    fn at_wide(&self, text: &[u8], at: usize) -> (u8, usize) {
        let byte = |i: usize| (text.get(at + i).copied().unwrap_or(0) & 0x3f) as u32;
        let first = text[at] as u32;
        let (c, n) = match first {
            0xf0.. => ((first & 7) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3), 4),
            0xe0.. => ((first & 15) << 12 | byte(1) << 6 | byte(2), 3),
            _ => ((first & 31) << 6 | byte(1), 2),
        };
        (self.of(c), n)
    }

    /// The end of the run of characters from `at` on whose bits, masked by `mask`, satisfy `keep`.
    #[inline(always)]
    pub fn run(&self, text: &[u8], mut at: usize, keep: impl Fn(u8) -> bool) -> usize {
        loop {
            let (bits, n) = self.at(text, at);
            if n == 0 || !keep(bits) {
                return at;
            }
            at += n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_classes_of_well_known_characters() {
        let bits = |c: char| Classes::get().of(c as u32);
        assert_eq!(bits('a'), LETTER | LOWER);
        assert_eq!(bits('A'), LETTER | UPPER);
        assert_eq!(bits('中'), LETTER | UPPER | LOWER);
        assert_eq!(bits('½'), NUMBER);
        assert_eq!(bits('\u{301}'), UPPER | LOWER);
        assert_eq!(bits('\n'), SPACE | NEWLINE);
        assert_eq!(bits('_'), PUNCTUATION);
        assert_eq!((0..0x11_0000).filter(|&c| Classes::get().of(c) & SPACE != 0).count(), 25);
    }

    #[test]
    fn decodes_every_code_point_in_place() {
        let classes = Classes::get();
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let text = c.to_string();
            assert_eq!(classes.at(text.as_bytes(), 0), (classes.of(c as u32), text.len()));
        }
    }
}
