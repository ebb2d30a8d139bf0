//! Segments enter, merges leave: the most frequent pair first, ties to the smaller pair of ids.
//!
//! Each pair has a count, always exact, and the list of its places (the slot where its right symbol starts, in rising
//! order). The list is made once and whole, because a pair comes into being only when the newer of its two symbols
//! does; places lost since then show by their slots. What one merge takes from and gives to its neighbours is added up
//! by symbol first, so the table of pairs is asked once a neighbour, not once a place. Pairs below a floor are not kept;
//! when the heap is empty the segments are packed and scanned again with a lower floor.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::Result;
use crate::progress::Progress;
use crate::vocab::machine::{huge_pages, prefetch};
use crate::vocab::scan::{Floor, scan};
use crate::vocab::segments::{Segments, Symbol, Weights, cut_behind};

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
    count: u64,
    start: usize,
    len: usize,
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
        self.found.push((symbol as u32, place as u32));
        self.sum(symbol, count, 1);
    }

    #[inline(always)]
    fn sum(&mut self, symbol: usize, count: u64, places: u32) {
        let sum = &mut self.sums[symbol];
        if sum.places == 0 {
            self.touched.push(symbol as u32);
        }
        sum.count += count;
        sum.places += places;
    }

    #[inline(always)]
    fn undo(&mut self, symbol: usize, count: u64) {
        self.found.pop();
        let sum = &mut self.sums[symbol];
        sum.count -= count;
        sum.places -= 1;
        if sum.places == 0 {
            // It was the last to be touched, because its only place was the last one found.
            self.touched.pop();
        }
    }

    /// Takes over the sums of another part; what it found stays there.
    fn take(&mut self, other: &mut Side) {
        for symbol in other.touched.drain(..) {
            let sum = std::mem::take(&mut other.sums[symbol as usize]);
            self.sum(symbol as usize, sum.count, sum.places);
        }
    }
}

/// What one thread adds up during one merge.
#[derive(Default)]
struct Neighbours {
    left: Side,
    right: Side,
    /// Count of the places where the right symbol of one merge met the left symbol of the next.
    chained: u64,
}

/// One pair to merge, in slots.
struct Job<S> {
    left: S,
    right: S,
    new: S,
    left_id: usize,
    left_span: usize,
    right_span: usize,
}

impl<S: Symbol> Job<S> {
    /// Merges at `places`. `slots` are those from `base` on and hold whole words, the zero behind each included.
    #[inline(always)]
    fn apply(&self, slots: &mut [S], base: usize, places: &[u32], mut weights: Weights, sums: &mut Neighbours) {
        let none = S::default();
        let both_long = self.left_span > 1 && self.right_span > 1;
        for (i, &place) in places.iter().enumerate() {
            if let Some(&ahead) = places.get(i + AHEAD) {
                prefetch(slots, ahead as usize - base);
            }
            let at = place as usize - base;
            if slots[at - 1] != self.left || slots[at] != self.right {
                continue;
            }
            let (start, end) = (at - self.left_span, at + self.right_span);
            let before = if start > 0 { slots[start - 1] } else { none };
            let after = slots[end];
            let count = weights.at(place as usize);
            if both_long {
                slots[at] = none;
            }
            slots[start] = self.new;
            slots[end - 1] = self.new;
            if before != none {
                if before == self.new {
                    // The merge just before took our left symbol for its right neighbour.
                    sums.right.undo(self.left_id, count);
                    sums.chained += count;
                }
                sums.left.add(before.id(), base + start, count);
            }
            if after != none {
                sums.right.add(after.id(), base + end, count);
            }
        }
    }
}

