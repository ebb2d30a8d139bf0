//! Text to vocabulary: counting, BPE, WordPiece.

pub mod alphabet;
pub mod count;
pub mod files;
pub(crate) mod machine;
mod merge;
mod prepare;
mod scan;
mod segments;
pub mod train;
pub mod words;
