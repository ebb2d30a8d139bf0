//! Pieces of documents in, rows being filled out: packing, what is left over for the tail, and the columns that rows share.

use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_schema::Field;

use super::columns::{Bits, Ids, int_list};
use super::pack::{Bins, best_fit};
use super::plan::Plan;
use super::rng::Purpose;
use super::task::{Assembled, Counts, Place, batch};
use super::tokens::TokenDocs;
use crate::error::Result;

/// Runs of at most `width` tokens, each within one document.
pub fn pieces(docs: &TokenDocs, width: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::with_capacity(docs.len() + docs.ids.len() / width);
    for doc in 0..docs.len() {
        let range = docs.range(doc);
        pieces.extend(range.clone().step_by(width).map(|start| start..range.end.min(start + width)));
    }
    pieces
}

/// Documents longer than `width`.
pub fn cut(docs: &TokenDocs, width: usize) -> u64 {
    (0..docs.len()).filter(|&doc| docs.range(doc).len() > width).count() as u64
}

/// Pieces packed into rows, in the order that the rows are to be written.
pub struct Packed {
    pub pieces: Vec<Range<usize>>,
    bins: Bins,
    order: Vec<u32>,
    pub carry: TokenDocs,
}

impl Packed {
    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = Range<usize>>> {
        self.order
            .iter()
            .map(|&bin| self.bins.bin(bin as usize).iter().map(|&piece| self.pieces[piece as usize].clone()))
    }
}

/// Best fit into rows of `room` tokens; a piece has at most `width` tokens and takes `extra` more in its row.
pub fn pack(plan: &Plan, docs: &TokenDocs, (width, extra, room): (usize, usize, usize), place: Place) -> Packed {
    let pieces = pieces(docs, width);
    let lengths: Vec<u32> = pieces.iter().map(|piece| (piece.len() + extra) as u32).collect();
    let bins = best_fit(&lengths, room as u32);
    let mut order: Vec<u32> = (0..bins.len() as u32).collect();
    let mut carry = TokenDocs::default();
    if !place.last {
        let mut left = left_over(&bins.fill, room, docs.ids.len());
        for &bin in &left {
            for &piece in bins.bin(bin as usize) {
                carry.push_from(docs, pieces[piece as usize].clone());
            }
        }
        left.sort_unstable();
        order.retain(|bin| left.binary_search(bin).is_err());
    }
    // Bins come about from the longest document to the shortest: mix them, for those who read in order.
    place.rng(plan.seed, Purpose::Order, 0, 0).shuffle(&mut order);
    Packed { pieces, bins, order, carry }
}

/// The bins that wait for the tail: those with more than 0.1 % of padding, but at most a twentieth of all tokens, the emptiest first.
fn left_over(fill: &[u32], room: usize, tokens: usize) -> Vec<u32> {
    let full = room - room / 1000;
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

/// Rows of a fixed width made of pieces: `input_ids`, `lengths`, and a flag a token where one is wanted.
pub struct Rows {
    width: usize,
    ids: Ids,
    lengths: Vec<i32>,
    ends: Vec<i32>,
    bits: Option<Bits>,
    filler: u32,
    tokens: usize,
}

impl Rows {
    pub fn new(plan: &Plan, width: usize, rows: usize, with_bits: bool) -> Self {
        Self {
            width,
            ids: Ids::with_capacity(plan.narrow(), width * rows),
            lengths: Vec::new(),
            ends: Vec::with_capacity(rows),
            bits: with_bits.then(|| Bits::with_capacity(width * rows)),
            filler: plan.vocabulary.special.filler(),
            tokens: 0,
        }
    }

    /// Adds a piece: `before`, a part of `docs`, `after`. Its tokens' flags are those marked with `mark`.
    #[inline]
    pub fn piece(&mut self, before: &[u32], docs: &TokenDocs, range: Range<usize>, after: &[u32], mark: u8) {
        self.ids.extend(before);
        self.ids.extend_from(docs.ids.part(range.clone()));
        self.ids.extend(after);
        let length = before.len() + range.len() + after.len();
        if let Some(bits) = &mut self.bits {
            bits.fill(false, before.len());
            bits.extend(docs.marks[range].iter().map(|&flags| flags & mark != 0));
            bits.fill(false, after.len());
        }
        self.lengths.push(length as i32);
        self.tokens += length;
    }

    /// Ends the row: the rest of it is padding.
    pub fn end(&mut self) {
        self.ends.push(self.lengths.len() as i32);
        let missing = self.ends.len() * self.width - self.ids.len();
        self.ids.fill(self.filler, missing);
        if let Some(bits) = &mut self.bits {
            bits.fill(false, missing);
        }
    }

    pub fn finish(self, plan: &Plan, carry: TokenDocs, cut_documents: u64, bits: &str) -> Result<Assembled> {
        let rows = self.ends.len();
        let counts = Counts {
            rows: rows as u64,
            tokens: self.tokens as u64,
            padding: (rows * self.width - self.tokens) as u64,
            cut_documents,
            ..Counts::default()
        };
        let mut columns =
            vec![self.ids.fixed("input_ids", self.width)?, int_list("lengths", self.lengths, &self.ends)?];
        if let Some(flags) = self.bits {
            columns.push(flags.fixed(bits, self.width)?);
        }
        finish(plan, columns, carry, counts)
    }
}

/// Columns as what a task hands back.
pub fn finish(plan: &Plan, columns: Vec<(Field, ArrayRef)>, carry: TokenDocs, counts: Counts) -> Result<Assembled> {
    let rows = if counts.rows == 0 { None } else { Some(batch(plan, columns)?) };
    Ok(Assembled { rows, carry, counts })
}
