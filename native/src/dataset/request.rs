//! What a caller asks for in, the resolved plan out: defaults filled in, special tokens looked up, the vocabulary hashed.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::build::Options;
use super::causal::{Causal, Pack};
use super::plan::{Plan, Task, VERSION, Vocabulary};
use super::special::Special;
use crate::corpus::Source;
use crate::corpus::open::hex;
use crate::corpus::records::Fields;
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
    /// Empty: the text alone (`text` in JSONL, column 0 in TSV).
    pub fields: Vec<String>,
    pub partition_bytes: u64,
    pub sources: Vec<Source>,
    pub out: PathBuf,
    pub threads: usize,
    pub max_rejects: u64,
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

    pub fn resolve(self) -> Result<Resolved> {
        let path = if self.vocab.is_dir() { self.vocab.join("tokenizer.json") } else { self.vocab.clone() };
        let tokenizer = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
        let vocabulary = vocabulary(&path, &tokenizer)?;
        let special = &vocabulary.special;
        let task = match self.task {
            TaskRequest::Causal { pack, bos, eos } => Task::Causal(Causal {
                pack,
                bos: if bos { Some(special.need("bos")?) } else { None },
                eos: if eos { Some(special.need("eos")?) } else { None },
            }),
        };
        let names = match self.sources.first() {
            Some(source) if self.fields.is_empty() => default_fields(source),
            _ => self.fields,
        };
        let plan = Plan {
            version: VERSION,
            task,
            seq_len: self.seq_len,
            seed: self.seed,
            split: self.split,
            fields: Fields { names },
            vocabulary,
            partition_bytes: self.partition_bytes,
        };
        plan.check()?;
        let options =
            Options { out: self.out, sources: self.sources, threads: self.threads, max_rejects: self.max_rejects };
        Ok(Resolved { plan, options, tokenizer })
    }
}

fn default_fields(source: &Source) -> Vec<String> {
    match source.format {
        crate::corpus::Format::Tsv => vec!["0".into()],
        _ => vec!["text".into()],
    }
}

fn vocabulary(path: &Path, tokenizer: &[u8]) -> Result<Vocabulary> {
    let beside = |name: &str| path.parent().and_then(|dir| std::fs::read(dir.join(name)).ok());
    let config = beside("special_tokens_map.json").or_else(|| beside("tokenizer_config.json"));
    let (special, size) = Special::find(tokenizer, config.as_deref())?;
    Ok(Vocabulary { size, sha256: hex(&Sha256::digest(tokenizer)), special })
}
