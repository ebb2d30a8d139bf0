//! A thread's share of the words. A merge enters, what it takes from and gives to the neighbours leaves, added up by symbol;
//! then the pairs that came of it enter, and get the lists of their places.

use std::ops::Range;

use crate::vocab::machine::prefetch;
use crate::vocab::segments::{Segments, Symbol};

/// How far ahead of a merge its slots are asked for.
const AHEAD: usize = 64;

/// What to do next.
#[derive(Default)]
pub struct Step {
    /// The neighbours that form pairs with the symbol of the last merge, on its left and on its right: each gets the next
    /// number.
    pub lefts: Vec<u32>,
    pub rights: Vec<u32>,
    pub merge: Merge,
    /// The pair that is probably merged after it.
    pub next: Option<u32>,
}

/// A pair to merge, in symbols and in slots.
#[derive(Default)]
pub struct Merge {
    pub number: u32,
    pub left: u32,
    pub right: u32,
    pub new: u32,
    pub left_span: u32,
    pub right_span: u32,
}

/// A symbol that stands on one side of a merge, and how often.
#[derive(Clone, Copy)]
pub struct Neighbour {
    pub symbol: u32,
    pub count: u64,
}

pub struct Part<S> {
    pub segments: Segments<S>,
    places: Vec<u32>,
    /// Of each pair, by number: where its places start, and how many there are.
    lists: Vec<(usize, u32)>,
    /// Where the list of the pair merged last was.
    room: Range<usize>,
    left: Side,
    right: Side,
    /// The places of the last merge, and the slots of its two symbols.
    found: Vec<Place<S>>,
    spans: (u32, u32),
    /// The neighbours of the last merge.
    pub lefts: Vec<Neighbour>,
    pub rights: Vec<Neighbour>,
    /// Count of the places where the right symbol of one merge met the left symbol of the next.
    pub chained: u64,
    /// Count of the places merged.
    pub applied: u64,
}

/// Places that are looked at before they are merged.
const AT_ONCE: usize = 64;

/// A place that was merged: the neighbours (0 for none), and where the right symbol started.
#[derive(Clone, Copy)]
struct Place<S> {
    before: S,
    after: S,
    at: u32,
}

/// Sums of one merge for one neighbour.
#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    places: u32,
    /// Where its next place goes in the new list, plus one; 0 where it isn't kept.
    next: u32,
}

/// The neighbours on one side. What stands at the end of a word is added up as symbol 0: that is cheaper than a branch.
#[derive(Default)]
struct Side {
    sums: Vec<Sum>,
    /// The symbols with a sum, as many as are used.
    touched: Vec<u32>,
    used: usize,
}

impl Side {
    /// Room for a merge into `new` at `places`.
    fn reserve(&mut self, new: usize, places: usize) {
        self.sums.resize(new + 1, Sum::default());
        self.touched.resize(self.touched.len().max(places.min(new + 1) + 1), 0);
    }

    #[inline(always)]
    fn add(&mut self, symbol: usize, count: u64) {
        let sum = &mut self.sums[symbol];
        self.touched[self.used] = symbol as u32;
        self.used += usize::from(sum.places == 0);
        sum.count += count;
        sum.places += 1;
    }

    #[inline(always)]
    fn undo(&mut self, symbol: usize, count: u64) {
        let sum = &mut self.sums[symbol];
        sum.count -= count;
        sum.places -= 1;
        // If nothing is left, it was the last to be touched, because its only place was the last one found.
        self.used -= usize::from(sum.places == 0);
    }

    /// What each symbol counts here.
    fn report(&self, out: &mut Vec<Neighbour>) {
        let touched = self.touched[..self.used].iter().filter(|&&symbol| symbol != 0);
        out.clear();
        out.extend(touched.map(|&symbol| Neighbour { symbol, count: self.sums[symbol as usize].count }));
    }

    /// Lists the places of the symbols `kept`, which `found` gives with their symbols: within `room`, if they fit, else behind
    /// all. Returns what is left of the room.
    fn list(
        &mut self,
        kept: &[u32],
        found: impl Iterator<Item = (usize, u32)>,
        room: Range<usize>,
        lists: &mut Vec<(usize, u32)>,
        places: &mut Vec<u32>,
    ) -> Range<usize> {
        let first = lists.len();
        let mut total = 0;
        for &symbol in kept {
            // It may have no place here.
            let sum = &mut self.sums[symbol as usize];
            lists.push((total, sum.places));
            sum.next = total as u32 + 1;
            total += sum.places as usize;
        }
        let fits = total <= room.len();
        let base = if fits { room.start } else { places.len() };
        if !fits {
            places.resize(base + total, 0);
        }
        lists[first..].iter_mut().for_each(|(start, _)| *start += base);
        if total > 0 {
            let list = &mut places[base..base + total];
            for (symbol, place) in found {
                let next = &mut self.sums[symbol].next;
                if *next > 0 {
                    list[*next as usize - 1] = place;
                    *next += 1;
                }
            }
        }
        // Those without a place aren't among the touched.
        kept.iter().for_each(|&symbol| self.sums[symbol as usize] = Sum::default());
        self.clear();
        if fits { room.start + total..room.end } else { room }
    }

