//! Documents to rows for span corruption, and rows to corrupted inputs and targets (Raffel et al. 2019, section 3.1.4).
//!
//! Of n tokens, noise = clamp(round(n d), 1, n - 1) are hidden in max(1, round(noise / mean)) spans. Noise and the rest are
//! each cut into that many random parts and interleaved, the rest first; each noise part becomes a sentinel in the input,
//! and the targets are the sentinels, each followed by its part. Columns: `input_ids: fixed_size_list[W]`, whole, and
//! `lengths: list<int32>`; W is the longest text whose corrupted form fits into `seqLen`.

use serde::{Deserialize, Serialize};

use crate::dataset::collate::{Batcher, Column, IGNORED, RowKey};
use crate::dataset::plan::Plan;
use crate::dataset::rng::{Purpose, Rng};
use crate::dataset::rows::Rows;
use crate::dataset::shard::Shard;
use crate::dataset::task::{Assembled, Place};
use crate::dataset::tokens::TokenDocs;
use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    pub density: f64,
    pub mean_length: f64,
    /// The same corruption in every epoch.
    pub fixed: bool,
    pub eos: u32,
    /// First token of the decoder's input.
    pub start: u32,
    /// `<extra_id_0>`, `<extra_id_1>`, ...
    pub sentinels: Vec<u32>,
    /// Tokens of the whole text in a row, and of the longest target.
    pub text_len: usize,
    pub target_len: usize,
}

/// Hidden tokens and spans in a text of `n`.
pub fn noise(n: usize, density: f64, mean_length: f64) -> (usize, usize) {
    let noise = ((n as f64 * density).round_ties_even() as usize).clamp(1, n.saturating_sub(1).max(1));
    let spans = ((noise as f64 / mean_length).round_ties_even() as usize).clamp(1, noise.min(n - noise).max(1));
    (noise, spans)
}

/// The longest text whose input, sentinels and end token counted, fits into `seq_len`; the length of its targets.
pub fn lengths(seq_len: usize, density: f64, mean_length: f64) -> Result<(usize, usize)> {
    if !(density > 0.0 && density < 1.0 && mean_length >= 1.0) {
        return Err(Error::config("span: density must be between 0 and 1, meanLength 1 or more"));
    }
    let input = |n: usize| {
        let (noise, spans) = noise(n, density, mean_length);
        (n - noise + spans + 1, noise + spans + 1)
    };
    let mut text = 2;
    while input(text + 1).0 <= seq_len {
        text += 1;
    }
    // Shorter texts never have longer targets by more than rounding; take the true maximum.
    let target = (2..=text).map(|n| input(n).1).max().unwrap_or(0);
    Ok((text, target))
}

/// Documents end to end, cut every `text_len` tokens.
pub fn assemble(plan: &Plan, task: &Span, docs: TokenDocs, place: Place) -> Result<Assembled> {
    let total = docs.ids.len();
    let mut rows = Rows::new(plan, task.text_len, total / task.text_len + 1, false);
    let mut start = 0;
    while start + task.text_len <= total || (place.last && start + 1 < total) {
        let end = (start + task.text_len).min(total);
        rows.piece(&[], &docs, start..end, &[], 0);
        rows.end();
        start = end;
    }
    let mut carry = TokenDocs::default();
    if !place.last && start < total {
        carry.push_from(&docs, start..total);
    }
    rows.finish(plan, carry, 0, "")
}

/// Cuts 0..n into `parts` random parts, none empty; every such cut is as likely as any other. Gives their ends.
fn random_parts(n: usize, parts: usize, rng: &mut Rng, ends: &mut Vec<usize>) {
    ends.clear();
    let mut needed = parts.saturating_sub(1);
    for at in 1..n {
        if needed > 0 && (rng.below((n - at) as u32) as usize) < needed {
            ends.push(at);
            needed -= 1;
        }
    }
    ends.push(n);
}

