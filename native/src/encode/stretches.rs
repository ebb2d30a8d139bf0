//! The short way for BERT: text in, ids out, through a cache of stretches of the raw text (`text/split/stretches.rs`):
//! a stretch alone gives the ids that it has in its text.

use super::bpe::Piece;
use super::cache::{Cache, Key, Packed, SHORT, hash_of};
use super::fast::Memory;
use super::wordpiece::WordPiece;
use crate::error::Result;
use crate::text::normalise::{Bert, Normalizer};
use crate::text::split::{Splitter, stretches};

/// The parts of a BERT tokenizer, put together for each call.
#[derive(Clone, Copy)]
pub struct Stretches<'a> {
    pub model: &'a WordPiece,
    pub normalizer: &'a Normalizer,
    pub bert: &'a Bert,
}

impl Stretches<'_> {
    /// Appends the ids of `text`.
    pub fn encode(&self, text: &str, memory: &mut Memory, pieces: &mut Vec<Piece>, out: &mut Vec<u32>) -> Result<()> {
        let mut result = Ok(());
        stretches::walk(text, self.bert.handle_chinese_chars, |range| {
            if memory.queue.push(range.start, range.end)
                && let Err(error) = self.flush(text, memory, pieces, out)
            {
                result = Err(error);
            }
        });
        self.flush(text, memory, pieces, out).and(result)
    }

    #[inline(never)]
    fn flush(&self, text: &str, memory: &mut Memory, pieces: &mut Vec<Piece>, out: &mut Vec<u32>) -> Result<()> {
        let Memory { queue, cache, .. } = memory;
        queue.flush(text.as_bytes(), cache, out, |start, end, cache, out| {
            self.miss(&text[start..end], end - start <= SHORT, cache, pieces, out)
        })
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
        match Packed::new(&out[first..]) {
            Some(ids) if short => {
                let key = Key::new(text.as_bytes(), 0, text.len());
                cache.short.put(key, hash_of(key), ids);
            }
            _ => cache.put_long(text.as_bytes(), &out[first..]),
        }
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
