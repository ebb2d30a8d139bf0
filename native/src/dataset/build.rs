//! Files and a plan in, a dataset folder out: shards, manifest.json, rejects.jsonl where something was refused.
//!
//! Threads take blocks from one cutter and encode them; whoever finishes a partition's last block assembles and writes its
//! shards. What partitions leave over is gathered in their order into tail shards. Everything is first written under
//! `OUT/.build`, a record a partition, so that a build that was killed goes on where it stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::encoder::Encoder;
use super::manifest::{InputFile, Manifest, NAME, Shard, Split, Statistics};
use super::plan::{Plan, SPLITS, Task};
use super::task::{Counts, Place, assemble};
use super::tokenize::{TextCounts, Tokenized, signatures, tokenize};
use super::tokens::TokenDocs;
use crate::arrow::read::Mapped;
use crate::arrow::write::{write_bytes, write_file};
use crate::corpus::Source;
use crate::corpus::cut::{Block, Cutter};
use crate::corpus::dedup::{Signature, resolve};
use crate::corpus::records::Reject;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;

/// Where and how, as opposed to what: nothing here changes a byte of the result.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    pub out: PathBuf,
    pub sources: Vec<Source>,
    pub threads: usize,
    /// Records that may be refused before the build stops.
    pub max_rejects: u64,
}

/// Tokens gathered from what partitions leave over before they become a shard.
const TAIL_TOKENS: usize = 1 << 23;

/// What one finished partition left in `.build`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    /// Hash of its text, so that a changed input is noticed.
    hash: String,
    counts: TextCounts,
    shards: Vec<PartShard>,
    /// A file of documents left over for each split, in the order of `SPLITS`.
    carry: [Option<String>; SPLITS.len()],
    rejects: Vec<Reject>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PartShard {
    split: usize,
    counts: Counts,
    shard: Shard,
}

/// A partition on its way.
#[derive(Default)]
struct Open {
    blocks: Vec<Option<(u128, Option<Tokenized>)>>,
    arrived: usize,
    /// Known once its last block has been cut.
    expected: Option<usize>,
}

struct Shared {
    open: FxHashMap<u64, Open>,
    records: BTreeMap<u64, Record>,
    rejected: u64,
    first_rejects: Vec<Reject>,
    failed: Option<Error>,
}

struct Builder<'a> {
    plan: &'a Plan,
    options: &'a Options,
    work: PathBuf,
    progress: &'a Progress,
    cutter: Mutex<Cutter>,
    shared: Mutex<Shared>,
    /// For each block, which of its documents are copies of others; None where copies may stay.
    copies: Option<Copies>,
}

/// By partition and block.
type Copies = BTreeMap<(u64, usize), Vec<bool>>;

/// A poisoned lock means that a thread of ours has died: a defect to report, not to hide.
fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
    mutex.lock().map_err(|_| Error::internal("a build thread died"))
}

/// Builds the dataset. Progress counts bytes of the (unpacked) text; the total is that of the files as they lie on disk.
pub fn build(plan: &Plan, options: &Options, encoder: &dyn Encoder, progress: &Progress) -> Result<Manifest> {
    plan.check()?;
    if options.sources.is_empty() {
        return Err(Error::input("there are no input files"));
    }
    let work = options.out.join(".build");
    let records = resume(plan, options, &work)?;
    progress.start(
        options.sources.iter().filter_map(|source| fs::metadata(&source.path).ok()).map(|meta| meta.len()).sum(),
    );
    let copies = if plan.clean.dedup || plan.clean.near_dedup.is_some() {
        Some(find_copies(plan, options, progress)?)
    } else {
        None
    };
    let rejected = records.values().map(|record| record.counts.rejected).sum();
    let builder = Builder {
        plan,
        options,
        progress,
        work,
        copies,
        cutter: Mutex::new(Cutter::new(options.sources.clone(), plan.partition_bytes)),
        shared: Mutex::new(Shared {
            open: FxHashMap::default(),
            records,
            rejected,
            first_rejects: Vec::new(),
            failed: None,
        }),
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                if let Err(error) = builder.run(encoder)
                    && let Ok(mut shared) = builder.shared.lock()
                {
                    shared.failed.get_or_insert(error);
                }
            });
        }
    });
    builder.finish()
}

