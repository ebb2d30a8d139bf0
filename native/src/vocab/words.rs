//! Words (bytes) enter with numbers, sums leave: a hash table in shards that threads fill at once, each through a small
//! cache of its own that absorbs the frequent words.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::vocab::machine::{huge_pages, prefetch};

const SHARDS: usize = 32;
/// Entries of a thread's cache; with the code around it it should stay in a 1 MB L2.
const CACHE: usize = 1 << 14;
/// Words that wait for their shard before its lock is taken.
const BATCH: usize = 1024;
/// Tag of a word that is kept in the arena. Shorter words carry their length there.
const LONG: u64 = 0xff << 56;
const SHORT_MAX: usize = 15;

/// A word of up to 15 bytes in itself: bytes, zeros, and the length as the last byte. A longer one as its hash and a
/// place, tagged: in the arena of its shard, or (on its way there) in the text that is being counted.
type Key = [u64; 2];

#[derive(Clone, Copy, Default)]
struct Slot {
    key: Key,
    /// 0 marks a free slot.
    count: u64,
}

#[derive(Clone, Copy)]
struct Waiting {
    hash: u64,
    key: Key,
    count: u64,
    /// Length of a long word.
    len: usize,
}

/// Seeds of the hash: random, so that no input can be made to collide. Nothing that leaves depends on them.
#[derive(Clone, Copy)]
struct Seeds(u64, u64);

impl Seeds {
    fn new() -> Self {
        let state = RandomState::new();
        Self(state.hash_one(1), state.hash_one(2) | 1)
    }

    #[inline(always)]
    fn mix(self, a: u64, b: u64) -> u64 {
        let product = u128::from(a ^ self.0) * u128::from(b ^ self.1);
        product as u64 ^ (product >> 64) as u64
    }

    #[inline(always)]
    fn short(self, key: Key) -> u64 {
        self.mix(key[0], key[1])
    }

    fn long(self, word: &[u8]) -> u64 {
        let mut hash = word.len() as u64;
        let mut chunks = word.chunks_exact(16);
        for chunk in chunks.by_ref() {
            let (a, b) = chunk.split_at(8);
            hash = self.mix(read8(a) ^ hash, read8(b).wrapping_add(hash.rotate_left(32)));
        }
        let tail = inline(chunks.remainder());
        self.mix(tail[0] ^ hash, tail[1].wrapping_add(hash.rotate_left(32)))
    }
}

#[inline(always)]
fn read8(bytes: &[u8]) -> u64 {
    let mut all = [0; 8];
    all.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(all)
}

/// The key of a word of at most 15 bytes.
#[inline]
fn inline(word: &[u8]) -> Key {
    let mut all = [0u8; 16];
    all[..word.len()].copy_from_slice(word);
    all[15] = word.len() as u8;
    let key = u128::from_le_bytes(all);
    [key as u64, (key >> 64) as u64]
}

/// The same, for a word inside a text: one unaligned load where 16 bytes are there.
#[inline(always)]
fn inline_at(text: &[u8], start: usize, len: usize) -> Key {
    match text.get(start..start + 16) {
        Some(sixteen) => {
            let (low, high) = sixteen.split_at(8);
            let bits = 8 * len as u32;
            let all = u128::from(read8(low)) | u128::from(read8(high)) << 64;
            let kept = all & ((1u128 << bits) - 1);
            [kept as u64, (kept >> 64) as u64 | (len as u64) << 56]
        }
        None => inline(&text[start..start + len]),
    }
}

#[derive(Default)]
struct Shard {
    slots: Vec<Slot>,
    len: usize,
    /// Long words: four bytes of length, then the word.
    arena: Vec<u8>,
}

impl Shard {
    fn add_all(&mut self, waiting: &[Waiting], text: &[u8], seeds: Seeds) {
        self.reserve(waiting.len(), seeds);
        for (i, word) in waiting.iter().enumerate() {
            if let Some(next) = waiting.get(i + 8) {
                prefetch(&self.slots, next.hash as usize & (self.slots.len() - 1));
            }
            self.add(word, text);
        }
    }

