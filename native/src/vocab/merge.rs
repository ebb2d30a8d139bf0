//! Segments enter, merges leave: the most frequent pair first, ties to the smaller pair of ids.
//!
//! Each pair has the list of its places (the slot where its right symbol starts, in rising order), exact when the list
//! is made: a pair comes into being only when the newer of its two symbols does. From then on it can only lose places,
//! so its count is an upper bound, made exact by a walk over the list when the pair comes to the top of the heap. The
//! neighbours of one merge are added up in arrays by symbol: there is no table of pairs. Pairs below a floor are
//! not kept; when the heap is empty the segments are packed and scanned again with a lower floor.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::Result;
use crate::progress::Progress;
use crate::vocab::scan::{Floor, scan};
use crate::vocab::segments::{Segments, Symbol};

/// What the caller says of a pair about to be merged.
pub enum Token {
    /// It becomes a new symbol, with the next id.
    New,
    /// A symbol with this id is spelled the same.
    Known(usize),
    /// It must not be merged.
    Refused,
    /// The vocabulary is full.
    Full,
}

pub struct Limits {
    /// Pairs seen less often are not merged (at least 1).
    pub min_count: u64,
    /// A pair is merged only where the lengths of its symbols add up to less.
    pub max_length: u32,
    /// New symbols at most: a hint for how far the floor has to go down.
    pub merges: usize,
    pub threads: usize,
}

#[derive(Clone, Copy)]
struct Pair {
    left: u32,
    right: u32,
    start: usize,
    len: usize,
    /// The merge after which its count was exact.
    checked: u32,
}

/// Sums of one merge for one neighbour.
#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    places: u32,
    /// Where its next place goes in `places`, plus one; 0 where it isn't kept.
    next: u32,
}

/// The neighbours on one side.
#[derive(Default)]
struct Side {
    sums: Vec<Sum>,
    touched: Vec<u32>,
    found: Vec<(u32, u32)>,
}

impl Side {
    #[inline(always)]
    fn add(&mut self, symbol: usize, place: usize, count: u64) {
        let sum = &mut self.sums[symbol];
        if sum.places == 0 {
            self.touched.push(symbol as u32);
        }
        sum.count += count;
        sum.places += 1;
        self.found.push((symbol as u32, place as u32));
    }

    #[inline(always)]
    fn undo(&mut self, symbol: usize, count: u64) {
        self.found.pop();
        let sum = &mut self.sums[symbol];
        sum.count -= count;
        sum.places -= 1;
    }
}

pub struct Merger<S> {
    segments: Segments<S>,
    /// Slots of each symbol, by id.
    spans: Vec<u32>,
    /// Length of each symbol as the caller counts it.
    lengths: Vec<u32>,
    pairs: Vec<Pair>,
    places: Vec<u32>,
    heap: BinaryHeap<(u64, Reverse<(u32, u32)>, u32)>,
    /// The last merge that took each symbol as its right or left part: what its other neighbours lost counts by.
    taken_right: Vec<u32>,
    taken_left: Vec<u32>,
    left: Side,
    right: Side,
    floor: u64,
    step: u32,
    pub figures: Figures,
}

#[derive(Default, Debug)]
pub struct Figures {
    pub scans: usize,
    pub applied: u64,
    pub rechecked: u64,
    pub made: u64,
}

impl<S: Symbol> Merger<S> {
    /// `lengths` by id, that of 0 (no symbol) first.
    pub fn new(segments: Segments<S>, lengths: Vec<u32>) -> Self {
        let symbols = lengths.len();
        Self {
            segments,
            spans: vec![1; symbols],
            lengths,
            pairs: Vec::new(),
            places: Vec::new(),
            heap: BinaryHeap::new(),
            taken_right: vec![0; symbols],
            taken_left: vec![0; symbols],
            left: Side::default(),
            right: Side::default(),
            floor: u64::MAX,
            step: 0,
            figures: Figures::default(),
        }
    }

