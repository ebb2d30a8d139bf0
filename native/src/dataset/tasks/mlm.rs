//! Documents to rows for masked language modelling, and rows to masked batches.
//!
//! A row is `<cls> piece <sep> piece <sep> ...` (Liu et al. 2019, "full sentences"). Columns: `input_ids` and `lengths` as in
//! causal rows, the marks counted; `words: fixed_size_list<bool>[seqLen]`, word starts, where whole words or n-grams are
//! masked; for fixed masking `masked_positions` and `masked_labels: list<int32>`, with `input_ids` masked already.

use serde::{Deserialize, Serialize};

use super::causal::Pack;
use super::mask::{Masker, Masking, Scratch};
use crate::dataset::collate::{Batcher, Column, IGNORED, RowKey};
use crate::dataset::plan::Plan;
use crate::dataset::rng::{Purpose, Rng};
use crate::dataset::rows::{Rows, cut, pack, pieces};
use crate::dataset::shard::Shard;
use crate::dataset::task::{Assembled, Place};
use crate::dataset::tokens::{TokenDocs, WORD};
use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mlm {
    pub pack: Pack,
    pub masking: Masking,
    pub cls: u32,
    pub sep: u32,
}

pub fn assemble(plan: &Plan, task: &Mlm, docs: TokenDocs, place: Place) -> Result<Assembled> {
    let width = plan.seq_len - 2;
    let room = plan.seq_len - 1;
    let words = task.masking.words();
    match task.pack {
        Pack::BestFit => {
            let packed = pack(plan, &docs, (width, 1, room), place);
            let mut rows = Rows::new(plan, plan.seq_len, packed.len(), words);
            for row in packed.rows() {
                for (i, piece) in row.enumerate() {
                    let before: &[u32] = if i == 0 { &[task.cls] } else { &[] };
                    rows.piece(before, &docs, piece, &[task.sep], WORD);
                }
                rows.end();
            }
            rows.finish(plan, packed.carry, cut(&docs, width), "words")
        }
        Pack::Concat => concatenated(plan, task, docs, place),
        Pack::None => {
            let pieces = pieces(&docs, width);
            let mut rows = Rows::new(plan, plan.seq_len, pieces.len(), words);
            for piece in pieces {
                rows.piece(&[task.cls], &docs, piece, &[task.sep], WORD);
                rows.end();
            }
            rows.finish(plan, TokenDocs::default(), cut(&docs, width), "words")
        }
    }
}

/// Documents end to end, a `<sep>` after each; a row that is full ends with one too.
fn concatenated(plan: &Plan, task: &Mlm, docs: TokenDocs, place: Place) -> Result<Assembled> {
    let mut rows = Rows::new(plan, plan.seq_len, docs.ids.len() / plan.seq_len + 2, task.masking.words());
    let mut used = 0;
    let mut open: Vec<std::ops::Range<usize>> = Vec::new();
    let mut write = |open: &mut Vec<std::ops::Range<usize>>| {
        for (i, piece) in open.drain(..).enumerate() {
            let before: &[u32] = if i == 0 { &[task.cls] } else { &[] };
            rows.piece(before, &docs, piece, &[task.sep], WORD);
        }
        rows.end();
    };
    for doc in 0..docs.len() {
        let mut range = docs.range(doc);
        while !range.is_empty() {
            // A piece takes its tokens and a <sep>; the row has a <cls>.
            let room = plan.seq_len - 1 - used;
            let taken = range.len().min(room.saturating_sub(1));
            if taken == 0 {
                write(&mut open);
                used = 0;
                continue;
            }
            open.push(range.start..range.start + taken);
            used += taken + 1;
            range.start += taken;
        }
    }
    let mut carry = TokenDocs::default();
    if !open.is_empty() {
        if place.last {
            write(&mut open);
        } else {
            open.iter().for_each(|piece| carry.push_from(&docs, piece.clone()));
        }
    }
    rows.finish(plan, carry, 0, "words")
}

