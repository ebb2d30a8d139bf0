//! Pre-tokens to the tokens they became last time, in bounded memory: a table of 32-byte slots for short ones,
//! an arena for long ones that is emptied when it is full.

use super::hash::{SEEDS, hash};
pub use crate::text::key::{Key, SHORT};
use crate::vocab::machine::{Huge, prefetch, room_on_huge_pages};

/// Pre-tokens longer than this are not kept.
const LONGEST: usize = 512;

/// The hash of a key.
#[inline(always)]
pub fn hash_of(key: Key) -> u64 {
    key.hash(SEEDS)
}

/// Up to four tokens of 21 bits; their number is the top byte of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed([u32; 4]);

const MASK: u32 = (1 << 21) - 1;

impl Packed {
    /// `None` where there are too many.
    pub fn new(ids: &[u32]) -> Option<Self> {
        let mut all = [0; 4];
        all.get_mut(..ids.len())?.copy_from_slice(ids);
        all[0] |= (ids.len() as u32) << 24;
        Some(Self(all))
    }

    /// Four ids, and how many of them count.
    #[inline(always)]
    pub fn ids(self) -> ([u32; 4], usize) {
        (self.0.map(|id| id & MASK), (self.0[0] >> 24) as usize)
    }

    /// Appends the ids.
    #[inline(always)]
    pub fn push(self, out: &mut Vec<u32>) {
        let (ids, count) = self.ids();
        // All at once and back to the number there are: no branch to guess.
        let end = out.len();
        out.extend_from_slice(&ids);
        out.truncate(end + count);
    }
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
struct Slot {
    key: Key,
    ids: Packed,
}

const FREE: Slot = Slot { key: Key { lo: 0, hi: 0 }, ids: Packed([0; 4]) };

/// Short pre-tokens to tokens, by open addressing. Doubles until it has `most` slots; full then, it starts afresh.
#[derive(Debug)]
pub struct Table {
    slots: Huge<Slot>,
    shift: u32,
    held: usize,
    most: usize,
}

impl Clone for Table {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone(), ..*self }
    }
}

impl Table {
    pub fn new(slots: usize, most: usize) -> Self {
        let slots = slots.next_power_of_two().max(2);
        Self { slots: Huge::new(FREE, slots), shift: 64 - slots.trailing_zeros(), held: 0, most }
    }

    /// A look at the table as it is now.
    #[inline(always)]
    pub fn look(&self) -> Look<'_> {
        Look { slots: &self.slots, shift: self.shift }
    }

    pub fn get(&self, key: Key, hash: u64) -> Option<Packed> {
        let look = self.look();
        let start = look.start(hash);
        look.first(key, start).or_else(|| look.further(key, start))
    }

    /// Puts in what `get` didn't find.
    pub fn put(&mut self, key: Key, hash: u64, ids: Packed) {
        if self.held * 8 >= self.slots.len() * 5 {
            let full = std::mem::replace(self, Self::new((self.slots.len() * 2).min(self.most), self.most));
            if full.slots.len() < self.slots.len() {
                full.slots.iter().filter(|slot| slot.key.hi != 0).for_each(|slot| self.place(*slot, hash_of(slot.key)));
            }
        }
        self.place(Slot { key, ids }, hash);
    }

    /// Lets a key that is in the table, and was looked up again, change places with the one where its search begins:
    /// those that come often are found at first sight then. Both are still on their own ways, which have no gaps.
    pub fn promote(&mut self, key: Key) {
        let home = self.look().start(hash_of(key));
        let mut at = home;
        loop {
            let found = self.slots[at].key;
            if found.hi == 0 {
                return;
            }
            if found == key {
                break;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots.swap(home, at);
    }

    fn place(&mut self, slot: Slot, hash: u64) {
        let mut at = self.look().start(hash);
        while self.slots[at].key.hi != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = slot;
        self.held += 1;
    }
}

/// What looking up takes, for a loop to keep in registers.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    slots: &'a [Slot],
    shift: u32,
}

