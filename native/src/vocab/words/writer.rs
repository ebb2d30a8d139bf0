//! The words of a thread enter, alone or block by block, sums for the shards leave. The frequent words stay in a small
//! cache; each word's slot in it is asked for when the word enters, and looked at when it has come from memory.

use super::shard::{Slot, Waiting};
use super::{SHARDS, Seeds, WordCounts, lock, shard_of};
use crate::error::Result;
use crate::text::key::{Key, SHORT};
use crate::text::split::masks::BLOCK;
use crate::vocab::machine::{Huge, prefetch};

/// Slots of the cache. A larger one than an L2 holds: a slot is asked for early, and a word that moves on costs more.
const CACHE: usize = 1 << 16;
/// Words that are looked up together, and room for a block more.
const QUEUE: usize = 64;
const ROOM: usize = QUEUE + BLOCK;
/// Words that wait for their shard before its lock is taken.
const BATCH: usize = 256;

/// One thread's cache and what waits for the shards. `finish` it, or the last words are lost.
pub struct Writer<'a> {
    counts: &'a WordCounts,
    seeds: Seeds,
    cache: Huge<Slot>,
    queue: [(Key, u32); ROOM],
    queued: usize,
    evicted: [Slot; ROOM],
    /// How often each byte was a word: a third of all words of English are a single character.
    bytes: [u64; 256],
    waiting: Vec<Vec<Waiting>>,
    /// Whether words wait that point into the text.
    pointing: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(counts: &'a WordCounts) -> Self {
        Self {
            counts,
            seeds: counts.seeds,
            cache: Huge::new(Slot::default(), CACHE),
            queue: [(Key::default(), 0); ROOM],
            queued: 0,
            evicted: [Slot::default(); ROOM],
            bytes: [0; 256],
            waiting: (0..SHARDS).map(|_| Vec::with_capacity(BATCH)).collect(),
            pointing: false,
        }
    }

    /// Counts `text[start..start + len]` once. Call `end_text` before `text` goes away.
    #[inline(always)]
    pub fn count(&mut self, text: &[u8], start: usize, len: usize) {
        if len > SHORT {
            return self.count_long(text, start, len);
        }
        let key = Key::new(text, start, len);
        let at = self.seeds.short(key) as usize % CACHE;
        prefetch(&self.cache, at);
        self.queue[self.queued % ROOM] = (key, at as u32);
        self.queued += 1;
        if self.queued >= QUEUE {
            self.settle(text);
        }
    }

    /// Counts words one behind the other: the first starts at `at`, and one ends at each bit of `ends` (bit i: `at + i`).
    #[inline(always)]
    pub fn count_block(&mut self, text: &[u8], at: usize, ends: u64) {
        let Some(window) = text.get(at..).and_then(|rest| rest.first_chunk::<{ BLOCK + 16 }>()) else {
            return self.count_last(text, at, ends);
        };
        // The words of one byte first, which take no key; then those of more.
        let starts = ends | 1;
        let mut ones = starts & (ends >> 1);
        let (mut starts, mut ends) = (starts & !ones, ends & !(ones << 1));
        while ones != 0 {
            self.bytes[window[ones.trailing_zeros() as usize % BLOCK] as usize] += 1;
            ones &= ones - 1;
        }
        let (seeds, mut queued) = (self.seeds, self.queued);
        while ends != 0 {
            let start = starts.trailing_zeros() as usize % BLOCK;
            let len = ends.trailing_zeros() as usize - start;
            if len > SHORT {
                self.count_long(text, at + start, len);
            } else {
                let key = Key::new(window, start, len);
                let place = seeds.short(key) as usize % CACHE;
                prefetch(&self.cache, place);
                self.queue[queued % ROOM] = (key, place as u32);
                queued += 1;
            }
            starts &= starts - 1;
            ends &= ends - 1;
        }
        self.queued = queued;
        if self.queued >= QUEUE {
            self.settle(text);
        }
    }

    /// The same near the end of the text.
    #[cold]
    fn count_last(&mut self, text: &[u8], at: usize, mut ends: u64) {
        let mut start = at;
        while ends != 0 {
            let end = at + ends.trailing_zeros() as usize;
            self.count(text, start, end - start);
            start = end;
            ends &= ends - 1;
        }
    }

    /// Counts `text[start..start + len]` `count` times.
    pub fn add(&mut self, text: &[u8], start: usize, len: usize, count: u64) -> Result<()> {
        let word = self.seeds.waiting(text, start, len, count)?;
        self.pointing |= len > SHORT;
        self.wait(word, text);
        Ok(())
    }

    /// Counts what is queued. A word that another one has in its place is put there, and the other one moves on. The guess
    /// fails for one word in ten; to write every slot anew without a branch takes longer, as reads wait for the writes.
    #[inline(never)]
    fn settle(&mut self, text: &[u8]) {
        let mut n = 0;
        let queued = std::mem::take(&mut self.queued).min(ROOM);
        let Some(cache) = self.cache.first_chunk_mut::<CACHE>() else { return };
        for &(key, at) in &self.queue[..queued] {
            let slot = &mut cache[at as usize % CACHE];
            if (slot.key.lo ^ key.lo) | (slot.key.hi ^ key.hi) == 0 {
                slot.count += 1;
            } else {
                self.evicted[n % ROOM] = *slot;
                n += usize::from(slot.count > 0);
                *slot = Slot { key, count: 1 };
            }
        }
        for at in 0..n {
            self.evict(self.evicted[at % ROOM], text);
        }
    }

    #[inline]
    fn evict(&mut self, slot: Slot, text: &[u8]) {
        if slot.count == 0 {
            return;
        }
        let hash = self.seeds.short(slot.key);
        self.wait(Waiting { hash, key: slot.key, count: slot.count }, text);
    }

    #[inline(never)]
    fn count_long(&mut self, text: &[u8], start: usize, len: usize) {
        // Words of 4 GiB are refused where text is read: no chunk is that long.
        let _ = self.add(text, start, len, 1);
    }

    #[inline]
    fn wait(&mut self, word: Waiting, text: &[u8]) {
        let shard = shard_of(word.hash);
        self.waiting[shard].push(word);
        if self.waiting[shard].len() == BATCH {
            self.flush(shard, text);
        }
    }

    #[inline(never)]
    fn flush(&mut self, shard: usize, text: &[u8]) {
        lock(&self.counts.shards[shard]).add_all(&self.waiting[shard], text, self.seeds);
        self.waiting[shard].clear();
    }

    /// Hands over the words that point into `text`.
    pub fn end_text(&mut self, text: &[u8]) {
        if std::mem::take(&mut self.pointing) {
            self.flush_all(text);
        }
    }

    fn flush_all(&mut self, text: &[u8]) {
        for shard in 0..SHARDS {
            if !self.waiting[shard].is_empty() {
                self.flush(shard, text);
            }
        }
    }

    /// Hands over all that is left.
    pub fn finish(mut self) {
        self.settle(&[]);
        for at in 0..CACHE {
            self.evict(self.cache[at], &[]);
        }
        for byte in 0..=255 {
            self.evict(Slot { key: Key::new(&[byte], 0, 1), count: self.bytes[usize::from(byte)] }, &[]);
        }
        self.flush_all(&[]);
    }
}
