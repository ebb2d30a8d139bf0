//! Graph and batch to gradients: the only room that knows ort.
