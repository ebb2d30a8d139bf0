//! Vocabulary training for Node: words are counted into a `WordCounter`, call by call, and a vocabulary is trained on it.

use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi_derive::napi;
use serde_json::Value;

use super::error;
use super::task::Task;
use super::work::{Work, spawn};
use crate::corpus::Source;
use crate::corpus::cut::Cutter;
use crate::corpus::records::{self, Fields};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::split::Splitter;
use crate::vocab::alphabet::Alphabet;
use crate::vocab::count::Counter;
use crate::vocab::files::{Model, Recipe, tokenizer_json};
use crate::vocab::train::{Objective, Options, Vocabulary, train, train_full};
use crate::vocab::{counts, normalizer};

#[napi(object)]
pub struct NativeCountOptions {
    pub split: String,
    pub normalizer: String,
    pub special_tokens: Vec<String>,
}

#[napi(object)]
pub struct NativeVocabOptions {
    /// `byte-level`, `chars` or `wordpiece`
    pub model: String,
    pub objective: String,
    /// In rising order; the last is trained, the others are cut from it.
    pub sizes: Vec<u32>,
    pub special_tokens: Vec<String>,
    pub unknown: Option<String>,
    pub min_frequency: f64,
    /// Goes below it in steps of a quarter until the vocabulary is full.
    pub lower: bool,
    pub max_token_length: Option<u32>,
    pub limit_alphabet: Option<u32>,
    pub threads: u32,
}

#[napi(object)]
pub struct NativeVocab {
    /// A tokenizer.json for each size.
    pub files: Vec<Uint8Array>,
    pub sizes: Vec<u32>,
    pub alphabet: u32,
    pub merges: u32,
    pub min_frequency: f64,
}

/// What a vocabulary holds that is to be extended; the tokens in the order of their ids, special ones left out.
#[napi(object)]
pub struct NativeKnownVocab {
    pub tokens: Vec<String>,
    pub left: Vec<String>,
    pub right: Vec<String>,
}

#[napi(object)]
pub struct NativeExtension {
    pub tokens: Vec<String>,
    pub left: Vec<String>,
    pub right: Vec<String>,
}

/// Words and their counts. They only grow, so calls may follow each other in any order, but not run beside each other.
#[napi]
pub struct WordCounter {
    inner: Arc<RwLock<Counter>>,
    normalizer: Option<Arc<Value>>,
    made: Arc<str>,
}

fn read(counter: &RwLock<Counter>) -> RwLockReadGuard<'_, Counter> {
    counter.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(counter: &RwLock<Counter>) -> RwLockWriteGuard<'_, Counter> {
    counter.write().unwrap_or_else(PoisonError::into_inner)
}

#[napi]
impl WordCounter {
    #[napi(constructor)]
    pub fn new(options: NativeCountOptions) -> error::Result<Self> {
        let splitter = Splitter::from_name_or_pattern(&options.split)?;
        let (normalizer, value) = normalizer::named(&options.normalizer)?.unzip();
        let counter = Counter::new(splitter, normalizer, &options.special_tokens)?;
        let made = counts::made(&options.split, &options.normalizer);
        Ok(Self { inner: Arc::new(RwLock::new(counter)), normalizer: value.map(Arc::new), made: made.into() })
    }

    #[napi(getter)]
    pub fn bytes(&self) -> f64 {
        read(&self.inner).bytes() as f64
    }

    #[napi(getter)]
    pub fn words(&self) -> f64 {
        read(&self.inner).words() as f64
    }

