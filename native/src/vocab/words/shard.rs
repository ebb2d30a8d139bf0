//! Words and numbers enter, sums leave: one shard of the table, by open addressing.

use super::Seeds;
use crate::text::key::Key;
use crate::vocab::machine::{Huge, prefetch};

/// Tag of a long word. Short ones carry their length there.
const LONG: u64 = 0xff << 56;

/// A word in its key where it is short. A longer one as its hash and its place in the arena, tagged.
#[derive(Clone, Copy, Default)]
pub struct Slot {
    pub key: Key,
    /// 0 marks a free slot.
    pub count: u64,
}

/// A word on its way to its shard; a long one as its place in the text that is being counted and its length, tagged.
#[derive(Clone, Copy)]
pub struct Waiting {
    pub hash: u64,
    pub key: Key,
    pub count: u64,
}

/// The key of a long word that waits.
pub fn long(start: usize, len: usize) -> Key {
    Key { lo: start as u64, hi: LONG | len as u64 }
}

#[inline(always)]
fn is_long(key: Key) -> bool {
    key.hi & LONG == LONG
}

#[derive(Default)]
pub struct Shard {
    slots: Huge<Slot>,
    len: usize,
    /// Long words: four bytes of length, then the word.
    arena: Vec<u8>,
}

impl Shard {
    /// Distinct words.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn add_all(&mut self, waiting: &[Waiting], text: &[u8], seeds: Seeds) {
        self.reserve(waiting.len(), seeds);
        for (i, word) in waiting.iter().enumerate() {
            if let Some(next) = waiting.get(i + 8) {
                // A slot may reach into a second line, and the one behind it may be looked at too.
                let at = next.hash as usize & (self.slots.len() - 1);
                prefetch(&self.slots, at);
                prefetch(&self.slots, at + 2);
            }
            self.add(word, text);
        }
    }

    #[inline]
    fn add(&mut self, word: &Waiting, text: &[u8]) {
        let mask = self.slots.len() - 1;
        let long = is_long(word.key);
        let bytes = if long { &text[word.key.lo as usize..][..(word.key.hi & !LONG) as usize] } else { &[] };
        let mut at = word.hash as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            let same = if long {
                slot.key.lo == word.hash && is_long(slot.key) && long_word(&self.arena, slot.key) == bytes
            } else {
                slot.key == word.key
            };
            if slot.count == 0 {
                let key = if long {
                    let place = self.arena.len() as u64;
                    self.arena.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                    self.arena.extend_from_slice(bytes);
                    Key { lo: word.hash, hi: LONG | place }
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
        let old = std::mem::replace(&mut self.slots, Huge::new(Slot::default(), wanted));
        for &slot in old.iter().filter(|slot| slot.count > 0) {
            let hash = if is_long(slot.key) { slot.key.lo } else { seeds.short(slot.key) };
            let mut at = hash as usize & (wanted - 1);
            while self.slots[at].count > 0 {
                at = (at + 1) & (wanted - 1);
            }
            self.slots[at] = slot;
        }
    }

    /// Calls `word` for every word, in no order that means anything.
    pub fn for_each(&self, mut word: impl FnMut(&[u8], u64)) {
        for (i, slot) in self.slots.iter().enumerate() {
            if let Some(ahead) = self.slots.get(i + 16)
                && is_long(ahead.key)
            {
                prefetch(&self.arena, (ahead.key.hi & !LONG) as usize);
            }
            if slot.count == 0 {
                continue;
            }
            if is_long(slot.key) {
                word(long_word(&self.arena, slot.key), slot.count);
            } else {
                word(&slot.key.bytes()[..slot.key.length()], slot.count);
            }
        }
    }
}

#[inline]
fn long_word(arena: &[u8], key: Key) -> &[u8] {
    let at = (key.hi & !LONG) as usize;
    let mut len = [0; 4];
    len.copy_from_slice(&arena[at..at + 4]);
    &arena[at + 4..][..u32::from_le_bytes(len) as usize]
}