pub fn collate(batcher: &Batcher, shards: &[Shard], keys: &[RowKey]) -> Result<Vec<Column>> {
    let length = batcher.seq_len;
    let mut out = Masked::new(batcher, keys.len())?;
    let mut attention = vec![0; keys.len() * length];
    for (i, key) in keys.iter().enumerate() {
        let shard = &shards[key.shard];
        let tokens: i32 = shard.lengths(key.row)?.iter().sum();
        let tokens = (tokens as usize).min(length);
        out.row(i, tokens, shard, key)?;
        attention[i * length..i * length + tokens].fill(1);
    }
    let shape = vec![keys.len() as u32, length as u32];
    let types = Column::new("token_type_ids", shape.clone(), vec![0; keys.len() * length]);
    let attention = Column::new("attention_mask", shape, attention);
    let (ids, mut rest) = out.finish();
    let mut columns = vec![ids, attention, types];
    columns.append(&mut rest);
    Ok(columns)
}

/// Ids and targets of a batch of masked rows, being filled.
pub struct Masked<'a> {
    batcher: &'a Batcher,
    masker: &'a Masker,
    rows: usize,
    ids: Vec<i32>,
    labels: Vec<i32>,
    positions: Vec<i32>,
    scratch: Scratch,
}

impl<'a> Masked<'a> {
    pub fn new(batcher: &'a Batcher, rows: usize) -> Result<Self> {
        let masker = batcher.masker().ok_or_else(|| Error::internal("a masked task without a masking"))?;
        let places = if batcher.positions { masker.max_predictions } else { batcher.seq_len };
        let positions = if batcher.positions { vec![0; rows * places] } else { Vec::new() };
        Ok(Self {
            batcher,
            masker,
            rows,
            ids: vec![0; rows * batcher.seq_len],
            labels: vec![IGNORED; rows * places],
            positions,
            scratch: Scratch::default(),
        })
    }

    /// Fills row `i` from a stored row of `tokens` tokens: masked as stored, or afresh from (seed, epoch, row).
    #[inline]
    pub fn row(&mut self, i: usize, tokens: usize, shard: &Shard, key: &RowKey) -> Result<()> {
        let length = self.batcher.seq_len;
        let row = &mut self.ids[i * length..(i + 1) * length];
        shard.input_ids(key.row, row);
        if let Some((positions, labels)) = shard.masked(key.row) {
            self.scratch.chosen.clear();
            self.scratch.chosen.extend(positions.iter().zip(labels).map(|(&place, &id)| (place as u16, id)));
        } else {
            let mut rng = Rng::new(self.batcher.seed, Purpose::Mask, key.epoch, key.number);
            let word = shard.flag(key.row);
            let word = word.as_ref().map(|word| word as &dyn Fn(usize) -> bool);
            self.masker.mask(&mut row[..tokens], word, &mut rng, &mut self.scratch);
        }
        if self.batcher.positions {
            self.scratch.chosen.sort_unstable();
            let places = self.masker.max_predictions;
            for (n, &(place, id)) in self.scratch.chosen.iter().take(places).enumerate() {
                self.positions[i * places + n] = i32::from(place);
                self.labels[i * places + n] = id;
            }
        } else {
            let labels = &mut self.labels[i * length..(i + 1) * length];
            for &(place, id) in &self.scratch.chosen {
                if let Some(label) = labels.get_mut(usize::from(place)) {
                    *label = id;
                }
            }
        }
        Ok(())
    }

    /// `input_ids` [rows, seqLen]; then `labels` [rows, seqLen], or `masked_positions` and `masked_labels` [rows, maxPredictions].
    pub fn finish(self) -> (Column, Vec<Column>) {
        let shape = |width: usize| vec![self.rows as u32, width as u32];
        let length = self.batcher.seq_len;
        let targets = if self.batcher.positions {
            let places = self.masker.max_predictions;
            vec![
                Column::new("masked_positions", shape(places), self.positions),
                Column::new("masked_labels", shape(places), self.labels),
            ]
        } else {
            vec![Column::new("labels", shape(length), self.labels)]
        };
        (Column::new("input_ids", shape(length), self.ids), targets)
    }
}
