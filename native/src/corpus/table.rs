//! A Parquet or Arrow file in, record batches of text out; a row's columns are its fields, named by path (`meta.text`).

use std::borrow::Cow;
use std::fs::File;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchReader};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;
use serde_json::Value;

use super::Format;
use super::records::Fields;
use crate::error::{Error, Result};

/// Rows of a batch; a block takes whole batches.
const ROWS: usize = 1024;

pub type Batches = Box<dyn RecordBatchReader + Send>;

/// Opens a file of columns.
pub fn open(path: &str, format: Format) -> Result<Batches> {
    let file = || File::open(path).map_err(|error| Error::io(path, error));
    if format == Format::Parquet {
        let file = file()?;
        return guarded(path, || parquet(file));
    }
    let (first, second) = (file()?, file()?);
    guarded(path, || {
        // An Arrow file begins with a magic word, a stream doesn't.
        FileReader::try_new(first, None)
            .map(boxed)
            .or_else(|wrong| StreamReader::try_new_buffered(second, None).map(boxed).map_err(|_| wrong))
    })
}

/// Reads a file of columns that is in memory.
pub fn of_bytes(path: &str, format: Format, bytes: Vec<u8>) -> Result<Batches> {
    guarded(path, || {
        if format == Format::Parquet {
            parquet(bytes::Bytes::from(bytes))
        } else if bytes.starts_with(b"ARROW1") {
            FileReader::try_new(Cursor::new(bytes), None).map(boxed)
        } else {
            StreamReader::try_new(Cursor::new(bytes), None).map(boxed)
        }
    })
}

fn parquet(bytes: impl ChunkReader + 'static) -> Decoded<Batches> {
    Ok(Box::new(ParquetRecordBatchReaderBuilder::try_new(bytes)?.with_batch_size(ROWS).build()?))
}

fn boxed(batches: impl RecordBatchReader + Send + 'static) -> Batches {
    Box::new(batches)
}

type Decoded<T> = std::result::Result<T, ArrowError>;

/// Opens a file of columns; damaged ones, at which the decoders panic, are errors then and later.
fn guarded(path: &str, open: impl FnOnce() -> Decoded<Batches>) -> Result<Batches> {
    let batches = no_panic(open).map_err(|error| Error::input(format!("{path}: {error}")))?;
    Ok(Box::new(Guarded { schema: batches.schema(), batches: Some(batches) }))
}

fn no_panic<T>(work: impl FnOnce() -> Decoded<T>) -> Decoded<T> {
    // What a panic leaves behind is not used again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(ArrowError::ParseError("the file is damaged".into())))
}

/// Batches up to the first error.
struct Guarded {
    schema: SchemaRef,
    batches: Option<Batches>,
}

impl Iterator for Guarded {
    type Item = Decoded<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batches = self.batches.take()?;
        let next = no_panic(|| batches.next().transpose()).transpose();
        if let Some(Ok(_)) = next {
            self.batches = Some(batches);
        }
        next
    }
}

impl RecordBatchReader for Guarded {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// Bytes of a batch as it counts for blocks and partitions.
pub fn size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

/// How many rows to take so that the last of them holds byte `boundary` of the text in `fields`, all where none does; the
/// bytes of text in them. A column that isn't there counts nothing: reading it will say so.
pub fn until(batch: &RecordBatch, fields: &Fields, boundary: u64) -> (usize, u64) {
    let columns: Vec<ArrayRef> =
        fields.names.iter().filter_map(|name| column(batch, &super::json::path(name))).collect();
    let length = |column: &ArrayRef, row: usize| match cell(column, row, fields.nested) {
        Ok(Some(text)) => text.len() as u64,
        _ => 0,
    };
    let mut size = 0;
    for row in 0..batch.num_rows() {
        size += columns.iter().map(|column| length(column, row)).sum::<u64>();
        if size > boundary {
            return (row + 1, size);
        }
    }
    (batch.num_rows(), size)
}

/// The column at a path of names, through structs.
pub fn column(batch: &RecordBatch, path: &[String]) -> Option<ArrayRef> {
    let (first, rest) = path.split_first()?;
    let mut found = batch.column_by_name(first)?.clone();
    for name in rest {
        found = found.as_struct_opt()?.column_by_name(name)?.clone();
    }
    Some(found)
}

/// A cell as text: None where it is null, an error where a column of this type can't be text. Lists and structs are JSON.
pub fn cell(column: &ArrayRef, row: usize, nested: bool) -> std::result::Result<Option<Cow<'_, str>>, String> {
    use arrow_array::types::{
        Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    };
    if column.is_null(row) {
        return Ok(None);
    }
    macro_rules! number {
        ($kind:ty) => {
            Cow::Owned(column.as_primitive::<$kind>().value(row).to_string())
        };
    }
    Ok(Some(match column.data_type() {
        DataType::Utf8 => Cow::Borrowed(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Cow::Borrowed(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Cow::Borrowed(column.as_string_view().value(row)),
        DataType::Boolean => Cow::Borrowed(if column.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) if nested => {
            Cow::Owned(json(column, row)?.to_string())
        }
        other => return Err(format!("a column of {other} is not text")),
    }))
}

/// A cell as JSON; strings stay strings, everything else is as `cell` writes it.
fn json(column: &ArrayRef, row: usize) -> std::result::Result<Value, String> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    let list = |values: ArrayRef| (0..values.len()).map(|i| json(&values, i)).collect::<std::result::Result<_, _>>();
    match column.data_type() {
        DataType::List(_) => list(column.as_list::<i32>().value(row)).map(Value::Array),
        DataType::LargeList(_) => list(column.as_list::<i64>().value(row)).map(Value::Array),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(column.as_struct().columns());
            columns.map(|(field, column)| Ok((field.name().clone(), json(column, row)?))).collect()
        }
        _ => Ok(cell(column, row, false)?.map_or(Value::Null, |text| Value::String(text.into_owned()))),
    }
}