    #[napi(getter)]
    pub fn distinct_words(&self) -> f64 {
        read(&self.inner).counts.len() as f64
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn count_files(&self, task: &Task, files: Vec<String>, threads: u32) -> AsyncTask<Work<()>> {
        let (inner, progress) = (self.inner.clone(), task.progress.clone());
        spawn(move || {
            let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
            read(&inner).count_files(&files, threads as usize, &progress)
        })
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn count_texts(&self, task: &Task, texts: Vec<String>, threads: u32) -> AsyncTask<Work<()>> {
        let (inner, progress) = (self.inner.clone(), task.progress.clone());
        spawn(move || read(&inner).count_all(&texts, threads as usize, &progress))
    }

    /// Counts the texts of records: of each file the named fields, or its documents. A record that can't be read is an error.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn count_records(
        &self,
        task: &Task,
        files: Vec<String>,
        formats: Vec<String>,
        fields: Vec<String>,
        threads: u32,
    ) -> AsyncTask<Work<()>> {
        let (inner, progress) = (self.inner.clone(), task.progress.clone());
        spawn(move || {
            let sources = files.into_iter().zip(formats).map(|(path, format)| {
                let format = serde_json::from_value(Value::from(format.as_str()))
                    .map_err(|_| Error::config(format!("{path}: there is no format {format}")))?;
                Ok(Source { path, format })
            });
            count_records(
                &read(&inner),
                sources.collect::<Result<_>>()?,
                &Fields { names: fields, nested: false },
                threads,
                &progress,
            )
        })
    }

    /// Adds counts files that were made in the same way.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn add_counts(&self, task: &Task, files: Vec<String>) -> AsyncTask<Work<()>> {
        let (inner, progress, made) = (self.inner.clone(), task.progress.clone(), self.made.clone());
        spawn(move || {
            let mut total = 0;
            for file in &files {
                total += std::fs::metadata(file).map_err(|error| Error::io(file, error))?.len();
            }
            progress.start(total);
            for file in files.iter().map(PathBuf::from) {
                // A counts file is text; what the stage `count` leaves is an Arrow stream.
                if is_stream(&file)? {
                    add_stream(&mut write(&inner), &file, &made, &progress)?;
                } else {
                    write(&inner).add_counts(&file, Some(&made), &progress)?;
                }
            }
            Ok(())
        })
    }

    /// Writes a counts file: to a temporary name, synced, then renamed.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn write_counts(&self, path: String) -> AsyncTask<Work<()>> {
        let (inner, made) = (self.inner.clone(), self.made.clone());
        spawn(move || write_counts(&read(&inner), &made, &path))
    }

    /// Uses the words up.
    #[napi(ts_return_type = "Promise<NativeVocab>")]
    pub fn train(&self, task: &Task, options: NativeVocabOptions) -> AsyncTask<Work<NativeVocab>> {
        let (inner, progress, value) = (self.inner.clone(), task.progress.clone(), self.normalizer.clone());
        spawn(move || {
            let counter = read(&inner);
            let model = model(&options)?;
            let alphabet = alphabet(&model, &counter, options.limit_alphabet);
            let (sizes, lower) = (options.sizes.clone(), options.lower);
            let options = native(options)?;
            let (vocabulary, floor) = if lower {
                train_full(&counter.counts, &alphabet, &options, &progress)?
            } else {
                (train(&counter.counts, &alphabet, &options, &progress)?, options.min_frequency)
            };
            let recipe = Recipe { model: &model, splitter: &counter.splitter, normalizer: value.as_deref() };
            let file = |&size: &u32| tokenizer_json(&vocabulary, size as usize, &recipe).map(Uint8Array::from);
            Ok(NativeVocab {
                files: sizes.iter().map(file).collect::<Result<_>>()?,
                sizes: sizes.iter().map(|&size| size.min(vocabulary.tokens.len() as u32)).collect(),
                alphabet: vocabulary.alphabet as u32,
                merges: vocabulary.merges.len() as u32,
                min_frequency: floor as f64,
            })
        })
    }

    /// Trains on, from a vocabulary that exists; returns what is new.
    #[napi(ts_return_type = "Promise<NativeExtension>")]
    pub fn extend(
        &self,
        task: &Task,
        known: NativeKnownVocab,
        options: NativeVocabOptions,
    ) -> AsyncTask<Work<NativeExtension>> {
        let (inner, progress) = (self.inner.clone(), task.progress.clone());
        spawn(move || {
            let counter = read(&inner);
            let before = known.tokens.len();
            let merges: Vec<(String, String)> = known.left.into_iter().zip(known.right).collect();
            let alphabet = match model(&options)? {
                Model::WordPiece { .. } => Alphabet::of_word_piece(&counter.counts, known.tokens, "##"),
                Model::ByteLevel => Alphabet::of_bpe(&counter.counts, known.tokens, &merges, true)?,
                Model::Chars { .. } => Alphabet::of_bpe(&counter.counts, known.tokens, &merges, false)?,
            };
            let Vocabulary { tokens, merges, .. } = train(&counter.counts, &alphabet, &native(options)?, &progress)?;
            let name = |id: u32| tokens[id as usize].clone();
            let (left, right) = merges.iter().map(|&(left, right)| (name(left), name(right))).unzip();
            Ok(NativeExtension { tokens: tokens[before..].to_vec(), left, right })
        })
    }
}

