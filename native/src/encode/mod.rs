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
mod ids;
mod json;
mod pairs;
mod post;
mod pretokenise;
mod queue;
mod read;
mod roles;
mod rows;
mod sentencepiece;
mod spelling;
mod stream;
mod stretches;
mod tokenizer;
mod vocab;
mod wordpiece;
mod write;

pub use added::AddedToken;
pub use encoding::{Direction, Encoding, Padding, Strategy, Truncation, pad};
pub use ids::Scratch;
pub use roles::Roles;
pub use rows::{EncodeOptions, Unit};
pub use stream::DecodeStream;
pub use tokenizer::Tokenizer;
