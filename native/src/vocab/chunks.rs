//! Text files enter, chunks of whole lines leave, whichever thread asks next.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const CHUNK: u64 = 512 << 10;
/// From this length on a line is cut between two words where the split allows it.
const LONG_LINE: usize = 4 << 20;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Bytes of all the files.
pub fn size_of(files: &[PathBuf]) -> Result<u64> {
    let size = |file: &PathBuf| fs::metadata(file).map(|about| about.len()).map_err(|error| Error::io(file, error));
    files.iter().map(size).sum()
}

/// The files one after the other, in chunks that end where a line ends.
pub struct Chunks<'a> {
    files: &'a [PathBuf],
    file: Option<File>,
    /// Where in the file `carry` starts.
    offset: u64,
    /// Read already, but behind the end of the last chunk.
    carry: Vec<u8>,
    spaced: bool,
}

impl<'a> Chunks<'a> {
    /// `spaced`: no word goes on behind a space that stands between other characters.
    pub fn new(files: &'a [PathBuf], spaced: bool) -> Self {
        Self { files, file: None, offset: 0, carry: Vec::new(), spaced }
    }

    /// Fills `chunk` with whole lines of one file and tells which and where; `None` at the end of all.
    pub fn fill(&mut self, chunk: &mut Vec<u8>) -> Result<Option<(&'a Path, u64)>> {
        chunk.clear();
        loop {
            let Some(path) = self.files.first() else { return Ok(None) };
            let fail = |error| Error::io(path, error);
            let file = match &mut self.file {
                Some(file) => file,
                None => {
                    self.offset = 0;
                    self.file.insert(File::open(path).map_err(fail)?)
                }
            };
            chunk.append(&mut self.carry);
            let mut offset = self.offset;
            loop {
                let before = chunk.len();
                let read = file.take(CHUNK.max(before as u64)).read_to_end(chunk).map_err(fail)?;
                if offset == 0 && before == 0 && chunk.starts_with(BOM) {
                    chunk.drain(..BOM.len());
                    offset = BOM.len() as u64;
                }
                let end = if read == 0 { Some(chunk.len()) } else { cut(chunk, before, self.spaced) };
                if let Some(end) = end {
                    self.carry.extend_from_slice(&chunk[end..]);
                    chunk.truncate(end);
                    self.offset = offset + end as u64;
                    if read == 0 {
                        self.file = None;
                        self.files = &self.files[1..];
                    }
                    if !chunk.is_empty() {
                        return Ok(Some((path, offset)));
                    }
                    break;
                }
            }
        }
    }
}

/// Where to end a chunk of which the part from `new` on is new: behind its last newline; in a very long line before a
/// space between two words.
fn cut(chunk: &[u8], new: usize, spaced: bool) -> Option<usize> {
    if let Some(at) = memchr::memrchr(b'\n', &chunk[new.min(chunk.len())..]) {
        return Some(new + at + 1);
    }
    if !spaced || chunk.len() < LONG_LINE {
        return None;
    }
    let between = |three: &[u8]| three[0].is_ascii_graphic() && three[1] == b' ' && three[2].is_ascii_alphabetic();
    chunk.windows(3).rposition(between).map(|at| at + 1)
}
