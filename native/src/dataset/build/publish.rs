//! Finished shards in, the dataset folder out: an earlier dataset removed, shards moved into place, the manifest written last.

use std::fs;
use std::path::Path;

use super::Options;
use super::work::{PartShard, Records, Work};
use crate::arrow::write::{sync, write_bytes};
use crate::corpus::open::Fingerprint;
use crate::corpus::records::Reject;
use crate::dataset::manifest::{InputFile, Manifest, NAME, Shard, Split, Statistics};
use crate::dataset::plan::{Plan, SPLITS, Task};
use crate::dataset::task::Counts;
use crate::dataset::tokenize::TextCounts;
use crate::error::{Error, Kind, Result};

const REJECTS: &str = "rejects.jsonl";

/// `shards` in the order that they are to be numbered in.
pub fn publish(
    plan: &Plan,
    options: &Options,
    work: Work,
    records: &Records,
    shards: &[PartShard],
    inputs: Vec<Fingerprint>,
) -> Result<Manifest> {
    let out = &options.out;
    let mut counts = TextCounts::default();
    records.values().for_each(|record| counts += &record.counts);
    let mut splits = Vec::new();
    let mut moves: Vec<(String, String)> = Vec::new();
    for (split, name) in SPLITS.iter().enumerate().filter(|&(split, _)| plan.split[split] > 0.0) {
        let documents = counts.documents[split];
        let mut entry = Split { name: (*name).into(), documents, counts: Counts::default(), shards: Vec::new() };
        for (number, part) in shards.iter().filter(|part| part.split == split).enumerate() {
            let shard = part.shard.named(&format!("{name}-{number:05}"));
            moves.extend(part.shard.files().zip(shard.files()).map(|((from, _), (to, _))| (from, to)));
            entry.counts += &part.counts;
            entry.shards.push(shard);
        }
        check_pairs(plan, &entry)?;
        splits.push(entry);
    }
    let inputs = options.sources.iter().zip(inputs);
    let manifest = Manifest {
        format: "millrace-dataset".into(),
        code: env!("CARGO_PKG_VERSION").into(),
        plan_sha256: plan.hash()?,
        plan: plan.clone(),
        inputs: inputs.map(|(source, print)| InputFile { path: source.path.clone(), print }).collect(),
        statistics: Statistics {
            documents: counts.documents.iter().sum(),
            text_bytes: counts.text_bytes,
            tokens: counts.tokens,
            rejected: counts.rejected,
            filtered: counts.filtered,
            copies: counts.copies,
        },
        splits,
    };
    sync(&moves.iter().map(|(from, _)| work.dir.join(from)).collect::<Vec<_>>())?;
    // A dataset that was here before ends with its manifest; the new one begins with its own.
    remove_old(out)?;
    for (from, to) in moves {
        fs::rename(work.dir.join(from), out.join(to)).map_err(|error| Error::io(out, error))?;
    }
    write_rejects(out, rejects(records).iter())?;
    let text =
        serde_json::to_string_pretty(&manifest).map_err(|error| Error::internal(format!("manifest: {error}")))?;
    write_bytes(&out.join(NAME), (text + "\n").as_bytes())?;
    work.close()?;
    Ok(manifest)
}

/// All that was refused, in order; what parts of a file refused gets the numbers that its lines have in the file.
pub fn rejects(records: &Records) -> Vec<Reject> {
    let mut before = 0;
    let mut all = Vec::new();
    for record in records.values() {
        let Some(part) = &record.part else {
            all.extend(record.rejects.iter().cloned());
            continue;
        };
        before = if part.first { 0 } else { before };
        // Lines of a part that isn't the first count from 2 on (portion.rs).
        let own = |line: u64| if part.first { line } else { before + line - 1 };
        all.extend(record.rejects.iter().map(|reject| Reject { line: own(reject.line), ..reject.clone() }));
        before += part.lines;
    }
    all
}

/// A line for each record that was refused; no file where there was none.
pub fn write_rejects<'a>(dir: &Path, rejects: impl Iterator<Item = &'a Reject>) -> Result<()> {
    let lines: Vec<String> = rejects.filter_map(|reject| serde_json::to_string(reject).ok()).collect();
    if lines.is_empty() {
        return Ok(());
    }
    write_bytes(&dir.join(REJECTS), (lines.join("\n") + "\n").as_bytes())
}

/// Leaves the refused records where they can be looked at, and names the first.
pub fn too_many(work: &Work, count: u64, all: &[&Reject]) -> Error {
    let show = |reject: &&Reject| format!("{}:{}: {}", reject.file, reject.line, reject.reason);
    let shown: Vec<String> = all.iter().take(3).map(show).collect();
    if let Err(error) = write_rejects(&work.dir, all.iter().copied()) {
        return error;
    }
    let dir = work.dir.display();
    Error::input(format!("{count} records can't be used; the first: {}", shown.join("; "))).with_hint(format!(
        "mend the input, name the right field, or allow more with maxRejects; {dir} has them in rejects.jsonl"
    ))
}

/// Every split that is wanted must have documents, and next sentences need another one.
pub fn check_splits(plan: &Plan, options: &Options, records: &Records) -> Result<()> {
    let documents = |split: usize| records.values().map(|record| record.counts.documents[split]).sum::<u64>();
    let total: u64 = (0..SPLITS.len()).map(documents).sum();
    if total == 0 {
        return Err(Error::input(format!("no document was found in {} files", options.sources.len())));
    }
    for (split, &share) in plan.split.iter().enumerate() {
        let name = SPLITS[split];
        if matches!(&plan.task, Task::Pair(pair) if !pair.order) && documents(split) == 1 {
            let what = format!(
                "next sentence: the split \"{name}\" has one document, so no sentence can come from another one"
            );
            return Err(Error::input(what).with_hint(
                "give it more documents: blank lines between them with format paragraph, or one a file or record",
            ));
        }
        if share > 0.0 && documents(split) == 0 {
            let what = format!("none of the {total} documents fell into the split \"{name}\" (share {share})");
            return Err(Error::input(what)
                .with_hint("give it a larger share, or read smaller documents (format line or paragraph)"));
        }
    }
    Ok(())
}

/// Next sentences must be half random: documents as large as partitions have no others to draw from.
fn check_pairs(plan: &Plan, split: &Split) -> Result<()> {
    let Counts { rows, random_pairs, .. } = split.counts;
    let random = random_pairs as f64 / rows.max(1) as f64;
    if matches!(&plan.task, Task::Pair(pair) if !pair.order) && rows >= 100 && (random - 0.5).abs() > 0.1 {
        let what =
            format!("next sentence: {:.0} % of the pairs of \"{}\" are random, not 50 %", 100.0 * random, split.name);
        return Err(
            Error::input(what).with_hint("give it smaller documents, or a partitionBytes that holds many of them")
        );
    }
    Ok(())
}

/// Removes the files of an earlier dataset, and only those.
fn remove_old(out: &Path) -> Result<()> {
    let remove = |path: &Path| match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    };
    let old: Vec<Shard> = match Manifest::read(out) {
        Ok(old) => old.splits.into_iter().flat_map(|split| split.shards).collect(),
        Err(error) if error.kind == Kind::Input => Vec::new(),
        Err(error) => return Err(error),
    };
    remove(&out.join(NAME))?;
    remove(&out.join(REJECTS))?;
    old.iter().flat_map(Shard::files).try_for_each(|(file, _)| remove(&out.join(file)))
}
