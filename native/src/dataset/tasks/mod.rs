//! One file a task: `assemble` makes stored rows of encoded documents, `collate` makes batches of stored rows.

pub mod causal;
pub mod chat;
pub mod classify;
pub mod mask;
pub mod masked;
pub mod mlm;
pub mod pair;
pub mod seq2seq;
pub mod span;
pub mod stored;
