//! Prompts enter, next-token logits leave; the keys and values of what was read stay in the runtime's memory, in buffers
//! that the graph extends in place. One graph reads whole prompts and single tokens, for decoders with and without an
//! encoder in front.

use std::path::Path;

use ort::session::{IoBinding, Session};

use super::graph::{Threads, build};
use super::library::{self, failed};
use super::tensor::{Dtype, Edge, Tensor};
use super::trainer::Parameter;
use crate::error::{Error, Result};

/// One buffer of keys or values [rows, heads, places, size]: how the graph calls it before and after a run.
#[derive(Clone, Debug)]
pub struct CacheSpec {
    pub past: String,
    pub present: String,
    pub heads: usize,
    pub size: usize,
}

/// What an encoder hands to every step: [rows, source length, width].
#[derive(Clone, Debug)]
pub struct SourceSpec {
    pub name: String,
    pub width: usize,
}

/// The inputs of `onnx` beside weights, caches and sources: `input_ids` and `position_ids` int32 [rows, time],
/// `last_place` int32 [rows] (the place of each row's last valid token in the cache), `total_length` int32 [1] (places in
/// use), `last_index` int32 [rows] (the index of that token in `input_ids`), and with an encoder `source_mask` int32
/// [rows, source length]. It puts out `logits` [rows, vocabulary] and the caches.
#[derive(Clone, Debug)]
pub struct Spec {
    pub caches: Vec<CacheSpec>,
    pub sources: Vec<SourceSpec>,
    pub vocabulary: usize,
    /// Places a row: prompt and continuation together.
    pub capacity: usize,
}

pub struct Decoder {
    spec: Spec,
    weights: Vec<Tensor>,
    step: Session,
    encoder: Option<Session>,
    caches: Vec<Tensor>,
    sources: Vec<Tensor>,
    source_mask: Option<Tensor>,
    lengths: Vec<usize>,
    logits: Option<Tensor>,
    /// The binding that reads one token a row, and its tensors.
    single: Option<Reading>,
}

/// Bound tensors that read `time` tokens a row.
struct Reading {
    binding: IoBinding,
    ids: Tensor,
    positions: Tensor,
    last_place: Tensor,
    total: Tensor,
    last_index: Tensor,
}

impl Decoder {
    /// Weights at zero: `set_weight` fills them. `library` is the path of libonnxruntime.
    pub fn new(
        library: &Path,
        parameters: &[Parameter],
        graphs: (&[u8], Option<&[u8]>),
        spec: Spec,
        threads: Threads,
    ) -> Result<Self> {
        let environment = library::load(library)?;
        let weights = parameters
            .iter()
            .map(|p| Tensor::zeros(&Edge { name: p.name.clone(), dtype: Dtype::F32, shape: p.shape.clone() }))
            .collect::<Result<Vec<_>>>()?;
        let load = |onnx| build(environment, onnx, threads).map_err(failed("load the decoding graph"));
        Ok(Self {
            spec,
            weights,
            step: load(graphs.0)?,
            encoder: graphs.1.map(load).transpose()?,
            caches: Vec::new(),
            sources: Vec::new(),
            source_mask: None,
            lengths: Vec::new(),
            logits: None,
            single: None,
        })
    }

    pub fn set_weight(&mut self, name: &str, start: usize, values: &[f32]) -> Result<()> {
        let tensor = self.weights.iter_mut().find(|t| t.name() == name);
        let into = tensor.and_then(|t| t.floats_mut().get_mut(start..start + values.len()));
        into.ok_or_else(|| Error::internal(format!("{name} has no elements from {start} on")))?.copy_from_slice(values);
        Ok(())
    }

