//! The names of steps, a plan, a stream in; the stream that the last step makes out.

use std::io::{Read, Write};
use std::path::Path;

use super::folder::Folder;
use super::pack::{Masking, Outputs};
use super::plan::StagePlan;
use super::read::Documents;
use super::stream::{Form, Reader, Writer};
use super::streams::Pipe;
use super::tokenize::Collector;
use super::{count, dedup, pack, tokenize};
use crate::dataset::build::partition::{About, Store, write};
use crate::dataset::encoder::{Encoder, Session};
use crate::dataset::tokenize::Tokenized;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Count,
    Dedup,
    Tokenize,
    Pack,
    Mask,
}

/// One run of a stage.
pub struct Stage<'a> {
    /// In this order; a process may do several in a row without a stream between them.
    pub steps: &'a [Step],
    /// The text of the plan.
    pub plan: &'a str,
    /// None: several streams come one after the other, each says in its metadata which partition it is; as many go out.
    pub partition: Option<u64>,
    /// Put the files of a partition into this folder, rather than on the output.
    pub into: Option<&'a Path>,
}

/// `count`, or steps that follow each other with commas between: `tokenize,pack,mask`.
pub fn steps(names: &str) -> Result<Vec<Step>> {
    let step = |name: &str| match name {
        "count" => Ok(Step::Count),
        "dedup" => Ok(Step::Dedup),
        "tokenize" => Ok(Step::Tokenize),
        "pack" => Ok(Step::Pack),
        "mask" => Ok(Step::Mask),
        _ => Err(Error::config(format!("there is no stage \"{name}\""))
            .with_hint("count, dedup, tokenize, pack, mask; or tokenize,pack,mask in one process")),
    };
    let steps = names.split(',').map(|name| step(name.trim())).collect::<Result<Vec<_>>>()?;
    let follow = |pair: &[Step]| matches!(pair, [Step::Tokenize, Step::Pack] | [Step::Pack, Step::Mask]);
    if steps.windows(2).all(follow) {
        return Ok(steps);
    }
    Err(Error::config(format!("the stages {names} don't follow each other"))
        .with_hint("tokenize, then pack, then mask"))
}

/// How a stage ends, for whoever started it: 0 done, 64 pointless to try again, 75 worth another try.
pub fn exit_code(error: &Error) -> i32 {
    match error.kind {
        Kind::Config | Kind::Input => 64,
        _ => 75,
    }
}

/// `input` None: the files of the plan are read where they lie. Progress in bytes of text, or rows of marks.
pub fn run(
    stage: &Stage,
    input: Option<Box<dyn Read + Send>>,
    mut output: impl Write,
    progress: &Progress,
) -> Result<()> {
    let (plan, hash) = StagePlan::parse(stage.plan)?;
    // Made while the first stream is still on its way.
    let tokenizer = match stage.steps.first() {
        Some(Step::Tokenize) => Some(plan.tokenizer()?),
        _ => None,
    };
    let session = tokenizer.as_ref().map(Encoder::session);
    let mut work = Work { stage, plan: &plan, hash: &hash, session, progress };
    let pipe = input.map(Pipe::new);
    match (pipe, stage.partition) {
        (pipe, Some(number)) => {
            let reader = pipe.map(|pipe| pipe.stream(&hash)).transpose()?;
            work.partition(number, reader, output)
        }
        (Some(pipe), None) => {
            while !pipe.is_closed()? {
                let reader = pipe.stream(&hash)?;
                let unnamed = || Error::config("the stream's metadata doesn't say which partition it is");
                let number = reader.about.partition.ok_or_else(unnamed)?;
                work.partition(number, Some(reader), &mut output)?;
            }
            Ok(())
        }
        (None, None) => Err(Error::config("no partition was named")),
    }
}

/// What stays from one partition to the next: the words that the session knows already change nothing but its speed.
struct Work<'a> {
    stage: &'a Stage<'a>,
    plan: &'a StagePlan,
    hash: &'a str,
    session: Option<Box<dyn Session + 'a>>,
    progress: &'a Progress,
}

