//! A chunk of text enters, the pieces to split into words leave: special tokens cut out, lines apart, each normalised.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::error::{Error, Result};
use crate::text::normalise::Normalizer;

/// What happens to text before it is split.
#[derive(Default)]
pub struct Prepare {
    normalizer: Option<Normalizer>,
    special: Option<AhoCorasick>,
}

/// Normalised text and where its pieces end; kept for its memory.
#[derive(Default)]
pub struct Buffer {
    text: String,
    ends: Vec<usize>,
}

impl Prepare {
    /// `special` tokens separate what stands before and behind them, and are not counted.
    pub fn new(normalizer: Option<Normalizer>, special: &[String]) -> Result<Self> {
        let named: Vec<&String> = special.iter().filter(|token| !token.is_empty()).collect();
        if named.len() < special.len() {
            return Err(Error::config("a special token is empty"));
        }
        let special = match named.is_empty() {
            true => None,
            false => {
                let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(named);
                Some(builder.map_err(|error| Error::config(format!("the special tokens can't be searched: {error}")))?)
            }
        };
        Ok(Self { normalizer, special })
    }

    pub fn normalizer(&self) -> Option<&Normalizer> {
        self.normalizer.as_ref()
    }

    /// Calls `piece` with each piece, as a range of the text that it gets too: of `text` itself from one special token to
    /// the next, or where there is a normalizer, and with `lines` for each line alone, of all of the buffer.
    #[inline]
    pub fn pieces<'a>(
        &self,
        text: &'a str,
        lines: bool,
        buffer: &'a mut Buffer,
        mut piece: impl FnMut(&'a str, Range<usize>) -> Result<()>,
    ) -> Result<&'a str> {
        let Some(normalizer) = &self.normalizer else {
            self.raw(text, |range| piece(text, range))?;
            return Ok(text);
        };
        buffer.text.clear();
        buffer.ends.clear();
        self.raw(text, |range| {
            let mut add = |part: &str| {
                normalise(normalizer, part, &mut buffer.text)?;
                buffer.ends.push(buffer.text.len());
                Ok(())
            };
            if lines { text[range].split_inclusive('\n').try_for_each(add) } else { add(&text[range]) }
        })?;
        let mut start = 0;
        for &end in &buffer.ends {
            piece(&buffer.text, start..end)?;
            start = end;
        }
        Ok(&buffer.text)
    }

    /// Calls `piece` with what lies between special tokens, where it isn't empty.
    #[inline]
    pub fn raw(&self, text: &str, mut piece: impl FnMut(Range<usize>) -> Result<()>) -> Result<()> {
        let mut start = 0;
        for found in self.special.iter().flat_map(|special| special.find_iter(text)) {
            if start < found.start() {
                piece(start..found.start())?;
            }
            start = found.end();
        }
        if start < text.len() { piece(start..text.len()) } else { Ok(()) }
    }
}

/// Appends the normalised text. What BERT's normalizer does to ASCII and to common CJK is done here, one character after
/// the other; all else is left to the normalizer itself.
pub fn normalise(normalizer: &Normalizer, text: &str, out: &mut String) -> Result<()> {
    let before = out.len();
    if let Normalizer::Bert(bert) = normalizer
        && bert.clean_text
        && bert.handle_chinese_chars
        && bert_in_place(text, bert.lowercase, out)
    {
        return Ok(());
    }
    out.truncate(before);
    out.push_str(&normalizer.normalise(text)?);
    Ok(())
}

/// False where the text has a character that needs more thought.
fn bert_in_place(text: &str, lowercase: bool, out: &mut String) -> bool {
    let plain = |b: u8| (0x20..0x7f).contains(&b) || matches!(b, b'\t' | b'\n' | b'\r');
    if text.bytes().all(plain) {
        let before = out.len();
        out.push_str(text);
        if lowercase {
            out[before..].make_ascii_lowercase();
        }
        return true;
    }
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\r' | '\u{3000}' => out.push(' '),
            ' '..='~' => out.push(if lowercase { c.to_ascii_lowercase() } else { c }),
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' => {
                out.push(' ');
                out.push(c);
                out.push(' ');
            }
            // CJK punctuation, full-width punctuation and digits.
            '\u{3001}'..='\u{3029}' | '\u{ff01}'..='\u{ff20}' => out.push(c),
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::normalise::Bert;

    fn bert(lowercase: bool) -> Normalizer {
        Normalizer::Bert(Bert { clean_text: true, handle_chinese_chars: true, strip_accents: lowercase, lowercase })
    }

    fn pieces(prepare: &Prepare, text: &str, lines: bool) -> Vec<String> {
        let mut out = Vec::new();
        let mut buffer = Buffer::default();
        let piece = |text: &str, range: Range<usize>| {
            out.push(text[range].to_string());
            Ok(())
        };
        prepare.pieces(text, lines, &mut buffer, piece).unwrap();
        out
    }

    #[test]
    fn special_tokens_separate() {
        let special = ["<s>".to_string(), "<s>x".to_string()];
        let prepare = Prepare::new(None, &special).unwrap();
        assert_eq!(pieces(&prepare, "a\nb<s>xc\n<s>", false), ["a\nb", "c\n"]);
        let prepare = Prepare::new(Some(bert(true)), &special).unwrap();
        assert_eq!(pieces(&prepare, "A\nÉ<s>xC<S>", true), ["a\n", "e", "c<s>"]);
    }

    proptest! {
        #[test]
        fn the_short_way_is_berts(text in "[a-zA-Z0-9 \\t\\n!~中文㐀。！０Ａé\u{301}\u{85}\u{7f}\u{ad}\u{302a}]{0,20}", lowercase: bool) {
            let mut out = String::new();
            if bert_in_place(&text, lowercase, &mut out) {
                // Newlines stay what they are: they separate words all the same.
                let expected = bert(lowercase).normalise(&text).unwrap().into_owned();
                prop_assert_eq!(out.replace(['\t', '\n', '\r'], " "), expected);
            }
        }
    }
}
