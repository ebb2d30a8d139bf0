//! A text or a pair of texts with a class to rows, and rows to batches.
//!
//! With `<cls>` and `<sep>` a row is `<cls> A <sep>` or `<cls> A <sep> B <sep>` (Devlin et al. 2018, figure 4); in vocabularies of
//! decoders it is the text, a delimiter and the second text, and an end token whose state is classified (Radford et al.
//! 2018, section 3.3). Columns: `input_ids: list<uint16|int32>`, `first_length: int32` (tokens of the first part, its end
//! mark counted), `class: int32`.

use serde::{Deserialize, Serialize};

use crate::dataset::collate::{Batcher, Column, IGNORED, RowKey};
use crate::dataset::columns::{Ids, ints};
use crate::dataset::plan::Plan;
use crate::dataset::rows::finish;
use crate::dataset::shard::Shard;
use crate::dataset::task::{Assembled, Counts};
use crate::dataset::tokens::{SECOND, TokenDocs};
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Classify {
    /// Names of the classes: class i is the label `classes[i]`.
    pub classes: Vec<String>,
    /// Two texts a row.
    pub pair: bool,
    /// Put before the first text.
    pub begin: Option<u32>,
    /// Put between two texts.
    pub between: u32,
    /// Put at the end.
    pub end: u32,
}

pub fn assemble(plan: &Plan, task: &Classify, docs: TokenDocs) -> Result<Assembled> {
    let mut ids = Ids::with_capacity(plan.narrow(), docs.ids.len() + 3 * docs.len());
    let (mut ends, mut firsts) = (Vec::new(), Vec::new());
    let mut counts = Counts { rows: docs.len() as u64, ..Counts::default() };
    let begin: Vec<u32> = task.begin.into_iter().collect();
    for doc in 0..docs.len() {
        let range = docs.range(doc);
        let second = range.clone().find(|&t| docs.marks[t] & SECOND != 0).unwrap_or(range.end);
        let marks = begin.len() + 1 + usize::from(task.pair);
        // The longer text is cut at its end until both fit, as Hugging Face's `longest_first`.
        let (mut a, mut b) = (second - range.start, range.end - second);
        let excess = (a + b + marks).saturating_sub(plan.seq_len);
        for _ in 0..excess {
            if a > b { a -= 1 } else { b -= 1 }
        }
        counts.cut_documents += u64::from(excess > 0);
        let start = ids.len();
        ids.extend(&begin);
        ids.extend_from(docs.ids.part(range.start..range.start + a));
        ids.extend(&[if task.pair { task.between } else { task.end }]);
        firsts.push((ids.len() - start) as i32);
        if task.pair {
            ids.extend_from(docs.ids.part(second..second + b));
            ids.extend(&[task.end]);
        }
        ends.push(ids.len() as i32);
    }
    counts.tokens = ids.len() as u64;
    let columns = vec![ids.list("input_ids", &ends)?, ints("first_length", firsts), ints("class", docs.labels)];
    finish(plan, columns, TokenDocs::default(), counts)
}

/// input_ids, attention_mask, token_type_ids [rows, seqLen]; labels [rows] (the class); lm_labels [rows, seqLen], the same
/// text as targets of a language model, shifted: the term L_PT of the GPT paper's equation 5.
pub fn collate(batcher: &Batcher, _: &Classify, shards: &[Shard], keys: &[RowKey]) -> Result<Vec<Column>> {
    let length = batcher.seq_len;
    let size = keys.len() * length;
    let filled = |value: i32| batcher.pool.filled(size, value);
    let (mut ids, mut mask, mut types) = (filled(batcher.filler), filled(0), filled(0));
    let (mut next, mut labels) = (filled(IGNORED), Vec::with_capacity(keys.len()));
    for (i, key) in keys.iter().enumerate() {
        let shard = &shards[key.shard];
        let at = i * length;
        let n = shard.input_ids(key.row, &mut ids[at..at + length]);
        let first = (shard.ints("first_length")?[key.row].max(0) as usize).min(n);
        mask[at..at + n].fill(1);
        types[at + first..at + n].fill(1);
        if n > 1 {
            next[at..at + n - 1].copy_from_slice(&ids[at + 1..at + n]);
        }
        labels.push(shard.ints("class")?[key.row]);
    }
    let shape = || vec![keys.len() as u32, length as u32];
    Ok(vec![
        Column::new("input_ids", shape(), ids),
        Column::new("attention_mask", shape(), mask),
        Column::new("token_type_ids", shape(), types),
        Column::new("labels", vec![keys.len() as u32], labels),
        Column::new("lm_labels", shape(), next),
    ])
}
