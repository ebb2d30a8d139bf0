//! Files in, blocks of whole records out, in order. Blocks form partitions: the unit that becomes one shard,
//! that a distributed engine hands to one process, and that a resumed build can skip.
//!
//! Where blocks and partitions end depends on the input and on the two sizes alone, never on the number of threads.

use memchr::{memchr_iter, memrchr, memrchr_iter};

use super::open::{Fingerprint, Input};
use super::{Format, Source};
use crate::error::Result;

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
}

pub struct Block {
    pub partition: u64,
    /// 0-based place in its partition.
    pub index: usize,
    /// No block of this partition follows. The last block of all may not know: then the cutter says None next.
    pub last: bool,
    pub spans: Vec<Span>,
    pub bytes: Vec<u8>,
}

pub struct Cutter {
    sources: Vec<Source>,
    partition_bytes: u64,
    /// The file being read, the line that its next unread byte is on.
    current: Option<(Input, u64)>,
    next_source: usize,
    /// The start of a record whose end has not been read yet.
    rest: Vec<u8>,
    partition: u64,
    index: usize,
    /// Bytes handed out of the present partition.
    filled: u64,
    pub fingerprints: Vec<Fingerprint>,
}

impl Cutter {
    pub fn new(sources: Vec<Source>, partition_bytes: u64) -> Self {
        Self {
            sources,
            partition_bytes,
            current: None,
            next_source: 0,
            rest: Vec::new(),
            partition: 0,
            index: 0,
            filled: 0,
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
        loop {
            let (mut input, mut line) = match self.current.take() {
                Some(current) => current,
                None => match self.sources.get(self.next_source) {
                    Some(source) if bytes.len() < target => {
                        self.next_source += 1;
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
            if end > start {
                let lines =
                    if format == Format::File { 0 } else { memchr_iter(b'\n', &bytes[start..end]).count() as u64 };
                spans.push(Span { source, line, bytes: start..end });
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
        Ok(Some(self.number(spans, bytes)))
    }

    fn number(&mut self, spans: Vec<Span>, bytes: Vec<u8>) -> Block {
        self.filled += bytes.len() as u64;
        let last = self.filled >= self.partition_bytes;
        let block = Block { partition: self.partition, index: self.index, last, spans, bytes };
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
        Format::File => None,
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
