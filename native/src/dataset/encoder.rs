//! What the dataset room asks of a tokenizer: text in, ids out, in a session that one thread owns.

use super::ids::TokenIds;
use super::tokens::WORD;
use crate::encode::{EncodeOptions, Scratch, Tokenizer, Unit};
use crate::error::Result;

/// A tokenizer that many threads can hold.
pub trait Encoder: Sync {
    fn session(&self) -> Box<dyn Session + '_>;
}

/// One thread's encoding, with the buffers and caches it needs.
pub trait Session {
    /// Appends the ids of `text` to `out`; no special tokens are added.
    fn encode(&mut self, text: &str, out: &mut TokenIds) -> Result<()>;
    /// The same, and a mark an id: `WORD` where a word of the pre-tokenizer begins. A Chinese character is a word of its
    /// own, also where the pre-tokenizer takes a run of them as one.
    fn encode_words(&mut self, text: &str, out: &mut TokenIds, marks: &mut Vec<u8>) -> Result<()>;
}

impl Encoder for Tokenizer {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Encoding { tokenizer: self, scratch: Scratch::default(), ids: Vec::new() })
    }
}

struct Encoding<'a> {
    tokenizer: &'a Tokenizer,
    scratch: Scratch,
    ids: Vec<u32>,
}

impl Session for Encoding<'_> {
    fn encode(&mut self, text: &str, out: &mut TokenIds) -> Result<()> {
        self.ids.clear();
        self.tokenizer.encode_into(text, &mut self.scratch, &mut self.ids)?;
        out.extend_from_slice(&self.ids);
        Ok(())
    }

    fn encode_words(&mut self, text: &str, out: &mut TokenIds, marks: &mut Vec<u8>) -> Result<()> {
        let options = EncodeOptions {
            add_special_tokens: false,
            special_as_text: false,
            offsets: Unit::Bytes,
            truncation: None,
            seed: 0,
        };
        let encoding = self.tokenizer.encode(text, None, &options)?;
        marks.resize(out.len(), 0);
        let mut before = None;
        for ((id, word), span) in encoding.ids.iter().zip(&encoding.words).zip(&encoding.offsets) {
            let here = (*word, span.0);
            let begins = before.is_none_or(|(last_word, last_start)| {
                last_word != *word || (last_start != span.0 && begins_ideograph(text, span.0 as usize))
            });
            out.push(*id);
            marks.push(if begins { WORD } else { 0 });
            before = Some(here);
        }
        Ok(())
    }
}

fn begins_ideograph(text: &str, at: usize) -> bool {
    let c = text.get(at..).and_then(|rest| rest.chars().next());
    c.is_some_and(|c| matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}'))
}