impl Work<'_> {
    fn partition(&mut self, number: u64, reader: Option<Reader<Pipe>>, output: impl Write) -> Result<()> {
        let Self { stage, plan, hash, session, progress } = self;
        let Some(&first) = stage.steps.first() else { return Err(Error::config("no stage was named")) };
        let text = matches!(first, Step::Count | Step::Tokenize | Step::Dedup);
        let copies = reader.as_ref().and_then(|reader| reader.about.copies.as_deref()).map(unhex).transpose()?;
        match (reader, first) {
            (Some(reader), Step::Dedup) if matches!(reader.about.form, Form::Signatures | Form::Bands) => {
                dedup::compare(plan, hash, reader, output, progress)
            }
            (reader, _) if text => {
                let portion = plan.portion(number)?;
                progress.start(plan.sources[portion.files.clone()].iter().map(|source| source.bytes).sum());
                let mut documents = match reader {
                    Some(reader) => Documents::piped(plan, portion.clone(), reader),
                    None => Documents::files(plan, portion.clone()),
                };
                match (first, session) {
                    (Step::Count, _) => count::run(plan, hash, &mut documents, output, progress),
                    (Step::Dedup, _) => dedup::sign(plan, (hash, number), &mut documents, output, progress),
                    (_, None) => Err(Error::internal("a stage that encodes has no session")),
                    (_, Some(session)) => {
                        let copies = copies.as_deref();
                        let job = tokenize::Job { plan, number, portion: &portion, copies };
                        let mut target = Target::new(plan, hash, stage, output, progress)?;
                        let close = |about, documents| target.partition(about, documents);
                        tokenize::partitions(&job, session.as_mut(), &mut documents, progress, close)?;
                        target.finish()
                    }
                }
            }
            (Some(mut reader), Step::Pack) => {
                let mut target = Target::new(plan, hash, stage, output, progress)?;
                let mut collector = Collector::default();
                while let Some(batch) = reader.next_batch()? {
                    progress.check()?;
                    for (about, documents) in collector.add(&batch)? {
                        target.partition(about, documents)?;
                    }
                }
                collector.finish()?;
                target.finish()
            }
            (Some(mut reader), _) => {
                let mut writer = Writer::new(output, pack::fields(), hash, Form::Outputs)?;
                let mut masking = Masking::default();
                while let Some(batch) = reader.next_batch()? {
                    progress.check()?;
                    masking.add(plan.dataset()?, &batch, &mut Outputs(&mut writer))?;
                }
                masking.finish()?;
                writer.finish()
            }
            (None, _) => Err(Error::config("this stage takes a stream, files can't stand in for it")),
        }
    }
}

/// What becomes of partitions that have been encoded.
struct Target<'a, W: Write> {
    plan: &'a StagePlan,
    writer: Writer<W>,
    packs: bool,
    masks: bool,
    folder: Option<Folder<'a>>,
    progress: &'a Progress,
}

impl<'a, W: Write> Target<'a, W> {
    fn new(plan: &'a StagePlan, hash: &str, stage: &Stage<'a>, output: W, progress: &'a Progress) -> Result<Self> {
        let [packs, masks] = [Step::Pack, Step::Mask].map(|step| stage.steps.contains(&step));
        let (fields, form) = if packs { (pack::fields(), Form::Outputs) } else { (tokenize::fields(), Form::Tokens) };
        let folder = stage.into.map(|into| Folder::open(into, hash)).transpose()?;
        Ok(Self { plan, writer: Writer::new(output, fields, hash, form)?, packs, masks, folder, progress })
    }

    fn partition(&mut self, about: About, documents: Tokenized) -> Result<()> {
        if !self.packs {
            return tokenize::write(&mut self.writer, about, documents);
        }
        let mut outputs = Outputs(&mut self.writer);
        let store: &mut dyn Store = match &mut self.folder {
            Some(folder) => folder,
            None => &mut outputs,
        };
        write(self.plan.dataset()?, about, documents, store, self.masks, self.progress).map(|_| ())
    }

    fn finish(self) -> Result<()> {
        self.writer.finish()
    }
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect::<Option<_>>().ok_or_else(|| Error::config("copies: not hexadecimal"))
}
