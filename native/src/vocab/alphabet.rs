//! The symbols that merging starts from: all 256 bytes, in the order and under the names that GPT-2 gave them, or the
//! characters of the words, in the order of their code points.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::vocab::known::{First, Known};
use crate::vocab::segments::Symbol;
use crate::vocab::words::WordCounts;

/// How words fall into symbols, numbered from 1.
pub struct Alphabet {
    tokens: Vec<String>,
    kind: Kind,
    /// What a piece that continues a word starts with: `##` in WordPiece, nothing otherwise.
    prefix: String,
}

enum Kind {
    Bytes(Box<[usize; 256]>),
    /// Symbols of each code point at the start of a word and elsewhere. Those without are left out of words.
    Chars(Vec<[u32; 2]>),
    /// Words are cut into the tokens of a vocabulary that exists.
    Known(Known),
}

impl Alphabet {
    /// All 256 bytes, whatever the words.
    pub fn bytes() -> Self {
        let mut symbols = [0; 256];
        let order = bytes_in_order();
        order.iter().zip(1..).for_each(|(&byte, symbol)| symbols[byte as usize] = symbol);
        let tokens = order.iter().map(|&byte| byte_level(&[byte])).collect();
        Self { tokens, kind: Kind::Bytes(Box::new(symbols)), prefix: String::new() }
    }

    /// The characters of `words` (UTF-8), at most the `limit` most frequent ones (ties to the smaller code point), then,
    /// with a prefix, those seen inside words, prefixed.
    pub fn chars(words: &WordCounts, limit: Option<usize>, prefix: &str) -> Self {
        // By code point, as far as characters are seen.
        let mut seen: Vec<[u64; 2]> = Vec::new();
        words.for_each(|word, count| {
            for (i, c) in chars(word).enumerate() {
                if c as usize >= seen.len() {
                    seen.resize(c as usize + 1, [0; 2]);
                }
                seen[c as usize][usize::from(i > 0)] += count;
            }
        });
        let mut kept: Vec<(char, [u64; 2])> = (0u32..)
            .zip(&seen)
            .filter(|(_, seen)| **seen != [0, 0])
            .filter_map(|(c, seen)| Some((char::from_u32(c)?, *seen)))
            .collect();
        kept.sort_unstable_by_key(|&(c, [first, later])| (Reverse(first + later), c));
        kept.truncate(limit.unwrap_or(usize::MAX));
        kept.sort_unstable_by_key(|&(c, _)| c);
        let mut tokens: Vec<String> = kept.iter().map(|(c, _)| c.to_string()).collect();
        let mut symbols = vec![[0; 2]; kept.last().map_or(0, |&(c, _)| c as usize + 1)];
        for (&(c, _), symbol) in kept.iter().zip(1..) {
            symbols[c as usize] = [symbol, symbol];
        }
        if !prefix.is_empty() {
            for (c, _) in kept.iter().filter(|(_, [_, later])| *later > 0) {
                tokens.push(format!("{prefix}{c}"));
                symbols[*c as usize][1] = tokens.len() as u32;
            }
        }
        Self { tokens, kind: Kind::Chars(symbols), prefix: prefix.to_string() }
    }

    /// The tokens of a vocabulary (special ones aside) as symbols, then the characters of `words` that it lacks.
    pub fn of_bpe(
        words: &WordCounts,
        vocabulary: Vec<String>,
        merges: &[(String, String)],
        bytes: bool,
    ) -> Result<Self> {
        let mut known = Names::new(vocabulary);
        let first = if bytes {
            let symbols = byte_chars().map(|c| known.symbol(&c.to_string()));
            First::Bytes(Box::new(symbols))
        } else {
            First::Chars(characters(words).into_iter().map(|c| (c, known.symbol(&c.to_string()))).collect())
        };
        let find = |known: &Names, name: &str| {
            let symbol = known.symbols.get(name).copied();
            symbol.ok_or_else(|| Error::input(format!("merges name the token `{name}`, which the vocabulary lacks")))
        };
        let mut ranks = FxHashMap::default();
        for ((left, right), rank) in merges.iter().zip(0..) {
            let merged = find(&known, &format!("{left}{right}"))?;
            ranks.insert((find(&known, left)?, find(&known, right)?), (rank, merged));
        }
        let kind = Kind::Known(Known::Bpe { first, merges: ranks });
        Ok(Self { tokens: known.names, kind, prefix: String::new() })
    }

    /// The same for WordPiece.
    pub fn of_word_piece(words: &WordCounts, vocabulary: Vec<String>, prefix: &str) -> Self {
        let mut known = Names::new(vocabulary);
        for c in characters(words) {
            known.symbol(&c.to_string());
            known.symbol(&format!("{prefix}{c}"));
        }
        let length = |name: &String| name.strip_prefix(prefix).unwrap_or(name).chars().count();
        let longest = known.names.iter().map(length).max().unwrap_or(1);
        let kind = Kind::Known(Known::WordPiece { symbols: known.symbols, prefix: prefix.to_string(), longest });
        Self { tokens: known.names, kind, prefix: prefix.to_string() }
    }

