//! Files in, their documents cleaned and without copies out: one JSONL file, a document a line, in the order of the files.
//!
//! Blocks are read and cleaned by all threads and written in their order, so the bytes don't depend on the threads.
//! Looking for copies takes a pass of its own, which keeps a signature of each document.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::clean::Clean;
use super::cut::{Block, Cutter};
use super::dedup::{Signature, resolve, signature};
use super::open::{Fingerprint, fingerprint};
use super::records::{self, Fields, Reject};
use super::{Format, Source};
use crate::error::{Error, Result};
use crate::progress::Progress;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    pub sources: Vec<Source>,
    /// Of JSONL, TSV or columns; the first is the text that is cleaned. None where files hold plain text.
    pub fields: Vec<String>,
    pub clean: Clean,
    /// The file to write.
    pub out: PathBuf,
    pub threads: usize,
    /// Records that can't be read before the work stops.
    pub max_rejects: u64,
}

/// What came in, what went out, and why the rest did not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub documents: u64,
    pub kept: u64,
    /// Documents left out by the filters, and as copies of others.
    pub filtered: u64,
    pub copies: u64,
    pub rejected: u64,
    /// Of text (the first field), before and after.
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Names of the fields in the file that was written.
    pub fields: Vec<String>,
    #[serde(flatten)]
    pub file: Option<Fingerprint>,
}

/// Blocks of text worked on at a time, for each thread.
const AHEAD: usize = 2;

/// Progress counts bytes of text; the total is that of the files as they lie on disk.
pub fn filter(request: &Request, progress: &Progress) -> Result<Report> {
    request.clean.check()?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(request.threads.max(1))
        .build()
        .map_err(|error| Error::internal(format!("threads: {error}")))?;
    let passes = if request.copies() { 2 } else { 1 };
    let size = |source: &Source| std::fs::metadata(&source.path).map_or(0, |meta| meta.len());
    progress.start(passes * request.sources.iter().map(size).sum::<u64>());
    pool.install(|| {
        let mut copies = Vec::new();
        if request.copies() {
            let mut signatures: Vec<Signature> = Vec::new();
            let near = request.clean.near_dedup.is_some();
            request.blocks(
                progress,
                |block| request.signatures(block, near),
                |mut found| {
                    signatures.append(&mut found);
                    Ok(())
                },
            )?;
            copies = resolve(signatures.iter(), request.clean.near_dedup);
        }
        request.write(&copies, progress)
    })
}

/// What one block came to.
#[derive(Default)]
struct Part {
    /// A line of JSON each, and the bytes of its text.
    lines: Vec<(Vec<u8>, u64)>,
    documents: u64,
    filtered: u64,
    bytes_in: u64,
    rejects: Vec<Reject>,
}

impl Request {
    fn copies(&self) -> bool {
        self.clean.dedup || self.clean.near_dedup.is_some()
    }

    /// As they stand in what is written: `text`, or `field0`, `field1`.
    fn names(&self) -> Vec<String> {
        match self.fields.len() {
            0 | 1 => vec!["text".into()],
            several => (0..several).map(|i| format!("field{i}")).collect(),
        }
    }

    /// Calls `work` on all blocks, many at a time, and `take` with the results in order.
    fn blocks<T: Send>(
        &self,
        progress: &Progress,
        work: impl Fn(&Block) -> Result<T> + Sync,
        mut take: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let mut cutter = Cutter::new(self.sources.clone(), &Fields::default(), u64::MAX);
        loop {
            progress.check()?;
            let mut blocks = Vec::new();
            while blocks.len() < AHEAD * self.threads.max(1)
                && let Some(block) = cutter.next(Vec::new())?
            {
                blocks.push(block);
            }
            if blocks.is_empty() {
                return Ok(());
            }
            let results: Result<Vec<T>> = blocks.par_iter().map(&work).collect();
            results?.into_iter().try_for_each(&mut take)?;
            progress.add(blocks.iter().map(|block| block.read).sum());
        }
    }

    fn read(
        &self,
        block: &Block,
        mut each: impl FnMut(u64, Option<&[&str]>),
        mut reject: impl FnMut(Reject),
    ) -> Result<()> {
        let fields = Fields { names: self.fields.clone(), nested: false };
        records::read(
            block,
            &self.sources,
            &fields,
            |_, _, found| {
                let before = found[0].len() as u64;
                match self.clean.apply(found[0].as_ref().into()) {
                    None => each(before, None),
                    Some(text) => {
                        let rest = found[1..].iter().map(AsRef::as_ref);
                        each(before, Some(&std::iter::once(text.as_ref()).chain(rest).collect::<Vec<&str>>()));
                    }
                }
                Ok(())
            },
            |refused| {
                reject(refused);
                Ok(())
            },
        )
    }

    fn signatures(&self, block: &Block, near: bool) -> Result<Vec<Signature>> {
        let mut out = Vec::new();
        self.read(block, |_, found| out.extend(found.map(|fields| signature(&fields.join("\u{1f}"), near))), |_| {})?;
        Ok(out)
    }

    fn part(&self, block: &Block, names: &[String]) -> Result<Part> {
        let mut part = Part::default();
        let mut rejects = Vec::new();
        let mut failed = None;
        self.read(
            block,
            |before, found| {
                part.documents += 1;
                part.bytes_in += before;
                match found.map(|fields| line(names, fields).map(|json| (json, fields[0].len() as u64))) {
                    None => part.filtered += 1,
                    Some(Ok(line)) => part.lines.push(line),
                    Some(Err(error)) => failed = Some(error),
                }
            },
            |reject| rejects.push(reject),
        )?;
        part.rejects = rejects;
        match failed {
            Some(error) => Err(error),
            None => Ok(part),
        }
    }

