//! Files in, blocks of whole records out, in order. Blocks form partitions: the unit that becomes one shard,
//! that a distributed engine hands to one process, and that a resumed build can skip.
//!
//! Partitions lie within runs of files (portion.rs) and end with the record that holds byte k * partitionBytes of the run's
//! (unpacked) text. So they depend on the files alone, never on the number of threads, nor on who reads them.

use std::collections::VecDeque;
use std::ops::Range;

use arrow_array::RecordBatch;
use memchr::{memchr, memchr_iter, memrchr, memrchr_iter};

use super::open::{Fingerprint, Input, fingerprint};
use super::portion::runs;
use super::records::Fields;
use super::table::{self, Batches};
use super::{Format, Source};
use crate::error::{Error, Result};

/// Bytes of text a block holds at least, unless its partition ends.
pub const BLOCK_BYTES: usize = 1 << 20;

/// A run of records of one file within a block.
#[derive(Clone, Debug)]
pub struct Span {
    /// Index into the list of sources.
    pub source: usize,
    /// 1-based line number of its first byte in the (unpacked) file.
    pub line: u64,
    pub bytes: Range<usize>,
    /// Rows of a file of columns, in place of bytes; `line` is then the number of the first row, from 1.
    pub table: Option<RecordBatch>,
}

#[derive(Default)]
pub struct Block {
    pub partition: u64,
    /// 0-based place in its partition.
    pub index: usize,
    /// No block of this partition follows. Where the rest of a run of files turns out to be empty, its last block doesn't
    /// know: then the next block is of another partition, or there is none.
    pub last: bool,
    pub spans: Vec<Span>,
    pub bytes: Vec<u8>,
    /// Bytes of text and of columns.
    pub size: u64,
    /// Bytes of the files, as they lie on disk, that were read for it.
    pub read: u64,
}

/// How the files are opened: where they lie, or as they come through a pipe.
pub trait Files: Send {
    fn text(&mut self, source: usize) -> Result<Input>;
    fn table(&mut self, source: usize) -> Result<Batches>;
    fn fingerprint(&mut self, source: usize) -> Result<Fingerprint>;
    /// The number of the first line. A part of a file doesn't know its own: any but 1 does, and its line is no first one.
    fn first_line(&self) -> u64 {
        1
    }
}

/// Files on this machine.
struct Disk(Vec<Source>);

impl Files for Disk {
    fn text(&mut self, source: usize) -> Result<Input> {
        Input::open(&self.0[source].path)
    }
    fn table(&mut self, source: usize) -> Result<Batches> {
        table::open(&self.0[source].path, self.0[source].format)
    }
    fn fingerprint(&mut self, source: usize) -> Result<Fingerprint> {
        fingerprint(&self.0[source].path)
    }
}

/// The file being read.
enum Current {
    /// And the line that its next unread byte is on.
    Text(Input, u64),
    /// Rows read and not yet handed out, and the number of the first of them.
    Table(Batches, Option<RecordBatch>, u64),
}

pub struct Cutter {
    sources: Vec<Source>,
    files: Box<dyn Files>,
    partition_bytes: u64,
    /// Fields of columns, whose text counts for where partitions end.
    fields: Fields,
    /// The files still to be opened of the present run, then further runs.
    run: Range<usize>,
    runs: VecDeque<Range<usize>>,
    source: usize,
    current: Option<Current>,
    /// The start of a record whose end has not been read yet.
    rest: Vec<u8>,
    partition: u64,
    index: usize,
    /// Text of this run handed out.
    offset: u64,
    /// Bytes read, of which the blocks so far have told.
    told: u64,
    pub fingerprints: Vec<Fingerprint>,
}

impl Cutter {
    /// Reads all files, from this machine. `fields`: those of columns that are read.
    pub fn new(sources: Vec<Source>, fields: &Fields, partition_bytes: u64) -> Self {
        let size = |source: &Source| std::fs::metadata(&source.path).map_or(0, |meta| meta.len());
        let sizes: Vec<u64> = sources.iter().map(size).collect();
        let files = Box::new(Disk(sources.clone()));
        Self::over(sources, files, runs(&sizes, partition_bytes).into(), fields, partition_bytes)
    }

    /// Reads these runs of files as `files` opens them.
    pub fn over(
        sources: Vec<Source>,
        files: Box<dyn Files>,
        mut runs: VecDeque<Range<usize>>,
        fields: &Fields,
        partition_bytes: u64,
    ) -> Self {
        Self {
            sources,
            files,
            partition_bytes,
            fields: fields.clone(),
            run: runs.pop_front().unwrap_or(0..0),
            runs,
            source: 0,
            current: None,
            rest: Vec::new(),
            partition: 0,
            index: 0,
            offset: 0,
            told: 0,
            fingerprints: Vec::new(),
        }
    }

    /// The next block, in the memory of `spare`; None when every file has been read to its end.
    pub fn next(&mut self, spare: Vec<u8>) -> Result<Option<Block>> {
        let mut block = Block { bytes: spare, ..Block::default() };
        block.bytes.clear();
        loop {
            let last = match self.current.take() {
                Some(Current::Text(input, line)) => self.text(&mut block, input, line)?,
                Some(Current::Table(batches, rows, number)) => self.table(&mut block, batches, rows, number)?,
                None if !self.run.is_empty() => {
                    self.open()?;
                    continue;
                }
                None => true,
            };
            let ended = self.current.is_none() && self.run.is_empty();
            if block.spans.is_empty() {
                if !ended {
                    continue;
                }
                let Some(run) = self.runs.pop_front() else { return Ok(None) };
                (self.run, self.offset) = (run, 0);
                if self.index > 0 {
                    (self.partition, self.index) = (self.partition + 1, 0);
                }
            } else if last || ended || block.size + self.rest.len() as u64 >= BLOCK_BYTES as u64 {
                (block.partition, block.index, block.last) = (self.partition, self.index, last || ended);
                block.read = self.read();
                self.index += 1;
                if block.last {
                    (self.partition, self.index) = (self.partition + 1, 0);
                }
                return Ok(Some(block));
            }
        }
    }