/// Arrow streams begin with a marker that no text has.
fn is_stream(file: &std::path::Path) -> Result<bool> {
    let mut start = [0; 4];
    let mut read = std::fs::File::open(file).map_err(|error| Error::io(file, error))?;
    Ok(read.read_exact(&mut start).is_ok() && start == [0xff; 4])
}

fn add_stream(counter: &mut Counter, file: &std::path::Path, made: &str, progress: &Progress) -> Result<()> {
    let input = std::fs::File::open(file).map_err(|error| Error::io(file, error))?;
    let add = |counts: &mut _| crate::stage::count::add_stream(input, Some(made), counts, progress);
    counter.add_with(add).map_err(|error| Error { message: format!("{}: {}", file.display(), error.message), ..error })
}

fn count_records(
    counter: &Counter,
    sources: Vec<Source>,
    fields: &Fields,
    threads: u32,
    progress: &Progress,
) -> Result<()> {
    let mut total = 0;
    for source in &sources {
        total += std::fs::metadata(&source.path).map_err(|error| Error::io(&source.path, error))?.len();
    }
    progress.start(total);
    let cutter = Mutex::new(Cutter::new(sources.clone(), fields, u64::MAX));
    counter.on_threads(threads as usize, |session| {
        let mut spare = Vec::new();
        loop {
            progress.check()?;
            let next = cutter.lock().unwrap_or_else(PoisonError::into_inner).next(spare)?;
            let Some(block) = next else { return Ok(()) };
            let refuse = |reject: records::Reject| {
                Err(Error::input(format!("{}:{}: {}", reject.file, reject.line, reject.reason)))
            };
            let count = |_: &_, _: u64, texts: &[std::borrow::Cow<'_, str>]| {
                texts.iter().try_for_each(|text| session.count(text))
            };
            records::read(&block, &sources, fields, count, refuse)?;
            progress.add(block.bytes.len() as u64);
            spare = block.bytes;
        }
    })
}

fn model(options: &NativeVocabOptions) -> Result<Model> {
    Ok(match (options.model.as_str(), &options.unknown) {
        ("byte-level", _) => Model::ByteLevel,
        ("chars", unknown) => Model::Chars { unknown: unknown.clone() },
        ("wordpiece", Some(unknown)) => Model::WordPiece { unknown: unknown.clone() },
        ("wordpiece", None) => {
            return Err(Error::config("a WordPiece vocabulary needs an unknown token")
                .with_hint("name one of the special tokens as it, [UNK] say"));
        }
        (other, _) => return Err(Error::config(format!("there is no vocabulary of the kind {other}"))),
    })
}

fn alphabet(model: &Model, counter: &Counter, limit: Option<u32>) -> Alphabet {
    let limit = limit.map(|limit| limit as usize);
    match model {
        Model::ByteLevel => Alphabet::bytes(),
        Model::Chars { .. } => Alphabet::chars(&counter.counts, limit, ""),
        Model::WordPiece { .. } => Alphabet::chars(&counter.counts, limit, "##"),
    }
}

fn native(options: NativeVocabOptions) -> Result<Options> {
    let objective = match options.objective.as_str() {
        "frequency" => Objective::Frequency,
        "likelihood-ratio" => Objective::LikelihoodRatio,
        "likelihood-gain" => Objective::LikelihoodGain,
        other => return Err(Error::config(format!("there is no objective {other}"))),
    };
    Ok(Options {
        objective,
        vocab_size: options.sizes.last().copied().unwrap_or(0) as usize,
        special_tokens: options.special_tokens,
        min_frequency: options.min_frequency as u64,
        max_token_length: options.max_token_length,
        threads: options.threads as usize,
        keep_words: false,
    })
}

fn write_counts(counter: &Counter, made: &str, path: &str) -> Result<()> {
    let part = format!("{path}.{}.part", std::process::id());
    let write = || {
        let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(&part)?);
        counts::write(&counter.counts, made, &mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&part);
        Error::io(path, error)
    })
}
