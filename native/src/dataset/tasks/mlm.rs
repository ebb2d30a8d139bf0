//! Documents to rows for masked language modelling, and rows to masked batches.
//!
//! A row is `<cls> piece <sep> piece <sep> ...` (Liu et al. 2019, "full sentences"). Columns: `input_ids` and `lengths` as in
//! causal rows, the marks counted; `words: fixed_size_list<bool>[seqLen]`, word starts, where whole words or n-grams are
//! masked; for fixed masking `masked_positions` and `masked_labels: list<int32>`, with `input_ids` masked already.

use serde::{Deserialize, Serialize};

use super::causal::Pack;
use super::mask::Masking;
use super::masked::Masked;
use crate::dataset::collate::{Batcher, Column, RowKey, fetch_ahead};
use crate::dataset::plan::Plan;
use crate::dataset::rows::{Rows, cut, pack, pieces};
use crate::dataset::shard::Shard;
use crate::dataset::task::{Assembled, Place};
use crate::dataset::tokens::{TokenDocs, WORD};
use crate::error::Result;

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

/// input_ids, attention_mask, token_type_ids (all 0) [rows, seqLen]; targets as `Masked` gives them.
pub fn collate(batcher: &Batcher, shards: &[Shard], keys: &[RowKey]) -> Result<Vec<Column>> {
    let mut out = Masked::new(batcher, keys.len())?;
    for (i, key) in keys.iter().enumerate() {
        fetch_ahead(shards, keys, i);
        let shard = &shards[key.shard];
        let tokens: i32 = shard.lengths(key.row)?.iter().sum();
        out.row(tokens.max(0) as usize, shard, key)?;
    }
    let length = batcher.seq_len;
    let types = batcher.pool.filled(keys.len() * length, 0);
    let (columns, mut rest) = out.finish();
    let mut columns = Vec::from(columns);
    columns.push(Column::new("token_type_ids", vec![keys.len() as u32, length as u32], types));
    columns.append(&mut rest);
    Ok(columns)
}
