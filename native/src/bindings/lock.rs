//! File locks for Node: held until `release` or the end of the process.

use std::path::Path;

use napi_derive::napi;

use super::error::Result;
use crate::lock;

#[napi]
pub struct FileLock {
    held: Option<lock::FileLock>,
}

#[napi]
impl FileLock {
    /// Null where another process holds it.
    #[napi]
    pub fn try_acquire(path: String, note: String) -> Result<Option<FileLock>> {
        Ok(lock::FileLock::try_acquire(Path::new(&path), &note)?.map(|held| FileLock { held: Some(held) }))
    }

    /// What the holder wrote about itself.
    #[napi]
    pub fn note(path: String) -> Result<String> {
        Ok(lock::FileLock::note(Path::new(&path))?)
    }

    #[napi]
    pub fn release(&mut self) {
        self.held = None;
    }
}
