//! The ids of a row in; some of them chosen and replaced, the chosen places and what stood there out
//! (Devlin et al. 2018, section 3.1, task 1, and appendix A.1).
//!
//! Of n tokens, begin and end marks counted, k = min(maxPredictions, max(1, round(n p))) are chosen, uniformly among those
//! that are not special; of each ten chosen, eight become the mask token, one a token drawn uniformly among the ordinary
//! ones, one stays. Whole words are chosen or left as one; n-grams are runs of up to n words, of length l with a
//! probability that goes as 1 / l (Lan et al. 2019, section 3.1, equation for p(n)). A word that no longer fits into k is left out.

use serde::{Deserialize, Serialize};

use crate::dataset::plan::Vocabulary;
use crate::dataset::rng::Rng;
use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Masking {
    /// Share of the tokens chosen.
    pub probability: f64,
    pub max_predictions: usize,
    /// Drawn once, when the dataset is built, rather than afresh in each epoch.
    pub fixed: bool,
    pub whole_word: bool,
    /// Longest run of words chosen as one; 1: single ones.
    pub ngram: usize,
    /// Id of the mask token.
    pub mask: u32,
}

impl Masking {
    /// Are word starts needed?
    pub fn words(&self) -> bool {
        self.whole_word || self.ngram > 1
    }
}

/// A masking with the tables that make it fast.
pub struct Masker {
    probability: f64,
    pub max_predictions: usize,
    ngram: usize,
    words: bool,
    mask: i32,
    /// A bit an id, and the lowest and highest that are special: most tokens lie beyond them.
    special: Vec<u64>,
    between: (i32, i32),
    /// The ids that a replacement is drawn from, as runs: the number of the first one, and what to add to get its id.
    ordinary: Vec<(u32, i32)>,
    /// How many there are.
    ordinaries: u32,
}

/// What one thread needs to mask rows, kept from row to row.
#[derive(Default)]
pub struct Scratch {
    /// Places chosen in the last row, a bit a token.
    chosen: Vec<u64>,
    /// Places by what becomes of their tokens: masked, replaced, kept.
    fates: [Vec<u16>; 3],
    order: Vec<u16>,
    starts: Vec<u16>,
    draw: Draw,
}

impl Scratch {
    /// The places chosen in the last row, in order.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.chosen.iter().enumerate().flat_map(|(i, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(64 * i + bit)
            })
        })
    }
}

/// What drawing from `n` places takes: most rows of a dataset are of one length.
#[derive(Clone, Copy, Default)]
struct Draw {
    n: usize,
    wanted: usize,
    /// 2^32 modulo n: low halves below it would make some places likelier than others (Lemire 2019).
    floor: u32,
}

/// The low half of a draw from here on: the token is replaced by a random one.
const REPLACED: u32 = (0.8 * 4_294_967_296.0) as u32;
/// From here on: it stays.
const KEPT: u32 = (0.9 * 4_294_967_296.0) as u32;

impl Masker {
    pub fn new(masking: &Masking, vocabulary: &Vocabulary) -> Result<Self> {
        if !(masking.probability > 0.0 && masking.probability < 1.0) {
            return Err(Error::config(format!(
                "the masking probability {} is not between 0 and 1",
                masking.probability
            )));
        }
        let mut special = vec![0u64; vocabulary.size / 64 + 1];
        for &id in vocabulary.special.all.iter().filter(|&&id| (id as usize) < vocabulary.size) {
            special[id as usize / 64] |= 1 << (id % 64);
        }
        let known = || vocabulary.special.all.iter().map(|&id| id as i32);
        let (lowest, highest) = (known().min().unwrap_or(0), known().max().unwrap_or(-1));
        let (mut ordinary, mut ordinaries) = (Vec::new(), 0);
        for id in (0..vocabulary.size).filter(|&id| special[id / 64] >> (id % 64) & 1 == 0) {
            let offset = id as i32 - ordinaries as i32;
            if ordinary.last().is_none_or(|&(_, last)| last != offset) {
                ordinary.push((ordinaries, offset));
            }
            ordinaries += 1;
        }
        if ordinary.is_empty() {
            return Err(Error::config("the vocabulary has special tokens only"));
        }
        Ok(Self {
            probability: masking.probability,
            max_predictions: masking.max_predictions,
            ngram: masking.ngram.max(1),
            words: masking.words(),
            mask: masking.mask as i32,
            special,
            between: (lowest, highest),
            ordinary,
            ordinaries,
        })
    }

