//! Normalise and split text.
