//! Pre-tokens enter one by one, their cached ids leave block by block: each one's slot of the cache is asked for when
//! it enters, and looked at when it has come from memory.

use super::cache::{Cache, Key, Packed, SHORT, hash_of};
use crate::error::Result;

/// A pre-token whose slot of the cache is on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    key: Key,
    hash: u64,
    start: u32,
    end: u32,
}

const WAITING: usize = 32;

#[derive(Debug)]
pub struct Queue {
    all: [Waiting; WAITING],
    len: usize,
    /// The ids of those that were in the cache.
    found: [u32; 4 * WAITING],
}

impl Default for Queue {
    fn default() -> Self {
        Self { all: [Waiting::default(); WAITING], len: 0, found: [0; 4 * WAITING] }
    }
}

impl Queue {
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds the pre-token `text[start..end]`; true where the queue is full now, and must be flushed.
    #[inline(always)]
    pub fn push(&mut self, text: &[u8], start: usize, end: usize, cache: &Cache) -> bool {
        let mut one = Waiting { start: start as u32, end: end as u32, ..Waiting::default() };
        if end - start <= SHORT {
            one.key = Key::new(text, start, end - start);
            one.hash = hash_of(one.key);
            cache.short.prefetch(one.hash);
        }
        self.all[self.len & (WAITING - 1)] = one;
        self.len += 1;
        self.len == WAITING
    }

    /// Appends the ids of all that wait. `miss` appends those of a range that isn't in the cache of short ones.
    #[inline(always)]
    pub fn flush(
        &mut self,
        cache: &mut Cache,
        out: &mut Vec<u32>,
        mut miss: impl FnMut(usize, usize, &mut Cache, &mut Vec<u32>) -> Result<()>,
    ) -> Result<()> {
        let len = std::mem::take(&mut self.len).min(WAITING);
        let mut found = 0;
        for Waiting { key, hash, start, end } in &self.all[..len] {
            if let Some((ids, count)) = cache.short.get(*key, *hash).and_then(Packed::ids) {
                // All four, and on by as many as count: no branch to guess.
                self.found[found..found + 4].copy_from_slice(&ids);
                found += count;
                continue;
            }
            out.extend_from_slice(&self.found[..std::mem::take(&mut found)]);
            miss(*start as usize, *end as usize, cache, out)?;
        }
        out.extend_from_slice(&self.found[..found]);
        Ok(())
    }
}
