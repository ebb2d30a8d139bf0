//! Documents in, marks of those that are copies of others out, in steps between which an engine sorts by `key`.
//!
//! Text -> signatures: a row a document, `key` the hash of its text. Signatures sorted by (key, portion, n) -> of equal ones
//! the first stays and, where near copies are looked for, gives a row for each of its bands (`key` the band's hash); the
//! others are copies: they have no key. Bands sorted the same way -> those that are similar to an earlier one in the band.
//!
//! Columns: `key: binary`, `portion: int32`, `n: int64` (place in the portion), `minima: binary` (128 little-endian uint32).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int32Builder, Int64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};

use super::plan::StagePlan;
use super::read::Documents;
use super::stream::{Cells, Form, Reader, Writer};
use crate::corpus::dedup::{BANDS, Bucket, band_hash};
use crate::dataset::tokenize::signatures;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Rows gathered before they are written.
const ROWS: usize = 8192;

/// A document: portion, place in it.
pub type Document = (i32, i64);

pub fn fields() -> Vec<Field> {
    vec![
        Field::new("key", DataType::Binary, true),
        Field::new("portion", DataType::Int32, false),
        Field::new("n", DataType::Int64, false),
        Field::new("minima", DataType::Binary, true),
    ]
}

#[derive(Default)]
struct Rows {
    key: BinaryBuilder,
    portion: Int32Builder,
    n: Int64Builder,
    minima: BinaryBuilder,
    count: usize,
}

impl Rows {
    fn push<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        key: Option<&[u8]>,
        (portion, n): Document,
        minima: &[u32],
    ) -> Result<()> {
        self.key.append_option(key);
        self.portion.append_value(portion);
        self.n.append_value(n);
        let bytes: Vec<u8> = minima.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.minima.append_option((!bytes.is_empty()).then_some(bytes));
        self.count += 1;
        if self.count == ROWS { self.flush(writer) } else { Ok(()) }
    }

    fn flush<W: Write>(&mut self, writer: &mut Writer<W>) -> Result<()> {
        if std::mem::take(&mut self.count) == 0 {
            return Ok(());
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.key.finish()),
            Arc::new(self.portion.finish()),
            Arc::new(self.n.finish()),
            Arc::new(self.minima.finish()),
        ];
        writer.write(columns)
    }
}

/// Text to signatures.
pub fn sign(
    plan: &StagePlan,
    (hash, number): (&str, u64),
    documents: &mut Documents,
    output: impl Write,
    progress: &Progress,
) -> Result<()> {
    let dataset = plan.dataset()?;
    let sources = plan.sources();
    let portion = i32::try_from(number).map_err(|_| Error::config("more than 2^31 partitions"))?;
    let mut writer = Writer::new(output, fields(), hash, Form::Signatures)?;
    let (mut rows, mut spare, mut n) = (Rows::default(), Vec::new(), 0);
    while let Some(block) = documents.next(spare)? {
        progress.check()?;
        for signature in signatures(dataset, &block, &sources)? {
            let key = signature.exact.to_be_bytes();
            rows.push(&mut writer, Some(&key), (portion, n), &signature.minima)?;
            n += 1;
        }
        progress.add(block.size);
        spare = block.bytes;
    }
    rows.flush(&mut writer)?;
    writer.finish()
}

/// The columns of a stream of marks.
struct Marks<'a> {
    keys: Cells<'a>,
    portions: &'a [i32],
    places: &'a [i64],
    minima: Cells<'a>,
}

impl<'a> Marks<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self> {
        let missing = || Error::config("the stream holds no marks of documents (key, portion, n, minima)");
        let column = |name: &str| batch.column_by_name(name).ok_or_else(missing);
        Ok(Self {
            keys: Cells::of(batch, "key")?,
            portions: column("portion")?.as_primitive_opt::<Int32Type>().ok_or_else(missing)?.values(),
            places: column("n")?.as_primitive_opt::<Int64Type>().ok_or_else(missing)?.values(),
            minima: Cells::of(batch, "minima")?,
        })
    }

    fn document(&self, row: usize) -> Document {
        (self.portions[row], self.places[row])
    }

    fn minima(&self, row: usize) -> Vec<u32> {
        self.minima.at(row).as_chunks::<4>().0.iter().map(|&four| u32::from_le_bytes(four)).collect()
    }
}

/// Signatures to copies and bands, or bands to near copies. Equal keys must stand together, in the order of the documents.
pub fn compare<R: Read>(
    plan: &StagePlan,
    hash: &str,
    mut reader: Reader<R>,
    output: impl Write,
    progress: &Progress,
) -> Result<()> {
    let near = plan.dataset()?.clean.near_dedup;
    let bands = reader.about.form == Form::Bands;
    let mut writer = Writer::new(output, fields(), hash, if bands { Form::Copies } else { Form::Bands })?;
    let mut rows = Rows::default();
    let mut bucket = Bucket::default();
    let mut last: Option<(Vec<u8>, Document)> = None;
    while let Some(batch) = reader.next_batch()? {
        progress.check()?;
        let marks = Marks::of(&batch)?;
        for row in 0..batch.num_rows() {
            let (key, document) = (marks.keys.at(row), marks.document(row));
            let same = last.as_ref().is_some_and(|(last, _)| last == key);
            if last.as_ref().is_some_and(|(last, before)| (last.as_slice(), *before) >= (key, document)) {
                return Err(Error::corrupt("the marks are not sorted by key, portion and n"));
            }
            last = Some((key.to_vec(), document));
            let minima = marks.minima(row);
            let copy = match near.filter(|_| bands) {
                Some(near) => {
                    if !same {
                        bucket = Bucket::default();
                    }
                    bucket.add(Cow::Owned(minima.clone()), near)
                }
                None => same,
            };
            if copy {
                rows.push(&mut writer, None, document, &[])?;
            } else if !bands && near.is_some() {
                for band in 0..BANDS {
                    let mut key = vec![band as u8];
                    key.extend(band_hash(&minima, band).to_be_bytes());
                    rows.push(&mut writer, Some(&key), document, &minima)?;
                }
            }
        }
        progress.add(batch.num_rows() as u64);
    }
    rows.flush(&mut writer)?;
    writer.finish()
}

/// Copies found so far.
#[derive(Default)]
pub struct Copies(BTreeSet<Document>);

impl Copies {
    /// Adds the rows of a batch that have no key.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let marks = Marks::of(batch)?;
        let found = (0..batch.num_rows()).filter(|&row| marks.keys.is_null(row));
        self.0.extend(found.map(|row| marks.document(row)));
        Ok(())
    }

    /// For each portion that has copies, a bit a document.
    pub fn finish(self) -> BTreeMap<i32, Vec<u8>> {
        let mut bits: BTreeMap<i32, Vec<u8>> = BTreeMap::new();
        for (portion, n) in self.0 {
            let Ok(n) = usize::try_from(n) else { continue };
            let bytes = bits.entry(portion).or_default();
            bytes.resize(bytes.len().max(n / 8 + 1), 0);
            bytes[n / 8] |= 1 << (n % 8);
        }
        bits
    }
}
