//! What a caller asks for in, the resolved plan out: defaults filled in, special tokens looked up, the vocabulary hashed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::build::Options;
use super::plan::{Plan, Task, VERSION, Vocabulary};
use super::special::Special;
use super::tasks::causal::{Causal, Pack};
use super::tasks::chat::Chat;
use super::tasks::classify::Classify;
use super::tasks::mask::Masking;
use super::tasks::mlm::Mlm;
use super::tasks::pair::Pair;
use super::tasks::seq2seq::Seq2seq;
use super::tasks::span::{self, Span};
use crate::corpus::clean::Clean;
use crate::corpus::cut::Cutter;
use crate::corpus::open::hex;
use crate::corpus::records::{self, Fields};
use crate::corpus::{Format, Source};
use crate::encode::Tokenizer;
use crate::error::{Error, Result};

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Folder with tokenizer.json.
    pub vocab: PathBuf,
    pub task: TaskRequest,
    pub seq_len: usize,
    pub seed: u64,
    pub split: [f64; 3],
    /// Empty: those that the task usually has (`text` in JSONL, column 0 in TSV).
    pub fields: Vec<String>,
    pub clean: Clean,
    pub partition_bytes: u64,
    pub sources: Vec<Source>,
    pub out: PathBuf,
    pub threads: usize,
    pub max_rejects: u64,
    /// Write each shard as Parquet too.
    pub parquet: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum TaskRequest {
    Causal {
        pack: Pack,
        /// Put the begin token before each document.
        bos: bool,
        /// Put the end token after each document.
        eos: bool,
    },
    Mlm {
        pack: Pack,
        masking: MaskingRequest,
    },
    Nsp {
        masking: MaskingRequest,
        short_probability: f64,
        dupe_factor: u64,
        /// Every line is a sentence.
        lines: bool,
    },
    Sop {
        masking: MaskingRequest,
        short_probability: f64,
        dupe_factor: u64,
        lines: bool,
    },
    Span {
        density: f64,
        mean_length: f64,
        fixed: bool,
    },
    Seq2seq {
        target_len: usize,
        /// Role of the decoder's first token; None: begin, else padding, else end.
        start: Option<String>,
    },
    Classify {
        /// None: those that occur, sorted.
        classes: Option<Vec<String>>,
        pair: bool,
    },
    Chat {
        pack: Pack,
        prefix: String,
        suffix: String,
        bos: bool,
        eos: bool,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaskingRequest {
    pub probability: f64,
    /// None: as many as the probability chooses in a full row.
    pub max_predictions: Option<usize>,
    pub fixed: bool,
    pub whole_word: bool,
    pub ngram: usize,
}

impl MaskingRequest {
    fn resolve(self, special: &Special, seq_len: usize) -> Result<Masking> {
        let usual = (seq_len as f64 * self.probability).ceil() as usize;
        Ok(Masking {
            probability: self.probability,
            max_predictions: self.max_predictions.unwrap_or(usual).clamp(1, seq_len.max(1)),
            fixed: self.fixed,
            whole_word: self.whole_word,
            ngram: self.ngram.max(1),
            mask: special.need("mask")?,
        })
    }
}

impl TaskRequest {
    fn resolve(self, special: &Special, seq_len: usize, sources: &[Source], fields: &[String]) -> Result<Task> {
        let optional = |wanted: bool, role: &str| if wanted { special.need(role).map(Some) } else { Ok(None) };
        let pair = |order, masking: MaskingRequest, short_probability, dupe_factor, lines| {
            let masking = masking.resolve(special, seq_len)?;
            let (cls, sep) = (special.need("cls")?, special.need("sep")?);
            Ok(Task::Pair(Pair { order, masking, short_probability, dupe_factor, lines, cls, sep }))
        };
        match self {
            TaskRequest::Causal { pack, bos, eos } => {
                Ok(Task::Causal(Causal { pack, bos: optional(bos, "bos")?, eos: optional(eos, "eos")? }))
            }
            TaskRequest::Mlm { pack, masking } => {
                let masking = masking.resolve(special, seq_len)?;
                Ok(Task::Mlm(Mlm { pack, masking, cls: special.need("cls")?, sep: special.need("sep")? }))
            }
            TaskRequest::Nsp { masking, short_probability, dupe_factor, lines } => {
                pair(false, masking, short_probability, dupe_factor, lines)
            }
            TaskRequest::Sop { masking, short_probability, dupe_factor, lines } => {
                pair(true, masking, short_probability, dupe_factor, lines)
            }
            TaskRequest::Span { density, mean_length, fixed } => {
                let (text_len, target_len) = span::lengths(seq_len, density, mean_length)?;
                let spans = span::noise(text_len, density, mean_length).1;
                if special.sentinels.len() < spans {
                    let found = special.sentinels.len();
                    return Err(Error::config(format!(
                        "rows of {seq_len} tokens need {spans} sentinels, the vocabulary has {found} (<extra_id_0>, <extra_id_1>, ...)"
                    ))
                    .with_hint("train it with more of them as special tokens, or make rows shorter or spans longer"));
                }
                let sentinels = special.sentinels[..spans].to_vec();
                let (eos, start) = (special.need("eos")?, special.need("pad")?);
                Ok(Task::Span(Span { density, mean_length, fixed, eos, start, sentinels, text_len, target_len }))
            }
            TaskRequest::Seq2seq { target_len, start } => {
                let start = match start {
                    Some(role) => special.need(&role)?,
                    None => special.bos.or(special.pad).map_or_else(|| special.need("eos"), Ok)?,
                };
                if target_len < 2 {
                    return Err(Error::config(format!("targetLen {target_len} is too short")));
                }
                Ok(Task::Seq2seq(Seq2seq { target_len, eos: special.need("eos")?, start }))
            }
            TaskRequest::Classify { classes, pair } => {
                let classes = match classes {
                    Some(classes) => classes,
                    None => find_classes(sources, fields.last())?,
                };
                let (begin, between, end) = match (special.cls, special.sep) {
                    (Some(cls), Some(sep)) => (Some(cls), sep, sep),
                    _ => {
                        let end = special.need("eos")?;
                        (special.bos.filter(|&bos| bos != end), special.sep.unwrap_or(end), end)
                    }
                };
                Ok(Task::Classify(Classify { classes, pair, begin, between, end }))
            }
            TaskRequest::Chat { pack, prefix, suffix, bos, eos } => {
                Ok(Task::Chat(Chat { pack, prefix, suffix, bos: optional(bos, "bos")?, eos: optional(eos, "eos")? }))
            }
        }
    }

    /// The fields that make an example, where the caller names none.
    fn fields(&self, format: Format) -> Result<Vec<String>> {
        let names: &[&str] = match self {
            TaskRequest::Seq2seq { .. } => &["source", "target"],
            TaskRequest::Classify { pair: false, .. } => &["text", "label"],
            TaskRequest::Classify { pair: true, .. } => &["text", "pair", "label"],
            TaskRequest::Chat { .. } => &["messages"],
            _ => &["text"],
        };
        let named = matches!(format, Format::Jsonl | Format::Tsv | Format::Parquet | Format::Arrow);
        if !named && names != ["text"] {
            return Err(Error::config("this task needs records with fields")
                .with_hint("give it JSONL, TSV, Parquet or Arrow files"));
        }
        let numbers = (0..names.len()).map(|i| i.to_string());
        Ok(if format == Format::Tsv { numbers.collect() } else { names.iter().map(|&name| name.to_owned()).collect() })
    }

    /// How many fields the task takes.
    fn check_fields(&self, fields: &[String]) -> Result<()> {
        let fits = match self {
            TaskRequest::Seq2seq { .. } | TaskRequest::Classify { pair: false, .. } => fields.len() == 2,
            TaskRequest::Classify { pair: true, .. } => fields.len() == 3,
            TaskRequest::Chat { .. } => fields.len() == 1 || fields.len() == 2,
            _ => fields.len() == 1,
        };
        if fits { Ok(()) } else { Err(Error::config(format!("{} fields don't fit this task", fields.len()))) }
    }
}

/// More classes than this are a mistake in the field's name.
const MOST_CLASSES: usize = 10_000;

/// The values of the class field, numbers by size and names by code point.
fn find_classes(sources: &[Source], field: Option<&String>) -> Result<Vec<String>> {
    let fields = Fields { names: field.into_iter().cloned().collect(), nested: false };
    let mut found = BTreeSet::new();
    let mut cutter = Cutter::new(sources.to_vec(), &fields, u64::MAX);
    let mut spare = Vec::new();
    while let Some(block) = cutter.next(spare)? {
        records::read(
            &block,
            sources,
            &fields,
            |_, _, values| {
                if !found.contains(values[0].trim()) {
                    found.insert(values[0].trim().to_owned());
                }
                Ok(())
            },
            |_| Ok(()),
        )?;
        if found.len() > MOST_CLASSES {
            return Err(Error::input(format!(
                "the field {:?} has more than {MOST_CLASSES} values: is it the class?",
                fields.names
            )));
        }
        spare = block.bytes;
    }
    let mut classes: Vec<String> = found.into_iter().collect();
    if classes.iter().all(|name| name.parse::<i64>().is_ok()) {
        classes.sort_by_key(|name| name.parse::<i64>().unwrap_or(0));
    }
    if classes.len() < 2 {
        return Err(Error::input(format!(
            "the field {:?} has {} values: at least two classes are needed",
            fields.names,
            classes.len()
        )));
    }
    Ok(classes)
}

/// Everything a build needs: the tokenizer's bytes too, so that it is the one that was hashed.
pub struct Resolved {
    pub plan: Plan,
    pub options: Options,
    pub tokenizer: Vec<u8>,
}

impl Request {
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| Error::config(format!("dataset: {error}")))
    }

    /// The plan alone.
    pub fn resolve(self) -> Result<Resolved> {
        Ok(self.load()?.0)
    }

    /// The plan and its tokenizer.
    pub fn load(self) -> Result<(Resolved, Tokenizer)> {
        let path = if self.vocab.is_dir() { self.vocab.join("tokenizer.json") } else { self.vocab.clone() };
        let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
        let (sha256, tokenizer) = std::thread::scope(|scope| {
            let sha256 = scope.spawn(|| hex(&Sha256::digest(&bytes)));
            let tokenizer = Tokenizer::from_json(&bytes);
            (sha256.join(), tokenizer)
        });
        let tokenizer = tokenizer?;
        let sha256 = sha256.map_err(|_| Error::internal("a thread died"))?;
        let beside = |name: &str| path.parent().and_then(|dir| std::fs::read(dir.join(name)).ok());
        let config = beside("special_tokens_map.json").or_else(|| beside("tokenizer_config.json"));
        let special = Special::find(&tokenizer, config.as_deref())?;
        let vocabulary = Vocabulary { size: tokenizer.vocab_size() as usize, sha256, special };
        if vocabulary.size == 0 {
            return Err(Error::input("tokenizer.json: it has no vocabulary"));
        }
        Ok((self.resolve_with(vocabulary, bytes)?, tokenizer))
    }

    fn resolve_with(self, vocabulary: Vocabulary, tokenizer: Vec<u8>) -> Result<Resolved> {
        let Some(first) = self.sources.first() else {
            return Err(Error::input("there are no input files"));
        };
        let names = if self.fields.is_empty() { self.task.fields(first.format)? } else { self.fields };
        self.task.check_fields(&names)?;
        let nested = matches!(self.task, TaskRequest::Chat { .. });
        let task = self.task.resolve(&vocabulary.special, self.seq_len, &self.sources, &names)?;
        let plan = Plan {
            version: VERSION,
            task,
            seq_len: self.seq_len,
            seed: self.seed,
            split: self.split,
            fields: Fields { names, nested },
            clean: self.clean,
            vocabulary,
            partition_bytes: self.partition_bytes,
        };
        plan.check()?;
        let Request { out, sources, threads, max_rejects, parquet, .. } = self;
        let options = Options { out, sources, threads, max_rejects, parquet };
        Ok(Resolved { plan, options, tokenizer })
    }
}
