//! The split of o200k_base: words end where lower case ends, with a contraction behind them; then as cl100k.

use super::blocks::{Rules, Starts, low, settled};
use super::cl100k::{Runs, digits, first, whitespace};
use super::masks::{BLOCK, Masks};
use super::shared::contraction;
use crate::text::classes::{Classes, LETTER, LOWER, NEWLINE, NUMBER, SPACE, UPPER, WORDLIKE};

pub struct O200k<'a>(pub &'a Classes);

impl Rules for O200k<'_> {
    #[inline(always)]
    fn starts(masks: &Masks, block: &[u8; BLOCK], known: u32) -> Starts {
        let runs = Runs::of(masks, masks.newline);
        let Masks { letter, upper, quote, slash, .. } = *masks;
        let humps = upper & ((letter & !upper) << 1);
        let mut bits = runs.starts() | (first(letter) & !(runs.prefixes << 1)) | humps;
        let mut sure = settled(runs.white, known);
        // A slash behind the newlines of symbols belongs to them too: seldom enough for the other way.
        sure = sure.min((slash & (runs.trailing << 1)).trailing_zeros());
        let (mut quotes, mut free) = (quote & (letter << 1), 0);
        while quotes != 0 {
            let at = quotes.trailing_zeros();
            quotes &= quotes - 1;
            if at + 3 >= known {
                sure = sure.min(at);
                break;
            }
            if at >= free
                && let Some(end) = contraction::<true>(block, at as usize)
            {
                bits = (bits & (low(at) | !low(end as u32))) | 1 << end;
                free = end as u32 + 1;
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
    let (bits, n) = classes.at(text, at);
    // `[^\r\n\p{L}\p{N}]?`, first taken, then not: a mark can be either the prefix or a part of the word.
    let prefix = (bits & (LETTER | NUMBER | NEWLINE) == 0).then_some(at + n);
    let starts = [prefix, Some(at)];
    for lower in [true, false] {
        for start in starts.into_iter().flatten() {
            let (first, _) = classes.at(text, start);
            if first & (UPPER | LOWER) == 0 {
                continue;
            }
            let end = if lower { to_lower(classes, text, start) } else { from_upper(classes, text, start) };
            if let Some(end) = end {
                let tail = if text.get(end) == Some(&b'\'') { contraction::<true>(text, end) } else { None };
                return tail.unwrap_or(end);
            }
        }
    }
    if bits & NUMBER != 0 {
        return digits(classes, text, at + n);
    }
    let (after, m) = classes.at(text, at + n);
    let symbols = if bits & SPACE == 0 {
        at + n
    } else if text[at] == b' ' && m != 0 && after & WORDLIKE == 0 {
        at + n + m
    } else {
        return whitespace::<false>(classes, text, at);
    };
    let end = classes.run(text, symbols, |c| c & WORDLIKE == 0);
    let newline_or_slash = |i: &usize| matches!(text.get(*i), Some(b'\r' | b'\n' | b'/'));
    (end..).find(|i| !newline_or_slash(i)).unwrap_or(end)
}

/// `UPPER*LOWER+`. Where no lower case follows the first run, the run gives back up to its last character that is
/// both (a letter without case, a mark), and the word ends behind that one.
#[inline]
fn to_lower(classes: &Classes, text: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut both) = (start, None);
    loop {
        let (bits, n) = classes.at(text, at);
        if bits & UPPER == 0 {
            let end = classes.run(text, at, |c| c & LOWER != 0);
            return if end > at { Some(end) } else { both };
        }
        at += n;
        if bits & LOWER != 0 {
            both = Some(at);
        }
    }
}

/// `UPPER+LOWER*`.
#[inline]
fn from_upper(classes: &Classes, text: &[u8], start: usize) -> Option<usize> {
    let end = classes.run(text, start, |c| c & UPPER != 0);
    (end > start).then(|| classes.run(text, end, |c| c & LOWER != 0))
}