    fn write(&self, copies: &[bool], progress: &Progress) -> Result<Report> {
        let temporary = self.out.with_extension("tmp");
        let io = |error: io::Error| Error::io(&temporary, error);
        let mut file = BufWriter::with_capacity(1 << 18, File::create(&temporary).map_err(io)?);
        let names = self.names();
        let mut report = Report { fields: names.clone(), ..Report::default() };
        let mut number = 0;
        self.blocks(
            progress,
            |block| self.part(block, &names),
            |part| {
                report.documents += part.documents;
                report.filtered += part.filtered;
                report.bytes_in += part.bytes_in;
                report.rejected += part.rejects.len() as u64;
                if report.rejected > self.max_rejects
                    && let Some(Reject { file, line, reason }) = part.rejects.first()
                {
                    return Err(Error::input(format!("{file}:{line}: {reason}"))
                        .with_hint("mend the record, or allow some to be refused with max_rejects"));
                }
                for (line, bytes) in part.lines {
                    let copy = copies.get(number).copied().unwrap_or(false);
                    number += 1;
                    if copy {
                        report.copies += 1;
                        continue;
                    }
                    file.write_all(&line).map_err(io)?;
                    report.kept += 1;
                    report.bytes_out += bytes;
                }
                Ok(())
            },
        )?;
        if report.kept == 0 {
            return Err(
                Error::input(format!("none of {} documents is left", report.documents)).with_hint("loosen the filters")
            );
        }
        let file = file.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_data().map_err(io)?;
        std::fs::rename(&temporary, &self.out).map_err(|error| Error::io(&self.out, error))?;
        report.file = Some(fingerprint(path_text(&self.out)?)?);
        Ok(report)
    }
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::input(format!("{}: the path is no UTF-8", path.display())))
}

fn line(names: &[String], fields: &[&str]) -> Result<Vec<u8>> {
    let map: serde_json::Map<String, serde_json::Value> =
        names.iter().zip(fields).map(|(name, text)| (name.clone(), (*text).into())).collect();
    let mut out = serde_json::to_vec(&map).map_err(|error| Error::internal(format!("JSON: {error}")))?;
    out.push(b'\n');
    Ok(out)
}

/// A source that is plain text has no fields to choose.
pub fn check(request: &Request) -> Result<()> {
    let structured =
        |source: &Source| matches!(source.format, Format::Jsonl | Format::Tsv | Format::Parquet | Format::Arrow);
    match request.sources.iter().find(|source| structured(source) && request.fields.is_empty()) {
        Some(source) => {
            Err(Error::config(format!("{}: which field is the text?", source.path)).with_hint("name it with field"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(request: &Request) -> (Report, String) {
        let report = filter(request, &Progress::new()).unwrap();
        (report, std::fs::read_to_string(&request.out).unwrap())
    }

    #[test]
    fn documents_are_cleaned_and_copies_left_out_whatever_the_threads() {
        let dir = tempfile::tempdir().unwrap();
        let long = "a line of some words that goes on\n".repeat(90_000);
        let texts = ["Call  me Ishmael.\r\n", "short", "Call me Ishmael.", &long, "cafe\u{301} \"noir\" and more"];
        let sources: Vec<Source> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| {
                let path = dir.path().join(format!("{i}.txt"));
                std::fs::write(&path, text).unwrap();
                Source { path: path.to_str().unwrap().into(), format: Format::File }
            })
            .collect();
        let request = |threads| Request {
            sources: sources.clone(),
            fields: Vec::new(),
            clean: Clean { nfc: true, whitespace: true, min_chars: Some(6), dedup: true, ..Clean::default() },
            out: dir.path().join(format!("out-{threads}.jsonl")),
            threads,
            max_rejects: 0,
        };
        let (report, text) = run(&request(1));
        assert_eq!((report.documents, report.kept, report.filtered, report.copies), (5, 3, 1, 1));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r#"{"text":"Call me Ishmael."}"#);
        assert_eq!(lines[2], r#"{"text":"café \"noir\" and more"}"#);
        assert_eq!(report.file.as_ref().unwrap().bytes, text.len() as u64);
        let (again, same) = run(&request(3));
        assert_eq!((again, same), (report, text));
    }

    #[test]
    fn fields_go_along_and_bad_records_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        std::fs::write(&path, "{\"m\":{\"t\":\"one  two\"},\"l\":\"x\"}\n{\"m\":{}}\n").unwrap();
        let mut request = Request {
            sources: vec![Source { path: path.to_str().unwrap().into(), format: Format::Jsonl }],
            fields: vec!["m.t".into(), "l".into()],
            clean: Clean { whitespace: true, ..Clean::default() },
            out: dir.path().join("out.jsonl"),
            threads: 2,
            max_rejects: 0,
        };
        let error = filter(&request, &Progress::new()).unwrap_err().to_string();
        assert!(error.contains("a.jsonl:2"), "{error}");
        request.max_rejects = 1;
        let (report, text) = run(&request);
        assert_eq!(text, "{\"field0\":\"one two\",\"field1\":\"x\"}\n");
        assert_eq!((report.rejected, report.kept), (1, 1));
        request.clean.min_chars = Some(100);
        assert!(filter(&request, &Progress::new()).unwrap_err().to_string().contains("none of 1 documents"));
    }
}
