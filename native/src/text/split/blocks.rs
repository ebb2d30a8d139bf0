//! Text enters, its words leave, 64 bytes at a time where it is ASCII: bit arithmetic on class masks (as simdjson does,
//! Langdale and Lemire 2019) finds where words start, without a branch a word. Each block begins where a word does, so
//! that nothing has to be carried from one to the next.

use std::ops::Range;

use super::masks::{BLOCK, Masks};
#[cfg(target_arch = "x86_64")]
use crate::text::machine::has_avx2;

/// A split by its two ways.
pub trait Rules {
    /// The words of a block of which the first `known` bytes are ASCII and the first starts a word.
    fn starts(masks: &Masks, block: &[u8; BLOCK], known: u32) -> Starts;
    /// The end of the word that starts at `at < text.len()`, whatever it consists of.
    fn next(&self, text: &[u8], at: usize) -> usize;
}

/// Places in a block where words start.
#[derive(Clone, Copy, Debug)]
pub struct Starts {
    pub bits: u64,
    /// Only the first so many bits are sure.
    pub sure: u32,
}

/// The first `n` bits.
#[inline(always)]
pub fn low(n: u32) -> u64 {
    if n < 64 { (1 << n) - 1 } else { u64::MAX }
}

/// How many starts are sure where one more byte must be seen and a run of white space that reaches the end is open.
#[inline(always)]
pub fn settled(white: u64, known: u32) -> u32 {
    let run = (white << (BLOCK as u32 - known)).leading_ones().min(known);
    (known - 1).min(known - run + 1)
}

/// What takes the words of a text, in order.
pub trait Sink {
    /// One word, and whether it is known to be ASCII.
    fn word(&mut self, word: Range<usize>, ascii: bool);

    /// ASCII words one behind the other: the first starts at `at`, and one ends at each bit of `ends` (bit i: `at + i`).
    #[inline(always)]
    fn block(&mut self, at: usize, mut ends: u64) {
        let mut start = at;
        while ends != 0 {
            let end = at + ends.trailing_zeros() as usize;
            self.word(start..end, true);
            start = end;
            ends &= ends - 1;
        }
    }
}

impl<F: FnMut(Range<usize>, bool)> Sink for F {
    #[inline(always)]
    fn word(&mut self, word: Range<usize>, ascii: bool) {
        self(word, ascii);
    }
}

/// Shorter rests are not worth a block.
const WORTH: usize = 16;

/// Gives each word to `sink`.
#[inline]
pub fn walk<R: Rules>(rules: &R, text: &[u8], sink: &mut impl Sink) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { walk_avx2(rules, text, sink) };
    }
    walk_by(Masks::of, rules, text, sink);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn walk_avx2<R: Rules>(rules: &R, text: &[u8], sink: &mut impl Sink) {
    walk_by(|block| Masks::of_avx2(block), rules, text, sink);
}

#[inline(always)]
fn walk_by<R: Rules>(masks_of: impl Fn(&[u8; BLOCK]) -> Masks, rules: &R, text: &[u8], sink: &mut impl Sink) {
    let mut at = 0;
    while at < text.len() {
        let mut until = at;
        if text.len() - at >= WORTH && text[at] < 0x80 && text[at + 1] < 0x80 {
            let mut rest = [0; BLOCK];
            let (block, len) = match text[at..].first_chunk::<BLOCK>() {
                Some(block) => (block, BLOCK),
                None => {
                    let len = text.len() - at;
                    rest[..len].copy_from_slice(&text[at..]);
                    (&rest, len)
                }
            };
            let masks = masks_of(block);
            let known = masks.wide.trailing_zeros().min(len as u32);
            let starts = R::starts(&masks, block, known);
            let ends = starts.bits & low(starts.sure) & !1;
            until = at + known as usize;
            if ends != 0 {
                sink.block(at, ends);
                at += ends.ilog2() as usize;
                if known == BLOCK as u32 {
                    continue;
                }
            }
        }
        // What isn't ASCII, what is longer than a block, and the last words.
        while at < text.len() {
            let end = rules.next(text, at);
            sink.word(at..end, false);
            at = end;
            if at > until {
                break;
            }
        }
    }
}