/// Corrupts a text: appends the input and the targets, end tokens included.
pub fn corrupt(task: &Span, text: &[i32], rng: &mut Rng, input: &mut Vec<i32>, target: &mut Vec<i32>) {
    let (noise, spans) = noise(text.len(), task.density, task.mean_length);
    let (mut hidden, mut shown) = (Vec::new(), Vec::new());
    random_parts(noise, spans, rng, &mut hidden);
    random_parts(text.len() - noise, spans, rng, &mut shown);
    let (mut at, mut hidden_so_far, mut shown_so_far) = (0, 0, 0);
    for (i, (&hidden_end, &shown_end)) in hidden.iter().zip(&shown).enumerate() {
        let kept = shown_end - shown_so_far;
        input.extend_from_slice(&text[at..at + kept]);
        at += kept;
        let sentinel = task.sentinels.get(i).map_or(task.eos, |&id| id) as i32;
        let gone = hidden_end - hidden_so_far;
        input.push(sentinel);
        target.push(sentinel);
        target.extend_from_slice(&text[at..at + gone]);
        at += gone;
        (hidden_so_far, shown_so_far) = (hidden_end, shown_end);
    }
    input.push(task.eos as i32);
    target.push(task.eos as i32);
}

/// input_ids, attention_mask [rows, seqLen]; decoder_input_ids, labels, decoder_attention_mask [rows, targetLen].
pub fn collate(batcher: &Batcher, task: &Span, shards: &[Shard], keys: &[RowKey]) -> Result<Vec<Column>> {
    let mut sides = Sides::new(batcher, keys.len(), task.target_len);
    let mut text = vec![0; task.text_len];
    let (mut input, mut target) = (Vec::new(), Vec::new());
    for (i, key) in keys.iter().enumerate() {
        let shard = &shards[key.shard];
        shard.input_ids(key.row, &mut text);
        let n: i32 = shard.lengths(key.row)?.iter().sum();
        let epoch = if task.fixed { 0 } else { key.epoch };
        let mut rng = Rng::new(batcher.seed, Purpose::Span, epoch, key.number);
        input.clear();
        target.clear();
        corrupt(task, &text[..(n as usize).min(text.len())], &mut rng, &mut input, &mut target);
        sides.set(i, &input, &target, task.start as i32);
    }
    Ok(sides.finish())
}

/// The two sides of an encoder-decoder's batch.
pub struct Sides {
    rows: usize,
    source_len: usize,
    target_len: usize,
    ids: Vec<i32>,
    mask: Vec<i32>,
    decoder_ids: Vec<i32>,
    decoder_mask: Vec<i32>,
    labels: Vec<i32>,
}

impl Sides {
    pub fn new(batcher: &Batcher, rows: usize, target_len: usize) -> Self {
        let Batcher { seq_len: source_len, filler, pool, .. } = batcher;
        let (source, target) = (rows * source_len, rows * target_len);
        Self {
            rows,
            source_len: *source_len,
            target_len,
            ids: pool.filled(source, *filler),
            mask: pool.filled(source, 0),
            decoder_ids: pool.filled(target, *filler),
            decoder_mask: pool.filled(target, 0),
            labels: pool.filled(target, IGNORED),
        }
    }

    /// The decoder is given `start` and all targets but the last, and is to say the targets.
    pub fn set(&mut self, row: usize, source: &[i32], target: &[i32], start: i32) {
        let n = source.len().min(self.source_len);
        let at = row * self.source_len;
        self.ids[at..at + n].copy_from_slice(&source[..n]);
        self.mask[at..at + n].fill(1);
        let n = target.len().min(self.target_len);
        let at = row * self.target_len;
        self.labels[at..at + n].copy_from_slice(&target[..n]);
        if n > 0 {
            self.decoder_ids[at] = start;
            self.decoder_ids[at + 1..at + n].copy_from_slice(&target[..n - 1]);
        }
        self.decoder_mask[at..at + n].fill(1);
    }

    pub fn finish(self) -> Vec<Column> {
        let source = vec![self.rows as u32, self.source_len as u32];
        let target = vec![self.rows as u32, self.target_len as u32];
        vec![
            Column::new("input_ids", source.clone(), self.ids),
            Column::new("attention_mask", source, self.mask),
            Column::new("decoder_input_ids", target.clone(), self.decoder_ids),
            Column::new("decoder_attention_mask", target.clone(), self.decoder_mask),
            Column::new("labels", target, self.labels),
        ]
    }
}
