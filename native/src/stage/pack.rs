//! Encoded documents in, the files of their partitions out: `name: utf8`, `data: large_binary`, a file a row, the record of a
//! partition behind its other files. Masks that are stored are drawn by a step of their own, on files that wait for it.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, LargeBinaryArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};

use super::stream::{Cells, Writer};
use crate::arrow::read::Mapped;
use crate::arrow::write::to_bytes;
use crate::dataset::build::partition::Store;
use crate::dataset::build::work::{Record, record_name};
use crate::dataset::manifest::Shard;
use crate::dataset::plan::Plan;
use crate::dataset::task::{Assembled, Place};
use crate::dataset::tasks::stored;
use crate::dataset::tokens::TokenDocs;
use crate::error::{Error, Result};

pub fn fields() -> Vec<Field> {
    vec![Field::new("name", DataType::Utf8, false), Field::new("data", DataType::LargeBinary, false)]
}

/// Files as rows of a stream.
pub struct Outputs<'a, W: Write>(pub &'a mut Writer<W>);

impl<W: Write> Outputs<'_, W> {
    fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.0.write(vec![
            Arc::new(StringArray::from(vec![name])) as ArrayRef,
            Arc::new(LargeBinaryArray::from(vec![bytes])),
        ])
    }
}

impl<W: Write> Store for Outputs<'_, W> {
    fn rows(&mut self, name: &str, rows: &RecordBatch) -> Result<Shard> {
        let (bytes, print) = to_bytes(&rows.schema(), std::slice::from_ref(rows))?;
        self.bytes(name, &bytes)?;
        Ok(Shard { file: name.to_owned(), rows: rows.num_rows() as u64, print, parquet: None })
    }

    fn save(&mut self, partition: u64, record: &Record) -> Result<()> {
        self.bytes(&record_name(partition), &record.to_json()?)
    }
}

/// Draws the masks of packed files.
#[derive(Default)]
pub struct Masking {
    /// Files of a partition whose record has not come yet.
    waiting: Vec<(String, Vec<u8>)>,
}

impl Masking {
    pub fn add<W: Write>(&mut self, plan: &Plan, batch: &RecordBatch, sink: &mut Outputs<W>) -> Result<()> {
        let (names, data) = (Cells::of(batch, "name")?, Cells::of(batch, "data")?);
        for row in 0..batch.num_rows() {
            let (name, bytes) = (names.at(row), data.at(row));
            let name = std::str::from_utf8(name).map_err(|_| Error::corrupt("the name of a file is no UTF-8"))?;
            if !name.ends_with(".json") {
                self.waiting.push((name.to_owned(), bytes.to_vec()));
                continue;
            }
            let mut record: Record = serde_json::from_slice(bytes)
                .map_err(|error| Error::corrupt(format!("{name}: not the record of a partition: {error}")))?;
            for (file, bytes) in std::mem::take(&mut self.waiting) {
                let Some(part) = record.shards.iter_mut().find(|part| part.shard.file == file) else {
                    sink.bytes(&file, &bytes)?;
                    continue;
                };
                let place = Place { key: part.key, last: false };
                let [rows] = <[RecordBatch; 1]>::try_from(Mapped::of_bytes(&file, bytes).batches()?)
                    .map_err(|_| Error::corrupt(format!("{file}: a shard has one record batch")))?;
                let counts = part.counts.clone();
                let packed = Assembled { rows: Some(rows), carry: TokenDocs::default(), counts };
                let Some(masked) = stored::mask(plan, packed, place)?.rows else { continue };
                part.shard.print = sink.rows(&file, &masked)?.print;
            }
            sink.bytes(name, &record.to_json()?)?;
        }
        Ok(())
    }

    pub fn finish(self) -> Result<()> {
        match self.waiting.first() {
            None => Ok(()),
            Some((name, _)) => Err(Error::corrupt(format!("{name}: the record of its partition is missing"))),
        }
    }
}
