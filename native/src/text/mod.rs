//! Normalise and split text.

pub mod classes;
pub mod normalise;
pub mod split;
pub mod utf16;
