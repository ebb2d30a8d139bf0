//! A portion's stream in, its text as blocks with their partitions out; or, where the files can be reached, read from them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::files::Piped;
use super::plan::StagePlan;
use super::stream::Reader;
use super::streams::Pipe;
use crate::corpus::cut::{Block, Cutter, Files};
use crate::corpus::open::{Fingerprint, Input};
use crate::corpus::portion::{Portion, first_line};
use crate::corpus::table::{self, Batches};
use crate::error::{Error, Result};

/// Where a stage's documents come from.
pub struct Documents {
    pub cutter: Cutter,
    piped: Option<Piped>,
}

impl Documents {
    pub fn piped(plan: &StagePlan, portion: Portion, reader: Reader<Pipe>) -> Self {
        let piped = Piped::new(reader, plan.sources.clone(), portion.clone());
        Self { cutter: cutter(plan, &portion, Box::new(piped.clone())), piped: Some(piped) }
    }

    /// Reads the files themselves, at the paths that the plan names.
    pub fn files(plan: &StagePlan, portion: Portion) -> Self {
        let local = Local { plan: plan.clone(), bytes: portion.bytes.clone() };
        Self { cutter: cutter(plan, &portion, Box::new(local)), piped: None }
    }

    pub fn next(&mut self, spare: Vec<u8>) -> Result<Option<Block>> {
        let block = self.cutter.next(spare);
        if let (Err(_), Some(piped)) = (&block, &self.piped)
            && let Some(error) = piped.failure()
        {
            return Err(error);
        }
        if let (Ok(None), Some(piped)) = (&block, &self.piped) {
            piped.finish()?;
        }
        block
    }
}

fn cutter(plan: &StagePlan, portion: &Portion, files: Box<dyn Files>) -> Cutter {
    // A part of a file is one partition; whole files are cut as the local build cuts them.
    let limit = if portion.bytes.is_some() || plan.dataset.is_none() { u64::MAX } else { plan.partition_bytes };
    Cutter::over(plan.sources(), files, [portion.files.clone()].into(), &plan.fields(), limit)
}

/// Files on this machine, or of one file the part that is wanted.
struct Local {
    plan: StagePlan,
    bytes: Option<Range<u64>>,
}

impl Files for Local {
    fn text(&mut self, source: usize) -> Result<Input> {
        let path = &self.plan.sources[source].path;
        match &self.bytes {
            None => Input::open(path),
            Some(bytes) => Ok(Input::unpacked(path, Box::new(part(path, bytes.clone())?))),
        }
    }

    fn table(&mut self, source: usize) -> Result<Batches> {
        table::open(&self.plan.sources[source].path, self.plan.sources[source].format)
    }

    fn fingerprint(&mut self, _: usize) -> Result<Fingerprint> {
        Ok(Fingerprint { bytes: 0, sha256: String::new() })
    }

    fn first_line(&self) -> u64 {
        first_line(self.bytes.as_ref())
    }
}

/// The lines of a file that start behind `bytes.start` and up to `bytes.end`; those at 0 too.
fn part(path: &str, bytes: Range<u64>) -> Result<Part> {
    let io = |error| Error::io(path, error);
    let mut file = File::open(path).map_err(io)?;
    let mut part = Part { buffer: Vec::new(), at: 0, next: bytes.start, end: bytes.end, done: false, file: None };
    file.seek(SeekFrom::Start(bytes.start)).map_err(io)?;
    part.file = Some(file);
    if bytes.start > 0 {
        part.skip_line().map_err(io)?;
        part.done |= part.next > part.end;
    }
    Ok(part)
}

struct Part {
    file: Option<File>,
    buffer: Vec<u8>,
    at: usize,
    /// Place in the file of the next byte to be handed out.
    next: u64,
    end: u64,
    done: bool,
}

impl Part {
    /// False at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at < self.buffer.len() {
            return Ok(true);
        }
        (self.at, self.buffer) = (0, Vec::new());
        match &mut self.file {
            Some(file) => file.take(1 << 18).read_to_end(&mut self.buffer)?,
            None => 0,
        };
        Ok(!self.buffer.is_empty())
    }

    fn skip_line(&mut self) -> io::Result<()> {
        while self.fill()? {
            let rest = &self.buffer[self.at..];
            let found = memchr::memchr(b'\n', rest);
            let taken = found.map_or(rest.len(), |at| at + 1);
            (self.at, self.next) = (self.at + taken, self.next + taken as u64);
            if found.is_some() {
                return Ok(());
            }
        }
        self.done = true;
        Ok(())
    }
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.done || out.is_empty() || !self.fill()? {
            return Ok(0);
        }
        let rest = &self.buffer[self.at..];
        let mut taken = rest.len().min(out.len());
        // The line that holds the byte at `end` is the last.
        if self.next + taken as u64 > self.end {
            let from = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(taken);
            if let Some(at) = memchr::memchr(b'\n', &rest[from..taken]) {
                taken = from + at + 1;
                self.done = true;
            }
        }
        out[..taken].copy_from_slice(&rest[..taken]);
        (self.at, self.next) = (self.at + taken, self.next + taken as u64);
        Ok(taken)
    }
}
