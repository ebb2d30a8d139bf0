//! Building, reading and checking datasets from Node. Requests and manifests cross as JSON, batches as Int32Arrays.

use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::{AsyncTask, Either, Int32Array, Null};
use napi_derive::napi;

use super::error::Result;
use super::task::Task;
use super::work::{Work, spawn};
use crate::dataset::build::build;
use crate::dataset::collate::Column;
use crate::dataset::loader::{Batch, Options};
use crate::dataset::manifest::Manifest;
use crate::dataset::pool::Pool;
use crate::dataset::prefetch::Prefetch;
use crate::dataset::request::Request;
use crate::error::{Error, Result as OurResult};

fn json(value: &impl serde::Serialize) -> OurResult<String> {
    serde_json::to_string(value).map_err(|error| Error::internal(format!("JSON: {error}")))
}

/// The plan that a request comes to, as JSON; nothing is written.
#[napi]
pub fn plan_dataset(request: String) -> Result<String> {
    let resolved = Request::parse(&request)?.resolve()?;
    Ok(json(&resolved.plan)?)
}

/// Builds a dataset and resolves to its manifest, as JSON. Progress counts bytes of text.
#[napi(ts_return_type = "Promise<string>")]
pub fn build_dataset(task: &Task, request: String) -> AsyncTask<Work<String>> {
    let progress = task.progress.clone();
    spawn(move || {
        let (resolved, tokenizer) = Request::parse(&request)?.load()?;
        json(&build(&resolved.plan, &resolved.options, &tokenizer, &progress)?)
    })
}

/// Compares every shard of a dataset folder with its manifest. Progress counts bytes.
#[napi(ts_return_type = "Promise<string>")]
pub fn verify_dataset(task: &Task, dir: String) -> AsyncTask<Work<String>> {
    let progress = task.progress.clone();
    spawn(move || {
        let dir = Path::new(&dir);
        let manifest = Manifest::read(dir)?;
        manifest.verify(dir, &progress)?;
        json(&manifest)
    })
}

#[napi(object)]
pub struct BatchColumn {
    /// Hugging Face's name, such as `input_ids`.
    pub name: String,
    pub shape: Vec<u32>,
    /// Absent where the reader reuses the arrays of its batches: then `fill` gives it.
    pub data: Option<Int32Array>,
}

#[napi(object)]
pub struct DatasetBatch {
    pub rows: u32,
    pub columns: Vec<BatchColumn>,
    /// Rows taken of each set so far, by all readers together.
    pub taken: Vec<f64>,
    pub epoch: f64,
}

/// An array of JavaScript's in the memory of `data`, which goes to the pool once it was collected as garbage.
fn lend(data: Vec<i32>, pool: &Pool) -> Int32Array {
    let mut data = ManuallyDrop::new(data);
    let (start, length, capacity) = (data.as_mut_ptr(), data.len(), data.capacity());
    let pool = pool.clone();
    // SAFETY: the memory is a vector's that nobody else has. It becomes one again exactly once, when no array uses it.
    unsafe {
        Int32Array::with_external_data(start, length, move |start, length| {
            pool.give(Vec::from_raw_parts(start, length, capacity));
        })
    }
}

impl DatasetBatch {
    /// Where the reader reuses arrays, what is in them stays behind in `held`.
    fn new(batch: Batch, pool: &Pool, held: Option<&Held>) -> OurResult<Self> {
        let mut left = Vec::new();
        let mut columns = Vec::with_capacity(batch.columns.len());
        for Column { name, shape, data } in batch.columns {
            let data = match held {
                Some(_) => {
                    left.push(data);
                    None
                }
                None => Some(lend(data, pool)),
            };
            columns.push(BatchColumn { name: name.to_owned(), shape, data });
        }
        if let Some(held) = held {
            *held.lock().map_err(|_| Error::internal("a reader thread died"))? = left;
        }
        Ok(Self {
            rows: batch.rows as u32,
            columns,
            taken: batch.taken.into_iter().map(|n| n as f64).collect(),
            epoch: batch.epoch as f64,
        })
    }
}

/// Reads batches ahead on a thread of its own.
#[napi]
pub struct DatasetReader {
    inner: Arc<Prefetch>,
    /// The arrays of the last batch, where they are to be copied into arrays that JavaScript keeps.
    held: Option<Arc<Held>>,
}

type Held = Mutex<Vec<Vec<i32>>>;

#[napi]
impl DatasetReader {
    /// `options` is JSON; see src/dataset/batches.ts. `reuse`: batches come without their arrays, see `fill`.
    #[napi(factory)]
    pub fn open(options: String, reuse: bool) -> Result<Self> {
        let options: Options =
            serde_json::from_str(&options).map_err(|error| Error::config(format!("batches: {error}")))?;
        Ok(Self { inner: Prefetch::start(options)?, held: reuse.then(Arc::default) })
    }

    /// Rows of one pass over all sets.
    #[napi(getter)]
    pub fn rows(&self) -> f64 {
        self.inner.rows as f64
    }

    /// Ends the thread that reads ahead.
    #[napi]
    pub fn close(&self) {
        self.inner.close();
    }

    /// The next batch if it is ready, else null.
    #[napi]
    pub fn ready(&self) -> Result<Option<DatasetBatch>> {
        let batch = self.inner.ready()?;
        Ok(batch.map(|batch| DatasetBatch::new(batch, &self.inner.pool, self.held.as_deref())).transpose()?)
    }

    /// Copies the arrays of the last batch into these, which must have their lengths.
    #[napi]
    pub fn fill(&self, mut arrays: Vec<Int32Array>) -> Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        let data = std::mem::take(&mut *held.lock().map_err(|_| Error::internal("a reader thread died"))?);
        for (array, data) in arrays.iter_mut().zip(data) {
            // SAFETY: JavaScript runs nothing while it waits for this function.
            let array = unsafe { array.as_mut() };
            if array.len() != data.len() {
                let (theirs, ours) = (array.len(), data.len());
                return Err(Error::internal(format!("an array of {theirs} numbers for {ours}")).into());
            }
            array.copy_from_slice(&data);
            self.inner.pool.give(data);
        }
        Ok(())
    }

    /// The next batch; null at the end.
    #[napi(ts_return_type = "Promise<DatasetBatch | null>")]
    pub fn next(&self) -> AsyncTask<Work<Either<DatasetBatch, Null>>> {
        let (inner, held) = (self.inner.clone(), self.held.clone());
        spawn(move || {
            let batch =
                inner.next()?.map(|batch| DatasetBatch::new(batch, &inner.pool, held.as_deref())).transpose()?;
            Ok(batch.map_or(Either::B(Null), Either::A))
        })
    }
}
