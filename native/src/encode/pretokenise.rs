//! Pre-tokenizers: normalised text in, the words that the model sees one by one out. They are the components named in
//! a tokenizer.json (`BertPreTokenizer`, `ByteLevel`, `Split`, `Metaspace`, `Whitespace`, `Digits`, ...).

use super::bytes;
use crate::error::Result;
use crate::text::normalise::aligned::{Aligned, Behavior, Match, matches_of};
use crate::text::normalise::{Find, is_punctuation, spell};
use crate::text::split::Splitter;

/// When Metaspace puts its character before a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepend {
    First,
    Never,
    Always,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metaspace {
    pub replacement: char,
    pub prepend: Prepend,
    pub split: bool,
}

/// How `Split` finds its delimiters.
pub enum Delimiter {
    /// One of the splits that are written by hand: it covers the whole text with matches.
    Words(Splitter),
    Find(Find),
}

pub enum PreTokenizer {
    Sequence(Vec<PreTokenizer>),
    Bert,
    ByteLevel {
        add_prefix_space: bool,
        /// GPT-2's pattern, where `use_regex` is on.
        split: Option<Splitter>,
    },
    Split {
        delimiter: Delimiter,
        behavior: Behavior,
        invert: bool,
    },
    Metaspace(Metaspace),
    /// `\w+|[^\w\s]+`
    Whitespace(Find),
    WhitespaceSplit,
    CharDelimiterSplit(char),
    Punctuation(Behavior),
    Digits {
        individual: bool,
    },
    FixedLength(usize),
}

impl PreTokenizer {
    /// Replaces each text by its words.
    pub fn apply(&self, texts: Vec<Aligned>) -> Result<Vec<Aligned>> {
        if let Self::Sequence(all) = self {
            return all.iter().try_fold(texts, |texts, one| one.apply(texts));
        }
        let mut out = Vec::with_capacity(texts.len());
        for text in texts {
            self.one(text, &mut out)?;
        }
        out.retain(|word| !word.is_empty());
        Ok(out)
    }

    fn one(&self, mut text: Aligned, out: &mut Vec<Aligned>) -> Result<()> {
        match self {
            Self::Sequence(_) => {}
            Self::Bert => {
                let matches = matches_of(&text.text, char::is_whitespace);
                for word in text.split(matches, Behavior::Removed) {
                    let matches = matches_of(&word.text, is_punctuation);
                    out.extend(word.split(matches, Behavior::Isolated));
                }
            }
            Self::ByteLevel { add_prefix_space, split } => {
                if *add_prefix_space && !text.text.starts_with(' ') {
                    text.prepend(" ");
                }
                let first = out.len();
                match split {
                    Some(splitter) => {
                        let matches = words(splitter, &text.text)?;
                        out.extend(text.split(matches, Behavior::Isolated));
                    }
                    None => out.push(text),
                }
                out[first..].iter_mut().for_each(|word| spell(word, bytes::char_of));
            }
            Self::Split { delimiter, behavior, invert } => {
                let mut matches = match delimiter {
                    Delimiter::Words(splitter) => words(splitter, &text.text)?,
                    Delimiter::Find(find) => find.matches(&text.text)?,
                };
                if *invert {
                    matches.iter_mut().for_each(|(_, hit)| *hit = !*hit);
                }
                out.extend(text.split(matches, *behavior));
            }
            Self::Metaspace(meta) => {
                let mut buffer = [0; 4];
                let mark: &str = meta.replacement.encode_utf8(&mut buffer);
                let spaces = Find::Text(" ".into()).matches(&text.text)?;
                text.replace(&spaces, mark);
                let at_start = text.spans.first().is_none_or(|span| span.0 == 0);
                let wanted = meta.prepend == Prepend::Always || (meta.prepend == Prepend::First && at_start);
                if wanted && !text.text.starts_with(meta.replacement) {
                    text.prepend(mark);
                }
                if meta.split {
                    let matches = matches_of(&text.text, |c| c == meta.replacement);
                    out.extend(text.split(matches, Behavior::MergedWithNext));
                } else {
                    out.push(text);
                }
            }
            Self::Whitespace(find) => {
                let mut matches = find.matches(&text.text)?;
                matches.iter_mut().for_each(|(_, hit)| *hit = !*hit);
                out.extend(text.split(matches, Behavior::Removed));
            }
            Self::WhitespaceSplit => cut(text, char::is_whitespace, Behavior::Removed, out),
            Self::CharDelimiterSplit(delimiter) => cut(text, |c| c == *delimiter, Behavior::Removed, out),
            Self::Punctuation(behavior) => cut(text, is_punctuation, *behavior, out),
            Self::Digits { individual } => {
                let behavior = if *individual { Behavior::Isolated } else { Behavior::Contiguous };
                cut(text, char::is_numeric, behavior, out);
            }
            Self::FixedLength(length) => {
                let starts: Vec<usize> = text.text.char_indices().map(|(at, _)| at).step_by((*length).max(1)).collect();
                for (i, start) in starts.iter().enumerate() {
                    let end = starts.get(i + 1).copied().unwrap_or(text.text.len());
                    out.push(text.slice(*start..end));
                }
            }
        }
        Ok(())
    }
}

fn cut(text: Aligned, test: impl Fn(char) -> bool, behavior: Behavior, out: &mut Vec<Aligned>) {
    let matches = matches_of(&text.text, test);
    out.extend(text.split(matches, behavior));
}

fn words(splitter: &Splitter, text: &str) -> Result<Vec<Match>> {
    let mut out = Vec::new();
    splitter.split(text, |range| out.push((range, true)))?;
    Ok(out)
}
