//! Packed segments enter, the frequent pairs leave, each with its count and, by shares, the list of its places.
//!
//! Three walks, a thread for each share: a sketch (sums by hash, so never too low) that tells which pairs can reach
//! the floor, an exact table of those, then their lists. Where the symbols are few, two walks over a table of all pairs.

mod dense;

use crate::vocab::machine::{Huge, huge_pages, in_parts};
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
    /// Left and right symbol, and count.
    pub pairs: Vec<(u32, u32, u64)>,
    /// For each share the number of places of each pair, and the places: in rising order for each pair, one pair after the
    /// other.
    pub lists: Vec<(Vec<u32>, Vec<u32>)>,
}

/// Pairs of few symbols are numbered without collisions.
const DENSE: usize = 1 << 18;

#[inline(always)]
fn hash(a: usize, b: usize) -> usize {
    let key = (a as u64) << 32 | b as u64;
    let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product as u64 ^ (product >> 64) as u64) as usize
}

#[derive(Clone, Copy, Default)]
struct Entry {
    key: u64,
    count: u64,
    places: u32,
    /// Where its next place goes, plus one; 0 where it isn't kept.
    next: u32,
}

struct Table {
    entries: Huge<Entry>,
    len: usize,
}

impl Table {
    fn new(size: usize) -> Self {
        Self { entries: Huge::new(Entry::default(), size.next_power_of_two()), len: 0 }
    }

    /// The entry of a pair; a free one has key 0 (no symbol is 0).
    #[inline(always)]
    fn at(&self, a: usize, b: usize) -> usize {
        let key = (a as u64) << 32 | b as u64;
        let mask = self.entries.len() - 1;
        let mut at = hash(a, b) & mask;
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
            self.len += 1;
            if self.len * 2 > self.entries.len() {
                self.grow();
            }
        }
    }

    /// The pairs, in no order that means anything.
    fn used(&self) -> impl Iterator<Item = ((usize, usize), &Entry)> {
        let used = self.entries.iter().filter(|entry| entry.key != 0);
        used.map(|entry| (((entry.key >> 32) as usize, entry.key as u32 as usize), entry))
    }

    fn grow(&mut self) {
        let size = self.entries.len() * 2;
        let old = std::mem::replace(&mut self.entries, Huge::new(Entry::default(), size));
        for &entry in old.iter().filter(|entry| entry.key != 0) {
            let at = self.at((entry.key >> 32) as usize, entry.key as u32 as usize);
            self.entries[at] = entry;
        }
    }
}

/// Finds all pairs that reach the floor and are `allowed`. The same for any number of shares.
pub fn scan<S: Symbol>(
    shares: &[&Segments<S>],
    symbols: usize,
    floor: &Floor,
    allowed: impl Fn(usize, usize) -> bool,
) -> Found {
    let floor = match *floor {
        Floor::At(floor) => floor,
        Floor::Below { floor, merges, min } => {
            // Counts fall a little faster than 1 / rank: on real text of any language the last of n merges joins a pair
            // with 1 / 60 n to 1 / 30 n of all symbols. Too low a guess costs memory and time, too high one more scan.
            let symbols: u64 = shares.iter().map(|segments| segments.symbols()).sum();
            let share = symbols / (96 * merges.max(1) as u64);
            share.min(floor / 4).max(min)
        }
    };
    let slots: usize = shares.iter().map(|segments| segments.slots.len()).sum();
    if symbols * symbols <= DENSE.min(slots) {
        return dense::scan(shares, symbols, floor, allowed);
    }
    let size = (slots / 2).next_power_of_two().clamp(1 << 10, 1 << 22);
    let sketch = if floor <= 1 { Huge::default() } else { sketch(shares, size) };
    let may = |a: usize, b: usize| {
        let sum = if sketch.is_empty() { u32::MAX } else { sketch[hash(a, b) & (size - 1)] };
        sum == u32::MAX || u64::from(sum) >= floor
    };

    // About as many pairs as sums that reach the floor: a table that needn't grow.
    let many = sketch.iter().filter(|&&sum| u64::from(sum) >= floor).count();
    let tables = in_parts(shares.to_vec(), |segments| {
        let mut table = Table::new(1024 + 2 * many);
        segments.walk(|_, a, b, count| {
            let (a, b) = (a.id(), b.id());
            if may(a, b) {
                table.add(a, b, count, 1);
            }
        });
        table
    });
    let mut all = Table::new(tables.iter().map(|table| table.entries.len()).max().unwrap_or(1));
    for (key, entry) in tables.iter().flat_map(Table::used) {
        all.add(key.0, key.1, entry.count, entry.places);
    }
    let kept = all.used().filter(|&((a, b), entry)| entry.count >= floor && allowed(a, b));
    let pairs: Vec<_> = kept.map(|((a, b), entry)| (a as u32, b as u32, entry.count)).collect();
    drop(all);

    let lists = in_parts(shares.iter().zip(tables).collect(), |(segments, mut table)| {
        let mut total = 0;
        let mut counts = Vec::with_capacity(pairs.len());
        for &(a, b, _) in &pairs {
            let at = table.at(a as usize, b as usize);
            let entry = &mut table.entries[at];
            counts.push(entry.places);
            entry.next = total + 1;
            total += entry.places;
        }
        let mut places = room(total as usize, segments.slots.len());
        segments.walk(|place, a, b, _| {
            let (a, b) = (a.id(), b.id());
            if !may(a, b) {
                return;
            }
            let at = table.at(a, b);
            let next = &mut table.entries[at].next;
            if *next > 0 {
                places[*next as usize - 1] = place as u32;
                *next += 1;
            }
        });
        (counts, places)
    });
    Found { floor, pairs, lists }
}

/// So many places, with room behind them for the lists of one merge a slot; what is never written to costs nothing.
fn room(places: usize, slots: usize) -> Vec<u32> {
    let mut out = vec![0; places + slots];
    huge_pages(&mut out);
    out.truncate(places);
    out
}

/// Sums of counts by hash, in `size` buckets.
fn sketch<S: Symbol>(shares: &[&Segments<S>], size: usize) -> Huge<u32> {
    let sketches = in_parts(shares.to_vec(), |segments| {
        let mut sketch = Huge::new(0u32, size);
        segments.walk(|_, a, b, count| {
            let sum = &mut sketch[hash(a.id(), b.id()) & (size - 1)];
            *sum = sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        });
        sketch
    });
    sketches
        .into_iter()
        .reduce(|mut all, other| {
            all.iter_mut().zip(other.iter()).for_each(|(sum, &more)| *sum = sum.saturating_add(more));
            all
        })
        .unwrap_or_default()
}
