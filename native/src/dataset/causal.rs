//! Documents to rows for a causal model: packed by best fit, concatenated and cut, or one a row.
//!
//! Columns: `input_ids: fixed_size_list<uint16|int32>[W]` and `lengths: list<int32>`, the token counts of the pieces in a
//! row from its start on; what follows them is padding. W is `seqLen`, or `seqLen + 1` for `concat`, where neighbours share
//! one token. Labels, positions, segment ids and cu_seqlens are derived by the reader.

use serde::{Deserialize, Serialize};

use super::columns::{Ids, int_list};
use super::pack::best_fit;
use super::plan::Plan;
use super::rng::{Purpose, Rng};
use super::task::{Assembled, Counts, Place, batch};
use super::tokens::TokenDocs;
use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Causal {
    pub pack: Pack,
    /// Put before each document.
    pub bos: Option<u32>,
    /// Put after each document.
    pub eos: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pack {
    /// Whole documents, the longest first, each into the fullest row that has room.
    BestFit,
    /// All documents end to end, cut every `seqLen` tokens.
    Concat,
    /// A document a row.
    None,
}

/// Width of a stored row.
pub fn width(plan: &Plan, task: &Causal) -> usize {
    plan.seq_len + usize::from(task.pack == Pack::Concat)
}

pub fn assemble(plan: &Plan, task: &Causal, docs: TokenDocs, place: Place) -> Result<Assembled> {
    match task.pack {
        Pack::BestFit => packed(plan, docs, place),
        Pack::Concat => concatenated(plan, docs, place),
        Pack::None => {
            let pieces = pieces(&docs, plan.seq_len);
            let mut rows = Rows::new(plan, plan.seq_len, pieces.len());
            for piece in &pieces {
                rows.piece(&docs.ids[piece.clone()]);
                rows.end();
            }
            rows.finish(plan, TokenDocs::default(), cut(&docs, plan.seq_len))
        }
    }
}

/// Runs of at most `width` tokens, each within one document.
fn pieces(docs: &TokenDocs, width: usize) -> Vec<std::ops::Range<usize>> {
    let mut pieces = Vec::with_capacity(docs.len() + docs.ids.len() / width);
    for doc in 0..docs.len() {
        let range = docs.range(doc);
        pieces.extend(range.clone().step_by(width).map(|start| start..range.end.min(start + width)));
    }
    pieces
}

fn cut(docs: &TokenDocs, width: usize) -> u64 {
    (0..docs.len()).filter(|&doc| docs.range(doc).len() > width).count() as u64
}

fn packed(plan: &Plan, docs: TokenDocs, place: Place) -> Result<Assembled> {
    let width = plan.seq_len;
    let pieces = pieces(&docs, width);
    let lengths: Vec<u32> = pieces.iter().map(|piece| piece.len() as u32).collect();
    let bins = best_fit(&lengths, width as u32);
    let mut order: Vec<u32> = (0..bins.len() as u32).collect();
    let mut carry = TokenDocs::default();
    if !place.last {
        let left = left_over(&bins.fill, width, docs.ids.len());
        for bin in &left {
            for &piece in bins.bin(*bin as usize) {
                carry.push_from(&docs, pieces[piece as usize].clone());
            }
        }
        let mut left = left;
        left.sort_unstable();
        order.retain(|bin| left.binary_search(bin).is_err());
    }
    // Bins come about from the longest document to the shortest: mix them, for those who read in order.
    Rng::new(plan.seed, Purpose::Order, 0, place.partition).shuffle(&mut order);
    let mut rows = Rows::new(plan, width, order.len());
    for &bin in &order {
        for &piece in bins.bin(bin as usize) {
            rows.piece(&docs.ids[pieces[piece as usize].clone()]);
        }
        rows.end();
    }
    rows.finish(plan, carry, cut(&docs, width))
}

/// The bins that wait for the tail: those with more than 0.1 % of padding, but at most a twentieth of all tokens, the emptiest first.
fn left_over(fill: &[u32], width: usize, tokens: usize) -> Vec<u32> {
    let full = width - width / 1000;
    let mut open: Vec<u32> = (0..fill.len() as u32).filter(|&bin| (fill[bin as usize] as usize) < full).collect();
    open.sort_by_key(|&bin| fill[bin as usize]);
    let mut sum = 0;
    let taken = open.iter().take_while(|&&bin| {
        sum += fill[bin as usize] as usize;
        sum <= tokens / 20
    });
    let taken = taken.count();
    open.truncate(taken);
    open
}

fn concatenated(plan: &Plan, docs: TokenDocs, place: Place) -> Result<Assembled> {
    let step = plan.seq_len;
    let total = docs.ids.len();
    let whole = total.saturating_sub(1) / step;
    let mut rows = Rows::new(plan, step + 1, whole + 1);
    let mut doc = 0;
    let mut start = 0;
    while start + 1 < total {
        let end = (start + step + 1).min(total);
        if end - start < step + 1 && !place.last {
            break;
        }
        let mut at = start;
        while at < end {
            while docs.ends[doc] <= at {
                doc += 1;
            }
            let stop = docs.ends[doc].min(end);
            rows.piece(&docs.ids[at..stop]);
            at = stop;
        }
        rows.end();
        start += step;
        // The shared token may belong to the document before.
        while doc > 0 && docs.ends[doc - 1] > start {
            doc -= 1;
        }
    }
    let mut carry = TokenDocs::default();
    if !place.last && start + 1 < total {
        // The stream goes on in the tail, document by document; `start` is shared with the last row.
        let mut at = start;
        for doc in 0..docs.len() {
            if docs.ends[doc] > at {
                carry.push_from(&docs, at..docs.ends[doc]);
                at = docs.ends[doc];
            }
        }
    }
    rows.finish(plan, carry, 0)
}

/// Rows being written.
struct Rows {
    width: usize,
    ids: Ids,
    lengths: Vec<i32>,
    ends: Vec<i32>,
    filler: u32,
    tokens: usize,
}

impl Rows {
    fn new(plan: &Plan, width: usize, rows: usize) -> Self {
        Self {
            width,
            ids: Ids::with_capacity(plan.narrow(), width * rows),
            lengths: Vec::new(),
            ends: Vec::with_capacity(rows),
            filler: plan.vocabulary.special.filler(),
            tokens: 0,
        }
    }

    #[inline]
    fn piece(&mut self, ids: &[u32]) {
        self.ids.extend(ids);
        self.lengths.push(ids.len() as i32);
        self.tokens += ids.len();
    }

    fn end(&mut self) {
        self.ends.push(self.lengths.len() as i32);
        let missing = self.ends.len() * self.width - self.ids.len();
        self.ids.fill(self.filler, missing);
    }

    fn finish(self, plan: &Plan, carry: TokenDocs, cut_documents: u64) -> Result<Assembled> {
        let rows = self.ends.len();
        let counts = Counts {
            rows: rows as u64,
            tokens: self.tokens as u64,
            padding: (rows * self.width - self.tokens) as u64,
            cut_documents,
        };
        if rows == 0 {
            return Ok(Assembled { rows: None, carry, counts });
        }
        let columns = vec![self.ids.fixed("input_ids", self.width)?, int_list("lengths", self.lengths, &self.ends)?];
        Ok(Assembled { rows: Some(batch(plan, columns)?), carry, counts })
    }
}
