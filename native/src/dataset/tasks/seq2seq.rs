//! Pairs of source and target to rows for an encoder-decoder, and rows to batches.
//!
//! Columns: `input_ids: list<uint16|int32>` (the source and an end token), `labels: list<uint16|int32>` (the target and an end
//! token). The decoder's input is derived: the start token, then the target without its last token.

use serde::{Deserialize, Serialize};

use super::span::Sides;
use crate::dataset::collate::{Batcher, Column, RowKey};
use crate::dataset::columns::Ids;
use crate::dataset::plan::Plan;
use crate::dataset::rows::finish;
use crate::dataset::shard::Shard;
use crate::dataset::task::{Assembled, Counts};
use crate::dataset::tokens::{SECOND, TokenDocs};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seq2seq {
    /// Tokens of a target, the end token counted. `seqLen` is that of a source.
    pub target_len: usize,
    pub eos: u32,
    /// First token of the decoder's input.
    pub start: u32,
}

pub fn assemble(plan: &Plan, task: &Seq2seq, docs: TokenDocs) -> Result<Assembled> {
    let narrow = plan.narrow();
    let (mut sources, mut targets) =
        (Ids::with_capacity(narrow, docs.ids.len()), Ids::with_capacity(narrow, docs.ids.len()));
    let (mut source_ends, mut target_ends) = (Vec::new(), Vec::new());
    let mut counts = Counts { rows: docs.len() as u64, ..Counts::default() };
    for doc in 0..docs.len() {
        let range = docs.range(doc);
        let second = range.clone().find(|&t| docs.marks[t] & SECOND != 0).unwrap_or(range.end);
        let (source, target) = (docs.ids.part(range.start..second), docs.ids.part(second..range.end));
        let (n, m) = (source.len().min(plan.seq_len - 1), target.len().min(task.target_len - 1));
        counts.cut_documents += u64::from(n < source.len() || m < target.len());
        sources.extend_from(source.part(0..n));
        sources.extend(&[task.eos]);
        source_ends.push(sources.len() as i32);
        targets.extend_from(target.part(0..m));
        targets.extend(&[task.eos]);
        target_ends.push(targets.len() as i32);
        counts.tokens += (n + m + 2) as u64;
    }
    let columns = vec![sources.list("input_ids", &source_ends)?, targets.list("labels", &target_ends)?];
    finish(plan, columns, TokenDocs::default(), counts)
}

/// input_ids, attention_mask [rows, seqLen]; decoder_input_ids, decoder_attention_mask, labels [rows, targetLen].
pub fn collate(batcher: &Batcher, task: &Seq2seq, shards: &[Shard], keys: &[RowKey]) -> Result<Vec<Column>> {
    let mut sides = Sides::new(batcher, keys.len(), task.target_len);
    let (mut source, mut target) = (vec![0; batcher.seq_len], vec![0; task.target_len]);
    for (i, key) in keys.iter().enumerate() {
        let shard = &shards[key.shard];
        let n = shard.input_ids(key.row, &mut source);
        let m = shard.labels(key.row, &mut target)?;
        sides.set(i, &source[..n], &target[..m], task.start as i32);
    }
    Ok(sides.finish())
}
