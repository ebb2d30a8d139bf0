//! Gradients to weights.
