//! Files to documents: open and decompress, cut into blocks of whole records, read the records.

pub mod clean;
pub mod cut;
pub mod dedup;
pub mod filter;
pub mod json;
pub mod open;
pub mod portion;
pub mod records;
pub mod sentences;
pub mod table;

use serde::{Deserialize, Serialize};

/// How a file is taken apart into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The whole file is one document.
    File,
    /// A document a line.
    Line,
    /// Documents are separated by blank lines.
    Paragraph,
    /// A JSON object a line.
    Jsonl,
    /// Fields separated by tabs, a record a line; a field is named by its number from 0.
    Tsv,
    /// Columns of an Apache Parquet file.
    Parquet,
    /// Columns of an Arrow IPC file or stream.
    Arrow,
}

/// One input file: where it is, and its name in messages and in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub path: String,
    pub format: Format,
}