/// Goes through all documents once for their signatures; says which are copies, in memory of some bytes a document.
fn find_copies(plan: &Plan, options: &Options, progress: &Progress) -> Result<Copies> {
    let cutter = Mutex::new(Cutter::new(options.sources.clone(), plan.partition_bytes));
    let found: Mutex<BTreeMap<(u64, usize), Vec<Signature>>> = Mutex::new(BTreeMap::new());
    let work = || -> Result<()> {
        let mut spare = Vec::new();
        loop {
            progress.check()?;
            let block = lock(&cutter)?.next(std::mem::take(&mut spare))?;
            let Some(block) = block else { return Ok(()) };
            let all = signatures(plan, &block, &options.sources)?;
            progress.add(block.size);
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
    Ok(found.iter().map(|(key, all)| (*key, copies.by_ref().take(all.len()).collect())).collect())
}

/// Keeps the records of an interrupted build of the same plan and files; clears the folder otherwise.
fn resume(plan: &Plan, options: &Options, work: &Path) -> Result<BTreeMap<u64, Record>> {
    let io = |error| Error::io(work, error);
    let mut key = format!("{}\n{}\n", env!("CARGO_PKG_VERSION"), plan.hash()?);
    for source in &options.sources {
        let meta = fs::metadata(&source.path).map_err(|error| Error::io(&source.path, error))?;
        let modified = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        key +=
            &format!("{:?} {} {} {:?}\n", source.format, source.path, meta.len(), modified.map(|time| time.as_nanos()));
    }
    let key_path = work.join("key.txt");
    let mut records = BTreeMap::new();
    if fs::read(&key_path).is_ok_and(|found| found == key.as_bytes()) {
        for entry in fs::read_dir(work).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(number) = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".json")) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            let bytes = fs::read(&path).map_err(|error| Error::io(&path, error))?;
            if let Ok(record) = serde_json::from_slice::<Record>(&bytes) {
                records.insert(number, record);
            }
        }
    } else {
        if work.exists() {
            fs::remove_dir_all(work).map_err(io)?;
        }
        fs::create_dir_all(work).map_err(io)?;
        write_bytes(&key_path, key.as_bytes())?;
    }
    Ok(records)
}

