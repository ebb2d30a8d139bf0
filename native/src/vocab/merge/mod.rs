//! Segments enter, merges leave, in the order of a queue: by count, or by likelihood.
//!
//! Each pair has a count, always exact, and the list of its places (the slot where its right symbol starts, in rising
//! order). The list is made once and whole, because a pair comes into being only when the newer of its two symbols
//! does; places lost since then show by their slots. What one merge takes from and gives to its neighbours is added up
//! by symbol first, so the table of pairs is asked once a neighbour, not once a place. Pairs below a floor are not kept;
//! when the queue is empty the segments are packed and scanned again with a lower floor.

mod apply;
mod by_count;
mod by_likelihood;
mod numbers;

use std::ops::Range;

use crate::error::Result;
use crate::progress::Progress;
use crate::vocab::machine::{huge_pages, prefetch};
use crate::vocab::scan::{Floor, scan};
use crate::vocab::segments::{Segments, Symbol};
use apply::{Job, Neighbours, Sum, apply};
pub use by_count::ByCount;
pub use by_likelihood::{ByLikelihood, Score};
use numbers::Numbers;

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

/// Two symbols that stand side by side, and where.
#[derive(Clone, Copy)]
pub struct Pair {
    left: u32,
    right: u32,
    count: u64,
    start: usize,
    len: u32,
}

/// Which pair comes next.
pub trait Queue {
    /// How far down counts are of use, below what was kept so far.
    fn floor(&self, below: u64, min: u64, merges: usize) -> Floor;
    fn clear(&mut self);
    /// A new pair; pairs are numbered in order.
    fn push(&mut self, number: u32, pair: &Pair);
    /// The best pair by exact figures, out of those with a count of `floor` or more. It leaves the queue.
    fn pop(&mut self, pairs: &[Pair], floor: u64) -> Option<u32>;
    /// The frequencies after a merge of `pair` into the next symbol, at places that count `applied`.
    fn merged(&mut self, _pair: &Pair, _applied: u64) {}
    /// All pairs of the last merge are pushed, and the counts of the others are true.
    fn settle(&mut self, _pairs: &[Pair], _floor: u64) {}
}

pub struct Merger<S, Q> {
    segments: Segments<S>,
    /// Slots of each symbol, by id.
    spans: Vec<u32>,
    /// Length of each symbol as the caller counts it.
    lengths: Vec<u32>,
    pairs: Vec<Pair>,
    numbers: Numbers,
    places: Vec<u32>,
    queue: Q,
    /// One for each thread; the first also gathers what the others found.
    neighbours: Vec<Neighbours>,
    /// What a merge takes from other pairs, and their numbers; kept for the memory.
    lost: Vec<((u32, u32), u64)>,
    losers: Vec<(u32, u64)>,
    floor: u64,
    packed: bool,
}

/// How many pairs ahead the table is asked for.
const AHEAD: usize = 12;

impl<S: Symbol, Q: Queue> Merger<S, Q> {
    /// `lengths` by id, that of 0 (no symbol) first.
    pub fn new(segments: Segments<S>, lengths: Vec<u32>, queue: Q) -> Self {
        let symbols = lengths.len();
        Self {
            segments,
            spans: vec![1; symbols],
            lengths,
            pairs: Vec::new(),
            numbers: Numbers::new(1024),
            places: Vec::new(),
            queue,
            neighbours: vec![Neighbours::default()],
            lost: Vec::new(),
            losers: Vec::new(),
            floor: u64::MAX,
            packed: true,
        }
    }

