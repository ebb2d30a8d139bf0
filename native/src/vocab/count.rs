//! Texts enter, words with their counts leave: files read as a stream, chunk by chunk, on several threads; records and
//! texts as they come.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::normalise::Normalizer;
use crate::text::split::{Sink, Splitter, stretches};
use crate::vocab::chunks::{Chunks, size_of};
use crate::vocab::counts;
use crate::vocab::machine::in_parts;
use crate::vocab::prepare::{Buffer, Prepare, normalise};
use crate::vocab::words::{WordCounts, Writer};

/// Counts words into a table that grows over many calls.
pub struct Counter {
    pub splitter: Splitter,
    pub counts: WordCounts,
    prepare: Prepare,
    /// BERT's way: stretches of the raw text are counted, and normalised and split when each has come once.
    raw: Option<WordCounts>,
    bytes: AtomicU64,
    words: AtomicU64,
}

impl Counter {
    /// Texts are normalised, then split. The `special` tokens in them are cut out first and not counted.
    pub fn new(splitter: Splitter, normalizer: Option<Normalizer>, special: &[String]) -> Result<Self> {
        let by_stretches = match (&splitter, &normalizer) {
            (Splitter::Bert, Some(Normalizer::Bert(bert))) => bert.clean_text,
            (Splitter::Bert, None) => true,
            _ => false,
        };
        Ok(Self {
            splitter,
            counts: WordCounts::default(),
            prepare: Prepare::new(normalizer, special)?,
            raw: by_stretches.then(WordCounts::default),
            bytes: AtomicU64::new(0),
            words: AtomicU64::new(0),
        })
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
        progress.start(size_of(files)?);
        let chunks = Mutex::new(Chunks::new(files, self.splits_at_spaces()));
        self.on_threads(threads, |session| {
            let mut chunk = Vec::new();
            loop {
                progress.check()?;
                let place = chunks.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut chunk)?;
                let Some((file, offset)) = place else { return Ok(()) };
                let text = std::str::from_utf8(&chunk).map_err(|error| {
                    let at = offset + error.valid_up_to() as u64;
                    Error::input(format!("{}: invalid UTF-8 at byte {at}", file.display())).with_hint(
                        "convert the file to UTF-8 (iconv -f LATIN1 -t UTF-8), or cut such bytes out (iconv -c)",
                    )
                })?;
                session.count_lines(text)?;
                progress.add(chunk.len() as u64);
            }
        })
    }

    /// Counts the words of whole texts, each split by itself, on several threads.
    pub fn count_all<T: AsRef<str> + Sync>(&self, texts: &[T], threads: usize, progress: &Progress) -> Result<()> {
        // Parts of the texts, for whichever thread is free.
        let parts = Mutex::new(texts.chunks(texts.len().div_ceil(threads.max(1) * 4).max(1)));
        self.on_threads(threads.min(texts.len()), |session| {
            loop {
                let Some(part) = parts.lock().unwrap_or_else(PoisonError::into_inner).next() else { return Ok(()) };
                for text in part {
                    progress.check()?;
                    session.count(text.as_ref())?;
                    progress.add(text.as_ref().len() as u64);
                }
            }
        })
    }

    /// Counts what `work` gives to the session of each of several threads. Where one fails the first error is returned.
    pub fn on_threads(&self, threads: usize, work: impl Fn(&mut Session) -> Result<()> + Sync) -> Result<()> {
        let counted = in_parts(vec![(); threads.max(1)], |()| self.in_session(&work));
        counted.into_iter().collect::<Result<()>>()?;
        self.settle(threads)
    }

    /// The same on this thread alone.
    pub fn on_this_thread(&self, work: impl FnOnce(&mut Session) -> Result<()>) -> Result<()> {
        self.in_session(work)?;
        self.settle(1)
    }

    fn in_session(&self, work: impl FnOnce(&mut Session) -> Result<()>) -> Result<()> {
        let mut session = Session { counter: self, writer: self.writer(), buffer: Buffer::default() };
        work(&mut session)?;
        session.writer.finish();
        Ok(())
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

    fn writer(&self) -> Writer<'_> {
        self.raw.as_ref().unwrap_or(&self.counts).writer()
    }

    #[inline]
    fn count(&self, text: &str, lines: bool, writer: &mut Writer, buffer: &mut Buffer) -> Result<()> {
        let mut words = 0;
        if self.raw.is_some() {
            let ideographs =
                matches!(self.prepare.normalizer(), Some(Normalizer::Bert(bert)) if bert.handle_chinese_chars);
            self.prepare.raw(text, |piece| {
                let start = piece.start;
                stretches::walk(&text[piece], ideographs, |range| {
                    writer.count(text.as_bytes(), start + range.start, range.len());
                });
                Ok(())
            })?;
            writer.end_text(text.as_bytes());
        } else {
            let all = self.prepare.pieces(text, lines, buffer, |all, piece| {
                let mut sink = Counting { text: all.as_bytes(), start: piece.start, writer, words: 0 };
                if lines {
                    self.splitter.split_lines(&all[piece], &mut sink)?;
                } else {
                    self.splitter.split_into(&all[piece], &mut sink)?;
                }
                words += sink.words;
                Ok(())
            })?;
            writer.end_text(all.as_bytes());
        }
        self.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
        self.words.fetch_add(words, Ordering::Relaxed);
        Ok(())
    }

    /// Turns the stretches that were counted into words.
    fn settle(&self, threads: usize) -> Result<()> {
        let Some(raw) = &self.raw else { return Ok(()) };
        let results = in_parts(raw.parts(threads), |part| {
            let mut writer = self.counts.writer();
            let (mut all, mut words, mut result) = (String::new(), 0, Ok(()));
            raw.drain_part(&part, |stretch, count| {
                let stretch = std::str::from_utf8(stretch).unwrap_or_default();
                let added = self.add_stretch(stretch, count, &mut all, &mut writer);
                match added {
                    Ok(n) => words += n * count,
                    Err(error) => result = Err(error),
                }
            });
            writer.end_text(all.as_bytes());
            writer.finish();
            self.words.fetch_add(words, Ordering::Relaxed);
            result
        });
        results.into_iter().collect()
    }

    /// Adds the words of a stretch to the writer, which may point into `all` then; returns how many there are.
    fn add_stretch(&self, stretch: &str, count: u64, all: &mut String, writer: &mut Writer) -> Result<u64> {
        /// Bytes of normalised text that are kept for words to point into.
        const KEPT: usize = 1 << 20;
        if all.len() >= KEPT {
            writer.end_text(all.as_bytes());
            all.clear();
        }
        let start = all.len();
        match self.prepare.normalizer() {
            Some(normalizer) => normalise(normalizer, stretch, all)?,
            None => all.push_str(stretch),
        }
        let (mut words, mut result) = (0, Ok(()));
        self.splitter.split(&all[start..], |range| {
            words += 1;
            if let Err(error) = writer.add(all.as_bytes(), start + range.start, range.len(), count) {
                result = Err(error);
            }
        })?;
        result.map(|()| words)
    }

    /// Whether a word can never go on behind a space that stands between other characters.
    fn splits_at_spaces(&self) -> bool {
        !matches!(self.splitter, Splitter::Whole | Splitter::Pattern(_))
    }
}

