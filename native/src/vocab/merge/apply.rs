//! One merge enters, what it takes from and gives to the neighbours leaves, added up by symbol.

use crate::vocab::machine::prefetch;
use crate::vocab::segments::{Segments, Symbol, Weights, cut_behind};

/// How far ahead of a merge its slots are asked for.
const AHEAD: usize = 16;

/// Places that are worth a thread.
const PART: usize = 1 << 12;

/// Sums of one merge for one neighbour.
#[derive(Clone, Copy, Default)]
pub struct Sum {
    pub count: u64,
    pub places: u32,
    /// Where its next place goes in `places`, plus one; 0 where it isn't kept.
    pub next: u32,
}

/// The neighbours on one side.
#[derive(Default)]
pub struct Side {
    pub sums: Vec<Sum>,
    pub touched: Vec<u32>,
    pub found: Vec<(u32, u32)>,
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
pub struct Neighbours {
    pub left: Side,
    pub right: Side,
    /// Count of the places where the right symbol of one merge met the left symbol of the next.
    pub chained: u64,
    /// Count of the places merged.
    pub applied: u64,
}

/// One pair to merge, in slots.
pub struct Job<S> {
    pub left: S,
    pub right: S,
    pub new: S,
    pub left_id: usize,
    pub left_span: usize,
    pub right_span: usize,
}

impl<S: Symbol> Job<S> {
    /// Merges at `places`. `slots` are those from `base` on and hold whole words, the zero behind each included.
    #[inline(always)]
    fn apply_to(&self, slots: &mut [S], base: usize, places: &[u32], mut weights: Weights, sums: &mut Neighbours) {
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
            sums.applied += count;
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

impl Neighbours {
    fn reserve(&mut self, id: usize) {
        self.left.sums.resize(id + 1, Sum::default());
        self.right.sums.resize(id + 1, Sum::default());
    }
}

/// Applies a merge, on several threads where it is worth it; the sums are in the first of `neighbours` afterwards.
pub fn apply<S: Symbol>(
    job: &Job<S>,
    segments: &mut Segments<S>,
    places: &[u32],
    threads: usize,
    neighbours: &mut Vec<Neighbours>,
    id: usize,
) {
    let parts = (places.len() / PART).min(threads);
    if parts > 1 {
        return apply_in_parts(job, segments, places, parts, neighbours, id);
    }
    let (slots, weights, _) = segments.split();
    neighbours[0].reserve(id);
    job.apply_to(slots, 0, places, weights, &mut neighbours[0]);
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
            scope.spawn(move |_| job.apply_to(mine, base, part, weights, sums));
            (slots, base, from) = (rest, end, to);
        }
    });
    let (main, others) = neighbours.split_at_mut(1);
    for other in others {
        main[0].left.take(&mut other.left);
        main[0].right.take(&mut other.right);
        main[0].chained += std::mem::take(&mut other.chained);
        main[0].applied += std::mem::take(&mut other.applied);
    }
}
