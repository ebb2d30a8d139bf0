//! What a dataset is to be: everything that its bytes depend on besides the text. Plain data, the same for every engine.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::special::Special;
use super::tasks::causal::Causal;
use super::tasks::chat::Chat;
use super::tasks::classify::Classify;
use super::tasks::mlm::Mlm;
use super::tasks::pair::Pair;
use super::tasks::seq2seq::Seq2seq;
use super::tasks::span::Span;
use crate::corpus::clean::Clean;
use crate::corpus::open::hex;
use crate::corpus::records::Fields;
use crate::error::{Error, Result};

/// The parts a dataset is split into.
pub const SPLITS: [&str; 3] = ["train", "validation", "test"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// Changes whenever the same plan gives other bytes.
    pub version: u32,
    pub task: Task,
    /// Tokens of a row.
    pub seq_len: usize,
    pub seed: u64,
    /// Shares of train, validation and test; a document goes where its hash falls.
    pub split: [f64; 3],
    pub fields: Fields,
    pub clean: Clean,
    pub vocabulary: Vocabulary,
    /// Bytes of text that become one partition, and with it one shard.
    pub partition_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vocabulary {
    pub size: usize,
    pub sha256: String,
    pub special: Special,
}

/// The kinds of rows, each with its own options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Task {
    Causal(Causal),
    Chat(Chat),
    Mlm(Mlm),
    Pair(Pair),
    Span(Span),
    Seq2seq(Seq2seq),
    Classify(Classify),
}

pub const VERSION: u32 = 4;

/// Partitions are held in memory, and their tokens are counted in 32 bits.
const MOST_BYTES: u64 = 1 << 30;

impl Plan {
    pub fn check(&self) -> Result<()> {
        if self.version != VERSION {
            return Err(Error::config(format!("the plan has version {}, this program writes {VERSION}", self.version)));
        }
        if self.seq_len < 8 {
            return Err(Error::config(format!("seqLen {} is too short", self.seq_len)).with_hint("use 8 or more"));
        }
        if matches!(self.task, Task::Mlm(_) | Task::Pair(_)) && self.seq_len > usize::from(u16::MAX) {
            return Err(Error::config(format!(
                "seqLen {}: masked rows have at most {} tokens",
                self.seq_len,
                u16::MAX
            )));
        }
        let total: f64 = self.split.iter().sum();
        if self.split.iter().any(|share| !(0.0..=1.0).contains(share)) || (total - 1.0).abs() > 1e-6 {
            return Err(Error::config(format!("the split {:?} does not add up to 1", self.split)));
        }
        self.clean.check()?;
        if !(1..=MOST_BYTES).contains(&self.partition_bytes) {
            return Err(Error::config(format!(
                "partitionBytes {} is not from 1 to {MOST_BYTES}",
                self.partition_bytes
            )));
        }
        Ok(())
    }

    /// SHA-256 of the plan as it is written, in hexadecimal.
    pub fn hash(&self) -> Result<String> {
        let text = serde_json::to_vec(self).map_err(|error| Error::internal(format!("plan: {error}")))?;
        Ok(hex(&Sha256::digest(text)))
    }

    /// Which split a document goes to. The hash covers the text alone, so that copies of a text stay together.
    pub fn split_of(&self, text_hash: u64) -> usize {
        let place = (text_hash >> 11) as f64 / (1u64 << 53) as f64;
        if place < self.split[0] {
            0
        } else if place < self.split[0] + self.split[1] || self.split[2] == 0.0 {
            1
        } else {
            2
        }
    }

    /// How many rows come of a token, in round numbers.
    pub fn dupes(&self) -> usize {
        match &self.task {
            Task::Pair(pair) => usize::try_from(pair.dupe_factor).unwrap_or(usize::MAX).max(1),
            _ => 1,
        }
    }

    /// Ids are stored in 16 bits where the vocabulary allows it.
    pub fn narrow(&self) -> bool {
        self.vocabulary.size <= 1 << 16
    }
}
