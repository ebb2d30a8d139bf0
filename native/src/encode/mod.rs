//! Vocabulary to ids, and back.

mod added;
pub mod batch;
mod bpe;
mod bytes;
mod cache;
mod cuts;
mod decode;
mod encoding;
mod fast;
mod file;
mod files;
mod hash;
mod json;
mod pairs;
mod post;
mod pretokenise;
mod queue;
mod read;
mod roles;
mod sentencepiece;
mod stream;
mod stretches;
mod tokenizer;
mod vocab;
mod wordpiece;
mod write;

pub use added::AddedToken;
pub use encoding::{Direction, Encoding, Padding, Strategy, Truncation, pad};
pub use roles::Roles;
pub use stream::DecodeStream;
pub use tokenizer::{EncodeOptions, Scratch, Tokenizer, Unit};
