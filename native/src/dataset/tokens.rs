//! Encoded documents, one after the other in one array: what passes between the steps of a build, and between engines as Arrow.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, BinaryArray, Int32Array, ListArray, RecordBatch};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use xxhash_rust::xxh3::Xxh3;

use super::ids::{Run, TokenIds};
use crate::error::{Error, Result};

/// A word of the pre-tokenizer starts at this token.
pub const WORD: u8 = 1;
/// A sentence starts here.
pub const SENTENCE: u8 = 2;
/// The loss counts this token as a target.
pub const TARGET: u8 = 4;
/// The second text of a pair starts here.
pub const SECOND: u8 = 8;

/// `ids` of all documents; document i ends before `ends[i]`. `marks`, where a task needs them, has a byte of flags an id.
/// `labels`, where a task needs them, has one class a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenDocs {
    pub ids: TokenIds,
    pub ends: Vec<usize>,
    pub marks: Vec<u8>,
    pub labels: Vec<i32>,
}

impl TokenDocs {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn range(&self, doc: usize) -> std::ops::Range<usize> {
        let start = if doc == 0 { 0 } else { self.ends[doc - 1] };
        start..self.ends[doc]
    }

    pub fn doc(&self, doc: usize) -> Run<'_> {
        self.ids.part(self.range(doc))
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.ends.clear();
        self.marks.clear();
        self.labels.clear();
    }

    /// Appends a part of `other` as a document of its own.
    pub fn push_from(&mut self, other: &TokenDocs, range: std::ops::Range<usize>) {
        self.ids.extend_from(other.ids.part(range.clone()));
        if !other.marks.is_empty() {
            self.marks.extend_from_slice(&other.marks[range]);
        }
        self.ends.push(self.ids.len());
    }

    pub fn append(&mut self, other: &TokenDocs) {
        let base = self.ids.len();
        self.ids.extend_from(other.ids.run());
        self.marks.extend_from_slice(&other.marks);
        self.labels.extend_from_slice(&other.labels);
        self.ends.extend(other.ends.iter().map(|end| base + end));
    }

    /// Of the ids and of where documents end.
    pub fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        self.ids.run().hash_into(&mut hash);
        for &end in &self.ends {
            hash.update(&(end as u64).to_le_bytes());
        }
        hash.digest()
    }

    pub fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("ids", DataType::List(item()), true),
            Field::new("marks", DataType::Binary, true),
            Field::new("label", DataType::Int32, true),
        ]))
    }

    /// A row a document: `ids: list<int32>`, `marks: binary` or null, `label: int32` or null (Spark has no unsigned numbers).
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let mut offsets = Vec::with_capacity(self.len() + 1);
        offsets.push(0i32);
        for &end in &self.ends {
            offsets.push(i32::try_from(end).map_err(|_| Error::internal("more than 2^31 ids in one partition"))?);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let ids: Int32Array = self.ids.run().iter().map(|id| id as i32).collect::<Vec<_>>().into();
        let ids = ListArray::try_new(item(), offsets.clone(), Arc::new(ids), None).map_err(arrow)?;
        let marks = if self.marks.is_empty() {
            BinaryArray::new_null(self.len())
        } else {
            BinaryArray::try_new(offsets, Buffer::from_vec(self.marks.clone()), None).map_err(arrow)?
        };
        let label = if self.labels.is_empty() {
            Int32Array::new_null(self.len())
        } else {
            Int32Array::from(self.labels.clone())
        };
        RecordBatch::try_new(Self::schema(), vec![Arc::new(ids), Arc::new(marks), Arc::new(label)]).map_err(arrow)
    }

    /// Engines name the items of lists in their own way, and take any column for one that may have nulls.
    pub fn append_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let missing =
            || Error::input("the stream holds no encoded documents (ids: list<int32>, marks: binary, label: int32)");
        let column = |name: &str| batch.column_by_name(name).ok_or_else(missing);
        let base = self.ids.len();
        let ids = column("ids")?.as_list_opt::<i32>().ok_or_else(missing)?;
        let values = ids.values().as_primitive_opt::<Int32Type>().ok_or_else(missing)?.values();
        let offsets = ids.offsets();
        let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
        self.ids.extend(values[first..last].iter().map(|&id| id as u32));
        self.ends.extend(offsets[1..].iter().map(|&end| base + end as usize - first));
        let marks = column("marks")?.as_binary_opt::<i32>().ok_or_else(missing)?;
        if marks.null_count() == 0 && !marks.is_empty() {
            let offsets = marks.offsets();
            self.marks.extend_from_slice(&marks.values()[offsets[0] as usize..offsets[offsets.len() - 1] as usize]);
        }
        let labels = column("label")?.as_primitive_opt::<Int32Type>().ok_or_else(missing)?;
        if labels.null_count() == 0 {
            self.labels.extend_from_slice(labels.values());
        }
        if !self.marks.is_empty() && self.marks.len() != self.ids.len() {
            return Err(Error::corrupt("encoded documents: marks and ids differ in length"));
        }
        Ok(())
    }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Int32, false))
}

pub fn arrow(error: arrow_schema::ArrowError) -> Error {
    Error::internal(format!("Arrow: {error}"))
}
