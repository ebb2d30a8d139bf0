//! Pre-tokens to the tokens they became last time, in bounded memory: a two-way set-associative table for short ones,
//! a table over an arena for long ones that is emptied when it is full.

use super::hash::{hash, mix};

/// A pre-token of up to 15 bytes, padded with zeros; its length is the top byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    lo: u64,
    hi: u64,
}

/// Longer pre-tokens go to the other table.
pub const SHORT: usize = 15;
/// Pre-tokens longer than this are not kept.
const LONGEST: usize = 512;

const MASKS: [(u64, u64); 16] = {
    let mut out = [(0, 0); 16];
    let mut n = 1;
    while n < 16 {
        out[n] = match n {
            0..8 => ((1 << (8 * n)) - 1, 0),
            8 => (u64::MAX, 0),
            _ => (u64::MAX, (1 << (8 * (n - 8))) - 1),
        };
        n += 1;
    }
    out
};

impl Key {
    /// The key of `text[start..start + len]`, `len` from 1 to 15.
    #[inline(always)]
    pub fn new(text: &[u8], start: usize, len: usize) -> Self {
        let both = match text.get(start..).and_then(|rest| rest.first_chunk::<16>()) {
            Some(chunk) => u128::from_le_bytes(*chunk),
            None => {
                let mut chunk = [0; 16];
                for (to, from) in chunk.iter_mut().zip(&text[start..]) {
                    *to = *from;
                }
                u128::from_le_bytes(chunk)
            }
        };
        let (lo, hi) = MASKS[len & 15];
        Self { lo: both as u64 & lo, hi: ((both >> 64) as u64 & hi) | ((len as u64) << 56) }
    }

    #[inline(always)]
    pub fn hash(self) -> u64 {
        mix(self.lo, self.hi)
    }
}

/// Up to three tokens beside their key.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
struct Slot {
    key: Key,
    ids: [u32; 3],
    count: u32,
}

const FREE: Slot = Slot { key: Key { lo: 0, hi: 0 }, ids: [0; 3], count: 0 };

#[derive(Clone, Copy, Debug, Default)]
struct Long {
    hash: u64,
    at: u32,
    len: u16,
    /// 0 marks a free slot.
    count: u16,
}

#[derive(Debug)]
pub struct Cache {
    short: Vec<[Slot; 2]>,
    long: Vec<Long>,
    held: usize,
    /// For each long entry its ids, little-endian, and then its text.
    arena: Vec<u8>,
}

/// Sizes that keep the whole under 24 MB: 2^16 pairs of slots of 32 bytes, 2^18 slots of 16 bytes, 16 MB of arena.
const SHORT_SETS: usize = 1 << 16;
const LONG_SLOTS: usize = 1 << 18;
const ARENA: usize = 16 << 20;

impl Default for Cache {
    fn default() -> Self {
        Self { short: vec![[FREE; 2]; SHORT_SETS], long: Vec::new(), held: 0, arena: Vec::new() }
    }
}

impl Cache {
    /// Appends the tokens of a short pre-token to `out`, if they are known.
    #[inline(always)]
    pub fn get(&self, key: Key, hash: u64, out: &mut Vec<u32>) -> bool {
        let set = &self.short[(hash >> 48) as usize & (SHORT_SETS - 1)];
        let slot = if set[0].key == key {
            &set[0]
        } else if set[1].key == key {
            &set[1]
        } else {
            return false;
        };
        if slot.count == 1 {
            out.push(slot.ids[0]);
        } else {
            out.extend_from_slice(&slot.ids[..slot.count as usize & 3]);
        }
        true
    }

    /// Remembers a short pre-token that became at most three tokens; the older of its two neighbours leaves.
    pub fn put(&mut self, key: Key, hash: u64, ids: &[u32]) {
        if ids.len() > 3 {
            return;
        }
        let mut slot = Slot { key, ids: [0; 3], count: ids.len() as u32 };
        slot.ids[..ids.len()].copy_from_slice(ids);
        let set = &mut self.short[(hash >> 48) as usize & (SHORT_SETS - 1)];
        set[1] = set[0];
        set[0] = slot;
    }

    /// The same for a pre-token of any length.
    pub fn get_long(&self, text: &[u8], out: &mut Vec<u32>) -> bool {
        if self.long.is_empty() || text.len() > LONGEST {
            return false;
        }
        let hash = hash(text);
        let mut at = hash as usize & (LONG_SLOTS - 1);
        loop {
            let slot = &self.long[at];
            if slot.count == 0 {
                return false;
            }
            if slot.hash == hash && slot.len as usize == text.len() {
                let start = slot.at as usize;
                let middle = start + 4 * slot.count as usize;
                if &self.arena[middle..middle + text.len()] == text {
                    let (ids, _) = self.arena[start..middle].as_chunks::<4>();
                    out.extend(ids.iter().map(|id| u32::from_le_bytes(*id)));
                    return true;
                }
            }
            at = (at + 1) & (LONG_SLOTS - 1);
        }
    }

    pub fn put_long(&mut self, text: &[u8], ids: &[u32]) {
        if text.len() > LONGEST || ids.is_empty() || ids.len() > LONGEST {
            return;
        }
        if self.long.is_empty() || self.held >= LONG_SLOTS / 2 || self.arena.len() + text.len() + 4 * ids.len() > ARENA
        {
            self.long.clear();
            self.long.resize(LONG_SLOTS, Long::default());
            self.arena.clear();
            self.held = 0;
        }
        let hash = hash(text);
        let mut at = hash as usize & (LONG_SLOTS - 1);
        while self.long[at].count != 0 {
            at = (at + 1) & (LONG_SLOTS - 1);
        }
        self.long[at] = Long { hash, at: self.arena.len() as u32, len: text.len() as u16, count: ids.len() as u16 };
        self.held += 1;
        self.arena.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
        self.arena.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_within_bounds() {
        let mut cache = Cache::default();
        let mut out = Vec::new();
        let text = b"hello worlds of text";
        let key = Key::new(text, 0, 5);
        assert!(!cache.get(key, key.hash(), &mut out));
        cache.put(key, key.hash(), &[1, 2]);
        assert!(cache.get(Key::new(b"hello", 0, 5), key.hash(), &mut out));
        assert_eq!(out, [1, 2]);
        assert!(!cache.get(Key::new(text, 0, 6), Key::new(text, 0, 6).hash(), &mut out));
        for i in 0..400_000u32 {
            cache.put_long(format!("a long text with number {i}").as_bytes(), &[i, i + 1]);
        }
        assert!(cache.arena.len() <= ARENA);
        out.clear();
        assert!(cache.get_long(b"a long text with number 399999", &mut out));
        assert_eq!(out, [399_999, 400_000]);
    }
}
