//! Files and a plan in, a dataset folder out: shards, manifest.json, rejects.jsonl where something was refused.
//!
//! Threads take blocks from one cutter and encode them; whoever finishes a partition's last block assembles and writes its
//! shards. What partitions leave over is gathered in their order into tail shards. Everything is first written under
//! `OUT/.build`, a record a partition, so that a build that was killed goes on where it stopped.
//!
//! The bytes come from three pure functions: `Cutter` (files to partitions of blocks), `tokenize` (plan, block) and
//! `assemble` (plan, encoded documents, place). This room only says which thread runs them, and when.

mod copies;
pub mod partition;
mod publish;
mod tails;
pub mod work;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use self::copies::Copies;
use self::partition::About;
use self::work::{Records, Work};
use super::encoder::Encoder;
use super::manifest::Manifest;
use super::plan::Plan;
use super::tokenize::{Tokenized, tokenize};
use crate::corpus::Source;
use crate::corpus::cut::{BLOCK_BYTES, Block, Cutter};
use crate::corpus::open::Fingerprint;
use crate::corpus::records::Reject;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::vocab::machine::give_back_large;

/// Where and how, as opposed to what: nothing here changes a byte of a shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    pub out: PathBuf,
    pub sources: Vec<Source>,
    pub threads: usize,
    /// Records that may be refused before the build stops.
    pub max_rejects: u64,
    /// Write each shard as Parquet too.
    #[serde(default)]
    pub parquet: bool,
}

/// A partition on its way.
#[derive(Default)]
struct Open {
    /// Blocks that arrived before an earlier one: the hash of the text, and the documents where they aren't written yet.
    early: BTreeMap<usize, (u128, Option<Tokenized>)>,
    /// Blocks cut so far, and those gathered in `documents` and `hashes`, in order.
    cut: usize,
    gathered: usize,
    documents: Tokenized,
    hashes: Vec<u8>,
    /// Known once its last block has been cut.
    expected: Option<usize>,
}

struct Shared {
    open: FxHashMap<u64, Open>,
    records: Records,
    rejected: u64,
    /// Memory of blocks that were gathered.
    spare: Vec<Tokenized>,
    /// By partition and block.
    rejects: Vec<(u64, usize, Reject)>,
    failed: Option<Error>,
}

struct Builder<'a> {
    plan: &'a Plan,
    options: &'a Options,
    work: Work,
    progress: &'a Progress,
    cutter: Mutex<Cutter>,
    shared: Mutex<Shared>,
    copies: Option<Copies>,
}

/// A poisoned lock means that a thread of ours has died: a defect to report, not to hide.
fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
    mutex.lock().map_err(|_| Error::internal("a build thread died"))
}

/// Builds the dataset. Progress counts bytes of the files as they lie on disk, twice where copies are looked for first.
pub fn build(plan: &Plan, options: &Options, encoder: &dyn Encoder, progress: &Progress) -> Result<Manifest> {
    plan.check()?;
    give_back_large();
    if options.sources.is_empty() {
        return Err(Error::input("there are no input files"));
    }
    let (work, records) = Work::open(plan, options)?;
    let sizes = options.sources.iter().filter_map(|source| fs::metadata(&source.path).ok()).map(|meta| meta.len());
    progress.start(sizes.sum::<u64>() * if plan.clean.compares() { 2 } else { 1 });
    let copies = copies::find(plan, options, progress)?;
    let rejected = records.values().map(|record| record.counts.rejected).sum();
    let shared =
        Shared { open: FxHashMap::default(), records, rejected, spare: Vec::new(), rejects: Vec::new(), failed: None };
    let builder = Builder {
        plan,
        options,
        progress,
        work,
        copies,
        cutter: Mutex::new(Cutter::new(options.sources.clone(), &plan.fields, plan.partition_bytes)),
        shared: Mutex::new(shared),
    };
    let deaths = std::thread::scope(|scope| {
        let work = || {
            if let Err(error) = builder.run(encoder)
                && let Ok(mut shared) = builder.shared.lock()
            {
                shared.failed.get_or_insert(error);
            }
        };
        let threads: Vec<_> = (0..options.threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().err()).count()
    });
    if deaths > 0 {
        return Err(Error::internal("a build thread died"));
    }
    builder.finish()
}

