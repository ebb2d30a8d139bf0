//! The encoded documents of one partition in, its files out: shards of each split, what is left over for the tail, and a
//! record of all that. The local build puts them into `OUT/.build`; on a cluster they come through a pipe and end up there.

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::work::{PartShard, Record};
use crate::dataset::manifest::Shard;
use crate::dataset::plan::{Plan, SPLITS};
use crate::dataset::task::{Place, arrange};
use crate::dataset::tasks::stored;
use crate::dataset::tokenize::Tokenized;
use crate::error::Result;
use crate::progress::Progress;

/// A part of a file of lines that was read without what stands before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Is it the file's beginning?
    pub first: bool,
    pub lines: u64,
}

/// Where files go.
pub trait Store {
    /// Writes rows as an Arrow file of this name.
    fn rows(&mut self, name: &str, rows: &RecordBatch) -> Result<Shard>;
    fn save(&mut self, partition: u64, record: &Record) -> Result<()>;
}

/// Which partition it is, and what is known of it besides its documents.
#[derive(Default)]
pub struct About {
    pub number: u64,
    pub hash: String,
    pub part: Option<Part>,
    /// On a cluster: the last partition of its portion.
    pub ends: bool,
}

/// Assembles a partition and writes its files, the record last. `masks`: draw those that are stored.
pub fn write(
    plan: &Plan,
    about: About,
    documents: Tokenized,
    store: &mut dyn Store,
    masks: bool,
    progress: &Progress,
) -> Result<Record> {
    let About { number, hash, part, ends } = about;
    let Tokenized { splits, counts, rejects, .. } = documents;
    let mut record = Record { hash, counts, shards: Vec::new(), rest: Default::default(), rejects, part, ends };
    for (split, docs) in splits.into_iter().enumerate() {
        progress.check()?;
        let place = Place::new(&docs, false);
        let mut assembled = arrange(plan, docs, place)?;
        if masks {
            assembled = stored::mask(plan, assembled, place)?;
        }
        let name = format!("part-{number:06}-{}", SPLITS[split]);
        if let Some(rows) = assembled.rows {
            let shard = store.rows(&format!("{name}.arrow"), &rows)?;
            record.shards.push(PartShard { split, key: place.key, counts: assembled.counts, shard });
        }
        if !assembled.carry.is_empty() {
            let file = format!("{name}-rest.arrow");
            record.rest[split] = Some(store.rows(&file, &assembled.carry.to_batch()?)?);
        }
    }
    store.save(number, &record)?;
    Ok(record)
}
