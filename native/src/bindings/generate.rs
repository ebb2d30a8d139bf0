//! Decoding as a class: it reads and chooses on a pool thread, weights and caches stay on the native side.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::{AsyncTask, Float32Array, Int32Array, Uint8Array, Uint32Array};
use napi_derive::napi;

use super::error::Result;
use super::runtime::NativeParameter;
use super::work::{Work, spawn};
use crate::error::Error;
use crate::generate::generator::{Generator, Settings};
use crate::generate::sample::{Options, top_log_probs};
use crate::runtime::decoder::{CacheSpec, Decoder, SourceSpec, Spec};
use crate::runtime::graph::{Device, Threads};
use crate::runtime::trainer::Parameter;

#[napi(object)]
pub struct NativeCache {
    pub past: String,
    pub present: String,
    pub heads: u32,
    pub size: u32,
}

#[napi(object)]
pub struct NativeSource {
    pub name: String,
    pub width: u32,
}

#[napi(object)]
pub struct NativeDecoderSpec {
    pub caches: Vec<NativeCache>,
    pub sources: Vec<NativeSource>,
    pub vocabulary: u32,
    pub capacity: u32,
}

#[napi(object)]
pub struct NativeSampling {
    pub temperature: f64,
    pub top_k: Option<u32>,
    pub top_p: Option<f64>,
    pub min_p: Option<f64>,
    pub repetition_penalty: f64,
    pub suppress: Vec<u32>,
    pub seed: f64,
    pub max_new_tokens: u32,
    pub min_new_tokens: u32,
    pub end: Vec<u32>,
}

impl From<&NativeSampling> for Options {
    fn from(s: &NativeSampling) -> Self {
        Self {
            temperature: s.temperature as f32,
            top_k: s.top_k.map(|k| k as usize),
            top_p: s.top_p.map(|p| p as f32),
            min_p: s.min_p.map(|p| p as f32),
            repetition_penalty: s.repetition_penalty as f32,
            suppress: s.suppress.clone(),
        }
    }
}

impl From<&NativeSampling> for Settings {
    fn from(s: &NativeSampling) -> Self {
        Self {
            sampling: s.into(),
            seed: s.seed as u64,
            max_new_tokens: s.max_new_tokens as usize,
            min_new_tokens: s.min_new_tokens as usize,
            end: s.end.clone(),
        }
    }
}

/// The likeliest next tokens of each row, best first: [rows, k].
#[napi(object)]
pub struct NativeTop {
    pub ids: Uint32Array,
    pub log_probs: Float32Array,
}

/// New tokens of all rows, one row after the other, and how many each row has.
#[napi(object)]
pub struct NativeAdvance {
    pub tokens: Uint32Array,
    pub counts: Uint32Array,
    pub ended: bool,
}

struct State {
    decoder: Decoder,
    generator: Option<Generator>,
}

#[napi]
pub struct NativeDecoder {
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[napi]
impl NativeDecoder {
    /// Weights at zero. `library` is the path of libonnxruntime.
    #[napi(constructor)]
    pub fn new(
        library: String,
        parameters: Vec<NativeParameter>,
        step: Uint8Array,
        encoder: Option<Uint8Array>,
        spec: NativeDecoderSpec,
        threads: u32,
        spin: bool,
    ) -> Result<Self> {
        let parameters: Vec<Parameter> =
            parameters.into_iter().map(|p| Parameter { name: p.name, shape: p.shape }).collect();
        let caches = spec.caches.into_iter().map(|c| CacheSpec {
            past: c.past,
            present: c.present,
            heads: c.heads as usize,
            size: c.size as usize,
        });
        let sources = spec.sources.into_iter().map(|s| SourceSpec { name: s.name, width: s.width as usize });
        let spec = Spec {
            caches: caches.collect(),
            sources: sources.collect(),
            vocabulary: spec.vocabulary as usize,
            capacity: spec.capacity as usize,
        };
        let threads = Threads { device: Device::Cpu, intra: threads.max(1) as usize, spin };
        let graphs = (step.as_ref(), encoder.as_deref());
        let decoder = Decoder::new(&PathBuf::from(library), &parameters, graphs, spec, threads)?;
        Ok(Self { state: Arc::new(Mutex::new(State { decoder, generator: None })) })
    }

    /// Copies `from` into a weight from element `start` on.
    #[napi]
    pub fn write(&self, name: String, start: f64, from: Float32Array) -> Result<()> {
        Ok(lock(&self.state).decoder.set_weight(&name, start as usize, &from)?)
    }