    /// Bytes of files read since the last block.
    fn read(&mut self) -> u64 {
        let ended: u64 = self.fingerprints.iter().map(|print| print.bytes).sum();
        let open = match &self.current {
            Some(Current::Text(input, _)) => input.position(),
            _ => 0,
        };
        let read = (ended + open).saturating_sub(self.told);
        self.told = ended + open;
        read
    }

    fn open(&mut self) -> Result<()> {
        let Some(source) = self.run.next() else { return Ok(()) };
        self.source = source;
        self.current = Some(match self.sources[source].format {
            Format::Parquet | Format::Arrow => Current::Table(self.files.table(source)?, None, 1),
            _ => Current::Text(self.files.text(source)?, self.files.first_line()),
        });
        Ok(())
    }

    /// Where, from the next byte to be handed out on, the byte is whose record ends the partition.
    fn to_boundary(&self) -> u64 {
        let pieces = self.offset.div_ceil(self.partition_bytes).max(1);
        pieces.saturating_mul(self.partition_bytes) - self.offset
    }

    /// Adds text of the present file to the block; says whether the partition ends with it.
    fn text(&mut self, block: &mut Block, mut input: Input, mut line: u64) -> Result<bool> {
        let format = self.sources[self.source].format;
        let (start, boundary) = (block.bytes.len(), self.to_boundary());
        let boundary = usize::try_from(boundary).unwrap_or(usize::MAX);
        block.bytes.append(&mut self.rest);
        let mut target = BLOCK_BYTES;
        let (ended, end, last) = loop {
            let wanted = target.saturating_sub(block.bytes.len()).max(1 << 16);
            let ended = input.append(&mut block.bytes, wanted)? < wanted;
            let text = &block.bytes[start..];
            let last = if text.len() > boundary { record_end(format, text, boundary) } else { None };
            if let Some(end) = last {
                break (ended && end == text.len(), end, true);
            }
            if ended {
                break (true, text.len(), text.len() > boundary);
            }
            if let Some(end) = whole_records(format, text) {
                break (false, end, false);
            }
            // One record is longer than a block: read on.
            target = block.bytes.len() + BLOCK_BYTES;
        };
        let end = start + end;
        // An empty file is a document too: an empty one, to be refused by name.
        if end > start || (format == Format::File && ended) {
            let lines =
                if format == Format::File { 0 } else { memchr_iter(b'\n', &block.bytes[start..end]).count() as u64 };
            block.spans.push(Span { source: self.source, line, bytes: start..end, table: None });
            line += lines;
        }
        self.rest.extend_from_slice(&block.bytes[end..]);
        block.bytes.truncate(end);
        let taken = (end - start) as u64;
        block.size += taken;
        self.offset += taken;
        // Where nothing is left over, look whether anything follows.
        if ended || (self.rest.is_empty() && input.append(&mut self.rest, 1 << 16)? == 0) {
            self.fingerprints.push(input.finish()?);
        } else {
            self.current = Some(Current::Text(input, line));
        }
        Ok(last)
    }

    /// Adds rows of the present file to the block; says whether the partition ends with them.
    fn table(
        &mut self,
        block: &mut Block,
        mut batches: Batches,
        rows: Option<RecordBatch>,
        number: u64,
    ) -> Result<bool> {
        let source = self.source;
        let next = |batches: &mut Batches| match batches.next() {
            Some(Err(error)) => Err(Error::input(format!("{}: {error}", self.sources[source].path))),
            Some(Ok(batch)) => Ok(Some(batch)),
            None => Ok(None),
        };
        let rows = match rows {
            Some(rows) => Some(rows),
            None => next(&mut batches)?,
        };
        let Some(rows) = rows else {
            self.fingerprints.push(self.files.fingerprint(source)?);
            return Ok(false);
        };
        let (count, size) = table::until(&rows, &self.fields, self.to_boundary());
        let last = count < rows.num_rows() || size > self.to_boundary();
        let taken = rows.slice(0, count);
        block.size += table::size(&taken) as u64;
        self.offset += size;
        if count > 0 {
            block.spans.push(Span { source, line: number, bytes: 0..0, table: Some(taken) });
        }
        let left = rows.num_rows() - count;
        let rest = if left > 0 { Some(rows.slice(count, left)) } else { next(&mut batches)? };
        match rest {
            Some(rest) => self.current = Some(Current::Table(batches, Some(rest), number + count as u64)),
            None => self.fingerprints.push(self.files.fingerprint(source)?),
        }
        Ok(last)
    }
}

/// Where the last whole record of `text` ends, if one does.
fn whole_records(format: Format, text: &[u8]) -> Option<usize> {
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

/// Where the record that holds byte `at` ends, if its end has been read. Of paragraphs: the blank line behind it.
fn record_end(format: Format, text: &[u8], at: usize) -> Option<usize> {
    let line_end = |from: usize| memchr(b'\n', &text[from..]).map(|found| from + found + 1);
    match format {
        Format::File | Format::Parquet | Format::Arrow => None,
        Format::Line | Format::Jsonl | Format::Tsv => line_end(at),
        Format::Paragraph => {
            let mut start = memrchr(b'\n', &text[..at]).map_or(0, |before| before + 1);
            loop {
                let end = line_end(start)?;
                if text[start..end].trim_ascii().is_empty() {
                    return Some(end);
                }
                start = end;
            }
        }
    }
}
