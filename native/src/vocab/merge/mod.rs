//! Segments enter, merges leave, in the order of a queue: by count, or by likelihood.
//!
//! Each pair has a count, always exact, and the list of its places (the slot where its right symbol starts, in rising
//! order). The list is made once and whole, because a pair comes into being only when the newer of its two symbols
//! does; places lost since then show by their slots. What one merge takes from and gives to its neighbours is added up
//! by symbol first, so the table of pairs is asked once a neighbour, not once a place. Pairs below a floor are not kept;
//! when the queue is empty the segments are packed and scanned again with a lower floor.
//!
//! Each thread has words of its own, with their lists of places. It merges in them and adds up; one thread, the leader, has
//! the counts and the queue. So a merge is one step of the team, in which each also makes the lists of the merge before.
//! Mostly the next merge is certain before the leader has booked what the last one did, and it books during the next.

mod by_count;
mod by_likelihood;
mod numbers;
mod part;
mod sums;
mod team;

use crate::error::Result;
use crate::progress::Progress;
use crate::vocab::machine::{in_parts, prefetch};
use crate::vocab::scan::{Floor, scan};
use crate::vocab::segments::{Segments, Symbol};
pub use by_count::ByCount;
pub use by_likelihood::{ByLikelihood, Score};
use numbers::Numbers;
use part::{Merge, Neighbour, Part, Step};
use sums::Sums;
use team::{Shift, Team};

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
}

/// Two symbols that stand side by side, and how often.
#[derive(Clone, Copy)]
pub struct Pair {
    left: u32,
    right: u32,
    count: u64,
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
    /// The same before what the `last` merge did is known to the queue, if it can't matter: the pairs that it `made` come
    /// later, and the best one loses nothing.
    fn pop_ahead(&mut self, _pairs: &[Pair], _last: &Pair, _made: &[Pair], _floor: u64) -> Option<u32> {
        None
    }
    /// Which one probably comes after the last one popped.
    fn next(&self) -> Option<u32>;
    /// The frequencies after a merge of `pair` into the next symbol, at places that count `applied`.
    fn merged(&mut self, _pair: &Pair, _applied: u64) {}
    /// All pairs of the last merge are pushed, and the counts of the others are true.
    fn settle(&mut self, _pairs: &[Pair], _floor: u64) {}
}

/// Merges all words of `shares`, each share on a thread of its own, until the queue is empty or `token` says that the
/// vocabulary is full. `token` is asked about each pair before it is merged. `lengths` are those of the symbols by id, that
/// of 0 (no symbol) first.
pub fn merge<S: Symbol, Q: Queue>(
    shares: Vec<Segments<S>>,
    lengths: Vec<u32>,
    queue: Q,
    limits: &Limits,
    progress: &Progress,
    token: impl FnMut(usize, usize) -> Token,
) -> Result<()> {
    let team = Team::new(shares.into_iter().map(Part::new).collect(), Step::default(), Part::step);
    std::thread::scope(|scope| Leader::new(&team, team.start(scope), lengths, queue).run(limits, progress, token))
}

/// More threads than this would wait for each other longer than they work: most merges are at a few dozen places.
pub const MOST: usize = 4;
/// How many pairs ahead the table is asked for.
const AHEAD: usize = 12;

/// What a merge did, its neighbours aside.
struct Merged {
    pair: Pair,
    new: u32,
    applied: u64,
    chained: u64,
}

struct Leader<'a, S, Q> {
    team: &'a Team<Part<S>, Step>,
    shift: Shift<'a, Part<S>, Step>,
    /// Slots of each symbol, by id.
    spans: Vec<u32>,
    /// Length of each symbol as the caller counts it.
    lengths: Vec<u32>,
    pairs: Vec<Pair>,
    numbers: Numbers,
    queue: Q,
    /// The neighbours of the last merge, on its left and on its right.
    lefts: Sums,
    rights: Sums,
    /// What a merge takes from other pairs, and their numbers; kept for the memory.
    lost: Vec<((u32, u32), u64)>,
    losers: Vec<(u32, u64)>,
    /// The last merge: what isn't in the counts, the table and the queue yet.
    last: Option<Merged>,
    /// The pairs that it made, by the symbols on its left, then by those on its right.
    made: Vec<Pair>,
    new_lefts: Vec<u32>,
    new_rights: Vec<u32>,
    floor: u64,
    packed: bool,
}

