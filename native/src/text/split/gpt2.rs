//! GPT-2's split: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.

use super::blocks::{Rules, Starts, settled};
use super::masks::{BLOCK, Masks};
use crate::text::classes::{Classes, LETTER, NUMBER, SPACE, WORDLIKE};

pub struct Gpt2<'a>(pub &'a Classes);

impl Rules for Gpt2<'_> {
    #[inline(always)]
    fn starts(masks: &Masks, block: &[u8; BLOCK], known: u32) -> Starts {
        let Masks { letter, digit, space, blank, quote, .. } = *masks;
        let other = !(letter | digit | space);
        let first = |class: u64| class & !(class << 1);
        // White space starts a word where its run does, and so does its last character, which a space takes along.
        let white = first(space) | (space & !(space >> 1));
        let mut bits = white | ((first(letter) | first(digit) | first(other)) & !(blank << 1));
        let mut sure = settled(space, known);
        let mut quotes = quote & (bits | 1);
        while quotes != 0 {
            let at = quotes.trailing_zeros();
            quotes &= quotes - 1;
            if at + 3 >= known {
                sure = sure.min(at + 1);
                break;
            }
            if let Some(end) = contraction(block, at as usize) {
                bits = (bits & !(2 << at)) | 1 << end;
            }
        }
        Starts { bits, sure }
    }

    #[inline(always)]
    fn next(&self, text: &[u8], at: usize) -> usize {
        next(self.0, text, at)
    }
}

/// The end of the word that starts at `at < text.len()`.
#[inline(always)]
pub fn next(classes: &Classes, text: &[u8], at: usize) -> usize {
    if let Some(end) = classes.word(text, at, 1 << b' ') {
        return end;
    }
    let (mut bits, mut n) = classes.at(text, at);
    let mut start = at;
    match text[at] {
        b'\'' => {
            if let Some(end) = contraction(text, at) {
                return end;
            }
        }
        b' ' => {
            let (after, m) = classes.at(text, at + 1);
            if m != 0 && after & SPACE == 0 {
                (bits, n, start) = (after, m, at + 1);
            }
        }
        _ => {}
    }
    let rest = start + n;
    if bits & LETTER != 0 {
        classes.letters(text, rest)
    } else if bits & NUMBER != 0 {
        classes.run(text, rest, |c| c & NUMBER != 0)
    } else if bits & SPACE != 0 {
        whitespace(classes, text, at)
    } else {
        classes.run(text, rest, |c| c & WORDLIKE == 0)
    }
}

/// `\s+(?!\S)|\s+`: the whole run at the end of the text, else all of it but its last character, which goes with
/// the word that follows.
#[inline]
pub fn whitespace(classes: &Classes, text: &[u8], at: usize) -> usize {
    let (mut end, mut last) = (at, at);
    loop {
        let (bits, n) = classes.at(text, end);
        if n == 0 {
            return end;
        }
        if bits & SPACE == 0 {
            return if last > at { last } else { end };
        }
        last = end;
        end += n;
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d`, lower case only. `text[at]` is the apostrophe.
#[inline]
fn contraction(text: &[u8], at: usize) -> Option<usize> {
    match (text.get(at + 1)?, text.get(at + 2)) {
        (b's' | b't' | b'm' | b'd', _) => Some(at + 2),
        (b'r' | b'v', Some(b'e')) | (b'l', Some(b'l')) => Some(at + 3),
        _ => None,
    }
}
