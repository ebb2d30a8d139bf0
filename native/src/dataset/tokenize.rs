//! A block of text in, encoded documents by split out: read, hash, split, encode.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::encoder::Session;
use super::plan::{Plan, SPLITS, Task};
use super::tokens::TokenDocs;
use crate::corpus::Source;
use crate::corpus::cut::Block;
use crate::corpus::records::{self, Reject};
use crate::error::Result;

/// What reading came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TextCounts {
    pub documents: [u64; SPLITS.len()],
    pub text_bytes: u64,
    pub tokens: u64,
    pub rejected: u64,
}

impl std::ops::AddAssign<&TextCounts> for TextCounts {
    fn add_assign(&mut self, other: &TextCounts) {
        for (here, there) in self.documents.iter_mut().zip(&other.documents) {
            *here += there;
        }
        self.text_bytes += other.text_bytes;
        self.tokens += other.tokens;
        self.rejected += other.rejected;
    }
}

#[derive(Default)]
pub struct Tokenized {
    pub splits: [TokenDocs; SPLITS.len()],
    pub rejects: Vec<Reject>,
    pub counts: TextCounts,
}

pub fn tokenize(plan: &Plan, session: &mut dyn Session, block: &Block, sources: &[Source]) -> Result<Tokenized> {
    let mut out = Tokenized::default();
    let (splits, counts, rejects) = (&mut out.splits, &mut out.counts, &mut out.rejects);
    records::read(
        block,
        sources,
        &plan.fields,
        |_, _, fields| {
            let text = fields[0].as_ref();
            let split = plan.split_of(xxh3_64(text.as_bytes()));
            let docs = &mut splits[split];
            let before = docs.ids.len();
            document(plan, session, fields, docs)?;
            counts.documents[split] += 1;
            counts.text_bytes += text.len() as u64;
            counts.tokens += (docs.ids.len() - before) as u64;
            Ok(())
        },
        |reject| {
            rejects.push(reject);
            Ok(())
        },
    )?;
    counts.rejected = rejects.len() as u64;
    Ok(out)
}

/// Appends one example to `docs`, in the form its task needs.
fn document(
    plan: &Plan,
    session: &mut dyn Session,
    fields: &[std::borrow::Cow<'_, str>],
    docs: &mut TokenDocs,
) -> Result<()> {
    match &plan.task {
        Task::Causal(task) => {
            docs.ids.extend(task.bos);
            session.encode(&fields[0], &mut docs.ids)?;
            docs.ids.extend(task.eos);
            docs.ends.push(docs.ids.len());
        }
    }
    Ok(())
}
