//! Ids one by one in, text as soon as it is certain out: bytes of an unfinished character are held back.

use super::tokenizer::Tokenizer;
use crate::error::Result;

#[derive(Clone, Debug, Default)]
pub struct DecodeStream {
    skip_special: bool,
    /// The ids that the text still depends on.
    ids: Vec<u32>,
    /// What `ids[..fixed]` decode to has been given out.
    fixed: usize,
}

/// An unfinished character is at most four bytes, one id each; more ids than this are given out as they are.
const HELD: usize = 8;

impl DecodeStream {
    pub fn new(skip_special: bool) -> Self {
        Self { skip_special, ids: Vec::new(), fixed: 0 }
    }

    /// The text that `id` completes; empty where it completes none.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String> {
        self.ids.push(id);
        let before = tokenizer.decode(&self.ids[..self.fixed], self.skip_special)?;
        let all = tokenizer.decode(&self.ids, self.skip_special)?;
        let held = self.ids.len() - self.fixed;
        if all.ends_with('\u{fffd}') && held < HELD {
            return Ok(String::new());
        }
        let text = new_part(&before, &all);
        if !text.is_empty() {
            self.ids.drain(..self.fixed);
            self.fixed = self.ids.len();
        }
        Ok(text)
    }

    /// What was held back: U+FFFD where a character stayed unfinished.
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String> {
        let before = tokenizer.decode(&self.ids[..self.fixed], self.skip_special)?;
        let all = tokenizer.decode(&self.ids, self.skip_special)?;
        self.ids.clear();
        self.fixed = 0;
        Ok(new_part(&before, &all))
    }
}

/// What `all` has beyond `before`. Decoders that look ahead may change the end of `before`: it stays as it was given out.
fn new_part(before: &str, all: &str) -> String {
    let same = before.chars().zip(all.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum::<usize>();
    let at = if same == before.len() { same } else { all.floor_char_boundary(before.len()) };
    all[at..].to_owned()
}
