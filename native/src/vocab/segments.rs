//! Counted words enter, one flat array of symbols leaves: words by falling count, a zero between them.

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::vocab::words::WordCounts;

/// What an array of symbols is made of: `u16` where the vocabulary allows it.
pub trait Symbol: Copy + Eq + Default + Send + Sync + 'static {
    fn new(id: usize) -> Self;
    fn id(self) -> usize;
}

impl Symbol for u16 {
    #[inline(always)]
    fn new(id: usize) -> Self {
        id as u16
    }
    #[inline(always)]
    fn id(self) -> usize {
        self as usize
    }
}

impl Symbol for u32 {
    #[inline(always)]
    fn new(id: usize) -> Self {
        id as u32
    }
    #[inline(always)]
    fn id(self) -> usize {
        self as usize
    }
}

/// Slots that share one weight lie together, so the weight of a place is found by its block of 64 slots.
const BLOCK: usize = 64;

/// Words as runs of slots between zeros. A symbol that spans several slots has its id in the first and in the last.
pub struct Segments<S> {
    pub slots: Vec<S>,
    /// How often the words of each class were counted, falling, and the slot behind its last word.
    classes: Vec<(u64, u32)>,
    /// The class that each block of slots starts in.
    blocks: Vec<u32>,
}

impl<S: Symbol> Segments<S> {
    /// Lays out all words of two symbols or more. `symbols` calls back with the ids (from 1 on) of a word.
    pub fn new(counts: &WordCounts, symbols: impl Fn(&[u8], &mut dyn FnMut(usize))) -> Result<Self> {
        let length = |word: &[u8]| {
            let mut n = 0;
            symbols(word, &mut |_| n += 1);
            n
        };
        let mut sizes: FxHashMap<u64, u64> = FxHashMap::default();
        counts.for_each(|word, count| match length(word) {
            0 | 1 => {}
            n => *sizes.entry(count).or_default() += n + 1,
        });
        let mut sizes: Vec<(u64, u64)> = sizes.into_iter().collect();
        sizes.sort_unstable_by_key(|&(count, _)| std::cmp::Reverse(count));
        let total = 1 + sizes.iter().map(|(_, size)| size).sum::<u64>();
        if total >= u64::from(u32::MAX) {
            return Err(Error::input(format!("the distinct words have {total} symbols together: the limit is 2^32"))
                .with_hint("train on a sample, or split into shorter words"));
        }
        let mut at = 1;
        let mut cursors: FxHashMap<u64, usize> = FxHashMap::default();
        let mut classes = Vec::with_capacity(sizes.len());
        for (count, size) in sizes {
            cursors.insert(count, at);
            at += size as usize;
            classes.push((count, at as u32));
        }
        let mut slots = vec![S::default(); total as usize];
        counts.for_each(|word, count| {
            let Some(cursor) = cursors.get_mut(&count) else { return };
            let (mut n, mut first) = (0, S::default());
            symbols(word, &mut |id| {
                // A word of one symbol has no room of its own.
                match n {
                    0 => first = S::new(id),
                    _ => slots[*cursor + n] = S::new(id),
                }
                n += 1;
            });
            if n > 1 {
                slots[*cursor] = first;
                *cursor += n + 1;
            }
        });
        Ok(Self::with_classes(slots, classes))
    }

    fn with_classes(slots: Vec<S>, classes: Vec<(u64, u32)>) -> Self {
        let mut class = 0;
        let blocks = (0..slots.len().div_ceil(BLOCK))
            .map(|block| {
                while class + 1 < classes.len() && (block * BLOCK) as u32 >= classes[class].1 {
                    class += 1;
                }
                class as u32
            })
            .collect();
        Self { slots, classes, blocks }
    }

    /// Weights for places in rising order.
    #[inline(always)]
    pub fn weights(&self) -> Weights<'_> {
        Weights { classes: &self.classes, blocks: &self.blocks, until: 0, weight: 0 }
    }

    /// The slots to write to, together with their weights.
    #[inline(always)]
    pub fn split(&mut self) -> (&mut [S], Weights<'_>) {
        let weights = Weights { classes: &self.classes, blocks: &self.blocks, until: 0, weight: 0 };
        (&mut self.slots, weights)
    }

    /// Puts `symbol` in place of each pair, from left to right. The segments must be packed before, and are after.
    pub fn replace(&mut self, left: S, right: S, symbol: S) {
        let (mut from, mut to) = (1, 1);
        for (_, end) in &mut self.classes {
            while from < *end as usize {
                let start = to;
                while self.slots[from] != S::default() {
                    let both = self.slots[from] == left && self.slots[from + 1] == right;
                    self.slots[to] = if both { symbol } else { self.slots[from] };
                    from += 1 + usize::from(both);
                    to += 1;
                }
                from += 1;
                self.slots[to] = S::default();
                to += 1;
                debug_assert!(to > start + 1);
            }
            *end = to as u32;
        }
        self.slots.truncate(to);
        let (slots, classes) = (std::mem::take(&mut self.slots), std::mem::take(&mut self.classes));
        *self = Self::with_classes(slots, classes);
    }

    /// Packs every symbol into one slot, and leaves words of one symbol out. `spans` has the slots of each symbol.
    pub fn pack(&mut self, spans: &[u32]) {
        let (mut from, mut to) = (1, 1);
        for (_, end) in &mut self.classes {
            while from < *end as usize {
                let start = to;
                while self.slots[from] != S::default() {
                    let symbol = self.slots[from];
                    self.slots[to] = symbol;
                    from += spans[symbol.id()] as usize;
                    to += 1;
                }
                from += 1;
                if to > start + 1 {
                    self.slots[to] = S::default();
                    to += 1;
                } else {
                    to = start;
                }
            }
            *end = to as u32;
        }
        self.slots.truncate(to);
        let (slots, classes) = (std::mem::take(&mut self.slots), std::mem::take(&mut self.classes));
        *self = Self::with_classes(slots, classes);
    }
}

/// A walk over places in rising order, with the weight of each.
pub struct Weights<'a> {
    classes: &'a [(u64, u32)],
    blocks: &'a [u32],
    until: usize,
    weight: u64,
}

impl Weights<'_> {
    /// The weight of the word at `place`, which must not be less than the place before.
    #[inline(always)]
    pub fn at(&mut self, place: usize) -> u64 {
        if place >= self.until {
            let mut class = self.blocks[place / BLOCK] as usize;
            while self.classes[class].1 as usize <= place {
                class += 1;
            }
            (self.weight, self.until) = (self.classes[class].0, self.classes[class].1 as usize);
        }
        self.weight
    }
}