    /// Merges until the queue is empty or `token` says that the vocabulary is full. `token` is asked about each pair
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
            let Some(number) = self.queue.pop(&self.pairs, self.floor) else {
                if self.floor <= min {
                    return Ok(());
                }
                let floor = self.queue.floor(self.floor, min, limits.merges.saturating_sub(done));
                self.rescan(limits, &floor);
                continue;
            };
            let pair = self.pairs[number as usize];
            // It has no further part in anything.
            self.pairs[number as usize].count = 0;
            match token(pair.left as usize, pair.right as usize) {
                Token::Full => return Ok(()),
                Token::Refused => continue,
                Token::New => {
                    self.merge(&pair, limits);
                    done += 1;
                    progress.add(1);
                }
                Token::Known(id) => {
                    self.merge_known(&pair, id);
                    self.rescan(limits, &Floor::At(self.floor));
                }
            }
        }
    }

    fn rescan(&mut self, limits: &Limits, floor: &Floor) {
        self.pack();
        self.pairs.clear();
        self.queue.clear();
        let (lengths, max) = (&self.lengths, limits.max_length);
        let found = scan(&self.segments, self.lengths.len(), floor, limits.threads, |a, b| {
            // The alphabet's own pairs are never too long.
            (lengths[a] == 1 && lengths[b] == 1) || lengths[a].saturating_add(lengths[b]) < max
        });
        self.floor = found.floor;
        self.places = found.places;
        // Room for the lists of one merge a slot; what is never written to costs nothing.
        self.places.reserve(self.segments.slots.len());
        huge_pages(&mut self.places);
        self.numbers = Numbers::new(found.pairs.len());
        let mut start = 0;
        for (left, right, count, len) in found.pairs {
            self.add(Pair { left, right, count, start, len: len as u32 });
            start += len;
        }
    }

    fn add(&mut self, pair: Pair) {
        let number = self.pairs.len() as u32;
        self.queue.push(number, &pair);
        self.numbers.insert((pair.left, pair.right), number);
        self.pairs.push(pair);
    }

    fn pack(&mut self) {
        if !self.packed {
            self.segments.pack(&self.spans);
            self.spans.iter_mut().for_each(|span| *span = 1);
            self.packed = true;
        }
    }

    /// Makes a new symbol of a pair, everywhere, and lists the pairs that it forms with its neighbours.
    fn merge(&mut self, pair: &Pair, limits: &Limits) {
        let (a, b) = (pair.left as usize, pair.right as usize);
        let id = self.spans.len();
        let (left_span, right_span) = (self.spans[a] as usize, self.spans[b] as usize);
        self.spans.push((left_span + right_span) as u32);
        self.lengths.push(self.lengths[a].saturating_add(self.lengths[b]));
        self.packed = false;

        let job = Job { left: S::new(a), right: S::new(b), new: S::new(id), left_id: a, left_span, right_span };
        let places = &self.places[pair.start..pair.start + pair.len as usize];
        apply(&job, &mut self.segments, places, limits.threads, &mut self.neighbours, id);

        let Neighbours { left, right, chained, applied } = &mut self.neighbours[0];
        self.queue.merged(pair, std::mem::take(applied));
        let (chained, a, b, id) = (std::mem::take(chained), pair.left, pair.right, id as u32);
        if chained > 0 {
            self.lost.push(((b, a), chained));
        }
        let lefts = left.touched.iter().filter(|&&symbol| symbol != id);
        self.lost.extend(lefts.map(|&symbol| ((symbol, a), left.sums[symbol as usize].count)));
        self.lost.extend(right.touched.iter().map(|&symbol| ((b, symbol), right.sums[symbol as usize].count)));
        self.lose();
        let id = id as usize;
        // One side fits where the list of the merged pair lay: each of its places has one neighbour on a side at most.
        let room = pair.start..pair.start + pair.len as usize;
        let room = self.list(id, true, limits, room);
        self.list(id, false, limits, room);
        self.queue.settle(&self.pairs, self.floor);
    }

    /// Takes what a merge took from other pairs off their counts; table and pairs are asked for ahead of time.
    fn lose(&mut self) {
        for (i, &(pair, count)) in self.lost.iter().enumerate() {
            if let Some(&(ahead, _)) = self.lost.get(i + AHEAD) {
                self.numbers.prefetch(ahead);
            }
            if let Some(number) = self.numbers.get(pair) {
                prefetch(&self.pairs, number as usize);
                self.losers.push((number, count));
            }
        }
        for (number, count) in self.losers.drain(..) {
            let pair = &mut self.pairs[number as usize];
            pair.count = pair.count.saturating_sub(count);
        }
        self.lost.clear();
    }

    /// Turns the sums of one side into pairs with their lists: within `room` in the places, if they fit, else behind all.
    /// Returns what is left of the room.
    fn list(&mut self, id: usize, is_left: bool, limits: &Limits, room: Range<usize>) -> Range<usize> {
        let mut sides = self.neighbours.iter_mut().map(|all| if is_left { &mut all.left } else { &mut all.right });
        let Some(main) = sides.next() else { return room };
        let first = self.pairs.len();
        let mut start = 0;
        for (i, &symbol) in main.touched.iter().enumerate() {
            if let Some(&ahead) = main.touched.get(i + AHEAD)
                && main.sums[ahead as usize].count >= self.floor
            {
                self.numbers.prefetch(if is_left { (ahead, id as u32) } else { (id as u32, ahead) });
            }
            let sum = &mut main.sums[symbol as usize];
            let length = self.lengths[symbol as usize].saturating_add(self.lengths[id]);
            if sum.count < self.floor || length >= limits.max_length {
                *sum = Sum::default();
                continue;
            }
            let (left, right) = if is_left { (symbol, id as u32) } else { (id as u32, symbol) };
            let len = sum.places as usize;
            let number = self.pairs.len() as u32;
            let pair = Pair { left, right, count: sum.count, start, len: sum.places };
            self.queue.push(number, &pair);
            self.numbers.insert((left, right), number);
            self.pairs.push(pair);
            sum.next = start as u32 + 1;
            start += len;
        }
        let (total, fits) = (start, start <= room.len());
        let base = if fits { room.start } else { self.places.len() };
        if !fits {
            self.places.resize(base + total, 0);
        }
        self.pairs[first..].iter_mut().for_each(|pair| pair.start += base);
        let mut place_all = |found: &mut Vec<(u32, u32)>| {
            if self.pairs.len() > first {
                for &(symbol, place) in found.iter() {
                    let next = &mut main.sums[symbol as usize].next;
                    if *next > 0 {
                        self.places[base + *next as usize - 1] = place;
                        *next += 1;
                    }
                }
            }
            found.clear();
        };
        place_all(&mut main.found);
        sides.for_each(|other| place_all(&mut other.found));
        for pair in &self.pairs[first..] {
            main.sums[if is_left { pair.left } else { pair.right } as usize] = Sum::default();
        }
        main.touched.clear();
        if fits { room.start + total..room.end } else { room }
    }

    /// Merges a pair into a symbol that exists; the pairs have to be scanned afterwards.
    fn merge_known(&mut self, pair: &Pair, id: usize) {
        let (left, right, known) = (S::new(pair.left as usize), S::new(pair.right as usize), S::new(id));
        // One symbol must span the same slots everywhere: pack first, then rewrite word by word.
        self.pack();
        self.segments.replace(left, right, known);
    }
}
