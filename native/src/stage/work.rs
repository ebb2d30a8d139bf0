//! The folder in which the files of all portions meet: made ready before the first, merged after the last.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::folder::{KEY, check, key};
use super::plan::{StagePlan, portion_of};
use crate::arrow::write::write_bytes;
use crate::dataset::build::work::Work;
use crate::dataset::build::{self, Options};
use crate::dataset::manifest::{InputFile, Manifest};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Makes `OUT/.build` ready for this plan; gives the portions that are finished there, left by a run that was killed.
pub fn open(out: &Path, plan: &str) -> Result<Vec<u32>> {
    let work = out.join(".build");
    let io = |error| Error::io(&work, error);
    let (_, hash) = StagePlan::parse(plan)?;
    let (path, key) = (work.join(KEY), key(&hash));
    if fs::read(&path).is_ok_and(|found| found == key.as_bytes()) {
        return Ok(finished(&work)?.into_iter().filter_map(|portion| u32::try_from(portion).ok()).collect());
    }
    if work.exists() {
        fs::remove_dir_all(&work).map_err(io)?;
    }
    fs::create_dir_all(&work).map_err(io)?;
    write_bytes(&path, key.as_bytes())?;
    Ok(Vec::new())
}

/// A portion is finished once the record of its last partition is there.
fn finished(work: &Path) -> Result<BTreeSet<u64>> {
    let records = Work::at(work.to_owned()).records()?;
    Ok(records.iter().filter(|(_, record)| record.ends).map(|(&number, _)| portion_of(number)).collect())
}

/// Makes the dataset of what lies in `OUT/.build`. Records that were refused are an error from `max_rejects` on.
pub fn merge(
    out: &Path,
    plan: &str,
    inputs: Vec<InputFile>,
    max_rejects: u64,
    progress: &Progress,
) -> Result<Manifest> {
    let (plan, hash) = StagePlan::parse(plan)?;
    let dir = out.join(".build");
    check(&dir, &hash)?;
    let there = finished(&dir)?;
    let missing: Vec<u64> = (0..plan.portions().len() as u64).filter(|portion| !there.contains(portion)).collect();
    if let Some(first) = missing.first() {
        let (count, dir) = (missing.len(), dir.display());
        return Err(Error::input(format!("{dir}: {count} partitions are missing, the first is {first}"))
            .with_hint("run their stages again, then merge"));
    }
    let work = Work::at(dir);
    let records = work.records()?;
    let options = Options { out: out.to_owned(), sources: plan.sources(), threads: 1, max_rejects, parquet: false };
    build::check_rejects(&options, &work, &records)?;
    let prints = inputs.into_iter().map(|input| input.print).collect();
    build::merge(plan.dataset()?, &options, work, &records, prints, progress)
}
