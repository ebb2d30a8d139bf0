//! A pair of symbols enters, its number leaves.

use crate::vocab::machine::{Huge, prefetch};

/// The numbers of pairs, by open addressing. Pairs are never taken out.
pub struct Numbers {
    entries: Huge<((u32, u32), u32)>,
    used: usize,
}

impl Numbers {
    pub fn new(pairs: usize) -> Self {
        Self { entries: Huge::new(((0, 0), 0), (pairs * 4).next_power_of_two().max(1024)), used: 0 }
    }

    #[inline(always)]
    fn first_place(&self, pair: (u32, u32)) -> usize {
        let key = u64::from(pair.0) << 32 | u64::from(pair.1);
        let hash = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize;
        hash & (self.entries.len() - 1)
    }

    /// Asks for what `get` and `insert` will look at.
    #[inline(always)]
    pub fn prefetch(&self, pair: (u32, u32)) {
        prefetch(&self.entries, self.first_place(pair));
    }

    #[inline(always)]
    fn place(&self, pair: (u32, u32)) -> usize {
        let mask = self.entries.len() - 1;
        let mut at = self.first_place(pair);
        // No symbol is 0, so a pair of them marks a free entry.
        while self.entries[at].0 != pair && self.entries[at].0 != (0, 0) {
            at = (at + 1) & mask;
        }
        at
    }

    #[inline(always)]
    pub fn get(&self, pair: (u32, u32)) -> Option<u32> {
        let (found, number) = self.entries[self.place(pair)];
        (found == pair).then_some(number)
    }

    pub fn insert(&mut self, pair: (u32, u32), number: u32) {
        if self.used * 2 >= self.entries.len() {
            let size = self.entries.len() * 2;
            let old = std::mem::replace(&mut self.entries, Huge::new(((0, 0), 0), size));
            for &entry in old.iter().filter(|entry| entry.0 != (0, 0)) {
                let at = self.place(entry.0);
                self.entries[at] = entry;
            }
        }
        let at = self.place(pair);
        self.entries[at] = (pair, number);
        self.used += 1;
    }
}
