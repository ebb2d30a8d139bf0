//! Normalizers: text in, normalised text with its alignment to the original out. They are the components named in a
//! tokenizer.json (`BertNormalizer`, `NFC`, `Lowercase`, `Replace`, `Prepend`, ...), with the Unicode tables that
//! Hugging Face's tokenizers are built on, because ids must equal theirs.

pub mod aligned;
mod bert;

use std::borrow::Cow;

use unicode_normalization_alignments::UnicodeNormalization;
use unicode_normalization_alignments::char::is_combining_mark;

use crate::error::{Error, Result};
pub use aligned::{Aligned, Behavior, Match, Span};
pub use bert::{Bert, is_cjk, is_control, is_punctuation, is_whitespace};

#[derive(Clone, Debug)]
pub enum Normalizer {
    Sequence(Vec<Normalizer>),
    Bert(Bert),
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
    Lowercase,
    /// Removes combining marks (Mn, Mc, Me).
    StripAccents,
    /// Removes whitespace at the ends.
    Strip {
        left: bool,
        right: bool,
    },
    Replace {
        find: Find,
        content: String,
    },
    /// Puts a text before every text that isn't empty.
    Prepend(String),
    /// Control characters removed, other whitespace and a few invisible characters to a space (as in NMT recipes).
    Nmt,
    /// Bytes to the byte-level alphabet.
    ByteLevel(fn(u8) -> char),
}

/// What to look for: a text as it is, or a regular expression.
#[derive(Clone, Debug)]
pub enum Find {
    Text(String),
    Regex(Box<fancy_regex::Regex>),
}

impl Find {
    /// `where_` names the key, for the error of a pattern that is no regular expression.
    pub fn regex(pattern: &str, where_: &str) -> Result<Self> {
        let regex = fancy_regex::RegexBuilder::new(pattern).backtrack_limit(10_000_000).build().map_err(|e| {
            Error::input(format!("{where_}: {pattern:?} is not a regular expression that can be used: {e}"))
        })?;
        Ok(Self::Regex(Box::new(regex)))
    }

    /// Matches and the stretches between them, together the whole text.
    pub fn matches(&self, text: &str) -> Result<Vec<Match>> {
        let (mut out, mut last) = (Vec::new(), 0);
        let mut add = |start: usize, end: usize| {
            if last < start {
                out.push((last..start, false));
            }
            out.push((start..end, true));
            last = end;
        };
        match self {
            Self::Text(find) if find.is_empty() => {}
            Self::Text(find) => text.match_indices(find.as_str()).for_each(|(at, found)| add(at, at + found.len())),
            Self::Regex(regex) => {
                for found in regex.find_iter(text) {
                    let found = found.map_err(|e| {
                        Error::input(format!(
                            "the pattern {:?} can't be matched against this text: {e}",
                            regex.as_str()
                        ))
                    })?;
                    add(found.start(), found.end());
                }
            }
        }
        if last < text.len() || text.is_empty() {
            out.push((last..text.len(), false));
        }
        Ok(out)
    }
}

impl Normalizer {
    /// Normalises in place.
    pub fn apply(&self, text: &mut Aligned) -> Result<()> {
        match self {
            Self::Sequence(all) => all.iter().try_for_each(|one| one.apply(text))?,
            Self::Bert(bert) => bert.apply(text),
            Self::Nfc | Self::Nfd if text.text.is_ascii() => {}
            Self::Nfkc | Self::Nfkd if text.text.is_ascii() => {}
            Self::Nfc => text.transform(text.text.clone().nfc(), 0),
            Self::Nfd => text.transform(text.text.clone().nfd(), 0),
            Self::Nfkc => text.transform(text.text.clone().nfkc(), 0),
            Self::Nfkd => text.transform(text.text.clone().nfkd(), 0),
            Self::Lowercase => text.expand(char::to_lowercase),
            Self::StripAccents => text.filter(|c| !is_combining_mark(c)),
            Self::Strip { left, right } => {
                let mut start = 0;
                let mut end = text.text.len();
                if *right {
                    end = text.text.trim_end().len();
                }
                if *left {
                    start = end - text.text[..end].trim_start().len();
                }
                if start > 0 || end < text.text.len() {
                    *text = text.slice(start..end);
                }
            }
            Self::Replace { find, content } => {
                let matches = find.matches(&text.text)?;
                text.replace(&matches, content);
            }
            Self::Prepend(prefix) => text.prepend(prefix),
            Self::Nmt => {
                text.filter(|c| !matches!(c as u32, 1..=8 | 0x0b | 0x0e..=0x1f | 0x7f | 0x8f | 0x9f));
                text.map(|c| match c as u32 {
                    0x09
                    | 0x0a
                    | 0x0c
                    | 0x0d
                    | 0x1680
                    | 0x200b..=0x200f
                    | 0x2028
                    | 0x2029
                    | 0x2581
                    | 0xfeff
                    | 0xfffd => ' ',
                    _ => c,
                });
            }
            Self::ByteLevel(char_of) => spell(text, *char_of),
        }
        Ok(())
    }

