//! Ids to rows: documents are encoded, split, assembled into the rows of a task, written as shards, and read back as batches.

pub mod build;
pub mod collate;
pub mod columns;
pub mod encoder;
pub mod ids;
pub mod loader;
pub mod manifest;
pub mod pack;
pub mod plan;
pub mod pool;
pub mod prefetch;
pub mod request;
pub mod rng;
pub mod rows;
pub mod shard;
pub mod shuffle;
pub mod special;
pub mod task;
pub mod tasks;
pub mod tokenize;
pub mod tokens;
