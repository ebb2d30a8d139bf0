//! Stored rows in, the masked side of a batch out: ids and targets, with the masks that were stored, or fresh ones.

use super::mask::{Masker, Scratch};
use crate::dataset::collate::{Batcher, Column, IGNORED, RowKey};
use crate::dataset::rng::{Purpose, Rng};
use crate::dataset::shard::Shard;
use crate::error::{Error, Result};

/// A batch of masked rows, being filled row by row.
pub struct Masked<'a> {
    batcher: &'a Batcher,
    masker: &'a Masker,
    rows: usize,
    ids: Vec<i32>,
    attention: Vec<i32>,
    /// A target a token, or a target a place.
    labels: Vec<i32>,
    positions: Vec<i32>,
    /// What stood in the row at hand, where targets go by place.
    stood: Vec<i32>,
    scratch: Scratch,
}

impl<'a> Masked<'a> {
    pub fn new(batcher: &'a Batcher, rows: usize) -> Result<Self> {
        let masker = batcher.masker().ok_or_else(|| Error::internal("a masked task without a masking"))?;
        let size = rows * batcher.seq_len;
        let places = rows * masker.max_predictions;
        Ok(Self {
            batcher,
            masker,
            rows,
            ids: batcher.pool.take(size),
            attention: batcher.pool.take(size),
            labels: batcher.pool.take(if batcher.positions { places } else { size }),
            positions: if batcher.positions { batcher.pool.take(places) } else { Vec::new() },
            stood: vec![0; batcher.seq_len],
            scratch: Scratch::default(),
        })
    }

    /// Adds a stored row of `tokens` tokens: masked as stored, or afresh from (seed, epoch, row).
    #[inline]
    pub fn row(&mut self, tokens: usize, shard: &Shard, key: &RowKey) -> Result<()> {
        let length = self.batcher.seq_len;
        let tokens = tokens.min(length);
        let at = self.ids.len();
        shard.append_ids(key.row, length, &mut self.ids);
        self.attention.resize(at + tokens, 1);
        self.attention.resize(at + length, 0);
        let stored = shard.masked(key.row);
        let fresh = stored.is_none();
        let Self { scratch, stood, labels, .. } = self;
        let targets = if self.batcher.positions {
            &mut stood[..]
        } else {
            labels.resize(at + length, IGNORED);
            &mut labels[at..]
        };
        if fresh {
            let mut rng = Rng::new(self.batcher.seed, Purpose::Mask, key.epoch, key.number);
            let word = shard.flag(key.row);
            let word = word.as_ref().map(|word| word as &dyn Fn(usize) -> bool);
            self.masker.mask(&mut self.ids[at..at + tokens], targets, word, &mut rng, scratch);
        }
        let places = self.masker.max_predictions;
        match stored {
            Some((positions, ids)) if self.batcher.positions => {
                let count = positions.len().min(places);
                self.positions.extend_from_slice(&positions[..count]);
                self.labels.extend_from_slice(&ids[..count]);
            }
            Some((positions, ids)) => {
                for (&place, &id) in positions.iter().zip(ids) {
                    if let Some(target) = targets.get_mut(place as usize) {
                        *target = id;
                    }
                }
            }
            None if self.batcher.positions => {
                self.positions.extend(scratch.places().map(|place| place as i32));
                self.labels.extend(scratch.places().map(|place| stood[place]));
            }
            None => {}
        }
        if self.batcher.positions {
            let end = at / length * places + places;
            self.positions.resize(end, 0);
            self.labels.resize(end, IGNORED);
        }
        Ok(())
    }

    /// `input_ids`, `attention_mask` [rows, seqLen]; then `labels` [rows, seqLen], or `masked_positions` and `masked_labels`
    /// [rows, maxPredictions], unused places at 0 and -100.
    pub fn finish(self) -> ([Column; 2], Vec<Column>) {
        let shape = |width: usize| vec![self.rows as u32, width as u32];
        let length = self.batcher.seq_len;
        let targets = if self.batcher.positions {
            let places = self.masker.max_predictions;
            vec![
                Column::new("masked_positions", shape(places), self.positions),
                Column::new("masked_labels", shape(places), self.labels),
            ]
        } else {
            vec![Column::new("labels", shape(length), self.labels)]
        };
        let ids = Column::new("input_ids", shape(length), self.ids);
        ([ids, Column::new("attention_mask", shape(length), self.attention)], targets)
    }
}
