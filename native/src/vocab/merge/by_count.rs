//! The most frequent pair first, ties to the smaller pair of ids: the order of Hugging Face's trainer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::{Pair, Queue};
use crate::vocab::scan::Floor;

/// A count, the pair (the smaller one first), its number.
type Entry = (u64, Reverse<(u32, u32)>, u32);

/// A lazy queue: counts only fall, so an entry is an upper bound, and is put right when it comes to the top. No new pair is
/// more frequent than the one merged before it, so counts come in levels (as in a radix heap, Ahuja et al. 1990): the
/// highest one in use is a heap, small enough for a near cache, and the lower ones wait as they came.
#[derive(Default)]
pub struct ByCount {
    heap: BinaryHeap<Entry>,
    /// The lowest level of the heap; no entry of it or a higher one waits.
    level: usize,
    waiting: Vec<Vec<Entry>>,
}

/// Quarters of powers of two; counts below 4 each alone.
#[inline(always)]
fn level_of(count: u64) -> usize {
    if count < 4 {
        return count as usize;
    }
    let power = count.ilog2() - 1;
    (power as usize) << 2 | (count >> (power - 1)) as usize & 3
}

impl ByCount {
    #[inline(always)]
    fn enter(&mut self, entry: Entry) {
        let level = level_of(entry.0);
        if level >= self.level {
            self.heap.push(entry);
        } else {
            self.waiting[level].push(entry);
        }
    }

    /// The first of the heap, once its count is true.
    fn top(&mut self, pairs: &[Pair], floor: u64) -> Option<Entry> {
        loop {
            let Some(mut top) = self.heap.peek_mut() else {
                if self.descend(pairs, floor) {
                    continue;
                }
                return None;
            };
            let now = pairs[top.2 as usize].count;
            if now == top.0 {
                return Some(*top);
            }
            if now >= floor && level_of(now) >= self.level {
                top.0 = now;
                continue;
            }
            let (_, pair, number) = PeekMut::pop(top);
            if now >= floor {
                self.waiting[level_of(now)].push((now, pair, number));
            }
        }
    }

    /// Makes a heap of the next level that has entries; those that fell below it go on waiting. False where there are none.
    fn descend(&mut self, pairs: &[Pair], floor: u64) -> bool {
        while self.level > 0 {
            self.level -= 1;
            let mut entries = std::mem::take(&mut self.waiting[self.level]);
            entries.retain_mut(|entry| {
                entry.0 = pairs[entry.2 as usize].count;
                let level = level_of(entry.0);
                if level < self.level && entry.0 >= floor {
                    self.waiting[level].push(*entry);
                }
                level == self.level && entry.0 >= floor
            });
            if !entries.is_empty() {
                self.heap = BinaryHeap::from(entries);
                return true;
            }
        }
        false
    }
}

impl Queue for ByCount {
    fn floor(&self, below: u64, min: u64, merges: usize) -> Floor {
        Floor::Below { floor: below, merges, min }
    }

    fn clear(&mut self) {
        self.heap.clear();
        self.waiting.resize_with(level_of(u64::MAX) + 1, Vec::new);
        self.waiting.iter_mut().for_each(Vec::clear);
        self.level = self.waiting.len();
    }

    fn push(&mut self, number: u32, pair: &Pair) {
        self.enter((pair.count, Reverse((pair.left, pair.right)), number));
    }

    fn pop(&mut self, pairs: &[Pair], floor: u64) -> Option<u32> {
        let (_, _, number) = self.top(pairs, floor)?;
        self.heap.pop();
        Some(number)
    }

    fn pop_ahead(&mut self, pairs: &[Pair], last: &Pair, made: &[Pair], floor: u64) -> Option<u32> {
        let top = self.top(pairs, floor)?;
        let (_, Reverse((left, right)), number) = top;
        let loses = right == last.left || left == last.right;
        let better = |pair: &Pair| (pair.count, Reverse((pair.left, pair.right))) > (top.0, top.1);
        if loses || made.iter().any(better) {
            return None;
        }
        self.heap.pop();
        Some(number)
    }

    fn next(&self) -> Option<u32> {
        self.heap.peek().map(|entry| entry.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_rise_with_counts() {
        let near: Vec<usize> = (0..1000).map(level_of).collect();
        assert!(near.windows(2).all(|two| two[0] == two[1] || two[0] + 1 == two[1]));
        let far: Vec<usize> =
            (8..64).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1]).map(level_of).collect();
        assert!(far.is_sorted() && far[1] == far[0] + 1);
        assert_eq!(level_of(u64::MAX), 251);
    }
}
