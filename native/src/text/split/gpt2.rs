//! GPT-2's split: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.

use super::blocks::{Rules, Starts, settled};
use super::masks::{BLOCK, Masks};
use super::shared::{White, contraction};
use crate::text::classes::{Classes, LETTER, NUMBER, SPACE, WORDLIKE};

/// `LINES`: each line is a text of its own, its newline kept.
pub struct Gpt2<'a, const LINES: bool>(pub &'a Classes);

impl<const LINES: bool> Rules for Gpt2<'_, LINES> {
    #[inline(always)]
    fn starts(masks: &Masks, block: &[u8; BLOCK], known: u32) -> Starts {
        let Masks { letter, digit, space, blank, quote, .. } = *masks;
        let line = if LINES { masks.line } else { 0 };
        let other = !(letter | digit | space);
        let first = |class: u64| class & !(class << 1);
        // White space starts a word where its run does, and so does its last character, which a space takes along. A line
        // ends with its run.
        let white = first(space) | (space & (line << 1)) | (space & !(space >> 1) & !line);
        let mut bits = white | ((first(letter) | first(digit) | first(other)) & !(blank << 1));
        let mut sure = settled(space & !line, known);
        let mut quotes = quote & (bits | 1);
        while quotes != 0 {
            let at = quotes.trailing_zeros();
            quotes &= quotes - 1;
            if at + 3 >= known {
                sure = sure.min(at + 1);
                break;
            }
            if let Some(end) = contraction::<false>(block, at as usize) {
                bits = (bits & !(2 << at)) | 1 << end;
            }
        }
        Starts { bits, sure }
    }

    #[inline(always)]
    fn next(&self, text: &[u8], at: usize) -> usize {
        next::<LINES>(self.0, text, at)
    }
}

/// The end of the word that starts at `at < text.len()`.
#[inline(always)]
fn next<const LINES: bool>(classes: &Classes, text: &[u8], at: usize) -> usize {
    if let Some(end) = classes.word(text, at, 1 << b' ') {
        return end;
    }
    let (mut bits, mut n) = classes.at(text, at);
    let mut start = at;
    match text[at] {
        b'\'' => {
            if let Some(end) = contraction::<false>(text, at) {
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
        White::from::<LINES>(classes, text, at).before_word(at)
    } else {
        classes.run(text, rest, |c| c & WORDLIKE == 0)
    }
}
