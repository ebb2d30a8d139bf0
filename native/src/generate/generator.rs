//! Prompts enter, continuations leave: reads, chooses, reads what was chosen, until every row has ended. It stops in
//! between when its time is up, so that a caller can show the text, look for stop strings, or cancel.

use std::time::{Duration, Instant};

use super::random::uniform;
use super::sample::{Options, Sampler};
use crate::error::{Error, Result};
use crate::runtime::decoder::Decoder;

#[derive(Clone, Debug)]
pub struct Settings {
    pub sampling: Options,
    pub seed: u64,
    pub max_new_tokens: usize,
    /// These end a row; they are part of its continuation.
    pub end: Vec<u32>,
    /// Before a row has this many new tokens, it can't end.
    pub min_new_tokens: usize,
}

pub struct Generator {
    settings: Settings,
    sampler: Sampler,
    rows: Vec<Row>,
    /// The tokens chosen last, not read yet.
    pending: Option<Vec<i32>>,
}

struct Row {
    /// Prompt and continuation, for the repetition penalty.
    history: Vec<u32>,
    new: usize,
    ended: bool,
}

impl Generator {
    /// Reads the prompts, which must all have a token; rows of several lengths are padded here.
    pub fn start(decoder: &mut Decoder, prompts: &[Vec<u32>], settings: Settings) -> Result<Self> {
        let sampler = Sampler::new(settings.sampling.clone())?;
        let time = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let mut ids = vec![0i32; prompts.len() * time];
        for (row, prompt) in prompts.iter().enumerate() {
            for (into, &token) in ids[row * time..].iter_mut().zip(prompt) {
                *into = token as i32;
            }
        }
        if decoder.rows() != prompts.len() {
            return Err(Error::internal("there are not as many prompts as rows"));
        }
        let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
        decoder.read(&ids, &lengths)?;
        let rows = prompts.iter().map(|p| Row { history: p.clone(), new: 0, ended: settings.max_new_tokens == 0 });
        Ok(Self { sampler, rows: rows.collect(), pending: None, settings })
    }

    /// Adds tokens to every row that has not ended, for about `budget`. Returns the new ones of each row.
    pub fn advance(&mut self, decoder: &mut Decoder, budget: Duration) -> Result<Vec<Vec<u32>>> {
        let start = Instant::now();
        let mut new = vec![Vec::new(); self.rows.len()];
        let ones = vec![1; self.rows.len()];
        while !self.ended() {
            if let Some(tokens) = &self.pending {
                decoder.make_room();
                decoder.read(tokens, &ones)?;
            }
            let chosen = self.choose(decoder)?;
            let full = decoder.lengths().iter().map(|&length| length >= decoder.capacity());
            for (((row, new), &token), full) in self.rows.iter_mut().zip(&mut new).zip(&chosen).zip(full) {
                if row.ended {
                    continue;
                }
                new.push(token as u32);
                row.history.push(token as u32);
                row.new += 1;
                let enough = row.new >= self.settings.max_new_tokens;
                row.ended = full || enough || self.settings.end.contains(&(token as u32));
            }
            self.pending = Some(chosen);
            if start.elapsed() >= budget {
                break;
            }
        }
        Ok(new)
    }

    pub fn ended(&self) -> bool {
        self.rows.iter().all(|row| row.ended)
    }

    /// Ends a row from outside: its stop string has come.
    pub fn end(&mut self, row: usize) {
        if let Some(row) = self.rows.get_mut(row) {
            row.ended = true;
        }
    }

    fn choose(&mut self, decoder: &Decoder) -> Result<Vec<i32>> {
        let logits = decoder.logits()?;
        let width = logits.len() / self.rows.len().max(1);
        let mut barred = Vec::new();
        let mut chosen = Vec::with_capacity(self.rows.len());
        for (index, (row, scores)) in self.rows.iter().zip(logits.chunks(width.max(1))).enumerate() {
            if row.ended {
                chosen.push(0);
                continue;
            }
            let early = row.new < self.settings.min_new_tokens && !self.settings.end.is_empty();
            let scores = if early {
                barred.clear();
                barred.extend_from_slice(scores);
                for &end in &self.settings.end {
                    if let Some(score) = barred.get_mut(end as usize) {
                        *score = f32::NEG_INFINITY;
                    }
                }
                &barred
            } else {
                scores
            };
            let draw = uniform(self.settings.seed, index as u64, row.new as u64);
            chosen.push(self.sampler.pick(scores, &row.history, draw)? as i32);
        }
        Ok(chosen)
    }
}
