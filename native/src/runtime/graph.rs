//! ONNX bytes and the tensors at their edge enter; a session bound to those tensors leaves, to be run again and again.

use ort::environment::Environment;
use ort::session::IoBinding;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

use super::library::failed;
use super::tensor::{Edge, Tensor};
use crate::error::{Error, Result};

/// How sessions run on the CPU.
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    /// Threads inside an operator; operators run one after another.
    pub intra: usize,
    /// Keep idle threads spinning for work.
    pub spin: bool,
}

/// One session and its own tensors. `bindings` differ in where the gradients go.
pub struct Graph {
    session: Session,
    bindings: Vec<IoBinding>,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
}

/// Tensors of others that a graph reads or writes, under the name that the graph gives them.
pub type Shared<'a> = Vec<(&'a str, &'a mut Tensor)>;

impl Graph {
    /// `inputs` and `outputs` get tensors of their own; `weights` are read in place.
    /// Call `bind` at least once before `run`.
    pub fn new(
        environment: &Environment,
        onnx: &[u8],
        threads: Threads,
        inputs: &[Edge],
        outputs: &[Edge],
    ) -> Result<Self> {
        let session = build(environment, onnx, threads).map_err(failed("load the graph"))?;
        for edge in inputs.iter().chain(outputs) {
            let known = session.inputs().iter().chain(session.outputs()).any(|o| o.name() == edge.name);
            if !known {
                return Err(Error::internal(format!("the graph has no input or output {}", edge.name)));
            }
        }
        let inputs = inputs.iter().map(Tensor::zeros).collect::<Result<Vec<_>>>()?;
        let outputs = outputs.iter().map(Tensor::zeros).collect::<Result<Vec<_>>>()?;
        Ok(Self { session, bindings: Vec::new(), inputs, outputs })
    }

    /// Adds a binding: the graph's own tensors, the weights, and where the gradients go. Returns its index.
    pub fn bind(&mut self, weights: &[Tensor], gradients: Shared) -> Result<usize> {
        let mut binding = self.session.create_binding().map_err(failed("make a binding"))?;
        for input in self.session.inputs() {
            let name = input.name();
            let own = self.inputs.iter().find(|t| t.name() == name);
            let Some(tensor) = own.or_else(|| weights.iter().find(|t| t.name() == name)) else {
                return Err(Error::internal(format!("nothing is bound to the graph's input {name}")));
            };
            binding.bind_input(name, &tensor.value).map_err(failed("bind an input"))?;
        }
        for tensor in &mut self.outputs {
            let name = tensor.name().to_owned();
            binding.bind_output(name, &mut tensor.value).map_err(failed("bind an output"))?;
        }
        for (name, tensor) in gradients {
            binding.bind_output(name, &mut tensor.value).map_err(failed("bind a gradient"))?;
        }
        self.bindings.push(binding);
        Ok(self.bindings.len() - 1)
    }

    pub fn run(&mut self, binding: usize) -> Result<()> {
        let binding =
            self.bindings.get(binding).ok_or_else(|| Error::internal("the graph was run before it was bound"))?;
        self.session.run_binding(binding).map(drop).map_err(failed("run the graph"))
    }
}

pub(super) fn build(environment: &Environment, onnx: &[u8], threads: Threads) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_parallel_execution(false)?
        // With patterns on, the second run takes one block for everything beside what the first one took: twice the memory.
        .with_memory_pattern(false)?
        .with_intra_threads(threads.intra)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(threads.spin)?
        .commit_from_memory(onnx)
}
