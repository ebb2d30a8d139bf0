//! Documents of sentences to pairs of sentences with masks: next sentence prediction (Devlin et al. 2018, section 3.1,
//! task 2) and sentence order prediction (Lan et al. 2019, section 3.1).
//!
//! A row is `<cls> A <sep> B <sep>`. Columns: `input_ids: fixed_size_list[seqLen]`, `length`, `first_length` (tokens up to the
//! first `<sep>`, it counted) and `next_sentence_label: int32` (0: B follows A; 1: it doesn't, or for order prediction: the
//! two were swapped); `words` and masks as in masked rows.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::mask::Masking;
use super::masked::Masked;
use crate::dataset::collate::{Batcher, Column, RowKey, fetch_ahead};
use crate::dataset::columns::{Bits, Ids, ints};
use crate::dataset::plan::Plan;
use crate::dataset::rng::{Purpose, Rng};
use crate::dataset::rows::finish;
use crate::dataset::shard::Shard;
use crate::dataset::task::{Assembled, Counts, Place};
use crate::dataset::tokens::{SENTENCE, TokenDocs, WORD};
use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// Sentence order instead of next sentence.
    pub order: bool,
    pub masking: Masking,
    /// Share of documents whose pairs are shorter than a row.
    pub short_probability: f64,
    /// How often each document is gone through, with other cuts, pairs and masks.
    pub dupe_factor: u64,
    /// Every line is a sentence; otherwise sentences are found in the text.
    pub lines: bool,
    pub cls: u32,
    pub sep: u32,
}

/// A pair as ranges of ids.
#[derive(Clone, Debug)]
struct Instance {
    a: Range<usize>,
    b: Range<usize>,
    label: i32,
}

/// How far random and following pairs may drift apart before the coin is overruled. Chunks of one sentence can only make
/// random pairs (the rest of the rule would leave more than half of all pairs random); this makes up for them.
const DRIFT: i64 = 8;

pub fn assemble(plan: &Plan, task: &Pair, docs: TokenDocs, place: Place) -> Result<Assembled> {
    let sentences: Vec<Vec<Range<usize>>> = (0..docs.len()).map(|doc| sentences(&docs, doc)).collect();
    let mut pairs = Pairs { plan, task, sentences: &sentences, balance: 0, made: Vec::new(), alone: 0 };
    for dupe in 0..task.dupe_factor {
        for doc in 0..docs.len() {
            let mut rng = place.rng(plan.seed, Purpose::Pair, dupe, doc);
            pairs.document(doc, &mut rng);
        }
    }
    let (mut instances, alone) = (pairs.made, pairs.alone);
    refuse(task, &instances, alone)?;
    place.rng(plan.seed, Purpose::Order, 0, 0).shuffle(&mut instances);
    write(plan, task, &docs, &instances)
}

