//! Tokens enter, then pairs of them: whether a token is spelled like the two together is told by hashes that can be joined
//! (a polynomial at a random point modulo 2^61 - 1; Karp and Rabin 1987). The text itself is put together at the end.

use std::hash::{BuildHasher, RandomState};

use rustc_hash::FxHashMap;

use crate::vocab::alphabet::Alphabet;

const MODULUS: u64 = (1 << 61) - 1;

fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let sum = (product as u64 & MODULUS) + (product >> 61) as u64;
    if sum >= MODULUS { sum - MODULUS } else { sum }
}

fn plus(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= MODULUS { sum - MODULUS } else { sum }
}

/// What a token's text hashes to.
#[derive(Clone, Copy)]
struct Print {
    whole: u64,
    /// The same without the prefix of pieces that continue a word.
    bare: u64,
    /// The point to the power of the bare text's length.
    power: u64,
}

impl Print {
    fn before(self, right: Self) -> Self {
        let behind = |left| plus(times(left, right.power), right.bare);
        Self { whole: behind(self.whole), bare: behind(self.bare), power: times(self.power, right.power) }
    }
}

/// Tokens by number and by spelling.
pub struct Names<'a> {
    alphabet: &'a Alphabet,
    point: u64,
    prints: Vec<Print>,
    /// By the hash of the whole text, or where that is another token's, the next free number.
    by_print: FxHashMap<u64, u32>,
    /// As far as they are written out.
    texts: Vec<String>,
    /// The two that each token was joined from, behind those that came as texts.
    joined: Vec<(u32, u32)>,
    given: usize,
}

impl<'a> Names<'a> {
    pub fn new(alphabet: &'a Alphabet) -> Self {
        let point = RandomState::new().hash_one(0) % (MODULUS - 256) + 256;
        let (prints, texts) = (Vec::new(), Vec::new());
        Self { alphabet, point, prints, by_print: FxHashMap::default(), texts, joined: Vec::new(), given: 0 }
    }

    pub fn len(&self) -> usize {
        self.prints.len()
    }

    /// Adds a token by its text, unless there is one; before any is joined. True where it is new.
    pub fn add(&mut self, text: &str) -> bool {
        let one = Print { whole: 0, bare: 0, power: 1 };
        let print = |text: &str| {
            text.bytes().fold(one, |print, byte| {
                let byte = u64::from(byte) + 1;
                print.before(Print { whole: byte, bare: byte, power: self.point })
            })
        };
        let print = Print { whole: print(text).whole, ..print(self.alphabet.bare(text)) };
        let mut at = print.whole;
        while let Some(&id) = self.by_print.get(&at) {
            if self.texts[id as usize] == text {
                return false;
            }
            at += 1;
        }
        self.by_print.insert(at, self.prints.len() as u32);
        self.prints.push(print);
        self.texts.push(text.to_string());
        self.given += 1;
        true
    }

    /// The token that is spelled like two together, of which the right one continues a word.
    pub fn find(&mut self, left: usize, right: usize) -> Option<usize> {
        let mut at = self.prints[left].before(self.prints[right]).whole;
        // Mostly there is none, and nothing to compare.
        let mut text = None;
        while let Some(&id) = self.by_print.get(&at) {
            self.write();
            let text = text.get_or_insert_with(|| self.alphabet.join(&self.texts[left], &self.texts[right]));
            if self.texts[id as usize] == *text {
                return Some(id as usize);
            }
            at += 1;
        }
        None
    }

    /// Adds the token that is spelled like two together. There must be none.
    pub fn join(&mut self, left: usize, right: usize) {
        let print = self.prints[left].before(self.prints[right]);
        let at = (print.whole..).find(|at| !self.by_print.contains_key(at)).unwrap_or(print.whole);
        self.by_print.insert(at, self.prints.len() as u32);
        self.prints.push(print);
        self.joined.push((left as u32, right as u32));
    }

    /// Writes out what isn't yet.
    fn write(&mut self) {
        for &(left, right) in &self.joined[self.texts.len() - self.given..] {
            let text = self.alphabet.join(&self.texts[left as usize], &self.texts[right as usize]);
            self.texts.push(text);
        }
    }

    /// The texts of all, by number.
    pub fn into_texts(mut self) -> Vec<String> {
        self.write();
        self.texts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vocab::words::WordCounts;

    proptest! {
        #[test]
        fn joins_are_told_apart_by_their_text(picks in prop::collection::vec(any::<(u16, u16)>(), 0..200), bare: bool, poor: bool) {
            let mut words = WordCounts::default();
            words.add(b"aa#a", 1).unwrap();
            let alphabet = Alphabet::chars(&words, None, if bare { "" } else { "##" });
            let mut names = Names::new(&alphabet);
            if poor {
                // Everything of one length hashes alike.
                names.point = 1;
            }
            for token in alphabet.tokens() {
                prop_assert!(names.add(token) && !names.add(token));
            }
            let mut texts = alphabet.tokens().to_vec();
            // Only what continues a word stands on the right.
            let mut inside: Vec<bool> = texts.iter().map(|text| bare || text.starts_with("##")).collect();
            for (left, right) in picks {
                let (left, right) = (usize::from(left) % texts.len(), usize::from(right) % texts.len());
                let text = alphabet.join(&texts[left], &texts[right]);
                if !inside[right] || text.len() > 50 {
                    continue;
                }
                let expected = texts.iter().position(|known| *known == text);
                prop_assert_eq!(names.find(left, right), expected);
                if expected.is_none() {
                    names.join(left, right);
                    texts.push(text);
                    inside.push(inside[left]);
                }
            }
            prop_assert_eq!(names.len(), texts.len());
            prop_assert_eq!(names.into_texts(), texts);
        }
    }
}
