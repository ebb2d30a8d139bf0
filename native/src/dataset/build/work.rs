//! The folder `OUT/.build`: what finished partitions have left there, so that a build that was killed goes on where it stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::Options;
use super::partition::{Part, Store};
use crate::arrow::parquet::write_parquet;
use crate::arrow::read::Mapped;
use crate::arrow::write::{write_file, write_passing};
use crate::corpus::open::Fingerprint;
use crate::corpus::records::Reject;
use crate::dataset::manifest::Shard;
use crate::dataset::plan::{Plan, SPLITS};
use crate::dataset::task::Counts;
use crate::dataset::tokenize::TextCounts;
use crate::dataset::tokens::TokenDocs;
use crate::error::{Error, Result};
use crate::vocab::machine::in_parts;

/// One finished partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Hash of its text, so that a changed input is noticed.
    pub hash: String,
    pub counts: TextCounts,
    pub shards: Vec<PartShard>,
    /// A file of documents left over for each split, in the order of `SPLITS`.
    pub rest: [Option<Shard>; SPLITS.len()],
    pub rejects: Vec<Reject>,
    /// Of a part of a file: rejects count lines from the part's start on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// On a cluster: the last partition of its portion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
}

impl Record {
    /// Its files and what they must be.
    fn files(&self) -> impl Iterator<Item = (String, &Fingerprint)> {
        self.shards.iter().map(|part| &part.shard).chain(self.rest.iter().flatten()).flat_map(Shard::files)
    }

    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::internal(format!("record: {error}")))
    }
}

/// A shard under its name in the work folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartShard {
    pub split: usize,
    /// Names its random streams.
    pub key: u64,
    pub counts: Counts,
    pub shard: Shard,
}

/// Finished partitions by number.
pub type Records = BTreeMap<u64, Record>;

pub struct Work {
    pub dir: PathBuf,
    parquet: bool,
}

impl Work {
    /// Opens the folder with the records of an interrupted build of the same plan and files; clears it otherwise.
    pub fn open(plan: &Plan, options: &Options) -> Result<(Self, Records)> {
        let work = Self { dir: options.out.join(".build"), parquet: options.parquet };
        let io = |error| Error::io(&work.dir, error);
        let key = key(plan, options)?;
        let key_path = work.dir.join("key.txt");
        if fs::read(&key_path).is_ok_and(|found| found == key.as_bytes()) {
            let records = work.undamaged(work.records()?, options.threads)?;
            return Ok((work, records));
        }
        if work.dir.exists() {
            fs::remove_dir_all(&work.dir).map_err(io)?;
        }
        fs::create_dir_all(&work.dir).map_err(io)?;
        write_passing(&key_path, key.as_bytes())?;
        Ok((work, Records::new()))
    }

    /// The folder `dir`, filled by others.
    pub fn at(dir: PathBuf) -> Self {
        Self { dir, parquet: false }
    }

    /// The records that are there with all their files.
    pub fn records(&self) -> Result<Records> {
        let io = |error| Error::io(&self.dir, error);
        let mut records = Records::new();
        for entry in fs::read_dir(&self.dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if let Some((number, record)) = self.read(&path)? {
                records.insert(number, record);
            }
        }
        Ok(records)
    }

    /// A record, if `path` is one and its files are still here: a build that was stopped while it moved its shards into
    /// place makes those again.
    fn read(&self, path: &Path) -> Result<Option<(u64, Record)>> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".json"));
        let Some(number) = number.and_then(|number| number.parse().ok()) else { return Ok(None) };
        let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
        let Ok(record) = serde_json::from_slice::<Record>(&bytes) else { return Ok(None) };
        let size = |file: &str| fs::metadata(self.dir.join(file)).map_or(0, |meta| meta.len());
        let whole = record.files().all(|(file, print)| size(&file) == print.bytes);
        Ok(whole.then_some((number, record)))
    }

    /// Those whose files are what they were when they were written. They weren't brought to the disk (that is only done
    /// with a whole dataset), so a power cut may have damaged them.
    fn undamaged(&self, records: Records, threads: usize) -> Result<Records> {
        let records: Vec<(u64, Record)> = records.into_iter().collect();
        let same = |(file, print): (String, &Fingerprint)| {
            Mapped::open(&self.dir.join(file)).and_then(|file| file.verify(print.bytes, &print.sha256)).is_ok()
        };
        let parts = records.chunks(records.len().div_ceil(threads.max(1)).max(1)).collect();
        let checked = in_parts(parts, |records: &[(u64, Record)]| {
            let whole = records.iter().filter(|(_, record)| record.files().all(same));
            whole.cloned().collect::<Vec<_>>()
        });
        Ok(checked.into_iter().flatten().collect())
    }

    /// Appends the documents of a file of those that wait for the tail.
    pub fn read_rest(&self, file: &str, docs: &mut TokenDocs) -> Result<()> {
        Mapped::open(&self.dir.join(file))?.batches()?.iter().try_for_each(|batch| docs.append_batch(batch))
    }

    /// Removes the folder.
    pub fn close(self) -> Result<()> {
        fs::remove_dir_all(&self.dir).map_err(|error| Error::io(&self.dir, error))
    }
}

impl Store for &Work {
    /// Writes Parquet too, where that is wanted and the rows are a shard's.
    fn rows(&mut self, name: &str, rows: &RecordBatch) -> Result<Shard> {
        let path = self.dir.join(name);
        let print = write_file(&path, &rows.schema(), std::slice::from_ref(rows))?;
        let wanted = self.parquet && !name.ends_with("-rest.arrow");
        let parquet = if wanted { Some(write_parquet(&path.with_extension("parquet"), rows)?) } else { None };
        Ok(Shard { file: name.to_owned(), rows: rows.num_rows() as u64, print, parquet })
    }

    fn save(&mut self, partition: u64, record: &Record) -> Result<()> {
        write_passing(&self.dir.join(record_name(partition)), &record.to_json()?)
    }
}

pub fn record_name(partition: u64) -> String {
    format!("part-{partition:06}.json")
}

/// What an interrupted build must share with this one to be gone on with.
fn key(plan: &Plan, options: &Options) -> Result<String> {
    let mut key = format!("{}\n{}\nparquet {}\n", env!("CARGO_PKG_VERSION"), plan.hash()?, options.parquet);
    for source in &options.sources {
        let meta = fs::metadata(&source.path).map_err(|error| Error::io(&source.path, error))?;
        let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map(|time| time.as_nanos());
        key += &format!("{:?} {} {} {modified:?}\n", source.format, source.path, meta.len());
    }
    Ok(key)
}
