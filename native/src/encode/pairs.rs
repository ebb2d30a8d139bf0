//! A pair of neighbouring tokens to the rank of their merge: open addressing, eight bytes a slot
//! (21 bits of left id, 21 of right id, 22 of rank), so that the table of a 100k vocabulary stays near the cache.

use crate::vocab::machine::{Huge, prefetch};

/// No merge: larger than every rank.
pub const NO_RANK: u32 = u32::MAX;
/// Ranks must fit in 22 bits.
pub const MAX_RANK: u32 = (1 << 22) - 2;
const EMPTY: u64 = u64::MAX;

#[derive(Clone, Debug)]
pub struct Pairs {
    slots: Huge<u64>,
    shift: u32,
    /// A bit for each hash: most pairs asked for have no rank, and this table stays in a near cache.
    filter: Vec<u64>,
}

/// A pair that may have a rank, its slot on its way from memory.
#[derive(Clone, Copy)]
pub struct Probe {
    key: u64,
    at: usize,
}

/// The filter has as many bits a slot, to a power of two.
const FINER: u32 = 2;

impl Pairs {
    pub fn with_capacity(merges: usize) -> Self {
        let size = (merges * 2).next_power_of_two().max(64);
        let filter = vec![0; (size << FINER) / 64];
        Self { slots: Huge::new(EMPTY, size), shift: 64 - size.trailing_zeros(), filter }
    }

    #[inline(always)]
    fn key(left: u32, right: u32) -> u64 {
        (u64::from(left) << 21) | u64::from(right)
    }

    #[inline(always)]
    fn hash(key: u64) -> u64 {
        key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The bit of the filter.
    #[inline(always)]
    fn bit(&self, hash: u64) -> usize {
        (hash >> (self.shift - FINER)) as usize
    }

    /// Sets the rank of a pair; a second rank replaces the first. Holds as many pairs as it was made for.
    pub fn insert(&mut self, left: u32, right: u32, rank: u32) {
        let key = Self::key(left, right);
        let hash = Self::hash(key);
        let bit = self.bit(hash);
        self.filter[bit / 64] |= 1 << (bit % 64);
        let mask = self.slots.len() - 1;
        let mut at = (hash >> self.shift) as usize;
        while self.slots[at] != EMPTY && self.slots[at] >> 22 != key {
            at = (at + 1) & mask;
        }
        self.slots[at] = (key << 22) | u64::from(rank);
    }

    /// The rank of a pair, or `NO_RANK`.
    #[inline(always)]
    pub fn rank(&self, left: u32, right: u32) -> u32 {
        self.probe(left, right).map_or(NO_RANK, |probe| self.answer(probe))
    }

    /// Starts to look a pair up; `None` where it surely has no rank.
    #[inline(always)]
    pub fn probe(&self, left: u32, right: u32) -> Option<Probe> {
        let key = Self::key(left, right);
        let hash = Self::hash(key);
        let bit = self.bit(hash);
        if (self.filter[bit / 64] >> (bit % 64)) & 1 == 0 {
            return None;
        }
        let at = (hash >> self.shift) as usize;
        prefetch(&self.slots, at);
        Some(Probe { key, at })
    }

    #[inline(always)]
    pub fn answer(&self, Probe { key, mut at }: Probe) -> u32 {
        let mask = self.slots.len() - 1;
        loop {
            let slot = self.slots[at & mask];
            if slot >> 22 == key {
                return (slot & ((1 << 22) - 1)) as u32;
            }
            if slot == EMPTY {
                return NO_RANK;
            }
            at += 1;
        }
    }
}
