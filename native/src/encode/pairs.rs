//! A pair of neighbouring tokens to the rank of their merge: open addressing, eight bytes a slot
//! (21 bits of left id, 21 of right id, 22 of rank), so that the table of a 100k vocabulary stays near the cache.

use crate::vocab::machine::on_huge_pages;

/// No merge: larger than every rank.
pub const NO_RANK: u32 = u32::MAX;
/// Ranks must fit in 22 bits.
pub const MAX_RANK: u32 = (1 << 22) - 2;
const EMPTY: u64 = u64::MAX;

#[derive(Clone, Debug)]
pub struct Pairs {
    slots: Vec<u64>,
    shift: u32,
}

impl Pairs {
    pub fn with_capacity(merges: usize) -> Self {
        let size = (merges * 2).next_power_of_two().max(64);
        Self { slots: on_huge_pages(EMPTY, size), shift: 64 - size.trailing_zeros() }
    }

    #[inline(always)]
    fn key(left: u32, right: u32) -> u64 {
        (u64::from(left) << 21) | u64::from(right)
    }

    #[inline(always)]
    fn start(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// Sets the rank of a pair; a second rank replaces the first. Holds as many pairs as it was made for.
    pub fn insert(&mut self, left: u32, right: u32, rank: u32) {
        let key = Self::key(left, right);
        let mask = self.slots.len() - 1;
        let mut at = self.start(key);
        while self.slots[at] != EMPTY && self.slots[at] >> 22 != key {
            at = (at + 1) & mask;
        }
        self.slots[at] = (key << 22) | u64::from(rank);
    }

    /// The rank of a pair, or `NO_RANK`.
    #[inline(always)]
    pub fn rank(&self, left: u32, right: u32) -> u32 {
        let key = Self::key(left, right);
        let mask = self.slots.len() - 1;
        let mut at = self.start(key) & mask;
        loop {
            let slot = self.slots[at];
            if slot >> 22 == key {
                return (slot & ((1 << 22) - 1)) as u32;
            }
            if slot == EMPTY {
                return NO_RANK;
            }
            at = (at + 1) & mask;
        }
    }
}