/// The sentences of a document as ranges of ids.
fn sentences(docs: &TokenDocs, doc: usize) -> Vec<Range<usize>> {
    let range = docs.range(doc);
    let mut starts: Vec<usize> = range.clone().filter(|&t| docs.marks[t] & SENTENCE != 0).collect();
    if starts.first() != Some(&range.start) && !range.is_empty() {
        starts.insert(0, range.start);
    }
    let ends = starts.iter().skip(1).copied().chain([range.end]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

struct Pairs<'a> {
    plan: &'a Plan,
    task: &'a Pair,
    sentences: &'a [Vec<Range<usize>>],
    /// Random pairs less following ones, so far.
    balance: i64,
    made: Vec<Instance>,
    /// Chunks of one sentence.
    alone: u64,
}

impl Pairs<'_> {
    fn document(&mut self, doc: usize, rng: &mut Rng) {
        let room = self.plan.seq_len - 3;
        let short = rng.unit() < self.task.short_probability;
        let target = if short { 2 + rng.below(room as u32 - 1) as usize } else { room };
        let all = &self.sentences[doc];
        let (mut first, mut next, mut length) = (0, 0, 0);
        while next < all.len() {
            length += all[next].len();
            next += 1;
            if next < all.len() && length < target {
                continue;
            }
            // The chunk is first..next.
            let count = next - first;
            self.alone += u64::from(count == 1);
            let split = if count > 1 { 1 + rng.below(count as u32 - 1) as usize } else { 1 };
            let a = all[first].start..all[first + split - 1].end;
            let rest = if count > 1 { Some(all[first + split].start..all[next - 1].end) } else { None };
            if self.task.order {
                if let Some(b) = rest {
                    let swapped = rng.below(2) == 1;
                    let (a, b) = fit(a, b, room, rng);
                    let (a, b) = if swapped { (b, a) } else { (a, b) };
                    self.made.push(Instance { a, b, label: i32::from(swapped) });
                }
            } else if let Some(b) = rest.clone().filter(|_| !self.random(rng)) {
                self.balance -= 1;
                let (a, b) = fit(a, b, room, rng);
                self.made.push(Instance { a, b, label: 0 });
            } else if let Some(b) = self.elsewhere(doc, target.saturating_sub(a.len()), rng) {
                self.balance += 1;
                let (a, b) = fit(a, b, room, rng);
                self.made.push(Instance { a, b, label: 1 });
                // The sentences after A weren't used: they go back.
                next = first + split;
            } else if let Some(b) = rest {
                let (a, b) = fit(a, b, room, rng);
                self.made.push(Instance { a, b, label: 0 });
            }
            (first, length) = (next, 0);
        }
    }

    /// Shall B come from elsewhere? A coin, overruled where pairs have drifted apart.
    fn random(&mut self, rng: &mut Rng) -> bool {
        let coin = rng.below(2) == 1;
        let possible = self.sentences.len() > 1 && self.balance <= DRIFT;
        possible && (coin || self.balance < -DRIFT)
    }

    /// Sentences of another document, from a random one on, until there are `wanted` tokens.
    fn elsewhere(&self, doc: usize, wanted: usize, rng: &mut Rng) -> Option<Range<usize>> {
        let others = self.sentences.len() as u32;
        if others < 2 {
            return None;
        }
        let mut other = rng.below(others - 1) as usize;
        other += usize::from(other >= doc);
        let all = &self.sentences[other];
        let from = rng.below(all.len() as u32) as usize;
        let start = all.get(from)?.start;
        let last = all[from..].iter().find(|sentence| sentence.end - start >= wanted).or(all.last())?;
        Some(start..last.end)
    }
}

/// Takes tokens from the longer side (B where they are equal), at its front or its back by a coin each, until both fit.
/// Coins are counted, not tossed one by one: first for the side that is longer until it isn't, then for both in turn.
fn fit(mut a: Range<usize>, mut b: Range<usize>, room: usize, rng: &mut Rng) -> (Range<usize>, Range<usize>) {
    let excess = (a.len() + b.len()).saturating_sub(room);
    let alone = if a.len() > b.len() { a.len() - b.len() } else { b.len() + 1 - a.len() }.min(excess);
    let longer = if a.len() > b.len() { &mut a } else { &mut b };
    trim(longer, alone, rng);
    // From here on they take turns.
    let (first, second) = if a.len() > b.len() { (&mut a, &mut b) } else { (&mut b, &mut a) };
    trim(first, (excess - alone).div_ceil(2), rng);
    trim(second, (excess - alone) / 2, rng);
    (a, b)
}

/// Takes `count` tokens, each from the front or the back by a coin.
fn trim(side: &mut Range<usize>, count: usize, rng: &mut Rng) {
    for at in (0..count).step_by(32) {
        let coins = (count - at).min(32) as u32;
        let back = (rng.word() >> (32 - coins)).count_ones();
        side.start += (coins - back) as usize;
        side.end -= back as usize;
    }
}

/// Where most chunks have one sentence, there is nothing to predict.
fn refuse(task: &Pair, instances: &[Instance], alone: u64) -> Result<()> {
    let total = instances.len().max(1) as f64;
    let random = instances.iter().filter(|instance| instance.label == 1).count() as f64;
    let hint = "write a document as several sentences, documents apart by blank lines (format paragraph) or as files or JSONL records";
    if task.order {
        if alone as f64 > total {
            return Err(Error::input(format!(
                "sentence order: {alone} chunks have one sentence, only {} have two to order",
                instances.len()
            ))
            .with_hint(hint));
        }
    } else if instances.len() >= 20 && random / total > 0.55 {
        return Err(Error::input(format!(
            "next sentence: {:.0} % of the pairs would be random instead of 50 %, since most documents have one sentence",
            100.0 * random / total
        ))
        .with_hint(hint));
    }
    Ok(())
}

