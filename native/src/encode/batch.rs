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
pub struct Spare {
    scratches: Mutex<Vec<Scratch>>,
    room: Mutex<String>,
}

/// Larger rooms are not kept.
const ROOM: usize = 32 << 20;

impl Spare {
    /// Runs `work` with a scratch that nobody else uses.
    pub fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let all = || self.scratches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = all().pop().unwrap_or_default();
        let result = work(&mut scratch);
        all().push(scratch);
        result
    }

    /// Room for texts, empty or what was kept: memory that was written to before costs less than new.
    pub fn room(&self) -> String {
        std::mem::take(&mut *self.room.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn keep(&self, room: String) {
        if room.capacity() <= ROOM {
            *self.room.lock().unwrap_or_else(PoisonError::into_inner) = room;
        }
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
    let total = texts.iter().map(|text| text.as_ref().len()).sum::<usize>();
    progress.start(total as u64);
    let one = |chunk: &[T]| -> Result<Part> {
        let size = chunk.iter().map(|text| text.as_ref().len()).sum::<usize>();
        let mut part = Part { ids: Vec::with_capacity(size / 3), ends: Vec::with_capacity(chunk.len()) };
        spare.with(|scratch| {
            for text in chunk {
                progress.check()?;
                tokenizer.encode_ids(text.as_ref(), add_special_tokens, scratch, &mut part.ids)?;
                part.ends.push(part.ids.len());
                progress.add(text.as_ref().len() as u64);
            }
            Ok(part)
        })
    };
    let mut parts = if threads <= 1 {
        vec![one(texts)?]
    } else {
        let chunks = chunks(texts, total.div_ceil(threads * 8));
        pool(threads)?.install(|| chunks.into_par_iter().map(one).collect::<Result<Vec<_>>>())?
    };
    let mut offsets = Vec::with_capacity(texts.len() + 1);
    offsets.push(0);
    let mut base = 0;
    for part in &parts {
        offsets.extend(part.ends.iter().map(|end| base + *end as u64));
        base += part.ids.len() as u64;
    }
    // One part becomes the column where it lies.
    let all = if parts.len() == 1 { std::mem::take(&mut parts[0].ids) } else { Vec::with_capacity(base as usize) };
    let mut ids: Vec<i32> = all.into_iter().map(|id| id as i32).collect();
    ids.extend(parts.into_iter().flat_map(|part| part.ids).map(|id| id as i32));
    Ok(Batch { ids, offsets })
}

/// Ids and where each text's end.
struct Part {
    ids: Vec<u32>,
    ends: Vec<usize>,
}

/// Parts of about equal bytes, so that one long text doesn't hold up the rest.
fn chunks<T: AsRef<str>>(texts: &[T], goal: usize) -> Vec<&[T]> {
    let mut chunks = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (i, text) in texts.iter().enumerate() {
        size += text.as_ref().len();
        if size >= goal.max(1 << 16) || i + 1 == texts.len() {
            chunks.push(&texts[start..=i]);
            (start, size) = (i + 1, 0);
        }
    }
    chunks
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
