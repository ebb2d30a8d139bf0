//! BERT's split: whitespace dropped, each punctuation character a word of its own.

use std::ops::Range;

use crate::text::classes::{Classes, PUNCTUATION, SPACE};

#[inline]
pub fn split(classes: &Classes, text: &[u8], mut word: impl FnMut(Range<usize>)) {
    let (mut start, mut at) = (0, 0);
    loop {
        let end = classes.run(text, at, |c| c & (SPACE | PUNCTUATION) == 0);
        if end > start {
            word(start..end);
        }
        let (bits, n) = classes.at(text, end);
        if n == 0 {
            return;
        }
        (at, start) = (end + n, end + n);
        if bits & PUNCTUATION != 0 {
            word(end..at);
        }
    }
}