    #[inline(always)]
    fn is_special(&self, id: i32) -> bool {
        let (lowest, highest) = self.between;
        (lowest..=highest).contains(&id)
            && self.special.get(id as usize / 64).is_none_or(|word| word >> (id % 64) & 1 == 1)
    }

    /// How many of `n` tokens are chosen.
    fn target(&self, n: usize) -> usize {
        ((n as f64 * self.probability).round_ties_even() as usize).clamp(1, self.max_predictions.max(1))
    }

    /// Masks `ids`, a row without its padding; what stood at the chosen places goes to the same places of `labels`, and
    /// `scratch.places()` says which they are. `word` says whether a token begins one.
    pub fn mask(
        &self,
        ids: &mut [i32],
        labels: &mut [i32],
        word: Option<&dyn Fn(usize) -> bool>,
        rng: &mut Rng,
        scratch: &mut Scratch,
    ) {
        let n = ids.len().min(labels.len()).min(usize::from(u16::MAX));
        let (ids, labels) = (&mut ids[..n], &mut labels[..n]);
        scratch.chosen.clear();
        scratch.chosen.resize(n.div_ceil(64), 0);
        match word {
            Some(word) if self.words => self.words(ids, labels, word, rng, scratch),
            _ => self.tokens(ids, labels, rng, scratch),
        }
    }

    /// Draws places until enough different ones are found whose tokens aren't special. The high half of a random word times
    /// n is a place, the low half says what becomes of its token: both uniform, the low one to n in 2^32.
    #[inline]
    fn tokens(&self, ids: &mut [i32], labels: &mut [i32], rng: &mut Rng, scratch: &mut Scratch) {
        let n = ids.len();
        if scratch.draw.n != n {
            let floor = (n as u32).wrapping_neg().checked_rem(n as u32).unwrap_or(0);
            scratch.draw = Draw { n, wanted: self.target(n), floor };
            scratch.fates.iter_mut().for_each(|places| places.resize(n + 1, 0));
        }
        let Draw { wanted, floor, .. } = scratch.draw;
        let [masked, replaced, kept] = &mut scratch.fates;
        let (mut found, mut others, mut same) = (0, 0, 0);
        // Without branches that can't be foretold: a place drawn in vain is written over by the next.
        for _ in 0..8 * wanted + 64 {
            if found == wanted || n == 0 {
                break;
            }
            let product = u64::from(rng.word()) * n as u64;
            let (place, low) = ((product >> 32) as usize, product as u32);
            let word = &mut scratch.chosen[place / 64];
            let good = (low >= floor) & (*word >> (place % 64) & 1 == 0) & !self.is_special(ids[place]);
            *word |= u64::from(good) << (place % 64);
            masked[found - others - same] = place as u16;
            replaced[others] = place as u16;
            kept[same] = place as u16;
            found += usize::from(good);
            others += usize::from(good & (REPLACED..KEPT).contains(&low));
            same += usize::from(good & (low >= KEPT));
        }
        for &place in &masked[..found - others - same] {
            let place = usize::from(place);
            labels[place] = ids[place];
            ids[place] = self.mask;
        }
        for &place in &replaced[..others] {
            let place = usize::from(place);
            labels[place] = ids[place];
            ids[place] = self.ordinary_token(rng);
        }
        for &place in &kept[..same] {
            labels[usize::from(place)] = ids[usize::from(place)];
        }
        if found < wanted {
            self.rest(ids, labels, wanted - found, rng, scratch);
        }
    }

