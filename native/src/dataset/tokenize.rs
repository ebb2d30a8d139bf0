//! A block of text in, encoded documents by split out: read, hash, split, encode.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::encoder::Session;
use super::ids::TokenIds;
use super::plan::{Plan, SPLITS, Task};
use super::tasks::chat;
use super::tasks::mask::Masking;
use super::tasks::pair::Pair;
use super::tokens::{SECOND, SENTENCE, TokenDocs};
use crate::corpus::Source;
use crate::corpus::cut::Block;
use crate::corpus::dedup::{Signature, signature};
use crate::corpus::records::{self, Reject};
use crate::corpus::sentences::sentences as split_sentences;
use crate::error::Result;

/// What reading came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TextCounts {
    pub documents: [u64; SPLITS.len()],
    pub text_bytes: u64,
    pub tokens: u64,
    pub rejected: u64,
    /// Documents left out by the filters, and as copies of others.
    pub filtered: u64,
    pub copies: u64,
}

impl std::ops::AddAssign<&TextCounts> for TextCounts {
    fn add_assign(&mut self, other: &TextCounts) {
        for (here, there) in self.documents.iter_mut().zip(&other.documents) {
            *here += there;
        }
        self.text_bytes += other.text_bytes;
        self.tokens += other.tokens;
        self.rejected += other.rejected;
        self.filtered += other.filtered;
        self.copies += other.copies;
    }
}

#[derive(Default)]
pub struct Tokenized {
    pub splits: [TokenDocs; SPLITS.len()],
    pub rejects: Vec<Reject>,
    pub counts: TextCounts,
    /// Documents that were looked at: all but those that can't be read and those left out by the filters.
    pub seen: usize,
}

impl Tokenized {
    /// Empty, with room for the tokens of so many bytes of text, one in three bytes, in the largest split: growing would
    /// copy what is there.
    pub fn with_room(plan: &Plan, bytes: u64) -> Self {
        let mut out = Self::default();
        let largest = (0..SPLITS.len()).max_by(|&a, &b| plan.split[a].total_cmp(&plan.split[b])).unwrap_or(0);
        out.splits[largest].ids = TokenIds::with_room(usize::try_from(bytes / 3).unwrap_or(0));
        out
    }

    /// Adds what comes next in the input.
    pub fn append(&mut self, next: &Self) {
        self.splits.iter_mut().zip(&next.splits).for_each(|(docs, next)| docs.append(next));
        self.rejects.extend_from_slice(&next.rejects);
        self.counts += &next.counts;
        self.seen += next.seen;
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.splits.iter_mut().for_each(TokenDocs::clear);
        self.rejects.clear();
        (self.counts, self.seen) = (TextCounts::default(), 0);
    }
}

/// Appends a block's documents to `out`. `copies` says for each document of the block, in order, whether to leave it out
/// as a copy; None keeps all.
pub fn tokenize(
    plan: &Plan,
    session: &mut dyn Session,
    block: &Block,
    sources: &[Source],
    copies: Option<&[bool]>,
    out: &mut Tokenized,
) -> Result<()> {
    let Tokenized { splits, counts, rejects, seen } = out;
    let mut number = 0;
    // Two closures fill one list.
    let refused = std::cell::RefCell::new(Vec::new());
    documents(
        plan,
        block,
        sources,
        |line, path, fields| {
            let Some(fields) = fields else {
                counts.filtered += 1;
                return Ok(());
            };
            let copy = copies.is_some_and(|copies| copies.get(number).copied().unwrap_or(false));
            number += 1;
            if copy {
                counts.copies += 1;
                return Ok(());
            }
            let split = plan.split_of(xxh3_64(fields[0].as_bytes()));
            let docs = &mut splits[split];
            let before = docs.ids.len();
            if let Err(reason) = document(plan, session, fields, docs)? {
                refused.borrow_mut().push(Reject { file: path.to_owned(), line, reason });
                return Ok(());
            }
            counts.documents[split] += 1;
            counts.text_bytes += fields.iter().map(|field| field.len() as u64).sum::<u64>();
            counts.tokens += (docs.ids.len() - before) as u64;
            Ok(())
        },
        |reject| refused.borrow_mut().push(reject),
    )?;
    let refused = refused.into_inner();
    counts.rejected += refused.len() as u64;
    rejects.extend(refused);
    *seen += number;
    Ok(())
}

