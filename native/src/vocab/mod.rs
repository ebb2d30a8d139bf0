//! Text to vocabulary: counting, BPE, WordPiece.

pub mod alphabet;
pub mod bpe;
pub mod count;
pub mod files;
mod machine;
mod merge;
mod scan;
mod segments;
pub mod words;