impl Builder<'_> {
    fn run(&self, encoder: &dyn Encoder) -> Result<()> {
        let mut session = encoder.session();
        let mut spare = Vec::new();
        loop {
            self.progress.check()?;
            let Some(block) = self.next_block(std::mem::take(&mut spare))? else { return Ok(()) };
            let (partition, done, mut tokens) = {
                let mut shared = lock(&self.shared)?;
                if shared.failed.is_some() {
                    return Ok(());
                }
                let tokens = shared.spare.pop();
                (block.partition, shared.records.contains_key(&block.partition), tokens)
            };
            let hash = xxh3_128(&block.bytes);
            let copies = self.copies.as_ref().and_then(|all| all.get(&(partition, block.index))).map(Vec::as_slice);
            if done {
                tokens = None;
            } else {
                let tokens = tokens.get_or_insert_with(|| Tokenized::with_room(self.plan, BLOCK_BYTES as u64));
                tokenize(self.plan, session.as_mut(), &block, &self.options.sources, copies, tokens)?;
            }
            self.progress.add(block.read);
            if let Some(open) = self.arrive(&block, hash, tokens)? {
                self.close(partition, open)?;
            }
            spare = block.bytes;
        }
    }

    /// Takes the next block and enters it as expected, in one step.
    fn next_block(&self, spare: Vec<u8>) -> Result<Option<Block>> {
        let mut cutter = lock(&self.cutter)?;
        let block = cutter.next(spare)?;
        if let Some(block) = &block {
            let mut shared = lock(&self.shared)?;
            let room = || Tokenized::with_room(self.plan, self.plan.partition_bytes.min(self.progress.total()));
            let open =
                shared.open.entry(block.partition).or_insert_with(|| Open { documents: room(), ..Open::default() });
            open.cut += 1;
            if block.last {
                open.expected = Some(open.cut);
            }
        }
        Ok(block)
    }

    /// Files a block; returns its partition when that is complete.
    fn arrive(&self, block: &Block, hash: u128, tokens: Option<Tokenized>) -> Result<Option<Open>> {
        let mut shared = lock(&self.shared)?;
        let shared = &mut *shared;
        if let Some(tokens) = &tokens {
            shared.rejected += tokens.rejects.len() as u64;
            shared.rejects.extend(tokens.rejects.iter().map(|reject| (block.partition, block.index, reject.clone())));
            if shared.rejected > self.options.max_rejects {
                return Err(self.too_many(shared));
            }
        }
        let Some(open) = shared.open.get_mut(&block.partition) else {
            return Err(Error::internal("a block without a partition"));
        };
        open.early.insert(block.index, (hash, tokens));
        while let Some((hash, tokens)) = open.early.remove(&open.gathered) {
            open.gathered += 1;
            open.hashes.extend(hash.to_le_bytes());
            if let Some(mut tokens) = tokens {
                open.documents.append(&tokens);
                tokens.clear();
                shared.spare.push(tokens);
            }
        }
        if open.expected == Some(open.gathered) { Ok(shared.open.remove(&block.partition)) } else { Ok(None) }
    }

    /// Leaves the refused records where they can be looked at, and names the first.
    fn too_many(&self, shared: &mut Shared) -> Error {
        shared.rejects.sort_by_key(|&(partition, block, _)| (partition, block));
        let done = shared.records.values().flat_map(|record| &record.rejects);
        let all: Vec<&Reject> = done.chain(shared.rejects.iter().map(|(_, _, reject)| reject)).collect();
        publish::too_many(&self.work, shared.rejected, &all)
    }

    /// Assembles a partition whose blocks are all there, writes its files and its record.
    fn close(&self, partition: u64, open: Open) -> Result<()> {
        let hash = format!("{:032x}", xxh3_128(&open.hashes));
        if let Some(record) = lock(&self.shared)?.records.get(&partition) {
            return if record.hash == hash {
                Ok(())
            } else {
                Err(Error::input("an input file was changed since this build was interrupted")
                    .with_hint(format!("delete {} and start again", self.work.dir.display())))
            };
        }
        let about = About { number: partition, hash, ..About::default() };
        let record = partition::write(self.plan, about, open.documents, &mut &self.work, true, self.progress)?;
        let mut shared = lock(&self.shared)?;
        shared.rejects.retain(|(of, _, _)| *of != partition);
        shared.records.insert(partition, record);
        Ok(())
    }

    /// Everything is cut and encoded: closes the last partition, makes the tails, moves the shards into place.
    fn finish(self) -> Result<Manifest> {
        let open = {
            let mut shared = lock(&self.shared)?;
            if let Some(error) = shared.failed.take() {
                return Err(error);
            }
            std::mem::take(&mut shared.open)
        };
        for (partition, open) in open {
            self.close(partition, open)?;
        }
        let records = std::mem::take(&mut lock(&self.shared)?.records);
        let prints = std::mem::take(&mut lock(&self.cutter)?.fingerprints);
        merge(self.plan, self.options, self.work, &records, prints, self.progress)
    }
}

/// What all partitions left in the work folder in, the dataset out. `prints`: what the files are.
pub fn merge(
    plan: &Plan,
    options: &Options,
    work: Work,
    records: &Records,
    prints: Vec<Fingerprint>,
    progress: &Progress,
) -> Result<Manifest> {
    publish::check_splits(plan, options, records)?;
    let mut shards: Vec<_> = records.values().flat_map(|record| record.shards.clone()).collect();
    shards.extend(tails::tails(plan, &work, records, progress)?);
    publish::publish(plan, options, work, records, &shards, prints)
}

/// `Input` error where more was refused than may be; the records are left where they can be looked at.
pub fn check_rejects(options: &Options, work: &Work, records: &Records) -> Result<()> {
    let all = publish::rejects(records);
    let count = all.len() as u64;
    if count > options.max_rejects {
        Err(publish::too_many(work, count, &all.iter().collect::<Vec<_>>()))
    } else {
        Ok(())
    }
}
