//! The short way for BERT: text in, ids out, through a cache of stretches of the raw text, cut where words end whatever
//! stands there: at ASCII white space, around ASCII punctuation and around ideographs. None of these takes part in
//! what normalising does to its neighbours, so that a stretch alone gives the ids that it has in its text.

use std::ops::Range;

use super::bpe::Piece;
use super::cache::{Cache, Key, Packed, SHORT};
use super::wordpiece::WordPiece;
use crate::error::Result;
use crate::text::normalise::{Bert, Normalizer, is_cjk};
use crate::text::split::Splitter;

const INSIDE: u8 = 0;
const SPACE: u8 = 1;
const ALONE: u8 = 2;
const WIDE: u8 = 3;

/// What a byte of UTF-8 says about its place.
static KINDS: [u8; 256] = {
    let mut kinds = [INSIDE; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' => SPACE,
            0x80.. => WIDE,
            ascii if ascii.is_ascii_punctuation() => ALONE,
            _ => INSIDE,
        };
        byte += 1;
    }
    kinds
};

/// The parts of a BERT tokenizer, put together for each call.
#[derive(Clone, Copy)]
pub struct Stretches<'a> {
    pub model: &'a WordPiece,
    pub normalizer: &'a Normalizer,
    pub bert: &'a Bert,
}

impl Stretches<'_> {
    /// Appends the ids of `text`.
    pub fn encode(&self, text: &str, cache: &mut Cache, pieces: &mut Vec<Piece>, out: &mut Vec<u32>) -> Result<()> {
        let bytes = text.as_bytes();
        let (mut start, mut at) = (0, 0);
        while let Some(byte) = bytes.get(at) {
            let kind = KINDS[*byte as usize];
            if kind == INSIDE {
                at += 1;
                continue;
            }
            let mut width = 1;
            if kind == WIDE {
                let Some(c) = text[at..].chars().next() else { break };
                width = c.len_utf8();
                if !(self.bert.handle_chinese_chars && is_cjk(c)) {
                    at += width;
                    continue;
                }
            }
            if at > start {
                self.stretch(text, start..at, cache, pieces, out)?;
            }
            if kind != SPACE {
                self.stretch(text, at..at + width, cache, pieces, out)?;
            }
            at += width;
            start = at;
        }
        if at > start {
            self.stretch(text, start..at, cache, pieces, out)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn stretch(
        &self,
        text: &str,
        range: Range<usize>,
        cache: &mut Cache,
        pieces: &mut Vec<Piece>,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let short = range.len() <= SHORT;
        if short {
            let key = Key::new(text.as_bytes(), range.start, range.len());
            if cache.short.get(key, key.hash()).is_some_and(|ids| ids.push(out)) {
                return Ok(());
            }
        }
        self.miss(&text[range], short, cache, pieces, out)
    }

    #[inline(never)]
    fn miss(
        &self,
        text: &str,
        short: bool,
        cache: &mut Cache,
        pieces: &mut Vec<Piece>,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        if cache.get_long(text.as_bytes(), out) {
            return Ok(());
        }
        let first = out.len();
        self.words(text, pieces)?;
        out.extend(pieces.drain(..).map(|piece| piece.id));
        if short {
            let key = Key::new(text.as_bytes(), 0, text.len());
            let known = cache.short.get(key, key.hash()).is_some();
            let packed = Packed::new(&out[first..]);
            if !known {
                cache.short.put(key, key.hash(), packed.unwrap_or(Packed::MANY));
            }
            if packed.is_some() {
                return Ok(());
            }
        }
        cache.put_long(text.as_bytes(), &out[first..]);
        Ok(())
    }

    fn words(&self, text: &str, pieces: &mut Vec<Piece>) -> Result<()> {
        pieces.clear();
        let text = self.normalizer.normalise(text)?;
        let mut result = Ok(());
        Splitter::Bert.split(&text, |word| {
            if result.is_ok() {
                result = self.model.tokenize(&text[word], pieces);
            }
        })?;
        result
    }
}
