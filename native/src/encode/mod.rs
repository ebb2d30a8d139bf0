//! Vocabulary to ids, and back.
