//! A graph, weights and a batch enter, gradients and updated weights leave. The only room that knows ONNX Runtime.

pub mod decoder;
pub mod graph;
pub mod kernels;
pub mod lend;
pub mod library;
pub mod operators;
pub mod philox;
pub mod resident;
pub mod tensor;
pub mod trainer;
