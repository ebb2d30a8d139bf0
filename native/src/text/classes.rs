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
    /// The table, built at first use (some milliseconds) and immutable from then on.
    pub fn get() -> &'static Classes {
        &CLASSES
    }

    fn build() -> Self {
        let mut flat = vec![0u8; 0x11_0000];
        let sets: [(&str, u8); 6] = [
            (r"\p{L}", LETTER),
            (r"\p{N}", NUMBER),
            (r"\s", SPACE),
            (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", UPPER),
            (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", LOWER),
            // BERT's table is older: it lacks some of these, and has two more.
            (r"[[:ascii:]\p{P}\x{166d}\x{111c9}]", PUNCTUATION),
        ];
        for (pattern, bit) in sets {
            let Ok(hir) = regex_syntax::parse(pattern) else { continue };
            if let HirKind::Class(Class::Unicode(class)) = hir.kind() {
                for range in class.ranges() {
                    let slots = &mut flat[range.start() as usize..=range.end() as usize];
                    if bit == PUNCTUATION {
                        let kept = (range.start()..=range.end()).zip(slots).filter(|(c, _)| is_bert_punctuation(*c));
                        kept.for_each(|(_, slot)| *slot |= bit);
                    } else {
                        slots.iter_mut().for_each(|slot| *slot |= bit);
                    }
                }
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
        let (c, n) = decode(text, at);
        (self.of(c), n)
    }

    /// The end of the word at `at` where that is one character of `prefixes` or one letter and then letters, told by
    /// looking at 17 bytes at once; `None` where it takes a closer look. `prefixes` has a bit for each ASCII character.
    #[inline(always)]
    pub fn word(&self, text: &[u8], at: usize, prefixes: u128) -> Option<usize> {
        let window = text.get(at..)?.first_chunk::<17>()?;
        let first = window[0];
        if !first.is_ascii() {
            return None;
        }
        let [low, high] = [1, 9].map(|i| window[i..].first_chunk::<8>().map_or(0, |eight| u64::from_le_bytes(*eight)));
        let run = |bytes| (not_ascii_letters(bytes) | 1 << 63).trailing_zeros() as usize / 8;
        let (near, far) = (run(low), run(high));
        // `run` says 7 for eight letters as well as for seven: settle it by the eighth byte.
        let near = near + usize::from(near == 7 && window[8].is_ascii_alphabetic());
        let far = far + usize::from(far == 7 && window[16].is_ascii_alphabetic());
        let letters = if near == 8 { 8 + far } else { near };
        let end = at + 1 + letters;
        let starts = ((prefixes >> (first & 127)) & 1 != 0 && letters > 0) || first.is_ascii_alphabetic();
        if !starts {
            return None;
        }
        match text.get(end) {
            Some(byte) if letters == 16 || !byte.is_ascii() => Some(self.letters(text, end)),
            _ => Some(end),
        }
    }

    /// The end of the run of letters from `at` on: `run` with `LETTER`, eight ASCII bytes at a time.
    #[inline(always)]
    pub fn letters(&self, text: &[u8], mut at: usize) -> usize {
        if text.get(at).is_some_and(|byte| !byte.is_ascii()) {
            return self.wide_letters(text, at);
        }
        while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let others = not_ascii_letters(u64::from_le_bytes(*eight));
            if others != 0 {
                at += others.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match text.get(at) {
            Some(byte) if !byte.is_ascii() || byte.is_ascii_alphabetic() => self.wide_letters(text, at),
            _ => at,
        }
    }

    /// `run` with `LETTER`; U+5000 to U+9FFF, all of them letters, are told by their first byte, and those from U+4E00 on
    /// by two.
    #[inline(always)]
    fn wide_letters(&self, text: &[u8], mut at: usize) -> usize {
        loop {
            while let Some([first, second, ..]) = text.get(at..)
                && (matches!(first, 0xe5..=0xe9) || (*first == 0xe4 && *second >= 0xb8))
            {
                at += 3;
            }
            let (bits, n) = self.at(text, at);
            if n == 0 || bits & LETTER == 0 {
                return at;
            }
            at += n;
        }
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

/// The code point and byte length of the character at `at` of valid UTF-8.
#[inline(always)]
pub fn decode(text: &[u8], at: usize) -> (u32, usize) {
    let four = match text.get(at..at + 4).and_then(<[u8]>::first_chunk::<4>) {
        Some(four) => *four,
        None => tail(text, at),
    };
    let byte = |i: usize| u32::from(four[i] & 0x3f);
    let first = u32::from(four[0]);
    match first {
        0xf0.. => ((first & 7) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3), 4),
        0xe0.. => ((first & 15) << 12 | byte(1) << 6 | byte(2), 3),
        0x80.. => ((first & 31) << 6 | byte(1), 2),
        _ => (first, 1),
    }
}

/// The last bytes of a text, fewer than four.
#[cold]
fn tail(text: &[u8], at: usize) -> [u8; 4] {
    std::array::from_fn(|i| text.get(at + i).copied().unwrap_or(0))
}

/// The high bit of each of eight bytes that is no ASCII letter.
#[inline(always)]
fn not_ascii_letters(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let lower = (bytes | (0x20 * ONES)) & !HIGH;
    let from_a = lower + (0x80 - b'a' as u64) * ONES;
    let beyond_z = lower + (0x80 - b'z' as u64 - 1) * ONES;
    !(from_a & !beyond_z & !bytes) & HIGH
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
    fn words_end_where_their_letters_do() {
        let classes = Classes::get();
        let text = " a bb ccc dddd eeeee ffffff ggggggg hhhhhhhh iiiiiiiii jjjjjjjjjjjjjjj kkkkkkkkkkkkkkkk lllllllllllllllll \
                    xé étéx 中文 a1 [b] ..                                  ";
        for at in (0..text.len() - 20).filter(|at| text.is_char_boundary(*at)) {
            let rest = &text.as_bytes()[at..];
            let slow = match (classes.at(rest, 0).0 & LETTER != 0, rest[0] == b' ') {
                (false, false) => continue,
                (letter, _) => {
                    classes.run(text.as_bytes(), at + 1, |c| c & LETTER != 0).max(if letter { at + 1 } else { 0 })
                }
            };
            if let Some(end) = classes.word(text.as_bytes(), at, 1 << b' ') {
                assert_eq!(end, slow, "{:?}", &text[at..]);
            }
        }
    }

    #[test]
    fn runs_of_letters_end_where_they_should() {
        let classes = Classes::get();
        assert!((0x4e00..0xa000).all(|c| classes.of(c) & LETTER != 0));
        for text in [
            "",
            "a",
            "龙一a䷀中国。",
            "\u{4fff}\u{5000}\u{8fff}\u{9000}\u{4dff}",
            "\u{4e00}\u{9fff}\u{4dbf}\u{4dc0}\u{a000}\u{a4cf}",
            "abcdefgh",
            "abcdefghijklmnop1",
            "abc déf",
            "ab\u{301}",
            "Z{",
            "@A",
            "a[b",
            "中文abc。",
            "`z",
        ] {
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let slow = classes.run(text.as_bytes(), at, |c| c & LETTER != 0);
                assert_eq!(classes.letters(text.as_bytes(), at), slow, "{text} {at}");
            }
        }
    }

    #[test]
    fn no_punctuation_is_left_out() {
        for c in '\0'..=char::MAX {
            assert_eq!(Classes::get().of(c as u32) & PUNCTUATION != 0, is_bert_punctuation(c), "{c:?}");
        }
    }

    #[test]
    fn decodes_every_code_point_in_place() {
        let classes = Classes::get();
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let text = c.to_string();
            assert_eq!(classes.at(text.as_bytes(), 0), (classes.of(c as u32), text.len()));
            assert_eq!(decode(format!("a{c}é\u{10ffff}").as_bytes(), 1), (c as u32, text.len()));
        }
    }
}
