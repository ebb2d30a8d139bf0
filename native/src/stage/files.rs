//! A stream of pieces of files, lines or rows in; the same files, as the cutter opens them, out.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard};

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Int32Array, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};

use super::plan::SizedSource;
use super::stream::{Cells, Form, Reader};
use super::streams::Pipe;
use crate::corpus::cut::Files;
use crate::corpus::open::{Fingerprint, Input};
use crate::corpus::portion::{Portion, first_line};
use crate::corpus::table::{self, Batches};
use crate::error::{Error, Result};

/// The stream, and how much of it has been taken.
struct State {
    reader: Reader<Pipe>,
    sources: Vec<SizedSource>,
    portion: Portion,
    batch: Option<Batch>,
    row: usize,
    /// Bytes taken of the present row.
    at: usize,
    /// The newline of the last line waits: whether it is to come depends on what follows.
    newline: bool,
    failed: Option<Error>,
}

/// A batch that was read, and its column `source`.
struct Batch {
    rows: RecordBatch,
    sources: Int32Array,
    /// Where the rows end that are of the same file as the present one.
    end: usize,
}

impl Batch {
    fn of(rows: RecordBatch) -> Result<Self> {
        let column = rows.column_by_name("source").and_then(|column| column.as_primitive_opt::<Int32Type>());
        let sources = column.ok_or_else(|| Error::config("the stream has no column source: int32"))?.clone();
        Ok(Self { rows, sources, end: 0 })
    }

    /// Makes this row the present one.
    fn see(&mut self, row: usize) {
        if row >= self.end {
            let values = self.sources.values();
            let other = values[row..].iter().position(|&source| source != values[row]);
            self.end = other.map_or(values.len(), |count| row + count);
        }
    }
}

/// The files of one portion.
#[derive(Clone)]
pub struct Piped {
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Piped {
    pub fn new(reader: Reader<Pipe>, sources: Vec<SizedSource>, portion: Portion) -> Self {
        let (batch, failed) = (None, None);
        Self {
            state: Arc::new(Mutex::new(State {
                reader,
                sources,
                portion,
                batch,
                row: 0,
                at: 0,
                newline: false,
                failed,
            })),
        }
    }

    /// Why reading failed: the cutter knows only that it did.
    pub fn failure(&self) -> Option<Error> {
        lock(&self.state).failed.take()
    }

    /// Everything must have been read.
    pub fn finish(&self) -> Result<()> {
        match lock(&self.state).source()? {
            None => Ok(()),
            Some(source) => Err(Error::corrupt(format!("rows of the file {source} come out of their order"))),
        }
    }

    fn all(&self, source: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut piece = Piece { state: self.state.clone(), source };
        piece.read_to_end(&mut bytes).map_err(|error| Error::io("stdin", error))?;
        Ok(bytes)
    }
}

impl State {
    /// The file that the next row is of; None at the end of the stream.
    fn source(&mut self) -> Result<Option<usize>> {
        while self.batch.as_ref().is_none_or(|batch| self.row >= batch.rows.num_rows()) {
            let next = self.reader.next_batch()?.map(Batch::of).transpose()?;
            let ended = next.is_none();
            (self.batch, self.row, self.at) = (next, 0, 0);
            if ended {
                return Ok(None);
            }
        }
        let Some(batch) = &mut self.batch else { return Ok(None) };
        batch.see(self.row);
        let source = usize::try_from(batch.sources.value(self.row)).unwrap_or(usize::MAX);
        if !self.portion.files.contains(&source) {
            return Err(Error::corrupt(format!("the stream has rows of the file {source}, not of this partition")));
        }
        Ok(Some(source))
    }

    /// Does the portion's text of this file end in a line without a newline?
    fn open_ended(&self, source: usize) -> bool {
        let file = &self.sources[source];
        let last_line = file.bytes.saturating_sub(file.open_ended);
        let starts_here = |part: &std::ops::Range<u64>| {
            last_line <= part.end && (last_line > part.start || last_line == 0 && part.start == 0)
        };
        file.open_ended > 0 && self.portion.bytes.as_ref().is_none_or(starts_here)
    }