impl<'a, S: Symbol, Q: Queue> Leader<'a, S, Q> {
    fn new(team: &'a Team<Part<S>, Step>, shift: Shift<'a, Part<S>, Step>, lengths: Vec<u32>, queue: Q) -> Self {
        Self {
            team,
            shift,
            spans: vec![1; lengths.len()],
            lengths,
            pairs: Vec::new(),
            numbers: Numbers::new(1024),
            queue,
            lefts: Sums::default(),
            rights: Sums::default(),
            lost: Vec::new(),
            losers: Vec::new(),
            last: None,
            made: Vec::new(),
            new_lefts: Vec::new(),
            new_rights: Vec::new(),
            floor: u64::MAX,
            packed: true,
        }
    }

    fn run(
        &mut self,
        limits: &Limits,
        progress: &Progress,
        mut token: impl FnMut(usize, usize) -> Token,
    ) -> Result<()> {
        let min = limits.min_count.max(1);
        let mut done = 0;
        loop {
            progress.check()?;
            let last = self.last.as_ref();
            let ahead = last.and_then(|last| self.queue.pop_ahead(&self.pairs, &last.pair, &self.made, self.floor));
            if ahead.is_none() {
                self.book();
            }
            let Some(number) = ahead.or_else(|| self.queue.pop(&self.pairs, self.floor)) else {
                if self.floor <= min {
                    return Ok(());
                }
                let floor = self.queue.floor(self.floor, min, limits.merges.saturating_sub(done));
                self.rescan(limits, &floor)?;
                continue;
            };
            let pair = self.pairs[number as usize];
            // It has no further part in anything.
            self.pairs[number as usize].count = 0;
            match token(pair.left as usize, pair.right as usize) {
                Token::Full => return Ok(()),
                Token::Refused => continue,
                Token::New => {
                    self.merge(number, &pair, limits)?;
                    done += 1;
                    progress.add(1);
                }
                Token::Known(id) => {
                    self.book();
                    self.merge_known(&pair, id)?;
                    self.rescan(limits, &Floor::At(self.floor))?;
                }
            }
        }
    }

    fn rescan(&mut self, limits: &Limits, floor: &Floor) -> Result<()> {
        self.pack()?;
        self.pairs.clear();
        self.queue.clear();
        self.new_lefts.clear();
        self.new_rights.clear();
        let (lengths, max) = (&self.lengths, limits.max_length);
        let mut parts = self.team.parts()?;
        let shares: Vec<&Segments<S>> = parts.iter().map(|part| &part.segments).collect();
        let found = scan(&shares, lengths.len(), floor, |a, b| {
            // The alphabet's own pairs are never too long.
            (lengths[a] == 1 && lengths[b] == 1) || lengths[a].saturating_add(lengths[b]) < max
        });
        self.floor = found.floor;
        self.numbers = Numbers::new(found.pairs.len() + limits.merges);
        for (left, right, count) in found.pairs {
            self.add(Pair { left, right, count });
        }
        for (part, (counts, places)) in parts.iter_mut().zip(found.lists) {
            part.restart(counts, places);
        }
        Ok(())
    }

    fn add(&mut self, pair: Pair) {
        let number = self.pairs.len() as u32;
        self.queue.push(number, &pair);
        self.numbers.insert((pair.left, pair.right), number);
        self.pairs.push(pair);
    }

    fn pack(&mut self) -> Result<()> {
        if !self.packed {
            let (mut parts, spans) = (self.team.parts()?, &self.spans);
            in_parts(parts.iter_mut().map(|part| &mut part.segments).collect(), |segments| segments.pack(spans));
            self.spans.iter_mut().for_each(|span| *span = 1);
            self.packed = true;
        }
        Ok(())
    }

