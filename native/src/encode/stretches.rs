//! The short way for BERT: text in, ids out, through a cache of stretches of the raw text, cut where words end whatever
//! stands there: at ASCII white space, around ASCII punctuation and around ideographs. None of these takes part in
//! what normalising does to its neighbours, so that a stretch alone gives the ids that it has in its text.

use std::ops::Range;

use super::bpe::Piece;
use super::cache::{Cache, Key, Packed, SHORT};
use super::fast::Memory;
use super::wordpiece::WordPiece;
use crate::error::Result;
use crate::text::normalise::{Bert, Normalizer, is_cjk};
use crate::text::split::Splitter;
use crate::text::split::masks::{BLOCK, Masks};

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

/// Calls `stretch` with the stretches of a block of text that starts at `base`; returns where the next one starts and
/// how many bytes of the block are ASCII.
#[inline(always)]
fn block_of(
    block: &[u8; BLOCK],
    base: usize,
    mut stretch: impl FnMut(usize, usize) -> Result<()>,
) -> Result<(usize, usize)> {
    let masks = Masks::of(block);
    let known = masks.wide.trailing_zeros();
    let inside = !(masks.punctuation | (masks.space & !masks.feed));
    let mut starts = (inside & !(inside << 1)) | masks.punctuation;
    let mut ends = (!inside & (inside << 1)) | (masks.punctuation << 1);
    if known < 64 {
        // What reaches the first character beyond ASCII may go on there.
        let sure = (1 << known) - 1;
        (starts, ends) = (starts & sure, ends & sure);
    }
    while ends != 0 {
        stretch(base + starts.trailing_zeros() as usize, base + ends.trailing_zeros() as usize)?;
        starts &= starts - 1;
        ends &= ends - 1;
    }
    let next = if starts == 0 { known } else { starts.trailing_zeros() };
    Ok((base + next as usize, known as usize))
}

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
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let mut until = at;
            if let Some(block) = bytes[at..].first_chunk::<BLOCK>()
                && block[..16].is_ascii()
            {
                let known;
                (at, known) = block_of(block, at, |start, end| {
                    if memory.queue.push(bytes, start, end, &memory.cache) {
                        self.flush(text, memory, pieces, out)?;
                    }
                    Ok(())
                })?;
                if at - until > 0 && known == BLOCK {
                    continue;
                }
                until += known;
            }
            // What isn't ASCII, what is longer than a block, and the last stretches.
            while at < bytes.len() && at <= until {
                let (stretch, next) = self.stretch(text, at);
                for range in stretch {
                    if !range.is_empty() && memory.queue.push(bytes, range.start, range.end, &memory.cache) {
                        self.flush(text, memory, pieces, out)?;
                    }
                }
                at = next;
            }
        }
        self.flush(text, memory, pieces, out)
    }

    /// From `at` on: the stretch that starts there, what stands alone behind it (either may be empty), and where to go on.
    #[inline]
    fn stretch(&self, text: &str, start: usize) -> ([Range<usize>; 2], usize) {
        let bytes = text.as_bytes();
        let mut at = start;
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
            let alone = if kind == SPACE { at..at } else { at..at + width };
            return ([start..at, alone], at + width);
        }
        ([start..at, at..at], at)
    }

    #[inline(never)]
    fn flush(&self, text: &str, memory: &mut Memory, pieces: &mut Vec<Piece>, out: &mut Vec<u32>) -> Result<()> {
        let Memory { queue, cache, .. } = memory;
        queue.flush(cache, out, |start, end, cache, out| {
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
