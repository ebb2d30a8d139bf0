//! One portion of the text as an Arrow stream in, what a stage makes of it as an Arrow stream out: how the engines of a
//! cluster run the code of the local build. Every step is a function of (plan, bytes of the stream) alone.

pub mod count;
pub mod dedup;
pub mod files;
pub mod folder;
pub mod pack;
pub mod pipe;
pub mod plan;
pub mod read;
pub mod run;
pub mod stream;
pub mod streams;
pub mod tokenize;
pub mod work;
