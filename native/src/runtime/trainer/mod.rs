//! Micro-batches enter, a step leaves: forward and backward in the runtime, gradients added up, clipped and applied in place.
//! Weights, gradients and moments stay here from the first step to the last; only what is asked for is copied out.

mod arrays;
mod spec;
mod step;

use std::path::Path;

pub use arrays::Array;
pub use spec::{Feed, GraphSpec, Mask, Parameter, StepOptions, StepResult};

use ort::environment::Environment;

use super::graph::{Graph, Threads};
use super::library;
use super::resident::{Host, Resident};
use super::tensor::{Dtype, Edge, Tensor};
use crate::error::{Error, Kind, Result};
use crate::optim::{self, AdamW};

struct Entry {
    graph: Graph,
    spec: GraphSpec,
    inputs: usize,
    /// Into the sum, and into the scratch tensors of later micro-batches.
    into_sum: Option<usize>,
    into_scratch: Option<usize>,
}

pub struct Trainer {
    environment: &'static Environment,
    threads: Threads,
    pool: rayon::ThreadPool,
    weights: Vec<Tensor>,
    entries: Vec<Entry>,
    /// Indices of the trained tensors among the weights; gradients and the optimizer's slots follow this order.
    trained: Vec<usize>,
    sum: Vec<Tensor>,
    scratch: Vec<Tensor>,
    adamw: Option<AdamW>,
    resident: Resident,
}

fn gradient_edge(parameter: &Tensor) -> Edge {
    Edge { name: format!("gradient of {}", parameter.name()), ..parameter.edge().clone() }
}

impl Trainer {
    /// Weights at zero. `library` is the path of libonnxruntime.
    pub fn new(library: &Path, parameters: &[Parameter], threads: Threads) -> Result<Self> {
        let environment = library::load(library)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.intra)
            .build()
            .map_err(|error| Error::environment(format!("can't start {} threads: {error}", threads.intra)))?;
        let weights = parameters
            .iter()
            .map(|p| Tensor::zeros(&Edge { name: p.name.clone(), dtype: Dtype::F32, shape: p.shape.clone() }))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            environment,
            threads,
            pool,
            weights,
            entries: Vec::new(),
            trained: Vec::new(),
            sum: Vec::new(),
            scratch: Vec::new(),
            adamw: None,
            resident: Resident::default(),
        })
    }

    fn weight_index(&self, name: &str) -> Result<usize> {
        self.weights
            .iter()
            .position(|t| t.name() == name)
            .ok_or_else(|| Error::new(Kind::Input, format!("there is no parameter {name}")))
    }

    /// Prepares the named parameters for training; `decays` are their weight decays, in the same order.
    pub fn optimize(&mut self, names: &[String], decays: &[f64], options: optim::Options) -> Result<()> {
        if !self.entries.is_empty() {
            return Err(Error::internal("the optimizer must be set up before the first graph"));
        }
        let trained = names.iter().map(|n| self.weight_index(n)).collect::<Result<Vec<_>>>()?;
        let sizes: Vec<(usize, f64)> =
            trained.iter().zip(decays).map(|(&i, &decay)| (self.weights[i].len(), decay)).collect();
        self.adamw = Some(AdamW::new(options, &sizes)?);
        self.sum = trained.iter().map(|&i| Tensor::zeros(&gradient_edge(&self.weights[i]))).collect::<Result<_>>()?;
        self.trained = trained;
        Ok(())
    }

    /// Loads a graph and binds it to the weights. Returns its number.
    pub fn add_graph(&mut self, onnx: &[u8], spec: GraphSpec) -> Result<usize> {
        let mut inputs = spec.inputs.clone();
        inputs.extend(spec.masks.iter().map(|m| Edge {
            name: m.name.clone(),
            dtype: Dtype::F32,
            shape: m.shape.clone(),
        }));
        let mut graph = Graph::new(self.environment, onnx, self.threads, &inputs, &spec.outputs)?;
        let inputs = spec.inputs.len();
        let into_sum = if spec.updates.is_empty() {
            Some(bind(&mut graph, &self.weights, &self.trained, &mut self.sum, &spec)?)
        } else {
            let make = || Graph::new(self.environment, &spec.copier, self.threads, &[], &[]);
            self.resident.join(&spec.updates, make)?;
            None
        };
        self.entries.push(Entry { graph, inputs, spec, into_sum, into_scratch: None });
        Ok(self.entries.len() - 1)
    }

    fn entry(&mut self, graph: usize) -> Result<&mut Entry> {
        self.entries.get_mut(graph).ok_or_else(|| Error::internal(format!("there is no graph number {graph}")))
    }

    fn feed(&mut self, feed: &Feed) -> Result<()> {
        let entry = self.entry(feed.graph)?;
        if feed.inputs.len() != entry.inputs {
            return Err(Error::internal(format!("the graph takes {} inputs, got {}", entry.inputs, feed.inputs.len())));
        }
        for (tensor, bytes) in entry.graph.inputs.iter_mut().zip(&feed.inputs) {
            tensor.set(bytes)?;
        }
        Ok(())
    }

    /// Runs a graph forward (dropout masks at 1) and returns its outputs' bytes, in the order of its spec.
    pub fn run(&mut self, feed: &Feed) -> Result<Vec<Vec<u8>>> {
        self.pull()?;
        self.feed(feed)?;
        let missing = || Error::internal("the graph is not bound");
        let entry = self.entries.get_mut(feed.graph).ok_or_else(missing)?;
        for mask in &mut entry.graph.inputs[entry.inputs..] {
            mask.floats_mut().fill(1.0);
        }
        entry.graph.run(entry.into_sum.ok_or_else(missing)?, &self.weights)?;
        Ok(entry.graph.outputs.iter().map(|t| t.bytes().to_vec()).collect())
    }

    /// Weights and moments as the device has them are copied here.
    pub fn pull(&mut self) -> Result<()> {
        let Some(adamw) = self.adamw.as_mut() else { return Ok(()) };
        self.resident.pull(&mut Host { weights: &mut self.weights, trained: &self.trained, adamw })
    }

    /// Updates done so far, and for a resumed run the way to say so.
    pub fn updates(&self) -> u64 {
        self.adamw.as_ref().map_or(0, AdamW::steps)
    }
    pub fn set_updates(&mut self, updates: u64) {
        if let Some(adamw) = &mut self.adamw {
            adamw.set_steps(updates);
        }
    }
}

fn bind(
    graph: &mut Graph,
    weights: &[Tensor],
    trained: &[usize],
    into: &mut [Tensor],
    spec: &GraphSpec,
) -> Result<usize> {
    if !spec.gradients.is_empty() && spec.gradients.len() != trained.len() {
        return Err(Error::internal(format!(
            "the graph gives {} gradients for {} trained parameters",
            spec.gradients.len(),
            trained.len()
        )));
    }
    let mut targets: Vec<Option<&mut Tensor>> = into.iter_mut().map(Some).collect();
    let mut shared = Vec::with_capacity(spec.gradients.len());
    for (parameter, output) in &spec.gradients {
        let place = trained.iter().position(|&i| weights[i].name() == parameter);
        let target = place.and_then(|p| targets.get_mut(p)).and_then(Option::take);
        let target = target.ok_or_else(|| Error::internal(format!("no place for the gradient of {parameter}")))?;
        shared.push((output.as_str(), target));
    }
    graph.bind(weights, shared)
}
