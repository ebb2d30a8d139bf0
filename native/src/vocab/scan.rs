//! Packed segments enter, the frequent pairs leave, each with its count and the list of its places.
//!
//! Three walks, each shared between threads: a sketch (sums by hash, so never too low) that tells which pairs can reach
//! the floor, an exact table of those, then their lists.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::vocab::machine::{huge_pages, in_parts, on_huge_pages};
use crate::vocab::segments::{Segments, Symbol};

/// Least count of the pairs wanted.
pub enum Floor {
    At(u64),
    /// As low as `merges` more merges will probably need, but not below `min`, and at most a quarter of `floor`.
    Below {
        floor: u64,
        merges: usize,
        min: u64,
    },
}

pub struct Found {
    pub floor: u64,
    /// Left and right symbol, count, and number of places. The lists follow each other in `places`.
    pub pairs: Vec<(u32, u32, u64, usize)>,
    pub places: Vec<u32>,
}

/// Pairs of few symbols are numbered without collisions.
const DENSE: usize = 1 << 18;

/// Where a pair goes in a table of a power of two.
#[derive(Clone, Copy)]
struct Hash {
    symbols: usize,
    dense: bool,
}

impl Hash {
    #[inline(always)]
    fn of(self, a: usize, b: usize) -> usize {
        if self.dense {
            a * self.symbols + b
        } else {
            let key = (a as u64) << 32 | b as u64;
            let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
            (product as u64 ^ (product >> 64) as u64) as usize
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Entry {
    key: u64,
    count: u64,
    places: u32,
    /// Number of the pair among those kept, plus one.
    number: u32,
}

struct Table {
    hash: Hash,
    entries: Vec<Entry>,
    used: usize,
}

impl Table {
    fn new(hash: Hash, size: usize) -> Self {
        Self { hash, entries: on_huge_pages(Entry::default(), size.next_power_of_two()), used: 0 }
    }

    /// The entry of a pair; a free one has key 0 (no symbol is 0).
    #[inline(always)]
    fn at(&self, a: usize, b: usize) -> usize {
        let key = (a as u64) << 32 | b as u64;
        let mask = self.entries.len() - 1;
        let mut at = self.hash.of(a, b) & mask;
        while self.entries[at].key != key && self.entries[at].key != 0 {
            at = (at + 1) & mask;
        }
        at
    }

    #[inline(always)]
    fn add(&mut self, a: usize, b: usize, count: u64, places: u32) {
        let at = self.at(a, b);
        let entry = &mut self.entries[at];
        entry.count += count;
        entry.places += places;
        if entry.key == 0 {
            entry.key = (a as u64) << 32 | b as u64;
            self.used += 1;
            if self.used * 2 > self.entries.len() {
                self.grow();
            }
        }
    }

    fn grow(&mut self) {
        let size = self.entries.len() * 2;
        let old = std::mem::replace(&mut self.entries, on_huge_pages(Entry::default(), size));
        for entry in old.into_iter().filter(|entry| entry.key != 0) {
            let at = self.at((entry.key >> 32) as usize, entry.key as u32 as usize);
            self.entries[at] = entry;
        }
    }
}

/// Finds all pairs that reach the floor and are `allowed`. The same for any number of threads.
pub fn scan<S: Symbol>(
    segments: &Segments<S>,
    symbols: usize,
    floor: &Floor,
    threads: usize,
    allowed: impl Fn(usize, usize) -> bool,
) -> Found {
    let hash = Hash { symbols, dense: symbols * symbols <= DENSE.min(segments.slots.len()) };
    let parts = parts(segments.slots.len(), threads);

    let floor = match *floor {
        Floor::At(floor) => floor,
        Floor::Below { floor, merges, min } => {
            // Counts fall a little faster than 1 / rank: on real text of any language the last of n merges joins a pair
            // with 1 / 60 n to 1 / 30 n of all symbols. Too low a guess costs memory and time, too high one more scan.
            let share = segments.symbols() / (96 * merges.max(1) as u64);
            share.min(floor / 4).max(min)
        }
    };
    let size = (segments.slots.len() / 2).next_power_of_two().clamp(1 << 10, 1 << 22);
    let sketch = if hash.dense || floor <= 1 { Vec::new() } else { sketch(segments, hash, size, &parts) };
    let may = |a: usize, b: usize| {
        let sum = if sketch.is_empty() { u32::MAX } else { sketch[hash.of(a, b) & (size - 1)] };
        sum == u32::MAX || u64::from(sum) >= floor
    };

    // About as many pairs as sums that reach the floor: a table that needn't grow.
    let many = sketch.iter().filter(|&&sum| u64::from(sum) >= floor).count();
    let room = if hash.dense { symbols * symbols } else { 1024 + 2 * many };
    let tables = in_parts(parts.clone(), |range| {
        let mut table = Table::new(hash, room);
        walk(segments, range, |_, a, b, count| {
            if may(a, b) {
                table.add(a, b, count, 1);
            }
        });
        table
    });
    let mut all = Table::new(hash, tables.iter().map(|table| table.entries.len()).max().unwrap_or(1));
    for entry in tables.iter().flat_map(|table| &table.entries).filter(|entry| entry.key != 0) {
        all.add((entry.key >> 32) as usize, entry.key as u32 as usize, entry.count, entry.places);
    }
    let mut pairs = Vec::new();
    let mut total = 0;
    for entry in &mut all.entries {
        let (a, b) = ((entry.key >> 32) as u32, entry.key as u32);
        if entry.key != 0 && entry.count >= floor && allowed(a as usize, b as usize) {
            pairs.push((a, b, entry.count, entry.places as usize));
            entry.number = pairs.len() as u32;
            total += entry.places as usize;
        }
    }

    // Where each part writes the places of each pair: behind those of the parts before it.
    let mut next = 0;
    let mut cursors: Vec<Vec<u32>> = vec![Vec::with_capacity(pairs.len()); parts.len()];
    for &(a, b, _, _) in &pairs {
        for (cursor, table) in cursors.iter_mut().zip(&tables) {
            cursor.push(next);
            next += table.entries[table.at(a as usize, b as usize)].places;
        }
    }
    drop(tables);
    let mut places = vec![0; total];
    huge_pages(&mut places);
    // SAFETY: the two types have the same layout, and the borrow is exclusive.
    let shared: &[AtomicU32] = unsafe { &*(places.as_mut_slice() as *mut [u32] as *const [AtomicU32]) };
    in_parts(parts.into_iter().zip(cursors).collect(), |(range, mut cursor)| {
        walk(segments, range, |place, a, b, _| {
            if !may(a, b) {
                return;
            }
            let number = all.entries[all.at(a, b)].number as usize;
            if number > 0 {
                let cursor = &mut cursor[number - 1];
                shared[*cursor as usize].store(place as u32, Ordering::Relaxed);
                *cursor += 1;
            }
        });
    });
    Found { floor, pairs, places }
}

/// Sums of counts by hash, in `size` buckets.
fn sketch<S: Symbol>(segments: &Segments<S>, hash: Hash, size: usize, parts: &[std::ops::Range<usize>]) -> Vec<u32> {
    let sketches = in_parts(parts.to_vec(), |range| {
        let mut sketch = on_huge_pages(0u32, size);
        walk(segments, range, |_, a, b, count| {
            let sum = &mut sketch[hash.of(a, b) & (size - 1)];
            *sum = sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        });
        sketch
    });
    sketches
        .into_iter()
        .reduce(|mut all, other| {
            all.iter_mut().zip(other).for_each(|(sum, more)| *sum = sum.saturating_add(more));
            all
        })
        .unwrap_or_default()
}

#[inline(always)]
fn walk<S: Symbol>(
    segments: &Segments<S>,
    range: std::ops::Range<usize>,
    mut pair: impl FnMut(usize, usize, usize, u64),
) {
    let mut weights = segments.weights();
    let mut left = segments.slots[range.start - 1].id();
    for place in range {
        let right = segments.slots[place].id();
        if left != 0 && right != 0 {
            pair(place, left, right, weights.at(place));
        }
        left = right;
    }
}

/// Cuts the places 1..len into parts for threads; short arrays stay whole.
fn parts(len: usize, threads: usize) -> Vec<std::ops::Range<usize>> {
    let n = threads.clamp(1, 1 + len / (1 << 18));
    let bound = |i: usize| 1 + (len - 1) * i / n;
    (0..n).map(|i| bound(i)..bound(i + 1)).collect()
}
