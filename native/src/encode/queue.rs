//! Pre-tokens enter, their cached ids leave some dozens at a time: first a loop over all makes their keys and asks for their
//! slots of the cache, then one looks at what has come from memory. Each is short enough to stay in registers.

use super::cache::{Cache, Key, Packed, SHORT, hash_of};
use crate::error::Result;
#[cfg(target_arch = "x86_64")]
use crate::text::machine::has_avx2;

/// So many that wait are to be flushed.
const FULL: usize = 64;

/// Ends that are written at once.
const AT_ONCE: usize = 16;

/// A block may come when one is missing, and its last ends are written with some that don't count.
const ROOM: usize = FULL + 64 + AT_ONCE;

#[derive(Debug)]
pub struct Queue {
    len: usize,
    starts: [u32; ROOM],
    ends: [u32; ROOM],
    keys: [Key; ROOM],
    hashes: [u64; ROOM],
    /// The ids of those that were in the cache.
    found: [u32; 4 * ROOM],
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            len: 0,
            starts: [0; ROOM],
            ends: [0; ROOM],
            keys: [Key::default(); ROOM],
            hashes: [0; ROOM],
            found: [0; 4 * ROOM],
        }
    }
}

impl Queue {
    /// Adds a pre-token; true where the queue must be flushed now.
    #[inline(always)]
    pub fn push(&mut self, start: usize, end: usize) -> bool {
        self.push_if(true, start, end)
    }

    /// The same, if it is one.
    #[inline(always)]
    pub fn push_if(&mut self, is: bool, start: usize, end: usize) -> bool {
        (self.starts[self.len], self.ends[self.len]) = (start as u32, end as u32);
        self.len += usize::from(is);
        self.len >= FULL
    }

    /// Adds pre-tokens one behind the other: the first starts at `at`, and one ends at each bit of `ends`.
    #[inline(always)]
    pub fn push_block(&mut self, at: usize, mut ends: u64) -> bool {
        let mut first = self.len;
        self.len += ends.count_ones() as usize;
        self.starts[first] = at as u32;
        // All places are written, whether they count or not: no branch to guess.
        while ends != 0 {
            let mut some = [0; AT_ONCE];
            for end in &mut some {
                *end = at as u32 + ends.trailing_zeros();
                ends &= ends.wrapping_sub(1);
            }
            self.ends[first..first + AT_ONCE].copy_from_slice(&some);
            self.starts[first + 1..first + 1 + AT_ONCE].copy_from_slice(&some);
            first += AT_ONCE;
        }
        self.len >= FULL
    }

    /// Appends the ids of all that wait. `miss` appends those of a range that isn't in the cache of short ones.
    #[inline(always)]
    pub fn flush(
        &mut self,
        text: &[u8],
        cache: &mut Cache,
        out: &mut Vec<u32>,
        miss: impl FnMut(usize, usize, &mut Cache, &mut Vec<u32>) -> Result<()>,
    ) -> Result<()> {
        #[cfg(target_arch = "x86_64")]
        if has_avx2() {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { self.flush_avx2(text, cache, out, miss) };
        }
        self.flush_any(text, cache, out, miss)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn flush_avx2(
        &mut self,
        text: &[u8],
        cache: &mut Cache,
        out: &mut Vec<u32>,
        miss: impl FnMut(usize, usize, &mut Cache, &mut Vec<u32>) -> Result<()>,
    ) -> Result<()> {
        self.flush_any(text, cache, out, miss)
    }

    #[inline(always)]
    fn flush_any(
        &mut self,
        text: &[u8],
        cache: &mut Cache,
        out: &mut Vec<u32>,
        mut miss: impl FnMut(usize, usize, &mut Cache, &mut Vec<u32>) -> Result<()>,
    ) -> Result<()> {
        let len = std::mem::take(&mut self.len).min(ROOM);
        let places = self.starts.iter().zip(&self.ends);
        for (((start, end), key), hash) in places.zip(&mut self.keys).zip(&mut self.hashes).take(len) {
            let (start, end) = (*start as usize, *end as usize);
            *key = if end - start <= SHORT {
                Key::new(text, start, end - start)
            } else {
                cache.prefetch_long(&text[start..end]);
                Key::default()
            };
            *hash = hash_of(*key);
            cache.short.prefetch(*hash);
        }
        let mut found = 0;
        for i in 0..len {
            if let Some((ids, count)) = cache.short.get(self.keys[i], self.hashes[i]).and_then(Packed::ids) {
                // All four, and on by as many as count: no branch to guess.
                self.found[found..found + 4].copy_from_slice(&ids);
                found += count;
                continue;
            }
            out.extend_from_slice(&self.found[..std::mem::take(&mut found)]);
            miss(self.starts[i] as usize, self.ends[i] as usize, cache, out)?;
        }
        out.extend_from_slice(&self.found[..found]);
        Ok(())
    }
}
