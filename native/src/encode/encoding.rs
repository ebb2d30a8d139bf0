//! What encoding one text or pair gives, and how it is cut, padded and joined. Rules as in Hugging Face's `Encoding`.

use crate::error::{Error, Result};
use crate::text::normalise::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Left,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    LongestFirst,
    OnlyFirst,
    OnlySecond,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// Tokens, those of the template included.
    pub max_length: usize,
    /// Tokens that an overflowing part shares with the one before.
    pub stride: usize,
    pub strategy: Strategy,
    pub direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Padding {
    /// `None`: to the longest of the batch.
    pub length: Option<usize>,
    pub direction: Direction,
    pub multiple_of: Option<usize>,
    pub id: u32,
    pub type_id: u32,
    pub token: String,
}

/// Columns of equal length, one row a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    pub ids: Vec<u32>,
    pub type_ids: Vec<u32>,
    /// The word (pre-token) that each token is part of; `None` for tokens of the template and padding.
    pub words: Vec<Option<u32>>,
    /// Where in its text each token stands; `(0, 0)` for tokens of the template and padding.
    pub offsets: Vec<Span>,
    /// The text (0 or 1) that each token comes from.
    pub sequences: Vec<Option<u8>>,
    pub special: Vec<bool>,
    pub attention: Vec<bool>,
    pub overflowing: Vec<Encoding>,
}

macro_rules! columns {
    ($each:ident) => {
        $each!(ids);
        $each!(type_ids);
        $each!(words);
        $each!(offsets);
        $each!(sequences);
        $each!(special);
        $each!(attention);
    };
}

impl Encoding {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn push(&mut self, id: u32, offsets: Span, word: u32) {
        self.ids.push(id);
        self.type_ids.push(0);
        self.words.push(Some(word));
        self.offsets.push(offsets);
        self.sequences.push(Some(0));
        self.special.push(false);
        self.attention.push(true);
    }

    /// A token of the template.
    pub fn push_special(&mut self, id: u32, type_id: u32) {
        self.ids.push(id);
        self.type_ids.push(type_id);
        self.words.push(None);
        self.offsets.push((0, 0));
        self.sequences.push(None);
        self.special.push(true);
        self.attention.push(true);
    }

    fn part(&self, start: usize, end: usize) -> Self {
        let mut out = Self::default();
        macro_rules! copy {
            ($column:ident) => {
                out.$column = self.$column[start..end].to_vec();
            };
        }
        columns!(copy);
        out
    }

    /// Keeps `length` tokens; the others go to `overflowing`, in parts that share `stride` tokens.
    pub fn truncate(&mut self, length: usize, stride: usize, direction: Direction) -> Result<()> {
        let n = self.len();
        if length >= n {
            return Ok(());
        }
        if length == 0 {
            let all = std::mem::take(self);
            self.overflowing.push(all);
            return Ok(());
        }
        if stride >= length {
            return Err(Error::config(format!(
                "truncation: a stride of {stride} must be smaller than the {length} tokens that are left for the text"
            )));
        }
        let step = length - stride;
        let mut parts = Vec::new();
        match direction {
            Direction::Right => {
                for start in (0..n).step_by(step) {
                    let end = n.min(start + length);
                    parts.push(self.part(start, end));
                    if end == n {
                        break;
                    }
                }
            }
            Direction::Left => {
                for end in (1..=n).rev().step_by(step) {
                    let start = end.saturating_sub(length);
                    parts.push(self.part(start, end));
                    if start == 0 {
                        break;
                    }
                }
            }
        }
        let mut parts = parts.into_iter();
        *self = parts.next().unwrap_or_default();
        self.overflowing = parts.collect();
        Ok(())
    }

    /// Fills up to `length` tokens, overflowing parts too.
    pub fn pad(&mut self, length: usize, padding: &Padding) {
        for part in &mut self.overflowing {
            part.pad(length, padding);
        }
        let n = length.saturating_sub(self.len());
        macro_rules! fill {
            ($column:ident, $value:expr) => {
                match padding.direction {
                    Direction::Right => self.$column.extend(std::iter::repeat_n($value, n)),
                    Direction::Left => {
                        self.$column.splice(0..0, std::iter::repeat_n($value, n));
                    }
                }
            };
        }
        fill!(ids, padding.id);
        fill!(type_ids, padding.type_id);
        fill!(words, None);
        fill!(offsets, (0, 0));
        fill!(sequences, None);
        fill!(special, true);
        fill!(attention, false);
    }

    /// Appends `other`; each overflowing part of one is joined with the other and with each of its parts.
    pub fn join(&mut self, other: Self) {
        let mut overflowing = Vec::new();
        for mine in &self.overflowing {
            for part in std::iter::once(&other).chain(&other.overflowing) {
                overflowing.push(mine.joined(part));
            }
        }
        for part in &other.overflowing {
            overflowing.push(self.joined(part));
        }
        self.extend(&other);
        self.overflowing = overflowing;
    }

    fn joined(&self, other: &Self) -> Self {
        let mut out = self.part(0, self.len());
        out.extend(other);
        out
    }

    fn extend(&mut self, other: &Self) {
        macro_rules! append {
            ($column:ident) => {
                self.$column.extend_from_slice(&other.$column);
            };
        }
        columns!(append);
    }
}

/// Cuts a text or a pair to `max_length` tokens together, by the strategy.
pub fn truncate(first: &mut Encoding, second: Option<&mut Encoding>, by: &Truncation, added: usize) -> Result<()> {
    let Some(room) = by.max_length.checked_sub(added) else {
        return Err(Error::config(format!(
            "truncation: max_length is {}, but the template alone adds {added} tokens",
            by.max_length
        )));
    };
    let total = first.len() + second.as_ref().map_or(0, |s| s.len());
    if total <= room {
        return Ok(());
    }
    let cut = |encoding: &mut Encoding, n: usize| encoding.truncate(n, by.stride, by.direction);
    if room == 0 {
        cut(first, 0)?;
        return second.map_or(Ok(()), |second| cut(second, 0));
    }
    match (by.strategy, second) {
        (Strategy::LongestFirst, None) => cut(first, room),
        (Strategy::LongestFirst, Some(second)) => {
            let short = first.len().min(second.len());
            let (mut a, mut b) = (short, if short > room { short } else { short.max(room - short) });
            if a + b > room {
                (a, b) = (room / 2, room / 2 + room % 2);
            }
            if first.len() > second.len() {
                (a, b) = (b, a);
            }
            cut(first, a)?;
            cut(second, b)
        }
        (strategy, second) => {
            let target = match (strategy, second) {
                (Strategy::OnlySecond, None) => {
                    return Err(Error::config("truncation: only_second needs a second text"));
                }
                (Strategy::OnlySecond, Some(second)) => second,
                _ => first,
            };
            match target.len().checked_sub(total - room) {
                Some(n) if n > 0 => cut(target, n),
                _ => Err(Error::config(format!(
                    "truncation: the text to cut has {} tokens, too few to come down to max_length {}",
                    target.len(),
                    by.max_length
                ))),
            }
        }
    }
}

/// Pads a batch to the length that `by` asks for.
pub fn pad(batch: &mut [Encoding], by: &Padding) {
    let longest = batch.iter().map(Encoding::len).max().unwrap_or(0);
    let length = by.length.unwrap_or(longest);
    let length = by.multiple_of.filter(|m| *m > 0).map_or(length, |m| length.next_multiple_of(m));
    batch.iter_mut().for_each(|encoding| encoding.pad(length, by));
}
