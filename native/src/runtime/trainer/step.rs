//! Micro-batches enter, one update leaves: masks drawn, graphs run, gradients added up, clipped and applied.

use std::time::Instant;

use super::{Feed, StepOptions, StepResult, Trainer, bind, gradient_edge};
use crate::error::{Error, Result};
use crate::optim::{self, norm};
use crate::runtime::graph::Graph;
use crate::runtime::philox;
use crate::runtime::resident::Host;
use crate::runtime::tensor::Tensor;

impl Trainer {
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
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
