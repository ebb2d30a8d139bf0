//! Counted words enter, one flat array of symbols leaves: words of one count together, a zero between words.

use std::cmp::Reverse;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::vocab::alphabet::Alphabet;
use crate::vocab::machine::{Huge, in_parts};
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

/// Slots in a block have one weight. Words of one count lie together and start at a block of their own.
const BLOCK: usize = 64;
/// Counts below this one are looked up without a hash.
const FEW: usize = 256;

/// Words as runs of slots between zeros. A symbol that spans several slots has its id in the first and in the last.
pub struct Segments<S> {
    pub slots: Huge<S>,
    weights: Weights,
    classes: Vec<Class>,
}

/// The words that were counted equally often: how often, and their slots, a zero behind each word.
struct Class {
    count: u64,
    slots: Range<usize>,
}

/// How often the words of each block were counted: a table small enough for a near cache, by the class of each block.
pub struct Weights {
    blocks: Vec<u32>,
    counts: Vec<u64>,
}

impl Weights {
    /// The weight of the word at `place`.
    #[inline(always)]
    pub fn at(&self, place: usize) -> u64 {
        self.counts[self.blocks[place / BLOCK] as usize]
    }
}

impl<S: Symbol> Segments<S> {
    /// Lays out all words of two symbols or more, by falling count: in a share for each thread, where there are many.
    pub fn new(counts: &WordCounts, alphabet: &Alphabet, threads: usize) -> Result<Vec<Self>> {
        in_parts(counts.parts(threads), |part| Self::of(counts, &part, alphabet)).into_iter().collect()
    }

    /// The words of one part of the table.
    fn of(counts: &WordCounts, part: &Range<usize>, alphabet: &Alphabet) -> Result<Self> {
        // How many slots the words of each count take.
        let mut few = vec![0; FEW];
        let mut many: FxHashMap<u64, usize> = FxHashMap::default();
        counts.for_each_in(part, |word, count| match alphabet.count(word) {
            0 | 1 => {}
            n if count < FEW as u64 => few[count as usize] += n + 1,
            n => *many.entry(count).or_default() += n + 1,
        });
        let mut sizes: Vec<(u64, usize)> = many.iter().map(|(&count, &size)| (count, size)).collect();
        sizes.extend((0..).zip(few.iter().copied()).filter(|&(_, size)| size > 0));
        sizes.sort_unstable_by_key(|&(count, _)| Reverse(count));
        // From here on where the next word of each count goes.
        let mut classes = Vec::with_capacity(sizes.len());
        let mut end = BLOCK;
        for (count, size) in sizes {
            *(if count < FEW as u64 { &mut few[count as usize] } else { many.entry(count).or_default() }) = end;
            classes.push(Class { count, slots: end..end + size });
            end = (end + size).next_multiple_of(BLOCK);
        }
        if end >= u32::MAX as usize {
            return Err(Error::input(format!("the distinct words have {end} symbols together: the limit is 2^32"))
                .with_hint("train on a sample, or split into shorter words"));
        }
        let mut slots = Huge::new(S::default(), end);
        counts.for_each_in(part, |word, count| {
            let n = alphabet.count(word);
            if n > 1 {
                let next = if count < FEW as u64 { &mut few[count as usize] } else { many.entry(count).or_default() };
                alphabet.write(word, &mut slots[*next..*next + n]);
                *next += n + 1;
            }
        });
        Ok(Self::with_classes(slots, classes))
    }

    fn with_classes(slots: Huge<S>, classes: Vec<Class>) -> Self {
        let mut blocks = vec![0; slots.len() / BLOCK];
        for (class, number) in classes.iter().zip(0..) {
            blocks[class.slots.start / BLOCK..class.slots.end.div_ceil(BLOCK)].fill(number);
        }
        let counts = classes.iter().map(|class| class.count).collect();
        Self { slots, weights: Weights { blocks, counts }, classes }
    }

    /// All slots by their weights: about the number of symbols of the text.
    pub fn symbols(&self) -> u64 {
        self.classes.iter().map(|class| (class.slots.len() as u64).saturating_mul(class.count)).sum()
    }

    /// The slots to write to, together with their weights.
    #[inline(always)]
    pub fn split(&mut self) -> (&mut [S], &Weights) {
        (&mut self.slots, &self.weights)
    }

    /// Calls `pair` with every two symbols side by side: the place of the right one, both, and their weight. The segments
    /// must be packed.
    #[inline(always)]
    pub fn walk(&self, mut pair: impl FnMut(usize, S, S, u64)) {
        self.walk_slots(|place, left, right, weight| {
            if left != S::default() && right != S::default() {
                pair(place, left, right, weight);
            }
        });
    }

    /// The same with every two slots, so the ends of words too, where one is a zero.
    #[inline(always)]
    pub fn walk_slots(&self, mut pair: impl FnMut(usize, S, S, u64)) {
        let (mut left, mut place) = (S::default(), BLOCK);
        // The first block has no words.
        for block in self.slots.chunks_exact(BLOCK).skip(1) {
            let weight = self.weights.at(place);
            for &right in block {
                pair(place, left, right, weight);
                left = right;
                place += 1;
            }
        }
    }

    /// Puts `symbol` in place of each pair, from left to right. The segments must be packed before, and are after.
    pub fn replace(&mut self, left: S, right: S, symbol: S) {
        self.rewrite(|slots, from| {
            let both = slots[from] == left && slots[from + 1] == right;
            (if both { symbol } else { slots[from] }, 1 + usize::from(both))
        });
    }

    /// Packs every symbol into one slot, and leaves words of one symbol out. `spans` has the slots of each symbol.
    pub fn pack(&mut self, spans: &[u32]) {
        self.rewrite(|slots, from| (slots[from], spans[slots[from].id()] as usize));
    }

    /// Writes every word anew. `next` tells the symbol that begins at a slot, and how many slots it takes.
    #[inline(always)]
    fn rewrite(&mut self, next: impl Fn(&[S], usize) -> (S, usize)) {
        let (slots, none) = (&mut self.slots, S::default());
        let mut to = BLOCK;
        for class in &mut self.classes {
            let (mut from, first) = (class.slots.start, to);
            while from < class.slots.end {
                let start = to;
                while slots[from] != none {
                    let (symbol, span) = next(slots, from);
                    slots[to] = symbol;
                    from += span;
                    to += 1;
                }
                from += 1;
                if to > start + 1 {
                    slots[to] = none;
                    to += 1;
                } else {
                    to = start;
                }
            }
            class.slots = first..to;
            let end = to.next_multiple_of(BLOCK);
            slots[to..end].fill(none);
            to = end;
        }
        slots.truncate(to);
        let (slots, classes) = (std::mem::take(&mut self.slots), std::mem::take(&mut self.classes));
        *self = Self::with_classes(slots, classes);
    }
}
