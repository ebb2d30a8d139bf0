//! Documents to rows for a causal model: packed by best fit, concatenated and cut, or one a row; and rows to batches.
//!
//! Columns: `input_ids: fixed_size_list<uint16|int32>[W]` and `lengths: list<int32>`, the token counts of the pieces in a
//! row from its start on; what follows them is padding. W is `seqLen`, or `seqLen + 1` for `concat`, where neighbours share
//! one token. Chat adds `targets: fixed_size_list<bool>[W]`, the tokens that the loss counts.
//! Labels, positions, segment ids and cu_seqlens are derived by the reader.

use serde::{Deserialize, Serialize};

use crate::dataset::collate::{Batcher, Column, IGNORED, RowKey};
use crate::dataset::plan::Plan;
use crate::dataset::rows::{Rows, cut, pack, pieces};
use crate::dataset::shard::Shard;
use crate::dataset::task::{Assembled, Place};
use crate::dataset::tokens::{TARGET, TokenDocs};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Causal {
    pub pack: Pack,
    /// Put before each document.
    pub bos: Option<u32>,
    /// Put after each document.
    pub eos: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pack {
    /// Whole documents, the longest first, each into the fullest row that has room.
    BestFit,
    /// All documents end to end, cut every `seqLen` tokens.
    Concat,
    /// A document a row.
    None,
}

/// `targets`: store which tokens are marked as targets.
pub fn assemble(plan: &Plan, how: Pack, docs: TokenDocs, place: Place, targets: bool) -> Result<Assembled> {
    let width = plan.seq_len;
    match how {
        Pack::BestFit => {
            let packed = pack(plan, &docs, (width, 0, width), place);
            let mut rows = Rows::new(plan, width, packed.len(), targets);
            for row in packed.rows() {
                row.for_each(|piece| rows.piece(&[], &docs, piece, &[], TARGET));
                rows.end();
            }
            rows.finish(plan, packed.carry, cut(&docs, width), "targets")
        }
        Pack::Concat => concatenated(plan, docs, place, targets),
        Pack::None => {
            let pieces = pieces(&docs, width);
            let mut rows = Rows::new(plan, width, pieces.len(), targets);
            for piece in pieces {
                rows.piece(&[], &docs, piece, &[], TARGET);
                rows.end();
            }
            rows.finish(plan, TokenDocs::default(), cut(&docs, width), "targets")
        }
    }
}

fn concatenated(plan: &Plan, docs: TokenDocs, place: Place, targets: bool) -> Result<Assembled> {
    let step = plan.seq_len;
    let total = docs.ids.len();
    let mut rows = Rows::new(plan, step + 1, total / step + 1, targets);
    let (mut doc, mut start) = (0, 0);
    while start + 1 < total {
        let end = (start + step + 1).min(total);
        if end - start < step + 1 && !place.last {
            break;
        }
        let mut at = start;
        while at < end {
            while docs.ends[doc] <= at {
                doc += 1;
            }
            let stop = docs.ends[doc].min(end);
            rows.piece(&[], &docs, at..stop, &[], TARGET);
            at = stop;
        }
        rows.end();
        start += step;
        // The shared token may belong to the document before.
        while doc > 0 && docs.ends[doc - 1] > start {
            doc -= 1;
        }
    }
    let mut carry = TokenDocs::default();
    if !place.last && start + 1 < total {
        // The stream goes on in the tail, document by document; its first token is shared with the last row.
        let mut at = start;
        for doc in 0..docs.len() {
            if docs.ends[doc] > at {
                carry.push_from(&docs, at..docs.ends[doc]);
                at = docs.ends[doc];
            }
        }
    }
    rows.finish(plan, carry, 0, "targets")
}

/// input_ids, labels (shifted: the target of position t is token t + 1; -100 where there is none), position_ids
/// (from 0 in each document), segment_ids (1, 2, ... in a row; 0 is padding): each [rows, seqLen].
pub fn collate(batcher: &Batcher, shards: &[Shard], keys: &[RowKey], chat: bool) -> Result<Vec<Column>> {
    let length = batcher.seq_len;
    let size = keys.len() * length;
    let mut ids = vec![0; size];
    let mut labels = vec![IGNORED; size];
    let mut positions = vec![0; size];
    let mut segments = vec![0; size];
    // Concatenated rows have one token more, which is a target only.
    let mut row = vec![0; length + 1];
    for (i, key) in keys.iter().enumerate() {
        let shard = &shards[key.shard];
        shard.input_ids(key.row, &mut row);
        let target = shard.flag(key.row).filter(|_| chat);
        let at = i * length;
        ids[at..at + length].copy_from_slice(&row[..length]);
        let mut start = 0;
        for (segment, &piece) in shard.lengths(key.row)?.iter().enumerate() {
            let end = (start + piece as usize).min(row.len());
            for (offset, t) in (start..end.min(length)).enumerate() {
                positions[at + t] = offset as i32;
                segments[at + t] = segment as i32 + 1;
            }
            let first = if batcher.boundary_loss && start > 0 { start } else { start + 1 };
            for t in first..end {
                if target.as_ref().is_none_or(|target| target(t)) {
                    labels[at + t - 1] = row[t];
                }
            }
            start = end;
        }
    }
    let shape = || vec![keys.len() as u32, length as u32];
    Ok(vec![
        Column::new("input_ids", shape(), ids),
        Column::new("labels", shape(), labels),
        Column::new("position_ids", shape(), positions),
        Column::new("segment_ids", shape(), segments),
    ])
}
