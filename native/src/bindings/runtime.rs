//! The trainer as a class: its steps run on a pool thread, its tensors stay on the native side.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{AsyncTask, Float32Array, Uint8Array};
use napi_derive::napi;

use super::error::Result;
use super::optim::AdamWOptions;
use super::work::{Work, spawn};
use crate::error::Error;
use crate::runtime::graph::{Device, Threads};
use crate::runtime::philox::Init;
use crate::runtime::resident::Update;
use crate::runtime::tensor::{Dtype, Edge};
use crate::runtime::trainer::{self, Array, Feed, GraphSpec, Mask, Parameter, StepOptions};

#[napi(object)]
pub struct NativeEdge {
    pub name: String,
    pub dtype: String,
    pub shape: Vec<i64>,
}

#[napi(object)]
pub struct NativeMask {
    pub name: String,
    pub shape: Vec<i64>,
    pub p: f64,
}

#[napi(object)]
pub struct NativeParameter {
    pub name: String,
    pub shape: Vec<i64>,
}

#[napi(object)]
pub struct NativeGradient {
    pub parameter: String,
    pub output: String,
}

#[napi(object)]
pub struct NativeUpdate {
    pub input: String,
    pub output: String,
    pub shape: Vec<i64>,
}

#[napi(object)]
pub struct NativeGraphSpec {
    pub inputs: Vec<NativeEdge>,
    pub outputs: Vec<NativeEdge>,
    pub masks: Vec<NativeMask>,
    pub gradients: Vec<NativeGradient>,
    pub updates: Vec<NativeUpdate>,
    pub copier: Uint8Array,
}

/// One micro-batch: the graph's number and its inputs' bytes, in the order of its spec.
#[napi(object)]
pub struct NativeFeed {
    pub graph: u32,
    pub inputs: Vec<Uint8Array>,
}

#[napi(object)]
pub struct NativeStepOptions {
    pub lr: f64,
    pub max_norm: Option<f64>,
    pub seed: f64,
    pub step: u32,
}

#[napi(object)]
pub struct NativeStepResult {
    pub scalars: Vec<f64>,
    pub grad_norm: f64,
    pub applied: bool,
    pub run_ms: f64,
    pub optimizer_ms: f64,
    pub mask_ms: f64,
}

/// `kind`: zeros, ones, constant, normal, truncated-normal, uniform. `value` is its constant, deviation or bound.
fn read_init(kind: &str, value: f64) -> crate::error::Result<Init> {
    match kind {
        "zeros" => Ok(Init::Constant(0.0)),
        "ones" => Ok(Init::Constant(1.0)),
        "constant" => Ok(Init::Constant(value as f32)),
        "normal" => Ok(Init::Normal { std: value }),
        "truncated-normal" => Ok(Init::TruncatedNormal { std: value }),
        "uniform" => Ok(Init::Uniform { bound: value }),
        _ => Err(Error::internal(format!("no initialiser {kind}"))),
    }
}

fn read_edges(edges: Vec<NativeEdge>) -> crate::error::Result<Vec<Edge>> {
    edges.into_iter().map(|e| Ok(Edge { dtype: Dtype::parse(&e.dtype)?, name: e.name, shape: e.shape })).collect()
}

fn read_feed(feed: NativeFeed) -> Feed {
    Feed { graph: feed.graph as usize, inputs: feed.inputs.iter().map(|bytes| bytes.to_vec()).collect() }
}

fn lock(trainer: &Mutex<trainer::Trainer>) -> MutexGuard<'_, trainer::Trainer> {
    trainer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[napi]
pub struct NativeTrainer {
    inner: Arc<Mutex<trainer::Trainer>>,
}

