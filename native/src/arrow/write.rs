//! Record batches in, an Arrow IPC file (file format, version 5, buffers aligned to 64 bytes) out, with its size and SHA-256.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, Schema};
use sha2::{Digest, Sha256};

use crate::corpus::open::{Fingerprint, hex};
use crate::error::{Error, Result};
use crate::vocab::machine::in_parts;

/// Bytes that are worth a thread: they are hashed while they are written.
const LARGE: usize = 1 << 20;

/// Hashes what passes through.
pub struct Hashed<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(data)?;
        self.hash.update(&data[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        let Self { inner, hash, .. } = self;
        if data.len() < LARGE {
            hash.update(data);
            inner.write_all(data)?;
        } else {
            std::thread::scope(|scope| {
                scope.spawn(|| hash.update(data));
                inner.write_all(data)
            })?;
        }
        self.bytes += data.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes an Arrow IPC file.
pub fn write_file(path: &Path, schema: &Schema, batches: &[RecordBatch]) -> Result<Fingerprint> {
    write_whole(path, |sink| encode(path, sink, schema, batches))
}

/// The bytes of the file that `write_file` writes.
pub fn to_bytes(schema: &Schema, batches: &[RecordBatch]) -> Result<(Vec<u8>, Fingerprint)> {
    let sink = Hashed { inner: Vec::new(), hash: Sha256::new(), bytes: 0 };
    let sink = encode(Path::new("memory"), sink, schema, batches)?;
    Ok((sink.inner, Fingerprint { bytes: sink.bytes, sha256: hex(&sink.hash.finalize()) }))
}

fn encode<W: Write>(path: &Path, sink: W, schema: &Schema, batches: &[RecordBatch]) -> Result<W> {
    let arrow = |error: ArrowError| match error {
        ArrowError::IoError(_, error) => Error::io(path, error),
        other => Error::internal(format!("{}: {other}", path.display())),
    };
    let options = IpcWriteOptions::try_new(64, false, MetadataVersion::V5).map_err(arrow)?;
    let mut writer = FileWriter::try_new_with_options(sink, schema, options).map_err(arrow)?;
    batches.iter().try_for_each(|batch| writer.write(batch)).map_err(arrow)?;
    writer.into_inner().map_err(arrow)
}

/// A file under its temporary name, hashed as it is written.
pub type Sink = Hashed<BufWriter<File>>;

/// Writes a file next to `path` and renames it to `path` when it is whole; `write` hands the sink back when all is written.
/// The system may still have to bring it to the disk: see `sync`.
pub fn write_whole(path: &Path, write: impl FnOnce(Sink) -> Result<Sink>) -> Result<Fingerprint> {
    let temporary = path.with_extension("tmp");
    let io = |error: io::Error| Error::io(&temporary, error);
    let file = File::create(&temporary).map_err(io)?;
    let sink = write(Hashed { inner: BufWriter::with_capacity(1 << 16, file), hash: Sha256::new(), bytes: 0 })?;
    let print = Fingerprint { bytes: sink.bytes, sha256: hex(&sink.hash.finalize()) };
    let file = sink.inner.into_inner().map_err(|error| io(error.into_error()))?;
    send_to_disk(&file);
    std::fs::rename(&temporary, path).map_err(|error| Error::io(path, error))?;
    Ok(print)
}

/// Lets the system begin to bring a file to the disk, so that `sync` finds little left to do.
fn send_to_disk(file: &File) {
    #[cfg(target_os = "linux")]
    // SAFETY: the descriptor is open; a failure shows in `sync`.
    unsafe {
        use std::os::fd::AsRawFd;
        libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Files waited for at once.
const AT_ONCE: usize = 8;

/// Waits until the files are on the disk itself, where a power cut leaves them.
pub fn sync(paths: &[PathBuf]) -> Result<()> {
    let each = paths.chunks(paths.len().div_ceil(AT_ONCE).max(1)).collect();
    let sync = |path: &PathBuf| File::open(path).and_then(|file| file.sync_data()).map_err(|e| Error::io(path, e));
    in_parts(each, |paths: &[PathBuf]| paths.iter().try_for_each(sync)).into_iter().collect()
}

/// Writes small files such as manifests: whole or not at all, and to stay.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    small(path, bytes, File::sync_data)
}

/// The same for those that a build can do without: after a power cut they may be gone.
pub fn write_passing(path: &Path, bytes: &[u8]) -> Result<()> {
    small(path, bytes, |_| Ok(()))
}

fn small(path: &Path, bytes: &[u8], sync: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        sync(&file)?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| Error::io(path, error))
}
