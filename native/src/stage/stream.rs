//! Arrow streams as the stages exchange them: a reader that notices a stream that was cut off, and a writer; both with the
//! plan's hash in the schema's metadata under the key `millrace`.

use std::collections::HashMap;
use std::io::{BufWriter, Read, Write};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// What a stream holds, in its schema's metadata.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// SHA-256 of the text of the plan.
    pub plan: String,
    pub form: Form,
    /// Which documents of the portion to leave out as copies of others: a bit a document, the lowest first, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<String>,
    /// How the words of counts were made, as in counts files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
    /// The partition that the stream is, for a process that is given several one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u64>,
}

impl About {
    pub fn new(plan: &str, form: Form) -> Self {
        Self { plan: plan.to_owned(), form, copies: None, made: None, partition: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `source: int32`, `data: binary`: pieces of files as they lie on disk.
    Files,
    /// `source: int32`, `data: binary`: a line of unpacked text a row, without its newline.
    Lines,
    /// `source: int32` and columns: rows of tables.
    Rows,
    /// `word: binary`, `n: int64`.
    Counts,
    /// Encoded documents.
    Tokens,
    /// `name: utf8`, `data: large_binary`: whole files.
    Outputs,
    /// Marks of documents, sorted by key: of whole texts; of bands; copies that were found.
    Signatures,
    Bands,
    Copies,
}

pub const KEY: &str = "millrace";

/// The end of a stream: a continuation marker and a length of zero.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Remembers the last bytes that went through it.
struct Watched<R> {
    inner: R,
    last: [u8; 8],
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(out)?;
        let new = n.min(8);
        self.last.rotate_left(new);
        self.last[8 - new..].copy_from_slice(&out[n - new..n]);
        Ok(n)
    }
}

pub struct Reader<R: Read> {
    inner: StreamReader<Watched<R>>,
    pub about: About,
}

fn cut(what: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("the Arrow stream is cut off or damaged: {what}"))
        .with_hint("the process that writes it ended early: the same partition can be tried again")
}

impl<R: Read> Reader<R> {
    /// `Corrupt` for what is no whole stream, `Config` for one that belongs to another plan than that with this hash.
    pub fn new(input: R, plan: &str) -> Result<Self> {
        let reader = Self::any(input)?;
        if reader.about.plan != plan {
            let theirs = &reader.about.plan;
            return Err(Error::config(format!("the stream belongs to the plan {theirs}, not to {plan}"))
                .with_hint("give each stage the plan that its input was made with"));
        }
        Ok(reader)
    }

    /// A stream of any plan. Nothing behind its end is read, and some reads are short: `input` should have a buffer.
    pub fn any(input: R) -> Result<Self> {
        let watched = Watched { inner: input, last: [0; 8] };
        let inner = StreamReader::try_new(watched, None).map_err(cut)?;
        let schema = inner.schema();
        let Some(text) = schema.metadata().get(KEY) else {
            return Err(Error::config(format!("the stream's schema has no metadata \"{KEY}\" with the plan's hash")));
        };
        let about: About =
            serde_json::from_str(text).map_err(|error| Error::config(format!("the stream's metadata: {error}")))?;
        Ok(Self { inner, about })
    }

    pub fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    /// The next batch; None at the proper end.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        match self.inner.next() {
            Some(batch) => batch.map(Some).map_err(cut),
            None if self.inner.get_ref().last == END => Ok(None),
            None => Err(cut("it has no end mark")),
        }
    }
}

/// A column of bytes or text, whichever of Arrow's types for them the engine prefers; a null is no bytes.
pub struct Cells<'a> {
    column: &'a ArrayRef,
    at: fn(&ArrayRef, usize) -> &[u8],
}

impl<'a> Cells<'a> {
    /// `Config` where the batch has no such column.
    pub fn of(batch: &'a RecordBatch, name: &str) -> Result<Self> {
        let missing = || Error::config(format!("the stream has no column {name}: binary"));
        let column = batch.column_by_name(name).ok_or_else(missing)?;
        let at: fn(&ArrayRef, usize) -> &[u8] = match column.data_type() {
            DataType::Binary => |column, row| column.as_binary::<i32>().value(row),
            DataType::LargeBinary => |column, row| column.as_binary::<i64>().value(row),
            DataType::Utf8 => |column, row| column.as_string::<i32>().value(row).as_bytes(),
            DataType::LargeUtf8 => |column, row| column.as_string::<i64>().value(row).as_bytes(),
            _ => return Err(missing()),
        };
        Ok(Self { column, at })
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.column.is_null(row)
    }

    pub fn at(&self, row: usize) -> &'a [u8] {
        if self.is_null(row) { &[] } else { (self.at)(self.column, row) }
    }
}

pub struct Writer<W: Write> {
    inner: StreamWriter<BufWriter<W>>,
    schema: SchemaRef,
}

fn output(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Error::new(Kind::Cancelled, "nobody reads the output any more")
        }
        ArrowError::IoError(_, error) => Error::io("stdout", error),
        other => Error::internal(format!("stdout: {other}")),
    }
}

impl<W: Write> Writer<W> {
    pub fn new(output_to: W, fields: Vec<Field>, plan: &str, form: Form) -> Result<Self> {
        Self::about(output_to, fields, About::new(plan, form))
    }

    pub fn about(output_to: W, fields: Vec<Field>, about: About) -> Result<Self> {
        let text = serde_json::to_string(&about).map_err(|error| Error::internal(format!("metadata: {error}")))?;
        let schema = Arc::new(Schema::new(fields).with_metadata(HashMap::from([(KEY.to_owned(), text)])));
        let buffered = BufWriter::with_capacity(1 << 18, output_to);
        Ok(Self { inner: StreamWriter::try_new(buffered, &schema).map_err(output)?, schema })
    }

    /// Writes columns of the schema's types as one batch.
    pub fn write(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let batch = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| Error::internal(format!("Arrow: {error}")))?;
        self.inner.write(&batch).map_err(output)?;
        self.inner.flush().map_err(output)
    }

    /// Writes the end mark.
    pub fn finish(mut self) -> Result<()> {
        self.inner.finish().map_err(output)?;
        self.inner.flush().map_err(output)
    }
}
