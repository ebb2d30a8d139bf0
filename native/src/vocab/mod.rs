//! Text to vocabulary: counting, BPE, WordPiece.

pub mod alphabet;
mod chunks;
pub mod count;
pub mod counts;
pub mod files;
mod known;
pub(crate) mod machine;
mod merge;
mod names;
pub mod normalizer;
mod prepare;
mod scan;
mod segments;
pub mod train;
pub mod words;
