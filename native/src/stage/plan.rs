//! What a stage is to do, as the text of one JSON file: all that its output depends on besides the stream.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::corpus::open::hex;
use crate::corpus::portion::{Portion, portions};
use crate::corpus::records::Fields;
use crate::corpus::{Format, Source};
use crate::dataset::plan::Plan as DatasetPlan;
use crate::encode::Tokenizer;
use crate::error::{Error, Result};

pub const FORMAT: &str = "millrace-stage-plan";

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StagePlan {
    pub format: String,
    /// Version of the program: another one may make other bytes.
    pub code: String,
    pub sources: Vec<SizedSource>,
    /// Bytes of text that become one partition.
    pub partition_bytes: u64,
    pub count: Option<Count>,
    pub dataset: Option<DatasetPlan>,
    /// tokenizer.json, of a dataset.
    pub tokenizer: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SizedSource {
    pub path: String,
    pub format: Format,
    /// On disk.
    pub bytes: u64,
    /// Bytes behind its last newline: readers of lines don't tell whether the last line has one.
    #[serde(default)]
    pub open_ended: u64,
}

/// How words are counted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Count {
    pub split: String,
    pub normalizer: String,
    pub special_tokens: Vec<String>,
    /// Split line by line, newlines kept; else text by text of the records.
    pub lines: bool,
    pub fields: Vec<String>,
}

impl StagePlan {
    /// Reads and checks a plan; also gives its hash, the SHA-256 of the text.
    pub fn parse(text: &str) -> Result<(Self, String)> {
        let plan: Self = serde_json::from_str(text).map_err(|error| Error::config(format!("the plan: {error}")))?;
        if plan.format != FORMAT {
            return Err(Error::config(format!("the plan has the format {:?}, not {FORMAT:?}", plan.format)));
        }
        if plan.code != env!("CARGO_PKG_VERSION") {
            let (theirs, ours) = (&plan.code, env!("CARGO_PKG_VERSION"));
            return Err(Error::config(format!("the plan was made by version {theirs}, this worker has {ours}"))
                .with_hint("install the same version of millrace everywhere"));
        }
        if let Some(dataset) = &plan.dataset {
            dataset.check()?;
            if dataset.partition_bytes != plan.partition_bytes {
                return Err(Error::config("the plan has two values of partitionBytes"));
            }
        }
        if plan.partition_bytes == 0 {
            return Err(Error::config("partitionBytes is 0"));
        }
        Ok((plan, hex(&Sha256::digest(text))))
    }

    pub fn sources(&self) -> Vec<Source> {
        self.sources.iter().map(|source| Source { path: source.path.clone(), format: source.format }).collect()
    }

    pub fn portions(&self) -> Vec<Portion> {
        let sizes: Vec<u64> = self.sources.iter().map(|source| source.bytes).collect();
        portions(&self.sources(), &sizes, self.partition_bytes)
    }

    /// The portion with this number.
    pub fn portion(&self, number: u64) -> Result<Portion> {
        let all = self.portions();
        let found = usize::try_from(number).ok().and_then(|number| all.get(number).cloned());
        found.ok_or_else(|| Error::config(format!("the plan has {} partitions, there is no {number}", all.len())))
    }

    pub fn dataset(&self) -> Result<&DatasetPlan> {
        self.dataset.as_ref().ok_or_else(|| Error::config("the plan is not one of a dataset"))
    }

    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let text = self.tokenizer.as_ref().ok_or_else(|| Error::config("the plan has no tokenizer"))?;
        Tokenizer::from_json(text.as_bytes())
    }

    pub fn fields(&self) -> Fields {
        match (&self.dataset, &self.count) {
            (Some(dataset), _) => dataset.fields.clone(),
            (None, Some(count)) => Fields { names: count.fields.clone(), nested: false },
            (None, None) => Fields::default(),
        }
    }
}

/// Partitions of one portion are numbered from here on, so that all of a dataset are in the order of the text.
pub fn numbers(portion: u64) -> Range<u64> {
    portion << 20..(portion + 1) << 20
}

/// The portion that a partition is of.
pub fn portion_of(number: u64) -> u64 {
    number >> 20
}