impl Look<'_> {
    /// The slot where the search for a key begins.
    #[inline(always)]
    pub fn start(self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }

    /// Starts to load what `first` will look at.
    #[inline(always)]
    pub fn prefetch(self, start: usize) {
        prefetch(self.slots, start);
    }

    /// What stands where the search begins, if that is the key's.
    #[inline(always)]
    pub fn first(self, key: Key, start: usize) -> Option<Packed> {
        let slot = self.slot(start);
        (slot.key == key).then_some(slot.ids)
    }

    /// What is found beyond.
    #[inline(never)]
    pub fn further(self, key: Key, start: usize) -> Option<Packed> {
        let mut at = start;
        while self.slot(at).key.hi != 0 {
            at += 1;
            if self.slot(at).key == key {
                return Some(self.slot(at).ids);
            }
        }
        None
    }

    /// The slot at a place, or as far behind the first as that is behind the last.
    #[inline(always)]
    fn slot(self, at: usize) -> Slot {
        // SAFETY: the length of a table is a power of two (`Table::new`), so this is less than it.
        unsafe { *self.slots.get_unchecked(at & (self.slots.len() - 1)) }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Long {
    hash: u64,
    at: u32,
    len: u16,
    /// 0 marks a free slot.
    count: u16,
}

/// 16 MB of short ones, 4 MB of slots and 8 MB of arena for long ones: under 30 MB in all. Twice as many short ones
/// where a vocabulary of 200k tokens is among them.
const MOST: usize = 1 << 19;
const LONG_SLOTS: usize = 1 << 18;
const ARENA: usize = 8 << 20;

#[derive(Debug)]
pub struct Cache {
    pub short: Table,
    long: Huge<Long>,
    held: usize,
    /// For each long entry its ids, little-endian, and then its text.
    arena: Vec<u8>,
}

impl Default for Cache {
    fn default() -> Self {
        Self { short: Table::new(1 << 10, MOST), long: Huge::default(), held: 0, arena: Vec::new() }
    }
}

impl Cache {
    /// Starts with `known` pre-tokens.
    pub fn with(known: &Table) -> Self {
        let most = MOST.max(known.slots.len() * 2);
        Self { short: Table { most, ..known.clone() }, ..Self::default() }
    }

    /// Starts to load what `get_long` will look at.
    #[cold]
    #[inline(never)]
    pub fn prefetch_long(&self, text: &[u8]) {
        if text.len() <= LONGEST {
            prefetch(&self.long, hash(text) as usize & (LONG_SLOTS - 1));
        }
    }

    /// Appends the tokens of a pre-token of any length to `out`, if they are known.
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
            if self.long.is_empty() {
                self.arena = room_on_huge_pages(ARENA);
                self.long = Huge::new(Long::default(), LONG_SLOTS);
            }
            self.long.fill(Long::default());
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
        for i in 0..2_000_000u32 {
            let text = format!("w{i}");
            let key = Key::new(text.as_bytes(), 0, text.len());
            cache.short.put(key, hash_of(key), Packed::new(&[i & 0xffff, 7]).unwrap());
        }
        assert_eq!(cache.short.slots.len(), MOST);
        let key = Key::new(b"--w1999999--------", 2, 8);
        cache.short.get(key, hash_of(key)).unwrap().push(&mut out);
        assert_eq!(out, [1_999_999 & 0xffff, 7]);
        for i in 0..400_000u32 {
            cache.put_long(format!("a long text with number {i}").as_bytes(), &[i, i + 1]);
        }
        assert!(cache.arena.len() <= ARENA);
        out.clear();
        assert!(cache.get_long(b"a long text with number 399999", &mut out));
        assert_eq!(out, [399_999, 400_000]);
    }

    #[test]
    fn promotes_without_losing_any() {
        let key = |i: u32| Key::new(format!("{i:016}").as_bytes(), 4, 12);
        let mut table = Table::new(2, 1 << 10);
        for i in 0..600 {
            table.put(key(i), hash_of(key(i)), Packed::new(&[i]).unwrap());
        }
        let at_home = |table: &Table, i: u32| table.look().first(key(i), table.look().start(hash_of(key(i)))).is_some();
        let displaced: Vec<u32> = (0..600).filter(|i| !at_home(&table, *i)).collect();
        assert!(displaced.len() > 50);
        for &i in &displaced {
            table.promote(key(i));
            assert!(at_home(&table, i));
            assert!((0..600).all(|i| table.get(key(i), hash_of(key(i))) == Packed::new(&[i])));
        }
        table.promote(key(600));
        assert_eq!(table.get(key(600), hash_of(key(600))), None);
    }

    #[test]
    fn packs_up_to_four_ids() {
        for n in 1..=4 {
            let ids: Vec<u32> = (0..n).map(|i| (1 << 21) - 2 - i).collect();
            let mut out = vec![9];
            Packed::new(&ids).unwrap().push(&mut out);
            assert_eq!(out[1..], ids);
        }
        assert_eq!(Packed::new(&[0; 5]), None);
    }
}
