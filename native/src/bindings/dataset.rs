//! Building, reading and checking datasets from Node. Requests and manifests cross as JSON, batches as Int32Arrays.

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Either, Int32Array, Null};
use napi_derive::napi;

use super::error::Result;
use super::task::Task;
use super::work::{Work, spawn};
use crate::dataset::build::build;
use crate::dataset::loader::{Batch, Options, Prefetch};
use crate::dataset::manifest::Manifest;
use crate::dataset::request::Request;
use crate::encode::Tokenizer;
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
        let resolved = Request::parse(&request)?.resolve()?;
        let tokenizer = Tokenizer::from_json(&resolved.tokenizer)?;
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
    pub data: Int32Array,
}

#[napi(object)]
pub struct DatasetBatch {
    pub rows: u32,
    pub columns: Vec<BatchColumn>,
    /// Rows taken of each set so far, by all readers together.
    pub taken: Vec<f64>,
    pub epoch: f64,
}

impl From<Batch> for DatasetBatch {
    fn from(batch: Batch) -> Self {
        let columns = batch.columns.into_iter().map(|column| BatchColumn {
            name: column.name.to_owned(),
            shape: column.shape,
            data: Int32Array::new(column.data),
        });
        Self {
            rows: batch.rows as u32,
            columns: columns.collect(),
            taken: batch.taken.into_iter().map(|n| n as f64).collect(),
            epoch: batch.epoch as f64,
        }
    }
}

/// Reads batches ahead on a thread of its own.
#[napi]
pub struct DatasetReader {
    inner: Arc<Prefetch>,
}

#[napi]
impl DatasetReader {
    /// `options` is JSON; see src/dataset/batches.ts.
    #[napi(factory)]
    pub fn open(options: String) -> Result<Self> {
        let options: Options =
            serde_json::from_str(&options).map_err(|error| Error::config(format!("batches: {error}")))?;
        Ok(Self { inner: Prefetch::start(options)? })
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
        Ok(self.inner.ready()?.map(Into::into))
    }

    /// The next batch; null at the end.
    #[napi(ts_return_type = "Promise<DatasetBatch | null>")]
    pub fn next(&self) -> AsyncTask<Work<Either<DatasetBatch, Null>>> {
        let inner = self.inner.clone();
        spawn(move || Ok(inner.next()?.map_or(Either::B(Null), |batch| Either::A(batch.into()))))
    }
}
