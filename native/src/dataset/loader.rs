//! Dataset folders in, batches out, in an order that a cursor of a few numbers can start anywhere.
//!
//! Row p of set i in epoch e is `permutation(seed, e)[p]`. With several sets, each next row comes from the set that is
//! furthest behind its weight. Of `world` readers, reader `rank` takes every world-th row of that one common order.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::collate::{Batcher, Choice, Column, RowKey};
use super::manifest::{Manifest, Split};
use super::pool::Pool;
use super::shard::Shard;
use super::shuffle::Permutation;
use crate::arrow::read::Mapped;
use crate::error::{Error, Result};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    pub sets: Vec<SetOptions>,
    pub split: String,
    pub batch_size: usize,
    pub seed: u64,
    pub shuffle: bool,
    /// First epoch, where `taken` is empty.
    pub start_epoch: u64,
    /// Passes over all sets after that; None: without end.
    pub epochs: Option<u64>,
    /// Leave out a last batch that isn't full.
    pub drop_last: bool,
    pub rank: u64,
    pub world: u64,
    /// Compare each shard's hash with the manifest's before its first row is used; otherwise its size only.
    pub verify: bool,
    pub boundary_loss: bool,
    /// Masked rows: give the masked places, rather than a target a token.
    pub masked_positions: bool,
    /// Causal rows: give `cu_seqlens` too.
    pub cu_seqlens: bool,
    /// Batches made ahead.
    pub prefetch: usize,
    /// Rows taken of each set so far, by all readers together; empty at the start.
    pub taken: Vec<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetOptions {
    pub dir: PathBuf,
    pub weight: f64,
}

/// A batch, and the cursor that the next one starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub rows: usize,
    pub columns: Vec<Column>,
    pub taken: Vec<u64>,
    pub epoch: u64,
}

/// One split of one dataset.
struct Set {
    dir: PathBuf,
    split: Split,
    /// First row number after each shard.
    ends: Vec<u64>,
    shards: Vec<Option<usize>>,
    weight: f64,
    permutation: Option<(u64, Permutation)>,
}

impl Set {
    fn new(options: &SetOptions, split: &str) -> Result<(Self, Manifest)> {
        let manifest = Manifest::read(&options.dir)?;
        let split = manifest.split(split)?.clone();
        let mut total = 0;
        let ends = split.shards.iter().map(|shard| {
            total += shard.rows;
            total
        });
        let ends: Vec<u64> = ends.collect();
        if total == 0 {
            return Err(Error::input(format!("{}: the split \"{}\" has no rows", options.dir.display(), split.name)));
        }
        let shards = vec![None; split.shards.len()];
        let set = Self { dir: options.dir.clone(), split, ends, shards, weight: options.weight, permutation: None };
        Ok((set, manifest))
    }

    fn rows(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The row that is taken as number `taken` of this set.
    fn row(&mut self, options: &Options, taken: u64, open: &mut Vec<Shard>) -> Result<RowKey> {
        let rows = self.rows();
        let (epoch, place) = (taken / rows, taken % rows);
        let number = if options.shuffle {
            if self.permutation.as_ref().is_none_or(|(of, _)| *of != epoch) {
                self.permutation = Some((epoch, Permutation::new(rows, options.seed, epoch)));
            }
            self.permutation.as_ref().map_or(place, |(_, permutation)| permutation.at(place))
        } else {
            place
        };
        let shard = self.ends.partition_point(|&end| end <= number);
        let first = if shard == 0 { 0 } else { self.ends[shard - 1] };
        let shard_at = self.shard(shard, options.verify, open)?;
        Ok(RowKey { shard: shard_at, row: (number - first) as usize, number, epoch })
    }

    /// Opens a shard at its first use, after comparing it with the manifest.
    fn shard(&mut self, index: usize, verify: bool, open: &mut Vec<Shard>) -> Result<usize> {
        if let Some(at) = self.shards[index] {
            return Ok(at);
        }
        let entry = &self.split.shards[index];
        let path = self.dir.join(&entry.file);
        let mapped = Mapped::open(&path)?;
        if verify {
            mapped.verify(entry.print.bytes, &entry.print.sha256)?;
        }
        let batches = mapped.batches()?;
        let [batch] = batches.as_slice() else {
            return Err(Error::corrupt(format!(
                "{}: {} record batches, a shard has one",
                path.display(),
                batches.len()
            )));
        };
        if batch.num_rows() as u64 != entry.rows {
            return Err(Error::corrupt(format!(
                "{}: {} rows, the manifest says {}",
                path.display(),
                batch.num_rows(),
                entry.rows
            )));
        }
        open.push(Shard::new(&path, batch)?);
        self.shards[index] = Some(open.len() - 1);
        Ok(open.len() - 1)
    }
}

/// Makes batches one after the other.
pub struct Loader {
    options: Options,
    sets: Vec<Set>,
    /// Shards of all sets opened so far.
    open: Vec<Shard>,
    batcher: Batcher,
    taken: Vec<u64>,
    /// Rows of one pass over all sets.
    pass: u64,
}

impl Loader {
    pub fn new(options: Options) -> Result<Self> {
        check(&options)?;
        let mut sets = Vec::new();
        let mut first: Option<Manifest> = None;
        for set in &options.sets {
            let (set, manifest) = Set::new(set, &options.split)?;
            if let Some(first) = &first {
                same(first, &manifest, &set.dir)?;
            } else {
                first = Some(manifest);
            }
            sets.push(set);
        }
        let manifest = first.ok_or_else(|| Error::config("no dataset was named"))?;
        let pass = sets.iter().map(Set::rows).sum();
        let taken = if options.taken.is_empty() {
            apportion(options.start_epoch.saturating_mul(pass), &options.sets)
        } else {
            options.taken.clone()
        };
        if taken.len() != sets.len() {
            return Err(Error::config(format!("the cursor is of {} datasets, these are {}", taken.len(), sets.len())));
        }
        let choice = Choice {
            seed: options.seed,
            boundary_loss: options.boundary_loss,
            positions: options.masked_positions,
            cu_seqlens: options.cu_seqlens,
        };
        let batcher = Batcher::new(&manifest, choice)?;
        Ok(Self { options, sets, open: Vec::new(), batcher, taken, pass })
    }

