//! Words (bytes) enter with numbers, sums leave: a hash table in shards that threads fill at once, each through a small
//! cache of its own that absorbs the frequent words.

mod shard;
mod writer;

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::text::key::{Key, SHORT};
use shard::{Shard, Waiting};
pub use writer::Writer;

const SHARDS: usize = 16;

/// Seeds of the hash: random, so that no input can be made to collide. Nothing that leaves depends on them.
#[derive(Clone, Copy)]
struct Seeds(u64, u64);

impl Seeds {
    fn new() -> Self {
        let state = RandomState::new();
        Self(state.hash_one(1), state.hash_one(2) | 1)
    }

    #[inline(always)]
    fn short(self, key: Key) -> u64 {
        key.hash((self.0, self.1))
    }

    fn long(self, word: &[u8]) -> u64 {
        let mut hash = word.len() as u64;
        let (pairs, rest) = word.as_chunks::<16>();
        for pair in pairs {
            let both = u128::from_le_bytes(*pair);
            hash = self.step(hash, both as u64, (both >> 64) as u64);
        }
        let rest = Key::new(rest, 0, rest.len());
        self.step(hash, rest.lo, rest.hi)
    }

    #[inline(always)]
    fn step(self, hash: u64, lo: u64, hi: u64) -> u64 {
        self.short(Key { lo: lo ^ hash, hi: hi.wrapping_add(hash.rotate_left(32)) })
    }

    /// A word on its way to its shard.
    fn waiting(self, text: &[u8], start: usize, len: usize, count: u64) -> Result<Waiting> {
        if len <= SHORT {
            let key = Key::new(text, start, len);
            return Ok(Waiting { hash: self.short(key), key, count });
        }
        if len > u32::MAX as usize {
            return Err(Error::input(format!("a word of {len} bytes: words must be shorter than 4 GiB")));
        }
        Ok(Waiting { hash: self.long(&text[start..start + len]), key: shard::long(start, len), count })
    }
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
        Writer::new(self)
    }

    /// Adds one word. For many, use a writer.
    pub fn add(&mut self, word: &[u8], count: u64) -> Result<()> {
        if count > 0 {
            let waiting = self.seeds.waiting(word, 0, word.len(), count)?;
            lock(&self.shards[shard_of(waiting.hash)]).add_all(&[waiting], word, self.seeds);
        }
        Ok(())
    }

    /// Distinct words.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
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

    /// Forgets all words.
    pub fn clear(&self) {
        self.shards.iter().for_each(|shard| *lock(shard) = Shard::default());
    }

    /// The same as `for_each_in`, and takes them out.
    pub fn drain_part(&self, part: &Range<usize>, mut word: impl FnMut(&[u8], u64)) {
        for shard in &self.shards[part.clone()] {
            std::mem::take(&mut *lock(shard)).for_each(&mut word);
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
                match i % 3 {
                    0 => writer.add(word.as_bytes(), 0, word.len(), 1).unwrap(),
                    _ => writer.count(word.as_bytes(), 0, word.len()),
                }
                writer.end_text(word.as_bytes());
            }
            a.finish();
            b.finish();
            prop_assert_eq!(sums(&counts), expected);
        }
    }
}