    fn clear(&mut self) {
        self.touched[..self.used].iter().for_each(|&symbol| self.sums[symbol as usize] = Sum::default());
        self.used = 0;
    }
}

impl<S: Symbol> Part<S> {
    pub fn new(segments: Segments<S>) -> Self {
        Self {
            segments,
            places: Vec::new(),
            lists: Vec::new(),
            room: 0..0,
            found: Vec::new(),
            spans: (1, 1),
            left: Side::default(),
            right: Side::default(),
            lefts: Vec::new(),
            rights: Vec::new(),
            chained: 0,
            applied: 0,
        }
    }

    /// Starts afresh with the pairs of a scan: the number of places of each, and all places.
    pub fn restart(&mut self, counts: Vec<u32>, places: Vec<u32>) {
        let mut start = 0;
        self.lists = counts
            .into_iter()
            .map(|len| {
                start += len as usize;
                (start - len as usize, len)
            })
            .collect();
        self.places = places;
        self.room = 0..0;
        self.left.clear();
        self.right.clear();
        self.found.clear();
    }

    /// Lists the pairs of the last merge, and merges the next one.
    pub fn step(&mut self, step: &Step) {
        if let Some(next) = step.next {
            prefetch(&self.lists, next as usize);
        }
        self.list(step);
        let next = step.next.and_then(|next| self.lists.get(next as usize)).map_or(0..0, |&(start, len)| {
            prefetch(&self.places, start);
            start..start + AHEAD.min(len as usize)
        });
        self.merge(&step.merge);
        self.places[next].iter().for_each(|&place| prefetch(&self.segments.slots, place as usize));
        self.left.report(&mut self.lefts);
        self.right.report(&mut self.rights);
    }

    /// Lists the pairs that came of the last merge.
    fn list(&mut self, step: &Step) {
        // One side fits where the list of the merged pair lay: each of its places has one neighbour on a side at most.
        let (room, (left_span, right_span)) = (self.room.clone(), self.spans);
        let lefts = self.found.iter().map(|place| (place.before.id(), place.at - left_span));
        let room = self.left.list(&step.lefts, lefts, room, &mut self.lists, &mut self.places);
        let rights = self.found.iter().map(|place| (place.after.id(), place.at + right_span));
        self.right.list(&step.rights, rights, room, &mut self.lists, &mut self.places);
    }

    /// Makes a new symbol of a pair, everywhere.
    fn merge(&mut self, merge: &Merge) {
        let (start, len) = self.lists[merge.number as usize];
        self.room = start..start + len as usize;
        self.spans = (merge.left_span, merge.right_span);
        let places = &self.places[self.room.clone()];
        let (slots, weights) = self.segments.split();
        let Self { left: lefts, right: rights, found, .. } = self;
        lefts.reserve(merge.new as usize, places.len());
        rights.reserve(merge.new as usize, places.len());
        found.clear();
        found.reserve(places.len());
        let (mut applied, mut chained) = (0, 0);

        let (left, right, new) =
            (S::new(merge.left as usize), S::new(merge.right as usize), S::new(merge.new as usize));
        let (left_span, right_span, none) = (merge.left_span as usize, merge.right_span as usize, S::default());
        let both_long = left_span > 1 && right_span > 1;
        places.iter().take(AHEAD).for_each(|&place| prefetch(slots, place as usize));
        let mut live = [0; AT_ONCE];
        for (i, some) in places.chunks(AT_ONCE).enumerate() {
            // Which places still hold the pair: without a branch, because half of them do.
            let mut n = 0;
            for (j, &place) in some.iter().enumerate() {
                if let Some(&ahead) = places.get(i * AT_ONCE + j + AHEAD) {
                    prefetch(slots, ahead as usize);
                }
                live[n % AT_ONCE] = place;
                n += usize::from((slots[place as usize - 1] == left) & (slots[place as usize] == right));
            }
            for &place in &live[..n] {
                let at = place as usize;
                if merge.left == merge.right && (slots[at - 1] != left || slots[at] != right) {
                    // The merge just before took one of them.
                    continue;
                }
                let (start, end) = (at - left_span, at + right_span);
                let (before, after) = (slots[start - 1], slots[end]);
                let count = weights.at(at);
                applied += count;
                if both_long {
                    slots[at] = none;
                }
                slots[start] = new;
                slots[end - 1] = new;
                if before == new {
                    // The merge just before took our left symbol for its right neighbour.
                    rights.undo(merge.left as usize, count);
                    found.last_mut().into_iter().for_each(|last: &mut Place<S>| last.after = none);
                    chained += count;
                }
                lefts.add(before.id(), count);
                rights.add(after.id(), count);
                found.push(Place { before, after, at: place });
            }
        }
        (self.applied, self.chained) = (applied, chained);
    }
}
