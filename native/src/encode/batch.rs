//! Many texts in, one column of ids with the place of each text's out, on all threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::encoding::Encoding;
use super::ids::Scratch;
use super::rows::EncodeOptions;
use super::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::vocab::machine::{pool, room_on_huge_pages};

/// The ids of text `i` are `ids[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub ids: Vec<u32>,
    pub offsets: Vec<u64>,
}

/// What one batch leaves to the next: caches, as many as threads that ran at once, and memory that was written to before,
/// which costs less than new.
#[derive(Debug, Default)]
pub struct Spare {
    scratches: Mutex<Vec<Scratch>>,
    room: Mutex<Vec<u8>>,
    columns: Mutex<Vec<Vec<u32>>>,
}

/// A larger room is not kept, nor are columns that come to more bytes together.
const ROOM: usize = 32 << 20;
const COLUMNS: usize = 64 << 20;

fn lock<T>(all: &Mutex<T>) -> MutexGuard<'_, T> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spare {
    /// Runs `work` with a scratch that nobody else uses.
    pub fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = lock(&self.scratches).pop().unwrap_or_default();
        let result = work(&mut scratch);
        lock(&self.scratches).push(scratch);
        result
    }

    /// Room for texts, empty or what was kept.
    pub fn room(&self) -> Vec<u8> {
        std::mem::take(&mut *lock(&self.room))
    }

    pub fn keep_room(&self, room: Vec<u8>) {
        if room.capacity() <= ROOM {
            *lock(&self.room) = room;
        }
    }

    /// An empty column with room for `len` ids or some more: one that was kept, or a new one.
    fn column(&self, len: usize) -> Vec<u32> {
        let mut kept = lock(&self.columns);
        match kept.iter().position(|column| (len..len.saturating_mul(4)).contains(&column.capacity())) {
            Some(at) => kept.swap_remove(at),
            None => room_on_huge_pages(len),
        }
    }

    /// Takes back the ids of a batch that nobody uses any more.
    pub fn keep_column(&self, mut column: Vec<u32>) {
        let mut kept = lock(&self.columns);
        let bytes = kept.iter().chain([&column]).map(|column| column.capacity() * size_of::<u32>()).sum::<usize>();
        if bytes <= COLUMNS {
            column.clear();
            kept.push(column);
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
        let mut part = Part { ids: spare.column(size / 3), ends: Vec::with_capacity(chunk.len()) };
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
    let alone = if parts.len() == 1 { parts.pop() } else { None };
    let ids = alone.map(|part| part.ids).unwrap_or_else(|| {
        let mut ids = spare.column(base as usize);
        for part in parts {
            ids.extend_from_slice(&part.ids);
            spare.keep_column(part.ids);
        }
        ids
    });
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
