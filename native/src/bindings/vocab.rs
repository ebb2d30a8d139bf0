//! Vocabulary training for Node: options in, a tokenizer.json and figures out.

use std::path::PathBuf;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;

use super::task::Task;
use super::work::{Work, spawn};
use crate::error::Error;
use crate::text::split::Splitter;
use crate::vocab::alphabet::Alphabet;
use crate::vocab::count::Counter;
use crate::vocab::{files, train};

#[napi(object)]
pub struct VocabOptions {
    pub files: Vec<String>,
    pub split: String,
    pub vocab_size: u32,
    pub special_tokens: Vec<String>,
    pub min_frequency: u32,
}

#[napi(object)]
pub struct TrainedVocab {
    pub tokenizer: String,
    pub size: u32,
    pub merges: u32,
    pub words: f64,
    pub distinct_words: f64,
    pub bytes: f64,
}

#[napi(ts_return_type = "Promise<TrainedVocab>")]
pub fn train_vocab(task: &Task, options: VocabOptions) -> AsyncTask<Work<TrainedVocab>> {
    let progress = task.progress.clone();
    spawn(move || {
        let splitter = Splitter::from_name_or_pattern(&options.split)?;
        let paths: Vec<PathBuf> = options.files.iter().map(PathBuf::from).collect();
        let counter = Counter::new(splitter, None, &options.special_tokens)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        counter.count_files(&paths, threads, &progress)?;
        let options = train::Options {
            objective: train::Objective::Frequency,
            vocab_size: options.vocab_size as usize,
            special_tokens: options.special_tokens,
            min_frequency: options.min_frequency.into(),
            max_token_length: None,
            threads,
        };
        let trained = train::train(&counter.counts, &Alphabet::bytes(), &options, &progress)?;
        let tokenizer = serde_json::to_string(&files::bpe_json(&trained, &counter.splitter))
            .map_err(|error| Error::internal(format!("tokenizer.json can't be written: {error}")))?;
        Ok(TrainedVocab {
            tokenizer,
            size: trained.tokens.len() as u32,
            merges: trained.merges.len() as u32,
            words: counter.words() as f64,
            distinct_words: counter.counts.len() as f64,
            bytes: counter.bytes() as f64,
        })
    })
}
