//! All documents in, which of them are copies of earlier ones out: a first pass over the input, in memory of some bytes a document.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Options, lock};
use crate::corpus::cut::Cutter;
use crate::corpus::dedup::{Signature, resolve};
use crate::dataset::plan::Plan;
use crate::dataset::tokenize::signatures;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// By partition and block: a flag for each document, true where it is to be left out.
pub type Copies = BTreeMap<(u64, usize), Vec<bool>>;

/// None where copies may stay.
pub fn find(plan: &Plan, options: &Options, progress: &Progress) -> Result<Option<Copies>> {
    if !plan.clean.compares() {
        return Ok(None);
    }
    let cutter = Mutex::new(Cutter::new(options.sources.clone(), &plan.fields, plan.partition_bytes));
    let found: Mutex<BTreeMap<(u64, usize), Vec<Signature>>> = Mutex::new(BTreeMap::new());
    let work = || -> Result<()> {
        let mut spare = Vec::new();
        loop {
            progress.check()?;
            let block = lock(&cutter)?.next(std::mem::take(&mut spare))?;
            let Some(block) = block else { return Ok(()) };
            let all = signatures(plan, &block, &options.sources)?;
            progress.add(block.read);
            lock(&found)?.insert((block.partition, block.index), all);
            spare = block.bytes;
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    for result in results {
        result.map_err(|_| Error::internal("a build thread died"))??;
    }
    let found = found.into_inner().map_err(|_| Error::internal("a build thread died"))?;
    let mut copies = resolve(found.values().flatten(), plan.clean.near_dedup).into_iter();
    Ok(Some(found.iter().map(|(key, all)| (*key, copies.by_ref().take(all.len()).collect())).collect()))
}
