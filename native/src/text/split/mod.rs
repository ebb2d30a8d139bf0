//! Text enters, the byte ranges of its words leave: the splits of GPT-2, cl100k, o200k, LLaMA 3 and BERT by hand,
//! any other pattern through a regex engine.

mod bert;
mod blocks;
mod cl100k;
mod gpt2;
pub mod masks;
mod o200k;
mod pattern;
mod shared;
pub mod stretches;

use std::ops::Range;

use crate::error::{Error, Result};
use crate::text::classes::Classes;
pub use blocks::Sink;
use blocks::walk;
use cl100k::Cl100k;
use gpt2::Gpt2;
use o200k::O200k;
pub use pattern::Pattern;

/// How text is cut into words before anything is merged. All but `Bert` lose no byte.
pub enum Splitter {
    /// GPT-2's pattern.
    Gpt2,
    /// tiktoken's cl100k_base: whitespace at the end of the text stays in one piece, newlines or not.
    Cl100k,
    /// The pattern of LLaMA 3 (and of cl100k in Hugging Face files): newlines end a piece at the end of the text too.
    Llama3,
    /// tiktoken's o200k_base.
    O200k,
    /// Whitespace dropped, each punctuation character alone.
    Bert,
    /// The whole text is one word.
    Whole,
    /// Matches of a regular expression, and what lies between them.
    Pattern(Box<Pattern>),
}

pub const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
pub const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// tiktoken's pattern without possessive quantifiers and `$`, which other engines read differently.
pub const CL100K: &str = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?![\s\S])|\s*[\r\n]|\s+(?!\S)|\s";
pub const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The other spellings of the same splits that are met in tokenizer files and in tiktoken.
const SPELLINGS: [(&str, &str); 3] = [
    (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s", "gpt2"),
    (r"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", "gpt2"),
    (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        "cl100k",
    ),
];

impl Splitter {
    /// A split by its name (`gpt2`, `cl100k`, `o200k`, `llama3`, `bert`, `none`) or by a regular expression; the
    /// expressions of the named splits are recognised. `Config` error for an expression that doesn't parse.
    pub fn from_name_or_pattern(name: &str) -> Result<Self> {
        let name = SPELLINGS.iter().find(|(spelling, _)| *spelling == name).map_or(name, |(_, name)| name);
        // Built now, so that the first text doesn't wait for it.
        Classes::get();
        Ok(match name {
            "gpt2" | GPT2 => Self::Gpt2,
            "cl100k" | CL100K => Self::Cl100k,
            "llama3" | LLAMA3 => Self::Llama3,
            "o200k" | O200K => Self::O200k,
            "bert" => Self::Bert,
            "none" => Self::Whole,
            "" => {
                return Err(Error::config("the split is empty").with_hint("`none` keeps each text as one word"));
            }
            other => Self::Pattern(Box::new(Pattern::new(other)?)),
        })
    }

    /// The regular expression of the split, where one expresses it (not for `bert` and `none`).
    pub fn pattern(&self) -> Option<&str> {
        match self {
            Self::Gpt2 => Some(GPT2),
            Self::Cl100k => Some(CL100K),
            Self::Llama3 => Some(LLAMA3),
            Self::O200k => Some(O200K),
            Self::Pattern(pattern) => Some(pattern.as_str()),
            Self::Bert | Self::Whole => None,
        }
    }

    /// Calls `word` with the byte range of each word, in order. Allocates nothing (the regex engine aside);
    /// linear in the text for all named splits. `Input` error where a user's expression backtracks too much.
    #[inline]
    pub fn split(&self, text: &str, mut word: impl FnMut(Range<usize>)) -> Result<()> {
        self.split_into(text, &mut |range: Range<usize>, _: bool| word(range))
    }

    /// `split_into` for each line by itself, its newline kept, so that white space never crosses lines.
    #[inline]
    pub fn split_lines(&self, text: &str, sink: &mut impl Sink) -> Result<()> {
        match self {
            Self::Gpt2 => walk(&Gpt2::<true>(Classes::get()), text.as_bytes(), sink),
            // White space is dropped: lines change nothing.
            Self::Bert => self.split_into(text, sink)?,
            _ => {
                let mut start = 0;
                for line in text.split_inclusive('\n') {
                    self.split_into(line, &mut Behind { sink, start })?;
                    start += line.len();
                }
            }
        }
        Ok(())
    }

    /// `split` into what takes ASCII words block by block.
    #[inline]
    pub fn split_into(&self, text: &str, sink: &mut impl Sink) -> Result<()> {
        let classes = Classes::get();
        let bytes = text.as_bytes();
        match self {
            Self::Gpt2 => walk(&Gpt2::<false>(classes), bytes, sink),
            Self::Cl100k => walk(&Cl100k::<true>(classes), bytes, sink),
            Self::Llama3 => walk(&Cl100k::<false>(classes), bytes, sink),
            Self::O200k => walk(&O200k(classes), bytes, sink),
            Self::Bert => bert::split(classes, bytes, |range| sink.word(range, false)),
            Self::Whole if text.is_empty() => {}
            Self::Whole => sink.word(0..text.len(), false),
            Self::Pattern(pattern) => pattern.split(text, |range| sink.word(range, false))?,
        }
        Ok(())
    }
}

/// Gives on the words of a part of a text that starts at `start`.
struct Behind<'a, S> {
    sink: &'a mut S,
    start: usize,
}

impl<S: Sink> Sink for Behind<'_, S> {
    #[inline(always)]
    fn word(&mut self, word: Range<usize>, ascii: bool) {
        self.sink.word(self.start + word.start..self.start + word.end, ascii);
    }

    #[inline(always)]
    fn block(&mut self, at: usize, ends: u64) {
        self.sink.block(self.start + at, ends);
    }
}

#[cfg(test)]
mod tests;
