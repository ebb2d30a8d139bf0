//! Counted words enter, one flat array of symbols leaves: words of one count together, a zero between words.

use std::cmp::Reverse;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::vocab::alphabet::Alphabet;
use crate::vocab::machine::{in_parts, on_huge_pages};
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
const CUT: usize = 1 << 15;

/// Words as runs of slots between zeros. A symbol that spans several slots has its id in the first and in the last.
pub struct Segments<S> {
    pub slots: Vec<S>,
    /// How often the words of each class were counted, and the slot behind its last word.
    classes: Vec<(u64, u32)>,
    /// The class that each block of slots starts in.
    blocks: Vec<u32>,
    /// Starts of words, about every `CUT` slots.
    cuts: Vec<u32>,
}

impl<S: Symbol> Segments<S> {
    /// Lays out all words of two symbols or more: by falling count, in a run for each thread.
    pub fn new(counts: &WordCounts, alphabet: &Alphabet, threads: usize) -> Result<Self> {
        let runs = in_parts(counts.parts(threads), |part| (Run::of(counts, &part, alphabet), part));
        let total = 1 + runs.iter().map(|(run, _)| run.len).sum::<usize>();
        if total >= u32::MAX as usize {
            return Err(Error::input(format!("the distinct words have {total} symbols together: the limit is 2^32"))
                .with_hint("train on a sample, or split into shorter words"));
        }
        let mut all = on_huge_pages(S::default(), total);
        let (mut classes, mut base) = (Vec::new(), 1);
        let (mut parts, mut rest) = (Vec::new(), &mut all[1..]);
        for (run, part) in runs {
            classes.extend(run.classes.iter().map(|&(count, end)| (count, (base + end) as u32)));
            base += run.len;
            let (mine, others) = rest.split_at_mut(run.len);
            rest = others;
            parts.push((run, part, mine));
        }
        in_parts(parts, |(run, part, slots)| run.write(counts, &part, alphabet, slots));
        Ok(Self::with_classes(all, classes))
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
        let zero = |at: &usize| slots[*at] == S::default();
        let cuts = (CUT..slots.len()).step_by(CUT);
        let cuts = cuts.filter_map(|at| Some((at..slots.len()).find(zero)? as u32 + 1)).collect();
        Self { slots, classes, blocks, cuts }
    }

    /// All slots by their weights: about the number of symbols of the text.
    pub fn symbols(&self) -> u64 {
        let starts = std::iter::once(1).chain(self.classes.iter().map(|&(_, end)| end));
        self.classes.iter().zip(starts).map(|(&(count, end), start)| u64::from(end - start).saturating_mul(count)).sum()
    }

    /// Weights for places in rising order.
    #[inline(always)]
    pub fn weights(&self) -> Weights<'_> {
        Weights { classes: &self.classes, blocks: &self.blocks, until: 0, weight: 0 }
    }

    /// The slots to write to, together with their weights and with starts of words to cut them at.
    #[inline(always)]
    pub fn split(&mut self) -> (&mut [S], Weights<'_>, &[u32]) {
        let weights = Weights { classes: &self.classes, blocks: &self.blocks, until: 0, weight: 0 };
        (&mut self.slots, weights, &self.cuts)
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

/// The words of one part of the table, in the order of their counts.
struct Run {
    len: usize,
    /// Each count with the slot behind its last word.
    classes: Vec<(u64, usize)>,
    /// Each count with the slot of its next word.
    cursors: FxHashMap<u64, usize>,
}

impl Run {
    fn of(counts: &WordCounts, part: &Range<usize>, alphabet: &Alphabet) -> Self {
        let mut cursors: FxHashMap<u64, usize> = FxHashMap::default();
        counts.for_each_in(part, |word, count| match alphabet.count(word) {
            0 | 1 => {}
            n => *cursors.entry(count).or_default() += n + 1,
        });
        let mut classes: Vec<(u64, usize)> = cursors.iter().map(|(&count, &size)| (count, size)).collect();
        classes.sort_unstable_by_key(|&(count, _)| Reverse(count));
        let mut len = 0;
        for (count, end) in &mut classes {
            cursors.insert(*count, len);
            len += *end;
            *end = len;
        }
        Self { len, classes, cursors }
    }

    fn write<S: Symbol>(mut self, counts: &WordCounts, part: &Range<usize>, alphabet: &Alphabet, slots: &mut [S]) {
        counts.for_each_in(part, |word, count| {
            let n = alphabet.count(word);
            if n > 1
                && let Some(cursor) = self.cursors.get_mut(&count)
            {
                alphabet.write(word, &mut slots[*cursor..*cursor + n]);
                *cursor += n + 1;
            }
        });
    }
}

/// The first cut behind `place`, or the last of all.
pub fn cut_behind(cuts: &[u32], place: usize) -> usize {
    let at = cuts.partition_point(|&cut| cut as usize <= place);
    cuts.get(at).or(cuts.last()).map_or(0, |&cut| cut as usize)
}

/// A walk over places in rising order, with the weight of each.
#[derive(Clone)]
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