    /// Rows of one pass over all sets.
    pub fn rows(&self) -> u64 {
        self.pass
    }

    /// Where the arrays of batches come from.
    pub fn pool(&self) -> Pool {
        self.batcher.pool.clone()
    }

    /// None at the end of the last epoch.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        let Options { batch_size, world, rank, start_epoch, epochs, .. } = self.options;
        let mut keys = Vec::with_capacity(batch_size);
        let start: u64 = self.taken.iter().sum();
        let epoch = start / self.pass;
        // A round gives every reader a batch; the last one is cut off where the last epoch ends.
        let end = epochs.map_or(u64::MAX, |epochs| epochs.saturating_add(start_epoch).saturating_mul(self.pass));
        let round_end = start.saturating_add((batch_size as u64).saturating_mul(world));
        for position in start..round_end.min(end) {
            let set = self.furthest_behind(position);
            if (position - start) % world == rank {
                let mut key = self.sets[set].row(&self.options, self.taken[set], &mut self.open)?;
                // Row 7 of one set has other random numbers than row 7 of another.
                key.number += (set as u64) << 48;
                keys.push(key);
            }
            self.taken[set] += 1;
        }
        // All readers drop the same round, so that they make the same number of batches.
        if keys.is_empty() || (self.options.drop_last && round_end > end) {
            return Ok(None);
        }
        let columns = self.batcher.collate(&self.open, &keys)?;
        Ok(Some(Batch { rows: keys.len(), columns, taken: self.taken.clone(), epoch }))
    }

    fn furthest_behind(&self, position: u64) -> usize {
        let due = (position + 1) as f64;
        let behind = |set: usize| self.sets[set].weight * due - self.taken[set] as f64;
        (1..self.sets.len()).fold(0, |best, set| if behind(set) > behind(best) { set } else { best })
    }
}

/// `total` rows by weight: the whole parts, and the rest to the largest remainders.
fn apportion(total: u64, sets: &[SetOptions]) -> Vec<u64> {
    let shares: Vec<f64> = sets.iter().map(|set| set.weight * total as f64).collect();
    let mut taken: Vec<u64> = shares.iter().map(|share| *share as u64).collect();
    let mut order: Vec<usize> = (0..sets.len()).collect();
    order.sort_by(|&a, &b| shares[b].fract().total_cmp(&shares[a].fract()));
    let missing = total.saturating_sub(taken.iter().sum());
    order.into_iter().take(missing as usize).for_each(|set| taken[set] += 1);
    taken
}

fn check(options: &Options) -> Result<()> {
    if options.batch_size == 0 {
        return Err(Error::config("batchSize is 0"));
    }
    if options.rank >= options.world {
        return Err(Error::config(format!("rank {} of {} readers: ranks count from 0", options.rank, options.world)));
    }
    let weights: f64 = options.sets.iter().map(|set| set.weight).sum();
    if options.sets.iter().any(|set| set.weight.is_nan() || set.weight <= 0.0) || (weights - 1.0).abs() > 1e-6 {
        return Err(Error::config("the weights of blended datasets must be above 0 and add up to 1"));
    }
    Ok(())
}

/// Blended sets must give batches of one form.
fn same(first: &Manifest, other: &Manifest, dir: &Path) -> Result<()> {
    let (a, b) = (&first.plan, &other.plan);
    if a.task != b.task || a.seq_len != b.seq_len || a.vocabulary.sha256 != b.vocabulary.sha256 {
        return Err(Error::config(format!(
            "{}: its task, seqLen or vocabulary is not that of the first dataset",
            dir.display()
        ))
        .with_hint("blend datasets that were built with the same task, length and vocabulary"));
    }
    Ok(())
}
