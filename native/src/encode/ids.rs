//! The short way: text to ids alone, through a cache.

use super::bpe::Piece;
use super::fast::{ByteBpe, Memory, Run};
use super::file::Model;
use super::pretokenise::PreTokenizer;
use super::rows::Coin;
use super::stretches::Stretches;
use super::tokenizer::Tokenizer;
use crate::error::Result;
use crate::text::normalise::Normalizer;
use crate::text::split::Sink;

/// What `encode_into` keeps from call to call: the cache. One a thread; it adapts to the tokenizer it is used with.
#[derive(Debug, Default)]
pub struct Scratch {
    key: u64,
    memory: Memory,
    pieces: Vec<Piece>,
}

impl Tokenizer {
    /// The short way of a tokenizer that is BERT's in all its parts.
    fn stretches(&self) -> Option<Stretches<'_>> {
        match (&self.model, &self.normalizer, &self.pre_tokenizer) {
            (Model::WordPiece(model), Some(normalizer), Some(PreTokenizer::Bert)) if !self.added.has_normalized() => {
                let Normalizer::Bert(bert) = normalizer else { return None };
                Some(Stretches { model, normalizer, bert })
            }
            _ => None,
        }
    }

    /// Appends the ids of `text`. Added tokens are recognised; the template, truncation and padding stay out.
    pub fn encode_into(&self, text: &str, scratch: &mut Scratch, out: &mut Vec<u32>) -> Result<()> {
        if scratch.key != self.key {
            let memory = self.short.as_ref().map(ByteBpe::memory).unwrap_or_default();
            *scratch = Scratch { key: self.key, memory, ..Scratch::default() };
        }
        let (Model::Bpe(bpe), Some(short), Some((split, prefix_space))) =
            (&self.model, &self.short, self.byte_level_split())
        else {
            return match self.stretches() {
                Some(stretches) => self.added.split_raw(text, false, |range, token| match token {
                    Some(token) => {
                        out.push(token.id);
                        Ok(())
                    }
                    None => stretches.encode(&text[range], &mut scratch.memory, &mut scratch.pieces, out),
                }),
                None => self.encode_long_way(text, scratch, out),
            };
        };
        let memory = &mut scratch.memory;
        let mut plain = |text: &str, out: &mut Vec<u32>| -> Result<()> {
            let spaced;
            let mut text = text;
            if prefix_space && !text.starts_with(' ') {
                spaced = format!(" {text}");
                text = &spaced;
            }
            let mut run = Run { short, bpe, text: text.as_bytes(), memory, out };
            match split {
                Some(splitter) => splitter.split_into(text, &mut run)?,
                None if text.is_empty() => {}
                None => run.word(0..text.len(), false),
            }
            run.flush();
            Ok(())
        };
        self.added.split_raw(text, false, |range, token| match token {
            Some(token) => {
                out.push(token.id);
                Ok(())
            }
            None => {
                let part = &text[range];
                let part = match &self.normalizer {
                    Some(normalizer) => normalizer.normalise(part)?,
                    None => part.into(),
                };
                self.added.split_normalized(&part, false, |range, token| match token {
                    Some(token) => {
                        out.push(token.id);
                        Ok(())
                    }
                    None => plain(&part[range], out),
                })
            }
        })
    }

    /// The same, within the tokens of the template where `add_special_tokens` is on.
    pub fn encode_ids(
        &self,
        text: &str,
        add_special_tokens: bool,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        match self.post_processor.as_ref().map(|post| post.around()) {
            Some((before, after)) if add_special_tokens => {
                out.extend(before);
                self.encode_into(text, scratch, out)?;
                out.extend(after);
                Ok(())
            }
            _ => self.encode_into(text, scratch, out),
        }
    }

    fn encode_long_way(&self, text: &str, scratch: &mut Scratch, out: &mut Vec<u32>) -> Result<()> {
        let mut coin = Coin::new(0, text);
        for (word, token) in self.words(text, false)? {
            if let Some(id) = token {
                out.push(id);
                continue;
            }
            scratch.pieces.clear();
            self.tokenize(&word.text, &mut coin, &mut scratch.pieces)?;
            out.extend(scratch.pieces.iter().map(|piece| piece.id));
        }
        Ok(())
    }
}
