//! BERT's normalizer: control characters out, whitespace to spaces, spaces around CJK, accents off, lower case.

use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;

use super::Aligned;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bert {
    pub clean_text: bool,
    pub handle_chinese_chars: bool,
    pub strip_accents: bool,
    pub lowercase: bool,
}

/// Whitespace, tab and newlines among it.
pub fn is_whitespace(c: char) -> bool {
    c.is_whitespace()
}

/// Cc, Cf, Cn and Co, but not tab and newlines. (VT, FF and U+0085 are control characters here.)
pub fn is_control(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r') && c.is_other()
}

/// All ASCII characters that are neither letter, digit, space nor control, and Unicode's punctuation.
pub fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || (!c.is_ascii() && c.is_punctuation())
}

/// The CJK ideographs as Hugging Face draws the blocks: U+2B820 to U+2B91F are missing.
pub fn is_cjk(c: char) -> bool {
    matches!(c as u32,
        0x4e00..=0x9fff | 0x3400..=0x4dbf | 0x20000..=0x2a6df | 0x2a700..=0x2b73f | 0x2b740..=0x2b81f
        | 0x2b920..=0x2ceaf | 0xf900..=0xfaff | 0x2f800..=0x2fa1f)
}

impl Bert {
    /// What `apply` does to ASCII, without alignment.
    pub fn ascii(&self, text: &str) -> String {
        let kept = text.chars().filter(|c| !(self.clean_text && (*c == '\0' || is_control(*c))));
        let spaced = kept.map(|c| if self.clean_text && is_whitespace(c) { ' ' } else { c });
        spaced.map(|c| if self.lowercase { c.to_ascii_lowercase() } else { c }).collect()
    }

    pub fn apply(&self, text: &mut Aligned) {
        if self.clean_text {
            text.filter(|c| !(c == '\0' || c == '\u{fffd}' || is_control(c)));
            text.map(|c| if is_whitespace(c) { ' ' } else { c });
        }
        if self.handle_chinese_chars && !text.text.is_ascii() {
            let mut changes = Vec::with_capacity(text.text.len());
            for c in text.text.chars() {
                if is_cjk(c) {
                    changes.extend([(' ', 0), (c, 1), (' ', 1)]);
                } else {
                    changes.push((c, 0));
                }
            }
            text.transform(changes, 0);
        }
        if self.strip_accents && !text.text.is_ascii() {
            text.transform(text.text.clone().nfd(), 0);
            text.filter(|c| !c.is_mark_nonspacing());
        }
        if self.lowercase {
            text.expand(char::to_lowercase);
        }
    }
}
