//! The folder `OUT/.build`: what finished partitions have left there, so that a build that was killed goes on where it stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::Options;
use crate::arrow::parquet::write_parquet;
use crate::arrow::read::Mapped;
use crate::arrow::write::{write_bytes, write_file};
use crate::corpus::records::Reject;
use crate::dataset::manifest::Shard;
use crate::dataset::plan::{Plan, SPLITS};
use crate::dataset::task::Counts;
use crate::dataset::tokenize::TextCounts;
use crate::dataset::tokens::TokenDocs;
use crate::error::{Error, Result};

/// One finished partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Hash of its text, so that a changed input is noticed.
    pub hash: String,
    pub counts: TextCounts,
    pub shards: Vec<PartShard>,
    /// A file of documents left over for each split, in the order of `SPLITS`.
    pub rest: [Option<String>; SPLITS.len()],
    pub rejects: Vec<Reject>,
}

/// A shard under its name in the work folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartShard {
    pub split: usize,
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
        let mut records = Records::new();
        if fs::read(&key_path).is_ok_and(|found| found == key.as_bytes()) {
            for entry in fs::read_dir(&work.dir).map_err(io)? {
                let path = entry.map_err(io)?.path();
                if let Some((number, record)) = work.read(&path)? {
                    records.insert(number, record);
                }
            }
        } else {
            if work.dir.exists() {
                fs::remove_dir_all(&work.dir).map_err(io)?;
            }
            fs::create_dir_all(&work.dir).map_err(io)?;
            write_bytes(&key_path, key.as_bytes())?;
        }
        Ok((work, records))
    }

    /// A record, if `path` is one and its files are still here: a build that was stopped while it moved its shards into
    /// place makes those again.
    fn read(&self, path: &Path) -> Result<Option<(u64, Record)>> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".json"));
        let Some(number) = number.and_then(|number| number.parse().ok()) else { return Ok(None) };
        let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
        let Ok(record) = serde_json::from_slice::<Record>(&bytes) else { return Ok(None) };
        let here = |file: &str| self.dir.join(file).exists();
        let whole = record.shards.iter().flat_map(|part| part.shard.files()).all(|(file, _)| here(&file))
            && record.rest.iter().flatten().all(|file| here(file));
        Ok(whole.then_some((number, record)))
    }

    pub fn save(&self, partition: u64, record: &Record) -> Result<()> {
        let text = serde_json::to_vec(record).map_err(|error| Error::internal(format!("record: {error}")))?;
        write_bytes(&self.dir.join(format!("part-{partition:06}.json")), &text)
    }

    /// Writes rows as the shard `NAME-SPLIT.arrow`, and as Parquet where that is wanted.
    pub fn write_rows(&self, split: usize, name: &str, rows: &RecordBatch, counts: Counts) -> Result<PartShard> {
        let file = format!("{name}-{}.arrow", SPLITS[split]);
        let path = self.dir.join(&file);
        let print = write_file(&path, &rows.schema(), std::slice::from_ref(rows))?;
        let parquet = if self.parquet { Some(write_parquet(&path.with_extension("parquet"), rows)?) } else { None };
        Ok(PartShard { split, counts, shard: Shard { file, rows: rows.num_rows() as u64, print, parquet } })
    }

    /// Writes documents that wait for the tail; says the file's name, None where there are no documents.
    pub fn write_rest(&self, split: usize, name: &str, docs: &TokenDocs) -> Result<Option<String>> {
        if docs.is_empty() {
            return Ok(None);
        }
        let file = format!("{name}-{}-rest.arrow", SPLITS[split]);
        write_file(&self.dir.join(&file), &TokenDocs::schema(), &[docs.to_batch()?])?;
        Ok(Some(file))
    }

    /// Appends the documents of a file of `write_rest`.
    pub fn read_rest(&self, file: &str, docs: &mut TokenDocs) -> Result<()> {
        Mapped::open(&self.dir.join(file))?.batches()?.iter().try_for_each(|batch| docs.append_batch(batch))
    }

    /// Removes the folder.
    pub fn close(self) -> Result<()> {
        fs::remove_dir_all(&self.dir).map_err(|error| Error::io(&self.dir, error))
    }
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
