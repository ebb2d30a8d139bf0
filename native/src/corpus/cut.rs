//! Files in, blocks of whole records out, in order. Blocks form partitions: the unit that becomes one shard,
//! that a distributed engine hands to one process, and that a resumed build can skip.
//!
//! Where blocks and partitions end depends on the input and on the two sizes alone, never on the number of threads.

use memchr::{memchr_iter, memrchr, memrchr_iter};

use arrow_array::RecordBatch;

use super::open::{Fingerprint, Input, fingerprint};
use super::table::{self, Batches};
use super::{Format, Source};
use crate::error::{Error, Result};

/// Bytes of text a block holds at least, unless the input ends.
pub const BLOCK_BYTES: usize = 1 << 20;

/// A run of records of one file within a block.
#[derive(Clone, Debug)]
pub struct Span {
    /// Index into the list of sources.
    pub source: usize,
    /// 1-based line number of its first byte in the (unpacked) file.
    pub line: u64,
    pub bytes: std::ops::Range<usize>,
    /// Rows of a file of columns, in place of bytes; `line` is then the number of the first row, from 1.
    pub table: Option<RecordBatch>,
}

pub struct Block {
    pub partition: u64,
    /// 0-based place in its partition.
    pub index: usize,
    /// No block of this partition follows. The last block of all may not know: then the cutter says None next.
    pub last: bool,
    pub spans: Vec<Span>,
    pub bytes: Vec<u8>,
    /// Bytes of the files, as they lie on disk, that were read for it.
    pub read: u64,
}

pub struct Cutter {
    sources: Vec<Source>,
    partition_bytes: u64,
    /// The file being read, the line that its next unread byte is on.
    current: Option<(Input, u64)>,
    table: Option<(Batches, u64)>,
    next_source: usize,
    /// The start of a record whose end has not been read yet.
    rest: Vec<u8>,
    partition: u64,
    index: usize,
    /// Bytes handed out of the present partition.
    filled: u64,
    /// Bytes read, of which the blocks so far have told.
    told: u64,
    pub fingerprints: Vec<Fingerprint>,
}

impl Cutter {
    pub fn new(sources: Vec<Source>, partition_bytes: u64) -> Self {
        Self {
            sources,
            partition_bytes,
            current: None,
            table: None,
            next_source: 0,
            rest: Vec::new(),
            partition: 0,
            index: 0,
            filled: 0,
            told: 0,
            fingerprints: Vec::new(),
        }
    }

    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The next block, in the memory of `spare`; None when every file has been read to its end.
    pub fn next(&mut self, spare: Vec<u8>) -> Result<Option<Block>> {
        let mut bytes = spare;
        bytes.clear();
        bytes.append(&mut self.rest);
        let mut spans = Vec::new();
        let mut target = BLOCK_BYTES;
        let mut start = 0;
        let mut rows_size = 0;
        loop {
            if let Some((mut batches, row)) = self.table.take() {
                let source = self.next_source - 1;
                match batches.next() {
                    Some(Ok(batch)) => {
                        rows_size += table::size(&batch);
                        let rows = batch.num_rows() as u64;
                        spans.push(Span { source, line: row, bytes: 0..0, table: Some(batch) });
                        self.table = Some((batches, row + rows));
                        if rows_size >= target {
                            break;
                        }
                    }
                    Some(Err(error)) => return Err(Error::input(format!("{}: {error}", self.sources[source].path))),
                    None => self.fingerprints.push(fingerprint(&self.sources[source].path)?),
                }
                continue;
            }
            let (mut input, mut line) = match self.current.take() {
                Some(current) => current,
                None => match self.sources.get(self.next_source) {
                    Some(source) if bytes.len() + rows_size < target => {
                        self.next_source += 1;
                        if matches!(source.format, Format::Parquet | Format::Arrow) {
                            self.table = Some((table::open(&source.path, source.format)?, 1));
                            continue;
                        }
                        start = bytes.len();
                        (Input::open(&source.path)?, 1)
                    }
                    _ => break,
                },
            };
            let source = self.next_source - 1;
            let format = self.sources[source].format;
            let wanted = target.saturating_sub(bytes.len()).max(1 << 16);
            let ended = input.append(&mut bytes, wanted)? < wanted;
            let end = if ended { Some(bytes.len()) } else { boundary(format, &bytes[start..]).map(|at| start + at) };
            let Some(end) = end else {
                // One record is longer than a block: read on.
                target = bytes.len() + BLOCK_BYTES;
                self.current = Some((input, line));
                continue;
            };
            // An empty file is a document too: an empty one, to be refused by name.
            if end > start || (format == Format::File && ended) {
                let lines =
                    if format == Format::File { 0 } else { memchr_iter(b'\n', &bytes[start..end]).count() as u64 };
                spans.push(Span { source, line, bytes: start..end, table: None });
                line += lines;
            }
            if ended {
                self.fingerprints.push(input.finish()?);
            } else {
                self.rest.extend_from_slice(&bytes[end..]);
                bytes.truncate(end);
                self.current = Some((input, line));
                break;
            }
        }
        if spans.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.number(spans, bytes, rows_size)))
    }

    fn number(&mut self, spans: Vec<Span>, bytes: Vec<u8>, rows_size: usize) -> Block {
        self.filled += (bytes.len() + rows_size) as u64;
        let last = self.filled >= self.partition_bytes;
        let ended: u64 = self.fingerprints.iter().map(|print| print.bytes).sum();
        let now = ended + self.current.as_ref().map_or(0, |(input, _)| input.position());
        let read = now.saturating_sub(self.told);
        self.told = now;
        let block = Block { partition: self.partition, index: self.index, last, spans, bytes, read };
        if last {
            (self.partition, self.index, self.filled) = (self.partition + 1, 0, 0);
        } else {
            self.index += 1;
        }
        block
    }
}

/// Where the last whole record of `text` ends, if one does.
fn boundary(format: Format, text: &[u8]) -> Option<usize> {
    match format {
        Format::File | Format::Parquet | Format::Arrow => None,
        Format::Line | Format::Jsonl | Format::Tsv => memrchr(b'\n', text).map(|at| at + 1),
        Format::Paragraph => {
            // A blank line that is followed by more text, so that a run of blank lines is never torn.
            memrchr_iter(b'\n', text)
                .skip(1)
                .find(|&at| matches!(text[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
                .map(|at| at + 1)
        }
    }
}
