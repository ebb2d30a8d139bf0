//! Text files enter, words with their counts leave: read as a stream, chunk by chunk, on several threads.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::normalise::Normalizer;
use crate::text::split::Splitter;
use crate::vocab::counts;
use crate::vocab::machine::in_parts;
use crate::vocab::prepare::{Buffer, Prepare};
use crate::vocab::words::{WordCounts, Writer};

const CHUNK: u64 = 512 << 10;
/// From this length on a line is cut between two words where the split allows it.
const LONG_LINE: usize = 4 << 20;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Counts words into a table that grows over many calls.
pub struct Counter {
    pub splitter: Splitter,
    pub counts: WordCounts,
    prepare: Prepare,
    bytes: AtomicU64,
    words: AtomicU64,
}

impl Counter {
    /// Texts are normalised, then split. The `special` tokens in them are cut out first and not counted.
    pub fn new(splitter: Splitter, normalizer: Option<Normalizer>, special: &[String]) -> Result<Self> {
        let (bytes, words) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { splitter, counts: WordCounts::default(), prepare: Prepare::new(normalizer, special)?, bytes, words })
    }

    /// Bytes of text counted.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Words counted, with their repetitions.
    pub fn words(&self) -> u64 {
        self.words.load(Ordering::Relaxed)
    }

    /// Counts the words of text files. As in Hugging Face's training from files each line is split by itself, its
    /// newline kept, so that whitespace never crosses lines. Progress in bytes. The result doesn't depend on `threads`.
    pub fn count_files(&self, files: &[PathBuf], threads: usize, progress: &Progress) -> Result<()> {
        let mut total = 0;
        for file in files {
            total += fs::metadata(file).map_err(|error| Error::io(file, error))?.len();
        }
        progress.start(total);
        let source =
            Mutex::new(Source { files, file: None, offset: 0, carry: Vec::new(), spaced: self.splits_at_spaces() });
        let work = || -> Result<()> {
            let mut writer = self.counts.writer();
            let (mut chunk, mut buffer) = (Vec::new(), Buffer::default());
            loop {
                progress.check()?;
                let place = source.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill(&mut chunk)?;
                let Some((file, offset)) = place else { break };
                let text = std::str::from_utf8(&chunk).map_err(|error| {
                    let at = offset + error.valid_up_to() as u64;
                    Error::input(format!("{}: invalid UTF-8 at byte {at}", file.display())).with_hint(
                        "convert the file to UTF-8 (iconv -f LATIN1 -t UTF-8), or cut such bytes out (iconv -c)",
                    )
                })?;
                self.count(text, true, &mut writer, &mut buffer)?;
                progress.add(chunk.len() as u64);
            }
            writer.finish();
            Ok(())
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for other in others {
                result = result.and(other.join().unwrap_or_else(|_| Err(Error::internal("a counting thread failed"))));
            }
            result
        })
    }

    /// Adds a counts file made in the way `made`. Progress in bytes.
    pub fn add_counts(&mut self, file: &Path, made: Option<&str>, progress: &Progress) -> Result<()> {
        self.add_with(|counts| counts::add_file(counts, file, made, progress).map(|_| ()))
    }

    /// Adds words that are counted already.
    pub fn add_with(&mut self, add: impl FnOnce(&mut WordCounts) -> Result<()>) -> Result<()> {
        let before = self.counts.total();
        add(&mut self.counts)?;
        *self.words.get_mut() += self.counts.total() - before;
        Ok(())
    }

    /// Counts the words of whole texts, each split by itself, in parts on several threads.
    pub fn count_all<T: AsRef<str> + Sync>(&self, texts: &[T], threads: usize, progress: &Progress) -> Result<()> {
        let n = threads.clamp(1, texts.len().max(1));
        let parts = (0..n).map(|i| &texts[texts.len() * i / n..texts.len() * (i + 1) / n]).collect();
        let results = in_parts(parts, |part: &[T]| {
            let mut session = self.session();
            for text in part {
                progress.check()?;
                session.count(text.as_ref())?;
                progress.add(text.as_ref().len() as u64);
            }
            session.finish();
            Ok(())
        });
        results.into_iter().collect()
    }

    /// A thread's way to count whole texts, each split by itself.
    pub fn session(&self) -> Session<'_> {
        Session { counter: self, writer: self.counts.writer(), buffer: Buffer::default() }
    }

    #[inline]
    fn count(&self, text: &str, lines: bool, writer: &mut Writer, buffer: &mut Buffer) -> Result<()> {
        let mut words = 0;
        let all = self.prepare.pieces(text, lines, buffer, |all, piece| {
            let start = piece.start;
            self.splitter.split(&all[piece], |range| {
                words += 1;
                writer.count(all.as_bytes(), start + range.start, range.len());
            })
        })?;
        writer.end_text(all.as_bytes());
        self.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
        self.words.fetch_add(words, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a word can never go on behind a space that stands between other characters.
    fn splits_at_spaces(&self) -> bool {
        !matches!(self.splitter, Splitter::Whole | Splitter::Pattern(_))
    }
}

/// Counts texts one by one. `finish` it, or the last words are lost.
pub struct Session<'a> {
    counter: &'a Counter,
    writer: Writer<'a>,
    buffer: Buffer,
}

impl Session<'_> {
    pub fn count(&mut self, text: &str) -> Result<()> {
        self.counter.count(text, false, &mut self.writer, &mut self.buffer)
    }

    /// Counts whole lines of a file, each split by itself, its newline kept, as `count_files` does.
    pub fn count_lines(&mut self, text: &str) -> Result<()> {
        self.counter.count(text, true, &mut self.writer, &mut self.buffer)
    }

    pub fn finish(self) {
        self.writer.finish();
    }
}

/// The files one after the other, in chunks that end where a line ends.
struct Source<'a> {
    files: &'a [PathBuf],
    file: Option<File>,
    /// Where in the file `carry` starts.
    offset: u64,
    /// Read already, but behind the end of the last chunk.
    carry: Vec<u8>,
    spaced: bool,
}

impl<'a> Source<'a> {
    /// Fills `chunk` with whole lines of one file and tells which and where; `None` at the end of all.
    fn fill(&mut self, chunk: &mut Vec<u8>) -> Result<Option<(&'a Path, u64)>> {
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

#[cfg(test)]
mod tests;