/// The signatures of a block's documents, for finding copies.
pub fn signatures(plan: &Plan, block: &Block, sources: &[Source]) -> Result<Vec<Signature>> {
    let mut out = Vec::new();
    let near = plan.clean.near_dedup.is_some();
    documents(
        plan,
        block,
        sources,
        |_, _, fields| {
            out.extend(fields.map(|fields| match fields {
                [text] => signature(text, near),
                several => signature(&several.join("\u{1f}"), near),
            }));
            Ok(())
        },
        |_| {},
    )?;
    Ok(out)
}

/// Reads a block's records and cleans their first field, the text; None where the filters leave a document out.
fn documents(
    plan: &Plan,
    block: &Block,
    sources: &[Source],
    mut each: impl FnMut(u64, &str, Option<&[Cow<'_, str>]>) -> Result<()>,
    mut reject: impl FnMut(Reject),
) -> Result<()> {
    let idle = plan.clean.idle();
    records::read(
        block,
        sources,
        &plan.fields,
        |span, line, fields| {
            let path = &sources[span.source].path;
            if idle {
                return each(line, path, Some(fields));
            }
            match plan.clean.apply(Cow::Borrowed(fields[0].as_ref())) {
                None => each(line, path, None),
                Some(text) => {
                    let mut cleaned = vec![text];
                    cleaned.extend(fields[1..].iter().map(|field| Cow::Borrowed(field.as_ref())));
                    each(line, path, Some(&cleaned))
                }
            }
        },
        |refused| {
            reject(refused);
            Ok(())
        },
    )
}

type Refusal = std::result::Result<(), String>;

/// Appends one example to `docs`, in the form its task needs. The inner error is the reason to refuse the record.
fn document(plan: &Plan, session: &mut dyn Session, fields: &[Cow<'_, str>], docs: &mut TokenDocs) -> Result<Refusal> {
    let words = |masking: &Masking| masking.words();
    match &plan.task {
        Task::Causal(task) => {
            docs.ids.extend(task.bos);
            session.encode(&fields[0], &mut docs.ids)?;
            docs.ids.extend(task.eos);
        }
        Task::Chat(task) => return chat::document(task, fields, session, docs),
        Task::Mlm(task) if words(&task.masking) => session.encode_words(&fields[0], &mut docs.ids, &mut docs.marks)?,
        Task::Mlm(_) | Task::Span(_) => session.encode(&fields[0], &mut docs.ids)?,
        Task::Pair(task) => sentences(task, &fields[0], session, docs)?,
        Task::Seq2seq(_) => {
            part(&fields[0], 0, session, docs)?;
            part(&fields[1], SECOND, session, docs)?;
        }
        Task::Classify(task) => {
            let class = fields.last().map_or("", |field| field.trim());
            let Some(number) = task.classes.iter().position(|name| name == class) else {
                return Ok(Err(format!("the class \"{class}\" is none of {}", task.classes.join(", "))));
            };
            part(&fields[0], 0, session, docs)?;
            if task.pair {
                part(&fields[1], SECOND, session, docs)?;
            }
            docs.labels.push(number as i32);
        }
    }
    docs.ends.push(docs.ids.len());
    Ok(Ok(()))
}

/// Appends a text; its first token gets `mark`. (An empty second text leaves no mark: all tokens are the first's.)
fn part(text: &str, mark: u8, session: &mut dyn Session, docs: &mut TokenDocs) -> Result<()> {
    let start = docs.ids.len();
    session.encode(text, &mut docs.ids)?;
    docs.marks.resize(docs.ids.len(), 0);
    if let Some(first) = docs.marks.get_mut(start) {
        *first |= mark;
    }
    Ok(())
}

fn sentences(task: &Pair, text: &str, session: &mut dyn Session, docs: &mut TokenDocs) -> Result<()> {
    let mut one = |sentence: &str| -> Result<()> {
        let start = docs.ids.len();
        if task.masking.words() {
            session.encode_words(sentence, &mut docs.ids, &mut docs.marks)?;
        } else {
            session.encode(sentence, &mut docs.ids)?;
        }
        docs.marks.resize(docs.ids.len(), 0);
        if let Some(first) = docs.marks.get_mut(start) {
            *first |= SENTENCE;
        }
        Ok(())
    };
    if task.lines {
        return text.lines().map(str::trim).filter(|line| !line.is_empty()).try_for_each(one);
    }
    let mut result = Ok(());
    split_sentences(text, |range| {
        if result.is_ok() {
            result = one(&text[range]);
        }
    });
    result
}
