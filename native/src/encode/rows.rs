//! The long way: a text or a pair to ids with offsets, words and the tokens of the template.

use super::bpe::Piece;
use super::encoding::{Encoding, Truncation, truncate};
use super::file::Model;
use super::hash::hash;
use super::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use crate::text::normalise::Aligned;

/// What offsets count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    CodePoints,
    #[default]
    Utf16,
}

#[derive(Clone, Copy, Debug)]
pub struct EncodeOptions<'a> {
    /// Add the tokens of the template.
    pub add_special_tokens: bool,
    /// Take special tokens that stand in the text for plain text.
    pub special_as_text: bool,
    pub offsets: Unit,
    pub truncation: Option<&'a Truncation>,
    /// Seed of BPE dropout, where the model has it.
    pub seed: u64,
}

impl Tokenizer {
    /// The words of `text` as the model sees them, and added tokens with their ids.
    pub(super) fn words(&self, text: &str, special_as_text: bool) -> Result<Vec<(Aligned, Option<u32>)>> {
        if text.len() > u32::MAX as usize {
            return Err(Error::input("a text of more than 4 GiB can't be encoded at once"));
        }
        let mut out = Vec::new();
        self.added.split_raw(text, special_as_text, |range, token| {
            let mut part = Aligned::new(&text[range.clone()], range.start as u32);
            if let Some(token) = token {
                out.push((part, Some(token.id)));
                return Ok(());
            }
            if let Some(normalizer) = &self.normalizer {
                normalizer.apply(&mut part)?;
            }
            self.added.split_normalized(&part.text, special_as_text, |range, token| {
                let part = part.slice(range);
                match (token, &self.pre_tokenizer) {
                    (Some(token), _) => out.push((part, Some(token.id))),
                    (None, None) => out.push((part, None)),
                    (None, Some(pre)) => out.extend(pre.apply(vec![part])?.into_iter().map(|word| (word, None))),
                }
                Ok(())
            })
        })?;
        Ok(out)
    }

    pub(super) fn tokenize(&self, word: &str, coin: &mut Coin, out: &mut Vec<Piece>) -> Result<()> {
        match &self.model {
            Model::Bpe(model) => model.tokenize(word, Some(&mut || coin.toss()), out),
            Model::WordPiece(model) => model.tokenize(word, out),
            Model::WordLevel(model) => model.tokenize(word, out),
        }
    }

    /// One text with offsets and words, without template, truncation and padding.
    fn encode_alone(&self, text: &str, options: &EncodeOptions) -> Result<Encoding> {
        let mut out = Encoding::default();
        let mut pieces = Vec::new();
        let mut coin = Coin::new(options.seed, text);
        for (index, (word, token)) in self.words(text, options.special_as_text)?.into_iter().enumerate() {
            if let Some(id) = token {
                out.push(id, word.original(0..word.text.len()), index as u32);
                continue;
            }
            pieces.clear();
            self.tokenize(&word.text, &mut coin, &mut pieces)?;
            for piece in &pieces {
                out.push(piece.id, word.original(piece.start as usize..piece.end as usize), index as u32);
            }
        }
        convert(text, options.offsets, &mut out);
        Ok(out)
    }

    /// A text or a pair with all that the options ask for. Padding is the batch's, see `pad`.
    pub fn encode(&self, text: &str, pair: Option<&str>, options: &EncodeOptions) -> Result<Encoding> {
        let mut first = self.encode_alone(text, options)?;
        let mut second = pair.map(|text| self.encode_alone(text, options)).transpose()?;
        if let Some(second) = &mut second {
            second.sequences.fill(Some(1));
            second.type_ids.fill(1);
        }
        let added = match &self.post_processor {
            Some(post) if options.add_special_tokens => post.added(second.is_some()),
            _ => 0,
        };
        if let Some(by) = options.truncation {
            truncate(&mut first, second.as_mut(), by, added)?;
        }
        let mut texts = vec![first];
        texts.extend(second);
        if let Some(post) = &self.post_processor {
            texts = post.apply(texts, options.add_special_tokens, &|id| self.id_to_token(id))?;
        }
        let mut texts = texts.into_iter();
        let mut out = texts.next().unwrap_or_default();
        texts.for_each(|text| out.join(text));
        Ok(out)
    }
}

/// Numbers in [0, 1) that depend on the seed and the text alone (splitmix64).
pub(super) struct Coin(u64);

impl Coin {
    pub(super) fn new(seed: u64, text: &str) -> Self {
        Self(seed ^ hash(text.as_bytes()))
    }

    pub(super) fn toss(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32
    }
}

/// Byte offsets to those of another unit.
fn convert(text: &str, unit: Unit, encoding: &mut Encoding) {
    if unit == Unit::Bytes || text.is_ascii() {
        return;
    }
    let mut units = vec![0u32; text.len() + 1];
    let mut n = 0;
    for (at, c) in text.char_indices() {
        units[at..at + c.len_utf8()].fill(n);
        n += if unit == Unit::Utf16 { c.len_utf16() as u32 } else { 1 };
    }
    units[text.len()] = n;
    for span in &mut encoding.offsets {
        *span = (units[span.0 as usize], units[span.1 as usize]);
    }
}
