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

/// The ids of text `i` are `ids[offsets[i]..offsets[i + 1]]`; `ids` is empty where all went into an array that was there.
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

/// An array that is there, and how much of it is taken.
struct Into<'a> {
    array: &'a mut [u32],
    taken: usize,
}

impl Into<'_> {
    /// Moves the ids behind those before, where they fit.
    fn take(&mut self, ids: &mut Vec<u32>) {
        if let Some(to) = self.array[self.taken..].get_mut(..ids.len()) {
            to.copy_from_slice(ids);
            self.taken += ids.len();
            ids.clear();
        }
    }
}

/// Ids that are gathered before they move, while they are near the processor.
const GATHERED: usize = 1 << 14;

/// Encodes texts in parallel, each as `encode_into` does; the result doesn't depend on the number of threads. The ids go to
/// the front of `into` if they fit, which is written over if they don't. Progress counts bytes.
pub fn encode_batch<T: AsRef<str> + Sync>(
    tokenizer: &Tokenizer,
    texts: &[T],
    add_special_tokens: bool,
    threads: usize,
    spare: &Spare,
    into: &mut [u32],
    progress: &Progress,
) -> Result<Batch> {
    let total = texts.iter().map(|text| text.as_ref().len()).sum::<usize>();
    progress.start(total as u64);
    let one = |chunk: &[T], ids: Vec<u32>, gathered: &mut dyn FnMut(&mut Vec<u32>)| -> Result<Part> {
        let mut part = Part { ids, ends: Vec::with_capacity(chunk.len()) };
        let mut moved = 0;
        spare.with(|scratch| {
            for text in chunk {
                progress.check()?;
                tokenizer.encode_ids(text.as_ref(), add_special_tokens, scratch, &mut part.ids)?;
                part.ends.push(moved + part.ids.len());
                if part.ids.len() >= GATHERED {
                    gathered(&mut part.ids);
                    moved = part.ends.last().map_or(0, |end| end - part.ids.len());
                }
                progress.add(text.as_ref().len() as u64);
            }
            Ok(part)
        })
    };
    let column = |chunk: &[T]| spare.column(chunk.iter().map(|text| text.as_ref().len()).sum::<usize>() / 3);
    let mut into = Into { array: into, taken: 0 };
    let mut parts = if threads <= 1 {
        let ids = if into.array.is_empty() { column(texts) } else { spare.column(2 * GATHERED) };
        vec![one(texts, ids, &mut |ids| into.take(ids))?]
    } else {
        let chunks = chunks(texts, total.div_ceil(threads * 8));
        let all = chunks.into_par_iter().map(|chunk| one(chunk, column(chunk), &mut |_| {}));
        pool(threads)?.install(|| all.collect::<Result<Vec<_>>>())?
    };
    let mut offsets = Vec::with_capacity(texts.len() + 1);
    offsets.push(0);
    let mut base = 0;
    for part in &parts {
        offsets.extend(part.ends.iter().map(|end| base + *end as u64));
        base = offsets.last().copied().unwrap_or(0);
    }
    let mut ids = Vec::new();
    let fits = base as usize <= into.array.len();
    if !fits && parts.len() == 1 && into.taken == 0 {
        // One part becomes the column where it lies.
        ids = parts.pop().map(|part| part.ids).unwrap_or_default();
    } else if !fits {
        ids = spare.column(base as usize);
        ids.extend_from_slice(&into.array[..into.taken]);
    }
    for mut part in parts {
        if fits {
            into.take(&mut part.ids);
        } else {
            ids.extend_from_slice(&part.ids);
        }
        spare.keep_column(part.ids);
    }
    Ok(Batch { ids, offsets })
}

/// Ids, and where each text's end when those that have moved are counted.
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