    /// Merges until the heap is empty or `token` says that the vocabulary is full. `token` is asked about each pair
    /// before it is merged.
    pub fn run(
        &mut self,
        limits: &Limits,
        progress: &Progress,
        mut token: impl FnMut(usize, usize) -> Token,
    ) -> Result<()> {
        let min = limits.min_count.max(1);
        let mut done = 0;
        loop {
            progress.check()?;
            let Some((count, Reverse((left, right)), at)) = self.heap.pop() else {
                if self.floor <= min {
                    return Ok(());
                }
                self.rescan(limits, limits.merges.saturating_sub(done));
                continue;
            };
            let pair = self.pairs[at as usize];
            if self.taken_right[left as usize] > pair.checked || self.taken_left[right as usize] > pair.checked {
                let now = self.recount(at as usize);
                if now < count {
                    if now >= self.floor {
                        self.heap.push((now, Reverse((left, right)), at));
                    }
                    continue;
                }
            }
            self.step += 1;
            match token(left as usize, right as usize) {
                Token::Full => return Ok(()),
                Token::Refused => continue,
                Token::New => {
                    self.merge(at as usize, limits);
                    done += 1;
                    progress.add(1);
                }
                Token::Known(id) => {
                    self.merge_known(at as usize, id);
                    let floor = self.floor;
                    self.rescan_at(limits, Floor::At(floor));
                }
            }
        }
    }

    fn rescan(&mut self, limits: &Limits, left: usize) {
        let floor = Floor::Below { floor: self.floor, pairs: left, min: limits.min_count.max(1) };
        self.rescan_at(limits, floor);
    }

    fn rescan_at(&mut self, limits: &Limits, floor: Floor) {
        self.figures.scans += 1;
        self.segments.pack(&self.spans);
        self.spans.iter_mut().for_each(|span| *span = 1);
        self.pairs.clear();
        let (lengths, max) = (&self.lengths, limits.max_length);
        let found = scan(&self.segments, self.lengths.len(), &floor, limits.threads, |a, b| {
            // The alphabet's own pairs are never too long.
            (lengths[a] == 1 && lengths[b] == 1) || lengths[a].saturating_add(lengths[b]) < max
        });
        self.floor = found.floor;
        self.places = found.places;
        let step = self.step;
        let mut start = 0;
        let mut heap = Vec::with_capacity(found.pairs.len());
        for (left, right, count, len) in found.pairs {
            heap.push((count, Reverse((left, right)), self.pairs.len() as u32));
            self.pairs.push(Pair { left, right, start, len, checked: step });
            start += len;
        }
        self.heap = heap.into();
    }

    /// Drops the places that a pair has lost, and sums what is left.
    fn recount(&mut self, at: usize) -> u64 {
        let pair = &mut self.pairs[at];
        pair.checked = self.step;
        let (left, right) = (S::new(pair.left as usize), S::new(pair.right as usize));
        let slots = &self.segments.slots[..];
        let mut weights = self.segments.weights();
        let places = &mut self.places[pair.start..pair.start + pair.len];
        self.figures.rechecked += places.len() as u64;
        let (mut kept, mut count) = (0, 0);
        for i in 0..places.len() {
            if let Some(&ahead) = places.get(i + AHEAD) {
                prefetch(slots, ahead as usize);
            }
            let place = places[i] as usize;
            if slots[place - 1] == left && slots[place] == right {
                count += weights.at(place);
                places[kept] = place as u32;
                kept += 1;
            }
        }
        pair.len = kept;
        count
    }

