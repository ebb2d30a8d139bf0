//! The only room that knows Node: each file here puts a thin napi layer over one room of the crate.

pub mod corpus;
pub mod dataset;
pub mod encode_options;
pub mod error;
pub mod generate;
pub mod lock;
pub mod optim;
pub mod runtime;
#[cfg(unix)]
pub mod stage;
pub mod task;
pub mod texts;
pub mod tokenizer;
pub mod vocab;
pub mod work;
