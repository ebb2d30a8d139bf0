//! What the dataset room asks of a tokenizer: text in, ids out, in a session that one thread owns.

use crate::encode::{Scratch, Tokenizer};
use crate::error::Result;

/// A tokenizer that many threads can hold.
pub trait Encoder: Sync {
    fn session(&self) -> Box<dyn Session + '_>;
}

/// One thread's encoding, with the buffers and caches it needs.
pub trait Session {
    /// Appends the ids of `text` to `out`; no special tokens are added.
    fn encode(&mut self, text: &str, out: &mut Vec<u32>) -> Result<()>;
}

impl Encoder for Tokenizer {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Encoding { tokenizer: self, scratch: Scratch::default() })
    }
}

struct Encoding<'a> {
    tokenizer: &'a Tokenizer,
    scratch: Scratch,
}

impl Session for Encoding<'_> {
    fn encode(&mut self, text: &str, out: &mut Vec<u32>) -> Result<()> {
        self.tokenizer.encode_into(text, &mut self.scratch, out)
    }
}
