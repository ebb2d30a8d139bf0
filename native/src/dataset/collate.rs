//! Stored rows in, one batch out: ids widened to int32, and everything that can be derived from them derived.

use super::manifest::Manifest;
use super::plan::{Plan, Task};
use super::pool::Pool;
use super::shard::Shard;
use super::tasks::{causal, classify, mask, mlm, pair, seq2seq, span};
use crate::error::Result;

/// The target that no loss counts.
pub const IGNORED: i32 = -100;

/// An int32 array of a batch, by its Hugging Face name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub shape: Vec<u32>,
    pub data: Vec<i32>,
}

impl Column {
    pub fn new(name: &'static str, shape: Vec<u32>, data: Vec<i32>) -> Self {
        Self { name, shape, data }
    }
}

/// A row as it is asked for: where it is stored, and what names the random numbers that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKey {
    pub shard: usize,
    pub row: usize,
    /// Number of the row in its split.
    pub number: u64,
    pub epoch: u64,
}

/// How rows are to be turned into batches, as far as the reader may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    pub seed: u64,
    /// Causal: count the first token of a document as the target of the last one of the document before it.
    pub boundary_loss: bool,
    /// Masked rows: `masked_positions` and `masked_labels` instead of `labels`.
    pub positions: bool,
    /// Causal: `cu_seqlens` too.
    pub cu_seqlens: bool,
}

/// Asks for the memory of a row that is needed soon: rows come in random order, and each would be waited for.
#[inline]
pub fn fetch_ahead(shards: &[Shard], keys: &[RowKey], row: usize) {
    const AHEAD: usize = 8;
    if let Some(key) = keys.get(row + 2 * AHEAD) {
        shards[key.shard].fetch(key.row);
    }
    if let Some(key) = keys.get(row + AHEAD) {
        shards[key.shard].fetch_lengths(key.row);
    }
}

/// Makes batches of the rows of one kind of dataset.
pub struct Batcher {
    task: Task,
    pub seq_len: usize,
    pub filler: i32,
    pub seed: u64,
    pub boundary_loss: bool,
    pub positions: bool,
    pub cu_seqlens: bool,
    masker: Option<mask::Masker>,
    /// Where the arrays of batches come from; whoever is done with one may give it back.
    pub pool: Pool,
}

impl Batcher {
    pub fn new(manifest: &Manifest, choice: Choice) -> Result<Self> {
        Self::of(&manifest.plan, choice)
    }

    pub fn of(plan: &Plan, choice: Choice) -> Result<Self> {
        let masking = match &plan.task {
            Task::Mlm(task) => Some(&task.masking),
            Task::Pair(task) => Some(&task.masking),
            _ => None,
        };
        Ok(Self {
            task: plan.task.clone(),
            seq_len: plan.seq_len,
            filler: plan.vocabulary.special.filler() as i32,
            seed: choice.seed,
            boundary_loss: choice.boundary_loss,
            positions: choice.positions,
            cu_seqlens: choice.cu_seqlens,
            masker: masking.map(|masking| mask::Masker::new(masking, &plan.vocabulary)).transpose()?,
            pool: Pool::default(),
        })
    }

    pub fn masker(&self) -> Option<&mask::Masker> {
        self.masker.as_ref()
    }

    /// `shards[key.shard]` must hold `key.row`.
    pub fn collate(&self, shards: &[Shard], keys: &[RowKey]) -> Result<Vec<Column>> {
        match &self.task {
            Task::Causal(_) => causal::collate(self, shards, keys, false),
            Task::Chat(_) => causal::collate(self, shards, keys, true),
            Task::Mlm(_) => mlm::collate(self, shards, keys),
            Task::Pair(_) => pair::collate(self, shards, keys),
            Task::Span(task) => span::collate(self, task, shards, keys),
            Task::Seq2seq(task) => seq2seq::collate(self, task, shards, keys),
            Task::Classify(task) => classify::collate(self, task, shards, keys),
        }
    }
}
