//! What enters and leaves a trainer: parameters, a graph's edges, micro-batches, a step's options and its result.

use crate::runtime::resident::Update;
use crate::runtime::tensor::Edge;

/// A weight tensor (float32).
#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<i64>,
}

/// A random mask that a graph takes as an input.
#[derive(Clone, Debug)]
pub struct Mask {
    pub name: String,
    pub shape: Vec<i64>,
    pub p: f64,
}

/// What a graph needs beside its bytes. `gradients` are (parameter, output) names; empty for a forward-only graph.
#[derive(Clone, Debug, Default)]
pub struct GraphSpec {
    pub inputs: Vec<Edge>,
    pub outputs: Vec<Edge>,
    pub masks: Vec<Mask>,
    pub gradients: Vec<(String, String)>,
    /// With AdamW in the graph: the tensors that stay on the device. The last of `outputs` is then the gradients' norm.
    pub updates: Vec<Update>,
    /// A graph that puts out each of those unchanged as `host.<name>`.
    pub copier: Vec<u8>,
}

/// One micro-batch: the bytes of a graph's inputs, in the order of its spec.
#[derive(Clone, Debug)]
pub struct Feed {
    pub graph: usize,
    pub inputs: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
pub struct StepOptions {
    pub lr: f64,
    pub max_norm: Option<f64>,
    pub seed: u64,
    /// Keys the dropout masks.
    pub step: u32,
}

#[derive(Clone, Debug, Default)]
pub struct StepResult {
    /// Scalar outputs of the graphs in the order of their specs, added up over the micro-batches.
    pub scalars: Vec<f64>,
    pub grad_norm: f64,
    /// False where a loss or gradient was not finite: then the weights are as before.
    pub applied: bool,
    /// Milliseconds inside the runtime, in the optimizer (adding up, norm, update), and drawing masks.
    pub run_ms: f64,
    pub optimizer_ms: f64,
    pub mask_ms: f64,
}