#[napi]
impl NativeTrainer {
    /// Weights at zero. `library` is the path of libonnxruntime.
    #[napi(constructor)]
    pub fn new(
        library: String,
        parameters: Vec<NativeParameter>,
        threads: u32,
        spin: bool,
        device: String,
    ) -> Result<Self> {
        let parameters: Vec<Parameter> =
            parameters.into_iter().map(|p| Parameter { name: p.name, shape: p.shape }).collect();
        let threads = Threads { device: Device::parse(&device)?, intra: threads.max(1) as usize, spin };
        let inner = trainer::Trainer::new(&PathBuf::from(library), &parameters, threads)?;
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Must come before the first graph. `decays` belong to `names`, one each.
    #[napi]
    pub fn optimize(&self, names: Vec<String>, decays: Vec<f64>, options: AdamWOptions) -> Result<()> {
        Ok(lock(&self.inner).optimize(&names, &decays, options.into())?)
    }

    #[napi(ts_return_type = "Promise<number>")]
    pub fn add_graph(&self, onnx: Uint8Array, spec: NativeGraphSpec) -> Result<AsyncTask<Work<u32>>> {
        let spec = GraphSpec {
            inputs: read_edges(spec.inputs)?,
            outputs: read_edges(spec.outputs)?,
            masks: spec.masks.into_iter().map(|m| Mask { name: m.name, shape: m.shape, p: m.p }).collect(),
            gradients: spec.gradients.into_iter().map(|g| (g.parameter, g.output)).collect(),
            updates: spec
                .updates
                .into_iter()
                .map(|u| Update { input: u.input, output: u.output, shape: u.shape })
                .collect(),
            copier: spec.copier.to_vec(),
        };
        let (inner, onnx) = (Arc::clone(&self.inner), onnx.to_vec());
        Ok(spawn(move || Ok(lock(&inner).add_graph(&onnx, spec)? as u32)))
    }

    /// Runs a graph forward; the outputs' bytes in the order of its spec.
    #[napi(ts_return_type = "Promise<Array<Uint8Array>>")]
    pub fn run(&self, feed: NativeFeed) -> AsyncTask<Work<Vec<Uint8Array>>> {
        let (inner, feed) = (Arc::clone(&self.inner), read_feed(feed));
        spawn(move || Ok(lock(&inner).run(&feed)?.into_iter().map(Uint8Array::from).collect()))
    }

    #[napi(ts_return_type = "Promise<NativeStepResult>")]
    pub fn step(&self, micros: Vec<NativeFeed>, options: NativeStepOptions) -> AsyncTask<Work<NativeStepResult>> {
        let inner = Arc::clone(&self.inner);
        let micros: Vec<Feed> = micros.into_iter().map(read_feed).collect();
        let options =
            StepOptions { lr: options.lr, max_norm: options.max_norm, seed: options.seed as u64, step: options.step };
        spawn(move || {
            let r = lock(&inner).step(&micros, options)?;
            Ok(NativeStepResult {
                scalars: r.scalars,
                grad_norm: r.grad_norm,
                applied: r.applied,
                run_ms: r.run_ms,
                optimizer_ms: r.optimizer_ms,
                mask_ms: r.mask_ms,
            })
        })
    }

    #[napi(getter)]
    pub fn updates(&self) -> f64 {
        lock(&self.inner).updates() as f64
    }
    #[napi]
    pub fn set_updates(&self, updates: f64) {
        lock(&self.inner).set_updates(updates as u64);
    }

    /// Draws first values for all the named parameters.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn init(
        &self,
        names: Vec<String>,
        kinds: Vec<String>,
        values: Vec<f64>,
        seed: f64,
    ) -> Result<AsyncTask<Work<()>>> {
        let inner = Arc::clone(&self.inner);
        let inits = kinds.iter().zip(values).map(|(k, v)| read_init(k, v)).collect::<crate::error::Result<Vec<_>>>()?;
        Ok(spawn(move || {
            let mut trainer = lock(&inner);
            names.iter().zip(inits).try_for_each(|(name, init)| trainer.init(name, init, seed as u64))
        }))
    }

    /// Elements of an array (weight, gradient, exp_avg, exp_avg_sq, max_exp_avg_sq, ema); 0 where there is none.
    #[napi]
    pub fn size(&self, array: String, name: String) -> Result<f64> {
        Ok(lock(&self.inner).array(Array::parse(&array)?, &name)?.len() as f64)
    }

    /// Copies elements from `start` on into `into`.
    #[napi]
    pub fn read(&self, array: String, name: String, start: f64, mut into: Float32Array) -> Result<()> {
        let mut trainer = lock(&self.inner);
        trainer.pull()?;
        let from = trainer.array(Array::parse(&array)?, &name)?;
        let start = start as usize;
        // SAFETY: the array belongs to the caller, who waits for this call.
        let into = unsafe { into.as_mut() };
        let from = from
            .get(start..start + into.len())
            .ok_or_else(|| Error::internal(format!("{array} of {name} has no elements from {start} on")))?;
        into.copy_from_slice(from);
        Ok(())
    }

    /// Copies `from` into the array from `start` on.
    #[napi]
    pub fn write(&self, array: String, name: String, start: f64, from: Float32Array) -> Result<()> {
        let mut trainer = lock(&self.inner);
        let into = trainer.array_mut(Array::parse(&array)?, &name)?;
        let start = start as usize;
        let into = into
            .get_mut(start..start + from.len())
            .ok_or_else(|| Error::internal(format!("{array} of {name} has no elements from {start} on")))?;
        into.copy_from_slice(&from);
        Ok(())
    }

    /// Swaps the trained weights with their moving average; called again, back.
    #[napi]
    pub fn swap_average(&self) {
        lock(&self.inner).swap_average();
    }
}
