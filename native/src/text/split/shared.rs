//! What the splits of GPT-2, cl100k and o200k have in common: runs of white space, and contractions.

use crate::text::classes::{Classes, NEWLINE, SPACE};

/// A run of white space from some place on.
pub struct White {
    /// Behind it.
    pub end: usize,
    /// Where its last character starts.
    pub last: usize,
    /// Behind its last `\r` or `\n`, where there is one.
    pub newline: Option<usize>,
    /// Whether the text ends with it.
    pub ends_text: bool,
}

impl White {
    /// The run from `at` on, where white space stands. With `LINES` a text ends behind its first `\n`.
    #[inline]
    pub fn from<const LINES: bool>(classes: &Classes, text: &[u8], at: usize) -> Self {
        let mut run = Self { end: at, last: at, newline: None, ends_text: false };
        loop {
            let (bits, n) = classes.at(text, run.end);
            if n == 0 || bits & SPACE == 0 {
                run.ends_text = n == 0;
                return run;
            }
            (run.last, run.end) = (run.end, run.end + n);
            if bits & NEWLINE != 0 {
                run.newline = Some(run.end);
                if LINES && text[run.last] == b'\n' {
                    run.ends_text = true;
                    return run;
                }
            }
        }
    }

    /// `\s+(?!\S)|\s+`: the whole run at the end of the text, else all of it but its last character, which goes with the
    /// word that follows.
    #[inline]
    pub fn before_word(&self, at: usize) -> usize {
        if !self.ends_text && self.last > at { self.last } else { self.end }
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d`, in any case where `ANY_CASE`; the long s (U+017F) is an `s` then. `text[at]` is the
/// apostrophe.
#[inline]
pub fn contraction<const ANY_CASE: bool>(text: &[u8], at: usize) -> Option<usize> {
    let letter = |i: usize| text.get(at + i).map(|byte| if ANY_CASE { byte.to_ascii_lowercase() } else { *byte });
    match (letter(1)?, letter(2)) {
        (b's' | b't' | b'm' | b'd', _) => Some(at + 2),
        (b'r' | b'v', Some(b'e')) | (b'l', Some(b'l')) => Some(at + 3),
        (0xc5, Some(0xbf)) if ANY_CASE => Some(at + 3),
        _ => None,
    }
}
