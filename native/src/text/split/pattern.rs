//! Any regular expression as a split: its matches are words, and so is the text between two matches.

use std::ops::Range;

use fancy_regex::Regex;

use crate::error::{Error, Result};

pub struct Pattern {
    regex: Regex,
}

impl Pattern {
    /// `Config` error with the engine's message where the expression doesn't parse.
    pub fn new(pattern: &str) -> Result<Self> {
        let regex = Regex::new(pattern).map_err(|error| {
            Error::config(format!("split: the pattern `{pattern}` is no regular expression: {error}"))
                .with_hint("use gpt2, cl100k, o200k, llama3, bert, none, or an expression with look-around at most")
        })?;
        Ok(Self { regex })
    }

    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    /// Calls `word` for each match and each gap, empty ones left out. `Input` error where the engine gives up.
    pub fn split(&self, text: &str, mut word: impl FnMut(Range<usize>)) -> Result<()> {
        let mut at = 0;
        for found in self.regex.find_iter(text) {
            let found = found.map_err(|error| {
                Error::input(format!("split: the pattern `{}` fails on this text: {error}", self.as_str()))
                    .with_hint("simplify the pattern: nested repeats backtrack too much")
            })?;
            if found.start() > at {
                word(at..found.start());
            }
            if found.end() > found.start() {
                word(found.range());
            }
            at = found.end();
        }
        if at < text.len() {
            word(at..text.len());
        }
        Ok(())
    }
}
