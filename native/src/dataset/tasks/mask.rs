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
    /// A bit an id.
    special: Vec<u64>,
    /// The ids that a replacement is drawn from.
    ordinary: Vec<i32>,
}

/// What one thread needs to mask rows, kept from row to row.
#[derive(Default)]
pub struct Scratch {
    order: Vec<u16>,
    identity: Vec<u16>,
    starts: Vec<u16>,
    /// Places chosen and the ids that stood there; in order of place after `mask`.
    pub chosen: Vec<(u16, i32)>,
}

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
        let ordinary = (0..vocabulary.size).filter(|&id| special[id / 64] >> (id % 64) & 1 == 0).map(|id| id as i32);
        let ordinary: Vec<i32> = ordinary.collect();
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
            ordinary,
        })
    }

    #[inline(always)]
    fn is_special(&self, id: i32) -> bool {
        let id = id as usize;
        self.special.get(id / 64).is_none_or(|word| word >> (id % 64) & 1 == 1)
    }

    /// How many of `n` tokens are chosen.
    fn target(&self, n: usize) -> usize {
        ((n as f64 * self.probability).round_ties_even() as usize).clamp(1, self.max_predictions.max(1))
    }

    /// Masks `ids`, a row without its padding; the choice is left in `scratch.chosen`. `word` says whether a token begins one.
    pub fn mask(&self, ids: &mut [i32], word: Option<&dyn Fn(usize) -> bool>, rng: &mut Rng, scratch: &mut Scratch) {
        scratch.chosen.clear();
        let n = ids.len().min(usize::from(u16::MAX));
        match word {
            Some(word) if self.words => self.words(&mut ids[..n], word, rng, scratch),
            _ => self.tokens(&mut ids[..n], rng, scratch),
        }
    }

    /// Draws places without repeating one (a shuffle that stops early), passing over special tokens.
    #[inline]
    fn tokens(&self, ids: &mut [i32], rng: &mut Rng, scratch: &mut Scratch) {
        let n = ids.len();
        let wanted = self.target(n);
        if scratch.identity.len() < n {
            scratch.identity = (0..n.max(512).min(usize::from(u16::MAX)) as u16).collect();
        }
        scratch.order.clear();
        scratch.order.extend_from_slice(&scratch.identity[..n]);
        let order = &mut scratch.order[..n];
        for i in 0..n {
            let j = i + rng.below((n - i) as u32) as usize;
            order.swap(i, j);
            let place = order[i];
            let id = ids[usize::from(place)];
            if self.is_special(id) {
                continue;
            }
            scratch.chosen.push((place, id));
            ids[usize::from(place)] = self.replacement(id, rng);
            if scratch.chosen.len() == wanted {
                break;
            }
        }
    }

    #[inline(always)]
    fn replacement(&self, id: i32, rng: &mut Rng) -> i32 {
        match rng.below(10) {
            0 => id,
            1 => self.ordinary[rng.below(self.ordinary.len() as u32) as usize],
            _ => self.mask,
        }
    }

    fn words(&self, ids: &mut [i32], word: &dyn Fn(usize) -> bool, rng: &mut Rng, scratch: &mut Scratch) {
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
            for (place, id) in (starts[word]..).zip(&mut ids[usize::from(starts[word])..end_of(word)]) {
                scratch.chosen.push((place, *id));
                *id = self.replacement(*id, rng);
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
    pub fn push(&mut self, chosen: &mut [(u16, i32)]) {
        chosen.sort_unstable();
        self.positions.extend(chosen.iter().map(|(place, _)| i32::from(*place)));
        self.labels.extend(chosen.iter().map(|(_, id)| *id));
        self.ends.push(self.positions.len() as i32);
    }
}
