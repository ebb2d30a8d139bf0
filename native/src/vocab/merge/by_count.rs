//! The most frequent pair first, ties to the smaller pair of ids: the order of Hugging Face's trainer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Pair, Queue};
use crate::vocab::scan::Floor;

/// A count, the pair (the smaller one first), its number.
type Entry = (u64, Reverse<(u32, u32)>, u32);

/// A lazy heap: counts only fall, so an entry is an upper bound, and is put right when it comes to the top.
#[derive(Default)]
pub struct ByCount {
    heap: BinaryHeap<Entry>,
}

impl Queue for ByCount {
    fn floor(&self, below: u64, min: u64, merges: usize) -> Floor {
        Floor::Below { floor: below, merges, min }
    }

    fn clear(&mut self) {
        self.heap.clear();
    }

    fn push(&mut self, number: u32, pair: &Pair) {
        self.heap.push((pair.count, Reverse((pair.left, pair.right)), number));
    }

    fn pop(&mut self, pairs: &[Pair], floor: u64) -> Option<u32> {
        loop {
            let mut top = self.heap.peek_mut()?;
            let now = pairs[top.2 as usize].count;
            if now == top.0 {
                return Some(std::collections::binary_heap::PeekMut::pop(top).2);
            }
            if now >= floor {
                top.0 = now;
            } else {
                std::collections::binary_heap::PeekMut::pop(top);
            }
        }
    }
}