    /// Forgets what was read and makes room for so many rows.
    #[napi]
    pub fn start(&self, rows: u32) -> Result<()> {
        Ok(lock(&self.state).decoder.start(rows as usize)?)
    }

    /// Reads the source side: ids and mask [rows, time]; each row then serves `times` rows.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn encode(&self, ids: Int32Array, mask: Int32Array, rows: u32, times: u32) -> AsyncTask<Work<()>> {
        let (state, ids, mask) = (Arc::clone(&self.state), ids.to_vec(), mask.to_vec());
        spawn(move || lock(&state).decoder.encode(&ids, &mask, rows as usize, times as usize))
    }

    /// Reads `lengths[row]` tokens of each row of `ids` [rows, time].
    #[napi(ts_return_type = "Promise<void>")]
    pub fn read(&self, ids: Int32Array, lengths: Uint32Array) -> AsyncTask<Work<()>> {
        let state = Arc::clone(&self.state);
        let ids = ids.to_vec();
        let lengths: Vec<usize> = lengths.iter().map(|&l| l as usize).collect();
        spawn(move || lock(&state).decoder.read(&ids, &lengths))
    }

    /// A copy of the logits [rows, vocabulary] after what was read last.
    #[napi]
    pub fn logits(&self) -> Result<Float32Array> {
        Ok(Float32Array::new(lock(&self.state).decoder.logits()?.to_vec()))
    }

    /// The `k` likeliest next tokens of each row.
    #[napi]
    pub fn top(&self, k: u32, suppress: Uint32Array) -> Result<NativeTop> {
        let state = lock(&self.state);
        let logits = state.decoder.logits()?;
        let width = (logits.len() / state.decoder.rows().max(1)).max(1);
        let (mut ids, mut log_probs) = (Vec::new(), Vec::new());
        for row in logits.chunks(width) {
            for (id, log_prob) in top_log_probs(row, &suppress, k as usize)? {
                ids.push(id);
                log_probs.push(log_prob);
            }
        }
        Ok(NativeTop { ids: Uint32Array::new(ids), log_probs: Float32Array::new(log_probs) })
    }

    /// Row i goes on from what row `from[i]` has read.
    #[napi]
    pub fn reorder(&self, from: Uint32Array) -> Result<()> {
        let from: Vec<usize> = from.iter().map(|&row| row as usize).collect();
        Ok(lock(&self.state).decoder.reorder(&from)?)
    }

    /// Reads the prompts, `lengths[row]` tokens each, and prepares their continuation. Call `start` or `encode` before.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn prompt(&self, tokens: Uint32Array, lengths: Uint32Array, sampling: NativeSampling) -> AsyncTask<Work<()>> {
        let state = Arc::clone(&self.state);
        let mut rest = tokens.as_ref();
        let mut prompts = Vec::with_capacity(lengths.len());
        for &length in lengths.iter() {
            let (prompt, after) = rest.split_at((length as usize).min(rest.len()));
            prompts.push(prompt.to_vec());
            rest = after;
        }
        spawn(move || {
            let mut state = lock(&state);
            let generator = Generator::start(&mut state.decoder, &prompts, (&sampling).into())?;
            state.generator = Some(generator);
            Ok(())
        })
    }

    /// Continues every row for about `milliseconds`.
    #[napi(ts_return_type = "Promise<NativeAdvance>")]
    pub fn advance(&self, milliseconds: f64) -> AsyncTask<Work<NativeAdvance>> {
        let state = Arc::clone(&self.state);
        spawn(move || {
            let mut state = lock(&state);
            let State { decoder, generator } = &mut *state;
            let Some(generator) = generator else {
                return Err(Error::internal("there is no prompt to continue"));
            };
            let rows = generator.advance(decoder, Duration::from_secs_f64(milliseconds.max(0.0) / 1e3))?;
            let counts = rows.iter().map(|row| row.len() as u32).collect();
            Ok(NativeAdvance {
                tokens: Uint32Array::new(rows.concat()),
                counts: Uint32Array::new(counts),
                ended: generator.ended(),
            })
        })
    }

    /// Ends a row: its stop string has come.
    #[napi]
    pub fn end(&self, row: u32) {
        if let Some(generator) = &mut lock(&self.state).generator {
            generator.end(row as usize);
        }
    }
}
