//! The words of a thread enter one by one, sums for the shards leave. The frequent words stay in a small cache; each
//! word's slot in it is asked for when the word enters, and looked at when it has come from memory.

use super::shard::{Slot, Waiting};
use super::{SHARDS, WordCounts, lock, shard_of};
use crate::error::Result;
use crate::text::key::{Key, SHORT};
use crate::vocab::machine::{on_huge_pages, prefetch};

/// Slots of the cache; with the code around it it should stay in a 1 MB L2.
const CACHE: usize = 1 << 14;
/// Words that are looked up together.
const QUEUE: usize = 64;
/// Words that wait for their shard before its lock is taken.
const BATCH: usize = 256;

/// One thread's cache and what waits for the shards. `finish` it, or the last words are lost.
pub struct Writer<'a> {
    counts: &'a WordCounts,
    cache: Vec<Slot>,
    queue: [(Key, u32); QUEUE],
    queued: usize,
    waiting: Vec<Vec<Waiting>>,
    /// Whether words wait that point into the text.
    pointing: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(counts: &'a WordCounts) -> Self {
        Self {
            counts,
            cache: on_huge_pages(Slot::default(), CACHE),
            queue: [(Key::default(), 0); QUEUE],
            queued: 0,
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
        let at = self.counts.seeds.short(key) as usize % CACHE;
        prefetch(&self.cache, at);
        self.queue[self.queued % QUEUE] = (key, at as u32);
        self.queued += 1;
        if self.queued == QUEUE {
            self.settle(text);
        }
    }

    /// Counts `text[start..start + len]` `count` times.
    pub fn add(&mut self, text: &[u8], start: usize, len: usize, count: u64) -> Result<()> {
        let word = self.counts.seeds.waiting(text, start, len, count)?;
        self.pointing |= len > SHORT;
        self.wait(word, text);
        Ok(())
    }

    /// Counts what is queued. A word that another one has in its place is put there, and the other one moves on: written
    /// without a branch, because a guess would fail for one word in ten.
    #[inline(never)]
    fn settle(&mut self, text: &[u8]) {
        let mut evicted = [Slot::default(); QUEUE];
        let mut n = 0;
        let queued = std::mem::take(&mut self.queued).min(QUEUE);
        for &(key, at) in &self.queue[..queued] {
            let slot = &mut self.cache[at as usize % CACHE];
            let same = slot.key == key;
            evicted[n % QUEUE] = *slot;
            n += usize::from(!same & (slot.count > 0));
            *slot = Slot { key, count: if same { slot.count + 1 } else { 1 } };
        }
        for slot in &evicted[..n.min(QUEUE)] {
            self.evict(*slot, text);
        }
    }

    #[inline]
    fn evict(&mut self, slot: Slot, text: &[u8]) {
        let hash = self.counts.seeds.short(slot.key);
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
        lock(&self.counts.shards[shard]).add_all(&self.waiting[shard], text, self.counts.seeds);
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
        for slot in std::mem::take(&mut self.cache).into_iter().filter(|slot| slot.count > 0) {
            self.evict(slot, &[]);
        }
        self.flush_all(&[]);
    }
}
