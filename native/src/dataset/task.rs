//! Encoded documents in, the rows of a task out: a pure function of (plan, documents).

use std::ops::AddAssign;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};
use serde::{Deserialize, Serialize};

use super::plan::{Plan, Task};
use super::rng::{Purpose, Rng};
use super::tasks::{causal, classify, mlm, pair, seq2seq, span, stored};
use super::tokens::{TokenDocs, arrow};
use crate::error::{Error, Result};

/// Where the documents stand: partitions are assembled alone; what they leave over is gathered into tails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Names the random streams of this piece of work: the hash of its ids, so that nobody has to number partitions.
    pub key: u64,
    /// Nothing comes after: leave nothing over.
    pub last: bool,
}

impl Place {
    pub fn new(docs: &TokenDocs, last: bool) -> Self {
        Self { key: docs.hash(), last }
    }

    /// The stream of one row (or document) of this piece of work.
    pub fn rng(self, seed: u64, purpose: Purpose, epoch: u64, row: usize) -> Rng {
        Rng::new(seed ^ self.key, purpose, epoch, row as u64)
    }
}

/// What assembling came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    pub rows: u64,
    /// Tokens in rows, padding apart.
    pub tokens: u64,
    pub padding: u64,
    /// Documents longer than a row, which had to be cut.
    pub cut_documents: u64,
    /// Pairs whose second sentence comes from elsewhere, or that were swapped.
    pub random_pairs: u64,
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        self.rows += other.rows;
        self.tokens += other.tokens;
        self.padding += other.padding;
        self.cut_documents += other.cut_documents;
        self.random_pairs += other.random_pairs;
    }
}

pub struct Assembled {
    /// None where no row came about.
    pub rows: Option<RecordBatch>,
    /// What is left over for the tail.
    pub carry: TokenDocs,
    pub counts: Counts,
}

/// Documents that give rows of fewer tokens than this are left over whole, so that small splits and small corpora don't become many small shards.
pub const SMALL: usize = 1 << 20;

/// Rows as they are stored, masks that are drawn once among them. `last`: leave nothing over.
pub fn assemble(plan: &Plan, docs: TokenDocs, last: bool) -> Result<Assembled> {
    let place = Place::new(&docs, last);
    let assembled = arrange(plan, docs, place)?;
    stored::mask(plan, assembled, place)
}

/// Rows without their masks.
pub fn arrange(plan: &Plan, docs: TokenDocs, place: Place) -> Result<Assembled> {
    if docs.is_empty() || (docs.ids.len() < SMALL / plan.dupes() && !place.last) {
        return Ok(Assembled { rows: None, carry: docs, counts: Counts::default() });
    }
    match &plan.task {
        Task::Causal(task) => causal::assemble(plan, task.pack, docs, place, false),
        Task::Chat(task) => causal::assemble(plan, task.pack, docs, place, true),
        Task::Mlm(task) => mlm::assemble(plan, task, docs, place),
        Task::Pair(task) => pair::assemble(plan, task, docs, place),
        Task::Span(task) => span::assemble(plan, task, docs, place),
        Task::Seq2seq(task) => seq2seq::assemble(plan, task, docs),
        Task::Classify(task) => classify::assemble(plan, task, docs),
    }
}

/// Columns as a batch, with the plan's figures that a reader needs in the schema's metadata.
pub fn batch(plan: &Plan, columns: Vec<(Field, ArrayRef)>) -> Result<RecordBatch> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let task = serde_json::to_value(&plan.task).map_err(|error| Error::internal(format!("plan: {error}")))?;
    // One key, so that the bytes don't depend on the order of a map.
    let facts = serde_json::json!({ "task": task["kind"], "seqLen": plan.seq_len, "plan": plan.hash()? });
    let metadata = [("millrace".to_owned(), facts.to_string())];
    RecordBatch::try_new(Arc::new(Schema::new(fields).with_metadata(metadata)), arrays).map_err(arrow)
}
