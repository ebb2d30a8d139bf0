//! Stored rows in, one batch out: ids widened to int32, and everything that can be derived from them derived.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt16Type};
use arrow_array::{Array, FixedSizeListArray, ListArray, RecordBatch};
use arrow_schema::DataType;

use super::manifest::Manifest;
use super::plan::Task;
use crate::error::{Error, Result};

/// The target that no loss counts.
pub const IGNORED: i32 = -100;

/// An int32 array of a batch, by its Hugging Face name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub shape: Vec<u32>,
    pub data: Vec<i32>,
}

/// A row as it is asked for: the stored row, and the stream of random numbers that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKey {
    pub shard: usize,
    pub row: usize,
    /// Number of the row in its split.
    pub number: u64,
    pub epoch: u64,
}

/// What the rows of one dataset are turned into.
#[derive(Clone, Debug)]
pub struct Collator {
    pub task: Task,
    pub seq_len: usize,
    /// Count the first token of a document as the target of the last one of the document before it.
    pub boundary_loss: bool,
    pub filler: i32,
}

impl Collator {
    pub fn new(manifest: &Manifest, boundary_loss: bool) -> Self {
        let plan = &manifest.plan;
        Self {
            task: plan.task.clone(),
            seq_len: plan.seq_len,
            boundary_loss,
            filler: plan.vocabulary.special.filler() as i32,
        }
    }

    /// `shards[key.shard]` must hold `key.row`.
    pub fn collate(&self, shards: &[Shard], keys: &[RowKey]) -> Result<Vec<Column>> {
        match &self.task {
            Task::Causal(_) => self.causal(shards, keys),
        }
    }

    /// input_ids, labels (shifted: the target of position t is token t + 1; -100 where there is none), position_ids
    /// (from 0 in each document), segment_ids (1, 2, ... in a row; 0 is padding): each [rows, seqLen].
    fn causal(&self, shards: &[Shard], keys: &[RowKey]) -> Result<Vec<Column>> {
        let length = self.seq_len;
        let size = keys.len() * length;
        let mut ids = vec![self.filler; size];
        let mut labels = vec![IGNORED; size];
        let mut positions = vec![0; size];
        let mut segments = vec![0; size];
        let mut row = Vec::with_capacity(length + 1);
        for (i, key) in keys.iter().enumerate() {
            let shard = &shards[key.shard];
            let lengths = shard.lengths(key.row)?;
            row.clear();
            shard.ids(key.row, &mut row)?;
            let at = i * length;
            ids[at..at + length].copy_from_slice(&row[..length]);
            let mut start = 0;
            for (segment, &piece) in lengths.iter().enumerate() {
                let end = start + piece as usize;
                // The last token of a concatenated row is a target only.
                let inputs = start..end.min(length);
                for (offset, t) in inputs.clone().enumerate() {
                    positions[at + t] = offset as i32;
                    segments[at + t] = segment as i32 + 1;
                }
                let targets = start + 1..end;
                labels[at + start..at + start + targets.len()].copy_from_slice(&row[targets]);
                if self.boundary_loss && start > 0 && end > start {
                    labels[at + start - 1] = row[start];
                }
                start = end;
            }
        }
        let shape = vec![keys.len() as u32, length as u32];
        let column = |name, data| Column { name, shape: shape.clone(), data };
        Ok(vec![
            column("input_ids", ids),
            column("labels", labels),
            column("position_ids", positions),
            column("segment_ids", segments),
        ])
    }
}

/// The columns of one shard, found by name once.
pub struct Shard {
    ids: FixedSizeListArray,
    lengths: ListArray,
}

impl Shard {
    pub fn new(path: &Path, batch: &RecordBatch) -> Result<Self> {
        let missing =
            |name: &str| Error::corrupt(format!("{}: the column {name} is missing or of another type", path.display()));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(name));
        let ids = column("input_ids")?.as_fixed_size_list_opt().ok_or_else(|| missing("input_ids"))?.clone();
        if !matches!(ids.value_type(), DataType::UInt16 | DataType::Int32) {
            return Err(missing("input_ids"));
        }
        let lengths = column("lengths")?.as_list_opt::<i32>().ok_or_else(|| missing("lengths"))?.clone();
        if *lengths.values().data_type() != DataType::Int32 {
            return Err(missing("lengths"));
        }
        Ok(Self { ids, lengths })
    }

    /// Appends the ids of a row.
    fn ids(&self, row: usize, out: &mut Vec<i32>) -> Result<()> {
        let width = self.ids.value_length() as usize;
        let range = row * width..(row + 1) * width;
        let values = self.ids.values();
        match values.data_type() {
            DataType::UInt16 => {
                out.extend(values.as_primitive::<UInt16Type>().values()[range].iter().map(|&id| i32::from(id)))
            }
            _ => out.extend_from_slice(&values.as_primitive::<Int32Type>().values()[range]),
        }
        Ok(())
    }

    fn lengths(&self, row: usize) -> Result<&[i32]> {
        let offsets = self.lengths.offsets();
        Ok(&self.lengths.values().as_primitive::<Int32Type>().values()
            [offsets[row] as usize..offsets[row + 1] as usize])
    }
}