    pub fn rows(&self) -> usize {
        self.lengths.len()
    }
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }
    pub fn capacity(&self) -> usize {
        self.spec.capacity
    }

    /// Gives up the last token of full rows, so that the others can go on beside them.
    pub fn make_room(&mut self) {
        let capacity = self.spec.capacity;
        self.lengths.iter_mut().filter(|length| **length >= capacity).for_each(|length| *length = capacity - 1);
    }

    /// Forgets all that was read and makes room for `rows` rows; the buffers stay where their number is as before.
    pub fn start(&mut self, rows: usize) -> Result<()> {
        if rows == 0 {
            return Err(Error::input("there is nothing to decode"));
        }
        if self.lengths.len() != rows || self.caches.is_empty() {
            self.single = None;
            let capacity = self.spec.capacity;
            let cache = |c: &CacheSpec| float(&c.past, &[rows, c.heads, capacity, c.size]);
            self.caches = self.spec.caches.iter().map(cache).collect::<Result<_>>()?;
            self.logits = Some(float("logits", &[rows, self.spec.vocabulary])?);
        }
        self.lengths = vec![0; rows];
        Ok(())
    }

    /// Reads the source side: ids and mask [rows, time], `input_ids` and `source_mask` of the encoder's graph, which also
    /// takes `position_ids`. Each source row then serves `times` rows of the decoder, which
    /// starts anew.
    pub fn encode(&mut self, ids: &[i32], mask: &[i32], rows: usize, times: usize) -> Result<()> {
        let Some(encoder) = self.encoder.as_mut() else {
            return Err(Error::internal("this decoder has no encoder"));
        };
        let time = shape_of(ids.len(), rows)?;
        if mask.len() != ids.len() {
            return Err(Error::internal("the source's mask has another length than its ids"));
        }
        let ids = ints("input_ids", &[rows, time], ids)?;
        let mask = ints("source_mask", &[rows, time], mask)?;
        let places: Vec<i32> = (0..rows).flat_map(|_| 0..time as i32).collect();
        let positions = ints("position_ids", &[rows, time], &places)?;
        let source = |s: &SourceSpec| float(&s.name, &[rows, time, s.width]);
        let mut sources = self.spec.sources.iter().map(source).collect::<Result<Vec<_>>>()?;
        let mut binding = encoder.create_binding().map_err(failed("make a binding"))?;
        bind_inputs(&mut binding, encoder, &[&ids, &mask, &positions], &self.weights)?;
        for (spec, tensor) in self.spec.sources.iter().zip(&mut sources) {
            bind_output(&mut binding, &spec.name, tensor)?;
        }
        encoder.run_binding(&binding).map_err(failed("run the encoder"))?;
        self.sources = sources.iter().map(|tensor| repeat(tensor, times)).collect::<Result<_>>()?;
        self.source_mask = Some(repeat(&mask, times)?);
        self.single = None;
        self.start(rows * times)
    }

    /// Reads `lengths[row]` tokens of each row of `ids` [rows, time]; what lies behind them is padding.
    /// A row that has read before goes on where it ended; then all rows read one token, or there is one row.
    pub fn read(&mut self, ids: &[i32], lengths: &[usize]) -> Result<()> {
        let rows = self.rows();
        let time = shape_of(ids.len(), rows)?;
        if lengths.len() != rows || lengths.iter().any(|&length| length == 0 || length > time) {
            return Err(Error::input("an empty prompt can't be continued").with_hint("start with one token at least"));
        }
        let longest = self.lengths.iter().zip(lengths).map(|(a, b)| a + b).max().unwrap_or(0);
        if longest.max(self.lengths.iter().max().map_or(0, |l| l + time)) > self.spec.capacity {
            return Err(Error::input(format!(
                "{longest} tokens are more than the {} that there is room for",
                self.spec.capacity
            ))
            .with_hint("shorten the prompt, or ask for fewer new tokens"));
        }
        if time > 1 && rows > 1 && self.lengths.iter().any(|&length| length > 0) {
            return Err(Error::internal("several rows go on by one token at a time"));
        }
        let mut reading = match self.single.take() {
            Some(single) if time == 1 => single,
            other => {
                let made = self.make_reading(time)?;
                self.single = other;
                made
            }
        };
        reading.fill(ids, &self.lengths, lengths, time)?;
        self.step.run_binding(&reading.binding).map_err(failed("run the decoder"))?;
        for (own, more) in self.lengths.iter_mut().zip(lengths) {
            *own += more;
        }
        if time == 1 {
            self.single = Some(reading);
        }
        Ok(())
    }

    /// Logits [rows, vocabulary] after the last token of each row.
    pub fn logits(&self) -> Result<&[f32]> {
        let read = self.lengths.iter().all(|&length| length > 0);
        match &self.logits {
            Some(logits) if read => Ok(logits.floats()),
            _ => Err(Error::internal("logits were asked for before anything was read")),
        }
    }

    /// Row i goes on from what row `from[i]` has read: how a beam search drops and doubles its hypotheses.
    pub fn reorder(&mut self, from: &[usize]) -> Result<()> {
        let rows = self.rows();
        if from.len() != rows || from.iter().any(|&row| row >= rows) {
            return Err(Error::internal("the new order names rows that don't exist"));
        }
        let lengths = &self.lengths;
        for (tensor, cache) in self.caches.iter_mut().zip(&self.spec.caches) {
            let place = cache.size;
            let block = self.spec.capacity * place;
            let values = tensor.floats_mut();
            let moved: Vec<(usize, Vec<f32>)> = (0..rows)
                .filter(|&row| from[row] != row)
                .map(|row| {
                    let used = lengths[from[row]] * place;
                    let heads = (0..cache.heads).flat_map(|head| {
                        let start = (from[row] * cache.heads + head) * block;
                        values[start..start + used].iter().copied()
                    });
                    (row, heads.collect())
                })
                .collect();
            for (row, data) in moved {
                let used = lengths[from[row]] * place;
                for head in 0..cache.heads {
                    let start = (row * cache.heads + head) * block;
                    values[start..start + used].copy_from_slice(&data[head * used..(head + 1) * used]);
                }
            }
        }
        self.lengths = from.iter().map(|&row| lengths[row]).collect();
        Ok(())
    }

    fn make_reading(&mut self, time: usize) -> Result<Reading> {
        let rows = self.rows();
        let zeros = |name, shape: &[usize]| ints(name, shape, &vec![0; shape.iter().product()]);
        let ids = zeros("input_ids", &[rows, time])?;
        let positions = zeros("position_ids", &[rows, time])?;
        let last_place = zeros("last_place", &[rows])?;
        let total = zeros("total_length", &[1])?;
        let last_index = zeros("last_index", &[rows])?;
        let mut binding = self.step.create_binding().map_err(failed("make a binding"))?;
        let mut own = vec![&ids, &positions, &last_place, &total, &last_index];
        own.extend(&self.caches);
        own.extend(&self.sources);
        own.extend(&self.source_mask);
        bind_inputs(&mut binding, &self.step, &own, &self.weights)?;
        for (tensor, cache) in self.caches.iter_mut().zip(&self.spec.caches) {
            bind_output(&mut binding, &cache.present, tensor)?;
        }
        if let Some(logits) = &mut self.logits {
            bind_output(&mut binding, "logits", logits)?;
        }
        Ok(Reading { binding, ids, positions, last_place, total, last_index })
    }
}