    /// Where most tokens are special, the last places are drawn from a list of those that are left.
    #[cold]
    fn rest(&self, ids: &mut [i32], labels: &mut [i32], wanted: usize, rng: &mut Rng, scratch: &mut Scratch) {
        let Scratch { chosen, order, .. } = scratch;
        let open = |place: usize| chosen[place / 64] >> (place % 64) & 1 == 0 && !self.is_special(ids[place]);
        order.clear();
        order.extend((0..ids.len()).filter(|&place| open(place)).map(|place| place as u16));
        rng.shuffle(order);
        for &place in order.iter().take(wanted) {
            let place = usize::from(place);
            chosen[place / 64] |= 1 << (place % 64);
            labels[place] = ids[place];
            ids[place] = self.replacement(ids[place], rng);
        }
    }

    /// An id that isn't special, each as likely. Vocabularies have few runs of them, the longest last.
    #[inline(always)]
    fn ordinary_token(&self, rng: &mut Rng) -> i32 {
        let number = rng.below(self.ordinaries);
        let run = self.ordinary.iter().rev().find(|(first, _)| *first <= number);
        number as i32 + run.map_or(0, |(_, offset)| *offset)
    }

    #[inline(always)]
    fn replacement(&self, id: i32, rng: &mut Rng) -> i32 {
        match rng.below(10) {
            0 => id,
            1 => self.ordinary_token(rng),
            _ => self.mask,
        }
    }

    fn words(
        &self,
        ids: &mut [i32],
        labels: &mut [i32],
        word: &dyn Fn(usize) -> bool,
        rng: &mut Rng,
        scratch: &mut Scratch,
    ) {
        let n = ids.len();
        let wanted = self.target(n);
        // Where words begin; a special token begins one that is never chosen, and ends the one before it.
        scratch.starts.clear();
        let mut after_special = true;
        for (t, &id) in ids.iter().enumerate() {
            let special = self.is_special(id);
            if special || after_special || word(t) {
                scratch.starts.push(t as u16);
            }
            after_special = special;
        }
        let starts = &scratch.starts;
        let count = starts.len();
        let end_of = |word: usize| starts.get(word + 1).map_or(n, |&start| usize::from(start));
        scratch.order.clear();
        scratch.order.extend(0..count as u16);
        rng.shuffle(&mut scratch.order);
        let mut taken = vec![false; count];
        let mut sum = 0;
        for &first in &scratch.order {
            if sum >= wanted {
                break;
            }
            let first = usize::from(first);
            let run = self.run(rng).min(count - first);
            let free = |word: usize| !taken[word] && !self.is_special(ids[usize::from(starts[word])]);
            let run = (first..first + run).take_while(|&word| free(word)).count();
            let tokens = if run == 0 { 0 } else { end_of(first + run - 1) - usize::from(starts[first]) };
            if tokens == 0 || sum + tokens > wanted {
                continue;
            }
            taken[first..first + run].fill(true);
            sum += tokens;
        }
        for word in (0..count).filter(|&word| taken[word]) {
            for place in usize::from(starts[word])..end_of(word) {
                scratch.chosen[place / 64] |= 1 << (place % 64);
                labels[place] = ids[place];
                ids[place] = self.replacement(ids[place], rng);
            }
        }
    }

    /// Length of a run of words: l with a probability that goes as 1 / l.
    fn run(&self, rng: &mut Rng) -> usize {
        if self.ngram == 1 {
            return 1;
        }
        let total: f64 = (1..=self.ngram).map(|l| 1.0 / l as f64).sum();
        let mut left = rng.unit() * total;
        for l in 1..self.ngram {
            left -= 1.0 / l as f64;
            if left < 0.0 {
                return l;
            }
        }
        self.ngram
    }
}

/// The stored choice of a fixed masking.
#[derive(Default)]
pub struct Stored {
    pub positions: Vec<i32>,
    pub labels: Vec<i32>,
    pub ends: Vec<i32>,
}

impl Stored {
    /// For rows with up to `most` places each.
    pub fn with_capacity(rows: usize, most: usize) -> Self {
        let room = || Vec::with_capacity(rows * most);
        Self { positions: room(), labels: room(), ends: Vec::with_capacity(rows) }
    }

    /// Adds a row: the places chosen, in order, and what stood there.
    pub fn push(&mut self, places: impl Iterator<Item = usize>, labels: &[i32]) {
        for place in places {
            self.positions.push(place as i32);
            self.labels.push(labels[place]);
        }
        self.ends.push(self.positions.len() as i32);
    }
}
