//! Stages for Node: one run between the standard streams, and what comes before and after the runs of a cluster.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use serde::Deserialize;

use super::error::Result;
use super::task::Task;
use super::work::{Work, spawn};
use crate::dataset::manifest::InputFile;
use crate::dataset::request::Request;
use crate::error::{Error, Result as OurResult};
use crate::stage::dedup::Copies;
use crate::stage::pipe::Standard;
use crate::stage::plan::{FORMAT, SizedSource, StagePlan};
use crate::stage::run::{Stage, run, steps};
use crate::stage::stream::Reader;
use crate::stage::work;

fn json(value: &impl serde::Serialize) -> OurResult<String> {
    serde_json::to_string(value).map_err(|error| Error::internal(format!("JSON: {error}")))
}

/// The version that plans must have been made by.
#[napi]
pub fn code_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[napi(object)]
pub struct NativeStage {
    /// `count`, or `tokenize,pack,mask`.
    pub names: String,
    /// The text of the plan.
    pub plan: String,
    /// None: of several streams one after the other each says which partition it is.
    pub partition: Option<f64>,
    /// Read the plan's files where they lie, instead of the standard input.
    pub from_files: bool,
    /// A folder for the files of partitions, instead of the standard output.
    pub into: Option<String>,
}

/// Runs stages from the standard input to the standard output. Progress counts bytes of text.
#[napi(ts_return_type = "Promise<void>")]
pub fn run_stage(task: &Task, stage: NativeStage) -> AsyncTask<Work<()>> {
    let progress = task.progress.clone();
    spawn(move || {
        let steps = steps(&stage.names)?;
        let into = stage.into.as_deref().map(Path::new);
        let (from_files, partition) = (stage.from_files, stage.partition.map(|number| number as u64));
        let stage = Stage { steps: &steps, plan: &stage.plan, partition, into };
        let input = (!from_files).then(|| Box::new(Standard::input()) as Box<dyn std::io::Read + Send>);
        run(&stage, input, Standard::output(), &progress)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlanRequest {
    dataset: Request,
    sources: Vec<SizedSource>,
}

/// The text of the plan for a dataset that is to be built in stages; the request is that of `buildDataset`, and the sources
/// with their sizes.
#[napi]
pub fn plan_stages(request: String) -> Result<String> {
    let request: PlanRequest =
        serde_json::from_str(&request).map_err(|error| Error::config(format!("stages: {error}")))?;
    let resolved = request.dataset.resolve()?;
    let tokenizer = String::from_utf8(resolved.tokenizer).map_err(|_| Error::input("tokenizer.json: not UTF-8"))?;
    let plan = StagePlan {
        format: FORMAT.into(),
        code: env!("CARGO_PKG_VERSION").into(),
        sources: request.sources,
        partition_bytes: resolved.plan.partition_bytes,
        count: None,
        dataset: Some(resolved.plan),
        tokenizer: Some(tokenizer),
    };
    Ok(json(&plan)?)
}

/// The portions of a plan, as JSON: `[{files: {start, end}, bytes: {start, end} | null}]`, and its hash.
#[napi(object)]
pub struct NativeStages {
    pub hash: String,
    pub portions: String,
}

#[napi]
pub fn stage_portions(plan: String) -> Result<NativeStages> {
    let (plan, hash) = StagePlan::parse(&plan)?;
    Ok(NativeStages { hash, portions: json(&plan.portions())? })
}

/// Makes `out/.build` ready for the files of this plan's stages; gives the portions that are there already.
#[napi]
pub fn open_stages(out: String, plan: String) -> Result<Vec<u32>> {
    Ok(work::open(Path::new(&out), &plan)?)
}

/// Makes the dataset of what the stages left in `out/.build`, and resolves to its manifest, as JSON. `inputs` is JSON:
/// `[{path, bytes, sha256}]`.
#[napi(ts_return_type = "Promise<string>")]
pub fn merge_stages(
    task: &Task,
    out: String,
    plan: String,
    inputs: String,
    max_rejects: f64,
) -> AsyncTask<Work<String>> {
    let progress = task.progress.clone();
    spawn(move || {
        let inputs: Vec<InputFile> =
            serde_json::from_str(&inputs).map_err(|error| Error::config(format!("inputs: {error}")))?;
        json(&work::merge(Path::new(&out), &plan, inputs, max_rejects as u64, &progress)?)
    })
}

/// Which documents are copies: by portion a bit a document, in hexadecimal, as JSON. `files` hold streams that `dedup` made
/// of signatures and of bands.
#[napi(ts_return_type = "Promise<string>")]
pub fn resolve_copies(files: Vec<String>) -> AsyncTask<Work<String>> {
    spawn(move || {
        let mut copies = Copies::default();
        for file in files.iter().map(Path::new) {
            let opened = File::open(file).map_err(|error| Error::io(file, error))?;
            let mut reader = Reader::any(BufReader::with_capacity(1 << 18, opened))?;
            while let Some(batch) = reader.next_batch()? {
                copies.add(&batch)?;
            }
        }
        let hex = |bytes: Vec<u8>| crate::corpus::open::hex(&bytes);
        let bits: std::collections::BTreeMap<i32, String> =
            copies.finish().into_iter().map(|(portion, bytes)| (portion, hex(bytes))).collect();
        json(&bits)
    })
}