    /// The normalised text alone.
    pub fn normalise<'a>(&self, text: &'a str) -> Result<Cow<'a, str>> {
        Ok(match self {
            Self::Sequence(all) => {
                let mut out = Cow::Borrowed(text);
                for one in all {
                    if let Cow::Owned(next) = one.normalise(&out)? {
                        out = Cow::Owned(next);
                    }
                }
                out
            }
            Self::Nfc | Self::Nfd | Self::Nfkc | Self::Nfkd if text.is_ascii() => Cow::Borrowed(text),
            Self::Bert(bert) if text.is_ascii() => Cow::Owned(bert.ascii(text)),
            Self::Nfc => Cow::Owned(text.nfc().map(|(c, _)| c).collect()),
            Self::Nfd => Cow::Owned(text.nfd().map(|(c, _)| c).collect()),
            Self::Nfkc => Cow::Owned(text.nfkc().map(|(c, _)| c).collect()),
            Self::Nfkd => Cow::Owned(text.nfkd().map(|(c, _)| c).collect()),
            Self::Lowercase => Cow::Owned(text.chars().flat_map(char::to_lowercase).collect()),
            Self::Replace { find: Find::Text(find), content } if !find.is_empty() => {
                Cow::Owned(text.replace(find.as_str(), content))
            }
            Self::Prepend(prefix) if !text.is_empty() => Cow::Owned(format!("{prefix}{text}")),
            _ => {
                let mut aligned = Aligned::new(text, 0);
                self.apply(&mut aligned)?;
                Cow::Owned(aligned.text)
            }
        })
    }
}

/// Spells each byte of the text with a character of its own.
pub fn spell(text: &mut Aligned, char_of: impl Fn(u8) -> char) {
    let mut changes = Vec::with_capacity(text.text.len());
    let mut buffer = [0; 4];
    for c in text.text.chars() {
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        changes.extend(bytes.iter().enumerate().map(|(i, byte)| (char_of(*byte), isize::from(i > 0))));
    }
    text.transform(changes, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(normalizer: &Normalizer, text: &str) -> String {
        let mut aligned = Aligned::new(text, 0);
        normalizer.apply(&mut aligned).unwrap();
        assert_eq!(aligned.text.len(), aligned.spans.len());
        assert_eq!(normalizer.normalise(text).unwrap(), aligned.text);
        aligned.text
    }

    #[test]
    fn each_does_what_its_name_says() {
        assert_eq!(run(&Normalizer::Nfd, "é"), "e\u{301}");
        assert_eq!(run(&Normalizer::Nfc, "e\u{301}"), "é");
        assert_eq!(run(&Normalizer::Nfkc, "ﬁ①"), "fi1");
        assert_eq!(run(&Normalizer::Lowercase, "ΑΣ İ"), "ας i\u{307}".replace('ς', "σ"));
        assert_eq!(run(&Normalizer::Strip { left: true, right: true }, " a b\n"), "a b");
        assert_eq!(run(&Normalizer::Strip { left: true, right: true }, " \n "), "");
        assert_eq!(run(&Normalizer::Prepend("▁".into()), "a"), "▁a");
        assert_eq!(run(&Normalizer::Prepend("▁".into()), ""), "");
        let replace = Normalizer::Replace { find: Find::Text(" ".into()), content: "▁".into() };
        assert_eq!(run(&replace, "a b  c"), "a▁b▁▁c");
        let regex = Normalizer::Replace { find: Find::regex(r"\s+", "x").unwrap(), content: " ".into() };
        assert_eq!(run(&regex, "a \n b"), "a b");
    }

    #[test]
    fn a_bad_pattern_is_an_error_that_names_its_key() {
        let error = Find::regex("(", "normalizer.pattern.Regex").unwrap_err();
        assert!(error.message.starts_with("normalizer.pattern.Regex: \"(\""), "{}", error.message);
    }
}
