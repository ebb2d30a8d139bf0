//! A path in, the sole right to what it guards out. The kernel holds the lock, so it ends with its process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Held until it is dropped. The file stays: deleting it would let two processes lock two files of one name.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// `Ok(None)` where another process holds it. `note` (who holds it) is written into the file.
    pub fn try_acquire(path: &Path, note: &str) -> Result<Option<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| Error::io(path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(Error::io(path, e)),
        }
        let mut lock = Self { file };
        lock.write(note).map_err(|e| Error::io(path, e))?;
        Ok(Some(lock))
    }

    /// The note of whoever holds or last held the lock.
    pub fn note(path: &Path) -> Result<String> {
        let mut text = String::new();
        File::open(path).and_then(|mut file| file.read_to_string(&mut text)).map_err(|e| Error::io(path, e))?;
        Ok(text)
    }

    fn write(&mut self, note: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(note.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let path = std::env::temp_dir().join(format!("millrace-lock-{}", std::process::id()));
        let first = FileLock::try_acquire(&path, "one").unwrap();
        assert!(first.is_some());
        assert!(FileLock::try_acquire(&path, "two").unwrap().is_none());
        assert_eq!(FileLock::note(&path).unwrap(), "one");
        drop(first);
        assert!(FileLock::try_acquire(&path, "three").unwrap().is_some());
        assert_eq!(FileLock::note(&path).unwrap(), "three");
        std::fs::remove_file(&path).unwrap();
    }
}