    /// Whether the vocabulary that this one extends merges two symbols.
    pub fn has_merge(&self, left: usize, right: usize) -> bool {
        match &self.kind {
            Kind::Known(Known::Bpe { merges, .. }) => merges.contains_key(&(left as u32, right as u32)),
            _ => false,
        }
    }

    /// The symbols' names, as a tokenizer.json spells them, from symbol 1 on.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// How many symbols a word falls into.
    #[inline]
    pub fn count(&self, word: &[u8]) -> usize {
        match &self.kind {
            Kind::Bytes(_) => word.len(),
            Kind::Chars(symbols) => known(symbols, word).count(),
            Kind::Known(known) => known.cut(word).len(),
        }
    }

    /// Writes the symbols of a word to the front of `slots`, which must have room for them.
    #[inline]
    pub fn write<S: Symbol>(&self, word: &[u8], slots: &mut [S]) {
        match &self.kind {
            Kind::Bytes(symbols) => {
                slots.iter_mut().zip(word).for_each(|(slot, &byte)| *slot = S::new(symbols[byte as usize]));
            }
            Kind::Chars(symbols) => {
                let found = known(symbols, word);
                slots.iter_mut().zip(found).for_each(|(slot, symbol)| *slot = S::new(symbol));
            }
            Kind::Known(known) => {
                slots.iter_mut().zip(known.cut(word)).for_each(|(slot, symbol)| *slot = S::new(symbol as usize));
            }
        }
    }

    /// How often each symbol is seen, by symbol; none of 0.
    pub fn frequencies(&self, words: &WordCounts) -> Vec<u64> {
        let mut all = vec![0; self.tokens.len() + 1];
        let mut symbols: Vec<u32> = Vec::new();
        words.for_each(|word, count| {
            symbols.resize(self.count(word), 0);
            self.write(word, &mut symbols);
            symbols.iter().for_each(|&symbol| all[symbol as usize] += count);
        });
        all
    }

    /// Whether pieces that continue a word are told apart from those that start one.
    pub fn has_prefix(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// A name without the prefix of pieces that continue a word.
    pub fn bare<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(self.prefix.as_str()).unwrap_or(name)
    }

    /// The name of two symbols merged.
    pub fn join(&self, left: &str, right: &str) -> String {
        let right = self.bare(right);
        let mut text = String::with_capacity(left.len() + right.len());
        text.push_str(left);
        text.push_str(right);
        text
    }
}

/// Names with their symbols; asking for a new name gives it one.
struct Names {
    names: Vec<String>,
    symbols: FxHashMap<String, u32>,
}

impl Names {
    fn new(names: Vec<String>) -> Self {
        let symbols = names.iter().cloned().zip(1..).collect();
        Self { names, symbols }
    }

    fn symbol(&mut self, name: &str) -> u32 {
        if let Some(&symbol) = self.symbols.get(name) {
            return symbol;
        }
        self.names.push(name.to_string());
        self.symbols.insert(name.to_string(), self.names.len() as u32);
        self.names.len() as u32
    }
}

/// The characters of all words, in order.
fn characters(words: &WordCounts) -> Vec<char> {
    let mut seen = vec![false; char::MAX as usize + 1];
    words.for_each(|word, _| chars(word).for_each(|c| seen[c as usize] = true));
    ('\0'..=char::MAX).filter(|&c| seen[c as usize]).collect()
}

/// The symbols of the characters that have one.
#[inline]
fn known(symbols: &[[u32; 2]], word: &[u8]) -> impl Iterator<Item = usize> {
    let found =
        chars(word).enumerate().map(|(i, c)| symbols.get(c as usize).map_or(0, |known| known[usize::from(i > 0)]));
    found.filter(|&symbol| symbol > 0).map(|symbol| symbol as usize)
}

/// The characters of a word; words come from text, so nothing is ever replaced.
fn chars(word: &[u8]) -> impl Iterator<Item = char> {
    std::str::from_utf8(word).unwrap_or_default().chars()
}

/// GPT-2's printable stand-in for each byte: itself where it prints, else the next free code point from U+0100 on.
pub fn byte_chars() -> [char; 256] {
    let mut next = 0x100u32;
    std::array::from_fn(|byte| {
        let byte = byte as u8;
        match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => byte as char,
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
        }
    })
}

/// The bytes in the order of their stand-ins' code points: the order of ids, and so of ties between pairs.
pub fn bytes_in_order() -> [u8; 256] {
    let chars = byte_chars();
    let mut bytes: [u8; 256] = std::array::from_fn(|byte| byte as u8);
    bytes.sort_by_key(|&byte| chars[byte as usize]);
    bytes
}

/// Raw bytes as the text that stands for them in a tokenizer.json of a byte-level model.
pub fn byte_level(bytes: &[u8]) -> String {
    let chars = byte_chars();
    bytes.iter().map(|&byte| chars[byte as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_those_of_gpt2() {
        assert_eq!(byte_level(" a\n\u{e9}".as_bytes()), "ĠaĊÃ©");
        let order = bytes_in_order();
        assert_eq!((order[0], order[93], order[94], order[188]), (b'!', b'~', 0xa1, 0));
    }
}