pub struct Merger<S> {
    segments: Segments<S>,
    /// Slots of each symbol, by id.
    spans: Vec<u32>,
    /// Length of each symbol as the caller counts it.
    lengths: Vec<u32>,
    pairs: Vec<Pair>,
    numbers: Numbers,
    places: Vec<u32>,
    heap: BinaryHeap<(u64, Reverse<(u32, u32)>, u32)>,
    /// One for each thread; the first also gathers what the others found.
    neighbours: Vec<Neighbours>,
    floor: u64,
    packed: bool,
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
            numbers: Numbers::new(1024),
            places: Vec::new(),
            heap: BinaryHeap::new(),
            neighbours: vec![Neighbours::default()],
            floor: u64::MAX,
            packed: true,
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
            let now = self.pairs[at as usize].count;
            if now < count {
                if now >= self.floor {
                    self.heap.push((now, Reverse((left, right)), at));
                }
                continue;
            }
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
        let floor = Floor::Below { floor: self.floor, merges: left, min: limits.min_count.max(1) };
        self.rescan_at(limits, floor);
    }

    fn rescan_at(&mut self, limits: &Limits, floor: Floor) {
        self.pack();
        self.pairs.clear();
        let (lengths, max) = (&self.lengths, limits.max_length);
        let found = scan(&self.segments, self.lengths.len(), &floor, limits.threads, |a, b| {
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
        let mut heap = Vec::with_capacity(found.pairs.len());
        for (left, right, count, len) in found.pairs {
            heap.push((count, Reverse((left, right)), self.pairs.len() as u32));
            self.numbers.insert((left, right), self.pairs.len() as u32);
            self.pairs.push(Pair { left, right, count, start, len });
            start += len;
        }
        self.heap = heap.into();
    }

    fn pack(&mut self) {
        if !self.packed {
            self.segments.pack(&self.spans);
            self.spans.iter_mut().for_each(|span| *span = 1);
            self.packed = true;
        }
    }

    /// Makes a new symbol of a pair, everywhere, and lists the pairs that it forms with its neighbours.
    fn merge(&mut self, at: usize, limits: &Limits) {
        let pair = self.pairs[at];
        let (a, b) = (pair.left as usize, pair.right as usize);
        let id = self.spans.len();
        let (left_span, right_span) = (self.spans[a] as usize, self.spans[b] as usize);
        self.spans.push((left_span + right_span) as u32);
        self.lengths.push(self.lengths[a].saturating_add(self.lengths[b]));
        self.packed = false;

        let job = Job { left: S::new(a), right: S::new(b), new: S::new(id), left_id: a, left_span, right_span };
        let places = &self.places[pair.start..pair.start + pair.len];
        let parts = places.len() / PART;
        if parts > 1 && limits.threads > 1 {
            apply_in_parts(&job, &mut self.segments, places, parts.min(limits.threads), &mut self.neighbours, id);
        } else {
            let (slots, weights, _) = self.segments.split();
            self.neighbours[0].reserve(id);
            job.apply(slots, 0, places, weights, &mut self.neighbours[0]);
        }

        let Neighbours { left, right, chained } = &mut self.neighbours[0];
        let mut lose = |left: usize, right: usize, count: u64| {
            if let Some(number) = self.numbers.get((left as u32, right as u32)) {
                let pair = &mut self.pairs[number as usize];
                pair.count = pair.count.saturating_sub(count);
            }
        };
        lose(b, a, std::mem::take(chained));
        for &symbol in left.touched.iter().filter(|&&symbol| symbol as usize != id) {
            lose(symbol as usize, a, left.sums[symbol as usize].count);
        }
        for &symbol in &right.touched {
            lose(b, symbol as usize, right.sums[symbol as usize].count);
        }
        self.list(id, true, limits);
        self.list(id, false, limits);
    }

    /// Turns the sums of one side into pairs with their lists.
    fn list(&mut self, id: usize, is_left: bool, limits: &Limits) {
        let mut sides = self.neighbours.iter_mut().map(|all| if is_left { &mut all.left } else { &mut all.right });
        let Some(main) = sides.next() else { return };
        let first = self.pairs.len();
        let mut start = self.places.len();
        for &symbol in &main.touched {
            let sum = &mut main.sums[symbol as usize];
            let length = self.lengths[symbol as usize].saturating_add(self.lengths[id]);
            if sum.count < self.floor || length >= limits.max_length {
                *sum = Sum::default();
                continue;
            }
            let (left, right) = if is_left { (symbol, id as u32) } else { (id as u32, symbol) };
            let len = sum.places as usize;
            let number = self.pairs.len() as u32;
            self.heap.push((sum.count, Reverse((left, right)), number));
            self.numbers.insert((left, right), number);
            self.pairs.push(Pair { left, right, count: sum.count, start, len });
            sum.next = start as u32 + 1;
            start += len;
        }
        if self.pairs.len() > first {
            self.places.resize(start, 0);
        }
        let mut place_all = |found: &mut Vec<(u32, u32)>| {
            if self.pairs.len() > first {
                for &(symbol, place) in found.iter() {
                    let next = &mut main.sums[symbol as usize].next;
                    if *next > 0 {
                        self.places[*next as usize - 1] = place;
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
    }

    /// Merges a pair into a symbol that exists; the pairs have to be scanned afterwards.
    fn merge_known(&mut self, at: usize, id: usize) {
        let pair = self.pairs[at];
        let (left, right, known) = (S::new(pair.left as usize), S::new(pair.right as usize), S::new(id));
        // One symbol must span the same slots everywhere: pack first, then rewrite word by word.
        self.pack();
        self.segments.replace(left, right, known);
    }
}

/// The numbers of pairs, by open addressing. Pairs are never taken out.
struct Numbers {
    entries: Vec<((u32, u32), u32)>,
    used: usize,
}

impl Numbers {
    fn new(pairs: usize) -> Self {
        Self { entries: vec![((0, 0), 0); (pairs * 4).next_power_of_two().max(1024)], used: 0 }
    }

    #[inline(always)]
    fn place(&self, pair: (u32, u32)) -> usize {
        let key = u64::from(pair.0) << 32 | u64::from(pair.1);
        let hash = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize;
        let mask = self.entries.len() - 1;
        let mut at = hash & mask;
        // No symbol is 0, so a pair of them marks a free entry.
        while self.entries[at].0 != pair && self.entries[at].0 != (0, 0) {
            at = (at + 1) & mask;
        }
        at
    }

    #[inline(always)]
    fn get(&self, pair: (u32, u32)) -> Option<u32> {
        let (found, number) = self.entries[self.place(pair)];
        (found == pair).then_some(number)
    }

    fn insert(&mut self, pair: (u32, u32), number: u32) {
        if self.used * 2 >= self.entries.len() {
            let size = self.entries.len() * 2;
            let old = std::mem::replace(&mut self.entries, vec![((0, 0), 0); size]);
            for entry in old.into_iter().filter(|entry| entry.0 != (0, 0)) {
                let at = self.place(entry.0);
                self.entries[at] = entry;
            }
        }
        let at = self.place(pair);
        self.entries[at] = (pair, number);
        self.used += 1;
    }
}

/// How far ahead of a merge its slots are asked for.
const AHEAD: usize = 16;

/// Places that are worth a thread.
const PART: usize = 1 << 14;

impl Neighbours {
    fn reserve(&mut self, id: usize) {
        self.left.sums.resize(id + 1, Sum::default());
        self.right.sums.resize(id + 1, Sum::default());
    }
}

/// Applies a merge on several threads, each with the words of its own range of slots; the first gathers all sums.
fn apply_in_parts<S: Symbol>(
    job: &Job<S>,
    segments: &mut Segments<S>,
    places: &[u32],
    parts: usize,
    neighbours: &mut Vec<Neighbours>,
    id: usize,
) {
    neighbours.resize_with(neighbours.len().max(parts), Neighbours::default);
    neighbours.iter_mut().for_each(|part| part.reserve(id));
    let (mut slots, weights, cuts) = segments.split();
    let (mut base, mut from) = (0, 0);
    rayon::scope(|scope| {
        for (i, sums) in neighbours.iter_mut().take(parts).enumerate() {
            let aim = places[places.len() * (i + 1) / parts - 1] as usize;
            let end = if i + 1 == parts { base + slots.len() } else { cut_behind(cuts, aim).max(base) };
            let to = from + places[from..].partition_point(|&place| (place as usize) < end);
            let (mine, rest) = std::mem::take(&mut slots).split_at_mut(end - base);
            let (part, weights) = (&places[from..to], weights.clone());
            scope.spawn(move |_| job.apply(mine, base, part, weights, sums));
            (slots, base, from) = (rest, end, to);
        }
    });
    let (main, others) = neighbours.split_at_mut(1);
    for other in others {
        main[0].left.take(&mut other.left);
        main[0].right.take(&mut other.right);
        main[0].chained += std::mem::take(&mut other.chained);
    }
}
