//! GPT-2's split: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.

use crate::text::classes::{Classes, LETTER, NUMBER, SPACE, WORDLIKE};

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
