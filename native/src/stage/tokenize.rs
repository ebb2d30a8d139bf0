//! Text in, encoded documents by partition and split out. Alone the stage writes them as a stream: `part: int64`,
//! `split: int8`, `ids: list<uint32>`, `marks: list<uint8>`, `label: int32`; behind the documents of a partition stands one
//! row without ids whose `note` (JSON) tells its figures.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int8Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};

use super::plan::{StagePlan, numbers};
use super::read::Documents;
use super::stream::Writer;
use crate::corpus::portion::Portion;
use crate::corpus::records::Reject;
use crate::dataset::build::partition::{About, Part};
use crate::dataset::encoder::Session;
use crate::dataset::plan::SPLITS;
use crate::dataset::tokenize::{TextCounts, Tokenized, tokenize};
use crate::dataset::tokens::TokenDocs;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// What is told about a partition besides its documents.
#[derive(Serialize, Deserialize)]
struct Note {
    counts: TextCounts,
    rejects: Vec<Reject>,
    part: Option<Part>,
    ends: bool,
}

/// What is encoded.
pub struct Job<'a> {
    pub plan: &'a StagePlan,
    /// Of the portion.
    pub number: u64,
    pub portion: &'a Portion,
    /// A bit a document of the portion: leave it out.
    pub copies: Option<&'a [u8]>,
}

/// Calls `close` with each partition of the portion, in order, as soon as it is whole.
pub fn partitions(
    job: &Job,
    session: &mut dyn Session,
    documents: &mut Documents,
    progress: &Progress,
    mut close: impl FnMut(About, Tokenized) -> Result<()>,
) -> Result<()> {
    let Job { plan, number, portion, copies } = *job;
    let dataset = plan.dataset()?;
    let sources = plan.sources();
    let new = |partition: u64| {
        let number = numbers(number).start + partition;
        About { number, part: portion.bytes.as_ref().map(part), ..About::default() }
    };
    let empty = || Tokenized::with_room(dataset, dataset.partition_bytes);
    let (mut about, mut open, mut open_number) = (new(0), empty(), None);
    let (mut spare, mut seen) = (Vec::new(), 0);
    while let Some(block) = documents.next(spare)? {
        progress.check()?;
        if open_number.replace(block.partition).is_some_and(|before| before != block.partition) {
            seen += open.seen;
            close(std::mem::replace(&mut about, new(block.partition)), std::mem::replace(&mut open, empty()))?;
        }
        if let Some(part) = &mut about.part {
            part.lines += memchr::memchr_iter(b'\n', &block.bytes).count() as u64;
        }
        // No block has more documents than bytes of text.
        let marked = |copies: &[u8]| -> Vec<bool> {
            (seen + open.seen..seen + open.seen + block.size as usize + 1)
                .map(|at| copies.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1))
                .collect()
        };
        let copies: Option<Vec<bool>> = copies.map(marked);
        tokenize(dataset, session, &block, &sources, copies.as_deref(), &mut open)?;
        progress.add(block.size);
        spare = block.bytes;
    }
    // A portion without text has a partition too: its record tells that it was read.
    about.ends = true;
    close(about, open)
}

fn part(bytes: &std::ops::Range<u64>) -> Part {
    Part { first: bytes.start == 0, lines: 0 }
}

pub fn fields() -> Vec<Field> {
    let mut fields = vec![Field::new("part", DataType::Int64, false), Field::new("split", DataType::Int8, false)];
    fields.extend(TokenDocs::schema().fields().iter().map(|field| field.as_ref().clone()));
    fields.push(Field::new("note", DataType::Utf8, true));
    fields
}

/// Writes a partition.
pub fn write<W: std::io::Write>(writer: &mut Writer<W>, about: About, documents: Tokenized) -> Result<()> {
    let part = |rows: usize| Arc::new(Int64Array::from(vec![about.number as i64; rows])) as ArrayRef;
    for (split, docs) in documents.splits.iter().enumerate().filter(|(_, docs)| !docs.is_empty()) {
        let batch = docs.to_batch()?;
        let mut columns = vec![part(docs.len()), Arc::new(Int8Array::from(vec![split as i8; docs.len()]))];
        columns.extend(batch.columns().iter().cloned());
        columns.push(Arc::new(StringArray::new_null(docs.len())));
        writer.write(columns)?;
    }
    let note = Note { counts: documents.counts, rejects: documents.rejects, part: about.part, ends: about.ends };
    let note = serde_json::to_string(&note).map_err(|error| Error::internal(format!("note: {error}")))?;
    let fields = fields();
    let null = |field: &Field| arrow_array::new_null_array(field.data_type(), 1);
    writer.write(vec![
        part(1),
        Arc::new(Int8Array::from(vec![-1])),
        null(&fields[2]),
        null(&fields[3]),
        null(&fields[4]),
        Arc::new(StringArray::from(vec![note])),
    ])
}

/// Puts a stream's batches back together as partitions.
#[derive(Default)]
pub struct Collector {
    open: Tokenized,
    number: Option<u64>,
}

impl Collector {
    /// Returns the partitions that end within the batch.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<Vec<(About, Tokenized)>> {
        let missing = || Error::config("the stream holds no encoded documents (part, split, ids, marks, label, note)");
        let column = |name: &str| batch.column_by_name(name).ok_or_else(missing);
        let parts = column("part")?.as_primitive_opt::<Int64Type>().ok_or_else(missing)?;
        let splits = column("split")?.as_primitive_opt::<Int8Type>().ok_or_else(missing)?;
        let notes = column("note")?.as_string_opt::<i32>().ok_or_else(missing)?;
        let mut ready = Vec::new();
        let mut row = 0;
        while row < batch.num_rows() {
            let number = u64::try_from(parts.value(row)).map_err(|_| missing())?;
            if self.number.replace(number).is_some_and(|open| open != number) {
                return Err(Error::corrupt("a partition of encoded documents is not whole: its last row is missing"));
            }
            if !notes.is_null(row) {
                let note: Note = serde_json::from_str(notes.value(row))
                    .map_err(|error| Error::corrupt(format!("the note of a partition: {error}")))?;
                let splits = std::mem::take(&mut self.open.splits);
                let about = About { number, part: note.part, ends: note.ends, ..About::default() };
                ready.push((
                    about,
                    Tokenized { splits, counts: note.counts, rejects: note.rejects, ..Tokenized::default() },
                ));
                self.number = None;
                row += 1;
                continue;
            }
            let split = splits.value(row);
            let same =
                |&at: &usize| splits.value(at) == split && parts.value(at) == parts.value(row) && notes.is_null(at);
            let count = (row..batch.num_rows()).take_while(same).count();
            let place = usize::try_from(split).ok().filter(|&split| split < SPLITS.len()).ok_or_else(missing)?;
            self.open.splits[place].append_batch(&batch.slice(row, count))?;
            row += count;
        }
        Ok(ready)
    }

    pub fn finish(self) -> Result<()> {
        match self.number {
            None => Ok(()),
            Some(_) => Err(Error::corrupt("the last partition of encoded documents is not whole")),
        }
    }
}
