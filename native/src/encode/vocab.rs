//! Tokens to ids and back: one arena of bytes and one open-addressing table over it.

use super::hash::hash;
use crate::error::{Error, Result};
use crate::vocab::machine::prefetch;

/// Ids must fit in 21 bits: pairs of them share a 64-bit word with the rank of their merge.
pub const MAX_ID: u32 = (1 << 21) - 2;
const NONE: u64 = u64::MAX;

/// Strings by id, and ids by string. Ids may have gaps.
#[derive(Clone, Debug, Default)]
pub struct Vocab {
    arena: Vec<u8>,
    /// `(start, end)` in the arena for each id; `None` for a gap.
    spans: Vec<Option<(u32, u32)>>,
    /// `hash << 32 | id`, of the hash its upper half: few tokens but the right one are compared.
    table: Vec<u64>,
    len: usize,
}

impl Vocab {
    /// Tokens in it.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One more than the largest id.
    pub fn end(&self) -> u32 {
        self.spans.len() as u32
    }

    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        let (start, end) = (*self.spans.get(id as usize)?)?;
        self.arena.get(start as usize..end as usize)
    }

    pub fn token(&self, id: u32) -> Option<&str> {
        std::str::from_utf8(self.bytes(id)?).ok()
    }

    #[inline]
    pub fn id(&self, token: &[u8]) -> Option<u32> {
        self.find(token, hash(token)).ok()
    }

    /// Starts to look a token up; `id_at` goes on.
    #[inline]
    pub fn fetch(&self, token: &[u8]) -> u64 {
        let hash = hash(token);
        prefetch(&self.table, hash as usize & self.table.len().saturating_sub(1));
        hash
    }

    /// The id of a token whose hash `fetch` gave.
    #[inline]
    pub fn id_at(&self, token: &[u8], hash: u64) -> Option<u32> {
        self.find(token, hash).ok()
    }

    /// The id of a token, or the free slot where it belongs (0 where there is none at all).
    #[inline]
    fn find(&self, token: &[u8], hash: u64) -> std::result::Result<u32, usize> {
        if self.table.is_empty() {
            return Err(0);
        }
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.table[at] {
                NONE => return Err(at),
                slot if (slot ^ hash) >> 32 == 0 && self.bytes(slot as u32) == Some(token) => return Ok(slot as u32),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a token. Complains about an id that is too large or taken, and about a token that is there already.
    pub fn insert(&mut self, token: &[u8], id: u32) -> Result<()> {
        let name = || String::from_utf8_lossy(token).into_owned();
        if id > MAX_ID {
            return Err(Error::input(format!("id {id} of {:?} is larger than {MAX_ID}", name())));
        }
        if let Some(taken) = self.bytes(id) {
            return Err(Error::input(format!(
                "{:?} and {:?} have the same id {id}",
                String::from_utf8_lossy(taken),
                name()
            )));
        }
        if (self.len + 1) * 2 > self.table.len() {
            self.grow();
        }
        let hash = hash(token);
        let slot = match self.find(token, hash) {
            Err(slot) => slot,
            Ok(other) => return Err(Error::input(format!("{:?} has two ids, {other} and {id}", name()))),
        };
        let start = self.arena.len();
        let end = start + token.len();
        if end >= u32::MAX as usize {
            return Err(Error::input("the vocabulary's text is longer than 4 GiB"));
        }
        self.arena.extend_from_slice(token);
        if self.spans.len() <= id as usize {
            self.spans.resize(id as usize + 1, None);
        }
        self.spans[id as usize] = Some((start as u32, end as u32));
        self.len += 1;
        self.table[slot] = (hash >> 32 << 32) | u64::from(id);
        Ok(())
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 4).max(1 << 10);
        self.table.clear();
        self.table.resize(size, NONE);
        for (id, span) in self.spans.iter().enumerate() {
            let Some((start, end)) = *span else { continue };
            let hash = hash(&self.arena[start as usize..end as usize]);
            let mut at = hash as usize & (size - 1);
            while self.table[at] != NONE {
                at = (at + 1) & (size - 1);
            }
            self.table[at] = (hash >> 32 << 32) | id as u64;
        }
    }

    /// `(id, token)` in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (0..self.end()).filter_map(|id| Some((id, self.bytes(id)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_in_and_refuses_doubles() {
        let mut vocab = Vocab::default();
        for i in 0..1000u32 {
            vocab.insert(format!("t{i}").as_bytes(), i * 3).unwrap();
        }
        assert_eq!(vocab.id(b"t999"), Some(2997));
        assert_eq!(vocab.token(3), Some("t1"));
        assert_eq!((vocab.token(1), vocab.id(b"x"), vocab.len()), (None, None, 1000));
        assert!(vocab.insert(b"t5", 7).unwrap_err().message.contains("two ids"));
        assert!(vocab.insert(b"new", 3).unwrap_err().message.contains("same id 3"));
        assert!(vocab.insert(b"new", 4_000_000_000).unwrap_err().message.contains("larger"));
    }
}
