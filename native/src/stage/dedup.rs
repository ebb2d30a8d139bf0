//! Documents in, marks of those that are copies of others out, in steps between which an engine sorts by `key`.
//!
//! Text -> signatures: a row a document, `key` the hash of its text. Signatures sorted by (key, portion, n) -> of equal ones
//! the first stays and, where near copies are looked for, gives a row for each of its bands (`key` the band's hash); the
//! others are copies (no key). Bands sorted the same way -> pairs of documents that are similar enough, the later one first.
//! `resolve` then goes through the pairs in the order of the text, as the local build does: a document is a copy where one
//! that stays is similar to it.
//!
//! Columns: `key: binary`, `portion: int32`, `n: int64` (place in the portion), `other_portion`, `other` (the document that
//! it is a copy of), `minima: binary` (128 little-endian uint32).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int32Builder, Int64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};

use super::plan::StagePlan;
use super::read::Documents;
use super::stream::{Form, Reader, Writer};
use crate::corpus::dedup::{BANDS, Signature, band_hash, similarity};
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
        Field::new("other_portion", DataType::Int32, true),
        Field::new("other", DataType::Int64, true),
        Field::new("minima", DataType::Binary, true),
    ]
}

#[derive(Default)]
struct Rows {
    key: BinaryBuilder,
    portion: Int32Builder,
    n: Int64Builder,
    other_portion: Int32Builder,
    other: Int64Builder,
    minima: BinaryBuilder,
    count: usize,
}

impl Rows {
    fn push<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        key: Option<&[u8]>,
        (portion, n): Document,
        other: Option<Document>,
        minima: &[u32],
    ) -> Result<()> {
        self.key.append_option(key);
        self.portion.append_value(portion);
        self.n.append_value(n);
        self.other_portion.append_option(other.map(|(portion, _)| portion));
        self.other.append_option(other.map(|(_, n)| n));
        let bytes: Vec<u8> = minima.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.minima.append_option((!bytes.is_empty()).then_some(bytes));
        self.count += 1;
        if self.count == ROWS { self.flush(writer) } else { Ok(()) }
    }

    fn flush<W: Write>(&mut self, writer: &mut Writer<W>) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        self.count = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.key.finish()),
            Arc::new(self.portion.finish()),
            Arc::new(self.n.finish()),
            Arc::new(self.other_portion.finish()),
            Arc::new(self.other.finish()),
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
            rows.push(&mut writer, Some(&key), (portion, n), None, &signature.minima)?;
            n += 1;
        }
        progress.add(block.size);
        spare = block.bytes;
    }
    rows.flush(&mut writer)?;
    writer.finish()
}

/// One row of a sorted stream.
struct Mark {
    key: Vec<u8>,
    document: Document,
    minima: Vec<u32>,
}

fn marks(batch: &RecordBatch) -> Result<Vec<Mark>> {
    let missing = || Error::config("the stream holds no marks of documents (key, portion, n, minima)");
    let column = |name: &str| batch.column_by_name(name).ok_or_else(missing);
    let portions = column("portion")?.as_primitive_opt::<Int32Type>().ok_or_else(missing)?;
    let places = column("n")?.as_primitive_opt::<Int64Type>().ok_or_else(missing)?;
    let (keys, minima) = (column("key")?, column("minima")?);
    let mark = |row: usize| -> Result<Mark> {
        let minima = binary(minima, row)?;
        Ok(Mark {
            key: binary(keys, row)?.to_vec(),
            document: (portions.value(row), places.value(row)),
            minima: minima.as_chunks::<4>().0.iter().map(|&four| u32::from_le_bytes(four)).collect(),
        })
    };
    (0..batch.num_rows()).map(mark).collect()
}

