//! What the partitions left over in, the last shards of each split out.

use super::work::{PartShard, Records, Work};
use crate::dataset::plan::{Plan, SPLITS};
use crate::dataset::task::{Place, assemble};
use crate::dataset::tokens::TokenDocs;
use crate::error::Result;
use crate::progress::Progress;

/// Tokens gathered from what partitions leave over before they become a shard.
const TAIL_TOKENS: usize = 1 << 23;

/// Assembles in the order of the partitions; the random streams count on from theirs.
pub fn tails(plan: &Plan, work: &Work, records: &Records, progress: &Progress) -> Result<Vec<PartShard>> {
    let mut shards = Vec::new();
    for split in 0..SPLITS.len() {
        let mut tail = 0u64;
        let mut flush = |docs: TokenDocs, last: bool| -> Result<TokenDocs> {
            progress.check()?;
            let assembled = assemble(plan, docs, Place { partition: records.len() as u64 + tail, last })?;
            if let Some(rows) = assembled.rows {
                shards.push(work.write_rows(split, &format!("tail-{tail:06}"), &rows, assembled.counts)?);
            }
            tail += 1;
            Ok(assembled.carry)
        };
        let mut docs = TokenDocs::default();
        for file in records.values().filter_map(|record| record.rest[split].as_ref()) {
            work.read_rest(file, &mut docs)?;
            if docs.ids.len() >= TAIL_TOKENS {
                docs = flush(docs, false)?;
            }
        }
        flush(docs, true)?;
    }
    Ok(shards)
}
