//! Many texts in, one column of ids with the place of each text's out, on all threads.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::encoding::Encoding;
use super::tokenizer::{EncodeOptions, Scratch, Tokenizer};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// The ids of text `i` are `ids[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub ids: Vec<i32>,
    pub offsets: Vec<u64>,
}

/// Scratches between batches: what one batch put into its caches serves the next. As many as threads that ran at once.
#[derive(Debug, Default)]
pub struct Spare(Mutex<Vec<Scratch>>);

impl Spare {
    /// Runs `work` with a scratch that nobody else uses.
    pub fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let all = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = all().pop().unwrap_or_default();
        let result = work(&mut scratch);
        all().push(scratch);
        result
    }
}

/// Encodes texts in parallel, each as `encode_into` does; the result doesn't depend on the number of threads.
/// Progress counts bytes.
pub fn encode_batch<T: AsRef<str> + Sync>(
    tokenizer: &Tokenizer,
    texts: &[T],
    add_special_tokens: bool,
    threads: usize,
    spare: &Spare,
    progress: &Progress,
) -> Result<Batch> {
    progress.start(texts.iter().map(|text| text.as_ref().len() as u64).sum());
    // Chunks of about equal bytes, a few a thread, so that one long text doesn't hold up the rest.
    let mut chunks = Vec::new();
    let (mut start, mut size) = (0, 0);
    let goal = (progress.total() as usize / (threads.max(1) * 8)).max(1 << 16);
    for (i, text) in texts.iter().enumerate() {
        size += text.as_ref().len();
        if size >= goal || i + 1 == texts.len() {
            chunks.push(&texts[start..=i]);
            (start, size) = (i + 1, 0);
        }
    }
    let one = |scratch: &mut Scratch, chunk: &[T]| -> Result<(Vec<u32>, Vec<usize>)> {
        let (mut ids, mut ends) = (Vec::new(), Vec::with_capacity(chunk.len()));
        for text in chunk {
            progress.check()?;
            tokenizer.encode_ids(text.as_ref(), add_special_tokens, scratch, &mut ids)?;
            ends.push(ids.len());
            progress.add(text.as_ref().len() as u64);
        }
        Ok((ids, ends))
    };
    let parts: Vec<(Vec<u32>, Vec<usize>)> = if threads <= 1 || chunks.len() <= 1 {
        spare.with(|scratch| chunks.into_iter().map(|chunk| one(scratch, chunk)).collect::<Result<_>>())?
    } else {
        pool(threads)?.install(|| {
            chunks.into_par_iter().map(|chunk| spare.with(|scratch| one(scratch, chunk))).collect::<Result<_>>()
        })?
    };
    let mut batch = Batch {
        ids: Vec::with_capacity(parts.iter().map(|(ids, _)| ids.len()).sum()),
        offsets: Vec::with_capacity(texts.len() + 1),
    };
    batch.offsets.push(0);
    for (ids, ends) in parts {
        let base = batch.ids.len() as u64;
        batch.offsets.extend(ends.into_iter().map(|end| base + end as u64));
        batch.ids.extend(ids.into_iter().map(|id| id as i32));
    }
    Ok(batch)
}

fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
        .map_err(|e| Error::environment(format!("threads can't be started: {e}")))
}

/// Encodes texts (with a second text each, where `pairs` isn't empty) in parallel, with offsets and all.
pub fn encode_all(
    tokenizer: &Tokenizer,
    texts: &[String],
    pairs: &[String],
    options: &EncodeOptions,
    threads: usize,
    progress: &Progress,
) -> Result<Vec<Encoding>> {
    if !pairs.is_empty() && pairs.len() != texts.len() {
        return Err(Error::config(format!("{} texts, but {} second texts", texts.len(), pairs.len())));
    }
    progress.start(texts.len() as u64);
    pool(threads)?.install(|| {
        (0..texts.len())
            .into_par_iter()
            .map(|i| {
                progress.check()?;
                let encoding = tokenizer.encode(&texts[i], pairs.get(i).map(String::as_str), options)?;
                progress.add(1);
                Ok(encoding)
            })
            .collect()
    })
}