/// Counts the words of a piece of `text` that starts at `start`.
struct Counting<'a, 'w> {
    text: &'a [u8],
    start: usize,
    writer: &'a mut Writer<'w>,
    words: u64,
}

impl Sink for Counting<'_, '_> {
    #[inline(always)]
    fn word(&mut self, word: Range<usize>, _: bool) {
        self.words += 1;
        self.writer.count(self.text, self.start + word.start, word.len());
    }

    #[inline(always)]
    fn block(&mut self, at: usize, ends: u64) {
        self.words += u64::from(ends.count_ones());
        self.writer.count_block(self.text, self.start + at, ends);
    }
}

/// A thread's way to count texts.
pub struct Session<'a> {
    counter: &'a Counter,
    writer: Writer<'a>,
    buffer: Buffer,
}

impl Session<'_> {
    /// Counts a text, split as a whole.
    pub fn count(&mut self, text: &str) -> Result<()> {
        self.counter.count(text, false, &mut self.writer, &mut self.buffer)
    }

    /// Counts whole lines of a file, each split by itself, its newline kept, as `count_files` does.
    pub fn count_lines(&mut self, text: &str) -> Result<()> {
        self.counter.count(text, true, &mut self.writer, &mut self.buffer)
    }
}

#[cfg(test)]
mod tests;
