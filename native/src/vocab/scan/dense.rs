//! The same for few symbols: a table with an entry for every pair, whether it occurs or not. The ends of words are counted
//! as pairs with the symbol 0, which nobody reads: that is cheaper than to look for them.

use super::{Found, room};
use crate::vocab::machine::in_parts;
use crate::vocab::segments::{Segments, Symbol};

#[derive(Clone, Copy, Default)]
struct Entry {
    count: u64,
    places: u32,
}

/// Where the next place of a pair goes, and how far that moves then: 1, or 0 where the places aren't wanted.
#[derive(Clone, Copy)]
struct Next {
    at: u32,
    step: u32,
}

pub fn scan<S: Symbol>(
    shares: &[&Segments<S>],
    symbols: usize,
    floor: u64,
    allowed: impl Fn(usize, usize) -> bool,
) -> Found {
    let tables = in_parts(shares.to_vec(), |segments| {
        let mut table = vec![Entry::default(); symbols * symbols];
        segments.walk_slots(|_, a, b, count| {
            let entry = &mut table[a.id() * symbols + b.id()];
            entry.count += count;
            entry.places += 1;
        });
        table
    });
    let both = (1..symbols).flat_map(|a| (1..symbols).map(move |b| (a, b)));
    let counted = both.map(|(a, b)| (a, b, tables.iter().map(|table| table[a * symbols + b].count).sum()));
    let kept = counted.filter(|&(a, b, count)| count >= floor.max(1) && allowed(a, b));
    let pairs: Vec<_> = kept.map(|(a, b, count)| (a as u32, b as u32, count)).collect();

    let lists = in_parts(shares.iter().zip(tables).collect(), |(segments, table)| {
        let at = |&(a, b, _): &(u32, u32, u64)| a as usize * symbols + b as usize;
        let counts: Vec<u32> = pairs.iter().map(|pair| table[at(pair)].places).collect();
        let total: u32 = counts.iter().sum();
        // What isn't wanted goes to one place behind all.
        let mut next = vec![Next { at: total, step: 0 }; symbols * symbols];
        let mut start = 0;
        for (pair, count) in pairs.iter().zip(&counts) {
            next[at(pair)] = Next { at: start, step: 1 };
            start += count;
        }
        let mut places = room(total as usize + 1, segments.slots.len());
        segments.walk_slots(|place, a, b, _| {
            let next = &mut next[a.id() * symbols + b.id()];
            places[next.at as usize] = place as u32;
            next.at += next.step;
        });
        places.truncate(total as usize);
        (counts, places)
    });
    Found { floor, pairs, lists }
}
