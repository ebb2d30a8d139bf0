//! Normalise and split text.

pub mod classes;
pub mod split;