    /// Makes a new symbol of a pair, everywhere, and counts the pairs that it forms with its neighbours. What the merge before
    /// did is booked meanwhile.
    fn merge(&mut self, number: u32, pair: &Pair, limits: &Limits) -> Result<()> {
        let (left, right, new) = (pair.left, pair.right, self.spans.len() as u32);
        let (left_span, right_span) = (self.spans[left as usize], self.spans[right as usize]);
        self.spans.push(left_span + right_span);
        self.lengths.push(self.lengths[left as usize].saturating_add(self.lengths[right as usize]));
        self.packed = false;

        self.shift.begin(|step| {
            step.next = self.queue.next();
            step.merge = Merge { number, left, right, new, left_span, right_span };
            std::mem::swap(&mut step.lefts, &mut self.new_lefts);
            std::mem::swap(&mut step.rights, &mut self.new_rights);
        })?;
        self.book();
        self.shift.finish();

        let (mut chained, mut applied) = (0, 0);
        for part in self.team.parts()? {
            self.lefts.add(&part.lefts, new);
            self.rights.add(&part.rights, new);
            chained += part.chained;
            applied += part.applied;
        }
        self.new_lefts.clear();
        self.new_rights.clear();
        let room = limits.max_length.saturating_sub(self.lengths[new as usize]);
        let fits =
            |neighbour: &&Neighbour| neighbour.count >= self.floor && self.lengths[neighbour.symbol as usize] < room;
        for &Neighbour { symbol, count } in self.lefts.iter().filter(fits) {
            self.new_lefts.push(symbol);
            self.made.push(Pair { left: symbol, right: new, count });
        }
        for &Neighbour { symbol, count } in self.rights.iter().filter(fits) {
            self.new_rights.push(symbol);
            self.made.push(Pair { left: new, right: symbol, count });
        }
        self.last = Some(Merged { pair: *pair, new, applied, chained });
        Ok(())
    }

    /// Tells counts, table and queue what the last merge did, if they don't know yet.
    fn book(&mut self) {
        let Some(Merged { pair, new, applied, chained }) = self.last.take() else { return };
        self.queue.merged(&pair, applied);
        if chained > 0 {
            self.lost.push(((pair.right, pair.left), chained));
        }
        let lefts = self.lefts.iter().filter(|neighbour| neighbour.symbol != new);
        self.lost.extend(lefts.map(|neighbour| ((neighbour.symbol, pair.left), neighbour.count)));
        self.lost.extend(self.rights.iter().map(|neighbour| ((pair.right, neighbour.symbol), neighbour.count)));
        self.lefts.clear();
        self.rights.clear();
        self.lose();
        let mut made = std::mem::take(&mut self.made);
        made.iter().take(AHEAD).for_each(|pair| self.numbers.prefetch((pair.left, pair.right)));
        made.drain(..).for_each(|pair| self.add(pair));
        self.made = made;
        self.queue.settle(&self.pairs, self.floor);
    }

    /// Takes what a merge took from other pairs off their counts; table and pairs are asked for ahead of time.
    fn lose(&mut self) {
        self.lost.iter().take(AHEAD).for_each(|&(pair, _)| self.numbers.prefetch(pair));
        self.losers.resize(self.lost.len(), (0, 0));
        let mut n = 0;
        for (i, &(pair, count)) in self.lost.iter().enumerate() {
            if let Some(&(ahead, _)) = self.lost.get(i + AHEAD) {
                self.numbers.prefetch(ahead);
            }
            // Without a branch: a guess would often fail.
            let number = self.numbers.get(pair);
            let found = number.unwrap_or(0);
            prefetch(&self.pairs, found as usize);
            self.losers[n] = (found, count);
            n += usize::from(number.is_some());
        }
        for &(number, count) in &self.losers[..n] {
            let pair = &mut self.pairs[number as usize];
            pair.count = pair.count.saturating_sub(count);
        }
        self.lost.clear();
    }

    /// Merges a pair into a symbol that exists; the pairs have to be scanned afterwards.
    fn merge_known(&mut self, pair: &Pair, id: usize) -> Result<()> {
        let (left, right, known) = (S::new(pair.left as usize), S::new(pair.right as usize), S::new(id));
        // One symbol must span the same slots everywhere: pack first, then rewrite word by word.
        self.pack()?;
        let mut parts = self.team.parts()?;
        let replace = |segments: &mut Segments<S>| segments.replace(left, right, known);
        in_parts(parts.iter_mut().map(|part| &mut part.segments).collect(), replace);
        Ok(())
    }
}
