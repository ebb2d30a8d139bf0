//! Text files enter, words with their counts leave.

use std::fs;
use std::path::PathBuf;

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::split::Splitter;

/// Distinct words (bytes) and how often each was seen.
#[derive(Default)]
pub struct WordCounts {
    words: FxHashMap<Box<[u8]>, u64>,
    /// Bytes and words that were counted.
    pub bytes: u64,
    pub total: u64,
}

impl WordCounts {
    pub fn add(&mut self, word: &[u8], n: u64) {
        self.total += n;
        match self.words.get_mut(word) {
            Some(count) => *count += n,
            None => {
                self.words.insert(word.into(), n);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.words.len()
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.words.iter().map(|(word, n)| (&word[..], *n))
    }

    /// Counts the words of one text. With `lines`, whitespace never crosses a newline, as in training from files.
    pub fn count(&mut self, splitter: &Splitter, text: &str, lines: bool) -> Result<()> {
        self.bytes += text.len() as u64;
        if !lines {
            return splitter.split(text, |range| self.add(&text.as_bytes()[range], 1));
        }
        for line in text.split_inclusive('\n') {
            splitter.split(line, |range| self.add(&line.as_bytes()[range], 1))?;
        }
        Ok(())
    }
}

/// Counts the words of text files, line by line. Progress in bytes.
pub fn count_files(files: &[PathBuf], splitter: &Splitter, progress: &Progress) -> Result<WordCounts> {
    let mut total = 0;
    for file in files {
        total += fs::metadata(file).map_err(|error| Error::io(file, error))?.len();
    }
    progress.start(total);
    let mut counts = WordCounts::default();
    for file in files {
        let bytes = fs::read(file).map_err(|error| Error::io(file, error))?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            Error::input(format!("{}: invalid UTF-8 at byte {}", file.display(), error.valid_up_to()))
                .with_hint("convert it to UTF-8, with iconv say")
        })?;
        for part in text.split_inclusive('\n') {
            progress.check()?;
            counts.count(splitter, part, true)?;
            progress.add(part.len() as u64);
        }
    }
    Ok(counts)
}
