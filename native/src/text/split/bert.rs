//! BERT's split: whitespace dropped, each punctuation character a word of its own.

use std::ops::Range;

use unicode_categories::UnicodeCategories;

use crate::text::classes::{Classes, SPACE};

/// ASCII punctuation with all its symbols, or Unicode punctuation as of the tables that Hugging Face uses.
#[inline]
pub fn is_bert_punctuation(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_punctuation() } else { c.is_punctuation() }
}

#[inline]
pub fn split(classes: &Classes, text: &str, mut word: impl FnMut(Range<usize>)) {
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let space = classes.of(c as u32) & SPACE != 0;
        if !space && !is_bert_punctuation(c) {
            continue;
        }
        if at > start {
            word(start..at);
        }
        start = at + c.len_utf8();
        if !space {
            word(at..start);
        }
    }
    if start < text.len() {
        word(start..text.len());
    }
}
