//! The native core of Millrace. Text enters at the top of this list and gradients leave at the bottom;
//! each room knows only the rooms above it, and only `bindings` knows Node.

pub mod error;
pub mod lock;
pub mod progress;

pub mod text;
pub mod vocab;

pub mod encode;

pub mod arrow;
pub mod corpus;
pub mod dataset;
pub mod stage;

pub mod generate;
pub mod optim;
pub mod runtime;

#[cfg(feature = "node")]
pub mod bindings;