fn binary(column: &ArrayRef, row: usize) -> Result<&[u8]> {
    if column.is_null(row) {
        return Ok(&[]);
    }
    match column.data_type() {
        DataType::Binary => Ok(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Ok(column.as_binary::<i64>().value(row)),
        other => Err(Error::config(format!("a mark's column is {other}, not binary"))),
    }
}

/// Signatures to copies and bands, or bands to pairs. Equal keys must stand together, in the order of the documents.
pub fn compare<R: Read>(
    plan: &StagePlan,
    hash: &str,
    mut reader: Reader<R>,
    output: impl Write,
    progress: &Progress,
) -> Result<()> {
    let near = plan.dataset()?.clean.near_dedup;
    let bands = reader.about.form == Form::Bands;
    let mut writer = Writer::new(output, fields(), hash, if bands { Form::Pairs } else { Form::Bands })?;
    let mut rows = Rows::default();
    // Of signatures the first of the present key, of bands all of it.
    let mut group: Vec<Mark> = Vec::new();
    let mut last: Option<(Vec<u8>, Document)> = None;
    while let Some(batch) = reader.next_batch()? {
        progress.check()?;
        for mark in marks(&batch)? {
            let here = (mark.key.clone(), mark.document);
            if last.replace(here.clone()).is_some_and(|last| last >= here) {
                return Err(Error::corrupt("the marks are not sorted by key, portion and n"));
            }
            if group.first().is_some_and(|first| first.key != mark.key) {
                group.clear();
            }
            if bands {
                let signature = |mark: &Mark| Signature { exact: 0, minima: mark.minima.clone() };
                let own = signature(&mark);
                for other in &group {
                    if near.is_some_and(|near| similarity(&own, &signature(other)) >= near) {
                        rows.push(&mut writer, None, mark.document, Some(other.document), &[])?;
                    }
                }
                group.push(mark);
            } else if let Some(first) = group.first() {
                rows.push(&mut writer, None, mark.document, Some(first.document), &[])?;
            } else {
                let signature = Signature { exact: 0, minima: mark.minima.clone() };
                for band in (0..BANDS).filter(|_| near.is_some()) {
                    let mut key = vec![band as u8];
                    key.extend(band_hash(&signature, band).to_be_bytes());
                    rows.push(&mut writer, Some(&key), mark.document, None, &mark.minima)?;
                }
                group.push(mark);
            }
        }
        progress.add(batch.num_rows() as u64);
    }
    rows.flush(&mut writer)?;
    writer.finish()
}

/// Copies found so far, and pairs that are to be decided.
#[derive(Default)]
pub struct Resolver {
    copies: BTreeSet<Document>,
    pairs: BTreeMap<Document, Vec<Document>>,
}

impl Resolver {
    /// Adds the rows of a stream of copies (`near`: of pairs); those with a key are passed over.
    pub fn add(&mut self, batch: &RecordBatch, near: bool) -> Result<()> {
        let missing =
            || Error::config("the stream holds no marks of documents (key, portion, n, other_portion, other)");
        let column = |name: &str| batch.column_by_name(name).ok_or_else(missing);
        let keys = column("key")?;
        let [portions, others] = ["portion", "other_portion"].map(|name| column(name).cloned());
        let [places, other_places] = ["n", "other"].map(|name| column(name).cloned());
        let (portions, others, places, other_places) = (portions?, others?, places?, other_places?);
        let ints = |column: &ArrayRef| column.as_primitive_opt::<Int32Type>().cloned().ok_or_else(missing);
        let longs = |column: &ArrayRef| column.as_primitive_opt::<Int64Type>().cloned().ok_or_else(missing);
        let (portions, others) = (ints(&portions)?, ints(&others)?);
        let (places, other_places) = (longs(&places)?, longs(&other_places)?);
        for row in (0..batch.num_rows()).filter(|&row| keys.is_null(row)) {
            let document = (portions.value(row), places.value(row));
            if near {
                self.pairs.entry(document).or_default().push((others.value(row), other_places.value(row)));
            } else {
                self.copies.insert(document);
            }
        }
        Ok(())
    }

    /// For each portion that has copies, a bit a document.
    pub fn finish(self) -> BTreeMap<i32, Vec<u8>> {
        let mut gone = BTreeSet::new();
        for (document, others) in &self.pairs {
            if others.iter().any(|other| !gone.contains(other)) {
                gone.insert(*document);
            }
        }
        let mut bits: BTreeMap<i32, Vec<u8>> = BTreeMap::new();
        for &(portion, n) in self.copies.iter().chain(&gone) {
            let Ok(n) = usize::try_from(n) else { continue };
            let bytes = bits.entry(portion).or_default();
            bytes.resize(bytes.len().max(n / 8 + 1), 0);
            bytes[n / 8] |= 1 << (n % 8);
        }
        bits
    }
}
