//! Normalise and split text.

pub mod classes;
pub mod key;
pub mod machine;
pub mod normalise;
pub mod split;
pub mod utf16;