impl Builder<'_> {
    fn run(&self, encoder: &dyn Encoder) -> Result<()> {
        let mut session = encoder.session();
        let mut spare = Vec::new();
        loop {
            self.progress.check()?;
            let Some(block) = self.next_block(std::mem::take(&mut spare))? else { return Ok(()) };
            let (partition, done) = {
                let shared = lock(&self.shared)?;
                if shared.failed.is_some() {
                    return Ok(());
                }
                (block.partition, shared.records.contains_key(&block.partition))
            };
            let hash = xxh3_128(&block.bytes);
            let copies = self.copies.as_ref().and_then(|all| all.get(&(partition, block.index))).map(Vec::as_slice);
            let tokens = if done {
                None
            } else {
                Some(tokenize(self.plan, session.as_mut(), &block, &self.options.sources, copies)?)
            };
            self.progress.add(block.size);
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
            let open = shared.open.entry(block.partition).or_default();
            open.blocks.push(None);
            if block.last {
                open.expected = Some(open.blocks.len());
            }
        }
        Ok(block)
    }

    /// Files a block; returns its partition when that is complete.
    fn arrive(&self, block: &Block, hash: u128, tokens: Option<Tokenized>) -> Result<Option<Open>> {
        let mut shared = lock(&self.shared)?;
        if let Some(tokens) = &tokens {
            shared.rejected += tokens.rejects.len() as u64;
            let room = 3usize.saturating_sub(shared.first_rejects.len());
            shared.first_rejects.extend(tokens.rejects.iter().take(room).cloned());
            if shared.rejected > self.options.max_rejects {
                return Err(too_many(&shared.first_rejects, shared.rejected));
            }
        }
        let Some(open) = shared.open.get_mut(&block.partition) else {
            return Err(Error::internal("a block without a partition"));
        };
        open.blocks[block.index] = Some((hash, tokens));
        open.arrived += 1;
        if open.expected == Some(open.arrived) { Ok(shared.open.remove(&block.partition)) } else { Ok(None) }
    }

    /// Assembles a partition whose blocks are all there, writes its files and its record.
    fn close(&self, partition: u64, open: Open) -> Result<()> {
        let hashes: Vec<u8> = open.blocks.iter().flatten().flat_map(|(hash, _)| hash.to_le_bytes()).collect();
        let hash = format!("{:032x}", xxh3_128(&hashes));
        if let Some(record) = lock(&self.shared)?.records.get(&partition) {
            return if record.hash == hash {
                Ok(())
            } else {
                Err(Error::input("an input file was changed since this build was interrupted")
                    .with_hint(format!("delete {} and start again", self.work.display())))
            };
        }
        let mut record = Record {
            hash,
            counts: TextCounts::default(),
            shards: Vec::new(),
            carry: Default::default(),
            rejects: Vec::new(),
        };
        let mut splits: [TokenDocs; SPLITS.len()] = Default::default();
        for (_, tokens) in open.blocks.into_iter().flatten() {
            let Some(tokens) = tokens else { continue };
            record.counts += &tokens.counts;
            record.rejects.extend(tokens.rejects);
            for (all, part) in splits.iter_mut().zip(tokens.splits) {
                if all.is_empty() { *all = part } else { all.append(&part) }
            }
        }
        for (split, docs) in splits.into_iter().enumerate() {
            self.progress.check()?;
            let assembled = assemble(self.plan, docs, Place { partition, last: false })?;
            if let Some(rows) = assembled.rows {
                let file = format!("part-{partition:06}-{}.arrow", SPLITS[split]);
                record.shards.push(self.shard(split, file, &rows, assembled.counts)?);
            }
            if !assembled.carry.is_empty() {
                let file = format!("part-{partition:06}-{}-rest.arrow", SPLITS[split]);
                write_file(&self.work.join(&file), &TokenDocs::schema(), &[assembled.carry.to_batch()?])?;
                record.carry[split] = Some(file);
            }
        }
        let text = serde_json::to_vec(&record).map_err(|error| Error::internal(format!("record: {error}")))?;
        write_bytes(&self.work.join(format!("part-{partition:06}.json")), &text)?;
        lock(&self.shared)?.records.insert(partition, record);
        Ok(())
    }

    fn shard(&self, split: usize, file: String, rows: &arrow_array::RecordBatch, counts: Counts) -> Result<PartShard> {
        let print = write_file(&self.work.join(&file), &rows.schema(), std::slice::from_ref(rows))?;
        Ok(PartShard { split, counts, shard: Shard { file, rows: rows.num_rows() as u64, print } })
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
        let partitions = records.len() as u64;
        let mut counts = TextCounts::default();
        for record in records.values() {
            counts += &record.counts;
        }
        self.check_splits(&counts)?;
        let mut shards: Vec<PartShard> = records.values().flat_map(|record| record.shards.clone()).collect();
        for split in 0..SPLITS.len() {
            self.tails(split, &records, partitions, &mut shards)?;
        }
        self.publish(&records, shards, &counts)
    }

    /// Assembles what the partitions of one split left over, in their order.
    fn tails(
        &self,
        split: usize,
        records: &BTreeMap<u64, Record>,
        partitions: u64,
        shards: &mut Vec<PartShard>,
    ) -> Result<()> {
        let mut docs = TokenDocs::default();
        let mut tail = 0u64;
        let mut flush = |docs: TokenDocs, last: bool| -> Result<TokenDocs> {
            self.progress.check()?;
            let assembled = assemble(self.plan, docs, Place { partition: partitions + tail, last })?;
            if let Some(rows) = assembled.rows {
                let file = format!("tail-{tail:06}-{}.arrow", SPLITS[split]);
                shards.push(self.shard(split, file, &rows, assembled.counts)?);
            }
            tail += 1;
            Ok(assembled.carry)
        };
        for file in records.values().filter_map(|record| record.carry[split].as_ref()) {
            for batch in Mapped::open(&self.work.join(file))?.batches()? {
                docs.append_batch(&batch)?;
            }
            if docs.ids.len() >= TAIL_TOKENS {
                docs = flush(docs, false)?;
            }
        }
        flush(docs, true).map(|_| ())
    }

    fn check_splits(&self, counts: &TextCounts) -> Result<()> {
        let total: u64 = counts.documents.iter().sum();
        if total == 0 {
            return Err(Error::input(format!("no document was found in {} files", self.options.sources.len())));
        }
        for (split, &share) in self.plan.split.iter().enumerate() {
            if matches!(&self.plan.task, Task::Pair(pair) if !pair.order) && counts.documents[split] == 1 {
                return Err(Error::input(format!(
                    "next sentence: the split \"{}\" has one document, so no sentence can come from another one",
                    SPLITS[split]
                ))
                .with_hint(
                    "give it more documents: blank lines between them with format paragraph, or one a file or record",
                ));
            }
            if share > 0.0 && counts.documents[split] == 0 {
                return Err(Error::input(format!(
                    "none of the {total} documents fell into the split \"{}\" (share {share})",
                    SPLITS[split]
                ))
                .with_hint("give it a larger share, or read smaller documents (format line or paragraph)"));
            }
        }
        Ok(())
    }

    fn publish(
        &self,
        records: &BTreeMap<u64, Record>,
        shards: Vec<PartShard>,
        counts: &TextCounts,
    ) -> Result<Manifest> {
        let out = &self.options.out;
        let io = |error| Error::io(out, error);
        let mut splits = Vec::new();
        for (split, name) in SPLITS.iter().enumerate() {
            let mut entry = Split {
                name: (*name).into(),
                documents: counts.documents[split],
                counts: Counts::default(),
                shards: Vec::new(),
            };
            for (number, part) in shards.iter().filter(|part| part.split == split).enumerate() {
                entry.counts += &part.counts;
                entry.shards.push(Shard { file: format!("{name}-{number:05}.arrow"), ..part.shard.clone() });
            }
            if self.plan.split[split] > 0.0 {
                splits.push(entry);
            }
        }
        let fingerprints = std::mem::take(&mut lock(&self.cutter)?.fingerprints);
        let inputs = self.options.sources.iter().zip(fingerprints);
        let manifest = Manifest {
            format: "millrace-dataset".into(),
            code: env!("CARGO_PKG_VERSION").into(),
            plan_sha256: self.plan.hash()?,
            plan: self.plan.clone(),
            inputs: inputs.map(|(source, print)| InputFile { path: source.path.clone(), print }).collect(),
            statistics: Statistics {
                documents: counts.documents.iter().sum(),
                text_bytes: counts.text_bytes,
                tokens: counts.tokens,
                rejected: counts.rejected,
                filtered: counts.filtered,
                copies: counts.copies,
            },
            splits,
        };
        // A dataset that was here before ends with its manifest; the new one begins with its own.
        remove_old(out)?;
        let new = manifest.splits.iter().flat_map(|split| split.shards.iter().map(|shard| shard.file.clone()));
        let order: Vec<&PartShard> =
            (0..SPLITS.len()).flat_map(|split| shards.iter().filter(move |part| part.split == split)).collect();
        for (part, name) in order.iter().zip(new) {
            fs::rename(self.work.join(&part.shard.file), out.join(name)).map_err(io)?;
        }
        let rejects: Vec<&Reject> = records.values().flat_map(|record| &record.rejects).collect();
        if !rejects.is_empty() {
            let lines: Vec<String> = rejects.iter().filter_map(|reject| serde_json::to_string(reject).ok()).collect();
            write_bytes(&out.join("rejects.jsonl"), (lines.join("\n") + "\n").as_bytes())?;
        }
        let text =
            serde_json::to_string_pretty(&manifest).map_err(|error| Error::internal(format!("manifest: {error}")))?;
        write_bytes(&out.join(NAME), (text + "\n").as_bytes())?;
        fs::remove_dir_all(&self.work).map_err(io)?;
        Ok(manifest)
    }
}

/// Removes the files of an earlier dataset, and only those.
fn remove_old(out: &Path) -> Result<()> {
    let remove = |path: &Path| match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    };
    let old = match Manifest::read(out) {
        Ok(old) => old.splits.into_iter().flat_map(|split| split.shards).map(|shard| shard.file).collect(),
        Err(error) if error.kind == Kind::Input => Vec::new(),
        Err(error) => return Err(error),
    };
    remove(&out.join(NAME))?;
    remove(&out.join("rejects.jsonl"))?;
    old.iter().try_for_each(|file| remove(&out.join(file)))
}

fn too_many(first: &[Reject], count: u64) -> Error {
    let shown: Vec<String> =
        first.iter().map(|reject| format!("{}:{}: {}", reject.file, reject.line, reject.reason)).collect();
    Error::input(format!("{count} records can't be used; the first: {}", shown.join("; ")))
        .with_hint("mend the input, name the right field, or allow more with maxRejects")
}
