//! Record batches in, an Arrow IPC file (file format, version 5, buffers aligned to 64 bytes) out, with its size and SHA-256.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, Schema};
use sha2::{Digest, Sha256};

use crate::corpus::open::{Fingerprint, hex};
use crate::error::{Error, Result};

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

/// Writes a file next to `path`, syncs it, and renames it to `path`; `write` hands the sink back when all is written.
pub fn write_whole(path: &Path, write: impl FnOnce(Sink) -> Result<Sink>) -> Result<Fingerprint> {
    let temporary = path.with_extension("tmp");
    let io = |error: io::Error| Error::io(&temporary, error);
    let file = File::create(&temporary).map_err(io)?;
    let sink = write(Hashed { inner: BufWriter::with_capacity(1 << 16, file), hash: Sha256::new(), bytes: 0 })?;
    let print = Fingerprint { bytes: sink.bytes, sha256: hex(&sink.hash.finalize()) };
    let file = sink.inner.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_data().map_err(io)?;
    std::fs::rename(&temporary, path).map_err(|error| Error::io(path, error))?;
    Ok(print)
}

/// Writes small files such as manifests: whole or not at all.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| Error::io(path, error))
}
