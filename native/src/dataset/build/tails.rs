//! What the partitions left over in, the last shards of each split out.

use super::partition::Store;
use super::work::{PartShard, Records, Work};
use crate::dataset::plan::{Plan, SPLITS};
use crate::dataset::task::{Place, assemble};
use crate::dataset::tokens::TokenDocs;
use crate::error::Result;
use crate::progress::Progress;

/// Tokens of rows made of what partitions leave over, before they become a shard.
const TAIL_TOKENS: usize = 1 << 23;

/// Assembles in the order of the partitions.
pub fn tails(plan: &Plan, work: &Work, records: &Records, progress: &Progress) -> Result<Vec<PartShard>> {
    let mut shards = Vec::new();
    for (split, name) in SPLITS.iter().enumerate() {
        let mut tail = 0u64;
        let mut flush = |docs: TokenDocs, last: bool| -> Result<TokenDocs> {
            progress.check()?;
            let key = Place::new(&docs, last).key;
            let assembled = assemble(plan, docs, last)?;
            if let Some(rows) = assembled.rows {
                let shard = { work }.rows(&format!("tail-{tail:06}-{name}.arrow"), &rows)?;
                shards.push(PartShard { split, key, counts: assembled.counts, shard });
            }
            tail += 1;
            Ok(assembled.carry)
        };
        let most = TAIL_TOKENS / plan.dupes();
        let mut docs = TokenDocs::default();
        for rest in records.values().filter_map(|record| record.rest[split].as_ref()) {
            work.read_rest(&rest.file, &mut docs)?;
            if docs.ids.len() >= most {
                docs = flush(docs, false)?;
            }
        }
        flush(docs, true)?;
    }
    Ok(shards)
}
