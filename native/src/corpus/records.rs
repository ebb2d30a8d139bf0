//! A block in, its records one by one out; what can't be read is handed on as a reject with its file, line and reason.

use std::borrow::Cow;

use arrow_array::RecordBatch;
use memchr::memchr_iter;
use serde::{Deserialize, Serialize};

use super::cut::{Block, Span};
use super::json::{self, Value};
use super::{Format, Source, table};
use crate::error::{Error, Result};

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    pub file: String,
    pub line: u64,
    pub reason: String,
}

/// Which fields of a record make an example. Files without fields (`file`, `line`, `paragraph`) have one: the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields {
    pub names: Vec<String>,
    /// Lists and objects are taken too, as they are written (conversations).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nested: bool,
}

/// Calls `each` with the fields of every record of a block, in order; `reject` with those that lack one or can't be read.
pub fn read(
    block: &Block,
    sources: &[Source],
    fields: &Fields,
    mut each: impl FnMut(&Span, u64, &[Cow<'_, str>]) -> Result<()>,
    mut reject: impl FnMut(Reject) -> Result<()>,
) -> Result<()> {
    let paths: Vec<json::Path> = fields.names.iter().map(|name| json::path(name)).collect();
    for span in &block.spans {
        let source = &sources[span.source];
        if let Some(batch) = &span.table {
            rows(span, source, batch, (&paths, fields.nested), &mut each, &mut reject)?;
            continue;
        }
        let bytes = &block.bytes[span.bytes.clone()];
        let first = span.line == 1;
        let bytes = if first { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        let whole = std::str::from_utf8(bytes).ok();
        let mut refuse = |line: u64, reason: String| reject(Reject { file: source.path.clone(), line, reason });
        let mut record = |range: std::ops::Range<usize>, line: u64| -> Result<()> {
            // One check for the whole span; only where it fails is each record looked at.
            let text = match whole {
                Some(text) => &text[range],
                None => match std::str::from_utf8(&bytes[range]) {
                    Ok(text) => text,
                    Err(error) => {
                        return refuse(line, format!("not UTF-8 from byte {} of the record on", error.valid_up_to()));
                    }
                },
            };
            match source.format {
                Format::Jsonl => {
                    if text.trim_ascii().is_empty() {
                        return Ok(());
                    }
                    let mut values: Vec<Option<Value<'_>>> = Vec::new();
                    if let Err(reason) = json::extract(text, &paths, &mut values) {
                        return refuse(line, reason);
                    }
                    let mut found = Vec::with_capacity(values.len());
                    for (value, name) in values.into_iter().zip(&fields.names) {
                        match value {
                            Some(Value::Raw(raw)) if !fields.nested && raw.starts_with(['{', '[']) => {
                                return refuse(line, format!("the field \"{name}\" is a list or an object, not text"));
                            }
                            Some(value) => found.push(value.into_text()),
                            None => return refuse(line, format!("the field \"{name}\" is missing")),
                        }
                    }
                    each(span, line, &found)
                }
                Format::Tsv => {
                    let text = text.trim_end_matches(['\n', '\r']);
                    if text.is_empty() {
                        return Ok(());
                    }
                    let cells: Vec<&str> = text.split('\t').collect();
                    let mut found = Vec::with_capacity(fields.names.len());
                    for name in &fields.names {
                        match name.parse::<usize>().ok().and_then(|at| cells.get(at)) {
                            Some(cell) => found.push(Cow::Borrowed(*cell)),
                            None => {
                                return refuse(line, format!("there is no field {name}: the line has {}", cells.len()));
                            }
                        }
                    }
                    each(span, line, &found)
                }
                Format::Line => {
                    let text = text.trim_end_matches(['\n', '\r']);
                    if text.trim().is_empty() { Ok(()) } else { each(span, line, &[Cow::Borrowed(text)]) }
                }
                Format::File => {
                    if text.trim().is_empty() {
                        refuse(line, "the file is empty".into())
                    } else {
                        each(span, line, &[Cow::Borrowed(text)])
                    }
                }
                Format::Paragraph => each(span, line, &[Cow::Borrowed(text.trim_end_matches(['\n', '\r']))]),
                // Rows, not bytes: dealt with above.
                Format::Parquet | Format::Arrow => Ok(()),
            }
        };
        match source.format {
            Format::File => record(0..bytes.len(), 1)?,
            Format::Parquet | Format::Arrow => {}
            Format::Paragraph => paragraphs(bytes, span.line, &mut record)?,
            Format::Line | Format::Jsonl | Format::Tsv => {
                let (mut start, mut line) = (0, span.line);
                for end in memchr_iter(b'\n', bytes).map(|at| at + 1).chain([bytes.len()]) {
                    if end > start {
                        record(start..end, line)?;
                    }
                    (start, line) = (end, line + 1);
                }
            }
        }
    }
    Ok(())
}

/// The rows of a table; a column that isn't there is the file's mistake, a null the row's.
fn rows(
    span: &Span,
    source: &Source,
    batch: &RecordBatch,
    (paths, nested): (&[json::Path], bool),
    each: &mut impl FnMut(&Span, u64, &[Cow<'_, str>]) -> Result<()>,
    reject: &mut impl FnMut(Reject) -> Result<()>,
) -> Result<()> {
    let mut columns = Vec::with_capacity(paths.len());
    for path in paths {
        let found = table::column(batch, path);
        columns.push(found.ok_or_else(|| {
            let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            Error::input(format!("{}: there is no column {}", source.path, path.join(".")))
                .with_hint(format!("it has {}", names.join(", ")))
        })?);
    }
    let mut found = Vec::with_capacity(columns.len());
    for row in 0..batch.num_rows() {
        let line = span.line + row as u64;
        let mut wrong = None;
        found.clear();
        for (column, path) in columns.iter().zip(paths) {
            match table::cell(column, row, nested) {
                Ok(Some(text)) => found.push(text),
                Ok(None) => wrong = Some(format!("the column {} is null", path.join("."))),
                Err(reason) => return Err(Error::input(format!("{}: {}: {reason}", source.path, path.join(".")))),
            }
        }
        match wrong {
            Some(reason) => reject(Reject { file: source.path.clone(), line, reason })?,
            None => each(span, line, &found)?,
        }
    }
    Ok(())
}

/// Runs of lines that are not blank (a line of spaces is blank).
fn paragraphs(
    bytes: &[u8],
    first: u64,
    record: &mut dyn FnMut(std::ops::Range<usize>, u64) -> Result<()>,
) -> Result<()> {
    let (mut start, mut line) = (0, first);
    let mut open: Option<(usize, u64)> = None;
    for end in memchr_iter(b'\n', bytes).map(|at| at + 1).chain([bytes.len()]) {
        let blank = bytes[start..end].trim_ascii().is_empty();
        match open {
            Some((from, at)) if blank => {
                record(from..start, at)?;
                open = None;
            }
            None if !blank => open = Some((start, line)),
            _ => {}
        }
        (start, line) = (end, line + 1);
    }
    match open {
        Some((from, at)) => record(from..bytes.len(), at),
        None => Ok(()),
    }
}
