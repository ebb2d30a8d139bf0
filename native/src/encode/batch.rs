//! Many texts in, one column of ids with the place of each text's out, on all threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::encoding::Encoding;
use super::tokenizer::{EncodeOptions, Scratch, Tokenizer};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::utf16::{Texts, Utf8};

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

/// Texts by number, in whatever way they are stored.
pub trait Documents: Sync {
    fn count(&self) -> usize;
    /// How long text `i` is, in bytes or UTF-16 units.
    fn size(&self, i: usize) -> usize;
    fn get<'a>(&'a self, i: usize, room: &'a mut Utf8) -> &'a str;
}

impl<T: AsRef<str> + Sync> Documents for [T] {
    fn count(&self) -> usize {
        self.len()
    }
    fn size(&self, i: usize) -> usize {
        self[i].as_ref().len()
    }
    fn get<'a>(&'a self, i: usize, _: &'a mut Utf8) -> &'a str {
        self[i].as_ref()
    }
}

impl Documents for Texts {
    fn count(&self) -> usize {
        self.ends.len()
    }
    fn size(&self, i: usize) -> usize {
        Texts::get(self, i).len()
    }
    fn get<'a>(&'a self, i: usize, room: &'a mut Utf8) -> &'a str {
        room.of(Texts::get(self, i))
    }
}

/// Encodes texts in parallel, each as `encode_into` does; the result doesn't depend on the number of threads.
/// Progress counts sizes.
pub fn encode_batch<D: Documents + ?Sized>(
    tokenizer: &Tokenizer,
    texts: &D,
    add_special_tokens: bool,
    threads: usize,
    spare: &Spare,
    progress: &Progress,
) -> Result<Batch> {
    let total = (0..texts.count()).map(|i| texts.size(i)).sum::<usize>();
    progress.start(total as u64);
    let one = |chunk: Range<usize>| -> Result<Part> {
        let (mut part, mut room) = (Part::default(), Utf8::default());
        spare.with(|scratch| {
            for i in chunk {
                progress.check()?;
                tokenizer.encode_ids(texts.get(i, &mut room), add_special_tokens, scratch, &mut part.ids)?;
                part.ends.push(part.ids.len());
                progress.add(texts.size(i) as u64);
            }
            Ok(part)
        })
    };
    let mut parts = if threads <= 1 {
        vec![one(0..texts.count())?]
    } else {
        let chunks = chunks(texts, total.div_ceil(threads * 8));
        pool(threads)?.install(|| chunks.into_par_iter().map(one).collect::<Result<Vec<_>>>())?
    };
    let mut offsets = Vec::with_capacity(texts.count() + 1);
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
#[derive(Default)]
struct Part {
    ids: Vec<u32>,
    ends: Vec<usize>,
}

/// Ranges of about equal sizes, so that one long text doesn't hold up the rest.
fn chunks<D: Documents + ?Sized>(texts: &D, goal: usize) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let (mut start, mut size) = (0, 0);
    for i in 0..texts.count() {
        size += texts.size(i);
        if size >= goal.max(1 << 16) || i + 1 == texts.count() {
            chunks.push(start..i + 1);
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
