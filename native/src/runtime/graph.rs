//! ONNX bytes and the tensors at their edge enter; a session bound to those tensors leaves, to be run again and again.

use ort::environment::Environment;
use ort::ep;
use ort::memory::MemoryInfo;
use ort::session::IoBinding;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::DynValue;

use super::library::failed;
use super::operators;
use super::tensor::{Edge, Tensor};
use crate::error::{Error, Result};

/// Where a session's kernels run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Device {
    #[default]
    Cpu,
    /// The number of the card.
    Cuda(i32),
    WebGpu,
}

impl Device {
    /// Reads `cpu`, `cuda`, `cuda:1`, `webgpu`.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "webgpu" => Ok(Self::WebGpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => name.strip_prefix("cuda:").and_then(|n| n.parse().ok()).map(Self::Cuda).ok_or_else(|| {
                Error::config(format!("there is no device {name}")).with_hint("cpu, cuda, cuda:<n> or webgpu")
            }),
        }
    }
}

/// How sessions run.
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    pub device: Device,
    /// Threads inside an operator; operators run one after another.
    pub intra: usize,
    /// Keep idle threads spinning for work.
    pub spin: bool,
}

/// One session and its own tensors. `bindings` differ in where the gradients go.
pub struct Graph {
    session: Session,
    device: Device,
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
        let session = build(environment, onnx, threads).map_err(|error| refused(threads.device, &error))?;
        for edge in inputs.iter().chain(outputs) {
            let known = session.inputs().iter().chain(session.outputs()).any(|o| o.name() == edge.name);
            if !known {
                return Err(Error::internal(format!("the graph has no input or output {}", edge.name)));
            }
        }
        let inputs = inputs.iter().map(Tensor::zeros).collect::<Result<Vec<_>>>()?;
        let outputs = outputs.iter().map(Tensor::zeros).collect::<Result<Vec<_>>>()?;
        Ok(Self { session, device: threads.device, bindings: Vec::new(), inputs, outputs })
    }

    /// Adds a binding: the graph's own tensors, the weights, and where the gradients go. Returns its index.
    pub fn bind(&mut self, weights: &[Tensor], gradients: Shared) -> Result<usize> {
        let mut binding = self.session.create_binding().map_err(failed("make a binding"))?;
        bind_inputs(&mut binding, &self.session, &self.inputs, weights)?;
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

    /// `weights` as they were at `bind`: another device than the CPU gets fresh copies of all inputs.
    pub fn run(&mut self, binding: usize, weights: &[Tensor]) -> Result<()> {
        let unbound = || Error::internal("the graph was run before it was bound");
        let binding = self.bindings.get_mut(binding).ok_or_else(unbound)?;
        if self.device != Device::Cpu {
            bind_inputs(binding, &self.session, &self.inputs, weights)?;
        }
        self.session.run_binding(binding).map(drop).map_err(failed("run the graph"))
    }
}

impl Graph {
    /// One run with a binding of its own: `kept` are inputs that lie anywhere, `fresh` outputs that the runtime makes in
    /// `memory` and that are returned, in order. The rest as in `run`.
    pub fn run_kept(
        &mut self,
        weights: &[Tensor],
        kept: &[(&str, &DynValue)],
        fresh: &[&str],
        memory: &MemoryInfo,
    ) -> Result<Vec<DynValue>> {
        let mut binding = self.session.create_binding().map_err(failed("make a binding"))?;
        for input in self.session.inputs() {
            let name = input.name();
            if let Some((_, value)) = kept.iter().find(|(known, _)| *known == name) {
                binding.bind_input(name, *value).map_err(failed("bind an input"))?;
            } else if let Some(tensor) = self.inputs.iter().chain(weights).find(|t| t.name() == name) {
                binding.bind_input(name, &tensor.value).map_err(failed("bind an input"))?;
            } else {
                return Err(Error::internal(format!("nothing is bound to the graph's input {name}")));
            }
        }
        for tensor in &mut self.outputs {
            let name = tensor.name().to_owned();
            binding.bind_output(name, &mut tensor.value).map_err(failed("bind an output"))?;
        }
        for &name in fresh {
            binding.bind_output_to_device(name, memory).map_err(failed("bind an output"))?;
        }
        let mut outputs = self.session.run_binding(&binding).map_err(failed("run the graph"))?;
        let missing = |name: &str| Error::internal(format!("the graph put out no {name}"));
        fresh.iter().map(|name| outputs.remove(name).ok_or_else(|| missing(name))).collect()
    }
}

/// On the CPU the tensors are read where they are; on another device this copies them there.
fn bind_inputs(binding: &mut IoBinding, session: &Session, own: &[Tensor], weights: &[Tensor]) -> Result<()> {
    for input in session.inputs() {
        let name = input.name();
        let Some(tensor) = own.iter().chain(weights).find(|t| t.name() == name) else {
            return Err(Error::internal(format!("nothing is bound to the graph's input {name}")));
        };
        binding.bind_input(name, &tensor.value).map_err(failed("bind an input"))?;
    }
    Ok(())
}

/// The runtime's message, and where a device can't be had, what to do about it.
fn refused(device: Device, error: &ort::Error) -> Error {
    let full = error.to_string();
    // Before these words stand a file and a function of the runtime's own source.
    let told = ["[ONNXRuntimeError] : 1 : FAIL : ", " was false. "].iter().find_map(|mark| full.split_once(mark));
    let message =
        format!("ONNX Runtime could not load the graph: {}", told.map_or(full.as_str(), |(_, end)| end).trim());
    match device {
        Device::Cpu => Error::internal(message),
        Device::Cuda(_) => Error::environment(message).with_hint(
            "CUDA needs an NVIDIA driver, CUDA 12 and cuDNN 9 libraries on the library path, and the provider that `npm rebuild onnxruntime-node --ignore-scripts=false` downloads",
        ),
        Device::WebGpu => Error::environment(message)
            .with_hint("WebGPU needs a driver for Vulkan, Metal or Direct3D 12; --device cpu always works"),
    }
}

pub(super) fn build(environment: &Environment, onnx: &[u8], threads: Threads) -> ort::Result<Session> {
    let providers = match threads.device {
        Device::Cpu => Vec::new(),
        Device::Cuda(id) => vec![ep::CUDA::default().with_device_id(id).build().error_on_failure()],
        Device::WebGpu => vec![ep::WebGPU::default().build().error_on_failure()],
    };
    let mut builder = Session::builder(environment)?.with_execution_providers(providers)?;
    if threads.device == Device::Cpu {
        builder = builder.with_operators(operators::domain()?)?;
    }
    builder
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_parallel_execution(false)?
        // With patterns on, the second run takes one block for everything beside what the first one took: twice the memory.
        .with_memory_pattern(false)?
        .with_intra_threads(threads.intra)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(threads.spin)?
        .commit_from_memory(onnx)
}
