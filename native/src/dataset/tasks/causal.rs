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
/// cu_seqlens [documents + 1], where wanted: 0 and the ends of the documents in the batch seen as one run of rows * seqLen
/// tokens, as FlashAttention takes them; padding counts as one more document of its row.
pub fn collate(batcher: &Batcher, shards: &[Shard], keys: &[RowKey], chat: bool) -> Result<Vec<Column>> {
    let length = batcher.seq_len;
    let size = keys.len() * length;
    let mut ids = batcher.pool.filled(size, 0);
    let mut labels = batcher.pool.filled(size, IGNORED);
    let mut positions = batcher.pool.filled(size, 0);
    let mut segments = batcher.pool.filled(size, 0);
    let mut cuts = vec![0];
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
            cuts.push((at + end.min(length)) as i32);
        }
        if start < length {
            cuts.push((at + length) as i32);
        }
    }
    let shape = || vec![keys.len() as u32, length as u32];
    let mut columns = vec![
        Column::new("input_ids", shape(), ids),
        Column::new("labels", shape(), labels),
        Column::new("position_ids", shape(), positions),
        Column::new("segment_ids", shape(), segments),
    ];
    if batcher.cu_seqlens {
        // A document that begins with the token shared with the next row has no tokens of its own here.
        cuts.dedup();
        columns.push(Column::new("cu_seqlens", vec![cuts.len() as u32], cuts));
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int32Type, UInt16Type};
    use proptest::prelude::*;

    use super::*;
    use crate::corpus::clean::Clean;
    use crate::corpus::records::Fields;
    use crate::dataset::plan::{Task, VERSION, Vocabulary};
    use crate::dataset::special::Special;

    fn plan(pack: Pack, seq_len: usize) -> Plan {
        Plan {
            version: VERSION,
            task: Task::Causal(Causal { pack, bos: None, eos: None }),
            seq_len,
            seed: 5,
            split: [1.0, 0.0, 0.0],
            fields: Fields::default(),
            clean: Clean::default(),
            vocabulary: Vocabulary { size: 60_000, sha256: String::new(), special: Special::default() },
            partition_bytes: 1 << 20,
        }
    }

    /// The pieces of all rows: the ids of each.
    fn stored(assembled: &Assembled, rows: &mut Vec<Vec<Vec<u32>>>) {
        let Some(batch) = &assembled.rows else { return };
        let ids = batch.column_by_name("input_ids").unwrap().as_fixed_size_list();
        let lengths = batch.column_by_name("lengths").unwrap().as_list::<i32>();
        for row in 0..batch.num_rows() {
            let ids = ids.value(row);
            let mut ids = ids.as_primitive::<UInt16Type>().values().iter().map(|&id| u32::from(id));
            let lengths = lengths.value(row);
            let lengths = lengths.as_primitive::<Int32Type>().values().iter();
            rows.push(lengths.map(|&n| ids.by_ref().take(n as usize).collect()).collect());
        }
    }

    /// Two partitions and the tail of what both leave over, as `build` makes them.
    fn rows(plan: &Plan, parts: [TokenDocs; 2]) -> Vec<Vec<Vec<u32>>> {
        let Task::Causal(task) = &plan.task else { panic!() };
        let (mut all, mut tail) = (Vec::new(), TokenDocs::default());
        for (partition, docs) in parts.into_iter().enumerate() {
            let place = Place { key: partition as u64, last: false };
            let assembled = assemble(plan, task.pack, docs, place, false).unwrap();
            stored(&assembled, &mut all);
            tail.append(&assembled.carry);
        }
        stored(&assemble(plan, task.pack, tail, Place { key: 2, last: true }, false).unwrap(), &mut all);
        all
    }

    /// Documents of these lengths, every token another number.
    fn docs(lengths: &[usize], first: u32) -> TokenDocs {
        let mut docs = TokenDocs::default();
        for &length in lengths {
            let next = first + docs.ids.len() as u32;
            docs.ids.extend(next..next + length as u32);
            docs.ends.push(docs.ids.len());
        }
        docs
    }

    proptest! {
        #[test]
        fn every_token_once_and_no_document_cut_that_fits(
            a in prop::collection::vec(1usize..90, 0..60),
            b in prop::collection::vec(1usize..90, 0..60),
            whole: bool,
        ) {
            let pack = if whole { Pack::BestFit } else { Pack::None };
            let plan = plan(pack, 32);
            let parts = [docs(&a, 0), docs(&b, 10_000)];
            let wanted: Vec<Vec<u32>> = parts.iter().flat_map(|part| {
                (0..part.len()).flat_map(|doc| part.doc(doc).to_vec().chunks(32).map(<[u32]>::to_vec).collect::<Vec<_>>())
            }).collect();
            let rows = rows(&plan, parts);
            prop_assert!(rows.iter().all(|row| row.iter().map(Vec::len).sum::<usize>() <= 32));
            let mut found: Vec<Vec<u32>> = rows.concat();
            let mut wanted = wanted;
            found.sort_unstable();
            wanted.sort_unstable();
            prop_assert_eq!(found, wanted);
        }

        /// However rows and partitions cut the stream: every token but the first of a document is predicted once from those before it.
        #[test]
        fn concatenated_rows_predict_every_token_once(
            a in prop::collection::vec(1usize..90, 0..60),
            b in prop::collection::vec(1usize..90, 0..60),
        ) {
            let parts = [docs(&a, 0), docs(&b, 10_000)];
            let wanted: Vec<u32> =
                parts.iter().flat_map(|part| (0..part.len()).flat_map(|doc| part.doc(doc).to_vec()[1..].to_vec())).collect();
            let rows = rows(&plan(Pack::Concat, 32), parts);
            let mut found: Vec<u32> = rows.iter().flatten().flat_map(|piece| piece[1..].to_vec()).collect();
            found.sort_unstable();
            prop_assert_eq!(found, wanted);
        }
    }
}
