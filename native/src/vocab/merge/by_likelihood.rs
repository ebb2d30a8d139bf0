//! The pair that explains the text best first, by what its symbols would do on their own; ties to the smaller pair of ids.
//!
//! With f for the frequencies in the text as it is cut at the moment, N for their sum: `Ratio` is f(ab) / (f(a) f(b)),
//! the score in most descriptions of WordPiece; `Gain` is f(ab) log(N f(ab) / (f(a) f(b))), what the merge adds to the
//! log-likelihood of a unigram model. Both rise when f(a) falls, so after each merge the pairs of both its symbols are
//! scored anew. For a symbol of many pairs that would be most of the work: it is scored by a base a little below its
//! frequency, which makes upper bounds, and its pairs are visited only when the frequency falls below the base. Bounds
//! within reach of the best are then compared by their exact scores.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::{Pair, Queue};
use crate::vocab::scan::Floor;

/// Up to so many pairs a symbol's base is its frequency.
const FEW: usize = 48;
/// How far below the frequency the base of other symbols is.
const SLACK: f64 = 1.0 / 12.0;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Score {
    Ratio,
    Gain,
}

impl Score {
    /// The score of a pair that is seen `count` times, and its symbols `left` and `right` times out of `total`.
    #[inline(always)]
    pub fn of(self, count: u64, left: f64, right: f64, total: u64) -> f64 {
        let count = count as f64;
        match self {
            Score::Ratio => count / (left * right),
            Score::Gain => count * libm::log(total as f64 * count / (left * right)),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
struct Entry {
    bound: f64,
    pair: Reverse<(u32, u32)>,
    number: u32,
}

impl Eq for Entry {}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bound.total_cmp(&other.bound).then_with(|| self.pair.cmp(&other.pair))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub struct ByLikelihood {
    score: Score,
    frequencies: Vec<u64>,
    total: u64,
    /// What each symbol is scored by: at most its frequency.
    bases: Vec<f64>,
    /// The pairs of each symbol.
    pairs_of: Vec<Vec<u32>>,
    /// The highest bound of each pair in the heap; negative where it isn't there.
    bounds: Vec<f64>,
    heap: BinaryHeap<Entry>,
    aside: Vec<Entry>,
    changed: Vec<usize>,
}

impl ByLikelihood {
    /// `frequencies` of the symbols by id, that of 0 (no symbol) first.
    pub fn new(score: Score, frequencies: Vec<u64>) -> Self {
        Self {
            score,
            total: frequencies.iter().sum(),
            bases: frequencies.iter().map(|&f| f as f64).collect(),
            pairs_of: vec![Vec::new(); frequencies.len()],
            frequencies,
            bounds: Vec::new(),
            heap: BinaryHeap::new(),
            aside: Vec::new(),
            changed: Vec::new(),
        }
    }

    fn bound(&self, pair: &Pair) -> f64 {
        self.score.of(pair.count, self.bases[pair.left as usize], self.bases[pair.right as usize], self.total)
    }

    fn exact(&self, pair: &Pair) -> f64 {
        let frequency = |symbol: u32| self.frequencies[symbol as usize] as f64;
        self.score.of(pair.count, frequency(pair.left), frequency(pair.right), self.total)
    }

    /// A pair that gains nothing waits until one of its symbols gets rarer.
    fn enter(&mut self, number: u32, pair: &Pair, bound: f64) {
        if bound > 0.0 {
            self.bounds[number as usize] = bound;
            self.heap.push(Entry { bound, pair: Reverse((pair.left, pair.right)), number });
        }
    }
}

impl Queue for ByLikelihood {
    fn floor(&self, _: u64, min: u64, _: usize) -> Floor {
        Floor::At(min)
    }

    fn clear(&mut self) {
        self.heap.clear();
        self.bounds.clear();
        self.pairs_of.iter_mut().for_each(Vec::clear);
    }

    fn push(&mut self, number: u32, pair: &Pair) {
        self.pairs_of[pair.left as usize].push(number);
        if pair.left != pair.right {
            self.pairs_of[pair.right as usize].push(number);
        }
        self.bounds.push(-1.0);
        self.enter(number, pair, self.bound(pair));
    }

    fn pop(&mut self, pairs: &[Pair], floor: u64) -> Option<u32> {
        let mut best: Option<(Entry, Entry)> = None;
        while let Some(&top) = self.heap.peek() {
            // The exact score of an entry is at most its bound.
            if best.as_ref().is_some_and(|(score, _)| *score > top) {
                break;
            }
            self.heap.pop();
            let number = top.number as usize;
            let pair = &pairs[number];
            if self.bounds[number] != top.bound {
                continue;
            }
            if pair.count < floor {
                self.bounds[number] = -1.0;
                continue;
            }
            let bound = self.bound(pair);
            if bound < top.bound {
                self.bounds[number] = -1.0;
                self.enter(top.number, pair, bound);
                continue;
            }
            let score = Entry { bound: self.exact(pair), ..top };
            if score.bound <= 0.0 {
                self.aside.push(top);
            } else if best.as_ref().is_none_or(|(best, _)| score > *best) {
                self.aside.extend(best.replace((score, top)).map(|(_, top)| top));
            } else {
                self.aside.push(top);
            }
        }
        self.heap.extend(self.aside.drain(..));
        let (_, top) = best?;
        self.bounds[top.number as usize] = -1.0;
        Some(top.number)
    }

    fn next(&self) -> Option<u32> {
        self.heap.peek().map(|entry| entry.number)
    }

    fn merged(&mut self, pair: &Pair, applied: u64) {
        self.total -= applied;
        self.frequencies.push(applied);
        self.bases.push(applied as f64);
        self.pairs_of.push(Vec::new());
        self.changed.clear();
        for symbol in [pair.left as usize, pair.right as usize] {
            self.frequencies[symbol] -= applied;
            if !self.changed.contains(&symbol) {
                self.changed.push(symbol);
            }
        }
        let (frequencies, bases, pairs_of) = (&self.frequencies, &mut self.bases, &self.pairs_of);
        self.changed.retain(|&symbol| {
            let frequency = frequencies[symbol] as f64;
            let few = pairs_of[symbol].len() <= FEW;
            let visit = few || frequency < bases[symbol];
            if visit {
                bases[symbol] = if few { frequency } else { (frequency * (1.0 - SLACK)).floor().max(1.0) };
            }
            visit
        });
    }

    fn settle(&mut self, pairs: &[Pair], floor: u64) {
        for symbol in std::mem::take(&mut self.changed) {
            let mut numbers = std::mem::take(&mut self.pairs_of[symbol]);
            numbers.retain(|&number| {
                let pair = &pairs[number as usize];
                if pair.count < floor {
                    return false;
                }
                let bound = self.bound(pair);
                if bound > self.bounds[number as usize] {
                    self.enter(number, pair, bound);
                }
                true
            });
            self.pairs_of[symbol] = numbers;
        }
    }
}