    #[inline]
    fn add(&mut self, word: &Waiting, text: &[u8]) {
        let mask = self.slots.len() - 1;
        let long = word.key[1] & LONG == LONG;
        let bytes = if long { &text[word.key[0] as usize..][..word.len] } else { &[] };
        let mut at = word.hash as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            let same = if long {
                slot.key[0] == word.hash && slot.key[1] & LONG == LONG && long_word(&self.arena, slot.key[1]) == bytes
            } else {
                slot.key == word.key
            };
            if slot.count == 0 {
                let key = if long {
                    let place = self.arena.len() as u64;
                    self.arena.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                    self.arena.extend_from_slice(bytes);
                    [word.hash, LONG | place]
                } else {
                    word.key
                };
                *slot = Slot { key, count: word.count };
                self.len += 1;
                return;
            }
            if same {
                slot.count = slot.count.saturating_add(word.count);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Keeps a quarter of the slots free.
    fn reserve(&mut self, more: usize, seeds: Seeds) {
        let wanted = ((self.len + more) * 4 / 3 + 1).next_power_of_two().max(64);
        if wanted <= self.slots.len() {
            return;
        }
        let mut slots = Vec::with_capacity(wanted);
        huge_pages(&mut slots);
        slots.resize(wanted, Slot::default());
        let old = std::mem::replace(&mut self.slots, slots);
        for slot in old.into_iter().filter(|slot| slot.count > 0) {
            let hash = if slot.key[1] & LONG == LONG { slot.key[0] } else { seeds.short(slot.key) };
            let mut at = hash as usize & (wanted - 1);
            while self.slots[at].count > 0 {
                at = (at + 1) & (wanted - 1);
            }
            self.slots[at] = slot;
        }
    }

    /// Calls `word` for every word, in no order that means anything.
    fn for_each(&self, mut word: impl FnMut(&[u8], u64)) {
        for slot in self.slots.iter().filter(|slot| slot.count > 0) {
            if slot.key[1] & LONG == LONG {
                word(long_word(&self.arena, slot.key[1]), slot.count);
            } else {
                let bytes = (u128::from(slot.key[0]) | u128::from(slot.key[1]) << 64).to_le_bytes();
                word(&bytes[..bytes[15] as usize], slot.count);
            }
        }
    }
}

#[inline]
fn long_word(arena: &[u8], key: u64) -> &[u8] {
    let at = (key & !LONG) as usize;
    let mut len = [0; 4];
    len.copy_from_slice(&arena[at..at + 4]);
    &arena[at + 4..][..u32::from_le_bytes(len) as usize]
}

/// Distinct words and how often each was counted.
pub struct WordCounts {
    seeds: Seeds,
    shards: Vec<Mutex<Shard>>,
}

impl Default for WordCounts {
    fn default() -> Self {
        Self { seeds: Seeds::new(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl WordCounts {
    /// A thread's way in.
    pub fn writer(&self) -> Writer<'_> {
        Writer {
            counts: self,
            cache: vec![Slot::default(); CACHE].into_boxed_slice(),
            waiting: (0..SHARDS).map(|_| Vec::with_capacity(BATCH)).collect(),
        }
    }

    /// Adds one word. For many, use a writer.
    pub fn add(&mut self, word: &[u8], count: u64) -> Result<()> {
        if count > 0 {
            let waiting = waiting(self.seeds, word, 0, word.len(), count)?;
            let shard = get_mut(&mut self.shards[shard_of(waiting.hash)]);
            shard.add_all(&[waiting], word, self.seeds);
        }
        Ok(())
    }

    /// Distinct words.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len).sum()
    }

    /// The sum of all counts.
    pub fn total(&self) -> u64 {
        let mut total = 0u64;
        self.for_each(|_, count| total = total.saturating_add(count));
        total
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `word` for every word with its count, in no order that means anything.
    pub fn for_each(&self, mut word: impl FnMut(&[u8], u64)) {
        self.for_each_in(&(0..SHARDS), &mut word);
    }

    /// Ranges that share out the words between threads.
    pub fn parts(&self, threads: usize) -> Vec<Range<usize>> {
        let n = threads.clamp(1, if self.len() > 1 << 16 { SHARDS } else { 1 });
        (0..n).map(|i| SHARDS * i / n..SHARDS * (i + 1) / n).collect()
    }

    /// The words of one part.
    pub fn for_each_in(&self, part: &Range<usize>, mut word: impl FnMut(&[u8], u64)) {
        for shard in &self.shards[part.clone()] {
            lock(shard).for_each(&mut word);
        }
    }
}

fn shard_of(hash: u64) -> usize {
    (hash >> 56) as usize % SHARDS
}

/// A shard is whole even where a thread died holding its lock: nothing in it is changed in two steps that can fail.
fn lock(shard: &Mutex<Shard>) -> std::sync::MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn get_mut(shard: &mut Mutex<Shard>) -> &mut Shard {
    shard.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn waiting(seeds: Seeds, text: &[u8], start: usize, len: usize, count: u64) -> Result<Waiting> {
    if len <= SHORT_MAX {
        let key = inline_at(text, start, len);
        return Ok(Waiting { hash: seeds.short(key), key, count, len });
    }
    if len > u32::MAX as usize {
        return Err(Error::input(format!("a word of {len} bytes: words must be shorter than 4 GiB")));
    }
    let hash = seeds.long(&text[start..start + len]);
    Ok(Waiting { hash, key: [start as u64, LONG], count, len })
}

/// One thread's cache and what waits for the shards. `finish` it, or the last words are lost.
pub struct Writer<'a> {
    counts: &'a WordCounts,
    cache: Box<[Slot]>,
    waiting: Vec<Vec<Waiting>>,
}

impl Writer<'_> {
    /// Counts `text[start..start + len]` once. Call `end_text` before `text` goes away.
    #[inline(always)]
    pub fn count(&mut self, text: &[u8], start: usize, len: usize) {
        let seeds = self.counts.seeds;
        if len > SHORT_MAX {
            return self.count_long(text, start, len);
        }
        let key = inline_at(text, start, len);
        let hash = seeds.short(key);
        let slot = &mut self.cache[hash as usize % CACHE];
        if slot.key == key {
            slot.count += 1;
            return;
        }
        let old = std::mem::replace(slot, Slot { key, count: 1 });
        if old.count > 0 {
            self.evict(old, text);
        }
    }

    #[inline(never)]
    fn evict(&mut self, slot: Slot, text: &[u8]) {
        let hash = self.counts.seeds.short(slot.key);
        self.wait(Waiting { hash, key: slot.key, count: slot.count, len: 0 }, text);
    }

    #[inline(never)]
    fn count_long(&mut self, text: &[u8], start: usize, len: usize) {
        // Words of 4 GiB are refused where text is read: no chunk is that long.
        if let Ok(word) = waiting(self.counts.seeds, text, start, len, 1) {
            self.wait(word, text);
        }
    }

    #[inline]
    fn wait(&mut self, word: Waiting, text: &[u8]) {
        let shard = shard_of(word.hash);
        self.waiting[shard].push(word);
        if self.waiting[shard].len() == BATCH {
            self.flush(shard, text);
        }
    }

    fn flush(&mut self, shard: usize, text: &[u8]) {
        lock(&self.counts.shards[shard]).add_all(&self.waiting[shard], text, self.counts.seeds);
        self.waiting[shard].clear();
    }

    /// Hands over the words that point into `text`.
    pub fn end_text(&mut self, text: &[u8]) {
        for shard in 0..SHARDS {
            self.flush(shard, text);
        }
    }

    /// Hands over all that is left.
    pub fn finish(mut self) {
        for i in 0..CACHE {
            let slot = self.cache[i];
            if slot.count > 0 {
                self.evict(slot, &[]);
            }
        }
        self.end_text(&[]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn sums(counts: &WordCounts) -> HashMap<Vec<u8>, u64> {
        let mut all = HashMap::new();
        counts.for_each(|word, n| assert!(all.insert(word.to_vec(), n).is_none()));
        all
    }

    #[test]
    fn zeros_and_lengths_tell_words_apart() {
        let mut counts = WordCounts::default();
        for word in [&b""[..], b"\0", b"\0\0", b"a", b"a\0", &[0; 15], &[0; 16], &[0; 17], &[255; 15], &[255; 16]] {
            counts.add(word, 3).unwrap();
            counts.add(word, u64::from(u32::MAX)).unwrap();
        }
        assert_eq!(counts.len(), 10);
        assert!(sums(&counts).values().all(|&n| n == 3 + u64::from(u32::MAX)));
    }

    proptest! {
        #[test]
        fn two_writers_agree_with_a_hash_map(words in prop::collection::vec("[ab]{0,20}", 0..400)) {
            let counts = WordCounts::default();
            let mut expected = HashMap::<Vec<u8>, u64>::new();
            let (mut a, mut b) = (counts.writer(), counts.writer());
            for (i, word) in words.iter().enumerate() {
                *expected.entry(word.as_bytes().to_vec()).or_default() += 1;
                let writer = if i % 2 == 0 { &mut a } else { &mut b };
                writer.count(word.as_bytes(), 0, word.len());
                writer.end_text(word.as_bytes());
            }
            a.finish();
            b.finish();
            prop_assert_eq!(sums(&counts), expected);
        }
    }
}
