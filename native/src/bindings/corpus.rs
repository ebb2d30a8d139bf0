//! Cleaning a corpus from Node. The request and the report cross as JSON.

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;

use super::task::Task;
use super::work::{Work, spawn};
use crate::corpus::filter::{Request, check, filter};
use crate::error::Error;

/// Writes the documents that pass as one JSONL file and resolves to a report, as JSON. Progress counts bytes of text.
#[napi(ts_return_type = "Promise<string>")]
pub fn clean_corpus(task: &Task, request: String) -> AsyncTask<Work<String>> {
    let progress = task.progress.clone();
    spawn(move || {
        let request: Request =
            serde_json::from_str(&request).map_err(|error| Error::config(format!("clean: {error}")))?;
        check(&request)?;
        let report = filter(&request, &progress)?;
        serde_json::to_string(&report).map_err(|error| Error::internal(format!("JSON: {error}")))
    })
}
