//! Pre-tokens enter, their cached ids leave some dozens at a time: first a loop over all makes their keys and asks for their
//! slots of the cache, then one looks at what has come from memory. Each is short enough to stay in registers.

use std::ops::Range;

use super::cache::{Cache, Key, Look, SHORT, hash_of};
use crate::error::Result;
#[cfg(target_arch = "x86_64")]
use crate::text::machine::has_avx2;

/// So many that wait are to be flushed.
const FULL: usize = 64;

/// A block may come when one is missing, and its last ends are written with some that don't count.
const ROOM: usize = FULL + 64 + 9;

/// Which bits of a byte are set, those first.
static BITS: [[u8; 8]; 256] = {
    let mut all = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut n) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 != 0 {
                all[byte][n] = bit;
                n += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    all
};

#[derive(Debug)]
pub struct Queue {
    len: usize,
    starts: [u32; ROOM],
    ends: [u32; ROOM],
    keys: [Key; ROOM],
    /// Where the search for each begins in the cache.
    places: [u32; ROOM],
}

impl Default for Queue {
    fn default() -> Self {
        Self { len: 0, starts: [0; ROOM], ends: [0; ROOM], keys: [Key::default(); ROOM], places: [0; ROOM] }
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
    pub fn push_block(&mut self, at: usize, ends: u64) -> bool {
        let first = self.len;
        self.len += ends.count_ones() as usize;
        self.starts[first] = at as u32;
        let (Some(to_ends), Some(to_starts)) = (
            self.ends[first..].first_chunk_mut::<{ 64 + 8 }>(),
            self.starts[first + 1..].first_chunk_mut::<{ 64 + 8 }>(),
        ) else {
            return true;
        };
        let mut bases = [at as u32; 8];
        for i in 0..8 {
            let n = (ends & ((1 << (8 * i)) - 1)).count_ones() as usize;
            // Eight places are written, whether they count or not: no branch to guess. In this form they are one vector.
            let mut places = [0; 8];
            let bits = &BITS[(ends >> (8 * i)) as usize & 255];
            for ((place, base), bit) in places.iter_mut().zip(&mut bases).zip(bits) {
                *place = *base + u32::from(*bit);
                *base += 8;
            }
            to_ends[n & 63..][..8].copy_from_slice(&places);
            to_starts[n & 63..][..8].copy_from_slice(&places);
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
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
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
        let look = cache.short.look();
        let words = self.starts.iter().zip(&self.ends);
        for (((start, end), key), place) in words.zip(&mut self.keys).zip(&mut self.places).take(len) {
            let (start, end) = (*start as usize, *end as usize);
            *key = if end - start <= SHORT {
                Key::new(text, start, end - start)
            } else {
                cache.prefetch_long(&text[start..end]);
                Key::NONE
            };
            let at = look.start(hash_of(*key));
            look.prefetch(at);
            *place = at as u32;
        }
        let (mut i, mut displaced) = (0, None);
        loop {
            i += self.known(i..len, cache.short.look(), out, &mut displaced);
            if i == len {
                break;
            }
            // Where this makes the table grow, those behind may not be found at their places: they are put in again.
            miss(self.starts[i] as usize, self.ends[i] as usize, cache, out)?;
            i += 1;
        }
        // One each time: enough for those that come often, and two of them don't drive each other out all the time.
        displaced.into_iter().for_each(|key| cache.short.promote(key));
        Ok(())
    }

    /// Appends the ids of pre-tokens up to the first that isn't in the table; returns how many these are.
    #[inline(always)]
    fn known(&self, waiting: Range<usize>, table: Look, out: &mut Vec<u32>, displaced: &mut Option<Key>) -> usize {
        let (keys, places) = (&self.keys[waiting.clone()], &self.places[waiting]);
        out.reserve(4 * keys.len());
        let room = out.spare_capacity_mut().as_mut_ptr();
        let (mut count, mut written) = (0, 0);
        for (key, place) in keys.iter().zip(places) {
            let start = *place as usize;
            let ids = match table.first(*key, start) {
                Some(ids) => ids,
                None => {
                    let Some(ids) = table.further(*key, start) else { break };
                    *displaced = Some(*key);
                    ids
                }
            };
            let (ids, n) = ids.ids();
            // All four, and on by as many as count: no branch to guess.
            // SAFETY: there is room for four of each key, and none before this one took more.
            unsafe { room.add(written).cast::<[u32; 4]>().write_unaligned(ids) };
            written += n;
            count += 1;
        }
        // SAFETY: so many were written.
        unsafe { out.set_len(out.len() + written) };
        count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_block_is_its_words(before in 0..FULL, at in 0..1000usize, all in any::<u64>(), some in any::<u64>(), few: bool) {
            let ends = (if few { all & some } else { all | some }) & !1;
            let (mut block, mut words) = (Queue::default(), Queue::default());
            for i in 0..before {
                prop_assert!(!block.push(i, i + 1) && !words.push(i, i + 1));
            }
            let mut start = at;
            for end in (0..64).filter(|bit| ends >> bit & 1 != 0).map(|bit| at + bit) {
                (words.starts[words.len], words.ends[words.len]) = (start as u32, end as u32);
                words.len += 1;
                start = end;
            }
            prop_assert_eq!(block.push_block(at, ends), words.len >= FULL);
            prop_assert_eq!(block.len, words.len);
            prop_assert_eq!(&block.starts[..block.len], &words.starts[..block.len]);
            prop_assert_eq!(&block.ends[..block.len], &words.ends[..block.len]);
        }
    }
}