    /// Makes a new symbol of a pair, everywhere, and lists the pairs that it forms with its neighbours.
    fn merge(&mut self, at: usize, limits: &Limits) {
        let pair = self.pairs[at];
        let (a, b) = (pair.left as usize, pair.right as usize);
        let id = self.spans.len();
        let (span_a, span_b) = (self.spans[a] as usize, self.spans[b] as usize);
        self.spans.push((span_a + span_b) as u32);
        self.lengths.push(self.lengths[a].saturating_add(self.lengths[b]));
        self.taken_left.push(0);
        self.taken_right.push(0);
        self.taken_left[a] = self.step;
        self.taken_right[b] = self.step;
        for side in [&mut self.left, &mut self.right] {
            side.sums.resize(id + 1, Sum::default());
        }

        let (left, right, new) = (S::new(a), S::new(b), S::new(id));
        let both_long = span_a > 1 && span_b > 1;
        let (slots, mut weights) = self.segments.split();
        let places = &self.places[pair.start..pair.start + pair.len];
        for (i, &place) in places.iter().enumerate() {
            if let Some(&ahead) = places.get(i + AHEAD) {
                prefetch(slots, ahead as usize);
            }
            let place = place as usize;
            if slots[place - 1] != left || slots[place] != right {
                continue;
            }
            let (start, end) = (place - span_a, place + span_b);
            let (before, after) = (slots[start - 1], slots[end]);
            let count = weights.at(place);
            if both_long {
                slots[place] = S::default();
            }
            slots[start] = new;
            slots[end - 1] = new;
            if before != S::default() {
                if before == new {
                    // The merge just before took our left symbol for its right neighbour.
                    self.right.undo(a, count);
                }
                self.left.add(before.id(), start, count);
            }
            if after != S::default() {
                self.right.add(after.id(), end, count);
            }
            self.figures.applied += 1;
        }
        self.list(id, true, limits);
        self.list(id, false, limits);
    }

    /// Turns the sums of one side into pairs with their lists.
    fn list(&mut self, id: usize, is_left: bool, limits: &Limits) {
        let side = if is_left { &mut self.left } else { &mut self.right };
        let first = self.pairs.len();
        let mut start = self.places.len();
        for &symbol in &side.touched {
            let sum = &mut side.sums[symbol as usize];
            if sum.next > 0 {
                // Touched twice: its only place was undone in between.
                continue;
            }
            let length = self.lengths[symbol as usize].saturating_add(self.lengths[id]);
            if sum.count < self.floor || length >= limits.max_length {
                *sum = Sum::default();
                continue;
            }
            let (left, right) = if is_left { (symbol, id as u32) } else { (id as u32, symbol) };
            let len = sum.places as usize;
            self.heap.push((sum.count, Reverse((left, right)), self.pairs.len() as u32));
            self.pairs.push(Pair { left, right, start, len, checked: self.step });
            sum.next = start as u32 + 1;
            start += len;
        }
        self.figures.made += side.found.len() as u64;
        if self.pairs.len() > first {
            self.places.resize(start, 0);
            for &(symbol, place) in &side.found {
                let next = &mut side.sums[symbol as usize].next;
                if *next > 0 {
                    self.places[*next as usize - 1] = place;
                    *next += 1;
                }
            }
            for pair in &self.pairs[first..] {
                side.sums[if is_left { pair.left } else { pair.right } as usize] = Sum::default();
            }
        }
        side.touched.clear();
        side.found.clear();
    }

    /// Merges a pair into a symbol that exists; the pairs have to be scanned afterwards.
    fn merge_known(&mut self, at: usize, id: usize) {
        let pair = self.pairs[at];
        let (left, right, known) = (S::new(pair.left as usize), S::new(pair.right as usize), S::new(id));
        // One symbol must span the same slots everywhere: pack first, then rewrite word by word.
        self.segments.pack(&self.spans);
        self.spans.iter_mut().for_each(|span| *span = 1);
        self.segments.replace(left, right, known);
    }
}

const AHEAD: usize = 16;

#[inline(always)]
fn prefetch<T>(slots: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch(slots.as_ptr().wrapping_add(at).cast(), _MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slots, at);
}
