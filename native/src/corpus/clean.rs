//! A document in, the same one cleaned out, or the reason to leave it out. Every stage is optional.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::error::{Error, Result};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Clean {
    /// Canonical composition (Unicode normalisation form C).
    pub nfc: bool,
    /// Runs of spaces become one, spaces at line ends go, more than one blank line becomes one; control characters go.
    pub whitespace: bool,
    /// Characters of a document.
    pub min_chars: Option<u64>,
    pub max_chars: Option<u64>,
    /// Shares of all characters.
    pub min_letters: Option<f64>,
    pub max_digits: Option<f64>,
    pub max_symbols: Option<f64>,
    /// Leave out every document whose (cleaned) text has been seen before.
    pub dedup: bool,
    /// Leave out documents nearly equal to one before: estimated Jaccard similarity of their word 5-grams from here on.
    pub near_dedup: Option<f64>,
}

impl Clean {
    pub fn check(&self) -> Result<()> {
        let shares = [self.min_letters, self.max_digits, self.max_symbols, self.near_dedup];
        if shares.iter().flatten().any(|share| !(0.0..=1.0).contains(share)) {
            return Err(Error::config("clean: shares are between 0 and 1"));
        }
        Ok(())
    }

    /// Are documents compared with one another?
    pub fn compares(&self) -> bool {
        self.dedup || self.near_dedup.is_some()
    }

    /// Is there nothing to do with a document's text?
    pub fn idle(&self) -> bool {
        let Self {
            nfc,
            whitespace,
            min_chars,
            max_chars,
            min_letters,
            max_digits,
            max_symbols,
            dedup: _,
            near_dedup: _,
        } = self;
        let filters = min_chars.is_none() && max_chars.is_none() && min_letters.is_none();
        !nfc && !whitespace && filters && max_digits.is_none() && max_symbols.is_none()
    }

    /// None: leave the document out.
    pub fn apply<'a>(&self, text: Cow<'a, str>) -> Option<Cow<'a, str>> {
        if self.idle() {
            return Some(text);
        }
        let mut text = text;
        if self.nfc && is_nfc_quick(text.chars()) != IsNormalized::Yes {
            text = Cow::Owned(text.nfc().collect());
        }
        if self.whitespace {
            text = Cow::Owned(squeeze(&text));
        }
        self.passes(&text).then_some(text)
    }

    fn passes(&self, text: &str) -> bool {
        let (mut chars, mut letters, mut digits, mut symbols) = (0u64, 0u64, 0u64, 0u64);
        for c in text.chars() {
            chars += 1;
            if c.is_alphabetic() {
                letters += 1;
            } else if c.is_numeric() {
                digits += 1;
            } else if !c.is_whitespace() {
                symbols += 1;
            }
        }
        let share = |n: u64| n as f64 / chars.max(1) as f64;
        chars >= self.min_chars.unwrap_or(0)
            && chars <= self.max_chars.unwrap_or(u64::MAX)
            && share(letters) >= self.min_letters.unwrap_or(0.0)
            && share(digits) <= self.max_digits.unwrap_or(1.0)
            && share(symbols) <= self.max_symbols.unwrap_or(1.0)
    }
}

fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut breaks = 0;
    let mut space = false;
    for c in text.chars() {
        match c {
            '\n' => {
                breaks += 1;
                space = false;
            }
            '\r' => {}
            _ if c.is_whitespace() => space = true,
            _ if c.is_control() => {}
            _ => {
                if !out.is_empty() {
                    (0..breaks.min(2)).for_each(|_| out.push('\n'));
                    if space && breaks == 0 {
                        out.push(' ');
                    }
                }
                (breaks, space) = (0, false);
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage() {
        let apply = |clean: Clean, text: &str| clean.apply(text.to_owned().into()).map(Cow::into_owned);
        let nfc = Clean { nfc: true, ..Clean::default() };
        assert_eq!(apply(nfc, "cafe\u{301}"), Some("caf\u{e9}".into()));
        let whitespace = Clean { whitespace: true, ..Clean::default() };
        assert_eq!(apply(whitespace, " a \t b \u{0}\r\n\n\n\nc  \n d "), Some("a b\n\nc\nd".into()));
        let long = Clean { min_chars: Some(3), ..Clean::default() };
        assert_eq!(apply(long.clone(), "你好"), None);
        assert_eq!(apply(long, "你好吗"), Some("你好吗".into()));
        let words = Clean { min_letters: Some(0.5), max_digits: Some(0.2), max_symbols: Some(0.3), ..Clean::default() };
        assert_eq!(apply(words.clone(), "abc 12345678"), None);
        assert_eq!(apply(words.clone(), "a+-*/=<>"), None);
        assert!(apply(words, "A few words, and 1 number.").is_some());
    }
}
