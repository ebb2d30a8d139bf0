//! Rows to Arrow IPC files and back: written whole or not at all, hashed on the way, mapped into memory for reading.

pub mod parquet;
pub mod read;
pub mod write;
