//! Ids to text: through the decoder, or where that is byte-level alone by the bytes of each token.

use super::bytes;
use super::decode::Decoder;
use super::tokenizer::Tokenizer;
use crate::error::{Error, Result};

/// Bytes by id in one arena.
pub(super) struct Spelling {
    arena: Vec<u8>,
    ends: Vec<usize>,
}

impl Tokenizer {
    fn decoded_token(&self, id: u32) -> Result<(&str, bool)> {
        if let Some(token) = self.added.get(id) {
            return Ok((&token.content, token.special));
        }
        self.model
            .vocab()
            .token(id)
            .map(|token| (token, false))
            .ok_or_else(|| Error::input(format!("id {id} is not in the vocabulary of {} ids", self.vocab_size())))
    }

    /// Ids to text. An id that the vocabulary lacks is an error.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        if matches!(self.decoder, Some(Decoder::ByteLevel)) {
            let spelling = self.spelling.get_or_init(|| Spelling::of(self));
            let mut out = Vec::with_capacity(ids.len() * 4);
            for id in ids {
                if !(self.decoded_token(*id)?.1 && skip_special) {
                    out.extend_from_slice(spelling.bytes(*id));
                }
            }
            return Ok(match String::from_utf8(out) {
                Ok(text) => text,
                Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
            });
        }
        let mut tokens = Vec::with_capacity(ids.len());
        for id in ids {
            let (token, special) = self.decoded_token(*id)?;
            if !(special && skip_special) {
                tokens.push(token.to_owned());
            }
        }
        match &self.decoder {
            Some(decoder) => Ok(decoder.apply(tokens)?.concat()),
            None => Ok(tokens.join(" ")),
        }
    }
}

impl Spelling {
    /// The bytes that each id of a byte-level tokenizer decodes to.
    fn of(tokenizer: &Tokenizer) -> Self {
        let mut spelling = Self { arena: Vec::new(), ends: Vec::new() };
        for id in 0..tokenizer.vocab_size() {
            if let Ok((token, _)) = tokenizer.decoded_token(id)
                && !bytes::append_bytes(token, &mut spelling.arena)
            {
                spelling.arena.extend_from_slice(token.as_bytes());
            }
            spelling.ends.push(spelling.arena.len());
        }
        spelling
    }

    fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.arena[start..self.ends[id]]
    }
}
