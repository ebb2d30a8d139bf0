//! Micro-batches enter, a step leaves: forward and backward in the runtime, gradients added up, clipped and applied in place.
//! Weights, gradients and moments stay here from the first step to the last; only what is asked for is copied out.

use std::path::Path;
use std::time::Instant;

use ort::environment::Environment;

use super::graph::{Graph, Threads};
use super::library;
use super::philox;
use super::resident::{Host, Resident, Update};
use super::tensor::{Dtype, Edge, Tensor};
use crate::error::{Error, Kind, Result};
use crate::optim::{self, AdamW, norm};

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

/// The arrays that a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Array {
    Weight,
    Gradient,
    First,
    Second,
    Max,
    Ema,
}

impl Array {
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "weight" => Ok(Self::Weight),
            "gradient" => Ok(Self::Gradient),
            "exp_avg" => Ok(Self::First),
            "exp_avg_sq" => Ok(Self::Second),
            "max_exp_avg_sq" => Ok(Self::Max),
            "ema" => Ok(Self::Ema),
            _ => Err(Error::internal(format!("no array {name}"))),
        }
    }
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

    fn draw_masks(&mut self, graph: usize, options: StepOptions, micro: u32) -> Result<()> {
        let Some(entry) = self.entries.get_mut(graph) else { return Ok(()) };
        let (masks, inputs) = (&entry.spec.masks, &mut entry.graph.inputs[entry.inputs..]);
        self.pool.install(|| {
            for (index, (mask, tensor)) in masks.iter().zip(inputs).enumerate() {
                let stream = philox::mask_stream(options.seed, options.step, micro, index as u32);
                philox::dropout_mask(tensor.floats_mut(), mask.p, stream);
            }
        });
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

    /// One optimizer step over all micro-batches.
    pub fn step(&mut self, micros: &[Feed], options: StepOptions) -> Result<StepResult> {
        let mut result = StepResult::default();
        if let [feed] = micros
            && !self.entry(feed.graph)?.spec.updates.is_empty()
        {
            return self.step_resident(feed, options);
        }
        for (micro, feed) in micros.iter().enumerate() {
            self.feed(feed)?;
            let start = Instant::now();
            self.draw_masks(feed.graph, options, micro as u32)?;
            result.mask_ms += ms(start);
            let binding = self.binding(feed.graph, micro)?;
            let start = Instant::now();
            let Some(entry) = self.entries.get_mut(feed.graph) else { continue };
            entry.graph.run(binding, &self.weights)?;
            result.run_ms += ms(start);
            let scalars: Vec<f64> =
                entry.graph.outputs.iter().map(|t| t.floats().first().map_or(0.0, |&x| f64::from(x))).collect();
            result.scalars.resize(scalars.len().max(result.scalars.len()), 0.0);
            for (sum, x) in result.scalars.iter_mut().zip(scalars) {
                *sum += x;
            }
            if micro > 0 {
                let start = Instant::now();
                let mut into: Vec<&mut [f32]> = self.sum.iter_mut().map(Tensor::floats_mut).collect();
                let from: Vec<&[f32]> = self.scratch.iter().map(Tensor::floats).collect();
                self.pool.install(|| norm::accumulate(&mut into, &from));
                result.optimizer_ms += ms(start);
            }
        }
        let start = Instant::now();
        self.apply(options, &mut result)?;
        result.optimizer_ms += ms(start);
        Ok(result)
    }

    /// One step of a graph that holds AdamW itself.
    fn step_resident(&mut self, feed: &Feed, options: StepOptions) -> Result<StepResult> {
        let mut result = StepResult::default();
        self.feed(feed)?;
        let start = Instant::now();
        self.draw_masks(feed.graph, options, 0)?;
        result.mask_ms = ms(start);
        let start = Instant::now();
        let (Some(adamw), Some(entry)) = (self.adamw.as_mut(), self.entries.get_mut(feed.graph)) else {
            return Err(Error::internal("a step was asked for before the optimizer was set up"));
        };
        let host = Host { weights: &mut self.weights, trained: &self.trained, adamw };
        let finite = |graph: &Graph| {
            result.scalars = graph.outputs.iter().filter_map(|t| t.floats().first().copied()).map(f64::from).collect();
            result.grad_norm = result.scalars.pop().unwrap_or(f64::NAN);
            result.grad_norm.is_finite() && result.scalars.iter().all(|x| x.is_finite())
        };
        let updates = &entry.spec.updates;
        let applied = self.resident.step(&mut entry.graph, updates, &host, self.threads.device, finite)?;
        if applied {
            let updates = host.adamw.steps() + 1;
            host.adamw.set_steps(updates);
        }
        result.applied = applied;
        result.run_ms = ms(start);
        Ok(result)
    }

    /// Weights and moments as the device has them are copied here.
    pub fn pull(&mut self) -> Result<()> {
        let Some(adamw) = self.adamw.as_mut() else { return Ok(()) };
        self.resident.pull(&mut Host { weights: &mut self.weights, trained: &self.trained, adamw })
    }

    /// The first micro-batch writes into the sum, later ones into scratch tensors that are made at the first need.
    fn binding(&mut self, graph: usize, micro: usize) -> Result<usize> {
        let missing = || Error::internal("the graph is not bound");
        if micro == 0 {
            return self.entry(graph)?.into_sum.ok_or_else(missing);
        }
        if self.scratch.is_empty() {
            self.scratch =
                self.trained.iter().map(|&i| Tensor::zeros(&gradient_edge(&self.weights[i]))).collect::<Result<_>>()?;
        }
        let Some(entry) = self.entries.get_mut(graph) else { return Err(missing()) };
        match entry.into_scratch {
            Some(binding) => Ok(binding),
            None => {
                let spec = entry.spec.clone();
                let binding = bind(&mut entry.graph, &self.weights, &self.trained, &mut self.scratch, &spec)?;
                entry.into_scratch = Some(binding);
                Ok(binding)
            }
        }
    }

    fn apply(&mut self, options: StepOptions, result: &mut StepResult) -> Result<()> {
        let Some(adamw) = self.adamw.as_mut() else {
            return Err(Error::internal("a step was asked for before the optimizer was set up"));
        };
        let gradients: Vec<&[f32]> = self.sum.iter().map(Tensor::floats).collect();
        result.grad_norm = self.pool.install(|| norm::global_norm(&gradients));
        if !result.grad_norm.is_finite() || result.scalars.iter().any(|x| !x.is_finite()) {
            return Ok(());
        }
        let scale = options.max_norm.map_or(1.0, |max| norm::clip_factor(result.grad_norm, max));
        let mut by_place: Vec<Option<&mut [f32]>> = self.weights.iter_mut().map(|t| Some(t.floats_mut())).collect();
        let mut weights: Vec<&mut [f32]> = self.trained.iter().filter_map(|&i| by_place[i].take()).collect();
        self.pool.install(|| adamw.step(&mut weights, &gradients, optim::Update { lr: options.lr, scale }))?;
        result.applied = true;
        Ok(())
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

    /// Draws a parameter's first values.
    pub fn init(&mut self, name: &str, init: philox::Init, seed: u64) -> Result<()> {
        let index = self.weight_index(name)?;
        self.resident.forget();
        let values = self.weights[index].floats_mut();
        self.pool.install(|| philox::fill(values, init, philox::init_stream(seed, name)));
        Ok(())
    }

    /// One array of one parameter. Empty where the parameter has none (frozen, no AMSGrad, no average).
    pub fn array(&self, array: Array, name: &str) -> Result<&[f32]> {
        let index = self.weight_index(name)?;
        if array == Array::Weight {
            return Ok(self.weights[index].floats());
        }
        let Some(place) = self.trained.iter().position(|&i| i == index) else { return Ok(&[]) };
        if array == Array::Gradient {
            return Ok(self.sum[place].floats());
        }
        let Some(slot) = self.adamw.as_ref().and_then(|a| a.slots().get(place)) else { return Ok(&[]) };
        Ok(match array {
            Array::First => &slot.first,
            Array::Second => &slot.second,
            Array::Max => &slot.max,
            _ => &slot.ema,
        })
    }

    /// The same, to write into.
    pub fn array_mut(&mut self, array: Array, name: &str) -> Result<&mut [f32]> {
        self.pull()?;
        self.resident.forget();
        let index = self.weight_index(name)?;
        if array == Array::Weight {
            return Ok(self.weights[index].floats_mut());
        }
        let Some(place) = self.trained.iter().position(|&i| i == index) else { return Ok(&mut []) };
        if array == Array::Gradient {
            return Ok(self.sum[place].floats_mut());
        }
        let Some(slot) = self.adamw.as_mut().and_then(|a| a.slots_mut().get_mut(place)) else { return Ok(&mut []) };
        Ok(match array {
            Array::First => &mut slot.first,
            Array::Second => &mut slot.second,
            Array::Max => &mut slot.max,
            _ => &mut slot.ema,
        })
    }

    /// Swaps the weights with their moving average and back, for evaluation.
    pub fn swap_average(&mut self) {
        let Some(adamw) = &mut self.adamw else { return };
        for (&index, slot) in self.trained.iter().zip(adamw.slots_mut()) {
            if !slot.ema.is_empty() {
                self.weights[index].floats_mut().swap_with_slice(&mut slot.ema);
            }
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

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