fn write(plan: &Plan, task: &Pair, docs: &TokenDocs, instances: &[Instance]) -> Result<Assembled> {
    let width = plan.seq_len;
    let filler = plan.vocabulary.special.filler();
    let words = task.masking.words();
    let mut ids = Ids::with_capacity(plan.narrow(), instances.len() * width);
    let mut bits = words.then(|| Bits::with_capacity(instances.len() * width));
    let (mut lengths, mut firsts, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    let mut counts = Counts { rows: instances.len() as u64, ..Counts::default() };
    for (i, Instance { a, b, label }) in instances.iter().enumerate() {
        // Pairs come in random order: their ids would be waited for.
        if let Some(next) = instances.get(i + 8) {
            [&next.a, &next.b].into_iter().for_each(|side| docs.ids.prefetch(side.start));
        }
        for (text, mark) in [(0..0, task.cls), (a.clone(), task.sep), (b.clone(), task.sep)] {
            ids.extend_from(docs.ids.part(text.clone()));
            ids.extend(&[mark]);
            if let Some(bits) = &mut bits {
                bits.extend(text.map(|t| docs.marks[t] & WORD != 0));
                bits.fill(false, 1);
            }
        }
        let length = a.len() + b.len() + 3;
        ids.fill(filler, width - length);
        if let Some(bits) = &mut bits {
            bits.fill(false, width - length);
        }
        lengths.push(length as i32);
        firsts.push(a.len() as i32 + 2);
        labels.push(*label);
        counts.tokens += length as u64;
        counts.padding += (width - length) as u64;
        counts.random_pairs += *label as u64;
    }
    let mut columns = vec![
        ids.fixed("input_ids", width)?,
        ints("length", lengths),
        ints("first_length", firsts),
        ints("next_sentence_label", labels),
    ];
    if let Some(bits) = bits {
        columns.push(bits.fixed("words", width)?);
    }
    finish(plan, columns, TokenDocs::default(), counts)
}

/// input_ids, attention_mask, token_type_ids [rows, seqLen]; next_sentence_label [rows]; targets as in masked rows.
pub fn collate(batcher: &Batcher, shards: &[Shard], keys: &[RowKey]) -> Result<Vec<Column>> {
    let length = batcher.seq_len;
    let mut out = Masked::new(batcher, keys.len())?;
    let mut types = batcher.pool.take(keys.len() * length);
    let mut order = batcher.pool.take(keys.len());
    for (i, key) in keys.iter().enumerate() {
        fetch_ahead(shards, keys, i);
        let shard = &shards[key.shard];
        let tokens = (shard.ints("length")?[key.row].max(0) as usize).min(length);
        let first = (shard.ints("first_length")?[key.row].max(0) as usize).min(tokens);
        out.row(tokens, shard, key)?;
        types.resize(i * length + first, 0);
        types.resize(i * length + tokens, 1);
        types.resize((i + 1) * length, 0);
        order.push(shard.ints("next_sentence_label")?[key.row]);
    }
    let (columns, mut rest) = out.finish();
    let mut columns = Vec::from(columns);
    columns.push(Column::new("token_type_ids", vec![keys.len() as u32, length as u32], types));
    columns.push(Column::new("next_sentence_label", vec![keys.len() as u32], order));
    columns.append(&mut rest);
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// As many tokens of each side stay as when one is taken from the longer side at a time.
        #[test]
        fn fits_as_the_rule_says(a in 1usize..400, b in 1usize..400, room in 2usize..300, seed: u64) {
            let (mut x, mut y) = (a, b);
            while x + y > room {
                if x > y { x -= 1 } else { y -= 1 }
            }
            let mut rng = Rng::new(seed, Purpose::Pair, 0, 0);
            let (left, right) = fit(1000..1000 + a, 2000..2000 + b, room, &mut rng);
            proptest::prop_assert_eq!((left.len(), right.len()), (x, y));
            proptest::prop_assert!(left.start >= 1000 && left.end <= 1000 + a && right.start >= 2000 && right.end <= 2000 + b);
        }
    }
}
