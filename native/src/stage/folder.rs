//! The files of partitions in, the same in a folder that many processes share, each there as soon as it is whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use arrow_array::RecordBatch;

use crate::arrow::write::{write_bytes, write_file};
use crate::dataset::build::partition::Store;
use crate::dataset::build::work::{Record, record_name};
use crate::dataset::manifest::Shard;
use crate::error::{Error, Result};

/// Says whose files they are: the Python shim looks for it too.
pub const KEY: &str = "key.txt";

pub fn key(hash: &str) -> String {
    format!("stages {hash}\n")
}

/// `Config` where the folder holds files of another plan than that with this hash.
pub fn check(dir: &Path, hash: &str) -> Result<bool> {
    let path = dir.join(KEY);
    match fs::read(&path) {
        Ok(found) if found == key(hash).as_bytes() => Ok(true),
        Ok(_) => Err(Error::config(format!("{} holds partitions of another plan", dir.display()))
            .with_hint("give the dataset another folder, or delete that one")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(&path, error)),
    }
}

/// One process's hand in the folder. Two may work on one partition at once, where a scheduler takes the first for lost:
/// each writes in a folder of its own and moves what is whole.
pub struct Folder<'a> {
    dir: &'a Path,
    own: PathBuf,
}

impl<'a> Folder<'a> {
    pub fn open(dir: &'a Path, hash: &str) -> Result<Self> {
        let known = check(dir, hash)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        let own = dir.join(format!("own-{}-{now:x}", std::process::id()));
        fs::create_dir_all(&own).map_err(|error| Error::io(&own, error))?;
        let folder = Self { dir, own };
        if !known {
            folder.put(KEY, |path| write_bytes(path, key(hash).as_bytes()))?;
        }
        Ok(folder)
    }

    fn put<T>(&self, name: &str, write: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let path = self.own.join(name);
        let written = write(&path)?;
        fs::rename(&path, self.dir.join(name)).map_err(|error| Error::io(&path, error))?;
        Ok(written)
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.own);
    }
}

impl Store for Folder<'_> {
    fn rows(&mut self, name: &str, rows: &RecordBatch) -> Result<Shard> {
        let print = self.put(name, |path| write_file(path, &rows.schema(), std::slice::from_ref(rows)))?;
        Ok(Shard { file: name.to_owned(), rows: rows.num_rows() as u64, print, parquet: None })
    }

    fn save(&mut self, partition: u64, record: &Record) -> Result<()> {
        self.put(&record_name(partition), |path| write_bytes(path, &record.to_json()?))
    }
}
