//! An Arrow IPC file in, its record batches out, their buffers pointing into the mapped file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::root_as_footer;
use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::corpus::open::hex;
use crate::error::{Error, Result};

/// A file mapped into memory.
pub struct Mapped {
    path: String,
    buffer: Buffer,
}

impl Mapped {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        // SAFETY: shards are renamed into place when whole and never written again. Whoever truncates one while it is
        // mapped gets the operating system's bus error, as with every mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| Error::io(path, error))?;
        let Some(start) = std::ptr::NonNull::new(map.as_ptr().cast_mut()) else {
            return Err(Error::corrupt(format!("{}: the file is empty", path.display())));
        };
        let length = map.len();
        // SAFETY: the memory is valid for `length` bytes for as long as the map lives, and the buffer owns the map.
        let buffer = unsafe { Buffer::from_custom_allocation(start, length, Arc::new(map)) };
        Ok(Self { path: path.display().to_string(), buffer })
    }

    /// A file that is in memory.
    pub fn of_bytes(name: &str, bytes: Vec<u8>) -> Self {
        Self { path: name.to_owned(), buffer: Buffer::from(bytes) }
    }

    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.buffer.as_slice()))
    }

    /// Refuses a file that is not the one the manifest names.
    pub fn verify(&self, bytes: u64, sha256: &str) -> Result<()> {
        let changed = |what: String| {
            Error::corrupt(format!("{}: {what}", self.path))
                .with_hint("the file was changed or damaged: build the dataset again")
        };
        if self.buffer.len() as u64 != bytes {
            return Err(changed(format!("{} bytes, the manifest says {bytes}", self.buffer.len())));
        }
        if self.sha256() != sha256 {
            return Err(changed("its SHA-256 is not the manifest's".into()));
        }
        Ok(())
    }

    pub fn batches(&self) -> Result<Vec<RecordBatch>> {
        let wrong =
            |what: &dyn std::fmt::Display| Error::corrupt(format!("{}: not a whole Arrow IPC file: {what}", self.path));
        let bytes = self.buffer.as_slice();
        let trailer: [u8; 10] = bytes.last_chunk().copied().ok_or_else(|| wrong(&"too short"))?;
        let length = read_footer_length(trailer).map_err(|error| wrong(&error))?;
        let end = bytes.len() - trailer.len();
        let start = end.checked_sub(length).ok_or_else(|| wrong(&"its footer is cut off"))?;
        let footer = root_as_footer(&bytes[start..end]).map_err(|error| wrong(&error))?;
        let schema = try_fb_to_schema(footer.schema().ok_or_else(|| wrong(&"it has no schema"))?)
            .map_err(|error| wrong(&error))?;
        let decoder = FileDecoder::new(Arc::new(schema), footer.version());
        let mut batches = Vec::new();
        for block in footer.recordBatches().into_iter().flatten() {
            let size = usize::try_from(block.metaDataLength()).ok().zip(usize::try_from(block.bodyLength()).ok());
            let place = usize::try_from(block.offset()).ok().zip(size.and_then(|(meta, body)| meta.checked_add(body)));
            let Some((offset, size)) =
                place.filter(|(offset, size)| offset.checked_add(*size).is_some_and(|end| end <= bytes.len()))
            else {
                return Err(wrong(&"a record batch is cut off"));
            };
            let data = self.buffer.slice_with_length(offset, size);
            let batch = decoder.read_record_batch(block, &data).map_err(|error| wrong(&error))?;
            batches.extend(batch);
        }
        Ok(batches)
    }
}