    fn read(&mut self, source: usize, out: &mut [u8]) -> Result<usize> {
        let lines = self.reader.about.form == Form::Lines;
        let mut n = 0;
        while n < out.len() {
            let next = self.source()?;
            if next.is_some_and(|next| next < source) {
                return Err(Error::corrupt(format!("rows of the file {source} come before those of another")));
            }
            let here = next == Some(source);
            if std::mem::take(&mut self.newline) && (here || !self.open_ended(source)) {
                out[n] = b'\n';
                n += 1;
                continue;
            }
            let Some(batch) = self.batch.as_ref().filter(|_| here) else { break };
            let (cells, end) = (Cells::of(&batch.rows, "data")?, batch.end);
            while self.row < end {
                let data = cells.at(self.row);
                let taken = (data.len() - self.at).min(out.len() - n);
                out[n..n + taken].copy_from_slice(&data[self.at..self.at + taken]);
                n += taken;
                self.at += taken;
                if self.at < data.len() {
                    break;
                }
                (self.row, self.at, self.newline) = (self.row + 1, 0, lines);
                // Behind the last of these rows it depends on what follows.
                if lines && self.row < end && n < out.len() {
                    (out[n], self.newline) = (b'\n', false);
                    n += 1;
                }
                if n == out.len() {
                    break;
                }
            }
        }
        Ok(n)
    }

    /// The next rows of this file, as many as the batch has.
    fn rows(&mut self, source: usize) -> Result<Option<RecordBatch>> {
        if self.source()? != Some(source) {
            return Ok(None);
        }
        let Some(batch) = &self.batch else { return Ok(None) };
        let count = batch.end - self.row;
        let rows = batch.rows.slice(self.row, count);
        self.row += count;
        Ok(Some(rows))
    }
}

impl Files for Piped {
    fn text(&mut self, source: usize) -> Result<Input> {
        let (form, path) = {
            let state = lock(&self.state);
            (state.reader.about.form, state.sources[source].path.clone())
        };
        let pipe = Box::new(Piece { state: self.state.clone(), source });
        match form {
            Form::Files => Input::piped(&path, pipe),
            Form::Lines => Ok(Input::unpacked(&path, pipe)),
            other => Err(Error::config(format!("{path}: text can't come as {other:?}"))),
        }
    }

    fn table(&mut self, source: usize) -> Result<Batches> {
        let (form, schema, path, format) = {
            let state = lock(&self.state);
            let file = &state.sources[source];
            (state.reader.about.form, state.reader.schema(), file.path.clone(), file.format)
        };
        match form {
            Form::Files => table::of_bytes(&path, format, self.all(source)?),
            Form::Rows => Ok(Box::new(Rows { state: self.state.clone(), source, schema })),
            other => Err(Error::config(format!("{path}: a table can't come as {other:?}"))),
        }
    }

    fn fingerprint(&mut self, _: usize) -> Result<Fingerprint> {
        Ok(Fingerprint { bytes: 0, sha256: String::new() })
    }

    fn first_line(&self) -> u64 {
        first_line(lock(&self.state).portion.bytes.as_ref())
    }
}

/// The bytes of one file.
struct Piece {
    state: Arc<Mutex<State>>,
    source: usize,
}

impl Read for Piece {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut state = lock(&self.state);
        state.read(self.source, out).map_err(|error| {
            let text = error.to_string();
            state.failed = Some(error);
            io::Error::other(text)
        })
    }
}

/// The rows of one file.
struct Rows {
    state: Arc<Mutex<State>>,
    source: usize,
    schema: SchemaRef,
}

impl Iterator for Rows {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut state = lock(&self.state);
        match state.rows(self.source) {
            Ok(rows) => rows.map(Ok),
            Err(error) => {
                let text = error.to_string();
                state.failed = Some(error);
                Some(Err(ArrowError::ExternalError(text.into())))
            }
        }
    }
}

impl RecordBatchReader for Rows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