impl Reading {
    fn fill(&mut self, ids: &[i32], before: &[usize], lengths: &[usize], time: usize) -> Result<()> {
        let ints = |tensor: &mut Tensor, values: &mut dyn Iterator<Item = usize>| {
            let bytes: Vec<u8> = values.flat_map(|v| (v as i32).to_le_bytes()).collect();
            tensor.set(&bytes)
        };
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        self.ids.set(&bytes)?;
        ints(&mut self.positions, &mut before.iter().flat_map(|&start| start..start + time))?;
        ints(&mut self.last_place, &mut before.iter().zip(lengths).map(|(a, b)| a + b - 1))?;
        let total = before.iter().zip(lengths).map(|(a, b)| a + b).max().unwrap_or(0);
        ints(&mut self.total, &mut std::iter::once(total))?;
        ints(&mut self.last_index, &mut lengths.iter().map(|l| l - 1))
    }
}

fn shape_of(elements: usize, rows: usize) -> Result<usize> {
    if rows == 0 || elements == 0 || !elements.is_multiple_of(rows) {
        return Err(Error::internal(format!("{elements} ids are no {rows} rows")));
    }
    Ok(elements / rows)
}

fn edge(name: &str, dtype: Dtype, shape: &[usize]) -> Edge {
    Edge { name: name.to_owned(), dtype, shape: shape.iter().map(|&d| d as i64).collect() }
}

fn float(name: &str, shape: &[usize]) -> Result<Tensor> {
    Tensor::zeros(&edge(name, Dtype::F32, shape))
}

fn ints(name: &str, shape: &[usize], values: &[i32]) -> Result<Tensor> {
    let mut tensor = Tensor::zeros(&edge(name, Dtype::I32, shape))?;
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor.set(&bytes)?;
    Ok(tensor)
}

/// Each row `times` times, one after the other.
fn repeat(tensor: &Tensor, times: usize) -> Result<Tensor> {
    let mut edge = tensor.edge().clone();
    let rows = edge.shape.first().map_or(1, |&d| d.max(1)) as usize;
    if let Some(first) = edge.shape.first_mut() {
        *first *= times as i64;
    }
    let bytes = tensor.bytes();
    let row = bytes.len() / rows;
    let mut repeated = Tensor::zeros(&edge)?;
    for (at, chunk) in repeated.bytes_mut().chunks_mut(row.max(1)).enumerate() {
        let from = at / times * row;
        chunk.copy_from_slice(&bytes[from..from + row]);
    }
    Ok(repeated)
}

/// Binds what the session asks for, by name; tensors that it doesn't ask for are left out.
fn bind_inputs(binding: &mut IoBinding, session: &Session, own: &[&Tensor], weights: &[Tensor]) -> Result<()> {
    for input in session.inputs() {
        let name = input.name();
        let found = own.iter().copied().chain(weights).find(|tensor| tensor.name() == name);
        let tensor = found.ok_or_else(|| Error::internal(format!("nothing is bound to the graph's input {name}")))?;
        binding.bind_input(name, &tensor.value).map_err(failed("bind an input"))?;
    }
    Ok(())
}

fn bind_output(binding: &mut IoBinding, name: &str, tensor: &mut Tensor) -> Result<()> {
    binding.bind_output(name, &mut tensor.value).map_err(failed("bind an output"))
}
